"""Builds a topology from samples, in named stages. The result depends only on the samples. Omitted data is counted."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from aggregator.models.builder.alerts import select_alerts
from aggregator.models.builder.clamp import clamp_values
from aggregator.models.builder.entities import (
    ClusterIdentity,
    DraftEntity,
    EntityRegistry,
    Labels,
    create_label_getter,
)
from aggregator.models.builder.finalize import Placement, finalize_topology
from aggregator.models.builder.matching import EntityCache, EntityFinder, SampleAssigner
from aggregator.models.builder.membership import (
    MEMBER_LABELS,
    SCOPE_LABELS,
    ClusterMembership,
    belongs_to_controller,
    find_host_aliases,
)
from aggregator.models.builder.merge import (
    SUPERSEDED_REASON,
    BuildStats,
    Contradiction,
    is_superseded,
    parse_seconds,
)
from aggregator.models.builder.relabel import Relabeler
from aggregator.models.catalog.row import DEFAULT_CLUSTER_LABELS, EntityKind, ExporterKind, Row, match_labels
from aggregator.models.sample import Sample, SampleLabels, SampleReader
from aggregator.models.topology import Topology
from aggregator.util.runtime import clear_in_chunks

DEFAULT_CLUSTER = "default"

# Why an object is not part of the topology.
UNKNOWN_CLUSTER_REASON = "belongs to no known cluster"

NO_NODES_REASON = "the cluster has no nodes"

UNPLACED_OBJECT_REASONS = frozenset({UNKNOWN_CLUSTER_REASON, NO_NODES_REASON})

# How a pod's series name the node that it runs on, the most reliable match first.
POD_NODE_MATCHES = (
    match_labels("k8s_cluster_uid", "icos_host_name"),
    match_labels("icos_host_id"),
    match_labels("icos_host_name"),
    match_labels("k8s_cluster_uid", "node"),
    match_labels("k8s_cluster_uid", "node=nodename"),
    match_labels("k8s_cluster_uid", "node=hostname"),
    match_labels("icos_agent_id", "host_name=nodename"),
    match_labels("icos_agent_id", "host_name=hostname"),
)

UID_LABEL = "uid"
# The labels that identify a pod: of several with the same values, the newest one exists.
_POD_NAME_LABELS = ("cluster", "k8s_cluster_uid", "namespace", "pod")

_POD_PLACEMENT_LABELS = (*MEMBER_LABELS, "icos_host_id", "icos_agent_id", "host_name")


@dataclass(frozen=True)
class BuildStage:
    """The rows about one kind of entity: those that create entities, or those that add values to them."""

    entity_kind: EntityKind
    creates_entities: bool

    def select_rows(self, rows: Iterable[Row]) -> list[Row]:
        """Return those of `rows` that belong to the stage, in the same order."""
        return [
            row
            for row in rows
            if row.entity_selector.kind is self.entity_kind
            and bool(row.entity_selector.identities) is self.creates_entities
        ]


SYSTEM_STAGE = BuildStage(EntityKind.SYSTEM, creates_entities=True)

ORCHESTRATOR_STAGE = BuildStage(EntityKind.ORCHESTRATOR, creates_entities=True)

NODE_STAGE = BuildStage(EntityKind.NODE, creates_entities=True)

CLUSTER_STAGE = BuildStage(EntityKind.CLUSTER, creates_entities=False)

POD_STAGE = BuildStage(EntityKind.POD, creates_entities=True)

POD_DATA_STAGE = BuildStage(EntityKind.POD, creates_entities=False)

NODE_DATA_STAGE = BuildStage(EntityKind.NODE, creates_entities=False)

# In the order of the build. Pods, the most numerous objects, come before the values of nodes.
BUILD_STAGES = (SYSTEM_STAGE, ORCHESTRATOR_STAGE, NODE_STAGE, POD_STAGE, CLUSTER_STAGE, POD_DATA_STAGE, NODE_DATA_STAGE)


def build_topology(
    read_samples: SampleReader,
    rows: tuple[Row, ...],
    default_cluster: str = DEFAULT_CLUSTER,
    entity_cache: EntityCache | None = None,
    cluster_labels: Sequence[str] = DEFAULT_CLUSTER_LABELS,
) -> tuple[Topology, BuildStats]:
    """Return the topology that the samples describe, and how many samples of each row were placed or omitted.

    A row without samples leaves its fields None. `default_cluster` is the cluster of hosts and pods whose series have
    no label that names a cluster. `cluster_labels` name a cluster in telemetry without ICOS labels, the most
    reliable first. `entity_cache` stores the entities of the previous build; the result is the same without it.
    """
    builder = _TopologyBuilder(read_samples, rows, default_cluster, cluster_labels, entity_cache or EntityCache())
    builder.create_system()
    builder.create_orchestrators()
    builder.read_identities()
    builder.create_nodes()
    builder.place_nodes()
    builder.assign_stage(CLUSTER_STAGE)
    builder.create_pods()
    builder.place_pods()
    builder.assign_stage(POD_DATA_STAGE)
    builder.assign_stage(NODE_DATA_STAGE)
    clamp_values(builder.registries, builder.stats)
    builder.count_empty_clusters()
    builder.describe_contradictions()
    topology = finalize_topology(builder.placement, builder.registries)
    builder.entity_cache.finish_build()
    builder.release_memory()
    return topology, builder.stats


def sort_rows_by_stage(rows: Iterable[Row]) -> list[Row]:
    """Return the rows in the order in which the build reads them, so that the first ones can be queried first."""
    known_rows = list(rows)
    return [row for stage in BUILD_STAGES for row in stage.select_rows(known_rows)]


# The node and the cluster of a pod.
_PodPlacement = tuple[DraftEntity | None, ClusterIdentity | None]


class _ClusterLabels(SampleLabels, frozen=True, gc=False):
    """The label set that creates a cluster: its UID. The label sets of its nodes are added later."""

    uid: str


@dataclass
class _TopologyBuilder:
    """A topology under construction: the samples, the objects so far, and the counts of omitted data."""

    read_samples: SampleReader
    rows: tuple[Row, ...]
    default_cluster: str
    cluster_labels: Sequence[str]
    entity_cache: EntityCache
    stats: BuildStats = field(default_factory=BuildStats)
    registries: dict[EntityKind, EntityRegistry] = field(
        default_factory=lambda: {kind: EntityRegistry() for kind in EntityKind}
    )
    placement: Placement = field(default_factory=Placement)

    def __post_init__(self) -> None:
        self._assigner = SampleAssigner(self.registries, self.stats, self.entity_cache)
        self._relabeler = Relabeler(self.cluster_labels, self.default_cluster, self.stats)
        # The samples of the rows that create nodes and pods, by the name of the row.
        self._identity_samples: dict[str, list[Sample]] = {}
        self._superseded_uids: set[str] = set()
        # Pods of one node have the same labels for it and its cluster: each set is looked up once.
        self._pod_placements: dict[Labels, _PodPlacement] = {}

    def create_system(self) -> None:
        self._create_entities(SYSTEM_STAGE, _get_empty_scope)

    def create_orchestrators(self) -> None:
        self._create_entities(ORCHESTRATOR_STAGE, _get_empty_scope)
        self.membership = ClusterMembership(self._list_entities(EntityKind.ORCHESTRATOR), self.default_cluster)
        self._assigner.finders = {
            kind: EntityFinder(registry, self.membership) for kind, registry in self.registries.items()
        }

    def read_identities(self) -> None:
        """Read the rows that create nodes and pods: which host a scrape target runs on depends on all of them."""
        identity_rows = [*NODE_STAGE.select_rows(self.rows), *POD_STAGE.select_rows(self.rows)]
        samples_by_row = [(row, self.read_samples(row.name)) for row in identity_rows]
        self._relabeler.learn(samples_by_row)
        for row, samples in samples_by_row:
            relabeled = self._relabeler.relabel(row, samples)
            if row.entity_selector.kind is EntityKind.POD and UID_LABEL in (row.expression.labels or ()):
                self._superseded_uids |= find_superseded_uids(relabeled)
            self._identity_samples[row.name] = relabeled

    def create_nodes(self) -> None:
        """Create nodes. Host aliases need the series of all rows that create nodes."""
        samples_by_row = list(self._read_rows(NODE_STAGE, releases_memory=False))
        label_sets = [sample.labels for _, samples in samples_by_row for sample in samples]
        for label_set in label_sets:
            uid, host_name, _ = _get_scope_values(label_set)
            self.membership.learn_nuvla_cluster_uid(uid, host_name)
        self.registries[EntityKind.NODE].aliases = find_host_aliases(label_sets, self.membership)
        for row, samples in samples_by_row:
            self._assigner.create_entities(
                row, samples, lambda label_set: self.membership.find_scope(_get_scope_values(label_set))
            )
            clear_in_chunks(samples)

    def place_nodes(self) -> None:
        """Assign each node to its cluster. Only clusters with a node become part of the topology."""
        nodes = {node: _get_member_labels(node) for node in self._list_entities(EntityKind.NODE)}
        for uid, host_name, *_ in nodes.values():
            self.membership.learn_nuvla_cluster_uid(uid, host_name)
        for node, labels in nodes.items():
            cluster = self.membership.find_cluster(labels)
            if belongs_to_controller(node):
                self.stats.skipped["nodes"] += 1
            elif cluster is None:
                self.stats.unplaced["nodes", UNKNOWN_CLUSTER_REASON] += 1
            else:
                node.place(cluster)
                self.membership.learn_default_cluster(cluster)
                self._get_or_create_cluster(cluster).label_sets.extend(node.label_sets)
                if agent_id := self.membership.find_agent_id(cluster, node.get_value("name")):
                    node.table.ensure_column("agent_id")[node.index] = agent_id
                self.placement.nodes.append(node)

    def create_pods(self) -> None:
        self._create_entities(POD_STAGE, self._find_pod_scope)

    def place_pods(self) -> None:
        """Assign each pod to its cluster, and to its node if its labels name one of that cluster."""
        for pod in self._list_entities(EntityKind.POD):
            node, cluster = self._find_pod_placement(pod.label_sets[0])
            if belongs_to_controller(pod):
                self.stats.skipped["pods"] += 1
            elif cluster is None:
                self.stats.unplaced["pods", UNKNOWN_CLUSTER_REASON] += 1
            elif cluster.uid not in self.placement.clusters:
                self.stats.unplaced["pods", NO_NODES_REASON] += 1
            else:
                pod.place(cluster)
                self.placement.pods.append((pod, node if node is not None and node.cluster == cluster else None))
        self.entity_cache.start_build(self.registries, self.membership.cache_key)

    def assign_stage(self, stage: BuildStage) -> None:
        """Assign the samples of a stage's rows to existing objects."""
        for row, samples in self._read_rows(stage):
            self._assigner.assign_samples(row, samples)

    def count_empty_clusters(self) -> None:
        empty = {cluster.uid for cluster in self.membership.announced_clusters} - self.placement.clusters.keys()
        if empty:
            self.stats.unplaced["orchestrators", NO_NODES_REASON] += len(empty)

    def describe_contradictions(self) -> None:
        """Name the objects with several values of an identifying field."""
        for (row, field_name, index), values in self.stats.contradicting_values.items():
            entity = self.registries[row.entity_selector.kind].by_index[index]
            if entity.cluster is not None:
                self.stats.contradictions.append(
                    Contradiction(row.name, field_name, entity.cluster.uid, entity.identity_name, tuple(sorted(values)))
                )

    def release_memory(self) -> None:
        """Free, in chunks, what is not in the topology. In one step this would hold the GIL for 30 ms."""
        clear_in_chunks(self.placement.pods)
        for registry in self.registries.values():
            registry.release_memory()

    def _list_entities(self, kind: EntityKind) -> Iterable[DraftEntity]:
        return self.registries[kind].entities.values()

    def _create_entities(self, stage: BuildStage, find_scope: Callable[[Any], str]) -> None:
        for row, samples in self._read_rows(stage):
            self._assigner.create_entities(row, samples, find_scope)

    def _read_rows(self, stage: BuildStage, *, releases_memory: bool = True) -> Iterator[tuple[Row, list[Sample]]]:
        """Yield the rows of a stage with their relabeled samples, whose memory is released afterwards."""
        for row in stage.select_rows(self.rows):
            samples = self._identity_samples.pop(row.name, None)
            if samples is None:
                samples = self._relabeler.relabel(row, self.read_samples(row.name))
            if row.exporter.kind is ExporterKind.RULES:
                samples = select_alerts(row, samples, self.stats)
            if self._superseded_uids and _reads_pod_uid(row):
                samples = self._drop_superseded(row, samples)
            yield row, samples
            if releases_memory:
                clear_in_chunks(samples)

    def _drop_superseded(self, row: Row, samples: list[Sample]) -> list[Sample]:
        """Return the samples without those of pods that a newer pod of the same name has replaced."""
        superseded = self._superseded_uids
        current = [
            sample
            for sample in samples
            if (sample.labels.get(UID_LABEL) if isinstance(sample.labels, dict) else sample.labels.uid)
            not in superseded
        ]
        if superseded_count := len(samples) - len(current):
            self.stats.conflicts[row.name, SUPERSEDED_REASON] += superseded_count
        return current

    def _get_or_create_cluster(self, cluster: ClusterIdentity) -> DraftEntity:
        entity = self.placement.clusters.get(cluster.uid)
        if entity is None:
            registry = self.registries[EntityKind.CLUSTER]
            entity = registry.get_or_create(_ClusterLabels(cluster.uid), (("uid",),)) or registry.create_entity()
            entity.place(cluster)
            self.placement.clusters[cluster.uid] = entity
            if name := self._relabeler.cluster_names.get(cluster.uid):
                entity.table.ensure_column("name")[entity.index] = name
        types = entity.table.ensure_column("type")
        types[entity.index] = types[entity.index] or cluster.type
        return entity

    def _find_pod_scope(self, label_set: Any) -> str:
        _, cluster = self._find_pod_placement(label_set)
        return cluster.uid if cluster else self.membership.find_scope(_get_scope_values(label_set))

    def _find_pod_placement(self, label_set: Any) -> _PodPlacement:
        """Return the node and the cluster of a pod, each None if unknown."""
        labels = create_label_getter(label_set.__class__, _POD_PLACEMENT_LABELS)(label_set)
        if labels not in self._pod_placements:
            node = self._find_node_of_pod(label_set)
            member_labels = labels[: len(MEMBER_LABELS)]
            node_cluster = node.cluster if node else None
            cluster = None if node_cluster and not any(member_labels) else self.membership.find_cluster(member_labels)
            self._pod_placements[labels] = (node, cluster or node_cluster)
        return self._pod_placements[labels]

    def _find_node_of_pod(self, label_set: Any) -> DraftEntity | None:
        finder = self._assigner.finders[EntityKind.NODE]
        for match in POD_NODE_MATCHES:
            (indexes,) = finder.find_entities(match, [label_set])
            if len(indexes) == 1:
                return finder.registry.by_index[indexes[0]]
        return None


