"""Finds the entities of a row's samples, or the children of those entities.

This runs for every sample of a refresh. It works on whole lists, a step at a time, which keeps the cost of a sample
at about a microsecond (benchmarks/README.md). The entity cache finds the entities of series that were in the previous
refresh without matching labels again, by a hash of their identifying label sets and their cluster; it changes the time
that a build takes, never its result.
"""

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from operator import attrgetter
from typing import Any

from aggregator.models.builder.entities import (
    NOT_FOUND,
    ChildTable,
    ColumnTable,
    EntityRegistry,
    Labels,
    create_label_getter,
)
from aggregator.models.builder.membership import CONTROLLER_UID, SCOPE_LABELS, ClusterHint, ClusterMembership
from aggregator.models.builder.merge import ENDED_REASON, AssignedSamples, BuildStats, merge_samples
from aggregator.models.catalog.row import ChildKind, EntityKind, LabelMatch, Row
from aggregator.models.sample import Sample, get_label_attribute
from aggregator.util.runtime import iter_slices, list_in_chunks

# Only the rows that create these entities add label sets to them, so the fingerprint covers all labels they match by.
CACHED_ENTITY_KINDS = frozenset({EntityKind.NODE, EntityKind.POD})

_get_labels = attrgetter("labels")


# The entities of one sample.
_EntityIndexes = tuple[int, ...]

AGENT_LABEL = "icos_agent_id"
# The labels that identify a pod in all clusters.
UNIQUE_LABELS = (("uid",), ("container_id",))

# 500 samples for each of 500 entities take half a second. Beyond this the samples count as unplaced.
MAX_FAN_OUT_SAMPLES = 250_000


@dataclass(frozen=True)
class _CachedSeries:
    """The series of a row as hashes of their labels, and the index of the entity or child of each."""

    hashes: "array[int]"
    indexes: "array[int]"


@dataclass(frozen=True)
class _CachedEntities:
    """The fingerprints of the entities of one kind by index, and their children."""

    fingerprints: "array[int]"
    child_tables: Mapping[ChildKind, ChildTable]


@dataclass
class _CachedBuild:
    """The entities that the cache stores for one build."""

    key: object = None
    series: dict[str, _CachedSeries] = field(default_factory=dict)
    entities: dict[EntityKind, _CachedEntities] = field(default_factory=dict)


