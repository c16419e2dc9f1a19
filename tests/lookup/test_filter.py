"""Filters match what a naive evaluation of the JSON matches: every field, every operator, any topology."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.errors import BadRequestError
from aggregator.lookup import fields
from aggregator.lookup.fields import FieldType, ObjectKind
from aggregator.lookup.filter import compile_filter
from aggregator.lookup.filter_parser import FilterOperator, Requirement, parse_requirements
from aggregator.lookup.request import LookupOptions, LookupPlan, Resource
from aggregator.lookup.results import TopologyIndex
from aggregator.models.topology import Cluster, Node, Topology
from aggregator.pb.aggregator.v1 import topology_pb2 as pb
from aggregator.views import v1_protobuf
from tests.fuzz.fuzz_settings import fuzz_examples
from tests.lookup import oracle
from tests.lookup.test_index import SAMPLE_TOPOLOGY
from tests.lookup.topologies import topologies

VALUES_BY_TYPE: dict[FieldType, list[str]] = {
    FieldType.STRING: ["a", "edge-1", "x86_64", "", "a/b ü", "ocm", "10.0.0.1", "one"],
    FieldType.NUMBER: ["0", "1", "2.5", "-1", "4294967296", "1e9"],
    FieldType.TIMESTAMP: ["2026-11-20T20:57:08.307Z", "2026-11-20T20:57:09Z", "1970-01-01T00:00:00Z"],
    FieldType.BOOLEAN: ["true", "false"],
    FieldType.ENUM: ["DEVICE_STATE_BUSY", "DEVICE_STATE_AVAILABLE", "DEVICE_STATE_DETACHED"],
}
MAP_KEYS = {
    "label": "zone",
    "vulnerability": "critical",
    "condition": "Ready",
    "annotation": "owner",
    "volume": "data",
    "service": "web",
    "alert": "Down",
}


def list_field_keys(kind: ObjectKind) -> list[str]:
    """Return the names of all fields of a kind, with a key for each map."""
    return [
        name.replace("KEY", MAP_KEYS[name.split(".")[-2]]) if ".KEY" in name else name
        for name in fields.list_filter_field_names(kind)
    ]


def requirements(kind: ObjectKind) -> st.SearchStrategy[Requirement]:
    """Return a strategy for valid requirements on the fields of a kind."""

    def of(key: str) -> st.SearchStrategy[Requirement]:
        field = fields.find_filter_field(kind, key)
        assert field is not None
        values = st.sampled_from(list(field.known_values) or VALUES_BY_TYPE[field.field_type])
        ways = [
            FilterOperator.EXISTS,
            FilterOperator.NOT_EXISTS,
            FilterOperator.EQUAL,
            FilterOperator.NOT_EQUAL,
            FilterOperator.IN,
            FilterOperator.NOT_IN,
        ]
        if field.field_type in (FieldType.STRING, FieldType.ENUM):
            ways += [FilterOperator.CONTAINS, FilterOperator.NOT_CONTAINS]
        if field.field_type in (FieldType.NUMBER, FieldType.TIMESTAMP):
            ways += [
                FilterOperator.LESS_THAN,
                FilterOperator.LESS_OR_EQUAL,
                FilterOperator.GREATER_THAN,
                FilterOperator.GREATER_OR_EQUAL,
            ]
        return st.sampled_from(ways).flatmap(lambda how: _requirements_with_values(key, how, values))

    return st.sampled_from(
        [*list_field_keys(kind), "labels", "cluster"] if kind is ObjectKind.NODES else list_field_keys(kind)
    ).flatmap(of)


def _requirements_with_values(
    key: str, how: FilterOperator, values: st.SearchStrategy[str]
) -> st.SearchStrategy[Requirement]:
    if how in (FilterOperator.EXISTS, FilterOperator.NOT_EXISTS):
        return st.just(Requirement(key, how))
    if how in (FilterOperator.IN, FilterOperator.NOT_IN):
        return st.builds(Requirement, st.just(key), st.just(how), st.lists(values, min_size=1, max_size=3).map(tuple))
    return st.builds(Requirement, st.just(key), st.just(how), st.tuples(values))


def find_matches(kind: ObjectKind, asked: list[Requirement], topology: Topology) -> list[bool]:
    """Return for each object of a kind whether the filter matches it."""
    predicate = compile_filter(kind, asked)
    return [predicate is None or predicate(item) for item in TopologyIndex(topology).list_objects(kind)]


@pytest.mark.parametrize("kind", ObjectKind)
@fuzz_examples(15)
@given(data=st.data())
def test_filters_match_what_the_oracle_matches(kind: ObjectKind, data: st.DataObject) -> None:
    """Any requirements on any fields match exactly the objects whose JSON meets them."""
    topology = data.draw(topologies())
    asked = data.draw(st.lists(requirements(kind), min_size=1, max_size=2))
    documents = oracle.list_objects(kind, pb.Topology.FromString(v1_protobuf.render_v1_protobuf(topology, 0)))
    paths = [_get_field_path(kind, each.key) for each in asked]
    expected = [
        all(
            oracle.matches_requirement(each, path, one.operator.value, list(one.values))
            for one, path in zip(asked, paths, strict=True)
        )
        for each in documents
    ]
    assert find_matches(kind, asked, topology) == expected


def _get_field_path(kind: ObjectKind, key: str) -> str:
    """Return the complete path of a key, in the names of the .proto."""
    field = fields.find_filter_field(kind, key)
    assert field is not None
    return field.name


@pytest.mark.parametrize("kind", ObjectKind)
def test_every_field_of_the_message_can_be_filtered_by(kind: ObjectKind) -> None:
    """Each field of the message is a filter field, by its name in the .proto and in JSON."""
    for each in kind.message_type.DESCRIPTOR.fields:
        for name in (each.name, each.json_name):
            field = fields.find_filter_field(kind, name)
            assert field is not None
            assert field.name.startswith(each.name)


@pytest.mark.parametrize(
    ("kind", "text", "names"),
    [
        (ObjectKind.NODES, "device=video0", ["k8s-worker"]),
        (ObjectKind.NODES, "device.state=available", ["k8s-worker"]),
        (ObjectKind.NODES, "devices.state=DEVICE_STATE_AVAILABLE", ["k8s-worker"]),
        (ObjectKind.NODES, "!device", ["k8s-master"]),
        (ObjectKind.NODES, "ip=10.0.0.1", ["k8s-master"]),
        (ObjectKind.NODES, "interface=eth0,interface.isUp=true", ["k8s-master"]),
        (ObjectKind.NODES, "label.zone=north", ["k8s-master"]),
        (ObjectKind.NODES, "label=zone", ["k8s-master"]),
        (ObjectKind.NODES, "vulnerability.critical>2", ["k8s-master"]),
        (ObjectKind.NODES, "vulnerability.CRITICAL>2", ["k8s-master"]),
        (ObjectKind.NODES, "vulnerability=Critical", ["k8s-master"]),
        (ObjectKind.NODES, "architecture=X86_64", ["k8s-master"]),
        (ObjectKind.NODES, "architecture!=X86_64", ["k8s-worker"]),
        (ObjectKind.NODES, "architecture~X86", ["k8s-master"]),
        (ObjectKind.NODES, "label.Zone=north", []),
        (ObjectKind.NODES, "label.zone=North", []),
        (ObjectKind.NODES, "name=K8S-MASTER", []),
        (ObjectKind.NODES, "freeMemoryBytes>=300M", ["k8s-master"]),
        (ObjectKind.NODES, "free_memory_bytes<4Gi", ["k8s-master"]),
        (ObjectKind.NODES, "free_memory_bytes!=5", ["k8s-master", "k8s-worker"]),
        (ObjectKind.NODES, "last_seen_time>=2026-11-20T20:57:08Z", ["k8s-master"]),
        (ObjectKind.NODES, "cluster=edge", ["k8s-master", "k8s-worker"]),
        (ObjectKind.PODS, "phase=running", ["web-0"]),
        (ObjectKind.PODS, "phase in (RUNNING,failed)", ["web-0"]),
        (ObjectKind.PODS, "phase!=running", ["docker"]),
        (ObjectKind.PODS, "phase,phase!=running", []),
        (ObjectKind.PODS, "phase=", []),
        (ObjectKind.CLUSTERS, "pod.phase=running", ["edge"]),
        (ObjectKind.PODS, "image~nginx", ["web-0"]),
        (ObjectKind.PODS, "app=shop", ["web-0"]),
        (ObjectKind.PODS, "workload=shop-1,container=web", ["web-0"]),
        (ObjectKind.PODS, "!namespace", ["docker"]),
        (ObjectKind.PODS, "node in (k8s-master,k8s-worker)", ["web-0"]),
        (ObjectKind.CONTAINERS, "cluster=edge,namespace=web,pod=web-0,node=k8s-master,image~nginx:", ["web"]),
        (ObjectKind.CLUSTERS, "node.architecture=x86_64", ["edge"]),
        (ObjectKind.CLUSTERS, "pod=web-0", ["edge"]),
        (ObjectKind.CLUSTERS, "controller=staging", ["edge"]),
        (ObjectKind.CLUSTERS, "is_linked=false", ["edge"]),
    ],
)
def test_field_names(kind: ObjectKind, text: str, names: list[str]) -> None:
    """Aliases, singular names, names of JSON and names of the .proto all work."""
    predicate = compile_filter(kind, parse_requirements(text))
    assert predicate is not None
    assert [_get_name(item) for item in TopologyIndex(SAMPLE_TOPOLOGY).list_objects(kind) if predicate(item)] == names


SEEN_AT_SECONDS = 1_795_208_000.0
AGES_BY_NODE = {"new": 0.0, "minute": 60.0, "old": 3600.5, "never": None}
AGING_TOPOLOGY = Topology(
    clusters={"c": Cluster(key="c", uid="u", last_seen_seconds=SEEN_AT_SECONDS)},
    nodes={
        ("c", name): Node(cluster="c", key=name, last_seen_seconds=None if age is None else SEEN_AT_SECONDS - age)
        for name, age in AGES_BY_NODE.items()
    },
)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("last_seen_time<-5m", ["old"]),
        ("last_seen_time>=-5m", ["new", "minute"]),
        ("last_seen_time<=-1m", ["minute", "old"]),
        ("last_seen_time<-60s", ["old"]),
        ("last_seen_time<-1h", ["old"]),
        ("last_seen_time<-1h1s", []),
        ("last_seen_time<-1h500ms", []),
        ("last_seen_time<-1h499ms", ["old"]),
        ("last_seen_time>-1d", ["new", "minute", "old"]),
    ],
)
def test_relative_times(text: str, names: list[str]) -> None:
    """A negative duration is a time before the newest sample of the topology, whenever the filter is evaluated."""
    predicate = LookupPlan(Resource.NODES, LookupOptions(filter=text)).build_predicate(AGING_TOPOLOGY)
    assert predicate is not None
    assert [node.key for node in AGING_TOPOLOGY.nodes.values() if predicate(node)] == names


def test_the_exact_spelling_of_a_severity_is_preferred() -> None:
    """Of several severities that differ only in case, the one as written counts, otherwise the first in order."""
    node = Node(cluster="c", key="n", vulnerabilities={"high": 1, "HIGH": 2})
    for text in ("vulnerability.high=1", "vulnerability.HIGH=2", "vulnerability.High=2"):
        predicate = compile_filter(ObjectKind.NODES, parse_requirements(text))
        assert predicate is not None
        assert predicate(node)


def test_relative_times_without_samples() -> None:
    """In a topology without times, no object matches a relative time."""
    topology = Topology(clusters={"c": Cluster(key="c", uid="u")}, nodes={("c", "n"): Node(cluster="c", key="n")})
    predicate = LookupPlan(Resource.NODES, LookupOptions(filter="last_seen_time<-5m")).build_predicate(topology)
    assert predicate is not None
    assert not any(map(predicate, topology.nodes.values()))


def _get_name(item: Any) -> str:
    own = getattr(item, "container", None) or getattr(item, "cluster", None)
    name: str = own.name if own is not None and not isinstance(own, str) else item.name
    return name


@pytest.mark.parametrize(
    ("kind", "text", "expected_message"),
    [
        (
            ObjectKind.NODES,
            "free_memory=1",
            "nodes have no field free_memory; did you mean free_memory_bytes, requested_memory_bytes?",
        ),
        (ObjectKind.PODS, "status=Running", "pods have no field status; allowed: image, app, id, name"),
        (ObjectKind.NODES, "name.first=a", "nodes have no field name.first"),
        (ObjectKind.NODES, "device.colour=a", "did you mean device?"),
        (
            ObjectKind.NODES,
            "mem",
            "nodes have no field mem; did you mean memory_bytes, memory_usage_percent, memory_usage_predicted_percent?",
        ),
        (
            ObjectKind.NODES,
            "memory_bytes=4Gx",
            "memory_bytes must be a number such as 5, 1.5, 500m, 4G or 4Gi, got '4Gx'",
        ),
        (ObjectKind.NODES, "memory_bytes=4GiB", "got '4GiB'; did you mean 4Gi?"),
        (ObjectKind.NODES, "memory_bytes in (1,)", "memory_bytes must be a number such as 5"),
        (
            ObjectKind.NODES,
            "last_seen_time<now",
            "must be a time such as 2026-11-20T20:57:08Z, or -5m for 5 minutes before the newest sample, got 'now'",
        ),
        (ObjectKind.NODES, "last_seen_time<5m", "got '5m'; did you mean -5m?"),
        (ObjectKind.NODES, "last_seen_time<now-1h30m", "got 'now-1h30m'; did you mean -1h30m?"),
        (ObjectKind.NODES, "last_seen_time<+5m", "got '+5m'"),
        (ObjectKind.CLUSTERS, "is_linked=yes", "is_linked must be true or false, got 'yes'; allowed: true, false"),
        (
            ObjectKind.PODS,
            "phase=CrashLoopBackOff",
            "got 'CrashLoopBackOff'; allowed: Pending, Running, Succeeded, Failed, Unknown",
        ),
        (ObjectKind.CLUSTERS, "pod.phase!=Runing", "pod.phase must be a known value, got 'Runing'; allowed: Pending"),
        (ObjectKind.NODES, "device.state=gone", "allowed: DEVICE_STATE_DETACHED, DEVICE_STATE_BUSY"),
        (
            ObjectKind.NODES,
            "name>a",
            "operator > does not apply to name, which is text; allowed: !, =, !=, ~, !~, in, notin",
        ),
        (ObjectKind.NODES, "memory_bytes~4", "operator ~ does not apply to memory_bytes, which is a number"),
        (ObjectKind.CLUSTERS, "is_linked<true", "operator < does not apply to is_linked, which is true or false"),
    ],
)
def test_invalid_requirements(kind: ObjectKind, text: str, expected_message: str) -> None:
    """The error for an unknown field, or an operator or value of the wrong type, lists what is allowed."""
    with pytest.raises(BadRequestError) as refused:
        compile_filter(kind, parse_requirements(text))
    assert expected_message in str(refused.value)
