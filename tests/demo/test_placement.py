"""Every sample of the simulated fleet has an entity."""

import re
from collections import Counter

import pytest

from demo.fleet import SimulatedFleet, render_exposition

METRICS_PER_NODE = """
    node_uname_info tlum_host_info tlum_runtime_info tlum_host_labels node_memory_MemTotal_bytes
    node_memory_MemFree_bytes node_memory_MemAvailable_bytes node_time_seconds node_boot_time_seconds
    node_cpu_seconds_total node_cpu_frequency_max_hertz node_cpu_scaling_frequency_hertz tlum_cpu_freq tlum_cpu_max_freq
    node_thermal_zone_temp node_filesystem_size_bytes node_filesystem_avail_bytes node_network_info node_network_up
    node_network_address_info node_network_speed_bytes node_network_receive_bytes_total
    node_network_transmit_bytes_total intelligence_node_cpu_utilization_prediction
    intelligence_node_memory_utilization_prediction
"""
METRICS_ON_SOME_NODES = """
    node_mounted scaph_host_energy_microjoules_total DCGM_FI_DEV_SM_CLOCK DCGM_FI_DEV_MAX_SM_CLOCK
    DCGM_FI_DEV_FB_TOTAL DCGM_FI_DEV_FB_USED DCGM_FI_DEV_GPU_UTIL DCGM_FI_DEV_GPU_TEMP DCGM_FI_DEV_POWER_USAGE
    DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION kube_node_status_capacity tlum_vnet_info tlum_workload_info
"""
OTHER_METRICS = """
    tlum_orch_info tlum_ocm_agent_info SCA_score vulnerabilities kube_pod_info kube_pod_status_phase
    kube_pod_container_info container_cpu_utilization_ratio container_memory_working_set_bytes
"""


@pytest.fixture(scope="module")
def series() -> dict[str, list[dict[str, str]]]:
    """The label sets of a fleet, by metric."""
    labels_by_metric: dict[str, list[dict[str, str]]] = {}
    for name, labels in re.findall(
        r"^(\w+)\{(.*)\}", render_exposition(SimulatedFleet.generate(), 1_795_176_000.0), re.MULTILINE
    ):
        labels_by_metric.setdefault(name, []).append(dict(re.findall(r'(\w+)="([^"]*)"', labels)))
    return labels_by_metric


def test_exactly_the_documented_metrics_are_exposed(series: dict[str, list[dict[str, str]]]) -> None:
    """Exactly the documented metrics are exposed."""
    assert set(series) == {*METRICS_PER_NODE.split(), *METRICS_ON_SOME_NODES.split(), *OTHER_METRICS.split()}


def test_there_are_five_clusters_of_two_kinds(series: dict[str, list[dict[str, str]]]) -> None:
    """Three clusters are OCM, two are NuvlaEdges, one of them without Kubernetes."""
    assert Counter(labels["type"] for labels in series["tlum_orch_info"]) == {"ocm": 3, "nuvla": 2}
    names = [labels["agent_name"] for labels in series["tlum_orch_info"] if labels["type"] == "nuvla"]
    assert sorted(name.split("/")[0] for name in names) == ["infrastructure-service", "nuvlabox"]


def test_every_node_has_an_orchestrator(series: dict[str, list[dict[str, str]]]) -> None:
    """A node belongs to a cluster by its cluster UID, or by its name if an agent runs on it."""
    uids = {labels["k8s_cluster_uid"] for labels in series["tlum_orch_info"] if labels["type"] == "ocm"}
    named = {labels["icos_host_name"] for labels in series["tlum_orch_info"] if labels["type"] == "nuvla"}
    nodes = series["node_uname_info"]
    uids |= {
        labels["k8s_cluster_uid"]
        for labels in nodes
        if labels["icos_host_name"] in named and "k8s_cluster_uid" in labels
    }
    assert all(labels.get("k8s_cluster_uid") in uids or labels["icos_host_name"] in named for labels in nodes)


@pytest.mark.parametrize("metric", METRICS_PER_NODE.split())
def test_every_node_has_all_node_metrics(series: dict[str, list[dict[str, str]]], metric: str) -> None:
    """Each node has each metric of nodes."""
    assert {_get_host(labels) for labels in series[metric]} == {
        _get_host(labels) for labels in series["node_uname_info"]
    }


def test_optional_metrics_name_existing_nodes(series: dict[str, list[dict[str, str]]]) -> None:
    """Devices, energy, GPUs, capacity and workloads name existing nodes."""
    known = {labels["icos_host_name"] for labels in series["node_uname_info"]}
    assert {labels["icos_host_name"] for metric in METRICS_ON_SOME_NODES.split() for labels in series[metric]} <= known


def test_security_findings_name_existing_nodes(series: dict[str, list[dict[str, str]]]) -> None:
    """Host name and address of a finding are those of a tlum_host_info series."""
    nodes = {(labels["hostname"], labels["ip"]) for labels in series["tlum_host_info"]}
    findings = [*series["SCA_score"], *series["vulnerabilities"]]
    assert {(labels["agent_hostname"], labels["agent_ip"]) for labels in findings} == nodes


def test_phases_and_containers_belong_to_pods(series: dict[str, list[dict[str, str]]]) -> None:
    """Each pod has five phases and its containers; container metrics name these containers or Docker containers."""
    pods = {labels["uid"] for labels in series["kube_pod_info"]}
    phases = Counter(labels["uid"] for labels in series["kube_pod_status_phase"])
    known = {(labels["uid"], labels["container"]) for labels in series["kube_pod_container_info"]}
    assert set(phases) == pods == {uid for uid, _ in known}
    assert set(phases.values()) == {5}
    measured = [*series["container_cpu_utilization_ratio"], *series["container_memory_working_set_bytes"]]
    assert {
        (labels["k8s_pod_uid"], labels["k8s_container_name"]) for labels in measured if "k8s_pod_uid" in labels
    } <= known


def test_workloads_belong_to_pods_or_containers(series: dict[str, list[dict[str, str]]]) -> None:
    """The ID of a workload is the UID of a pod or the ID of a Docker container."""
    docker = {labels.get("container_id") for labels in series["container_cpu_utilization_ratio"]}
    pods = {labels["uid"] for labels in series["kube_pod_info"]}
    assert {labels["id"] for labels in series["tlum_workload_info"]} <= pods | docker


def _get_host(labels: dict[str, str]) -> str:
    return labels["icos_host_id"]
