"""A part of a topology: some of its clusters, as if there were no others."""

from collections.abc import Mapping, Set
from typing import TypeVar

import msgspec

from aggregator.models.finish import controllers_of, keys_of_clusters
from aggregator.models.topology import Cluster, Node, Pod, Topology
from aggregator.models.version import versioned

_Member = TypeVar("_Member", Node, Pod)


def part_of(whole: Topology, uids: Set[str]) -> Topology:
    """Return the clusters of these uids with all that is theirs; nothing in it depends on any other cluster.

    So keys are given anew: a cluster that had to take its uid as key, because another has its name, gets its name
    back. The oldest sample is left out: of whose target it is, nothing tells.
    """
    kept = [cluster for cluster in whole.clusters.values() if cluster.uid in uids]
    keys = keys_of_clusters((cluster.uid, cluster.type, cluster.name) for cluster in kept)
    by_old_key = {cluster.key: keys[cluster.uid] for cluster in kept}
    clusters = sorted((_keyed(cluster, keys[cluster.uid]) for cluster in kept), key=lambda cluster: cluster.key)
    return versioned(
        Topology(
            clusters={cluster.key: cluster for cluster in clusters},
            nodes=_members(whole.nodes, by_old_key),
            pods=_members(whole.pods, by_old_key),
            controllers=controllers_of(clusters),
        )
    )


def _keyed(cluster: Cluster, key: str) -> Cluster:
    return cluster if cluster.key == key else msgspec.structs.replace(cluster, key=key)


def _members(all_of_them: Mapping[tuple[str, str], _Member], keys: Mapping[str, str]) -> dict[tuple[str, str], _Member]:
    members = {(keys[cluster], own): member for (cluster, own), member in all_of_them.items() if cluster in keys}
    if all(old == new for old, new in keys.items()):
        return members
    return {identity: msgspec.structs.replace(members[identity], cluster=identity[0]) for identity in sorted(members)}
