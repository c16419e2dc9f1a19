"""Clusters do not mix: the cluster is part of every identity, and a value stays in the cluster that it names."""

from typing import Any

import pytest

from aggregator.models.topology import Topology
from tests.support.samples import Series, build_from_series

OCM: list[Series] = [({"type": "ocm", "agent_name": uid, "k8s_cluster_uid": uid}, "1") for uid in ("a", "b")]


def build_plain_cluster(cluster: str, phase: str, cpu: str) -> dict[str, list[Series]]:
    """Return what kube-state-metrics, cAdvisor and the kubelet expose about one cluster with plain labels."""
    pod = {"cluster": cluster, "namespace": "kube-system", "pod": "etcd-0"}
    kubelet = {"k8s_namespace_name": "kube-system", "k8s_pod_name": "etcd-0", "k8s_container_name": "etcd"}
    return {
        "nodes_by_uname": [({"cluster": cluster, "node": "w1", "nodename": "w1"}, "1")],
        "pods": [({**pod, "node": "w1", "uid": f"uid-{cluster}"}, "1")],
        "pod_phase": [({**pod, "phase": phase}, "1")],
        "containers": [({**pod, "container": "etcd"}, "1")],
        "container_memory_by_cadvisor": [({**pod, "container": "etcd"}, cpu.replace(".", ""))],
        "container_cpu": [({"cluster": cluster, **kubelet}, cpu)],
    }


def merge_rows(*parts: dict[str, list[Series]]) -> dict[str, list[Series]]:
    """Return the series of several clusters, row by row."""
    merged: dict[str, list[Series]] = {}
    for part in parts:
        for row, series in part.items():
            merged.setdefault(row, []).extend(series)
    return merged


def select_pods(topology: Topology) -> dict[tuple[str, str], tuple[Any, ...]]:
    """Return what is known of each pod and its only container."""
    result: dict[tuple[str, str], tuple[Any, ...]] = {}
    for key, pod in topology.pods.items():
        (container,) = pod.containers.values()
        result[key] = (pod.node, pod.uid, pod.phase, container.cpu_usage_cores, container.memory_bytes)
    return result


def test_pods_of_plain_kubernetes_belong_to_the_cluster_of_their_label() -> None:
    """Pods, phases, containers and usage with the labels `cluster` and `node` are found, in each cluster its own."""
    rome, oslo = build_plain_cluster("rome", "Running", "0.5"), build_plain_cluster("oslo", "Failed", "0.7")
    topology, stats = build_from_series(merge_rows(rome, oslo))
    assert list(topology.nodes) == [("oslo", "w1"), ("rome", "w1")]
    assert select_pods(topology) == {
        ("oslo", "etcd-0"): ("w1", "uid-oslo", "Failed", 0.7, 7),
        ("rome", "etcd-0"): ("w1", "uid-rome", "Running", 0.5, 5),
    }
    assert not stats.unplaced


def test_series_without_a_cluster_belong_to_the_default_cluster() -> None:
    """Beside a labelled cluster, series that name no cluster belong to the default one, and to nothing else."""
    plain = build_plain_cluster("", "Running", "0.5")
    topology, stats = build_from_series(merge_rows(plain, build_plain_cluster("rome", "Failed", "0.7")))
    assert select_pods(topology) == {
        ("default", "etcd-0"): ("w1", "uid-", "Running", 0.5, 5),
        ("rome", "etcd-0"): ("w1", "uid-rome", "Failed", 0.7, 7),
    }
    assert not stats.unplaced
    del plain["pods"]
    topology, stats = build_from_series(merge_rows(plain, build_plain_cluster("rome", "Failed", "0.7")))
    assert select_pods(topology) == {("rome", "etcd-0"): ("w1", "uid-rome", "Failed", 0.7, 7)}
    assert stats.unplaced["pod_phase", "no pod matches its labels"] == 1


def test_hosts_of_one_machine_id_in_two_clusters_are_two_nodes() -> None:
    """Cloned machines with one machine ID remain apart by the cluster label or the host name of the Nuvla agent."""
    nuvla: list[Series] = [({"type": "nuvla", "agent_name": name, "icos_host_name": f"{name}:h"}, "1") for name in "xy"]
    topology, stats = build_from_series(
        {
            "orchestrators": nuvla,
            "nodes_by_uname": [
                *(({"cluster": name, "icos_host_id": "m", "nodename": "h"}, "1") for name in ("rome", "oslo")),
                *(({"icos_host_name": f"{name}:h", "icos_host_id": "m", "nodename": "h"}, "1") for name in "xy"),
            ],
            "memory_free": [
                ({"cluster": "rome", "icos_host_id": "m"}, "1"),
                ({"icos_host_name": "x:h", "icos_host_id": "m"}, "2"),
                ({"icos_host_name": "y:h", "icos_host_id": "m"}, "3"),
            ],
        }
    )
    assert {cluster: node.free_memory_bytes for (cluster, _), node in topology.nodes.items()} == {
        "oslo": None,
        "rome": 1,
        "x": 2,
        "y": 3,
    }
    assert not stats.unplaced


