"""From settled drafts to the frozen topology: keys that clients see, made unique, and everything in their order."""

import itertools
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from aggregator.models.draft import Draft, Fields
from aggregator.models.membership import CONTROLLER, Home
from aggregator.models.row import BECOMES, Part
from aggregator.models.topology import Cluster, Node, Pod, Topology
from aggregator.models.version import versioned

_PARTS = {part.value: BECOMES[part] for part in Part}


@dataclass
class Settled:
    """Drafts that have found their cluster: nodes by identity of their draft, pods with their node where known."""

    system: Draft = field(default_factory=Draft)
    clusters: dict[str, Draft] = field(default_factory=dict)
    nodes: dict[int, tuple[Draft, Home]] = field(default_factory=dict)
    pods: list[tuple[Draft, Home, Draft | None]] = field(default_factory=list)

    def home_of(self, node: Draft | None) -> Home | None:
        """Return the cluster of a node, None for a node that has none."""
        return self.nodes[id(node)][1] if node is not None and id(node) in self.nodes else None


def finished(settled: Settled) -> Topology:
    """Return the topology of what is settled."""
    drafts = settled.clusters.items()
    cluster_keys = keys_of_clusters((uid, draft.fields["type"], draft.fields.get("name")) for uid, draft in drafts)
    node_keys = _node_keys(settled)
    clusters = _clusters(settled, cluster_keys)
    return versioned(
        Topology(
            clusters=clusters,
            nodes=_nodes(settled, cluster_keys, node_keys),
            pods=_pods(settled, cluster_keys, node_keys),
            controllers=controllers_of(clusters.values()),
            **settled.system.fields,
        )
    )


def keys_of_clusters(clusters: Iterable[tuple[str, str, str | None]]) -> dict[str, str]:
    """Return the key by uid of clusters that are told by uid, type and name.

    The key is the name, or the uid where a cluster has none or another has that name.
    """
    # A cluster that only a label names gives way, and one that has another key to fall back on.
    in_order = sorted(clusters, key=lambda cluster: (not cluster[1], cluster[2] is not None, cluster[0]))
    taken: set[str] = set()
    return {uid: _unique([uid if name is None else name, uid], taken) for uid, _type, name in in_order}


def controllers_of(clusters: Iterable[Cluster]) -> tuple[str, ...]:
    """Return the controllers that any of the clusters names."""
    return tuple(sorted({name for cluster in clusters for name in cluster.controllers}))


def _node_keys(settled: Settled) -> dict[int, str]:
    """Return each node's key by its draft: its name, or its machine id where another of the cluster has that name."""
    by_cluster: dict[str, set[str]] = {uid: set() for uid in settled.clusters}
    keys: dict[int, str] = {}
    in_order = sorted(settled.nodes.items(), key=_machine_id_first)
    for identity, (node, home) in in_order:
        fields = node.fields
        names = [fields.get(name) for name in ("name", "label", "host_id")]
        keys[identity] = _unique(
            [name for name in names if name] or [node.label("icos_host_name")], by_cluster[home.uid]
        )
    return keys


def _machine_id_first(entry: tuple[int, tuple[Draft, Home]]) -> tuple[bool, str]:
    host_id = entry[1][0].fields.get("host_id", "")
    return (not host_id, host_id)


def _unique(candidates: list[str], taken: set[str]) -> str:
    """Return the first candidate that is not taken, numbered if all are, and take it."""
    numbered = (f"{candidates[-1]}/{number}" for number in itertools.count(2))
    key = next(candidate for candidate in itertools.chain(candidates, numbered) if candidate not in taken)
    taken.add(key)
    return key


def _clusters(settled: Settled, keys: dict[str, str]) -> dict[str, Cluster]:
    made = {}
    last_seen = _last_seen(settled)
    for uid, draft in sorted(settled.clusters.items(), key=lambda item: keys[item[0]]):
        made[keys[uid]] = Cluster(
            key=keys[uid],
            uid=uid,
            cluster_id=draft.label("icos_cluster_id") or None,
            agent_id=draft.label("icos_agent_id") or None,
            controllers=_controllers(draft),
            last_seen_seconds=last_seen.get(uid),
            **draft.fields,
        )
    return made


def _last_seen(settled: Settled) -> dict[str, float]:
    """Return when each cluster was seen last, by its uid, where its nodes tell."""
    latest: dict[str, float] = {}
    for node, home in settled.nodes.values():
        seconds = node.fields.get("last_seen_seconds")
        if seconds is not None:
            latest[home.uid] = max(seconds, latest.get(home.uid, seconds))
    return latest


def _nodes(settled: Settled, cluster_keys: dict[str, str], node_keys: dict[int, str]) -> dict[tuple[str, str], Node]:
    made = [
        Node(
            cluster=cluster_keys[home.uid],
            key=node_keys[identity],
            id=f"{home.uid}/{node.fields.get('host_id') or node_keys[identity]}",
            type=home.type,
            **_parts(node),
            **node.fields,
        )
        for identity, (node, home) in settled.nodes.items()
    ]
    made.sort(key=lambda node: (node.cluster, node.key))
    return {(node.cluster, node.key): node for node in made}


def _pods(settled: Settled, cluster_keys: dict[str, str], node_keys: dict[int, str]) -> dict[tuple[str, str], Pod]:
    """Return the pods; of several of one name in a cluster, the first by namespace keeps the plain key.

    Docker containers have no namespace: theirs is told apart by its id.
    """
    made: dict[tuple[str, str], Pod] = {}
    for key, (pod, home, node) in zip(_pod_keys(settled), settled.pods, strict=True):
        cluster = cluster_keys[home.uid]
        made[cluster, key] = Pod(
            cluster=cluster,
            key=key,
            id=pod.fields.get("uid") or "/".join((home.uid, *_pod_identity(pod)[:2])),
            node=node_keys.get(id(node)) if node is not None else None,
            **_parts(pod),
            **pod.fields,
        )
    return {identity: made[identity] for identity in sorted(made)}


def _pod_keys(settled: Settled) -> list[str]:
    """Return each pod's key, in the order of the pods."""
    names = [(home.uid, pod.fields.get("name", "")) for pod, home, _ in settled.pods]
    shared = {name for name, count in Counter(names).items() if count > 1}
    keys = [name for _, name in names]
    taken = {uid: {name for of, name in names if of == uid} for uid in {uid for uid, _ in shared}}
    seen: set[tuple[str, str]] = set()
    several = [at for at, name in enumerate(names) if name in shared]
    for at in sorted(several, key=lambda at: _pod_identity(settled.pods[at][0])):
        if names[at] in seen:
            namespace, name, uid = _pod_identity(settled.pods[at][0])
            keys[at] = _unique([f"{namespace or uid}/{name}"], taken[names[at][0]])
        seen.add(names[at])
    return keys


def _pod_identity(pod: Draft) -> tuple[str, str, str]:
    fields = pod.fields
    return (fields.get("namespace", ""), fields.get("name", ""), fields.get("uid", ""))


def _parts(owner: Draft) -> dict[str, Any]:
    return {field: _made_parts(_PARTS[field], named) for field, named in owner.parts.items()}


def _made_parts(become: type[Any], named: dict[str, Fields]) -> dict[str, Any]:
    # The first field of every part is its name.
    return {name: become(name, **named[name]) for name in (sorted(named) if len(named) > 1 else named)}


def _controllers(cluster: Draft) -> tuple[str, ...]:
    named = {getattr(metric, "icos_controller_id", "") for metric in cluster.metrics}
    return tuple(sorted(named.difference(("", CONTROLLER))))
