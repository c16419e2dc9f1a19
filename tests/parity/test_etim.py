"""What may differ over gRPC: each difference is recognized, and nothing beside it."""

import pytest

from tests.parity import etim
from tests.parity.compare import Case
from tests.parity.documented import Row
from tests.parity.telemetry import Series, telemetry
from tests.parity.test_rules import CAPACITY, SMALLEST_64, node, one, uname

LABELLED = {"cluster": "edge", "node": "host"}
MEMORY = "node_memory_MemTotal_bytes"
GO = ("host", "x86_64", 5, 0)


def told(found: list[Series], go: etim.Node, ours: list[etim.Node]) -> list[Row | None]:
    """Return the rows of what differs between a node of Go and ours over gRPC."""
    case = Case(telemetry(found), {}, node())
    return [row for row, _ in etim.differences(case, [go], ours)]


def test_grpc_node_that_is_there() -> None:
    """A node that both answer alike is no difference, also if ours knows more of it."""
    assert told([uname(**LABELLED), one(MEMORY, "5", **LABELLED)], GO, [("host", "x86_64", 5, 7)]) == []


def test_grpc_node_that_is_not_there() -> None:
    """A node that ours lacks is a break, even beside one of another name."""
    assert told([uname(**LABELLED), one(MEMORY, "5", **LABELLED)], GO, [("other", "x86_64", 5, 0)]) == [None]


def test_grpc_controllers_host() -> None:
    """A host of the controller may be missing."""
    own = {**LABELLED, "k8s_cluster_uid": "self"}
    assert told([uname(**own), one(MEMORY, "5", **own)], GO, []) == [Row.CONTROLLERS]


def test_grpc_host_without_labels() -> None:
    """The node with id "" may be missing if ours lists its hosts by name."""
    nameless = ("", "x86_64", 0, 0)
    assert told([uname()], nameless, [("host", "x86_64", 0, 0)]) == [Row.UNLABELLED]
    assert told([uname()], nameless, []) == [None]


def test_grpc_host_of_two_clusters() -> None:
    """A host that is told of under two `cluster` labels is one node of ours."""
    found = [uname(**LABELLED), uname(node="host")]
    go = ("host", "x86_64", 0, 0)
    assert [row for row, _ in _twice(found, go)] == [Row.TWICE]
    assert [row for row, _ in _twice(found[:1], go)] == [None]


def _twice(found: list[Series], go: etim.Node) -> list[tuple[Row | None, str]]:
    return list(etim.differences(Case(telemetry(found), {}, node()), [go, go], [go]))


def test_grpc_hosts_of_one_label() -> None:
    """Of two hosts of one label Go mixes the values; each node of ours has those of one host."""
    other = {**LABELLED, "icos_host_id": "h2", "icos_host_name": "u:2"}
    agent = one("tlum_host_info", arch="arm64", **other)
    found = [uname(**LABELLED), agent, one(MEMORY, "5", **other)]
    assert told(found, GO, [("host", "aarch64", 5, 0)]) == [Row.MIXED]
    assert told(found, GO, [("host", "riscv64", 5, 0)]) == [None]


def test_grpc_series_that_disagree() -> None:
    """Of several values ours is the largest."""
    found = [uname(**LABELLED), one(MEMORY, "7", **LABELLED), one(MEMORY, "5", replica="b", **LABELLED)]
    assert told(found, GO, [("host", "x86_64", 7, 0)]) == [Row.CONFLICT]
    assert told(found, GO, [("host", "x86_64", 6, 0)]) == [None]


@pytest.mark.parametrize(
    ("value", "shown", "row"),
    [("NaN", SMALLEST_64, Row.UNREAL), ("1e20", SMALLEST_64, Row.OUT_OF_RANGE), ("-1", -1, Row.NEGATIVE)],
)
def test_grpc_value_that_does_not_fit(value: str, shown: int, row: Row) -> None:
    """A value that cannot be kept is left out."""
    found, go = [uname(**LABELLED), one(MEMORY, value, **LABELLED)], ("host", "x86_64", shown, 0)
    assert told(found, go, [("host", "x86_64", 0, 0)]) == [row]
    assert told(found, go, [("host", "x86_64", 1, 0)]) == [None]


def test_grpc_nodes_of_one_name() -> None:
    """Of two hosts of one name, the one of which Go tells nothing takes away no node of ours from the other."""
    elsewhere = {"cluster": "fog", "node": "host", "icos_host_id": "h2", "icos_host_name": "u:2"}
    found = [
        *(uname(**LABELLED), one(MEMORY, "7", **LABELLED), one(MEMORY, "5", replica="b", **LABELLED)),
        *(uname(**elsewhere), one(CAPACITY, "9", resource="memory", **elsewhere)),
    ]
    nothing, ours = ("host", "x86_64", 0, 0), [("host", "x86_64", 9, 0), ("host", "x86_64", 7, 0)]
    case = Case(telemetry(found), {}, node())
    for order in (ours, ours[::-1]):
        assert [row for row, _ in etim.differences(case, [nothing, GO], order)] == [Row.CONFLICT]
