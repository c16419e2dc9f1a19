"""What vanished between two refreshes, all at once: it may be gone, or nobody may be asking for it any more.

Thanos forgets a store some seconds after it died and answers without it from then on, without a word. Only that so
much is gone at once tells; so it is told, for a while.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from aggregator.models.topology import Node, Topology
from aggregator.snapshot import Gap, GapKind

# At least such a share of all nodes has to vanish at once to be told; a cluster is always told.
NOTED_SHARE = 0.1
NAMES_TOLD = 5

# A cluster's uid, and a node's machine id or, without one, its key: what stays the same while names change.
NodeId = tuple[str, str]


@dataclass(frozen=True)
class _Member:
    """A node as it was last seen: its name, and the uid of the cluster that it was in."""

    name: str
    cluster: str


@dataclass(frozen=True)
class _Scene:
    """Who was there at one refresh: clusters by uid with their names, nodes, and how many of those each cluster had."""

    clusters: Mapping[str, str | None]
    nodes: Mapping[NodeId, _Member]
    sizes: Mapping[str, int]


@dataclass(frozen=True)
class _Absence:
    """Since when something is not there, how many nodes its cluster had, and the cluster's uid and name then."""

    since: float
    of: int
    cluster: str
    name: str | None

    @property
    def called(self) -> str:
        """What the cluster is called, whatever others are: its name, or its uid if it has none."""
        return self.name or self.cluster


class Lookout:
    """Compares each topology with the one before; the first after a start has nothing to be compared with."""

    def __init__(self, notice_seconds: float) -> None:
        self._notice_seconds = notice_seconds
        self._before = _Scene({}, {}, {})
        self._clusters: dict[str, _Absence] = {}
        self._nodes: dict[NodeId, tuple[_Member, _Absence]] = {}

    def look(self, topology: Topology, now: float) -> list[Gap]:
        """Return what vanished a short while ago and is not back; `now` is on the monotonic clock."""
        if not self._notice_seconds:
            return []
        scene = _scene(topology)
        self._forget(scene, now)
        self._note(scene, now)
        self._before = scene
        return [*self._cluster_gaps(now), *self._node_gaps(scene, now)]

    def _forget(self, scene: _Scene, now: float) -> None:
        """Drop what is back and what has been told for long enough."""

        def is_told(absence: _Absence) -> bool:
            return now - absence.since < self._notice_seconds

        self._clusters = {
            uid: absence for uid, absence in self._clusters.items() if uid not in scene.clusters and is_told(absence)
        }
        self._nodes = {
            identity: (member, absence)
            for identity, (member, absence) in self._nodes.items()
            if identity not in scene.nodes and is_told(absence)
        }

    def _note(self, scene: _Scene, now: float) -> None:
        """Remember what was there before and is not now, where that is a cluster or many nodes."""
        before = self._before
        for uid in before.clusters.keys() - scene.clusters.keys():
            self._clusters[uid] = _Absence(now, before.sizes.get(uid, 0), uid, before.clusters[uid])
        gone = before.nodes.keys() - scene.nodes.keys()
        are_many = len(gone) >= NOTED_SHARE * len(before.nodes)
        for identity in gone:
            if are_many or identity[0] not in scene.clusters:
                member = before.nodes[identity]
                absence = _Absence(now, before.sizes[identity[0]], member.cluster, before.clusters[member.cluster])
                self._nodes[identity] = (member, absence)

    def _cluster_gaps(self, now: float) -> Iterator[Gap]:
        for absence in sorted(self._clusters.values(), key=lambda absence: absence.called):
            nodes = "1 node" if absence.of == 1 else f"{absence.of} nodes"
            text = f"cluster {absence.called} with {nodes}, {now - absence.since:.0f} s ago"
            yield Gap(GapKind.VANISHED, "clusters", text, cluster=absence.cluster, cluster_name=absence.name)

    def _node_gaps(self, scene: _Scene, now: float) -> Iterator[Gap]:
        """Yield one gap for each cluster that lacks nodes and each time at which they vanished.

        Those of a cluster that vanished whole are told with it, and by themselves only if it is back without them.
        """
        together: dict[_Absence, list[str]] = {}
        for (uid, _), (member, absence) in self._nodes.items():
            if uid in scene.clusters:
                together.setdefault(absence, []).append(member.name)
        for absence, names in sorted(together.items(), key=lambda entry: (entry[0].called, entry[0].since)):
            what = f"{len(names)} of {absence.of} nodes of cluster {absence.called}"
            text = f"{what}, {now - absence.since:.0f} s ago: {_listed(names)}"
            yield Gap(GapKind.VANISHED, "nodes", text, cluster=absence.cluster, cluster_name=absence.name)


def _scene(topology: Topology) -> _Scene:
    uids = {key: cluster.uid for key, cluster in topology.clusters.items()}
    nodes = {
        (uids[node.cluster], _identity(node)): _Member(node.key, uids[node.cluster]) for node in topology.nodes.values()
    }
    names = {cluster.uid: cluster.name for cluster in topology.clusters.values()}
    return _Scene(names, nodes, Counter(uid for uid, _ in nodes))


def _identity(node: Node) -> str:
    return node.host_id or node.key


def _listed(names: Iterable[str]) -> str:
    ordered = sorted(names)
    more = len(ordered) - NAMES_TOLD
    return ", ".join(ordered[:NAMES_TOLD]) + (f" and {more} more" if more > 0 else "")
