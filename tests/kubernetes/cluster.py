"""A one-node Kubernetes out of real programs: etcd, control plane, containerd, kubelet, and the exporters as pods.

It runs only inside of tests/kubernetes/isolate.sh, whose end also ends the containers.
"""

import contextlib
import os
import secrets
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import yaml

from demo.prometheus import stop_process
from tests.integration.gateway_process import wait_until
from tests.kubernetes.api import KubernetesApi, Manifest
from tests.kubernetes.container_images import ContainerImage, write_image_archive
from tests.support.certificate_authority import CertificateAuthority
from tools.parts.kubernetes import KUBE_STATE_METRICS, NODE_EXPORTER, KubernetesPrograms

FOLDER = Path(__file__).parent
# The name of the node differs from the host name, as with --hostname-override or in a cloud.
NODE_NAME = "worker-1.lab.example.com"
NODE_ADDRESS = "10.0.0.11"
NODE_LABELS = {"topology.kubernetes.io/zone": "lab-1", "example.com/disk": "ssd"}
# /run belongs to this cluster alone. Prometheus finds its token where a pod has it.
STATE = Path("/run")
CREDENTIALS = STATE / "secrets" / "kubernetes.io" / "serviceaccount"
PAUSE_IMAGE = "registry.k8s.io/pause:3.10"
READY_TIMEOUT_SECONDS = 180.0

Found = TypeVar("Found")


@contextmanager
def run_cluster(programs: KubernetesPrograms, folder: Path) -> Iterator[KubernetesApi]:
    """Run a cluster with the exporters and workloads; yield its API when every pod has its final state.

    `folder` gets configurations and logs.
    """
    with _run_node(programs, folder, _list_images(programs)) as (starter, api):
        api.apply_file(FOLDER / "monitoring.yaml")
        api.apply_file(FOLDER / "workloads.yaml")
        api.apply(_build_kubelet_endpoints(_list_ready_nodes(api)[0]))
        starter.wait_until(lambda: _are_pods_settled(api), "the states of the pods")
        _write_prometheus_credentials(api)
        yield api


@contextmanager
def run_empty_cluster(
    programs: KubernetesPrograms, folder: Path, images: Sequence[ContainerImage]
) -> Iterator[KubernetesApi]:
    """Run a cluster with a ready node that has these images, and no pods; `folder` gets the file kubeconfig, too."""
    with _run_node(programs, folder, [ContainerImage(PAUSE_IMAGE, ["/bin/sleep", "infinity"]), *images]) as (_, api):
        yield api


@contextmanager
def _run_node(
    programs: KubernetesPrograms, folder: Path, images: Sequence[ContainerImage]
) -> Iterator[tuple["_ProgramStarter", KubernetesApi]]:
    assert "CGROUP" in os.environ, "run this with tests/kubernetes/isolate.sh"
    with contextlib.ExitStack() as stack:
        starter = _ProgramStarter(programs, folder, stack)
        api = _start_control_plane(starter)
        _start_containerd(starter, images)
        _start_kubelet(starter)
        starter.wait_until(lambda: _list_ready_nodes(api), "a ready node")
        yield starter, api


