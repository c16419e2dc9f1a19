"""Detects clusters, and many nodes of a cluster, that disappear between two refreshes.

Thanos drops a store a few seconds after the store died, and from then on responds without its data and without a
warning. The only sign is that many objects disappear at once, so such a disappearance is reported as a gap for a
limited time.

Nodes that disappeared are shown as gone for the same time, with their last known values.

Each cluster is compared only with its own previous state, so a gap reveals nothing about other clusters.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import msgspec

from aggregator.models.topology import Cluster, Node, Topology
from aggregator.refresh.snapshot import Gap, GapKind

# Nodes are reported if at least this share of their cluster disappears between two refreshes; clusters always are.
MIN_DISAPPEARED_RATIO = 0.1
MAX_LISTED_NAMES = 5

# A cluster UID, and the ID of a node. Names may change, these do not.
NodeIdentity = tuple[str, str]


@dataclass(frozen=True)
class _Inventory:
    """The objects of one topology: clusters by UID, nodes by identity, node counts by cluster UID."""

    clusters: Mapping[str, Cluster]
    nodes: Mapping[NodeIdentity, Node]
    node_counts: Mapping[str, int]


@dataclass(frozen=True)
class _Disappearance:
    """When something disappeared, from which cluster, and how many nodes that cluster had until then."""

    detected_at: float
    cluster: Cluster
    node_count: int

    @property
    def display_name(self) -> str:
        """The name of the cluster, or its UID if it has none."""
        return self.cluster.name or self.cluster.uid


@dataclass(frozen=True)
class _MissingNode:
    """A node that disappeared, and whether enough nodes did to report a gap."""

    node: Node
    disappearance: _Disappearance
    is_gap: bool


class DisappearanceDetector:
    """Compares each topology with the previous one and reports what disappeared, for `notice_seconds`."""

    def __init__(self, notice_seconds: float) -> None:
        """Report nothing if `notice_seconds` is 0."""
        self._notice_seconds = notice_seconds
        self._previous = _Inventory({}, {}, {})
        self._missing_clusters: dict[str, _Disappearance] = {}
        self._missing_nodes: dict[NodeIdentity, _MissingNode] = {}

    def detect(self, topology: Topology, now: float) -> list[Gap]:
        """Return a gap for each recent disappearance that is not resolved; `now` is on the monotonic clock."""
        if not self._notice_seconds:
            return []
        inventory = _build_inventory(topology)
        self._discard_resolved(inventory, now)
        self._record_disappearances(inventory, now)
        self._previous = inventory
        return [*self._list_cluster_gaps(now), *self._list_node_gaps(inventory, now)]

    def add_gone_nodes(self, topology: Topology, at_seconds: float) -> Topology:
        """Return the topology with the nodes that disappeared recently; `at_seconds` is the time of the refresh."""
        nodes = [
            (
                uid,
                msgspec.structs.replace(missing.node, gone_since_seconds=missing.node.last_seen_seconds or at_seconds),
            )
            for (uid, _), missing in self._missing_nodes.items()
        ]
        return topology.add_gone_nodes((each.cluster for each in self._missing_clusters.values()), nodes)

    def _discard_resolved(self, inventory: _Inventory, now: float) -> None:
        """Discard disappearances of objects that are back, and those that were reported for long enough."""
        self._missing_clusters = {
            uid: disappearance
            for uid, disappearance in self._missing_clusters.items()
            if uid not in inventory.clusters and self._is_recent(disappearance, now)
        }
        self._missing_nodes = {
            identity: missing
            for identity, missing in self._missing_nodes.items()
            if identity not in inventory.nodes and self._is_recent(missing.disappearance, now)
        }

    def _is_recent(self, disappearance: _Disappearance, now: float) -> bool:
        return now - disappearance.detected_at < self._notice_seconds

    def _record_disappearances(self, inventory: _Inventory, now: float) -> None:
        """Record the clusters and the nodes that the previous topology contained and this one does not.

        The nodes of a cluster that disappeared are recorded too: the cluster may come back without some of them.
        """
        previous = self._previous
        disappearances = {
            uid: _Disappearance(now, cluster, previous.node_counts.get(uid, 0))
            for uid, cluster in previous.clusters.items()
        }
        for uid in previous.clusters.keys() - inventory.clusters.keys():
            self._missing_clusters[uid] = disappearances[uid]
        missing_nodes = previous.nodes.keys() - inventory.nodes.keys()
        missing_counts = Counter(uid for uid, _ in missing_nodes)
        for identity in missing_nodes:
            uid = identity[0]
            is_gap = missing_counts[uid] >= MIN_DISAPPEARED_RATIO * previous.node_counts[uid]
            self._missing_nodes[identity] = _MissingNode(previous.nodes[identity], disappearances[uid], is_gap)

    def _list_cluster_gaps(self, now: float) -> Iterator[Gap]:
        for disappearance in sorted(self._missing_clusters.values(), key=lambda entry: entry.display_name):
            nodes = "1 node" if disappearance.node_count == 1 else f"{disappearance.node_count} nodes"
            yield _build_gap("clusters", disappearance, f"cluster {disappearance.display_name} with {nodes}", now)

    def _list_node_gaps(self, inventory: _Inventory, now: float) -> Iterator[Gap]:
        """Yield a gap for each cluster and time at which nodes disappeared.

        Nodes of a cluster that is missing as a whole are covered by the gap of the cluster.
        """
        keys_by_disappearance: dict[_Disappearance, list[str]] = {}
        for (uid, _), missing in self._missing_nodes.items():
            if uid in inventory.clusters and missing.is_gap:
                keys_by_disappearance.setdefault(missing.disappearance, []).append(missing.node.key)
        for disappearance, keys in sorted(
            keys_by_disappearance.items(), key=lambda entry: (entry[0].display_name, entry[0].detected_at)
        ):
            share = f"{len(keys)} of {disappearance.node_count} nodes of cluster {disappearance.display_name}"
            yield _build_gap("nodes", disappearance, share, now, f": {_format_names(keys)}")


def _build_gap(row: str, disappearance: _Disappearance, missing: str, now: float, names: str = "") -> Gap:
    return Gap(
        GapKind.VANISHED,
        row,
        f"{missing}, {now - disappearance.detected_at:.0f} s ago{names}",
        cluster=disappearance.cluster.uid,
        cluster_name=disappearance.cluster.name,
        detail_without_age=missing + names,
    )


def _build_inventory(topology: Topology) -> _Inventory:
    uids = {key: cluster.uid for key, cluster in topology.clusters.items()}
    nodes = {(uids[node.cluster], node.id): node for node in topology.nodes.values()}
    clusters = {cluster.uid: cluster for cluster in topology.clusters.values()}
    return _Inventory(clusters, nodes, Counter(uid for uid, _ in nodes))


def _format_names(names: Iterable[str]) -> str:
    sorted_names = sorted(names)
    omitted_count = len(sorted_names) - MAX_LISTED_NAMES
    return ", ".join(sorted_names[:MAX_LISTED_NAMES]) + (f" and {omitted_count} more" if omitted_count > 0 else "")
