"""From answers to a topology: pure, in named stages. What finds no place is counted, never lost in silence."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aggregator.models.draft import Draft, Register, reader
from aggregator.models.finish import Settled, finished
from aggregator.models.machines import same_hosts
from aggregator.models.membership import Home, Membership, is_controllers
from aggregator.models.place import place
from aggregator.models.recall import Recall
from aggregator.models.row import Owner, Row, match
from aggregator.models.tally import Tally
from aggregator.models.topology import Topology
from aggregator.portions import let_go
from aggregator.querier.decode import Labels, Sample

Answers = Mapping[str, list[Sample]]

DEFAULT_CLUSTER = "default"

# Why an object that samples identify has no place.
NO_CLUSTER = "belongs to no known cluster"
CLUSTER_WITHOUT_NODE = "its cluster has no node"
NO_NODE = "no node belongs to its cluster"
OBJECTS_WITHOUT_PLACE = frozenset({NO_CLUSTER, CLUSTER_WITHOUT_NODE, NO_NODE})

# How a pod's series name the node that it runs on, the surest way first.
FIND_NODE_OF_POD = (
    match("k8s_cluster_uid", "icos_host_name"),
    match("icos_host_id"),
    match("icos_host_name"),
    match("k8s_cluster_uid", "node=nodename"),
    match("k8s_cluster_uid", "node=hostname"),
)
PLACE_LABELS_OF_POD = ("cluster", *dict.fromkeys(label for way in FIND_NODE_OF_POD for label in way.labels))


@dataclass(frozen=True)
class Stage:
    """The rows about one kind of owner: those that make them, or those that tell more of them."""

    owner: Owner
    makes: bool

    def rows(self, rows: Iterable[Row]) -> list[Row]:
        """Return the stage's rows of a table, in its order."""
        return [row for row in rows if row.whose.owner is self.owner and bool(row.whose.makes) is self.makes]


SYSTEM = Stage(Owner.SYSTEM, makes=True)
ORCHESTRATORS = Stage(Owner.ORCHESTRATOR, makes=True)
NODES = Stage(Owner.NODE, makes=True)
CLUSTERS = Stage(Owner.CLUSTER, makes=False)
PODS = Stage(Owner.POD, makes=True)
OF_PODS = Stage(Owner.POD, makes=False)
OF_NODES = Stage(Owner.NODE, makes=False)
# As `build` goes through them: pods, of which there are most, before what nodes measure.
STAGES = (SYSTEM, ORCHESTRATORS, NODES, CLUSTERS, PODS, OF_PODS, OF_NODES)


def build(
    answers: Answers, rows: tuple[Row, ...], default_cluster: str = DEFAULT_CLUSTER, recall: Recall | None = None
) -> tuple[Topology, Tally]:
    """Return the topology that the answers show, and what became of their samples.

    `answers` maps names of rows to samples; a row without an entry had no answer, and its fields stay None.
    `default_cluster` names the cluster of hosts whose series have a `node` label but none that tells their cluster.
    `recall` is what the build before has found out, and learns from this one; the result is the same without it.
    """
    site = _Site(answers, rows, recall or Recall())
    site.recall.begin(site.registers)
    site.see(SYSTEM)
    site.see(ORCHESTRATORS)
    membership = Membership(site.drafts(Owner.ORCHESTRATOR), default_cluster)
    site.see_nodes()
    membership.learn(site.drafts(Owner.NODE))
    site.settle_nodes(membership)
    site.see(CLUSTERS)
    site.see(PODS)
    site.settle_pods(membership)
    site.see(OF_PODS)
    site.see(OF_NODES)
    site.count_empty_clusters(membership)
    topology = finished(site.settled, site.registers)
    site.recall.end()
    site.let_go()
    return topology, site.tally


def reading_order(rows: Iterable[Row]) -> list[Row]:
    """Return the rows in the order in which `build` reads their answers: asked so, each is there when it is needed."""
    known = list(rows)
    return [row for stage in STAGES for row in stage.rows(known)]


class _ClusterLabels(Labels, frozen=True, gc=False):
    """What a cluster can be found by before its nodes are known."""

    uid: str