class EntityCache:
    """Stores the entities that one build found for the next build."""

    def __init__(self) -> None:
        self._previous_build = _CachedBuild()
        self._current_build = _CachedBuild()
        self._registries: Mapping[EntityKind, EntityRegistry] = {}
        self._current_indexes: dict[tuple[object, ...], list[int]] = {}

    def start_build(self, registries: Mapping[EntityKind, EntityRegistry], cache_key: object) -> None:
        """Start a build with these registries of nodes and pods; drop stored entities if their cache key differs."""
        self._registries = registries
        self._current_build = _CachedBuild(cache_key)
        self._current_indexes = {}
        if self._previous_build.key != cache_key:
            self._previous_build = _CachedBuild()

    def finish_build(self) -> None:
        """Store the entities that this build found."""
        for entity_kind in CACHED_ENTITY_KINDS:
            registry = self._registries[entity_kind]
            fingerprints = array("q", (entity.fingerprint for entity in registry.by_index))
            for children in registry.child_tables.values():
                children.discard_columns()
            self._current_build.entities[entity_kind] = _CachedEntities(fingerprints, registry.child_tables)
        self._previous_build = self._current_build
        self._registries, self._current_indexes = {}, {}

    def hash_series(self, row: Row, samples: Sequence[Sample]) -> "array[int] | None":
        """Return a hash of the labels of each sample, None if the row's series are not cached."""
        selector = row.entity_selector
        if row.expression.labels is None or selector.matches_all or selector.kind not in CACHED_ENTITY_KINDS:
            return None
        hashes = array("q")
        for batch in iter_slices(map(hash, map(_get_labels, samples)), len(samples)):
            hashes.extend(batch)
        return hashes

    def find_indexes(self, row: Row, hashes: "array[int] | None") -> list[int] | None:
        """Return the index of each series' entity or child, NOT_FOUND for unknown series; None if nothing is cached."""
        previous = self._previous_build.series.get(row.name)
        if previous is None or hashes is None or not self._previous_build.entities:
            return None
        previous_indexes: Sequence[int] = previous.indexes
        if hashes != previous.hashes:
            indexes_by_hash: dict[int, int] = {}
            for batch in iter_slices(zip(previous.hashes, previous.indexes, strict=True), len(previous.hashes)):
                indexes_by_hash.update(batch)
            previous_indexes = list_in_chunks(map(indexes_by_hash.get, hashes, repeat(NOT_FOUND)))
        current_indexes = (
            self._map_child_indexes(row, row.entity_selector.child_kind, previous_indexes)
            if row.entity_selector.child_kind
            else self._map_entity_indexes(row)
        )
        return [current_indexes[index] for index in previous_indexes]

    def store_indexes(self, row: Row, hashes: "array[int] | None", indexes: Iterable[int]) -> None:
        """Store the entities or children of the row's series."""
        if hashes is not None:
            self._current_build.series[row.name] = _CachedSeries(hashes, array("i", indexes))

    def _map_entity_indexes(self, row: Row) -> list[int]:
        """Return the current index of each entity by its previous one, NOT_FOUND if it must be matched again.

        The last entry is NOT_FOUND, so that the index NOT_FOUND returns NOT_FOUND.
        """
        entity_kind, entity_labels = row.entity_selector.kind, row.entity_selector.matches[0].entity_labels
        if (entity_kind, entity_labels) not in self._current_indexes:
            self._current_indexes[entity_kind, entity_labels] = self._match_entity_fingerprints(
                entity_kind, entity_labels
            )
        return self._current_indexes[entity_kind, entity_labels]

    def _match_entity_fingerprints(self, entity_kind: EntityKind, entity_labels: Labels) -> list[int]:
        registry = self._registries[entity_kind]
        fingerprints = self._previous_build.entities[entity_kind].fingerprints
        indexes_by_fingerprint = {entity.fingerprint: entity.index for entity in registry.by_index}
        current_indexes = [indexes_by_fingerprint.get(fingerprint, NOT_FOUND) for fingerprint in fingerprints]
        if NOT_FOUND in current_indexes or len(current_indexes) != len(indexes_by_fingerprint):
            # Entities appeared or disappeared, and may match the same labels.
            lookup = registry.get_lookup(entity_labels)
            shared = {index for indexes in lookup.values() if len(indexes) > 1 for index in indexes}
            if shared:
                current_indexes = [NOT_FOUND if index in shared else index for index in current_indexes]
        return [*current_indexes, NOT_FOUND]

    def _map_child_indexes(self, row: Row, child_kind: ChildKind, previous_indexes: Sequence[int]) -> list[int]:
        """Return the current index of each child by its previous one; add children that are missing."""
        current_entities = self._map_entity_indexes(row)
        child_table = self._registries[row.entity_selector.kind].get_child_table(child_kind)
        previous_table = (
            self._previous_build.entities[row.entity_selector.kind].child_tables.get(child_kind) or ChildTable()
        )
        key = (child_kind, row.entity_selector.matches[0].entity_labels)
        if key not in self._current_indexes:
            self._current_indexes[key] = [NOT_FOUND] * (previous_table.size + 1)
        current_indexes = self._current_indexes[key]
        resolve_index = child_table.find if row.entity_selector.known_children_only else child_table.get_or_add
        for index in previous_indexes:
            if current_indexes[index] == NOT_FOUND and index != NOT_FOUND:
                entity_index = current_entities[previous_table.entity_indexes[index]]
                if entity_index != NOT_FOUND:
                    current_indexes[index] = resolve_index(entity_index, previous_table.names[index])
        return current_indexes


