"""Values beyond what is physically possible are replaced by the nearest possible value, and counted."""

from collections import Counter
from typing import get_type_hints

import pytest

from aggregator.models.builder.clamp import FIELD_RANGES, FieldRange
from aggregator.models.builder.merge import BuildStats
from aggregator.models.catalog.row import MODEL_TYPES
from aggregator.models.topology import Node
from tests.support.samples import build_from_series

HOST = {"cluster": "rome", "node": "n1"}


def build_node(values: dict[str, str], **children: str) -> tuple[Node, BuildStats]:
    """Build a node from the value of each row; `children` are further labels of all series."""
    series = {name: [({**HOST, **children}, text)] for name, text in values.items()}
    topology, stats = build_from_series({"nodes_by_uname": [({**HOST, "nodename": "n1"}, "1")]} | series)
    return topology.nodes["rome", "n1"], stats


@pytest.mark.parametrize(
    ("values", "field", "expected", "reason"),
    [
        ({"cpu_usage": "-4"}, "cpu_usage_percent", 0, "less than 0"),
        ({"cpu_usage": "104"}, "cpu_usage_percent", 100, "more than 100"),
        (
            {"memory_total": "10", "memory_available": "12"},
            "available_memory_bytes",
            10,
            "more than host_memory_bytes or memory_bytes",
        ),
        (
            {"memory_capacity": "10", "memory_free": "12"},
            "free_memory_bytes",
            10,
            "more than host_memory_bytes or memory_bytes",
        ),
    ],
)
def test_a_value_beyond_its_limit(values: dict[str, str], field: str, expected: float, reason: str) -> None:
    """The nearest possible value replaces it, and the class, the field and the reason are counted."""
    node, stats = build_node(values)
    assert getattr(node, field) == expected
    assert stats.limited == {("Node", field, reason): 1}


def test_limits_of_children() -> None:
    """A rate of an interface is never negative, and no more space is available than the file system has."""
    node, stats = build_node({"interface_received": "-1"}, device="eth0")
    assert node.interfaces["eth0"].receive_bytes_per_second == 0
    assert stats.limited == {("Interface", "receive_bytes_per_second", "less than 0"): 1}
    node, stats = build_node({"filesystems": "10", "root_filesystem": "11"}, device="sda", fstype="ext4")
    assert node.filesystems["sda"].root_available_bytes == 10
    assert stats.limited == {("Filesystem", "root_available_bytes", "more than size_bytes"): 1}


def test_possible_values_remain() -> None:
    """A value at its limit is possible, and one without a known total has no maximum."""
    node, stats = build_node({"cpu_usage": "100", "memory_total": "10", "memory_available": "10", "memory_free": "0"})
    assert (node.cpu_usage_percent, node.available_memory_bytes, node.free_memory_bytes) == (100, 10, 0)
    unlimited, _ = build_node({"memory_available": "12"})
    assert unlimited.available_memory_bytes == 12
    assert stats.limited == Counter()


@pytest.mark.parametrize("limit", FIELD_RANGES, ids=lambda limit: limit.field)
def test_limits_are_about_numbers_of_the_model(limit: FieldRange) -> None:
    """Each limited field, and each total, is an optional number of its class."""
    types = get_type_hints(MODEL_TYPES[limit.child_kind or limit.entity_kind])
    assert {types[field] for field in (limit.field, *limit.total_fields)} <= {int | None, float | None}
