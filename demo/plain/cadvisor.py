"""What cAdvisor exposes: in the kubelet about the pods of a node, and on a Docker host about its containers.

It measures every ten seconds and exposes the times. Prometheus therefore returns the series of a container that has
ended for another five minutes.
"""

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from demo.exposition import ExpositionPage, format_labels
from demo.motion import compute_counter, compute_phase, compute_wave
from demo.plain.hosts import PlainHost
from demo.plain.pods import PlainPod, generate_id
from demo.plain.workloads import MAX_MEMORY_SHARE, MEAN_CPU_SHARE, MIN_MEMORY_SHARE, ContainerSpec

MEASUREMENT_PERIOD_SECONDS = 10
LOAD_PERIOD_SECONDS = 90
PAUSE_IMAGE = "registry.k8s.io/pause:3.10"
PAUSE_BYTES = 300 * 1024
POD_BYTES_PER_SECOND = 20_000


@dataclass(frozen=True)
class RunningContainer:
    """A container with processes: what identifies it on its host, what it requests, and when it started."""

    id: str
    spec: ContainerSpec
    started_seconds: float

    @property
    def phase(self) -> float:
        """A number in [0, 1) that shifts its oscillations."""
        return compute_phase(zlib.crc32(self.id.encode()) % 1000)

    def compute_cpu_seconds(self, at_seconds: float) -> float:
        """Return the CPU time that it has used since it started."""
        mean_cores = MEAN_CPU_SHARE * self.spec.cpu_request_cores
        return compute_counter(at_seconds - self.started_seconds, mean_cores, LOAD_PERIOD_SECONDS, self.phase)

    def compute_memory(self, at_seconds: float) -> int:
        """Return its working set in bytes."""
        swing = compute_wave(at_seconds, LOAD_PERIOD_SECONDS, self.phase)
        return int((MIN_MEMORY_SHARE + (MAX_MEMORY_SHARE - MIN_MEMORY_SHARE) * swing) * self.spec.memory_request_bytes)


def render_kubelet(host: PlainHost, pods: Iterable[PlainPod], at_seconds: float) -> str:
    """Return what cAdvisor exposes in the kubelet of a node: the node, its cgroups, pods and containers."""
    page = ExpositionPage()
    _add_machine(page, host)
    measured_seconds = _get_measurement_time(host, at_seconds)
    empty = {"container": "", "image": "", "name": "", "namespace": "", "pod": ""}
    for cgroup in ("/", "/kubepods", "/kubepods/burstable"):
        _add_usage(page, {**empty, "id": cgroup}, _measure_host(host, measured_seconds), measured_seconds)
    for pod in pods:
        running = [
            RunningContainer(container.id, container.spec, container.started_seconds)
            for container in pod.containers
            if pod.node is host and container.is_running and container.started_seconds < measured_seconds
        ]
        if running:
            _add_pod(page, pod, running, measured_seconds)
    return page.render()


def render_docker_host(
    host: PlainHost, labels_by_container: Mapping[RunningContainer, Mapping[str, str]], at_seconds: float
) -> str:
    """Return what cAdvisor exposes on a Docker host: the host, its cgroups, and containers with their labels.

    Unlike that of the kubelet, it exposes the usage of each CPU.
    """
    page = ExpositionPage()
    _add_machine(page, host)
    measured_seconds = _get_measurement_time(host, at_seconds)
    cpus = [f"cpu{number:02}" for number in range(host.hardware.cores)]
    for cgroup in ("/", "/system.slice", "/docker"):
        labels = {"id": cgroup, "image": "", "name": ""}
        _add_usage(page, labels, _measure_host(host, measured_seconds), measured_seconds, cpus)
    for container, container_labels in labels_by_container.items():
        usage = container.compute_cpu_seconds(measured_seconds), container.compute_memory(measured_seconds)
        _add_usage(page, container_labels, usage, measured_seconds, cpus)
        _add_container(page, container_labels, container, measured_seconds)
    return page.render()


def _get_measurement_time(host: PlainHost, at_seconds: float) -> float:
    return at_seconds - (at_seconds + host.number) % MEASUREMENT_PERIOD_SECONDS


def _measure_host(host: PlainHost, at_seconds: float) -> tuple[float, int]:
    return host.compute_busy_seconds(at_seconds), host.compute_used_memory(at_seconds)


def _add_machine(page: ExpositionPage, host: PlainHost) -> None:
    page.add_sample("machine_cpu_cores", host.machine_labels, host.hardware.cores)
    page.add_sample("machine_memory_bytes", host.machine_labels, host.hardware.memory_bytes)


def _add_usage(
    page: ExpositionPage,
    labels: Mapping[str, str],
    usage: tuple[float, int],
    measured_seconds: float,
    cpus: Sequence[str] = ("total",),
) -> None:
    cpu_seconds, memory_bytes = usage
    for cpu in cpus:
        cpu_labels = format_labels(cpu=cpu, **labels)
        cpu_share = round(cpu_seconds / len(cpus), 3)
        page.add_sample("container_cpu_usage_seconds_total", cpu_labels, cpu_share, measured_seconds)
    page.add_sample("container_memory_working_set_bytes", format_labels(**labels), memory_bytes, measured_seconds)


def _add_container(
    page: ExpositionPage, labels: Mapping[str, str], container: RunningContainer, measured_seconds: float
) -> None:
    own = format_labels(**labels)
    page.add_sample("container_last_seen", own, measured_seconds, measured_seconds)
    page.add_sample("container_start_time_seconds", own, container.started_seconds)
    page.add_sample("container_spec_memory_limit_bytes", own, container.spec.memory_limit_bytes)


def _add_pod(page: ExpositionPage, pod: PlainPod, containers: list[RunningContainer], measured_seconds: float) -> None:
    """Add the cgroup of a pod, its pause container, which has the network interface, and its containers."""
    pod_labels = {"namespace": pod.workload.namespace, "pod": pod.name}
    cgroup = f"/kubepods/burstable/pod{pod.uid}"
    cpu_seconds = sum(container.compute_cpu_seconds(measured_seconds) for container in containers)
    memory_bytes = sum(container.compute_memory(measured_seconds) for container in containers) + PAUSE_BYTES
    labels = {"container": "", "id": cgroup, "image": "", "name": "", **pod_labels}
    _add_usage(page, labels, (cpu_seconds, memory_bytes), measured_seconds)
    pause_id = generate_id(f"{pod.uid}/pause")
    pause = {"container": "", "id": f"{cgroup}/{pause_id}", "image": PAUSE_IMAGE, "name": pause_id, **pod_labels}
    _add_usage(page, pause, (0.02, PAUSE_BYTES), measured_seconds)
    if not pod.workload.uses_host_network:
        age_seconds = measured_seconds - containers[0].started_seconds
        for direction in ("receive", "transmit"):
            moved = int(compute_counter(age_seconds, POD_BYTES_PER_SECOND, 180, containers[0].phase))
            network_labels = format_labels(**pause, interface="eth0")
            page.add_sample(f"container_network_{direction}_bytes_total", network_labels, moved, measured_seconds)
    for container in containers:
        labels = {
            "container": container.spec.name,
            "id": f"{cgroup}/{container.id}",
            "image": container.spec.image,
            "name": container.id,
            **pod_labels,
        }
        usage = container.compute_cpu_seconds(measured_seconds), container.compute_memory(measured_seconds)
        _add_usage(page, labels, usage, measured_seconds)
        _add_container(page, labels, container, measured_seconds)
