"""A grant: the clusters that a caller may see, and the copy of a topology that contains only those."""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TypeVar

import msgspec

from aggregator.models.builder.finalize import assign_cluster_keys, collect_controllers
from aggregator.models.topology import Cluster, Node, Pod, Topology, add_version


@dataclass(frozen=True)
class Grant:
    """The clusters that a caller may see: those whose name or UID matches a pattern; all if the patterns are None."""

    cluster_patterns: frozenset[str] | None = None

    @property
    def is_unrestricted(self) -> bool:
        """Whether nothing is hidden from the caller."""
        return self.cluster_patterns is None

    def allows(self, *names: str | None) -> bool:
        """Return whether the caller may see a cluster with one of these names."""
        if self.cluster_patterns is None:
            return True
        return any(fnmatchcase(name, pattern) for pattern in self.cluster_patterns for name in names if name)


UNRESTRICTED = Grant()


_Member = TypeVar("_Member", Node, Pod)


def restrict_topology(topology: Topology, uids: Set[str]) -> Topology:
    """Return the clusters with these UIDs, their nodes and their pods. Nothing in the result depends on other clusters.

    Therefore clusters get new keys: a cluster whose key is its UID, because another cluster has the same name, gets its
    name as key again. The time of the oldest sample is left out, because its scrape target may belong to any cluster.
    """
    selected_clusters = [cluster for cluster in topology.clusters.values() if cluster.uid in uids]
    keys = assign_cluster_keys((cluster.uid, cluster.type, cluster.name) for cluster in selected_clusters)
    by_old_key = {cluster.key: keys[cluster.uid] for cluster in selected_clusters}
    clusters = sorted(
        (_replace_cluster_key(cluster, keys[cluster.uid]) for cluster in selected_clusters),
        key=lambda cluster: cluster.key,
    )
    return add_version(
        Topology(
            clusters={cluster.key: cluster for cluster in clusters},
            nodes=_select_members(topology.nodes, by_old_key),
            pods=_select_members(topology.pods, by_old_key),
            controllers=collect_controllers(clusters),
        )
    )


def _replace_cluster_key(cluster: Cluster, key: str) -> Cluster:
    return cluster if cluster.key == key else msgspec.structs.replace(cluster, key=key)


def _select_members(
    members_by_key: Mapping[tuple[str, str], _Member], keys: Mapping[str, str]
) -> dict[tuple[str, str], _Member]:
    selected_members = {
        (keys[cluster], member_key): member
        for (cluster, member_key), member in members_by_key.items()
        if cluster in keys
    }
    if all(old == new for old, new in keys.items()):
        return selected_members
    return {
        identity: msgspec.structs.replace(selected_members[identity], cluster=identity[0])
        for identity in sorted(selected_members)
    }
