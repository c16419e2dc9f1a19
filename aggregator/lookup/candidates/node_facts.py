"""What the search for candidates needs of each node, computed once for each topology."""

from collections.abc import Sequence
from functools import cached_property

import msgspec

from aggregator.lookup.candidates.scheduling import is_node_ready, list_taints
from aggregator.models.topology import Node, Taint, Topology
from aggregator.pb.aggregator.v1 import topology_pb2 as pb

# The smallest unit in which CPU can be requested.
CPU_DIGITS = 3
_CRITICAL_SEVERITY = "critical"


class FreeAmount(msgspec.Struct, frozen=True, gc=False):
    """How much of a resource is free and how much there is, in the same unit; None is unknown."""

    free: float | None
    total: float | None
    source: int


class NodeFacts(msgspec.Struct, frozen=True, gc=False):
    """A node with what follows from its fields; None is unknown. The sources are values of FreeSource."""

    node: Node
    cluster_type: str
    free_cpu_cores: float | None
    free_cpu_source: int
    total_cpu_cores: float | None
    free_memory_bytes: int | None
    free_memory_source: int
    total_memory_bytes: int | None
    free_pods: int | None
    gpu_count: float | None
    taints: Sequence[Taint]
    is_ready: bool | None
    critical_vulnerabilities: int | None


class CandidateIndex:
    """The facts of all nodes of one topology, in its order. Built on first use."""

    def __init__(self, topology: Topology) -> None:
        self.topology = topology

    @cached_property
    def nodes(self) -> Sequence[NodeFacts]:
        """The facts of each node."""
        clusters = self.topology.clusters
        return [_build_facts(node, clusters[node.cluster].type) for node in self.topology.nodes.values()]

    @cached_property
    def device_names(self) -> frozenset[str]:
        """The names of all devices: few, so that patterns are compared with them instead of with each device."""
        return frozenset(name for node in self.topology.nodes.values() for name in node.devices)


def _build_facts(node: Node, cluster_type: str) -> NodeFacts:
    cpu, memory = _find_free_cpu(node), _find_free_memory(node)
    return NodeFacts(
        node=node,
        cluster_type=cluster_type.casefold(),
        free_cpu_cores=cpu.free,
        free_cpu_source=cpu.source,
        total_cpu_cores=cpu.total,
        free_memory_bytes=None if memory.free is None else int(memory.free),
        free_memory_source=memory.source,
        total_memory_bytes=None if memory.total is None else int(memory.total),
        free_pods=_find_free_pods(node),
        gpu_count=node.gpu_count if node.allocatable_gpus is None else node.allocatable_gpus,
        taints=list_taints(node),
        is_ready=is_node_ready(node),
        critical_vulnerabilities=_find_critical_vulnerabilities(node),
    )


def _find_free_cpu(node: Node) -> FreeAmount:
    amount = _subtract_requests(node.allocatable_cpu_cores, node.requested_cpu_cores) or _take_measured(
        node.available_cpu_cores, node.cpu_cores
    )
    # 3.92 - 1.45 is 2.4699999999999998.
    return amount if amount.free is None else msgspec.structs.replace(amount, free=round(amount.free, CPU_DIGITS))


def _find_free_memory(node: Node) -> FreeAmount:
    total = node.memory_bytes if node.host_memory_bytes is None else node.host_memory_bytes
    return _subtract_requests(node.allocatable_memory_bytes, node.requested_memory_bytes) or _take_measured(
        node.available_memory_bytes, total
    )


def _subtract_requests(allocatable: float | None, requested: float | None) -> FreeAmount | None:
    if allocatable is None or requested is None:
        return None
    return FreeAmount(max(allocatable - requested, 0), allocatable, pb.FREE_SOURCE_REQUESTS)


def _take_measured(available: float | None, total: float | None) -> FreeAmount:
    source = pb.FREE_SOURCE_UNSPECIFIED if available is None else pb.FREE_SOURCE_MEASURED
    return FreeAmount(available, total, source)


def _find_free_pods(node: Node) -> int | None:
    if node.allocatable_pods is None or node.pod_count is None:
        return None
    return max(node.allocatable_pods - node.pod_count, 0)


def _find_critical_vulnerabilities(node: Node) -> int | None:
    """Return the number of critical vulnerabilities; 0 if only other severities are known, None if none is."""
    if not node.vulnerabilities:
        return None
    return sum(count for key, count in node.vulnerabilities.items() if key.casefold() == _CRITICAL_SEVERITY)
