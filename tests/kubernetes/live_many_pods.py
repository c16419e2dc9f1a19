"""The discovery of 5,000 pods that kwok runs on fake nodes, by a scrape server with a real API server."""

import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
import yaml

from tests.integration.gateway_process import wait_until
from tests.kubernetes.api_server import ApiServer, run_api_server
from tests.kubernetes.fake_nodes import NAMESPACE, PODS_PER_NODE, add_nodes, run_fake_nodes
from tests.scrape.kubernetes_server import JOB_LABEL
from tests.scrape.scrape_process import ScrapeProcess, run_scrape_process
from tools.parts.kubernetes import obtain_kubernetes_programs

JOB = "many"
NODE_COUNT = 10
POD_COUNT = NODE_COUNT * PODS_PER_NODE
PODS = f"api/v1/namespaces/{NAMESPACE}/pods"
WAIT_SECONDS = 600.0
NEVER_AGAIN = "24h"

# Names and addresses of pods.
Pods = dict[str, str]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """An API server with 5,000 pods."""
    programs, folder = obtain_kubernetes_programs(), tmp_path_factory.mktemp("api-server")
    with run_api_server(programs, folder) as server, run_fake_nodes(programs, server.api, folder):
        add_nodes(server.api, range(NODE_COUNT), {JOB_LABEL: JOB})
        yield server


@contextmanager
def run_discovery(server: ApiServer, folder: Path) -> Iterator[ScrapeProcess]:
    """Run a scrape server that finds the pods."""
    kubeconfig = folder / "kubeconfig"
    kubeconfig.touch(0o600)
    kubeconfig.write_text(yaml.safe_dump(server.api.build_kubeconfig()), encoding="utf-8")
    settings = {"KUBERNETES": "on", "KUBECONFIG": str(kubeconfig), "CACHE_UPDATE_INTERVAL": NEVER_AGAIN}
    with run_scrape_process(folder, **settings) as process:
        yield process


def find_targets(process: ScrapeProcess, job: str = JOB) -> Pods:
    """Return the targets of a job as Prometheus gets them; none before the first list."""
    response = requests.get(f"http://127.0.0.1:{process.ports[0]}/sd/pods?job={job}", timeout=WAIT_SECONDS)
    groups = json.loads(response.text) if response.ok else []
    return {group["labels"]["pod"]: address for group in groups for address in group["targets"]}


def list_pods(server: ApiServer) -> Pods:
    """Return the running pods that remain."""
    return {
        pod["metadata"]["name"]: f"{pod['status']['podIP']}:80"
        for pod in server.api.list_objects(PODS)
        if "deletionTimestamp" not in pod["metadata"] and "podIP" in pod["status"]
    }


def wait_for_all(process: ScrapeProcess, without: Collection[str] = ()) -> Pods:
    """Return the targets when there are as many as pods, none of these among them."""

    def find_all() -> Pods:
        targets = find_targets(process)
        return targets if len(targets) == POD_COUNT and not targets.keys() & set(without) else {}

    return wait_until(find_all, "all pods are targets", WAIT_SECONDS)


def test_all_pods_are_targets(server: ApiServer, tmp_path: Path) -> None:
    """All 5,000 pods are targets, with their addresses."""
    with run_discovery(server, tmp_path) as process:
        targets = wait_for_all(process)
    assert len(set(targets.values())) == POD_COUNT
    assert targets == list_pods(server)


@contextmanager
def forbid_lists(server: ApiServer) -> Iterator[None]:
    """Fail if anybody lists pods while the block runs: what arrives has arrived through the watch."""
    before = server.api.count_requests("pods", "LIST")
    assert before > 0
    yield
    assert server.api.count_requests("pods", "LIST") == before


def test_a_change_arrives_through_the_watch(server: ApiServer, tmp_path: Path) -> None:
    """A pod among 5,000 that gets another job is a target of that job, without another list."""
    with run_discovery(server, tmp_path) as process:
        name, address = next(iter(wait_for_all(process).items()))
        metadata = {"name": name, "namespace": NAMESPACE, "labels": {JOB_LABEL: "moved"}}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}
        with forbid_lists(server):
            server.api.set_labels(pod)
            moved = {name: address}
            wait_until(lambda: find_targets(process, "moved") == moved, "the target of the new job", WAIT_SECONDS)
            assert name not in find_targets(process)
            server.api.delete(pod)
            targets = wait_for_all(process, {name})
        assert targets == list_pods(server)


def test_no_pod_is_lost_when_all_are_replaced(server: ApiServer, tmp_path: Path) -> None:
    """While all 5,000 pods are deleted and replaced, each change arrives through the watch."""
    with run_discovery(server, tmp_path) as process:
        before = wait_for_all(process)
        with forbid_lists(server):
            for number in range(NODE_COUNT):
                server.api.delete_matching(PODS, f"node=fake-{number}")
            targets = wait_for_all(process, before)
        assert targets == list_pods(server)
