"""The pods of a plain Kubernetes cluster, as pure functions of the cluster and the time.

Names are the same in every cluster, UIDs are not. The generation counts the pods that a replica has had.
"""

import hashlib
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from demo.plain.cluster import PlainCluster
from demo.plain.hosts import DAY_SECONDS, PlainHost
from demo.plain.workloads import Behavior, ContainerSpec, Workload
from demo.pods import encode_name_suffix

MOVE_PERIOD_SECONDS, LAST_MOVE_AGE_SECONDS = 600, 100
REPLACEMENT_PERIOD_SECONDS, LAST_REPLACEMENT_AGE_SECONDS = 240, 200
STARTUP_SECONDS = 4
CRASH_PERIOD_SECONDS = 300
OUT_OF_MEMORY_PERIOD_SECONDS = 900
JOB_PERIOD_SECONDS, JOB_SECONDS, KEPT_JOBS = 300, 45, 3
# Replicas of one workload at most.
SLOTS_PER_WORKLOAD = 8


@dataclass(frozen=True)
class PodContainer:
    """A container of a pod at a time. `started_seconds` is 0 if it does not run."""

    spec: ContainerSpec
    id: str
    state: str = "running"
    reason: str = ""
    started_seconds: float = 0.0
    restart_count: int = 0
    last_termination_reason: str = ""

    @property
    def is_running(self) -> bool:
        """Whether it has processes to measure."""
        return self.state == "running"


@dataclass(frozen=True)
class PlainPod:
    """A pod at a time. A pod without a node is not scheduled. `slot` is the place of a replica in its cluster."""

    workload: Workload
    slot: int
    name: str
    uid: str
    owner_kind: str
    owner_name: str
    created_seconds: float
    node: PlainHost | None
    ip: str
    phase: str
    containers: tuple[PodContainer, ...]
    reason: str = ""

    @property
    def is_ready(self) -> bool:
        """Whether it runs, as all its containers do."""
        return self.phase == "Running" and all(container.is_running for container in self.containers)


def generate_pods(cluster: PlainCluster, at_seconds: float) -> Iterator[PlainPod]:
    """Yield the pods of a cluster at a time."""
    for position, workload in enumerate(cluster.workloads):
        nodes = workload.list_replica_nodes(len(cluster.nodes))
        for replica, candidates in enumerate(nodes):
            slot = _Slot(cluster, workload, SLOTS_PER_WORKLOAD * position + replica, replica, candidates)
            special_replica = 0 if workload.behavior is Behavior.MOVES else len(nodes) - 1
            behavior = workload.behavior if replica == special_replica else Behavior.STEADY
            yield from _GENERATORS[behavior](slot, at_seconds)


def find_pods(cluster: PlainCluster, workload_name: str) -> Sequence[PlainPod]:
    """Return the pods of a workload whose pods last."""
    return [pod for pod in generate_pods(cluster, cluster.since_seconds) if pod.workload.name == workload_name]


@dataclass(frozen=True)
class _Slot:
    """The place of one replica in a cluster, and the numbers of the nodes that it runs on in turn."""

    cluster: PlainCluster
    workload: Workload
    number: int
    replica: int
    candidates: tuple[int, ...]

    @property
    def created_seconds(self) -> float:
        """When a pod that lasts was created."""
        return self.cluster.since_seconds - 2 * DAY_SECONDS - 60 * self.number

    def create_pod(self, generation: int, created_seconds: float, job_number: int = 0) -> PlainPod:
        """Return a pod whose containers run since it was created."""
        workload = self.workload
        node_number = self.candidates[generation % len(self.candidates)]
        node = self.cluster.nodes[node_number]
        owner_kind, owner_name, name = self._build_names(generation, job_number)
        uid = _generate_uuid(f"{self.cluster.number}/{name}/{generation}")
        return PlainPod(
            workload=workload,
            slot=self.number,
            name=name,
            uid=uid,
            owner_kind=owner_kind,
            owner_name=owner_name,
            created_seconds=created_seconds,
            node=node,
            ip=node.ip
            if workload.uses_host_network
            else f"10.244.{node_number}.{self.number + 2 + job_number % KEPT_JOBS}",
            phase="Running",
            containers=tuple(
                PodContainer(spec, generate_id(f"{uid}/{spec.name}"), started_seconds=created_seconds)
                for spec in workload.containers
            ),
        )

    def _build_names(self, generation: int, job_number: int) -> tuple[str, str, str]:
        """Return the kind and the name of the owner of a pod, and the name of the pod."""
        name = self.workload.name
        suffix = encode_name_suffix(self.number * 7_368_787 + (generation + job_number) * 1_299_709 + 5_000_011, 5)
        if self.workload.kind == "StatefulSet":
            return "StatefulSet", name, f"{name}-{self.replica}"
        if self.workload.kind == "Deployment":
            name = f"{name}-{encode_name_suffix(sum(name.encode()) * 104_729, 9)}"
            return "ReplicaSet", name, f"{name}-{suffix}"
        if self.workload.kind == "CronJob":
            name = f"{name}-{job_number}"
            return "Job", name, f"{name}-{suffix}"
        return self.workload.kind, name, f"{name}-{suffix}"


