"""From settled drafts to the frozen topology: keys that clients see, made unique, and everything in their order."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aggregator.models.draft import Draft, Register
from aggregator.models.membership import CONTROLLER, Home
from aggregator.models.row import BECOMES, FILLED_BY_THE_BUILDER, Owner, Part
from aggregator.models.table import EMPTY, Table
from aggregator.models.topology import Cluster, Node, Pod, Topology
from aggregator.models.version import versioned

PARTS_OF_NODES = (Part.INTERFACE, Part.DEVICE, Part.FILESYSTEM)
PARTS_OF_PODS = (Part.CONTAINER, Part.WORKLOAD)
# What rows tell of a pod itself.
FIELDS_OF_PODS = tuple(set(Pod.__struct_fields__) - FILLED_BY_THE_BUILDER[Owner.POD])


class Keys:
    """Keys that are taken, each by one thing."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)
        # The next number behind each name: a million of one name would else look at all numbers before theirs.
        self._next: dict[str, int] = {}

    def unique(self, candidates: list[str]) -> str:
        """Return the first candidate that is not taken, the last one numbered if all are, and take it."""
        key = next((candidate for candidate in candidates if candidate not in self._taken), None)
        if key is None:
            key = self._numbered(candidates[-1])
        self._taken.add(key)
        return key

    def _numbered(self, name: str) -> str:
        number = self._next.get(name, 2)
        while (key := f"{name}/{number}") in self._taken:
            number += 1
        self._next[name] = number + 1
        return key


@dataclass
class Settled:
    """Drafts that have found their cluster: nodes by the number of their draft, pods with their node where known."""

    clusters: dict[str, Draft] = field(default_factory=dict)
    nodes: dict[int, tuple[Draft, Home]] = field(default_factory=dict)
    pods: list[tuple[Draft, Home, Draft | None]] = field(default_factory=list)

    def home_of(self, node: Draft | None) -> Home | None:
        """Return the cluster of a node, None for a node that has none."""
        return self.nodes[node.number][1] if node is not None and node.number in self.nodes else None


def finished(settled: Settled, registers: Mapping[Owner, Register]) -> Topology:
    """Return the topology of what is settled; what registers hold beyond that is in no cluster."""
    drafts = settled.clusters.items()
    cluster_keys = keys_of_clusters((uid, draft.value("type"), draft.value("name")) for uid, draft in drafts)
    node_keys = _node_keys(settled)
    systems = registers[Owner.SYSTEM].by_number
    clusters = _clusters(settled, cluster_keys)
    return versioned(
        Topology(
            clusters=clusters,
            nodes=_nodes(settled, registers[Owner.NODE], cluster_keys, node_keys),
            pods=_pods(settled, registers[Owner.POD], cluster_keys, node_keys),
            controllers=controllers_of(clusters.values()),
            **(systems[0].fields if systems else {}),
        )
    )


def keys_of_clusters(clusters: Iterable[tuple[str, str, str | None]]) -> dict[str, str]:
    """Return the key by uid of clusters that are told by uid, type and name.

    The key is the name, or the uid where a cluster has none or another has that name.
    """
    # A cluster that only a label names gives way, and one that has another key to fall back on.
    in_order = sorted(clusters, key=lambda cluster: (not cluster[1], cluster[2] is not None, cluster[0]))
    keys = Keys()
    return {uid: keys.unique([uid if name is None else name, uid]) for uid, _type, name in in_order}


def controllers_of(clusters: Iterable[Cluster]) -> tuple[str, ...]:
    """Return the controllers that any of the clusters names."""
    return tuple(sorted({name for cluster in clusters for name in cluster.controllers}))


def _node_keys(settled: Settled) -> dict[int, str]:
    """Return each node's key by its number: its name, or its machine id where another of the cluster has that name."""
    by_cluster = {uid: Keys() for uid in settled.clusters}
    keys: dict[int, str] = {}
    in_order = sorted(settled.nodes.items(), key=_machine_id_first)
    for number, (node, home) in in_order:
        names = [node.value(field) for field in ("name", "label", "host_id")]
        candidates = [name for name in names if name] or [node.label("icos_host_name")]
        keys[number] = by_cluster[home.uid].unique(candidates)
    return keys


