"""Filters find what a naive reading of the JSON finds: every field, with every operator, on any topology."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator.errors import BadRequestError
from aggregator.lookup import items
from aggregator.lookup.conditions import condition
from aggregator.lookup.index import Index
from aggregator.lookup.items import Form, Kind
from aggregator.lookup.language import Operator, Requirement, parse
from aggregator.models.topology import Topology
from aggregator.pb.aggregator.v1 import topology_pb2 as pb
from aggregator.views import v1
from tests.lookup import oracle
from tests.lookup.fleets import topologies
from tests.lookup.test_index import TREE

VALUES: dict[Form, list[str]] = {
    Form.TEXT: ["a", "edge-1", "x86_64", "", "a/b ü", "ocm", "10.0.0.1", "one"],
    Form.NUMBER: ["0", "1", "2.5", "-1", "4294967296", "1e9"],
    Form.MOMENT: ["2026-11-20T20:57:08.307Z", "2026-11-20T20:57:09Z", "1970-01-01T00:00:00Z"],
    Form.TRUTH: ["true", "false"],
    Form.STATE: ["DEVICE_STATE_BUSY", "DEVICE_STATE_AVAILABLE", "DEVICE_STATE_DETACHED"],
}
KEYS = {"label": "zone", "vulnerability": "critical"}


def every_key(kind: Kind) -> list[str]:
    """Return how each field of a kind is written, with a key for each mapping."""
    return [name.replace("KEY", KEYS[name.split(".")[-2]]) if ".KEY" in name else name for name in items.names(kind)]


def requirements(kind: Kind) -> st.SearchStrategy[Requirement]:
    """Return a strategy for requirements that fit the fields of a kind."""

    def of(key: str) -> st.SearchStrategy[Requirement]:
        field = items.field(kind, key)
        assert field is not None
        values = st.sampled_from(VALUES[field.form])
        ways = [Operator.EXISTS, Operator.ABSENT, Operator.EQUAL, Operator.UNEQUAL, Operator.IN, Operator.NOT_IN]
        if field.form in (Form.TEXT, Form.STATE):
            ways += [Operator.HAS, Operator.HAS_NOT]
        if field.form in (Form.NUMBER, Form.MOMENT):
            ways += [Operator.LESS, Operator.AT_MOST, Operator.MORE, Operator.AT_LEAST]
        return st.sampled_from(ways).flatmap(lambda how: _with_values(key, how, values))

    return st.sampled_from([*every_key(kind), "labels", "cluster"] if kind is Kind.NODES else every_key(kind)).flatmap(
        of
    )


def _with_values(key: str, how: Operator, values: st.SearchStrategy[str]) -> st.SearchStrategy[Requirement]:
    if how in (Operator.EXISTS, Operator.ABSENT):
        return st.just(Requirement(key, how))
    if how in (Operator.IN, Operator.NOT_IN):
        return st.builds(Requirement, st.just(key), st.just(how), st.lists(values, min_size=1, max_size=3).map(tuple))
    return st.builds(Requirement, st.just(key), st.just(how), st.tuples(values))


def found(kind: Kind, asked: list[Requirement], topology: Topology) -> list[bool]:
    """Return of each object of a kind whether the filter finds it."""
    test = condition(kind, asked)
    return [test is None or test(item) for item in Index(topology).items(kind)]


@pytest.mark.parametrize("kind", Kind)
@settings(max_examples=60)
@given(data=st.data())
def test_filters_find_what_a_naive_reading_finds(kind: Kind, data: st.DataObject) -> None:
    """Any requirements on any fields hold for exactly the objects whose JSON is as they say."""
    topology = data.draw(topologies())
    asked = data.draw(st.lists(requirements(kind), min_size=1, max_size=2))
    told = oracle.objects(kind, pb.Topology.FromString(v1.render_protobuf(topology, 0)))
    paths = [_path(kind, each.key) for each in asked]
    expected = [
        all(
            oracle.holds(each, path, one.operator.value, list(one.values))
            for one, path in zip(asked, paths, strict=True)
        )
        for each in told
    ]
    assert found(kind, asked, topology) == expected


def _path(kind: Kind, key: str) -> str:
    """Return the whole path of a key, as the .proto names it."""
    field = items.field(kind, key)
    assert field is not None
    return field.name


@pytest.mark.parametrize("kind", Kind)
def test_every_field_of_the_message_can_be_filtered_by(kind: Kind) -> None:
    """Each field of the message, by its name in the .proto and in JSON, is a field of filters."""
    for each in kind.message.DESCRIPTOR.fields:
        for name in (each.name, each.json_name):
            field = items.field(kind, name)
            assert field is not None
            assert field.name.startswith(each.name)


@pytest.mark.parametrize(
    ("kind", "text", "names"),
    [
        (Kind.NODES, "device=video0", ["k8s-worker"]),
        (Kind.NODES, "device.state=available", ["k8s-worker"]),
        (Kind.NODES, "devices.state=DEVICE_STATE_AVAILABLE", ["k8s-worker"]),
        (Kind.NODES, "!device", ["k8s-master"]),
        (Kind.NODES, "ip=10.0.0.1", ["k8s-master"]),
        (Kind.NODES, "interface=eth0,interface.isUp=true", ["k8s-master"]),
        (Kind.NODES, "label.zone=north", ["k8s-master"]),
        (Kind.NODES, "label=zone", ["k8s-master"]),
        (Kind.NODES, "vulnerability.critical>2", ["k8s-master"]),
        (Kind.NODES, "freeMemoryBytes>=300M", ["k8s-master"]),
        (Kind.NODES, "free_memory_bytes<4Gi", ["k8s-master"]),
        (Kind.NODES, "free_memory_bytes!=5", ["k8s-master", "k8s-worker"]),
        (Kind.NODES, "last_seen_time>=2026-11-20T20:57:08Z", ["k8s-master"]),
        (Kind.NODES, "cluster=edge", ["k8s-master", "k8s-worker"]),
        (Kind.PODS, "image~nginx", ["web-0"]),
        (Kind.PODS, "app=shop", ["web-0"]),
        (Kind.PODS, "workload=shop-1,container=web", ["web-0"]),
        (Kind.PODS, "!namespace", ["docker"]),
        (Kind.PODS, "node in (k8s-master,k8s-worker)", ["web-0"]),
        (Kind.CONTAINERS, "cluster=edge,namespace=web,pod=web-0,node=k8s-master,image~nginx:", ["web"]),
        (Kind.CLUSTERS, "node.architecture=x86_64", ["edge"]),
        (Kind.CLUSTERS, "pod=web-0", ["edge"]),
        (Kind.CLUSTERS, "controller=staging", ["edge"]),
        (Kind.CLUSTERS, "is_linked=false", ["edge"]),
    ],
)
def test_what_a_person_would_write(kind: Kind, text: str, names: list[str]) -> None:
    """Short names, those of JSON and those of the .proto all find what they mean."""
    test = condition(kind, parse(text))
    assert test is not None
    assert [_name(item) for item in Index(TREE).items(kind) if test(item)] == names


def _name(item: Any) -> str:
    own = getattr(item, "container", None) or getattr(item, "cluster", None)
    name: str = own.name if own is not None and not isinstance(own, str) else item.name
    return name


@pytest.mark.parametrize(
    ("kind", "text", "says"),
    [
        (Kind.NODES, "free_memory=1", "nodes have no field free_memory; nearest: free_memory_bytes"),
        (Kind.PODS, "status=Running", "pods have no field status; allowed: image, app, id, name"),
        (Kind.NODES, "name.first=a", "nodes have no field name.first"),
        (Kind.NODES, "device.colour=a", "nearest: device"),
        (Kind.NODES, "gpu", "nodes have no field gpu; nearest: gpu_count, gpu_memory_bytes, gpu_energy_joules"),
        (Kind.NODES, "memory_bytes=4Gx", "memory_bytes is a number, and '4Gx' is not; allowed: 5"),
        (Kind.NODES, "memory_bytes in (1,)", "memory_bytes is a number, and '' is not"),
        (Kind.NODES, "last_seen_time<now", "last_seen_time is a time, and 'now' is not; allowed: 2026"),
        (Kind.CLUSTERS, "is_linked=yes", "is_linked is true or false, and 'yes' is not; allowed: true, false"),
        (Kind.NODES, "device.state=gone", "allowed: DEVICE_STATE_DETACHED, DEVICE_STATE_BUSY"),
        (Kind.NODES, "name>a", "name is text, which > does not compare; allowed: !, =, !=, ~, !~, in, notin"),
        (Kind.NODES, "memory_bytes~4", "memory_bytes is a number, which ~ does not compare"),
        (Kind.CLUSTERS, "is_linked<true", "is_linked is true or false, which < does not compare"),
    ],
)
def test_what_does_not_fit(kind: Kind, text: str, says: str) -> None:
    """A field that there is not, and what does not fit a field, is told with what would."""
    with pytest.raises(BadRequestError) as refused:
        condition(kind, parse(text))
    assert says in str(refused.value)
