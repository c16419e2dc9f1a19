"""Which clusters there are, and which hosts and pods belong to them."""

from tests.support.samples import Series, build_from_series

OCM: Series = ({"type": "ocm", "agent_name": "ocm-1", "k8s_cluster_uid": "uid-1"}, "1")
NUVLA: Series = ({"type": "nuvla", "agent_name": "nuvlabox/1", "icos_host_name": "edge:one"}, "1")


def build_host_series(name: str, uid: str = "", **labels: str) -> Series:
    """Return a host's uname series, its machine id made of its name."""
    identity = {"icos_host_id": f"id-{name}", "icos_host_name": f"edge:{name}", "nodename": name}
    return {**identity, "k8s_cluster_uid": uid, "machine": "x86_64", **labels}, "1"


def build_pod_series(name: str, uid: str, namespace: str = "default", **labels: str) -> Series:
    """Return a pod's series."""
    return {"k8s_cluster_uid": uid, "namespace": namespace, "pod": name, "uid": f"{namespace}-{name}", **labels}, "1"


def test_an_ocm_cluster_is_known_by_its_uid() -> None:
    """Hosts with the cluster uid of an OCM agent are that cluster's."""
    topology, _ = build_from_series({"orchestrators": [OCM], "nodes_by_uname": [build_host_series("a", "uid-1")]})
    assert {key: (cluster.type, cluster.uid) for key, cluster in topology.clusters.items()} == {
        "uid-1": ("ocm", "uid-1")
    }
    assert [(node.cluster, node.key, node.type, node.host_id) for node in topology.nodes.values()] == [
        ("uid-1", "a", "ocm", "id-a")
    ]


def test_an_ocm_cluster_is_called_by_its_name() -> None:
    """The key of a cluster is the name that OCM gave it; its uid stays known."""
    names: list[Series] = [({"k8s_cluster_uid": "uid-1", "name": "edge-a"}, "1")]
    topology, _ = build_from_series(
        {"orchestrators": [OCM], "nodes_by_uname": [build_host_series("a", "uid-1")], "cluster_names": names}
    )
    assert {key: (cluster.name, cluster.uid) for key, cluster in topology.clusters.items()} == {
        "edge-a": ("edge-a", "uid-1")
    }
    assert list(topology.nodes) == [("edge-a", "a")]


def test_two_clusters_of_one_name_are_both_kept() -> None:
    """The second of two clusters that share a name is keyed by its uid."""
    topology, _ = build_from_series(
        {
            "orchestrators": [
                ({"type": "ocm", "agent_name": uid, "k8s_cluster_uid": uid}, "1") for uid in ("u2", "u1")
            ],
            "nodes_by_uname": [build_host_series("a", "u1"), build_host_series("b", "u2")],
            "cluster_names": [({"k8s_cluster_uid": uid, "name": "same"}, "1") for uid in ("u2", "u1")],
        }
    )
    assert {key: cluster.uid for key, cluster in topology.clusters.items()} == {"same": "u1", "u2": "u2"}
    assert list(topology.nodes) == [("same", "a"), ("u2", "b")]


def test_a_nuvla_edge_is_known_by_its_agents_host() -> None:
    """A host without Kubernetes whose name is the agent's is a cluster of its own, keyed by the agent's name."""
    topology, _ = build_from_series({"orchestrators": [NUVLA], "nodes_by_uname": [build_host_series("one")]})
    assert {key: (cluster.type, cluster.uid) for key, cluster in topology.clusters.items()} == {
        "nuvlabox/1": ("nuvla", "nuvlabox/1")
    }
    assert list(topology.nodes) == [("nuvlabox/1", "one")]


def test_a_nuvla_edge_without_a_name_has_its_values() -> None:
    """Where the agent's series has no name, values still find the hosts of its cluster."""
    agent: Series = ({"type": "nuvla", "icos_host_name": "edge:one"}, "1")
    values: list[Series] = [({"icos_host_id": "id-one", "icos_host_name": "edge:one"}, "5")]
    topology, stats = build_from_series(
        {"orchestrators": [agent], "nodes_by_uname": [build_host_series("one")], "memory_free": values}
    )
    assert [node.free_memory_bytes for node in topology.nodes.values()] == [5]
    assert not stats.unplaced