def _machine_id_first(entry: tuple[int, tuple[Draft, Home]]) -> tuple[bool, str]:
    host_id = entry[1][0].value("host_id") or ""
    return (not host_id, host_id)


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
        seconds = node.value("last_seen_seconds")
        if seconds is not None:
            latest[home.uid] = max(seconds, latest.get(home.uid, seconds))
    return latest


def _nodes(
    settled: Settled, register: Register, cluster_keys: dict[str, str], node_keys: dict[int, str]
) -> dict[tuple[str, str], Node]:
    parts = {part.value: register.parts_of(part).made(BECOMES[part]) for part in PARTS_OF_NODES}
    made = []
    for number, (node, home) in settled.nodes.items():
        fields = node.fields
        own_parts: dict[str, Any] = {field: those[number] for field, those in parts.items() if number in those}
        made.append(
            Node(
                cluster=cluster_keys[home.uid],
                key=node_keys[number],
                id=f"{home.uid}/{fields.get('host_id') or node_keys[number]}",
                type=home.type,
                **own_parts,
                **fields,
            )
        )
    made.sort(key=lambda node: (node.cluster, node.key))
    return {(node.cluster, node.key): node for node in made}


def _pods(
    settled: Settled, register: Register, cluster_keys: dict[str, str], node_keys: dict[int, str]
) -> dict[tuple[str, str], Pod]:
    """Return the pods; of several of one name in a cluster, the first by namespace keeps the plain key.

    Docker containers have no namespace: theirs is told apart by its id.
    """
    containers, workloads = (register.parts_of(part).made(BECOMES[part]).get for part in PARTS_OF_PODS)
    columns = {field: register.table.values(Pod, field) for field in FIELDS_OF_PODS}
    made: dict[str, dict[str, Pod]] = {cluster: {} for cluster in cluster_keys.values()}
    for key, (pod, home, node) in zip(_pod_keys(settled, register.table), settled.pods, strict=True):
        number = pod.number
        cluster = cluster_keys[home.uid]
        own = {field: column[number] for field, column in columns.items()}
        made[cluster][key] = Pod(
            cluster=cluster,
            key=key,
            id=own["uid"] or "/".join((home.uid, own["namespace"], own["name"])),
            node=node_keys.get(node.number) if node is not None else None,
            containers=containers(number, EMPTY),
            workloads=workloads(number, EMPTY),
            **own,
        )
    return {(cluster, key): made[cluster][key] for cluster in sorted(made) for key in sorted(made[cluster])}


def _pod_keys(settled: Settled, table: Table) -> list[str]:
    """Return each pod's key, in the order of the pods."""
    called = table.values(Pod, "name")
    names = [(home.uid, called[pod.number]) for pod, home, _ in settled.pods]
    shared = {name for name, count in Counter(names).items() if count > 1}
    keys = [name for _, name in names]
    named: dict[str, list[str]] = {uid: [] for uid, _ in shared}
    for uid, name in names if shared else ():
        if uid in named:
            named[uid].append(name)
    taken = {uid: Keys(those) for uid, those in named.items()}
    seen: set[tuple[str, str]] = set()
    several = [at for at, name in enumerate(names) if name in shared]
    for at in sorted(several, key=lambda at: _pod_identity(settled.pods[at][0])):
        if names[at] in seen:
            namespace, name, uid = _pod_identity(settled.pods[at][0])
            keys[at] = taken[names[at][0]].unique([f"{namespace or uid}/{name}"])
        seen.add(names[at])
    return keys


def _pod_identity(pod: Draft) -> tuple[str, str, str]:
    return (pod.value("namespace") or "", pod.value("name") or "", pod.value("uid") or "")


def _controllers(cluster: Draft) -> tuple[str, ...]:
    named = {getattr(metric, "icos_controller_id", "") for metric in cluster.metrics}
    return tuple(sorted(named.difference(("", CONTROLLER))))
