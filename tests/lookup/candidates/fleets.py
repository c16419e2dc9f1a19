"""Small topologies for the search for candidates."""

from typing import Any

from aggregator.lookup.candidates.node_facts import CandidateIndex
from aggregator.lookup.candidates.search import CandidateResult, RejectedNode, find_candidates
from aggregator.models.topology import Cluster, Node, Taint, Topology, add_version
from aggregator.pb.aggregator.v1 import topology_pb2 as pb

# What kube-state-metrics reports of a healthy node with four cores and 16 GiB.
KUBERNETES_FIELDS: dict[str, Any] = {
    "architecture": "x86_64",
    "cpu_cores": 4.0,
    "allocatable_cpu_cores": 4.0,
    "requested_cpu_cores": 1.0,
    "allocatable_memory_bytes": 16 * 2**30,
    "requested_memory_bytes": 4 * 2**30,
    "allocatable_pods": 110,
    "pod_count": 10,
    "is_unschedulable": False,
    "conditions": {"Ready": "true", "DiskPressure": "false"},
}


def build_node(cluster: str = "c", key: str = "n", **fields: Any) -> Node:
    """Return a healthy Kubernetes node with some other fields."""
    return Node(cluster=cluster, key=key, id=f"{cluster}/{key}", **{**KUBERNETES_FIELDS, **fields})


def build_taint(text: str) -> Taint:
    """Return a taint from the notation of kubectl: `key=value:effect` or `key:effect`."""
    key_and_value, _, effect = text.rpartition(":")
    key, _, value = key_and_value.partition("=")
    return Taint(f"{key}:{effect}", key=key, value=value or None, effect=effect)


def build_taints(*texts: str) -> dict[str, Taint]:
    """Return the taints of a node."""
    return {taint.name: taint for taint in map(build_taint, texts)}


def build_fleet(*nodes: Node, cluster_type: str = "ocm") -> Topology:
    """Return a topology of these nodes and their clusters."""
    keys = sorted({node.cluster for node in nodes})
    return add_version(
        Topology(
            clusters={key: Cluster(key=key, uid=f"uid of {key}", type=cluster_type, name=key) for key in keys},
            nodes={(node.cluster, node.key): node for node in sorted(nodes, key=lambda node: (node.cluster, node.key))},
        )
    )


def search(*nodes: Node, **request: Any) -> CandidateResult:
    """Return the result of a request in a topology of these nodes."""
    return find_candidates(CandidateIndex(build_fleet(*nodes)), pb.FindCandidatesRequest(**request))


def list_reason_names(rejected: RejectedNode) -> list[str]:
    """Return the names of the reasons for which a node is rejected."""
    prefix = "REJECTION_REASON_"
    return [
        pb.RejectionReason.Name(pb.RejectionReason.ValueType(each.reason)).removeprefix(prefix)
        for each in rejected.reasons
    ]


def find_reasons(node: Node, **request: Any) -> list[str]:
    """Return the names of the reasons for which a node is rejected, nothing if it is a candidate."""
    result = search(node, **request)
    assert len(result.candidates) + len(result.rejected) == 1
    return list_reason_names(result.rejected[0]) if result.rejected else []