class EntityFinder:
    """Finds the entities of one kind by labels, within the cluster that the labels name."""

    def __init__(self, registry: EntityRegistry, membership: ClusterMembership) -> None:
        self.registry = registry
        self._membership = membership
        # Entities that share a key, by each of their cluster hints.
        self._indexes_by_hint: dict[tuple[Labels, Labels], dict[ClusterHint, _EntityIndexes]] = {}

    def find_entities(
        self, match: LabelMatch, label_sets: Sequence[Any], *, crosses_clusters: bool = False
    ) -> list[_EntityIndexes]:
        """Return the indexes of the entities that match each label set, () for none.

        A label set that names a cluster matches only entities in that cluster. With `crosses_clusters`, the exporter
        describes the hosts of all clusters: the cluster UID of the ICOS controller, where it runs, is ignored, and a
        label set without cluster labels matches entities of all clusters.
        """
        if not label_sets:
            return []
        find_indexes = self.registry.get_lookup(match.entity_labels).get
        get_key = create_label_getter(label_sets[0].__class__, match.labels)
        get_scope_values = create_label_getter(label_sets[0].__class__, SCOPE_LABELS)
        # Entities that match by their cluster UID are in the right cluster, so the cluster need not be checked again.
        key_starts_with_uid = match.labels[0] == match.entity_labels[0] == SCOPE_LABELS[0]
        entities: list[_EntityIndexes] = []
        for label_set in label_sets:
            key = get_key(label_set)
            indexes = find_indexes(key, ())
            if indexes and not (key_starts_with_uid and key[0]):
                indexes = self._select_by_cluster(
                    match.entity_labels, key, get_scope_values(label_set), crosses_clusters
                )
            entities.append(indexes)
        return entities

    def count_in_known_clusters(self, label_sets: Iterable[Any]) -> int:
        """Return how many label sets name the cluster of any entity."""
        known_hints = {hint for entity in self.registry.by_index for hint in self._membership.list_entity_hints(entity)}
        return sum(
            not known_hints.isdisjoint(
                self._membership.list_sample_hints(create_label_getter(label_set.__class__, SCOPE_LABELS)(label_set))
            )
            for label_set in label_sets
        )

    def _select_by_cluster(
        self, entity_labels: Labels, key: Labels, scope_values: Labels, crosses_clusters: bool
    ) -> _EntityIndexes:
        """Return the entities with a key that are in the cluster that the values of `SCOPE_LABELS` name.

        If all are empty, the ID of an ICOS agent is sufficient, because an agent belongs to one cluster, and so is
        the ID of a pod or container.
        """
        if crosses_clusters and scope_values[0] == CONTROLLER_UID:
            scope_values = ("", *scope_values[1:])
        hints = self._membership.list_sample_hints(scope_values)
        indexes = self.registry.get_lookup(entity_labels)[key]
        is_unique = entity_labels in UNIQUE_LABELS or (entity_labels[0] == AGENT_LABEL and bool(key[0]))
        if not hints or ((crosses_clusters or is_unique) and not any(scope_values)):
            return indexes
        by_hint = self._indexes_by_hint.get((entity_labels, key))
        if by_hint is None:
            by_hint = self._indexes_by_hint[entity_labels, key] = self._group_by_hint(indexes)
        return next((by_hint[hint] for hint in hints if hint in by_hint), ())

    def _group_by_hint(self, indexes: Iterable[int]) -> dict[ClusterHint, _EntityIndexes]:
        grouped: dict[ClusterHint, list[int]] = {}
        for index in indexes:
            for hint in self._membership.list_entity_hints(self.registry.by_index[index]):
                grouped.setdefault(hint, []).append(index)
        return {hint: tuple(group) for hint, group in grouped.items()}