@dataclass
class _Site:
    """Where a topology is being built: the answers, the drafts so far, and what was left out."""

    answers: Answers
    rows: tuple[Row, ...]
    recall: Recall
    tally: Tally = field(default_factory=Tally)
    registers: dict[Owner, Register] = field(default_factory=lambda: {owner: Register() for owner in Owner})
    settled: Settled = field(default_factory=Settled)

    def drafts(self, owner: Owner) -> Iterable[Draft]:
        return self.registers[owner].drafts.values()

    def see(self, stage: Stage) -> None:
        """Place the samples of a stage's rows."""
        for row in stage.rows(self.rows):
            self._place(row, self._samples(row))

    def see_nodes(self) -> None:
        """Place the samples that make nodes, all of which together tell which are of one host."""
        told = [(row, self._samples(row)) for row in NODES.rows(self.rows)]
        self.registers[Owner.NODE].same = same_hosts(sample.metric for _, samples in told for sample in samples)
        for row, samples in told:
            self._place(row, samples)

    def _samples(self, row: Row) -> list[Sample]:
        return [*self.answers.get(row.name, [])]

    def _place(self, row: Row, samples: list[Sample]) -> None:
        place(row, samples, self.registers[row.whose.owner], self.tally, self.recall)
        let_go(samples)

    def settle_nodes(self, membership: Membership) -> None:
        """Give each node its cluster; the clusters are those that have a node."""
        for node in self.drafts(Owner.NODE):
            home = None if is_controllers(node) else membership.home(node)
            if home is None:
                self._count_homeless(node, "nodes", membership)
            else:
                cluster = self._cluster(home)
                cluster.metrics.extend(node.metrics)
                self.settled.nodes[node.number] = (node, home)

    def settle_pods(self, membership: Membership) -> None:
        """Give each pod its cluster, and its node where its labels name one of that cluster."""
        # Pods of one node have the same labels for it and its cluster: each set is looked up once.
        places: dict[tuple[str, ...], tuple[Draft | None, Home | None]] = {}
        readers: dict[type, Callable[[Any], tuple[str, ...]]] = {}
        for pod in self.drafts(Owner.POD):
            metric = pod.metrics[0]
            kind = metric.__class__
            if kind not in readers:
                readers[kind] = reader(kind, PLACE_LABELS_OF_POD)
            labels = readers[kind](metric)
            if labels not in places:
                places[labels] = self._place_of(pod, membership)
            node, home = places[labels]
            if home is not None:
                self.settled.pods.append((pod, home, node))
            else:
                self._count_homeless(pod, "pods", membership)

    def _place_of(self, pod: Draft, membership: Membership) -> tuple[Draft | None, Home | None]:
        """Return the node and the cluster of a pod; a node of another cluster is not its node."""
        node = self._node_of(pod.metrics[0])
        home = membership.home(pod) or self.settled.home_of(node)
        if home is None or home.uid not in self.settled.clusters or is_controllers(pod):
            return None, None
        return (node if self.settled.home_of(node) == home else None), home

    def let_go(self) -> None:
        """Free what is not in the topology: all at once it would hold the interpreter for 30 ms."""
        let_go(self.settled.pods)
        for register in self.registers.values():
            register.let_go()

    def count_empty_clusters(self, membership: Membership) -> None:
        empty = {home.uid for home in membership.homes} - self.settled.clusters.keys()
        if empty:
            self.tally.unplaced["orchestrators", NO_NODE] += len(empty)

    def _count_homeless(self, member: Draft, kind: str, membership: Membership) -> None:
        if is_controllers(member):
            self.tally.skipped[kind] += 1
        elif membership.home(member):
            self.tally.unplaced[kind, CLUSTER_WITHOUT_NODE] += 1
        else:
            self.tally.unplaced[kind, NO_CLUSTER] += 1

    def _cluster(self, home: Home) -> Draft:
        known = self.settled.clusters.get(home.uid)
        if known is None:
            register = self.registers[Owner.CLUSTER]
            known = register.identified(_ClusterLabels(home.uid), (("uid",),)) or register.new()
            self.settled.clusters[home.uid] = known
        types = known.table.column("type")
        types[known.number] = types[known.number] or home.type
        return known

    def _node_of(self, metric: Any) -> Draft | None:
        nodes = self.registers[Owner.NODE]
        for way in FIND_NODE_OF_POD:
            found = nodes.index(way.known_by).get(reader(metric.__class__, way.labels)(metric), ())
            if len(found) == 1:
                return nodes.by_number[found[0]]
        return None
