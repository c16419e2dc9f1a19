"""The topology of a real Kubernetes whose metrics are scraped as kube-prometheus-stack does it, without any setting.

The API server says what the topology has to contain.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from aggregator.cli.doctor.command import build_doctor_report
from aggregator.observability.redaction import PATTERN_REDACTOR
from aggregator.pb.aggregator.v1 import topology_pb2 as pb
from aggregator.settings import settings
from aggregator.settings.gateway import Settings
from demo.prometheus import PrometheusBinaries, PrometheusServer, run_prometheus_server
from tests.integration.gateway_process import GatewayProcess, run_gateway, wait_until
from tests.kubernetes.api import KubernetesApi, Manifest
from tests.kubernetes.cluster import FOLDER, NODE_NAME, run_cluster
from tests.support.grpc_client import call_method
from tests.support.http_client import send_request
from tests.thanos.processes import ManagedProcess, ProcessManager, manage_processes
from tools.parts.kubernetes import obtain_kubernetes_programs
from tools.parts.thanos import ThanosBinaries, obtain_thanos_binaries

SCRAPE_JOBS = {"apiserver", "kubelet", "kube-state-metrics", "node-exporter"}
SCRAPE_TIMEOUT_SECONDS = 90.0
TARGETS = 6
# The kubelet measures a container some seconds after its start.
STABLE_CONTAINERS = ("kube-state-metrics", "log-shipper", "log-shipper", "node-exporter", "web", "web")
CONTAINER_MEMORY = 'container_memory_working_set_bytes{container!="",container!="leak"}'
# Rates need a series that has existed for five minutes.
RATE_TIMEOUT_SECONDS = 420.0
QUANTITY_SUFFIXES = {"": 1, "m": 0.001, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}

PodIdentity = tuple[str, str]


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubernetesApi]:
    """The API of a running cluster."""
    with run_cluster(obtain_kubernetes_programs(), tmp_path_factory.mktemp("kubernetes")) as api:
        yield api


@pytest.fixture(scope="module")
def binaries() -> ThanosBinaries:
    """Thanos and a Prometheus that discovers targets in Kubernetes."""
    return obtain_thanos_binaries()


@contextmanager
def run_kubernetes_prometheus(
    folder: Path, binaries: ThanosBinaries, **external_labels: str
) -> Iterator[PrometheusServer]:
    """Run a Prometheus that scrapes the cluster; yield it when all exporters have been scraped."""
    config = yaml.safe_load((FOLDER / "prometheus.yml").read_text(encoding="utf-8"))
    config["global"]["external_labels"] = external_labels
    folder.mkdir(exist_ok=True)
    with run_prometheus_server(
        folder, yaml.safe_dump(config), binaries=PrometheusBinaries(binaries.prometheus, binaries.promtool)
    ) as server:
        wait_until(lambda: is_scraped(server.url), "the scrapes of all exporters", SCRAPE_TIMEOUT_SECONDS)
        yield server


def is_scraped(prometheus_url: str, clusters: int = 1) -> bool:
    """Return whether all targets of each cluster are up, and all containers that stay are measured."""
    up = query(prometheus_url, "up == 1")
    return (
        len(up) == TARGETS * clusters
        and {sample["metric"]["job"] for sample in up} == SCRAPE_JOBS
        and len(query(prometheus_url, CONTAINER_MEMORY)) >= len(STABLE_CONTAINERS) * clusters
    )


def query(prometheus_url: str, expression: str) -> list[dict[str, Any]]:
    """Return the samples of an instant query."""
    response = requests.get(f"{prometheus_url}/api/v1/query", params={"query": expression}, timeout=10)
    samples: list[dict[str, Any]] = response.json()["data"]["result"]
    return samples


@pytest.fixture(scope="module")
def prometheus(api: KubernetesApi, binaries: ThanosBinaries, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a Prometheus that scrapes the cluster."""
    assert api.is_ready()
    with run_kubernetes_prometheus(tmp_path_factory.mktemp("prometheus"), binaries) as server:
        yield server.url


