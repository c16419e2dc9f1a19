"""A plain Kubernetes cluster and its four nodes. Names and addresses are the same in every cluster."""

from dataclasses import dataclass
from functools import cached_property

from demo.fleet_parts import HardwareModel
from demo.plain.hosts import DAY_SECONDS, PlainHost
from demo.plain.workloads import MAX_CPU_SHARE, MAX_MEMORY_SHARE, WORKLOADS, Behavior, Workload

# Control plane and cordoned node.
TAINTED, CORDONED = 0, 3
# The names of the kernels, which have no domain. Those of the nodes have one.
NODE_NAMES = ("control-plane", "worker-1", "worker-2", "worker-3")
NODE_DOMAIN = "lab.example"
# What the kubelet keeps from pods.
RESERVED_CORES = 0.1
RESERVED_BYTES = 512 * 1024**2
MAX_PODS = 110


@dataclass(frozen=True)
class PlainCluster:
    """A cluster with one kind of hardware that has run for days before `since_seconds`; `number` is unique."""

    number: int
    hardware: HardwareModel
    since_seconds: float
    workloads: tuple[Workload, ...] = WORKLOADS

    @cached_property
    def nodes(self) -> tuple[PlainHost, ...]:
        """The nodes, the control plane first."""
        return tuple(self._create_node(number, name) for number, name in enumerate(NODE_NAMES))

    def _create_node(self, number: int, name: str) -> PlainHost:
        specs = [
            spec
            for workload in self.workloads
            if workload.behavior is not Behavior.UNSCHEDULABLE
            for candidates in workload.list_replica_nodes(len(NODE_NAMES))
            if number in candidates
            for spec in workload.containers
        ]
        return PlainHost(
            number=10 * self.number + number,
            name=f"{name}.{NODE_DOMAIN}",
            nodename=name,
            ip=f"10.0.0.{number + 11}",
            hardware=self.hardware,
            boot_time_seconds=self.since_seconds - (3 + number) * DAY_SECONDS - 1800 * self.number,
            reserved_cores=MAX_CPU_SHARE * sum(spec.cpu_request_cores for spec in specs),
            reserved_memory_bytes=int(MAX_MEMORY_SHARE * sum(spec.memory_request_bytes for spec in specs)),
        )
