"""Summaries: the fields of all objects of a kind as columns."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator.errors import BadRequestError
from aggregator.lookup.fields import ObjectKind
from aggregator.lookup.results import JSON_ENCODER, LookupResult, TopologyIndex
from aggregator.lookup.summary import (
    SUMMARY_COLUMNS,
    ColumnType,
    SummaryRequest,
    format_size,
    format_used_bytes,
    format_used_cores,
    round_start_time,
)
from aggregator.models.topology import Cluster, Container, Filesystem, Node, Pod, Topology, Workload
from tests.server.tenant_fleets import TWO_TENANT_FLEETS, TwoTenantFleet

NOW_SECONDS = 1_795_208_160
NODES = [
    Node(
        cluster="east",
        key="a",
        type="ocm",
        architecture="x86_64",
        cpu_cores=4,
        cpu_usage_percent=12.345,
        memory_bytes=17_179_869_184,
        host_memory_bytes=17_179_869_184,
        available_memory_bytes=4_294_967_296,
        filesystems={
            "/dev/sdb1": Filesystem("/dev/sdb1", "ext4", 100.0),
            "/dev/sda1": Filesystem("/dev/sda1", "ext4", 200.0, 50.0),
        },
        latitude=37.98381,
        longitude=23.72751,
        city="Athens",
        conditions={"Ready": "true"},
        last_seen_seconds=NOW_SECONDS - 0.5,
    ),
    Node(cluster="east", key="b", conditions={"Ready": "false"}, is_unschedulable=True, labels={"zone": "north"}),
    Node(cluster="west", key="a", cpu_cores=0.5, is_reporting=False),
]
PODS = [
    Pod(
        cluster="east",
        key="web",
        name="web",
        namespace="shop",
        node="a",
        phase="Running",
        controller_kind="Deployment",
        controller_name="web",
        start_seconds=NOW_SECONDS - 3601.0,
        workloads={"shop-1": Workload("shop-1", app="shop")},
        containers={
            "nginx": Container("nginx", 0.0123, 104_857_600, image="nginx:1", state="running"),
            "log": Container("log", cpu_usage_cores=1.2, memory_bytes=1, restart_count=3, memory_limit_bytes=2**29),
        },
    ),
    Pod(cluster="east", key="job", name="job", node="a", phase="Failed", reason="Evicted"),
    Pod(cluster="west", key="db", name="db", containers={"db": Container("db", start_seconds=NOW_SECONDS - 30.0)}),
]
TOPOLOGY = Topology(
    clusters={
        "east": Cluster(key="east", uid="1", type="ocm", controllers=("c1", "c2"), is_linked=True),
        "west": Cluster(key="west", uid="2"),
        "void": Cluster(key="void", uid="3"),
    },
    nodes={(node.cluster, node.key): node for node in NODES},
    pods={(pod.cluster, pod.key): pod for pod in PODS},
    version="v",
)


def run_summary(kind: ObjectKind, topology: Topology = TOPOLOGY, **parameters: str) -> LookupResult:
    """Return the summary of a topology."""
    return SummaryRequest(kind, **parameters).execute(TopologyIndex(topology), JSON_ENCODER)


def list_rows(kind: ObjectKind, topology: Topology = TOPOLOGY, **parameters: str) -> list[dict[str, Any]]:
    """Return the rows that the columns of a summary contain."""
    summary = json.loads(run_summary(kind, topology, **parameters).body)
    columns = {name: decode_column(column) for name, column in summary["columns"].items()}
    assert list(columns) == [column.name for column in SUMMARY_COLUMNS[kind]]
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    assert summary["totalCount"] == len(rows)
    return rows


def decode_column(column: dict[str, Any]) -> list[Any]:
    """Return the values of a column."""
    if "values" in column:
        values: list[Any] = column["values"]
        return values
    return [column["names"][index] for index in column["indexes"]]


def test_a_summary_of_nodes() -> None:
    """A node has its state, its use, its place and how many of its pods have failed; the order is that of the list."""
    first, second, third = list_rows(ObjectKind.NODES)
    assert first == {
        "cluster": "east",
        "name": "a",
        "type": "ocm",
        "architecture": "x86_64",
        "engine": None,
        "health": "ok",
        "problems": "",
        "isReporting": None,
        "isUnschedulable": None,
        "cpuCores": 4,
        "cpuUsagePercent": 12.3,
        "memoryBytes": 1.72e10,
        "availableMemoryBytes": 4.29e9,
        "memoryUsagePercent": 75,
        "filesystemName": "/dev/sda1",
        "filesystemUsagePercent": 75,
        "temperatureCelsius": None,
        "podCount": None,
        "failedPodCount": 1,
        "latitude": 37.98,
        "longitude": 23.73,
        "city": "Athens",
        "country": None,
        "lastSeenTime": NOW_SECONDS,
    }
    assert (second["name"], second["health"], second["problems"]) == ("b", "failed", "not ready, cordoned")
    assert (second["isUnschedulable"], second["failedPodCount"], second["filesystemName"]) == (True, 0, None)
    assert (third["cluster"], third["cpuCores"], third["problems"]) == ("west", 0.5, "does not report")


def test_a_summary_of_pods() -> None:
    """A pod has its state, its place, and the sums of its containers as far as they are known."""
    first, second, third = list_rows(ObjectKind.PODS)
    assert first == {
        "cluster": "east",
        "namespace": "shop",
        "name": "web",
        "node": "a",
        "phase": "Running",
        "health": "ok",
        "problems": "",
        "containerCount": 2,
        "restartCount": 3,
        "cpuUsageCores": 1.2,
        "memoryBytes": 1e8,
        "workload": "shop-1",
        "controllerKind": "Deployment",
        "controllerName": "web",
        "startTime": NOW_SECONDS - 3660,
    }
    assert (second["health"], second["problems"], second["cpuUsageCores"]) == ("failed", "Failed, Evicted", None)
    assert (third["namespace"], third["health"], third["node"]) == (None, "unknown", None)
    assert third["startTime"] == NOW_SECONDS - 60


def test_a_summary_of_containers() -> None:
    """A container has its state, its pod and node, and its use with its limits."""
    rows = list_rows(ObjectKind.CONTAINERS)
    assert [(row["cluster"], row["pod"], row["name"]) for row in rows] == [
        ("east", "web", "nginx"),
        ("east", "web", "log"),
        ("west", "db", "db"),
    ]
    nginx, log, _ = rows
    assert (nginx["image"], nginx["state"], nginx["health"], nginx["node"]) == ("nginx:1", "running", "ok", "a")
    assert (log["restartCount"], log["memoryBytes"], log["memoryLimitBytes"]) == (3, 1, 5.37e8)
    assert (log["health"], log["cpuLimitCores"]) == ("unknown", None)


def test_a_summary_of_clusters() -> None:
    """A cluster counts its objects by health and adds up what is known of its nodes."""
    east, west, void = list_rows(ObjectKind.CLUSTERS)
    assert east == {
        "name": "east",
        "type": "ocm",
        "controllers": "c1, c2",
        "isLinked": True,
        "health": "warning",
        "problems": "1 node failed, 1 pod failed",
        "nodeCount": 2,
        "failedNodeCount": 1,
        "warningNodeCount": 0,
        "podCount": 2,
        "failedPodCount": 1,
        "warningPodCount": 0,
        "containerCount": 2,
        "cpuCores": 4,
        "cpuUsageCores": 0.5,
        "memoryBytes": 1.72e10,
        "availableMemoryBytes": 4.29e9,
        "lastSeenTime": None,
    }
    assert (west["health"], west["problems"]) == ("failed", "1 node failed")
    assert (void["health"], void["nodeCount"], void["cpuCores"]) == ("unknown", 0, None)


def test_filters_select_objects() -> None:
    """A summary has the objects that match the filter and the label selector of the list."""
    assert [row["name"] for row in list_rows(ObjectKind.NODES, filter="cpu_cores")] == ["a", "a"]
    assert [row["name"] for row in list_rows(ObjectKind.NODES, labels="zone=north")] == ["b"]
    assert [row["name"] for row in list_rows(ObjectKind.PODS, filter="phase=Failed")] == ["job"]
    assert [row["name"] for row in list_rows(ObjectKind.CONTAINERS, filter="image~nginx")] == ["nginx"]
    assert [row["name"] for row in list_rows(ObjectKind.CLUSTERS, filter="type!=ocm")] == ["west", "void"]
    with pytest.raises(BadRequestError, match="filter: pods have no field colour"):
        run_summary(ObjectKind.PODS, filter="colour=blue")


def test_a_complete_summary_is_built_once() -> None:
    """An index keeps the complete summaries, and only those."""
    index = TopologyIndex(TOPOLOGY)
    first, again = (SummaryRequest(ObjectKind.PODS).execute(index, JSON_ENCODER) for _ in range(2))
    assert again is first
    assert first.is_full_list
    filtered = SummaryRequest(ObjectKind.PODS, filter="phase").execute(index, JSON_ENCODER)
    assert not filtered.is_full_list
    assert list(index.summaries) == [ObjectKind.PODS]


def test_the_digest_does_not_cover_the_version() -> None:
    """The content digest is that of the columns; the key says which objects were requested."""
    other = Topology(clusters=TOPOLOGY.clusters, nodes=TOPOLOGY.nodes, pods=TOPOLOGY.pods, version="w")
    first, second = run_summary(ObjectKind.PODS), run_summary(ObjectKind.PODS, other)
    assert first.content_digest == second.content_digest
    assert first.body != second.body
    assert first.etag_key != run_summary(ObjectKind.PODS, filter="phase!=Pending").etag_key
    assert first.etag_key != run_summary(ObjectKind.NODES).etag_key


@pytest.mark.parametrize(
    ("value", "cores", "used_bytes", "size"),
    [
        (None, "null", "null", "null"),
        (0, "0", "0", "0"),
        (0.00123, "0.001", "0", "0"),
        (0.0374, "0.038", "0", "0"),
        (0.996, "1", "1", "1"),
        (12.7, "13", "13", "13"),
        (260_330_390, "260000000", "26e7", "2.6e8"),
        (17_179_869_184, "17000000000", "17e9", "1.72e10"),
        (float("inf"), "null", "null", "null"),
    ],
)
def test_measured_numbers_are_short(value: float | None, cores: str, used_bytes: str, size: str) -> None:
    """Numbers have as many digits as people read."""
    assert (format_used_cores(value), format_used_bytes(value), format_size(value)) == (cores, used_bytes, size)


@given(st.floats(min_value=0.01, max_value=1e15))
def test_used_values_are_right_within_five_percent(value: float) -> None:
    """A rounded value differs by at most 5 %, and by half a thousandth of a core."""
    assert float(format_used_cores(value)) == pytest.approx(value, rel=0.051, abs=0.0005)
    assert float(format_used_bytes(value)) == pytest.approx(value, rel=0.051, abs=0.5)
    assert float(format_size(value)) == pytest.approx(value, rel=0.0051, abs=0.5)


@pytest.mark.parametrize(
    ("age_seconds", "rounded_age_seconds"),
    [(0, 0), (59, 60), (7199, 7200), (7201, 7800), (86_401, 90_000), (400_000, 410_400), (2_000_000, 2_073_600)],
)
def test_start_times_get_coarser_with_age(age_seconds: int, rounded_age_seconds: int) -> None:
    """A start is rounded down to minutes, then to 10 minutes, hours, 6 hours and days."""
    now_seconds = 20_000 * 86_400.0
    assert round_start_time(now_seconds - age_seconds, now_seconds) == now_seconds - rounded_age_seconds
    assert round_start_time(None, now_seconds) is None


@given(fleet=TWO_TENANT_FLEETS)
@settings(max_examples=50)
def test_every_summary_fits_the_lists(fleet: TwoTenantFleet) -> None:
    """A summary has the objects of its list in the same order, with values of the type of each column."""
    topology = fleet.build_full_topology()
    index = TopologyIndex(topology)
    types: dict[ColumnType, Any] = {ColumnType.NUMBER: (int, float), ColumnType.BOOLEAN: bool}
    for kind in ObjectKind:
        rows = list_rows(kind, topology)
        names = {
            ObjectKind.CLUSTERS: lambda item: item.cluster.key,
            ObjectKind.NODES: lambda item: item.key,
            ObjectKind.PODS: lambda item: item.name,
            ObjectKind.CONTAINERS: lambda item: item.container.name,
        }[kind]
        assert [row["name"] or "" for row in rows] == list(map(names, index.list_objects(kind)))
        for column in SUMMARY_COLUMNS[kind]:
            expected = types.get(column.column_type, str)
            assert all(row[column.name] is None or isinstance(row[column.name], expected) for row in rows)
