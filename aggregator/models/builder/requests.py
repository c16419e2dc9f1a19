"""Sums what the pods on each node request, as the Kubernetes scheduler does."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from aggregator.models.topology import Container, Pod
from aggregator.util.runtime import iter_chunks

# Pods in these phases have released what they requested.
FINISHED_PHASES = frozenset({"Succeeded", "Failed"})
SIDECAR_RESTART_POLICY = "Always"

# The smallest unit in which CPU can be requested.
_MILLICORES_PER_CORE = 1000
_PODS_PER_CHUNK = 500


@dataclass
class _NodeRequests:
    """The pods of a node that are not finished, and the sums of their requests."""

    pod_count: int = 0
    millicores: int = 0
    memory_bytes: int = 0


class RequestSums:
    """The sums of all nodes. Nodes and clusters are known by their keys."""

    def __init__(self, pods: Iterable[Pod]) -> None:
        self._nodes: defaultdict[tuple[str, str], _NodeRequests] = defaultdict(_NodeRequests)
        self._clusters_with_pods: set[str] = set()
        self._clusters_with_requests: set[str] = set()
        for chunk in iter_chunks(pods, _PODS_PER_CHUNK):
            for pod in chunk:
                self._add_pod(pod)

    def build_node_fields(self, cluster: str, key: str) -> Mapping[str, Any]:
        """Return the fields of a node that its pods fill.

        A node without pods has 0 if pods or requests of its cluster are known.
        """
        if cluster not in self._clusters_with_pods:
            return {}
        node = self._nodes.get((cluster, key), _NodeRequests())
        if cluster not in self._clusters_with_requests:
            return {"pod_count": node.pod_count}
        return {
            "pod_count": node.pod_count,
            "requested_cpu_cores": node.millicores / _MILLICORES_PER_CORE,
            "requested_memory_bytes": node.memory_bytes,
        }

    def _add_pod(self, pod: Pod) -> None:
        self._clusters_with_pods.add(pod.cluster)
        requesting = [each for each in pod.containers.values() if _has_request(each)]
        if requesting:
            self._clusters_with_requests.add(pod.cluster)
        if pod.node is None or pod.phase in FINISHED_PHASES:
            return
        node = self._nodes[pod.cluster, pod.node]
        node.pod_count += 1
        if requesting:
            node.millicores += _compute_request(requesting, _get_millicores)
            node.memory_bytes += _compute_request(requesting, _get_memory_bytes)


def _compute_request(containers: Iterable[Container], get_request: Callable[[Container], int]) -> int:
    """Return what a pod with these containers requests of one resource.

    Init containers run one after the other and before the others, except for sidecars, which run beside all. Which
    sidecars start before an init container is unknown, so all are assumed to.
    """
    regular = sidecars = largest_init = 0
    for container in containers:
        request = get_request(container)
        if not container.is_init:
            regular += request
        elif container.restart_policy == SIDECAR_RESTART_POLICY:
            sidecars += request
        else:
            largest_init = max(largest_init, request)
    return sidecars + max(regular, largest_init)


def _has_request(container: Container) -> bool:
    return container.cpu_request_cores is not None or container.memory_request_bytes is not None


def _get_millicores(container: Container) -> int:
    return round((container.cpu_request_cores or 0) * _MILLICORES_PER_CORE)


def _get_memory_bytes(container: Container) -> int:
    return container.memory_request_bytes or 0