@dataclass
class SampleAssigner:
    """Assigns the samples of rows to the entities in the registries, and counts those that it cannot assign."""

    registries: Mapping[EntityKind, EntityRegistry]
    stats: BuildStats
    entity_cache: EntityCache
    finders: dict[EntityKind, EntityFinder] = field(default_factory=dict)

    def create_entities(self, row: Row, samples: list[Sample], find_scope: Callable[[Any], str]) -> None:
        """Create the entities that the samples identify, each within the cluster that `find_scope` returns."""
        registry = self.registries[row.entity_selector.kind]
        entities: list[int] = []
        matched: list[Sample] = []
        for sample in samples:
            entity = registry.get_or_create(sample.labels, row.entity_selector.identities, find_scope(sample.labels))
            if entity is None:
                self.stats.unplaced[row.name, "no label identifies its entity"] += 1
            else:
                entities.append(entity.index)
                matched.append(sample)
        self._merge_matched_samples(row, entities, matched)

    def assign_samples(self, row: Row, samples: list[Sample]) -> None:
        """Fill the row's fields from the samples, with the most reliable label match first.

        A field keeps the first value that it gets: rows that come first in the catalog win, and more reliable
        matches. Entities that the previous refresh found by the most reliable match come from the cache.
        """
        best_match, *other_matches = row.entity_selector.matches
        if not samples:
            return
        if row.entity_selector.matches_all:
            remaining, other_matches = samples, [best_match, *other_matches]
        else:
            remaining = self._assign_with_cache(row, samples)
        for match in other_matches:
            if not remaining:
                return
            entities, matched, remaining = self._find_entities(row, match, remaining)
            self._merge_matched_samples(row, entities, matched)
        if remaining:
            self._count_unmatched(row, remaining)

    def _count_unmatched(self, row: Row, samples: list[Sample]) -> None:
        """Count samples without an entity, apart from those of ended pods: their cluster no longer lists the pod."""
        finder = self.finders[row.entity_selector.kind]
        ended = finder.count_in_known_clusters(map(_get_labels, samples)) if row.exporter.keeps_ended else 0
        if ended:
            self.stats.conflicts[row.name, ENDED_REASON] += ended
        if unplaced := len(samples) - ended:
            self._count_unplaced(row, f"no {row.entity_selector.kind.value} matches its labels", unplaced)

    def _assign_with_cache(self, row: Row, samples: list[Sample]) -> list[Sample]:
        """Assign samples from the cache, the others by the most reliable match; return those without an entity."""
        hashes = self.entity_cache.hash_series(row, samples)
        cached_indexes = self.entity_cache.find_indexes(row, hashes) or [NOT_FOUND] * len(samples)
        indexes: Sequence[int] = cached_indexes
        unmatched: list[Sample] = []
        if NOT_FOUND in cached_indexes:
            uncached = [sample for index, sample in zip(cached_indexes, samples, strict=True) if index == NOT_FOUND]
            entities, matched, unmatched = self._find_entities(row, row.entity_selector.matches[0], uncached)
            indexes = _combine_indexes(cached_indexes, samples, self._resolve_objects(row, entities, matched))
        self.entity_cache.store_indexes(row, hashes, indexes)
        if NOT_FOUND in indexes:
            samples = [sample for index, sample in zip(indexes, samples, strict=True) if index != NOT_FOUND]
            indexes = [index for index in indexes if index != NOT_FOUND]
        merge_samples(row, self._select_column_table(row), AssignedSamples(indexes, samples), self.stats)
        return unmatched

    def _find_entities(
        self, row: Row, match: LabelMatch, samples: list[Sample]
    ) -> tuple[list[int], list[Sample], list[Sample]]:
        """Return the indexes of entities, their samples in the same order, and the samples that match no entity."""
        entities: list[int] = []
        matched: list[Sample] = []
        unmatched: list[Sample] = []
        matches_all = row.entity_selector.matches_all
        found = self.finders[row.entity_selector.kind].find_entities(
            match,
            list_in_chunks(map(_get_labels, samples)),
            crosses_clusters=row.entity_selector.crosses_clusters,
        )
        sample_counts = Counter(found) if matches_all else {}
        for sample, indexes in zip(samples, found, strict=True):
            if not indexes:
                unmatched.append(sample)
            elif len(indexes) == 1:
                entities.append(indexes[0])
                matched.append(sample)
            elif matches_all and len(indexes) * sample_counts[indexes] <= MAX_FAN_OUT_SAMPLES:
                entities.extend(indexes)
                matched.extend([sample] * len(indexes))
            else:
                self._count_unplaced(row, f"several {row.entity_selector.kind.value}s match its labels")
        return entities, matched, unmatched

    def _count_unplaced(self, row: Row, reason: str, count: int = 1) -> None:
        if row.entity_selector.may_be_unknown:
            self.stats.skipped[row.name] += count
        else:
            self.stats.unplaced[row.name, reason] += count

    def _merge_matched_samples(self, row: Row, entities: list[int], samples: list[Sample]) -> None:
        merge_samples(row, self._select_column_table(row), self._resolve_objects(row, entities, samples), self.stats)

    def _select_column_table(self, row: Row) -> ColumnTable:
        registry = self.registries[row.entity_selector.kind]
        return (
            registry.get_child_table(row.entity_selector.child_kind)
            if row.entity_selector.child_kind
            else registry.table
        )

    def _resolve_objects(self, row: Row, entities: list[int], samples: list[Sample]) -> AssignedSamples:
        """Return the indexes of the entities, or of their children that the row is about."""
        child_kind = row.entity_selector.child_kind
        if child_kind is None:
            return AssignedSamples(entities, samples)
        names = map(attrgetter(f"labels.{get_label_attribute(row.entity_selector.child_label)}"), samples)
        child_table = self.registries[row.entity_selector.kind].get_child_table(child_kind)
        if not row.entity_selector.known_children_only:
            return AssignedSamples(list(map(child_table.get_or_add, entities, names)), samples)
        indexes = list(map(child_table.find, entities, names))
        if unknown := indexes.count(NOT_FOUND):
            reason = f"not among the {child_kind.value} of its {row.entity_selector.kind.value}"
            self._count_unplaced(row, reason, unknown)
            samples = [sample for index, sample in zip(indexes, samples, strict=True) if index != NOT_FOUND]
            indexes = [index for index in indexes if index != NOT_FOUND]
        return AssignedSamples(indexes, samples)


def _combine_indexes(indexes: list[int], samples: list[Sample], assigned: AssignedSamples) -> Sequence[int]:
    """Return the entity or child of each sample: the cached index, or the one found now."""
    if len(assigned.samples) == len(samples):
        return assigned.indexes
    indexes_by_sample_id = dict(zip(map(id, assigned.samples), assigned.indexes, strict=True))
    return [
        indexes_by_sample_id.get(id(sample), NOT_FOUND) if index == NOT_FOUND else index
        for index, sample in zip(indexes, samples, strict=True)
    ]
