"""The v1 model: one content as protobuf and as JSON, every field of it from the model's object of its kind."""

import json
from collections.abc import Iterator

import msgspec
import pytest
from google.protobuf import json_format
from google.protobuf.message import Message

from aggregator.models import topology as model
from aggregator.models.topology import Cluster, Container, Device, Interface, Node, Pod, Topology
from aggregator.pb.aggregator.v1 import topology_pb2 as pb
from aggregator.views import v1
from aggregator.views.v1_fields import attribute, own_fields
from tests import cases

KINDS: dict[type[Message], type[msgspec.Struct]] = {
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


def document(topology: Topology) -> dict[str, object]:
    """Return the JSON of a topology, as it is read."""
    read: dict[str, object] = json.loads(v1.render_json(topology, 0))
    return read


def message(topology: Topology) -> pb.Topology:
    """Return the protobuf of a topology, as it is read."""
    return pb.Topology.FromString(v1.render_protobuf(topology, 0))


def one_node(node: Node) -> Topology:
    """Return a topology of one cluster with one node."""
    return Topology(clusters={"c": Cluster(key="c", uid="u")}, nodes={("c", node.key): node})


@pytest.mark.parametrize("name", cases.NAMES)
def test_both_formats_tell_the_same(name: str) -> None:
    """The JSON of every case is the proto3 JSON mapping of its protobuf."""
    topology = cases.topology(name)
    assert document(topology) == json.loads(json_format.MessageToJson(message(topology)))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.DESCRIPTOR.name)
def test_every_field_shows_an_attribute(kind: type[Message]) -> None:
    """Each field of a message that nothing else gives is an attribute of the model's object."""
    shown = {attribute(kind.DESCRIPTOR.name, field) for field in own_fields(kind)}
    assert not {name for name in shown if not hasattr(KINDS[kind], name)}


def test_everything_that_is_measured_is_shown() -> None:
    """Each field of the model that a row of the catalog fills is in the message of its kind."""

    def missing() -> Iterator[tuple[str, str]]:
        for kind, of in KINDS.items():
            shown = {attribute(kind.DESCRIPTOR.name, field) for field in own_fields(kind)}
            yield from ((of.__name__, name) for name in set(of.__struct_fields__) - shown)

    given_or_internal = {
        ("Topology", "clusters"),
        ("Topology", "nodes"),
        ("Topology", "pods"),
        # Names of contracts that are older: v1 has its own for all of them.
        ("Cluster", "name"),
        ("Cluster", "cluster_id"),
        ("Node", "label"),
        ("Pod", "key"),
        ("Pod", "uid"),
        ("Pod", "containers"),
    }
    assert set(missing()) == given_or_internal


def test_unknown_is_not_zero() -> None:
    """A value that is 0 is there, in both formats, and one that is unknown is not."""
    topology = one_node(Node(cluster="c", key="n", free_memory_bytes=0))
    node = message(topology).clusters[0].nodes[0]
    assert node.HasField("free_memory_bytes")
    assert not node.HasField("memory_bytes")
    shown = document(topology)["clusters"][0]["nodes"][0]  # type: ignore[index] # as the mapping has it
    assert shown == {"name": "n", "cluster": "c", "freeMemoryBytes": "0"}


def test_moments_are_timestamps() -> None:
    """When an object was seen is told to the millisecond, in JSON as RFC 3339 writes it."""
    topology = one_node(Node(cluster="c", key="n", last_seen_seconds=SEEN_SECONDS))
    assert message(topology).clusters[0].nodes[0].last_seen_time.ToJsonString() == "2026-11-20T20:57:08.307Z"
    assert '"lastSeenTime":"2026-11-20T20:57:08.307Z"' in v1.render_json(topology, 0).decode()


@pytest.mark.parametrize("seconds", [-1.0, 253402300800.0, 1e300])
def test_a_moment_that_no_calendar_has_is_left_out(seconds: float) -> None:
    """The oldest sample of a clock gone wild does not keep the rest from being shown."""
    topology = Topology(oldest_sample_seconds=seconds)
    assert not message(topology).HasField("oldest_sample_time")
    assert "oldestSampleTime" not in document(topology)


@pytest.mark.parametrize(("state", "name"), [(-1, "DETACHED"), (0, "BUSY"), (1, "AVAILABLE"), (7, None), (None, None)])
def test_states_of_devices(state: int | None, name: str | None) -> None:
    """Of the numbers that device discovery has, each of the three known ones is a name, and others are none."""
    topology = one_node(Node(cluster="c", key="n", devices={"d": Device("d", state)}))
    shown = json_format.MessageToDict(message(topology))["clusters"][0]["nodes"][0]["devices"][0]
    assert shown.get("state") == (name and f"DEVICE_STATE_{name}")


@pytest.mark.parametrize(("text", "length"), [("24", 24), ("", None), ("x", None), ("-1", None), ("9" * 20, None)])
def test_addresses_have_the_length_of_their_prefix(text: str, length: int | None) -> None:
    """Each address of an interface is one, with the length of its prefix where it is a number."""
    topology = one_node(Node(cluster="c", key="n", interfaces={"e": Interface("e", addresses={"10.0.0.1": text})}))
    (shown,) = message(topology).clusters[0].nodes[0].interfaces[0].addresses
    assert (shown.ip, shown.prefix_length if shown.HasField("prefix_length") else None) == ("10.0.0.1", length)


def test_a_container_that_stands_alone_tells_where_it_is() -> None:
    """In a list, a container has the names of its cluster, namespace, pod and node; within its pod it has not."""
    container = Container("app", image="nginx:1", memory_bytes=5)
    pod = Pod(cluster="c", key="web", id="p-1", name="web", namespace="shop", node="n", containers={"app": container})
    alone, within = v1.MESSAGES.container(container, pod), v1.MESSAGES.pod(pod).containers[0]
    assert alone.id == within.id == "p-1/app"
    assert (alone.cluster, alone.namespace, alone.pod, alone.node) == ("c", "shop", "web", "n")
    assert not within.HasField("pod")
