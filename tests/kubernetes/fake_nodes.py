"""Thousands of pods on fake nodes: kwok is their kubelet, and ReplicaSets replace those that are deleted."""

import contextlib
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from demo.prometheus import stop_process
from tests.kubernetes.api import KubernetesApi, Manifest
from tools.parts.kubernetes import STAGES_FILE, KubernetesPrograms

NAMESPACE = "default"
PODS_PER_NODE = 500
REPLICA_SETS = f"apis/apps/v1/namespaces/{NAMESPACE}/replicasets"


@contextmanager
def run_fake_nodes(programs: KubernetesPrograms, api: KubernetesApi, folder: Path) -> Iterator[None]:
    """Run what nodes and controllers do in a cluster."""
    kubeconfig = folder / "fake-nodes.kubeconfig"
    kubeconfig.touch(0o600)
    kubeconfig.write_text(yaml.safe_dump(api.build_kubeconfig()), encoding="utf-8")
    commands = {
        "kwok": (
            programs.kwok / "kwok",
            f"--config={programs.kwok / STAGES_FILE}",
            "--manage-all-nodes",
            "--node-ip=192.0.2.1",
            "--node-lease-duration-seconds=0",
            # By default, it listens on all interfaces.
            "--server-address=127.0.0.1:0",
        ),
        "kube-controller-manager": (
            programs.kubernetes / "kube-controller-manager",
            "--controllers=replicaset-controller",
            "--leader-elect=false",
            "--secure-port=0",
            "--kube-api-qps=1000",
            "--kube-api-burst=1000",
        ),
    }
    with contextlib.ExitStack() as stack:
        for name, (program, *flags) in commands.items():
            log = stack.enter_context((folder / f"{name}.log").open("ab"))
            process = subprocess.Popen(
                [str(program), *flags, f"--kubeconfig={kubeconfig}"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            stack.callback(stop_process, process)
        yield


def add_nodes(api: KubernetesApi, numbers: range, labels: dict[str, str]) -> None:
    """Add nodes with these numbers, each full of running pods with these labels."""
    for number in numbers:
        name = f"fake-{number}"
        pod_network = f"10.64.{4 * number}.0/22"
        api.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "spec": {"podCIDR": pod_network}})
        api.apply(_build_replica_set(name, labels))
    _wait_until_ready(api)


def _wait_until_ready(api: KubernetesApi) -> None:
    """Wait until all nodes are full of pods that are ready; a watch costs less than asking again and again."""
    are_ready = {item["metadata"]["name"]: False for item in api.list_objects(REPLICA_SETS)}
    for item in api.watch(REPLICA_SETS):
        are_ready[item["metadata"]["name"]] = item["status"].get("readyReplicas") == PODS_PER_NODE
        if all(are_ready.values()):
            return
    raise AssertionError(f"pods are not ready: {are_ready}")


def _build_replica_set(node: str, labels: dict[str, str]) -> Manifest:
    selector = {"node": node}
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": node, "namespace": NAMESPACE},
        "spec": {
            "replicas": PODS_PER_NODE,
            "selector": {"matchLabels": selector},
            "template": {
                "metadata": {"labels": selector | labels},
                "spec": {"nodeName": node, "containers": [{"name": "main", "image": "main"}]},
            },
        },
    }