def _generate_lasting_pod(slot: _Slot, _at_seconds: float) -> Iterator[PlainPod]:
    yield slot.create_pod(0, slot.created_seconds)


def _generate_crashing_pod(slot: _Slot, at_seconds: float) -> Iterator[PlainPod]:
    crashes = int((at_seconds - slot.created_seconds) // CRASH_PERIOD_SECONDS)
    yield _replace_containers(
        slot.create_pod(0, slot.created_seconds),
        state="waiting",
        reason="CrashLoopBackOff",
        started_seconds=0.0,
        restart_count=crashes,
        last_termination_reason="Error",
    )


def _generate_restarted_pod(slot: _Slot, at_seconds: float) -> Iterator[PlainPod]:
    restarts = int((at_seconds - slot.created_seconds) // OUT_OF_MEMORY_PERIOD_SECONDS)
    yield _replace_containers(
        slot.create_pod(0, slot.created_seconds),
        started_seconds=slot.created_seconds + restarts * OUT_OF_MEMORY_PERIOD_SECONDS,
        restart_count=restarts,
        last_termination_reason="OOMKilled",
    )


def _generate_unschedulable_pod(slot: _Slot, _at_seconds: float) -> Iterator[PlainPod]:
    yield replace(slot.create_pod(0, slot.created_seconds), node=None, ip="", phase="Pending", containers=())


def _generate_moving_pod(slot: _Slot, at_seconds: float) -> Iterator[PlainPod]:
    shifted_seconds = at_seconds - slot.cluster.since_seconds + LAST_MOVE_AGE_SECONDS
    generation = int(shifted_seconds // MOVE_PERIOD_SECONDS)
    yield slot.create_pod(generation, at_seconds - shifted_seconds % MOVE_PERIOD_SECONDS)


def _generate_replaced_pod(slot: _Slot, at_seconds: float) -> Iterator[PlainPod]:
    shifted_seconds = at_seconds - slot.cluster.since_seconds + LAST_REPLACEMENT_AGE_SECONDS
    age_seconds = shifted_seconds % REPLACEMENT_PERIOD_SECONDS
    pod = slot.create_pod(int(shifted_seconds // REPLACEMENT_PERIOD_SECONDS), at_seconds - age_seconds)
    if age_seconds < STARTUP_SECONDS:
        pod = replace(pod, ip="", phase="Pending")
        pod = _replace_containers(pod, state="waiting", reason="ContainerCreating", started_seconds=0.0)
    yield pod


def _generate_completed_pods(slot: _Slot, at_seconds: float) -> Iterator[PlainPod]:
    """Yield the pods of the last jobs, the newest of which may be running."""
    newest_seconds = at_seconds // JOB_PERIOD_SECONDS * JOB_PERIOD_SECONDS
    for age in range(KEPT_JOBS):
        scheduled_seconds = newest_seconds - age * JOB_PERIOD_SECONDS
        pod = slot.create_pod(0, scheduled_seconds, job_number=int(scheduled_seconds // 60))
        if at_seconds - scheduled_seconds >= JOB_SECONDS:
            pod = replace(pod, phase="Succeeded")
            pod = _replace_containers(pod, state="terminated", reason="Completed", started_seconds=0.0)
        yield pod


def _generate_failed_pod(slot: _Slot, _at_seconds: float) -> Iterator[PlainPod]:
    pod = slot.create_pod(0, slot.created_seconds, job_number=int(slot.created_seconds // 60))
    yield _replace_containers(replace(pod, phase="Failed"), state="terminated", reason="Error", started_seconds=0.0)


def _generate_evicted_pod(slot: _Slot, _at_seconds: float) -> Iterator[PlainPod]:
    yield replace(slot.create_pod(0, slot.created_seconds), phase="Failed", reason="Evicted", ip="", containers=())


_GENERATORS: Mapping[Behavior, Callable[[_Slot, float], Iterator[PlainPod]]] = {
    Behavior.STEADY: _generate_lasting_pod,
    Behavior.CRASHES: _generate_crashing_pod,
    Behavior.EXCEEDS_MEMORY: _generate_restarted_pod,
    Behavior.UNSCHEDULABLE: _generate_unschedulable_pod,
    Behavior.MOVES: _generate_moving_pod,
    Behavior.REPLACED: _generate_replaced_pod,
    Behavior.COMPLETES: _generate_completed_pods,
    Behavior.FAILED: _generate_failed_pod,
    Behavior.EVICTED: _generate_evicted_pod,
}


def _replace_containers(
    pod: PlainPod,
    *,
    state: str = "running",
    reason: str = "",
    started_seconds: float,
    restart_count: int = 0,
    last_termination_reason: str = "",
) -> PlainPod:
    containers = (
        replace(
            container,
            state=state,
            reason=reason,
            started_seconds=started_seconds,
            restart_count=restart_count,
            last_termination_reason=last_termination_reason,
        )
        for container in pod.containers
    )
    return replace(pod, containers=tuple(containers))


def _generate_uuid(text: str) -> str:
    return str(uuid.UUID(bytes=hashlib.blake2b(text.encode(), digest_size=16).digest(), version=4))


def generate_id(text: str) -> str:
    """Return the ID of the container that a text identifies."""
    return hashlib.sha256(text.encode()).hexdigest()
