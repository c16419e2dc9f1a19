"""The v1 model as protobuf and as JSON, with every field of the model."""

import json
from collections.abc import Iterator

import msgspec
import pytest
from google.protobuf import json_format
from google.protobuf.message import Message

from aggregator.models import topology as model
from aggregator.models.topology import Cluster, Container, Device, Interface, Node, Pod, Topology
from aggregator.pb.aggregator.v1 import topology_pb2 as pb
from aggregator.views import v1_format, v1_protobuf
from aggregator.views.v1_format import get_attribute_name, list_model_fields
from tests.support import parity_cases

MODEL_TYPES: dict[type[Message], type[msgspec.Struct]] = {
    pb.Topology: model.Topology,
    pb.Cluster: model.Cluster,
    pb.Node: model.Node,
    pb.Interface: model.Interface,
    pb.Device: model.Device,
    pb.Filesystem: model.Filesystem,
    pb.Pod: model.Pod,
    pb.Container: model.Container,
    pb.Workload: model.Workload,
}
SEEN_SECONDS = 1_795_208_228.307


def parse_document(topology: Topology) -> dict[str, object]:
    """Return the decoded JSON of a topology."""
    read: dict[str, object] = json.loads(v1_format.render_v1_json(topology, 0))
    return read


def parse_message(topology: Topology) -> pb.Topology:
    """Return the decoded protobuf of a topology."""
    return pb.Topology.FromString(v1_protobuf.render_v1_protobuf(topology, 0))


def build_single_node_topology(node: Node) -> Topology:
    """Return a topology of one cluster with one node."""
    return Topology(clusters={"c": Cluster(key="c", uid="u")}, nodes={("c", node.key): node})


@pytest.mark.parametrize("name", parity_cases.CASE_NAMES)
def test_json_is_the_mapping_of_the_protobuf(name: str) -> None:
    """The JSON of every case is the proto3 JSON mapping of its protobuf."""
    topology = parity_cases.build_case_topology(name)
    assert parse_document(topology) == json.loads(json_format.MessageToJson(parse_message(topology)))


@pytest.mark.parametrize("kind", MODEL_TYPES, ids=lambda kind: kind.DESCRIPTOR.name)
def test_every_field_shows_an_attribute(kind: type[Message]) -> None:
    """Each field of a message that is no context field is an attribute of the model."""
    shown = {get_attribute_name(kind.DESCRIPTOR.name, field) for field in list_model_fields(kind)}
    assert not {name for name in shown if not hasattr(MODEL_TYPES[kind], name)}


def test_every_field_of_the_model_is_shown() -> None:
    """Each field of the model is in its message, except for the listed ones."""

    def missing() -> Iterator[tuple[str, str]]:
        for kind, of in MODEL_TYPES.items():
            shown = {get_attribute_name(kind.DESCRIPTOR.name, field) for field in list_model_fields(kind)}
            yield from ((of.__name__, name) for name in set(of.__struct_fields__) - shown)

    context_or_legacy_fields = {
        ("Topology", "clusters"),
        ("Topology", "nodes"),
        ("Topology", "pods"),
        # Fields of the legacy formats: v1 shows them under other names or not at all.
        ("Cluster", "name"),
        ("Cluster", "cluster_id"),
        ("Node", "agent_id"),
        ("Node", "node_label"),
        ("Node", "reported_latitude"),
        ("Node", "reported_longitude"),
        ("Interface", "is_reported_up"),
        ("Interface", "reported_speed_bytes_per_second"),
        ("Pod", "key"),
        ("Pod", "uid"),
        ("Pod", "containers"),
    }
    assert set(missing()) == context_or_legacy_fields


def test_unknown_is_not_zero() -> None:
    """A value of 0 is present in both formats; an unknown value is absent."""
    topology = build_single_node_topology(Node(cluster="c", key="n", free_memory_bytes=0))
    node = parse_message(topology).clusters[0].nodes[0]
    assert node.HasField("free_memory_bytes")
    assert not node.HasField("memory_bytes")
    shown = parse_document(topology)["clusters"][0]["nodes"][0]  # type: ignore[index] # decoded JSON
    assert shown == {"name": "n", "cluster": "c", "freeMemoryBytes": "0"}


def test_times_are_timestamps() -> None:
    """Times have milliseconds, in JSON in the format of RFC 3339."""
    topology = build_single_node_topology(Node(cluster="c", key="n", last_seen_seconds=SEEN_SECONDS))
    assert parse_message(topology).clusters[0].nodes[0].last_seen_time.ToJsonString() == "2026-11-20T20:57:08.307Z"
    assert '"lastSeenTime":"2026-11-20T20:57:08.307Z"' in v1_format.render_v1_json(topology, 0).decode()


@pytest.mark.parametrize("seconds", [-1.0, 253402300800.0, 1e300])
def test_times_out_of_range_are_omitted(seconds: float) -> None:
    """A time that Timestamp cannot hold, from a wrong clock, does not fail the view."""
    topology = Topology(oldest_sample_seconds=seconds)
    assert not parse_message(topology).HasField("oldest_sample_time")
    assert "oldestSampleTime" not in parse_document(topology)


@pytest.mark.parametrize(("state", "name"), [(-1, "DETACHED"), (0, "BUSY"), (1, "AVAILABLE"), (7, None), (None, None)])
def test_states_of_devices(state: int | None, name: str | None) -> None:
    """The three known states of a device have names; other states are omitted."""
    topology = build_single_node_topology(Node(cluster="c", key="n", devices={"d": Device("d", state)}))
    shown = json_format.MessageToDict(parse_message(topology))["clusters"][0]["nodes"][0]["devices"][0]
    assert shown.get("state") == (name and f"DEVICE_STATE_{name}")


@pytest.mark.parametrize(("text", "length"), [("24", 24), ("", None), ("x", None), ("-1", None), ("9" * 20, None)])
def test_addresses_have_a_prefix_length(text: str, length: int | None) -> None:
    """Each address of an interface has its prefix length if it is a number."""
    topology = build_single_node_topology(
        Node(cluster="c", key="n", interfaces={"e": Interface("e", addresses={"10.0.0.1": text})})
    )
    (shown,) = parse_message(topology).clusters[0].nodes[0].interfaces[0].addresses
    assert (shown.ip, shown.prefix_length if shown.HasField("prefix_length") else None) == ("10.0.0.1", length)


def test_a_container_outside_its_pod_has_its_location() -> None:
    """In a list, a container has the names of its cluster, namespace, pod and node; in its pod it does not."""
    container = Container("app", image="nginx:1", memory_bytes=5)
    pod = Pod(cluster="c", key="web", id="p-1", name="web", namespace="shop", node="n", containers={"app": container})
    alone, within = (
        v1_protobuf.MESSAGE_FORMAT.encode_container(container, pod),
        v1_protobuf.MESSAGE_FORMAT.encode_pod(pod).containers[0],
    )
    assert alone.id == within.id == "p-1/app"
    assert (alone.cluster, alone.namespace, alone.pod, alone.node) == ("c", "shop", "web", "n")
    assert not within.HasField("pod")
