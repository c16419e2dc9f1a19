"""Which nodes and pods are shown: those that filters choose, in the language of /api/v1, with their clusters."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from aggregator.lookup.conditions import Test
from aggregator.lookup.plan import Asked, Plan, Resource
from aggregator.models.topology import Node, Pod, Topology

_Member = TypeVar("_Member", Node, Pod)

# A cluster's key, and a node's or a pod's own.
Key = tuple[str, str]


@dataclass(frozen=True)
class Filters:
    """What nodes and pods have to be like, as text; what is empty chooses all."""

    nodes: str = ""
    labels: str = ""
    pods: str = ""


def chosen(topology: Topology, filters: Filters) -> Topology:
    """Return the part of a topology that the filters choose; raise BadRequestError for one that is not understood.

    A pod goes with its node: those of nodes that are not chosen are left out, and where pods are chosen, nodes
    without one of these are.
    """
    node_test = Plan(Resource.NODES, Asked(filter=filters.nodes, labels=filters.labels)).test
    pod_test = Plan(Resource.PODS, Asked(filter=filters.pods)).test
    if node_test is None and pod_test is None:
        return topology
    nodes = _passing(topology.nodes, node_test)
    pods = _passing(topology.pods, pod_test)
    if node_test is not None:
        pods = {key: pod for key, pod in pods.items() if _node_of(pod) in nodes}
    if pod_test is not None:
        with_pods = {_node_of(pod) for pod in pods.values()}
        nodes = {key: node for key, node in nodes.items() if key in with_pods}
    clusters = {cluster for cluster, _ in (*nodes, *pods)}
    return msgspec.structs.replace(
        topology,
        clusters={key: cluster for key, cluster in topology.clusters.items() if key in clusters},
        nodes=nodes,
        pods=pods,
    )


def _passing(members: Mapping[Key, _Member], test: Test | None) -> dict[Key, _Member]:
    return dict(members) if test is None else {key: member for key, member in members.items() if test(member)}


def _node_of(pod: Pod) -> Key:
    return (pod.cluster, pod.node or "")
