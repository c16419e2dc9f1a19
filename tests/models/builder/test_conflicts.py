"""Samples that contradict each other, in whatever order they come."""

import pytest

from tests.support.samples import build_from_series

OCM_SERIES = [({"type": "ocm", "agent_name": "x", "k8s_cluster_uid": "u"}, "1")]
UNAME_SERIES = [({"k8s_cluster_uid": "u", "icos_host_id": "h", "nodename": "n"}, "1")]
HOST_LABELS = {"k8s_cluster_uid": "u", "icos_host_id": "h"}


def test_text_value_in_contest() -> None:
    """A value that is no number beside another of the same entity is dropped and counted."""
    topology, tally = build_from_series(
        {
            "orchestrators": OCM_SERIES,
            "nodes_by_uname": UNAME_SERIES,
            "uptime": [({**HOST_LABELS, "cluster": "a"}, "abc"), (HOST_LABELS, "1")],
        }
    )
    assert [node.uptime_seconds for node in topology.nodes.values()] == [1]
    assert tally.dropped["uptime", "not a number"] == 1


def test_order_of_docker_containers() -> None:
    """Two containers of one name (one restarted) have the same keys whatever order they come in."""
    nuvla = [({"type": "nuvla", "agent_name": "box", "icos_host_name": "e"}, "1")]
    host = [({"icos_host_id": "h", "icos_host_name": "e", "nodename": "d"}, "1")]
    pods = [({"icos_host_name": "e", "container_name": "redis", "container_id": one}, "1") for one in "ab"]
    made = [
        build_from_series({"orchestrators": nuvla, "nodes_by_uname": host, "docker_containers": order})[0]
        for order in (pods, pods[::-1])
    ]
    assert made[0] == made[1]


def test_order_of_nodes() -> None:
    """A cluster's agent does not depend on which node came first."""
    nodes = [
        ({"k8s_cluster_uid": "u", "icos_host_id": one, "nodename": one, "icos_agent_id": f"agent-{one}"}, "1")
        for one in "ab"
    ]
    made = [
        build_from_series({"orchestrators": OCM_SERIES, "nodes_by_uname": order})[0] for order in (nodes, nodes[::-1])
    ]
    assert made[0] == made[1]


def test_order_of_duplicate_hosts() -> None:
    """A host's cluster does not depend on which of its contradicting series came first."""
    nuvla = [({"type": "nuvla", "agent_name": f"box-{one}", "icos_host_name": one}, "1") for one in "ab"]
    nodes = [({"icos_host_id": "h", "icos_host_name": one, "nodename": "n"}, "1") for one in "ab"]
    made = [build_from_series({"orchestrators": nuvla, "nodes_by_uname": order})[0] for order in (nodes, nodes[::-1])]
    assert made[0] == made[1]


def test_order_of_orchestrators() -> None:
    """Of two agents on one host one wins, whichever comes first."""
    nuvla = [({"type": "nuvla", "agent_name": f"box-{one}", "icos_host_name": "e"}, "1") for one in "ab"]
    nodes = [({"icos_host_id": "h", "icos_host_name": "e", "nodename": "n"}, "1")]
    made = [build_from_series({"orchestrators": order, "nodes_by_uname": nodes})[0] for order in (nuvla, nuvla[::-1])]
    assert made[0] == made[1]


@pytest.mark.parametrize(("kind", "uid"), [("ocm", ""), ("nuvla", "x")])
def test_an_orchestrator_without_labels(kind: str, uid: str) -> None:
    """An orchestrator that does not say where it is has the hosts that do not say it either, as in the Go service."""
    host = [({"icos_host_id": "h", "nodename": "n"}, "1")]
    topology, _ = build_from_series(
        {"orchestrators": [({"type": kind, "agent_name": "x"}, "1")], "nodes_by_uname": host}
    )
    assert {node.cluster for node in topology.nodes.values()} == {uid}
