"""The discovery of pods with a real API server, and with no rights but those of deploy/scrape.yaml."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
import yaml

from aggregator.scrape.kubernetes_api import KubernetesConfig
from aggregator.scrape.pods import DiscoveryTimes
from tests.kubernetes.api import KubernetesApi, Manifest
from tests.kubernetes.api_server import ApiServer, run_api_server
from tests.scrape.kubernetes_server import make_pod
from tests.scrape.test_pods import run_discovery
from tools.parts.kubernetes import obtain_kubernetes_programs

DEPLOY = Path(__file__).parents[2] / "deploy"
NAMESPACE = "monitoring"
ACCOUNT = "aggregator-scrape"
ROLE = f"{NAMESPACE}-{ACCOUNT}"
# Only what the server itself writes counts; a list a second is more than a test needs.
TIMES = DiscoveryTimes(list_interval=0.5, first_pause=0.1, max_pause=0.5)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """Run an API server with all objects of deploy/scrape.yaml."""
    with run_api_server(obtain_kubernetes_programs(), tmp_path_factory.mktemp("api-server")) as server:
        server.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        for manifest in yaml.safe_load_all((DEPLOY / "scrape.yaml").read_text(encoding="utf-8")):
            namespace = {} if manifest["kind"].startswith("Cluster") else {"namespace": NAMESPACE}
            server.api.apply({**manifest, "metadata": {**manifest["metadata"], **namespace}})
        yield server


@pytest.fixture
def config(server: ApiServer, tmp_path: Path) -> KubernetesConfig:
    """The configuration of a pod with the service account."""
    (tmp_path / "token").write_text(server.api.create_token(NAMESPACE, ACCOUNT))
    (tmp_path / "ca.crt").write_bytes(server.api.ca_file.read_bytes())
    parts = urlsplit(server.api.url)
    environment = {"KUBERNETES_SERVICE_HOST": str(parts.hostname), "KUBERNETES_SERVICE_PORT": str(parts.port)}
    return KubernetesConfig(environment, tmp_path)


def set_pod(api: KubernetesApi, name: str, job: str, phase: str = "Running") -> Manifest:
    """Create or change a pod, and write its status as a node would."""
    pod = {"apiVersion": "v1", "kind": "Pod", **make_pod(name, "default", phase=phase, job_name=job)}
    del pod["metadata"]["uid"], pod["spec"]["nodeName"]
    status = pod.pop("status")
    api.apply(pod)
    api.set_status({**pod, "status": status})
    return pod


def read_pods(api: KubernetesApi, **parameters: str | int) -> Manifest:
    """Return the list of all pods, or the first event of a watch."""
    headers = {"Authorization": f"Bearer {api.token}"}
    url = f"{api.url}/api/v1/pods"
    response = requests.get(url, params=parameters, headers=headers, verify=str(api.ca_file), timeout=30)
    document: Manifest = json.loads(response.text.splitlines()[0])
    return document


async def test_pods_become_targets(server: ApiServer, config: KubernetesConfig) -> None:
    """Pods are listed with the token of the service account, and changes arrive through the watch."""
    first = await asyncio.to_thread(set_pod, server.api, "first", "live")
    async with run_discovery(config, times=TIMES) as running:
        await running.wait_for_pods("live", "first")
        second = await asyncio.to_thread(set_pod, server.api, "second", "live")
        await running.wait_for_pods("live", "first", "second")
        await asyncio.to_thread(set_pod, server.api, "second", "live", "Succeeded")
        await running.wait_for_pods("live", "first")
        for pod in (first, second):
            await asyncio.to_thread(server.api.delete, pod)
        await running.wait_for_pods("live")


async def test_pods_stay_while_the_api_server_is_away(server: ApiServer, config: KubernetesConfig) -> None:
    """Pods stay while the API server is away; then a watch of the old version ends with 410, and changes arrive."""
    first = await asyncio.to_thread(set_pod, server.api, "first", "outage")
    async with run_discovery(config, times=TIMES) as running:
        await running.wait_for_pods("outage", "first")
        known_version = (await asyncio.to_thread(read_pods, server.api, limit=1))["metadata"]["resourceVersion"]
        await asyncio.to_thread(server.kill)
        assert [target.pod for target in running.discovery.find_targets("outage")] == ["first"]
        await asyncio.to_thread(server.start)
        second = await asyncio.to_thread(set_pod, server.api, "second", "outage")
        await running.wait_for_pods("outage", "first", "second")
        watch = {"watch": 1, "resourceVersion": known_version, "timeoutSeconds": 1}
        event = await asyncio.to_thread(read_pods, server.api, **watch)
        assert (event["type"], event["object"]["code"]) == ("ERROR", 410)
    for pod in (first, second):
        await asyncio.to_thread(server.api.delete, pod)


def test_the_account_may_do_nothing_else(server: ApiServer, config: KubernetesConfig) -> None:
    """The token of the scrape server reads no secrets, and changes no pods."""
    assert config.service_account is not None
    authorization = {"Authorization": f"Bearer {(config.service_account / 'token').read_text()}"}

    def send(method: str, path: str) -> int:
        url = f"{server.api.url}/api/v1/{path}"
        return requests.request(
            method, url, headers=authorization, verify=str(server.api.ca_file), timeout=30
        ).status_code

    assert send("GET", "pods") == 200
    assert send("GET", "secrets") == 403
    assert send("GET", "nodes") == 403
    assert send("DELETE", "namespaces/default/pods/any") == 403


async def test_pods_are_listed_where_watching_is_forbidden(server: ApiServer, config: KubernetesConfig) -> None:
    """Without the right to watch, changes arrive with the next list."""
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": ROLE},
        "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}],
    }
    await asyncio.to_thread(server.api.apply, role)
    pod = await asyncio.to_thread(set_pod, server.api, "listed", "forbidden")
    async with run_discovery(config, times=TIMES) as running:
        await running.wait_for_pods("forbidden", "listed")
        await asyncio.to_thread(server.api.delete, pod)
        await running.wait_for_pods("forbidden")
