"""Registered nodes: states by ttl, and how reports are merged."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.registry.nodes import NodeRegistry, RegisteredNode, RegistryFullError, TtlLimits, is_node_name
from aggregator.registry.reports import (
    DiskUsage,
    InterfaceTraffic,
    NodeReport,
    ReportedContainer,
    ReportedHealth,
)
from tests.registry.clocks import MovedClock

EMPTY = NodeReport()


def read_states(registry: NodeRegistry) -> dict[str, bool]:
    """Return by name whether each node is online."""
    return {node.name: node.is_online for node in registry.list_nodes()}


@pytest.mark.parametrize("name", ["a", "docker-exp", "host.example", "A" * 63, "-"])
def test_names_of_nodes(name: str) -> None:
    """A name has letters, digits, hyphens and dots."""
    assert is_node_name(name)


@pytest.mark.parametrize("name", ["", "a" * 64, "a b", "a/b", "..", ".a", "ä", "a\n", "a;b", "a%2fb"])
def test_other_texts_are_no_names(name: str) -> None:
    """Other characters, an empty text and a long text are refused."""
    assert not is_node_name(name)


def test_a_node_is_online_until_exactly_its_ttl() -> None:
    """At last report + ttl the node is online, after it offline, and with a report online again."""
    moved = MovedClock()
    registry = NodeRegistry(clock=moved.clock)
    assert registry.record_report("a", EMPTY, "10.0.0.1", 30)
    moved.seconds += 30
    assert read_states(registry) == {"a": True}
    moved.seconds += 0.001
    assert read_states(registry) == {"a": False}
    assert not registry.record_report("a", EMPTY, "10.0.0.1", 30)
    assert read_states(registry) == {"a": True}


def test_a_jump_of_the_unix_time_changes_no_state() -> None:
    """States depend on the monotonic clock only."""
    moved = MovedClock()
    registry = NodeRegistry(clock=moved.clock)
    registry.record_report("a", EMPTY, "10.0.0.1", 30)
    moved.unix_offset += 1e6
    assert read_states(registry) == {"a": True}


@pytest.mark.parametrize(("ttl", "effective"), [(None, 120), (0, 10), (-5, 10), (11, 11), (10**9, 3600)])
def test_the_server_bounds_the_ttl(ttl: float | None, effective: float) -> None:
    """A ttl outside the range is replaced by the nearest allowed one, a missing ttl by the default."""
    assert TtlLimits().clamp(ttl) == effective


def test_a_silent_node_is_forgotten_later() -> None:
    """A node that is silent for longer than the limit is removed, also from the file."""
    moved = MovedClock()
    registry = NodeRegistry(limits=TtlLimits(forget_after_seconds=100), clock=moved.clock)
    registry.record_report("a", EMPTY, "10.0.0.1", 30)
    registry.take_changes()
    moved.seconds += 100
    assert read_states(registry) == {"a": False}
    moved.seconds += 1
    assert read_states(registry) == {}
    assert registry.take_changes().removed == {"a"}


def test_a_restart_gives_online_nodes_their_whole_ttl() -> None:
    """After a restart, a node that was online is silent only its ttl after the start; an offline one stays offline."""
    moved = MovedClock()
    old = moved.clock.unix_seconds() - 500
    registry = NodeRegistry(
        [RegisteredNode("a", "10.0.0.1", old, 30), RegisteredNode("b", "10.0.0.1", old, 30, is_online=False)],
        clock=moved.clock,
    )
    assert read_states(registry) == {"a": True, "b": False}
    moved.seconds += 31
    assert read_states(registry) == {"a": False, "b": False}


def test_reports_are_merged() -> None:
    """Address and labels are replaced, numbers merged, disks and interfaces replaced if there are any."""
    registry = NodeRegistry()
    first = NodeReport(
        address="a:1",
        labels={"x": "1"},
        containers=(ReportedContainer("1"),),
        health=ReportedHealth(
            cpu_percent=5,
            memory_total_bytes=10,
            disks={"/": DiskUsage(2, 1), "/home": DiskUsage(2, 1)},
            interfaces={"eth0": InterfaceTraffic(1, 1)},
        ),
    )
    registry.record_report("a", first, "10.0.0.1", None)
    second = NodeReport(health=ReportedHealth(memory_total_bytes=20, disks={"/": DiskUsage(4, 3)}))
    registry.record_report("a", second, "10.0.0.2", None)
    node = registry.find_node("a")
    assert node is not None
    assert (node.host, node.address, node.labels) == ("10.0.0.2", None, {})
    assert node.containers == (ReportedContainer("1"),)
    assert node.health == ReportedHealth(
        cpu_percent=5,
        memory_total_bytes=20,
        disks={"/": DiskUsage(4, 3)},
        interfaces={"eth0": InterfaceTraffic(1, 1)},
    )
    registry.record_report("a", NodeReport(containers=()), "10.0.0.2", None)
    node = registry.find_node("a")
    assert node is not None
    assert node.containers == ()


def test_the_number_of_nodes_is_limited() -> None:
    """When the registry is full, known nodes still report, and a new one is refused."""
    registry = NodeRegistry(limits=TtlLimits(max_nodes=1))
    registry.record_report("a", EMPTY, "10.0.0.1", None)
    registry.record_report("a", EMPTY, "10.0.0.1", None)
    with pytest.raises(RegistryFullError):
        registry.record_report("b", EMPTY, "10.0.0.1", None)


def test_clock_skew_is_measured() -> None:
    """The skew of a node is its time minus ours."""
    moved = MovedClock()
    registry = NodeRegistry(clock=moved.clock)
    registry.record_report("a", NodeReport(time_seconds=moved.clock.unix_seconds() - 7), "10.0.0.1", None)
    node = registry.find_node("a")
    assert node is not None
    assert node.clock_skew_seconds == -7


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["report", "remove", "wait", "take", "fail"]))))
def test_the_written_changes_are_the_registry(steps: list[tuple[str, str]]) -> None:
    """Applying all taken changes to an empty file gives the registry, also when some writes fail."""
    moved = MovedClock()
    registry = NodeRegistry(limits=TtlLimits(forget_after_seconds=60), clock=moved.clock)
    written: dict[str, RegisteredNode] = {}
    for name, step in [*steps, ("", "take")]:
        match step:
            case "report":
                registry.record_report(name, EMPTY, "10.0.0.1", 10)
            case "remove":
                registry.remove_node(name)
            case "wait":
                moved.seconds += 15
                registry.update_states()
            case "fail":
                registry.restore_changes(registry.take_changes())
            case "take":
                changes = registry.take_changes()
                assert changes.removed.isdisjoint(changes.nodes)
                written = {key: node for key, node in written.items() if key not in changes.removed} | changes.nodes
    assert written == {node.name: node for node in registry.list_nodes()}
