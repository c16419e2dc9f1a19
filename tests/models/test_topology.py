"""Computed properties of topology objects."""

import pytest

from aggregator.models.topology import Cluster, Device, Interface, Node, Pod, Topology


@pytest.mark.parametrize(
    ("addresses", "expected"),
    [
        (["fe80::1", "2001:db8::1", "10.0.0.2", "169.254.1.1"], "10.0.0.2"),
        (["fe80::1", "2001:db8::1"], "2001:db8::1"),
        (["fe80::1", "169.254.1.1"], "169.254.1.1"),
        (["127.0.0.1"], "127.0.0.1"),
        (["10.0.0.2", "10.0.0.10"], "10.0.0.10"),
        (["no address", "fe80::1"], "fe80::1"),
        ([], None),
    ],
)
def test_the_most_reachable_address(addresses: list[str], expected: str | None) -> None:
    """A global IPv4 address comes before a global IPv6 address, and both before local addresses, in any order."""
    for order in (addresses, addresses[::-1]):
        assert Interface(name="eth0", addresses=dict.fromkeys(order, "24")).ip == expected


@pytest.mark.parametrize(("state", "expected"), [(-1, False), (0, True), (1, True), (7, False), (None, False)])
def test_attached_devices(state: int | None, expected: bool) -> None:
    """Busy and available devices are attached; detached and unknown devices are not."""
    assert Device(name="d", state=state).is_attached is expected


def test_used_memory() -> None:
    """Used memory is the total minus the available memory, also in percent."""
    node = Node(cluster="c", key="n", host_memory_bytes=1000, available_memory_bytes=250)
    assert node.used_memory_bytes == 750
    assert node.memory_usage_percent == 75


@pytest.mark.parametrize(("total", "available"), [(None, 5), (5, None), (None, None)])
def test_used_memory_needs_both_values(total: int | None, available: int | None) -> None:
    """Used memory is unknown if the total or the available memory is unknown."""
    node = Node(cluster="c", key="n", host_memory_bytes=total, available_memory_bytes=available)
    assert node.used_memory_bytes is None
    assert node.memory_usage_percent is None


def test_no_memory_has_no_percentage() -> None:
    """With a total of zero, the percentage is unknown."""
    node = Node(cluster="c", key="n", host_memory_bytes=0, available_memory_bytes=0)
    assert node.memory_usage_percent is None


def test_idle_cores() -> None:
    """Available cores are the idle ones, unknown if the number of cores or the usage is unknown."""
    assert Node(cluster="c", key="n", cpu_cores=8, cpu_usage_percent=25).available_cpu_cores == 6
    assert Node(cluster="c", key="n", cpu_cores=8).available_cpu_cores is None
    assert Node(cluster="c", key="n", cpu_usage_percent=25).available_cpu_cores is None


def test_members_are_grouped_by_cluster() -> None:
    """Each cluster has a list of its nodes and pods, which may be empty."""
    nodes = {(node.cluster, node.key): node for node in (Node(cluster="a", key="1"), Node(cluster="a", key="2"))}
    pod = Pod(cluster="b", key="p", name="p")
    whole = Topology(clusters={key: Cluster(key=key, uid=key) for key in "ab"}, nodes=nodes, pods={("b", "p"): pod})
    assert whole.group_nodes_by_cluster() == {"a": list(nodes.values()), "b": []}
    assert whole.group_pods_by_cluster() == {"a": [], "b": [pod]}
