"""Series that lack their cluster's uid: the host that they tell of is known by its machine id."""

import pytest

from tests.models.builder.test_membership import NUVLA, OCM, build_host_series
from tests.support.samples import Series, build_from_series


def build_agent_series(name: str, uid: str) -> Series:
    """Return what the telemetry agent tells of the same host."""
    labels = {"icos_host_id": f"id-{name}", "icos_host_name": f"edge:{name}", "hostname": f"{name} by its agent"}
    return {**labels, "k8s_cluster_uid": uid}, "1"


@pytest.mark.parametrize(("by_uname", "by_agent"), [("", "k"), ("k", "")])
def test_one_machine_is_one_node(by_uname: str, by_agent: str) -> None:
    """Series of one machine id, one with and one without the cluster's uid, are one node, with what either finds."""
    (node,) = build_from_series(
        {
            "orchestrators": [NUVLA],
            "nodes_by_uname": [build_host_series("one", by_uname)],
            "nodes_by_agent": [build_agent_series("one", by_agent)],
            "memory_free": [({"icos_host_id": "id-one", "k8s_cluster_uid": "k"}, "5")],
            "uptime": [({"icos_host_id": "id-one"}, "7")],
        }
    )[0].nodes.values()
    assert (node.key, node.id, node.name) == ("one", "nuvlabox/1/id-one", "one")
    assert (node.free_memory_bytes, node.uptime_seconds) == (5, 7)


def test_the_order_of_series_does_not_matter() -> None:
    """Whichever of two series comes first, they are one node of the cluster that one of them names."""
    series = [build_host_series("a", ""), build_host_series("a", "uid-1", machine="riscv64")]
    one, other = (
        build_from_series({"orchestrators": [OCM], "nodes_by_uname": given})[0] for given in (series, series[::-1])
    )
    assert one == other
    assert [(node.cluster, node.architecture) for node in one.nodes.values()] == [("uid-1", "riscv64")]


def test_a_machine_id_of_two_clusters_tells_nothing() -> None:
    """Where hosts of two clusters have one machine id, a series without a uid is of neither."""
    found = [build_host_series("a", "uid-1"), build_host_series("a", ""), build_host_series("a", "uid-2")]
    topology, tally = build_from_series({"orchestrators": [OCM], "nodes_by_uname": found})
    assert [node.cluster for node in topology.nodes.values()] == ["uid-1"]
    assert tally.unplaced["nodes", "belongs to no known cluster"] == 2


def test_the_controllers_host_takes_nothing() -> None:
    """A host that the controller tells of as its own hides no other host of that machine id."""
    topology, tally = build_from_series(
        {"orchestrators": [NUVLA], "nodes_by_uname": [build_host_series("one"), build_host_series("one", "self")]}
    )
    assert list(topology.nodes) == [("nuvlabox/1", "one")]
    assert tally.skipped["nodes"] == 1
