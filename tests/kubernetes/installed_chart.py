"""The chart, installed by a real Helm on a real Kubernetes whose kubelet runs the program as pods.

The cluster has no kube-proxy. A client of the Service reads its endpoints from the API server once a second, as
kube-proxy and Ingress controllers learn about them, and sends each request on a new connection to a ready one.
"""

import contextlib
import http.client
import importlib.metadata
import itertools
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from demo.prometheus import ScrapedExposition, find_free_port, obtain_prometheus, run_prometheus_server, write_blocks
from tests.chart.helm import CHART
from tests.integration.gateway_process import wait_until
from tests.kubernetes.api import KubernetesApi, Manifest
from tests.kubernetes.cluster import NODE_ADDRESS, NODE_NAME, STATE, run_empty_cluster
from tests.kubernetes.container_images import ContainerImage
from tests.kubernetes.program_image import build_program_images
from tools.parts.helm import obtain_definitions, obtain_helm
from tools.parts.kubernetes import obtain_kubernetes_programs

NAMESPACE = "monitoring"
RELEASE = "aggregator"
# The version of the chart, and a newer one.
TAGS = (importlib.metadata.version("aggregator"), "next")
GO_CHART = Path(__file__).parents[1] / "chart" / "go_chart"
GO_RELEASE = "icos"
BUSYBOX = ContainerImage("docker.io/library/busybox:1.35", ["/bin/sh"])
EXPOSITION = Path(__file__).parents[1] / "data" / "parity" / "ocm-two-clusters.prom"
# The data do not change, so that all replicas have the same topology.
DATA_SECONDS = 3600
DATA_INTERVAL_SECONDS = 60
HELM_TIMEOUT = "180s"
POD_TIMEOUT_SECONDS = 120.0
REQUEST_TIMEOUT_SECONDS = 10.0
# Of the kubelet, in the mounts of isolate.sh.
POD_LOGS = STATE / "pod-logs"