HOST = {"k8s_cluster_uid": "a", "icos_host_id": "m", "icos_host_name": "n", "icos_agent_id": "agent"}
SCANNED = {"agent_ip": "10.0.0.1", "agent_hostname": "n"}


@pytest.mark.parametrize("uid", ["b", "unknown"])
@pytest.mark.parametrize(
    ("row", "labels", "field"),
    [
        ("memory_free", {"icos_host_id": "m"}, "free_memory_bytes"),
        ("memory_free", {"icos_host_name": "n"}, "free_memory_bytes"),
        ("memory_free", {"cluster": "rome", "node": "n"}, "free_memory_bytes"),
        ("cpu_capacity", {"icos_agent_id": "agent", "icos_host_name": "n"}, "cpu_cores"),
        ("interface_up", {"icos_host_id": "m", "device": "secret-vpn0"}, "interfaces"),
        ("sca_score", SCANNED, "sca_score"),
    ],
)
def test_a_value_of_another_cluster_is_not_shown(uid: str, row: str, labels: dict[str, str], field: str) -> None:
    """A value that names another cluster than the host's is left out, even if the rest of its labels match."""
    uname = {**HOST, "cluster": "rome", "node": "n", "nodename": "n", "net_host_name": "10.0.0.1"}
    topology, stats = build_from_series(
        {"orchestrators": OCM, "nodes_by_uname": [(uname, "1")], row: [({**labels, "k8s_cluster_uid": uid}, "1")]}
    )
    (node,) = topology.nodes.values()
    assert not getattr(node, field)
    assert stats.unplaced[row, "no node matches its labels"] == 1


@pytest.mark.parametrize(("uid", "is_shown"), [("", True), ("self", True), ("a", True), ("b", False)])
def test_a_scan_by_the_controller_is_about_any_host(uid: str, is_shown: bool) -> None:
    """The labels of a scan are its exporter's: the controller's exporter scans all clusters, others only their own."""
    topology, _ = build_from_series(
        {
            "orchestrators": OCM,
            "nodes_by_uname": [({**HOST, "nodename": "n", "net_host_name": "10.0.0.1"}, "1")],
            "sca_score": [({**SCANNED, "k8s_cluster_uid": uid}, "66")],
        }
    )
    (node,) = topology.nodes.values()
    assert node.sca_score == (66 if is_shown else None)


def test_a_link_of_another_cluster_is_not_shown() -> None:
    """A ClusterLink of a cluster that is not shown does not link the cluster that has a host of the same machine ID."""
    topology, stats = build_from_series(
        {
            "orchestrators": OCM,
            "nodes_by_uname": [({**HOST, "nodename": "n"}, "1")],
            "cluster_links": [({"k8s_cluster_uid": "b", "icos_host_id": "m"}, "1")],
        }
    )
    assert not topology.clusters["a"].is_linked
    assert stats.unplaced["cluster_links", "no cluster matches its labels"] == 1


def test_a_workload_of_another_cluster_is_not_shown() -> None:
    """A pod's UID alone does not connect a workload of one cluster with a pod of another."""
    topology, stats = build_from_series(
        {
            "orchestrators": OCM,
            "nodes_by_uname": [({**HOST, "nodename": "n"}, "1")],
            "pods": [({"k8s_cluster_uid": "a", "namespace": "s", "pod": "p", "uid": "1"}, "1")],
            "workloads": [({"k8s_cluster_uid": "b", "id": "1", "icos_app_instance": "i"}, "1")],
        }
    )
    (pod,) = topology.pods.values()
    assert not pod.workloads
    assert stats.unplaced["workloads", "no pod matches its labels"] == 1


def test_docker_containers_of_cloned_hosts_are_two_pods() -> None:
    """Containers of one ID on hosts of one machine ID belong to the cluster that the host name or the label names."""
    container = {"icos_host_id": "m", "container_id": "1", "container_name": "c"}
    topology, _ = build_from_series(
        {
            "nodes_by_uname": [({"cluster": c, "icos_host_id": "m", "nodename": "h"}, "1") for c in ("rome", "oslo")],
            "docker_containers": [({**container, "cluster": c}, "1") for c in ("rome", "oslo")],
            "docker_container_cpu": [
                ({**container, "cluster": c}, value) for c, value in (("rome", "1"), ("oslo", "2"))
            ],
        }
    )
    assert {key: pod.containers["c"].cpu_usage_cores for key, pod in topology.pods.items()} == {
        ("oslo", "c"): 2,
        ("rome", "c"): 1,
    }