@pytest.fixture(scope="module")
def gateway(prometheus: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A gateway that has only the URL of Prometheus."""
    with run_gateway(tmp_path_factory.mktemp("gateway"), PROMETHEUS_ADDRESS=prometheus) as gateway:
        wait_until_complete(gateway)
        yield gateway


def wait_until_complete(gateway: GatewayProcess) -> None:
    """Wait until the gateway serves a complete topology."""

    def is_complete() -> bool:
        response = send_request(gateway.http_port, "/api/v1/topology")
        return response.status == 200 and response.headers["X-Topology-Complete"] == "true"

    wait_until(is_complete, "a complete topology")


def read_topology(gateway: GatewayProcess) -> pb.Topology:
    """Return the topology that the gateway serves."""
    reply = call_method(gateway.grpc_port, "/aggregator.v1.TopologyService/GetTopology")
    return pb.Topology.FromString(reply.body)


def read_cluster(gateway: GatewayProcess) -> pb.Cluster:
    """Return the only cluster of the topology."""
    (cluster,) = read_topology(gateway).clusters
    return cluster


def list_pods(api: KubernetesApi) -> dict[PodIdentity, Manifest]:
    """Return the pods of the cluster by namespace and name."""
    return {(pod["metadata"]["namespace"], pod["metadata"]["name"]): pod for pod in api.list_objects("api/v1/pods")}


def parse_quantity(text: str) -> float:
    """Return the value of a Kubernetes quantity in bytes, cores or pods."""
    suffix = text.lstrip("0123456789")
    return float(text.removesuffix(suffix)) * QUANTITY_SUFFIXES[suffix]


def describe_api_node(node: Manifest) -> dict[str, Any]:
    """Return what the topology has to say about a node of the API."""
    status, info = node["status"], node["status"]["nodeInfo"]
    return {
        "cpu_cores": parse_quantity(status["capacity"]["cpu"]),
        "memory_bytes": parse_quantity(status["capacity"]["memory"]),
        "pod_capacity": parse_quantity(status["capacity"]["pods"]),
        "allocatable_cpu_cores": parse_quantity(status["allocatable"]["cpu"]),
        "allocatable_memory_bytes": parse_quantity(status["allocatable"]["memory"]),
        "conditions": {condition["type"]: condition["status"].lower() for condition in status["conditions"]},
        "taints": {(taint["key"], taint.get("value", ""), taint["effect"]) for taint in node["spec"]["taints"]},
        "internal_ip": next(entry["address"] for entry in status["addresses"] if entry["type"] == "InternalIP"),
        "kubelet_version": info["kubeletVersion"],
        "kernel_version": info["kernelVersion"],
        "os_image": info["osImage"],
        "system_uuid": info["systemUUID"],
    }


def describe_served_node(node: pb.Node) -> dict[str, Any]:
    """Return the same of a node of the topology."""
    simple = ("cpu_cores", "memory_bytes", "pod_capacity", "allocatable_cpu_cores", "allocatable_memory_bytes")
    texts = ("internal_ip", "kubelet_version", "kernel_version", "os_image", "system_uuid")
    return {
        **{name: getattr(node, name) for name in (*simple, *texts)},
        "conditions": dict(node.conditions),
        "taints": {(taint.key, taint.value, taint.effect) for taint in node.taints},
    }


def describe_api_pod(pod: Manifest) -> dict[str, Any]:
    """Return what the topology has to say about a pod of the API."""
    status, owner = pod["status"], pod["metadata"]["ownerReferences"][0]
    return {
        "phase": status["phase"],
        "node": pod["spec"].get("nodeName", ""),
        "ip": status.get("podIP", ""),
        "host_ip": status.get("hostIP", ""),
        "owner": (owner["kind"], owner["name"]),
        "qos_class": status["qosClass"],
        "uses_host_network": pod["spec"].get("hostNetwork", False),
        "images": {container["name"]: container["image"] for container in status.get("containerStatuses", [])},
        "limits": {
            container["name"]: parse_quantity(limit)
            for container in pod["spec"]["containers"]
            if (limit := container["resources"].get("limits", {}).get("memory"))
        },
    }


def describe_served_pod(pod: pb.Pod) -> dict[str, Any]:
    """Return the same of a pod of the topology."""
    return {
        **{name: getattr(pod, name) for name in ("phase", "node", "ip", "host_ip", "qos_class", "uses_host_network")},
        "owner": (pod.owner_kind, pod.owner_name),
        "images": {container.name: container.image for container in pod.containers if container.image},
        "limits": {
            container.name: container.memory_limit_bytes
            for container in pod.containers
            if container.HasField("memory_limit_bytes")
        },
    }


def assert_nodes_are_those_of_the_api(cluster: pb.Cluster, api: KubernetesApi) -> None:
    """Fail unless the topology describes the nodes as the API server does."""
    expected = {node["metadata"]["name"]: describe_api_node(node) for node in api.list_objects("api/v1/nodes")}
    assert {node.name: describe_served_node(node) for node in cluster.nodes} == expected


def assert_pods_are_those_of_the_api(cluster: pb.Cluster, api: KubernetesApi) -> None:
    """Fail unless the topology describes the pods as the API server does."""
    expected = {identity: describe_api_pod(pod) for identity, pod in list_pods(api).items()}
    assert {(pod.namespace, pod.name): describe_served_pod(pod) for pod in cluster.pods} == expected


def find_pod(cluster: pb.Cluster, workload: str) -> pb.Pod:
    """Return the only pod of a workload."""
    (pod,) = [pod for pod in cluster.pods if pod.name.startswith(f"{workload}-")]
    return pod


def test_the_nodes_are_those_of_the_api(api: KubernetesApi, gateway: GatewayProcess) -> None:
    """The node has the name that Kubernetes gave it, not its host name, and its capacity, conditions and taints."""
    cluster = read_cluster(gateway)
    assert [node.name for node in cluster.nodes] == [NODE_NAME]
    assert_nodes_are_those_of_the_api(cluster, api)


def test_the_node_has_the_measurements_of_its_host(gateway: GatewayProcess) -> None:
    """What node_exporter measures is a part of the node that its pod runs on."""
    (node,) = read_cluster(gateway).nodes
    assert 0 < node.available_memory_bytes < node.host_memory_bytes
    assert node.uptime_seconds > 0
    assert node.architecture
    assert node.filesystems
    assert node.interfaces


def test_the_requests_of_pods_are_added_up(api: KubernetesApi, gateway: GatewayProcess) -> None:
    """The node has the number of its pods that have not ended, and the sums of their requests."""
    (node,) = read_cluster(gateway).nodes
    pods = [pod for pod in list_pods(api).values() if pod["status"]["phase"] == "Running"]
    requests = [container["resources"].get("requests", {}) for pod in pods for container in pod["spec"]["containers"]]
    assert node.pod_count == len(pods)
    assert node.requested_cpu_cores == pytest.approx(sum(parse_quantity(each.get("cpu", "0")) for each in requests))
    assert node.requested_memory_bytes == sum(parse_quantity(each.get("memory", "0")) for each in requests)


def test_the_pods_are_those_of_the_api(api: KubernetesApi, gateway: GatewayProcess) -> None:
    """Running, pending, ended and crashing pods have the phase, node, address, owner and images of the API server."""
    assert_pods_are_those_of_the_api(read_cluster(gateway), api)


def test_a_pending_pod_has_no_node(gateway: GatewayProcess) -> None:
    """A pod that is not scheduled has neither the node nor the address of the exporter that reports it."""
    pod = find_pod(read_cluster(gateway), "training")
    assert (pod.phase, pod.HasField("node"), pod.HasField("ip")) == ("Pending", False, False)


def test_a_killed_container_has_its_reason(gateway: GatewayProcess) -> None:
    """A container that used more memory than its limit was restarted, and was terminated as OOMKilled."""
    (container,) = find_pod(read_cluster(gateway), "leak").containers
    assert (container.name, container.last_termination_reason) == ("leak", "OOMKilled")
    assert container.restart_count > 0


def test_an_ended_container_is_terminated(gateway: GatewayProcess) -> None:
    """The container of a Job that succeeded is terminated, and its pod is not ready."""
    pod = find_pod(read_cluster(gateway), "migration")
    (container,) = pod.containers
    assert (pod.phase, pod.is_ready) == ("Succeeded", False)
    assert (container.state, container.reason) == ("terminated", "Completed")


def list_stable_containers(cluster: pb.Cluster) -> list[pb.Container]:
    """Return the containers of the pods that are ready, in the order of their names."""
    ready = [pod for pod in cluster.pods if pod.is_ready and not pod.name.startswith("leak-")]
    return sorted((each for pod in ready for each in pod.containers), key=lambda container: container.name)


def test_running_containers_have_their_memory(gateway: GatewayProcess) -> None:
    """Each container of a pod that is ready runs and has its memory usage, and the pod has no other containers."""
    containers = list_stable_containers(read_cluster(gateway))
    assert [container.name for container in containers] == list(STABLE_CONTAINERS)
    for container in containers:
        assert (container.state, container.is_ready) == ("running", True)
        assert container.memory_bytes > 0


def test_every_sample_has_its_place(gateway: GatewayProcess) -> None:
    """No sample and no object of the cluster is left out."""
    quality = send_request(gateway.http_port, "/api/v1/quality").json()
    assert quality["complete"] is True
    assert quality["totals"]["failedQueries"] == 0
    assert {row["name"]: row["unplaced"] for row in quality["rows"] if row.get("unplaced")} == {}
    assert quality.get("unplacedObjects", []) == []


def test_the_doctor_reports_no_problem(prometheus: str) -> None:
    """The doctor finds the node and the pods, and has no advice."""
    report = build_doctor_report(settings.load_settings({"PROMETHEUS_ADDRESS": prometheus}, Settings), PATTERN_REDACTOR)
    assert report.totals is not None
    assert (report.totals.clusters, report.totals.nodes) == (1, 1)
    assert [problem.message for problem in report.problems] == []


@pytest.fixture
def manager(binaries: ThanosBinaries, tmp_path: Path) -> Iterator[ProcessManager]:
    """A process manager for the test."""
    with manage_processes(binaries, tmp_path) as manager:
        yield manager


def test_equal_clusters_in_thanos_are_apart(
    api: KubernetesApi, binaries: ThanosBinaries, manager: ProcessManager, tmp_path: Path
) -> None:
    """Two clusters with equal names of nodes, namespaces and pods are told apart by their external label `cluster`."""
    with (
        run_copy(tmp_path, binaries, "milan") as milan,
        run_copy(tmp_path, binaries, "rome") as rome,
    ):
        sidecars = [manager.start_sidecar(name, server) for name, server in (("milan", milan), ("rome", rome))]
        thanos = manager.start_query(*sidecars, labels=("prometheus_replica",))
        wait_until(lambda: is_scraped(thanos.url, 2), "the data of both clusters", SCRAPE_TIMEOUT_SECONDS)
        with run_gateway(tmp_path, PROMETHEUS_ADDRESS=thanos.url) as gateway:
            wait_until(lambda: len(read_topology(gateway).clusters) == 2, "both clusters")
            wait_until_complete(gateway)
            topology = read_topology(gateway)
            assert sorted(cluster.name for cluster in topology.clusters) == ["milan", "rome"]
            for cluster in topology.clusters:
                assert_nodes_are_those_of_the_api(cluster, api)
                assert_pods_are_those_of_the_api(cluster, api)
            test_every_sample_has_its_place(gateway)


@contextmanager
def run_copy(folder: Path, binaries: ThanosBinaries, cluster: str) -> Iterator[ManagedProcess]:
    """Run a Prometheus that scrapes the cluster under another name, with the external labels of prometheus-operator."""
    labels = {"cluster": cluster, "prometheus": "monitoring/kps", "prometheus_replica": "prometheus-kps-0"}
    with run_kubernetes_prometheus(folder / cluster, binaries, **labels) as server:
        yield ManagedProcess(server.process, int(server.url.rpartition(":")[2]))


def has_usage(cluster: pb.Cluster) -> bool:
    """Return whether the CPU usage of the node and of the containers that stay is known, and the traffic of a pod."""
    (node,) = cluster.nodes
    return (
        node.HasField("cpu_usage_percent")
        and all(container.HasField("cpu_usage_cores") for container in list_stable_containers(cluster))
        and find_pod(cluster, "kps-kube-state-metrics").HasField("receive_bytes_per_second")
    )


def test_usage_is_known_after_five_minutes(gateway: GatewayProcess) -> None:
    """Containers, pods and their node have the rates of their counters."""
    wait_until(lambda: has_usage(read_cluster(gateway)), "the CPU usage of all containers", RATE_TIMEOUT_SECONDS)
    cluster = read_cluster(gateway)
    (node,) = cluster.nodes
    assert 0 < node.cpu_usage_percent <= 100
    assert sum(container.cpu_usage_cores for container in list_stable_containers(cluster)) < node.cpu_cores
    # Prometheus scrapes it.
    assert find_pod(cluster, "kps-kube-state-metrics").receive_bytes_per_second > 0
    assert find_pod(cluster, "kps-kube-state-metrics").transmit_bytes_per_second > 0