@dataclass(frozen=True)
class Installation:
    """A cluster, and Helm with its credentials."""

    api: KubernetesApi
    kubeconfig: Path
    prometheus_url: str

    def run_helm(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run Helm in the namespace of the release."""
        command = [str(obtain_helm()), *arguments, f"--kubeconfig={self.kubeconfig}", f"--namespace={NAMESPACE}"]
        return subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)

    def upgrade(self, *settings: str, timeout: str = HELM_TIMEOUT) -> "subprocess.CompletedProcess[str]":
        """Install or upgrade the release, and wait until it is ready."""
        return self.run_helm(
            "upgrade",
            RELEASE,
            str(CHART),
            "--install",
            "--create-namespace",
            "--wait",
            f"--timeout={timeout}",
            "--set=image.pullPolicy=Never",
            "--set=replicaCount=2",
            "--set=resources.requests.memory=128Mi",
            f"--set=aggregator.prometheus={self.prometheus_url}",
            *(f"--set={one}" for one in settings),
        )

    def upgrade_successfully(self, *settings: str) -> str:
        """Install or upgrade the release; return what Helm prints."""
        completed = self.upgrade(*settings)
        assert completed.returncode == 0, f"{completed.stderr}\n{self.describe_pods()}"
        return completed.stdout

    def list_objects(self, kind_path: str) -> list[Manifest]:
        """Return the objects of a collection of the namespace, such as api/v1/NAMESPACE/pods."""
        return self.api.list_objects(kind_path.replace("NAMESPACE", f"namespaces/{NAMESPACE}"))

    def list_pods(self, name: str) -> list[Manifest]:
        """Return the pods of a part of the chart by their label, such as aggregator-scrape."""
        pods = self.list_objects("api/v1/NAMESPACE/pods")
        return [pod for pod in pods if pod["metadata"]["labels"].get("app.kubernetes.io/name") == name]

    def list_endpoints(self) -> list[str]:
        """Return the addresses of the ready endpoints of the Service of the gateway."""
        slices = self.list_objects("apis/discovery.k8s.io/v1/NAMESPACE/endpointslices")
        return [
            endpoint["addresses"][0]
            for one in slices
            if one["metadata"]["labels"].get("kubernetes.io/service-name") == RELEASE
            for endpoint in one["endpoints"] or ()
            if endpoint["conditions"].get("ready")
        ]

    def wait_for_pods(self, name: str, count: int) -> list[Manifest]:
        """Return the pods of a part when it has this number, and all are ready and stay."""

        def find_pods() -> list[Manifest]:
            pods = self.list_pods(name)
            return pods if len(pods) == count and all(is_ready(pod) for pod in pods) else []

        return wait_until(find_pods, f"{count} pods of {name}", POD_TIMEOUT_SECONDS)

    def describe_pods(self) -> str:
        """Return the states and the last log lines of all pods, for failures."""
        pods = self.list_objects("api/v1/NAMESPACE/pods")
        states = {pod["metadata"]["name"]: pod["status"].get("containerStatuses", pod["status"]) for pod in pods}
        logs = {str(path): path.read_text(encoding="utf-8")[-1000:] for path in POD_LOGS.glob("*/*/*.log")}
        return yaml.safe_dump({"states": states, "logs": logs})


def is_ready(pod: Manifest) -> bool:
    """Return whether a pod is ready and not about to stop."""
    conditions = {one["type"]: one["status"] for one in pod["status"].get("conditions", [])}
    return conditions.get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"]


def get_images(pods: list[Manifest]) -> set[str]:
    """Return the tags of the images of pods."""
    return {pod["spec"]["containers"][0]["image"].partition(":")[2] for pod in pods}


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A cluster with the image of the program and custom resources of the Prometheus operator, and a Prometheus."""
    folder = tmp_path_factory.mktemp("kubernetes")
    images = build_program_images(tmp_path_factory.mktemp("image"), *TAGS)
    with (
        run_static_prometheus(tmp_path_factory.mktemp("prometheus")) as port,
        run_empty_cluster(obtain_kubernetes_programs(), folder, [BUSYBOX, *images]) as api,
    ):
        for path in obtain_definitions().glob("*.yaml"):
            api.apply_file(path)
        yield Installation(api, folder / "kubeconfig", f"http://{NODE_ADDRESS}:{port}")


@contextmanager
def run_static_prometheus(folder: Path) -> Iterator[int]:
    """Run a Prometheus whose data stay the same for an hour; yield its port on all addresses of the node."""
    text = EXPOSITION.read_text(encoding="utf-8")
    start = time.time() - DATA_INTERVAL_SECONDS
    times = range(0, DATA_SECONDS, DATA_INTERVAL_SECONDS)
    write_blocks(obtain_prometheus(), folder / "data", [ScrapedExposition(text, start + offset) for offset in times])
    port = find_free_port()
    with run_prometheus_server(folder, port=port, host="0.0.0.0"):  # noqa: S104 - pods use the address of the node
        yield port


def send_request(address: str, path: str, port: int = 8080) -> tuple[int, bytes]:
    """Return the status and the body of a request on a new connection."""
    with contextlib.closing(http.client.HTTPConnection(address, port, timeout=REQUEST_TIMEOUT_SECONDS)) as connection:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()


@dataclass
class ServiceClient:
    """Sends requests to the endpoints of the Service in turn until it is stopped."""

    list_endpoints: Callable[[], list[str]]
    request_count: int = 0
    failures: list[str] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Send requests, 20 a second; learn the endpoints once a second."""
        for number in itertools.count():
            if number % 20 == 0:
                endpoints = self.list_endpoints()
            if self.stopped.wait(0.05):
                return
            self.request_count += 1
            self._send(endpoints[number % len(endpoints)] if endpoints else "")

    def _send(self, address: str) -> None:
        try:
            status, _ = send_request(address, "/")
        except (OSError, http.client.HTTPException) as error:
            self.failures.append(f"{address}: {error!r}")
        else:
            if status != 200:
                self.failures.append(f"{address}: {status}")


@contextmanager
def keep_requesting(installation: Installation) -> Iterator[ServiceClient]:
    """Use the Service while the block runs."""
    client = ServiceClient(installation.list_endpoints)
    thread = threading.Thread(target=client.run)
    thread.start()
    try:
        yield client
    finally:
        client.stopped.set()
        thread.join()


def test_an_installation_becomes_ready(installation: Installation) -> None:
    """Helm waits until both pods are ready; each has a topology of the data in Prometheus."""
    notes = installation.upgrade_successfully(f"image.tag={TAGS[0]}")
    assert "port-forward service/aggregator 8080:8080" in notes
    pods = installation.wait_for_pods(RELEASE, 2)
    for pod in pods:
        status, body = send_request(pod["status"]["podIP"], "/")
        assert (status, b"icos-cluster-a" in body) == (200, True)
    assert sorted(installation.list_endpoints()) == sorted(pod["status"]["podIP"] for pod in pods)


def read_version(pod: Manifest) -> str:
    """Return the version of the topology that a pod serves."""
    address = pod["status"]["podIP"]
    with contextlib.closing(http.client.HTTPConnection(address, 8080, timeout=REQUEST_TIMEOUT_SECONDS)) as connection:
        connection.request("GET", "/api/v1/topology")
        return str(connection.getresponse().headers["ETag"])


def test_replicas_have_one_version(installation: Installation) -> None:
    """Both pods return the same entity tag for the topology, so that a client may change between them."""
    versions = [read_version(pod) for pod in installation.wait_for_pods(RELEASE, 2)]
    assert versions[0] == versions[1] != "None"


def test_metrics_have_a_port_of_their_own(installation: Installation) -> None:
    """Each pod serves its metrics on the port for Prometheus."""
    for pod in installation.wait_for_pods(RELEASE, 2):
        status, body = send_request(pod["status"]["podIP"], "/metrics", port=9464)
        assert (status, b"aggregator_ready 1.0" in body) == (200, True)


def test_an_upgrade_fails_no_request(installation: Installation) -> None:
    """While both pods are replaced by those of a new version, every request of a client of the Service succeeds."""
    with keep_requesting(installation) as client:
        installation.upgrade_successfully("image.tag=next", "aggregator.settings.LAYOUT=2025")
        assert get_images(installation.wait_for_pods(RELEASE, 2)) == {"next"}
    assert client.failures == []
    assert client.request_count > 50


def test_a_failed_upgrade_leaves_the_service_alone(installation: Installation) -> None:
    """A version that does not become ready fails the upgrade, and no request."""
    with keep_requesting(installation) as client:
        completed = installation.upgrade(
            "image.tag=next", f"aggregator.prometheus=http://{NODE_ADDRESS}:9", timeout="30s"
        )
        assert completed.returncode != 0
    assert client.failures == []


def test_a_rollback_fails_no_request(installation: Installation) -> None:
    """A rollback to the first revision brings back its image and its settings, and fails no request."""
    with keep_requesting(installation) as client:
        completed = installation.run_helm("rollback", RELEASE, "1", "--wait", f"--timeout={HELM_TIMEOUT}")
        assert completed.returncode == 0, completed.stderr
        pods = installation.wait_for_pods(RELEASE, 2)
    assert get_images(pods) == {TAGS[0]}
    assert "LAYOUT" not in {one["name"] for pod in pods for one in pod["spec"]["containers"][0]["env"]}
    assert client.failures == []


def get_names(objects: list[Manifest]) -> set[str]:
    """Return the names of objects."""
    return {one["metadata"]["name"] for one in objects}


def test_the_api_server_accepts_everything(installation: Installation) -> None:
    """Autoscaling, disruption budget, Ingress, network policy, monitors and rules are created as they are rendered."""
    installation.upgrade_successfully(
        "autoscaling.enabled=true",
        "autoscaling.minReplicas=2",
        "autoscaling.maxReplicas=3",
        "podDisruptionBudget.enabled=true",
        "ingress.enabled=true",
        "networkPolicy.enabled=true",
        "serviceMonitor.enabled=true",
        "prometheusRule.enabled=true",
        "dashboards.enabled=true",
    )
    for path in (
        "apis/autoscaling/v2/NAMESPACE/horizontalpodautoscalers",
        "apis/policy/v1/NAMESPACE/poddisruptionbudgets",
        "apis/networking.k8s.io/v1/NAMESPACE/ingresses",
        "apis/networking.k8s.io/v1/NAMESPACE/networkpolicies",
        "apis/monitoring.coreos.com/v1/NAMESPACE/servicemonitors",
    ):
        assert get_names(installation.list_objects(path)) == {RELEASE}
    rules = installation.list_objects("apis/monitoring.coreos.com/v1/NAMESPACE/prometheusrules")
    assert "aggregator-gateway" in get_names(rules)
    assert "aggregator-dashboard-fleet" in get_names(installation.list_objects("api/v1/NAMESPACE/configmaps"))


def test_agents_report_to_the_scrape_server(installation: Installation) -> None:
    """The agent of the node pushes its metrics to the scrape server, which then reports the node as online."""
    secrets = ("scrape.secrets.DISCOVERY_SECRET=a-secret", "agent.secrets.MASTER_SECRET=a-secret")
    installation.upgrade_successfully("scrape.enabled=true", *secrets)
    (scrape,) = installation.wait_for_pods("aggregator-scrape", 1)
    address: str = scrape["status"]["podIP"]
    # The cluster has no DNS, and the pod of the scrape server stays.
    agent = ("agent.enabled=true", "agent.dockerSocket=", f"agent.masters={address}:5000")
    installation.upgrade_successfully("scrape.enabled=true", *secrets, *agent)
    (pod,) = installation.wait_for_pods("aggregator-agent", 1)
    assert pod["spec"]["nodeName"] == NODE_NAME
    online = f'aggregator_node_up{{cluster="default",node="{NODE_NAME}"}} 1'

    def is_online() -> bool:
        return online in send_request(address, "/scrape?nodes", port=5000)[1].decode()

    wait_until(is_online, "the report of the agent", POD_TIMEOUT_SECONDS)

    def has_page() -> bool:
        return "node_memory_MemTotal_bytes{" in send_request(address, "/scrape?agents", port=5000)[1].decode()

    wait_until(has_page, "the metrics of the node on the page for Prometheus", POD_TIMEOUT_SECONDS)


def test_a_release_of_the_go_chart_is_upgraded_in_place(installation: Installation) -> None:
    """A release of the chart of the Go service keeps its Deployment and its Service, with the values of its users."""
    values = (f"--set=aggregator.prometheus={installation.prometheus_url}", "--set=service.port=8080")
    waiting = ("--wait", f"--timeout={HELM_TIMEOUT}")
    installed = installation.run_helm("install", GO_RELEASE, str(GO_CHART), *values, *waiting)
    assert installed.returncode == 0, installed.stderr
    before = find_identities(installation)
    upgraded = installation.run_helm(
        "upgrade", GO_RELEASE, str(CHART), "--reset-then-reuse-values", "--set=image.pullPolicy=Never", *waiting
    )
    assert upgraded.returncode == 0, f"{upgraded.stderr}\n{installation.describe_pods()}"
    assert find_identities(installation) == before
    pods = [
        pod
        for pod in installation.list_pods("aggregator")
        if pod["metadata"]["labels"]["app.kubernetes.io/instance"] == GO_RELEASE and is_ready(pod)
    ]
    assert get_images(pods) == {TAGS[0]}
    status, body = send_request(pods[0]["status"]["podIP"], "/aggregator")
    assert (status, b"icos-cluster-a" in body) == (200, True)


def find_identities(installation: Installation) -> list[str]:
    """Return the UIDs of the Deployment and of the Service of the release of the Go chart."""
    paths = ("apis/apps/v1/NAMESPACE/deployments", "api/v1/NAMESPACE/services")
    return [
        one["metadata"]["uid"]
        for path in paths
        for one in installation.list_objects(path)
        if one["metadata"]["name"] == f"{GO_RELEASE}-aggregator"
    ]


def test_an_uninstallation_leaves_nothing_behind(installation: Installation) -> None:
    """Helm removes every object that it created."""
    completed = installation.run_helm("uninstall", RELEASE, GO_RELEASE, "--wait", f"--timeout={HELM_TIMEOUT}")
    assert completed.returncode == 0, completed.stderr
    paths = ("apis/apps/v1/NAMESPACE/deployments", "apis/apps/v1/NAMESPACE/daemonsets", "api/v1/NAMESPACE/services")
    left: list[Any] = [one for path in paths for one in installation.list_objects(path)]
    assert left == []