@dataclass(frozen=True)
class _ProgramStarter:
    """Starts programs whose logs are in a folder; they are stopped in reverse order."""

    programs: KubernetesPrograms
    folder: Path
    stack: contextlib.ExitStack
    processes: dict[Path, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    def start(self, program: Path, *flags: str, environment: Mapping[str, str] | None = None) -> None:
        """Start a program; its log has its name."""
        log_path = self.folder / f"{program.name}.log"
        log = self.stack.enter_context(log_path.open("ab"))
        process = subprocess.Popen(
            [str(program), *flags],
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        self.stack.callback(stop_process, process)
        self.processes[log_path] = process

    def wait_until(self, probe: Callable[[], Found], description: str) -> Found:
        """Return the first true result of `probe`; fail if a program has exited."""

        def probe_running() -> Found:
            for log_path, process in self.processes.items():
                assert process.poll() is None, f"{log_path.stem} has exited: {log_path.read_text()[-1000:]}"
            return probe()

        return wait_until(probe_running, description, READY_TIMEOUT_SECONDS)

    def write_file(self, name: str, content: bytes | Manifest) -> Path:
        """Write a file that only root may read; documents are written as YAML."""
        path = self.folder / name
        path.touch(0o600)
        path.write_bytes(content if isinstance(content, bytes) else yaml.safe_dump(content).encode())
        return path


def _start_control_plane(starter: _ProgramStarter) -> KubernetesApi:
    etcd_url = "http://127.0.0.1:2379"
    # A test cluster may lose its data when the machine crashes.
    starter.start(starter.programs.etcd / "etcd", f"--data-dir={STATE / 'etcd'}", "--unsafe-no-fsync")
    authority = CertificateAuthority("kubernetes")
    ca = starter.write_file("ca.pem", authority.pem)
    hosts = ("kubernetes", "kubernetes.default.svc", "10.96.0.1", NODE_ADDRESS)
    certificate, key = authority.issue("kube-apiserver", hosts=hosts)
    certificate_file, key_file = starter.write_file("api.pem", certificate), starter.write_file("api.key", key)
    api = KubernetesApi(f"https://{NODE_ADDRESS}:6443", ca, secrets.token_hex(16))
    tokens = starter.write_file("tokens.csv", f"{api.token},admin,admin,system:masters\n".encode())
    kubeconfig = starter.write_file("kubeconfig", api.build_kubeconfig())
    kubernetes = starter.programs.kubernetes
    starter.start(
        kubernetes / "kube-apiserver",
        f"--etcd-servers={etcd_url}",
        f"--bind-address={NODE_ADDRESS}",
        f"--advertise-address={NODE_ADDRESS}",
        f"--tls-cert-file={certificate_file}",
        f"--tls-private-key-file={key_file}",
        f"--token-auth-file={tokens}",
        "--authorization-mode=Node,RBAC",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={certificate_file}",
        f"--service-account-signing-key-file={key_file}",
        "--service-cluster-ip-range=10.96.0.0/16",
    )
    starter.wait_until(api.is_ready, "the API server is ready")
    starter.start(
        kubernetes / "kube-controller-manager",
        f"--kubeconfig={kubeconfig}",
        "--bind-address=127.0.0.1",
        "--leader-elect=false",
        f"--service-account-private-key-file={key_file}",
        f"--root-ca-file={ca}",
        f"--flex-volume-plugin-dir={STATE / 'volume-plugins'}",
    )
    starter.start(
        kubernetes / "kube-scheduler", f"--kubeconfig={kubeconfig}", "--bind-address=127.0.0.1", "--leader-elect=false"
    )
    return api


def _start_containerd(starter: _ProgramStarter, images: Sequence[ContainerImage]) -> None:
    runtime = starter.programs.runtime
    network = STATE / "cni"
    (network / "net.d").mkdir(parents=True)
    shutil.copy(FOLDER / "network.conflist", network / "net.d")
    (network / "bin").symlink_to(runtime / "usr/lib/cni")
    search_path = os.pathsep.join([str(runtime / "usr/bin"), str(runtime / "usr/sbin"), os.environ["PATH"]])
    starter.start(
        runtime / "usr/bin/containerd", f"--config={FOLDER / 'containerd.toml'}", environment={"PATH": search_path}
    )
    archive = STATE / "images.tar"
    write_image_archive(archive, runtime / "bin/busybox", images)
    client = [str(runtime / "usr/bin/ctr"), "--namespace=k8s.io"]
    starter.wait_until(lambda: _succeeds([*client, "version"]), "containerd is ready")
    subprocess.run([*client, "images", "import", str(archive)], capture_output=True, check=True)
    archive.unlink()


def _succeeds(command: Sequence[str]) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _list_images(programs: KubernetesPrograms) -> list[ContainerImage]:
    kube_state_metrics = f"registry.k8s.io/kube-state-metrics/kube-state-metrics:{KUBE_STATE_METRICS.version}"
    return [
        ContainerImage(PAUSE_IMAGE, ["/bin/sleep", "infinity"]),
        ContainerImage("docker.io/library/busybox:1.35", ["/bin/sh"]),
        ContainerImage(
            kube_state_metrics, ["/bin/kube-state-metrics"], programs.kube_state_metrics / "kube-state-metrics"
        ),
        ContainerImage(
            f"quay.io/prometheus/node-exporter:{NODE_EXPORTER.version}",
            ["/bin/node_exporter"],
            programs.node_exporter / "node_exporter",
        ),
    ]


def _start_kubelet(starter: _ProgramStarter) -> None:
    config = yaml.safe_load((FOLDER / "kubelet.yaml").read_text(encoding="utf-8"))
    config["cgroupRoot"] = os.environ["CGROUP"]
    labels = ",".join(f"{name}={value}" for name, value in NODE_LABELS.items())
    starter.start(
        starter.programs.kubernetes / "kubelet",
        f"--config={starter.write_file('kubelet.yaml', config)}",
        f"--kubeconfig={starter.folder / 'kubeconfig'}",
        f"--root-dir={STATE / 'kubelet'}",
        f"--cert-dir={STATE / 'kubelet-certificates'}",
        f"--hostname-override={NODE_NAME}",
        f"--node-ip={NODE_ADDRESS}",
        f"--node-labels={labels}",
    )


def _list_ready_nodes(api: KubernetesApi) -> list[Manifest]:
    return [
        node
        for node in api.list_objects("api/v1/nodes")
        for condition in node["status"]["conditions"]
        if condition["type"] == "Ready" and condition["status"] == "True"
    ]


def _build_kubelet_endpoints(node: Manifest) -> Manifest:
    """Return the Endpoints of the kubelets as prometheus-operator writes them."""
    metadata = node["metadata"]
    target = {"apiVersion": "v1", "kind": "Node", "name": metadata["name"], "uid": metadata["uid"]}
    ports = {"https-metrics": 10250, "http-metrics": 10255, "cadvisor": 4194}
    return {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": {
            "name": "kps-kube-prometheus-stack-kubelet",
            "namespace": "kube-system",
            "labels": {"app.kubernetes.io/name": "kubelet", "k8s-app": "kubelet"},
        },
        "subsets": [
            {
                "addresses": [{"ip": NODE_ADDRESS, "targetRef": target}],
                "ports": [{"name": name, "port": port} for name, port in ports.items()],
            }
        ],
    }


def _are_pods_settled(api: KubernetesApi) -> bool:
    """Return whether each workload has its pods in the state of workloads.yaml."""
    pods = api.list_objects("api/v1/pods")
    states = sorted((pod["metadata"]["name"].split("-")[0], *_describe_state(pod)) for pod in pods)
    return states == [
        ("kps", "Running", True),
        ("kps", "Running", True),
        ("leak", "Running", False),
        ("migration", "Succeeded", False),
        ("training", "Pending", False),
        ("web", "Running", True),
        ("web", "Running", True),
    ] and any(_was_killed_for_memory(pod) for pod in pods)


def _describe_state(pod: Manifest) -> tuple[str, bool]:
    """Return the phase of a pod, and whether it is ready."""
    conditions = {condition["type"]: condition["status"] for condition in pod["status"].get("conditions", [])}
    return pod["status"]["phase"], conditions.get("Ready") == "True"


def _was_killed_for_memory(pod: Manifest) -> bool:
    states = [status["lastState"] for status in pod["status"].get("containerStatuses", [])]
    return any(state.get("terminated", {}).get("reason") == "OOMKilled" for state in states)


def _write_prometheus_credentials(api: KubernetesApi) -> None:
    CREDENTIALS.mkdir(parents=True)
    (CREDENTIALS / "ca.crt").write_bytes(api.ca_file.read_bytes())
    (CREDENTIALS / "token").write_text(api.create_token("monitoring", "kps-kube-prometheus-stack-prometheus"))