def find_superseded_uids(samples: Sequence[Sample]) -> set[str]:
    """Return the UIDs of pods that newer pods of the same name have replaced; the values are the times of samples.

    Prometheus returns the series of a pod that moved or was replaced until five minutes after its last sample.
    """
    if not samples:
        return set()
    get_name = create_label_getter(samples[0].labels.__class__, _POD_NAME_LABELS)
    names = [get_name(sample.labels) for sample in samples]
    if len(set(names)) == len(names):
        return set()
    newest: dict[Labels, tuple[float, str]] = {}
    superseded: set[str] = set()
    for name, sample in zip(names, samples, strict=True):
        candidate = (parse_seconds(sample.value.text), sample.labels.uid)
        current = newest.setdefault(name, candidate)
        if candidate[1] != current[1]:
            older, newer = sorted((candidate, current))
            if is_superseded(older[0], newer[0]):
                superseded.add(older[1])
            newest[name] = newer
    return superseded - {uid for _, uid in newest.values()} - {""}


def _reads_pod_uid(row: Row) -> bool:
    if row.expression.labels is None:
        return row.entity_selector.kind is EntityKind.POD
    return UID_LABEL in row.expression.labels


def _get_empty_scope(_metric: Any) -> str:
    return ""


def _get_scope_values(label_set: Any) -> Labels:
    return create_label_getter(label_set.__class__, SCOPE_LABELS)(label_set)


def _get_member_labels(member: DraftEntity) -> Labels:
    return tuple(map(member.get_label, MEMBER_LABELS))