def test_a_nuvla_node_knows_the_agent_on_its_host() -> None:
    """The agent is the first of the node's own cluster whose host name is the node's name; a prefix makes no match."""
    agents: list[Series] = [
        ({"type": "nuvla", "agent_name": box, "agent_id": agent, "icos_host_name": host}, "1")
        for box, agent, host in (
            *(("box-1", "1-1", "one"), ("box-1", "1-0", "one"), ("box-2", "2-0", "edge:two")),
            ("box-3", "3-0", "two"),
        )
    ]
    hosts = [build_host_series("one", icos_host_name="one"), build_host_series("two")]
    topology, _ = build_from_series({"orchestrators": agents, "nodes_by_uname": hosts})
    assert {(node.cluster, node.key): node.agent_id for node in topology.nodes.values()} == {
        ("box-1", "one"): "1-0",
        ("box-2", "two"): None,
    }


def test_other_nodes_of_a_nuvla_edge_belong_to_it() -> None:
    """A node in the same Kubernetes cluster as a known Nuvla node is part of that NuvlaEdge."""
    topology, _ = build_from_series(
        {"orchestrators": [NUVLA], "nodes_by_uname": [build_host_series("two", "k"), build_host_series("one", "k")]}
    )
    assert list(topology.nodes) == [("nuvlabox/1", "one"), ("nuvlabox/1", "two")]
    assert {node.type for node in topology.nodes.values()} == {"nuvla"}


def test_a_nuvla_node_has_its_metrics() -> None:
    """What is measured on a Nuvla node is found by its machine id, whatever its cluster is called."""
    labels = {"icos_host_id": "id-one", "k8s_cluster_uid": "k"}
    topology, tally = build_from_series(
        {
            "orchestrators": [NUVLA],
            "nodes_by_uname": [build_host_series("one", "k")],
            "cpu_max_frequency": [(labels, "1500000000")],
            "temperature": [(labels, "44.4")],
            "interface_up": [({**labels, "device": "eth0"}, "1")],
            "cpu_capacity": [({"k8s_cluster_uid": "k", "icos_host_name": "edge:one"}, "4")],
        }
    )
    (node,) = topology.nodes.values()
    assert (node.cpu_max_frequency_hertz, node.temperature_celsius, node.cpu_cores) == (1500000000, 44.4, 4)
    assert node.interfaces["eth0"].is_up
    assert not tally.unplaced


def test_pods_of_a_nuvla_edge_are_its_own() -> None:
    """Pods, their phases and containers are found in a NuvlaEdge, too."""
    topology, tally = build_from_series(
        {
            "orchestrators": [NUVLA],
            "nodes_by_uname": [build_host_series("one", "k"), build_host_series("two", "k")],
            "pods": [build_pod_series("p", "k", icos_host_name="edge:two")],
            "pod_phase": [build_pod_series("p", "k", phase="Running")],
            "containers": [build_pod_series("p", "k", container="c")],
        }
    )
    (found,) = topology.pods.values()
    assert (found.cluster, found.node, found.phase, list(found.containers)) == ("nuvlabox/1", "two", "Running", ["c"])
    assert not tally.unplaced


def test_a_plain_cluster_label_makes_a_cluster() -> None:
    """Hosts that no orchestrator knows are in the cluster that their label names, of no type."""
    topology, _ = build_from_series({"nodes_by_uname": [({"cluster": "lab", "node": "n1", "nodename": "h1"}, "1")]})
    assert {key: cluster.type for key, cluster in topology.clusters.items()} == {"lab": ""}
    (node,) = topology.nodes.values()
    assert (node.cluster, node.key, node.node_label, node.type) == ("lab", "h1", "n1", "")


def test_an_orchestrator_goes_before_a_label() -> None:
    """A host that an orchestrator knows is in that cluster, whatever its label says."""
    topology, _ = build_from_series(
        {"orchestrators": [OCM], "nodes_by_uname": [build_host_series("a", "uid-1", cluster="other")]}
    )
    assert list(topology.nodes) == [("uid-1", "a")]


