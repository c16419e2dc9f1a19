"""The objects of one topology, found by name and listed in their order."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from aggregator.errors import LONGEST_NAME, NotFoundError
from aggregator.lookup.items import Kind, Standing, Whole
from aggregator.lookup.nearest import nearest
from aggregator.models.topology import Node, Pod, Topology

# What stands for the namespace of a pod that has none, where something has to stand: no namespace is called so.
NO_NAMESPACE = "-"
NO_CLUSTER = "there is no cluster"


class Index:
    """Finds and lists the objects of a topology; what it needs for that is made at first need."""

    def __init__(self, topology: Topology) -> None:
        self.topology = topology
        self._written_nodes: dict[str, dict[int, bytes]] = {}

    @property
    def size(self) -> int:
        """How many objects it holds, containers aside."""
        return len(self.topology.clusters) + len(self.topology.nodes) + len(self.topology.pods)

    def written_nodes(self, wire: str) -> dict[int, bytes]:
        """Return where the nodes that were written one way are remembered, by their `id`: they live as long as this."""
        return self._written_nodes.setdefault(wire, {})

    def has_most_nodes_written(self, wire: str) -> bool:
        """Whether more than half of the nodes were written one way."""
        return 2 * len(self.written_nodes(wire)) > len(self.topology.nodes)

    def items(self, kind: Kind, cluster: str | None = None) -> Sequence[Any]:
        """Return all objects of a kind, or those of a cluster, in their order; raise NotFoundError without the cluster.

        A cluster comes as a Whole, a container as a Standing.
        """
        if cluster is not None:
            whole = self.cluster(cluster)
            return whole.nodes if kind is Kind.NODES else whole.pods
        listed: Sequence[Any] = getattr(self, f"_{kind.value}")
        return listed

    def one(self, kind: Kind, names: Sequence[str]) -> Any:
        """Return the object of a kind that is called so, by the names of its cluster and of what is in it."""
        if kind is Kind.CLUSTERS:
            return self.cluster(*names)
        return self.node(*names) if kind is Kind.NODES else self.pod(*names)

    def cluster(self, name: str) -> Whole:
        """Return a cluster with what is in it."""
        if name not in self.topology.clusters:
            known = self.topology.clusters
            raise NotFoundError(f"{NO_CLUSTER} {_shown(name)}", nearest=nearest(name, known))
        return self._whole[name]

    def node(self, cluster: str, name: str) -> Node:
        """Return a node of a cluster."""
        found = self.topology.nodes.get((cluster, name))
        if found is None:
            known = [node.key for node in self.cluster(cluster).nodes]
            raise NotFoundError(f"cluster {_shown(cluster)} has no node {_shown(name)}", nearest=nearest(name, known))
        return found

    def pod(self, cluster: str, namespace: str, name: str) -> Pod:
        """Return a pod of a cluster: of those of one name in a namespace, the one that was seen last."""
        found = self._named_pods.get((cluster, namespace, name))
        if found is None and namespace == NO_NAMESPACE:
            found = self._named_pods.get((cluster, "", name))
        if found is None:
            raise self._no_pod(cluster, namespace, name)
        return found

    def _no_pod(self, cluster: str, namespace: str, name: str) -> NotFoundError:
        known = [f"{pod.namespace or NO_NAMESPACE}/{pod.name}" for pod in self.cluster(cluster).pods]
        wanted = f"{namespace or NO_NAMESPACE}/{name}"
        return NotFoundError(f"cluster {_shown(cluster)} has no pod {_shown(wanted)}", nearest=nearest(wanted, known))

    @cached_property
    def _whole(self) -> dict[str, Whole]:
        nodes, pods = self.topology.nodes_by_cluster(), self.topology.pods_by_cluster()
        return {key: Whole(each, nodes[key], pods[key]) for key, each in self.topology.clusters.items()}

    @cached_property
    def _clusters(self) -> Sequence[Whole]:
        return list(self._whole.values())

    @cached_property
    def _nodes(self) -> Sequence[Node]:
        return list(self.topology.nodes.values())

    @cached_property
    def _pods(self) -> Sequence[Pod]:
        return list(self.topology.pods.values())

    @cached_property
    def _containers(self) -> Sequence[Standing]:
        return [Standing(each, pod) for pod in self._pods for each in pod.containers.values()]

    @cached_property
    def _named_pods(self) -> dict[tuple[str, str, str], Pod]:
        named: dict[tuple[str, str, str], Pod] = {}
        for pod in self._pods:
            name = (pod.cluster, pod.namespace, pod.name)
            if name not in named or (named[name].last_seen_seconds or 0) < (pod.last_seen_seconds or 0):
                named[name] = pod
        return named


def _shown(name: str) -> str:
    return repr(name[:LONGEST_NAME])
