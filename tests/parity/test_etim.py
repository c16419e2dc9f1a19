"""What may differ over gRPC: each difference is recognized, and nothing beside it."""

import pytest

from tests.parity import etim
from tests.parity.comparison import ComparisonCase
from tests.parity.documented_differences import DocumentedDifference
from tests.parity.fleet_telemetry import FleetSeries, build_telemetry
from tests.parity.test_difference_rules import (
    CAPACITY_METRIC,
    MIN_INT64,
    build_host_series,
    build_node,
    build_uname_series,
)

LABELLED = {"cluster": "edge", "node": "host"}
MEMORY = "node_memory_MemTotal_bytes"
GO_NODE = ("host", "x86_64", 5, 0)


def find_rows(
    found: list[FleetSeries], go: etim.EtimNode, ours: list[etim.EtimNode]
) -> list[DocumentedDifference | None]:
    """Return the rows of what differs between a node of Go and ours over gRPC."""
    case = ComparisonCase(build_telemetry(found), {}, build_node())
    return [row for row, _ in etim.find_node_differences(case, [go], ours)]


def test_grpc_node_that_is_there() -> None:
    """A node that both answer alike is no difference, also if ours knows more of it."""
    assert (
        find_rows(
            [build_uname_series(**LABELLED), build_host_series(MEMORY, "5", **LABELLED)],
            GO_NODE,
            [("host", "x86_64", 5, 7)],
        )
        == []
    )


def test_grpc_node_that_is_not_there() -> None:
    """A node that ours lacks is a break, even beside one of another name."""
    assert find_rows(
        [build_uname_series(**LABELLED), build_host_series(MEMORY, "5", **LABELLED)],
        GO_NODE,
        [("other", "x86_64", 5, 0)],
    ) == [None]


def test_grpc_controllers_host() -> None:
    """A host of the controller may be missing."""
    own = {**LABELLED, "k8s_cluster_uid": "self"}
    assert find_rows([build_uname_series(**own), build_host_series(MEMORY, "5", **own)], GO_NODE, []) == [
        DocumentedDifference.CONTROLLERS
    ]


def test_grpc_host_without_labels() -> None:
    """The node with id "" may be missing if ours lists its hosts by name."""
    nameless = ("", "x86_64", 0, 0)
    assert find_rows([build_uname_series()], nameless, [("host", "x86_64", 0, 0)]) == [DocumentedDifference.UNLABELLED]
    assert find_rows([build_uname_series()], nameless, []) == [None]


def test_grpc_host_of_two_clusters() -> None:
    """A host that is told of under two `cluster` labels is one node of ours."""
    found = [build_uname_series(**LABELLED), build_uname_series(node="host")]
    go = ("host", "x86_64", 0, 0)
    assert [row for row, _ in _find_rows_listed_twice(found, go)] == [DocumentedDifference.TWICE]
    assert [row for row, _ in _find_rows_listed_twice(found[:1], go)] == [None]


def _find_rows_listed_twice(
    found: list[FleetSeries], go: etim.EtimNode
) -> list[tuple[DocumentedDifference | None, str]]:
    return list(etim.find_node_differences(ComparisonCase(build_telemetry(found), {}, build_node()), [go, go], [go]))


def test_grpc_hosts_of_one_label() -> None:
    """Of two hosts of one label Go mixes the values; each node of ours has those of one host."""
    other = {**LABELLED, "icos_host_id": "h2", "icos_host_name": "u:2"}
    agent = build_host_series("tlum_host_info", arch="arm64", **other)
    found = [build_uname_series(**LABELLED), agent, build_host_series(MEMORY, "5", **other)]
    assert find_rows(found, GO_NODE, [("host", "aarch64", 5, 0)]) == [DocumentedDifference.MIXED]
    assert find_rows(found, GO_NODE, [("host", "riscv64", 5, 0)]) == [None]


def test_grpc_memory_of_another_cluster() -> None:
    """Memory whose series names another cluster than the host is left out."""
    found = [build_uname_series(**LABELLED), build_host_series(MEMORY, "5", **{**LABELLED, "k8s_cluster_uid": "v"})]
    assert find_rows(found, GO_NODE, [("host", "x86_64", 0, 0)]) == [DocumentedDifference.OTHER_CLUSTER]
    assert find_rows(found, GO_NODE, [("host", "x86_64", 6, 0)]) == [None]


def test_grpc_series_that_disagree() -> None:
    """Of several values ours is the largest."""
    found = [
        build_uname_series(**LABELLED),
        build_host_series(MEMORY, "7", **LABELLED),
        build_host_series(MEMORY, "5", replica="b", **LABELLED),
    ]
    assert find_rows(found, GO_NODE, [("host", "x86_64", 7, 0)]) == [DocumentedDifference.CONFLICT]
    assert find_rows(found, GO_NODE, [("host", "x86_64", 6, 0)]) == [None]


@pytest.mark.parametrize(
    ("value", "shown", "row"),
    [
        ("NaN", MIN_INT64, DocumentedDifference.UNREAL),
        ("1e20", MIN_INT64, DocumentedDifference.OUT_OF_RANGE),
        ("-1", -1, DocumentedDifference.NEGATIVE),
    ],
)
def test_grpc_value_that_does_not_fit(value: str, shown: int, row: DocumentedDifference) -> None:
    """A value that cannot be kept is left out."""
    found, go = (
        [build_uname_series(**LABELLED), build_host_series(MEMORY, value, **LABELLED)],
        ("host", "x86_64", shown, 0),
    )
    assert find_rows(found, go, [("host", "x86_64", 0, 0)]) == [row]
    assert find_rows(found, go, [("host", "x86_64", 1, 0)]) == [None]


def test_grpc_available_memory_above_the_total() -> None:
    """Available memory is at most the memory size of the host."""
    found = [
        build_uname_series(**LABELLED),
        build_host_series(MEMORY, "5", **LABELLED),
        build_host_series("node_memory_MemAvailable_bytes", "7", **LABELLED),
    ]
    go = ("host", "x86_64", 5, 7)
    assert find_rows(found, go, [("host", "x86_64", 5, 5)]) == [DocumentedDifference.ABOVE_TOTAL]
    assert find_rows(found, go, [("host", "x86_64", 5, 6)]) == [None]


def test_grpc_nodes_of_one_name() -> None:
    """Of two hosts of one name, the one of which Go tells nothing takes away no node of ours from the other."""
    elsewhere = {"cluster": "fog", "node": "host", "icos_host_id": "h2", "icos_host_name": "u:2"}
    found = [
        *(
            build_uname_series(**LABELLED),
            build_host_series(MEMORY, "7", **LABELLED),
            build_host_series(MEMORY, "5", replica="b", **LABELLED),
        ),
        *(build_uname_series(**elsewhere), build_host_series(CAPACITY_METRIC, "9", resource="memory", **elsewhere)),
    ]
    nothing, ours = ("host", "x86_64", 0, 0), [("host", "x86_64", 9, 0), ("host", "x86_64", 7, 0)]
    case = ComparisonCase(build_telemetry(found), {}, build_node())
    for order in (ours, ours[::-1]):
        assert [row for row, _ in etim.find_node_differences(case, [nothing, GO_NODE], order)] == [
            DocumentedDifference.CONFLICT
        ]