def test_a_node_label_alone_is_the_default_cluster() -> None:
    """A host with a `node` label and nothing that tells its cluster is in the default one."""
    topology, _ = build_from_series({"nodes_by_uname": [({"node": "n1", "nodename": "n1"}, "1")]})
    assert list(topology.nodes) == [("default", "n1")]


def test_a_host_of_no_cluster_is_counted() -> None:
    """A host that nothing places is left out and counted."""
    topology, tally = build_from_series(
        {"orchestrators": [OCM], "nodes_by_uname": [build_host_series("a", "elsewhere")]}
    )
    assert not topology.nodes
    assert tally.unplaced["nodes", "belongs to no known cluster"] == 1


def test_an_unknown_kind_of_orchestrator_makes_no_cluster() -> None:
    """Only ocm and nuvla are known, as in the Go service."""
    swarm: Series = ({"type": "swarm", "agent_name": "s", "k8s_cluster_uid": "uid-1"}, "1")
    assert not build_from_series({"orchestrators": [swarm], "nodes_by_uname": [build_host_series("a", "uid-1")]})[
        0
    ].clusters


def test_an_orchestrator_without_nodes_is_counted() -> None:
    """A cluster that no host belongs to is not shown, and that is said."""
    topology, tally = build_from_series({"orchestrators": [OCM]})
    assert not topology.clusters
    assert tally.unplaced["orchestrators", "the cluster has no nodes"] == 1


def test_pods_of_a_cluster_without_nodes_are_counted() -> None:
    """Pods whose cluster has no host have no place, and that is said."""
    topology, tally = build_from_series({"orchestrators": [OCM], "pods": [build_pod_series("p", "uid-1")]})
    assert not topology.pods
    assert tally.unplaced["pods", "the cluster has no nodes"] == 1


def test_the_controllers_own_hosts_and_pods_are_skipped() -> None:
    """What the controller calls "self" is no part of the topology, and not missing either."""
    self_orchestrator: Series = ({"type": "ocm", "agent_name": "x", "k8s_cluster_uid": "self"}, "1")
    topology, tally = build_from_series(
        {
            "orchestrators": [OCM, self_orchestrator],
            "nodes_by_uname": [build_host_series("a", "uid-1"), build_host_series("controller", "self")],
            "pods": [build_pod_series("p", "self"), build_pod_series("q", "self")],
        }
    )
    assert list(topology.nodes) == [("uid-1", "a")]
    assert not topology.pods
    assert dict(tally.skipped) == {"nodes": 1, "pods": 2}


def test_controllers_are_those_that_hosts_name() -> None:
    """The controllers of the topology are the names in its hosts' labels, sorted."""
    hosts = [
        build_host_series("a", "uid-1", icos_controller_id="z"),
        build_host_series("b", "uid-1", icos_controller_id="c"),
    ]
    assert build_from_series({"orchestrators": [OCM], "nodes_by_uname": hosts})[0].controllers == ("c", "z")


def test_hosts_are_known_without_the_uname_collector() -> None:
    """Where node_uname_info is missing, as by default, the telemetry agent's own series makes the nodes."""
    labels = {"icos_host_id": "id-a", "k8s_cluster_uid": "uid-1", "hostname": "a", "arch": "arm64"}
    by_agent: Series = ({**labels, "latitude": "48.5", "longitude": "-70"}, "1")
    (node,) = build_from_series({"orchestrators": [OCM], "nodes_by_agent": [by_agent]})[0].nodes.values()
    assert (node.key, node.architecture, node.latitude, node.longitude) == ("a", "aarch64", 48.5, -70)


def test_both_series_of_a_host_are_one_node() -> None:
    """A host that both collectors tell of is one node, and uname's word counts where both have one."""
    by_agent: Series = (
        {
            "icos_host_id": "id-a",
            "k8s_cluster_uid": "uid-1",
            "hostname": "agent-name",
            "arch": "arm64",
            "ip": "1.2.3.4",
        },
        "1",
    )
    topology, tally = build_from_series(
        {"orchestrators": [OCM], "nodes_by_uname": [build_host_series("a", "uid-1")], "nodes_by_agent": [by_agent]}
    )
    (node,) = topology.nodes.values()
    assert (node.key, node.architecture) == ("a", "x86_64")
    assert not tally.conflicts
