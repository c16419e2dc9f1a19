"""The quality of a refresh: the result of each query, sample counts by reason, and fields without a value.

The names of the fields are those of the Quality message (proto/aggregator/v1/topology.proto).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from enum import IntEnum
from functools import lru_cache
from itertools import chain
from operator import attrgetter, methodcaller
from typing import get_type_hints

from aggregator.models.builder.build import UNPLACED_OBJECT_REASONS
from aggregator.models.builder.merge import BuildStats, Contradiction, RowReason, UnplacedTarget
from aggregator.models.catalog.default_catalog import TelemetryFamily
from aggregator.models.catalog.promql import LONG_WINDOW_SECONDS, RATE_WINDOW_SECONDS
from aggregator.models.catalog.row import MODEL_TYPES, ChildKind, EntityKind, Row
from aggregator.models.topology import Node, Topology

FAILED_REASON = "its queries failed"
NO_RESULTS_REASON = "its queries returned no samples"
YOUNG_COUNTERS_REASON = (
    f"its queries returned no samples, but its exporter is there: rates need {RATE_WINDOW_SECONDS // 60} minutes of "
    f"history, or {LONG_WINDOW_SECONDS // 60} if samples are minutes apart"
)
UNUSABLE_RESULTS_REASON = "its queries returned no usable samples"

# The kinds of the build stats that have another name in the quality.
_OBJECT_KINDS = {"orchestrators": "clusters"}


class QueryResult(IntEnum):
    """The result of a query. Names and numbers are those of the enum in the proto.

    STOOD_IN: the query failed and a cached response is used.
    """

    OK = 1
    STOOD_IN = 2
    FAILED = 3


@dataclass(frozen=True)
class SourceReport:
    """The result of a row at one source. `age_seconds` is greater than 0 if a cached response is used instead."""

    source: str
    result: QueryResult
    duration_seconds: float
    error: str | None = None
    samples: int | None = None
    age_seconds: float | None = None
    warnings: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class OmittedSamples:
    """The number of samples that were omitted from the topology for one reason."""

    reason: str
    samples: int


@dataclass(frozen=True)
class UnplacedObjects:
    """The number of identified objects that are not in the topology for one reason."""

    kind: str
    reason: str
    objects: int


@dataclass(frozen=True)
class RowQuality:
    """A row, and the number of its samples from all sources that were placed, unplaced, dropped or in conflict."""

    name: str
    note: str
    exporter: str
    promql: str
    samples: int
    placed_samples: int
    unplaced: tuple[OmittedSamples, ...]
    dropped: tuple[OmittedSamples, ...]
    conflicts: tuple[OmittedSamples, ...]
    sources: tuple[SourceReport, ...]


@dataclass(frozen=True)
class UnfilledField:
    """A field that has no value in any object, and the rows and exporters that would fill it."""

    kind: str
    field: str
    reason: str
    rows: tuple[str, ...]
    exporters: tuple[str, ...]


@dataclass(frozen=True)
class LimitedField:
    """The number of objects whose value of a field was out of range; the nearest possible value replaces it."""

    kind: str
    field: str
    reason: str
    objects: int


@dataclass(frozen=True)
class FamilyTotals:
    """The clusters and nodes that one telemetry family describes."""

    family: str
    clusters: int
    nodes: int


@dataclass(frozen=True)
class QualityTotals:
    """Totals of all rows and sources."""

    clusters: int
    nodes: int
    pods: int
    containers: int
    queries: int
    failed_queries: int
    stood_in_queries: int
    samples: int
    placed_samples: int
    unplaced_samples: int
    dropped_samples: int
    conflicting_samples: int
    warnings: int


@dataclass(frozen=True)
class Quality:
    """The quality of the last refresh. It has no `rows` if the refresh ended with an error or has not finished yet.

    `failure` is why the refresh failed, `unavailable` why no topology is served; both are None otherwise. `complete`
    says whether no measured data is known to be missing. `vanished` describes what disappeared, one text each.
    """

    failure: str | None = None
    refresh_seconds: float | None = None
    refresh_duration_seconds: float | None = None
    unavailable: str | None = None
    topology_version: str | None = None
    complete: bool | None = None
    totals: QualityTotals | None = None
    rows: tuple[RowQuality, ...] = ()
    unplaced_objects: tuple[UnplacedObjects, ...] = ()
    unfilled_fields: tuple[UnfilledField, ...] = ()
    vanished: tuple[str, ...] = ()
    contradictions: tuple[Contradiction, ...] = ()
    unplaced_targets: tuple[UnplacedTarget, ...] = ()
    families: tuple[FamilyTotals, ...] = ()
    limited_fields: tuple[LimitedField, ...] = ()


def assess_quality(
    rows: Sequence[Row], reports: Mapping[str, Sequence[SourceReport]], topology: Topology, stats: BuildStats
) -> Quality:
    """Return the quality of a refresh. `reports` maps names of rows to their results at all sources."""
    row_qualities = tuple(_build_row_quality(row, reports.get(row.name, ()), stats) for row in rows)
    return Quality(
        rows=row_qualities,
        totals=_build_totals(row_qualities, topology),
        unplaced_objects=tuple(
            UnplacedObjects(_OBJECT_KINDS.get(kind, kind), reason, count)
            for (kind, reason), count in stats.unplaced.items()
            if reason in UNPLACED_OBJECT_REASONS
        ),
        unfilled_fields=tuple(_find_unfilled_fields(rows, {row.name: row for row in row_qualities}, topology)),
        contradictions=tuple(stats.contradictions),
        unplaced_targets=tuple(sorted(stats.unplaced_targets, key=astuple)),
        families=tuple(_count_families(topology)),
        limited_fields=tuple(LimitedField(*key, count) for key, count in stats.limited.items()),
    )


def _build_row_quality(row: Row, reports: Sequence[SourceReport], stats: BuildStats) -> RowQuality:
    return RowQuality(
        name=row.name,
        note=row.description,
        exporter=str(row.exporter),
        promql=row.expression.text,
        samples=sum(report.samples or 0 for report in reports),
        placed_samples=stats.placed_samples[row.name],
        unplaced=_list_omitted(row, stats.unplaced),
        dropped=_list_omitted(row, stats.dropped),
        conflicts=_list_omitted(row, stats.conflicts),
        sources=tuple(reports),
    )


def _list_omitted(row: Row, counts: Mapping[RowReason, int]) -> tuple[OmittedSamples, ...]:
    return tuple(
        OmittedSamples(reason, count)
        for (name, reason), count in counts.items()
        if name == row.name and reason not in UNPLACED_OBJECT_REASONS
    )


def _build_totals(rows: Sequence[RowQuality], topology: Topology) -> QualityTotals:
    results = [report.result for row in rows for report in row.sources]

    def sum_omitted(omitted_by_row: Iterable[tuple[OmittedSamples, ...]]) -> int:
        return sum(part.samples for part in chain.from_iterable(omitted_by_row))

    return QualityTotals(
        clusters=len(topology.clusters),
        nodes=len(topology.nodes),
        pods=len(topology.pods),
        containers=sum(len(pod.containers) for pod in topology.pods.values()),
        queries=len(results),
        failed_queries=results.count(QueryResult.FAILED),
        stood_in_queries=results.count(QueryResult.STOOD_IN),
        samples=sum(row.samples for row in rows),
        placed_samples=sum(row.placed_samples for row in rows),
        unplaced_samples=sum_omitted(row.unplaced for row in rows),
        dropped_samples=sum_omitted(row.dropped for row in rows),
        conflicting_samples=sum_omitted(row.conflicts for row in rows),
        warnings=sum(len(report.warnings) for row in rows for report in row.sources),
    )


def _count_families(topology: Topology) -> Iterator[FamilyTotals]:
    """Yield the telemetry families that describe nodes, in the order of their names."""
    kubernetes_clusters = {cluster for (cluster, _), pod in topology.pods.items() if pod.namespace}
    docker_nodes = {(cluster, pod.node) for (cluster, _), pod in topology.pods.items() if not pod.namespace}
    nodes_by_family: dict[TelemetryFamily, list[Node]] = {}
    for identity, node in topology.nodes.items():
        if node.type or node.host_id:
            family = TelemetryFamily.ICOS
        elif node.cluster in kubernetes_clusters:
            family = TelemetryFamily.KUBERNETES
        else:
            family = TelemetryFamily.DOCKER if identity in docker_nodes else TelemetryFamily.ETIM
        nodes_by_family.setdefault(family, []).append(node)
    for family, nodes in sorted(nodes_by_family.items()):
        yield FamilyTotals(family.value, len({node.cluster for node in nodes}), len(nodes))


def _find_unfilled_fields(
    rows: Sequence[Row], qualities_by_row: Mapping[str, RowQuality], topology: Topology
) -> Iterator[UnfilledField]:
    """Yield the fields that have no value in any object, in the order of the rows that would fill them."""
    rows_by_field: dict[tuple[EntityKind | ChildKind, str], list[Row]] = {}
    for row in rows:
        target_kind = row.entity_selector.child_kind or row.entity_selector.kind
        for mapping in row.field_mappings if target_kind in MODEL_TYPES else ():
            rows_by_field.setdefault((target_kind, mapping.field), []).append(row)
    young_rows = _find_young_rows(rows, qualities_by_row)
    for (target_kind, field), filling_rows in rows_by_field.items():
        qualities = [qualities_by_row[row.name] for row in filling_rows]
        # Placed samples may all have had empty values, so the objects decide.
        if any(quality.placed_samples for quality in qualities) and _is_field_filled(topology, target_kind, field):
            continue
        exporters = tuple(dict.fromkeys(str(row.exporter) for row in filling_rows))
        yield UnfilledField(
            MODEL_TYPES[target_kind].__name__,
            field,
            _explain_unfilled(qualities, may_be_young=any(row.name in young_rows for row in filling_rows)),
            tuple(row.name for row in filling_rows),
            exporters,
        )


def _explain_unfilled(rows: Sequence[RowQuality], *, may_be_young: bool) -> str:
    if any(row.samples for row in rows):
        return UNUSABLE_RESULTS_REASON
    results = {report.result for row in rows for report in row.sources}
    if QueryResult.FAILED in results:
        return FAILED_REASON
    return YOUNG_COUNTERS_REASON if may_be_young else NO_RESULTS_REASON


def _find_young_rows(rows: Sequence[Row], qualities_by_row: Mapping[str, RowQuality]) -> set[str]:
    """Return the rows that compute a rate and have no samples, although other metrics of their exporter are there."""
    known_exporters = {row.exporter.name for row in rows if qualities_by_row[row.name].samples}
    return {
        row.name
        for row in rows
        if row.needs_history and row.exporter.name in known_exporters and not qualities_by_row[row.name].samples
    }


def _is_field_filled(topology: Topology, target_kind: EntityKind | ChildKind, field: str) -> bool:
    # Without a Python statement for each object: there may be several hundred thousand without a value.
    get_value = attrgetter(field)
    if any(map(get_value, _list_objects(topology, target_kind))):
        return True
    if _is_text_field(target_kind, field):
        return False
    value_types = set(map(type, map(get_value, _list_objects(topology, target_kind))))
    return any(issubclass(value_type, int | float) for value_type in value_types)


@lru_cache
def _is_text_field(target_kind: EntityKind | ChildKind, field: str) -> bool:
    """Return whether a field has texts, of which an empty one is no value, as zero is."""
    return get_type_hints(MODEL_TYPES[target_kind])[field] in (str, str | None)


def _list_objects(topology: Topology, target_kind: EntityKind | ChildKind) -> Iterable[object]:
    """Return all objects of a kind."""
    if target_kind is EntityKind.SYSTEM:
        return [topology]
    if isinstance(target_kind, ChildKind):
        entities: Iterable[object] = (
            topology.pods.values()
            if target_kind in (ChildKind.CONTAINER, ChildKind.WORKLOAD)
            else topology.nodes.values()
        )
        return chain.from_iterable(map(methodcaller("values"), map(attrgetter(target_kind.value), entities)))
    objects_by_entity: Mapping[EntityKind, Iterable[object]] = {
        EntityKind.CLUSTER: topology.clusters.values(),
        EntityKind.NODE: topology.nodes.values(),
        EntityKind.POD: topology.pods.values(),
    }
    return objects_by_entity[target_kind]
