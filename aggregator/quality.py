"""How good a refresh was: what became of each query and its samples, and which fields no sample fills.

Frozen values, in the words of the Quality message that shows them (proto/aggregator/v1).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import chain
from operator import attrgetter, methodcaller

from aggregator.models.build import OBJECTS_WITHOUT_PLACE
from aggregator.models.row import BECOMES, Owner, Part, Row
from aggregator.models.tally import Reason, Tally
from aggregator.models.topology import Topology

FAILED_REASON = "its queries failed"
NOTHING_REASON = "its queries answered nothing"
UNUSED_REASON = "nothing of what its queries answered could be used"

# What the tally calls objects whose samples are of its rows.
_KINDS = {"orchestrators": "clusters"}


class QueryResult(IntEnum):
    """What a query came to; the numbers are those of the message."""

    OK = 1
    STOOD_IN = 2
    FAILED = 3


@dataclass(frozen=True)
class SourceAnswer:
    """What one upstream answered to a row; `age_seconds` is 0 unless an earlier answer stands in."""

    source: str
    result: QueryResult
    duration_seconds: float
    error: str | None = None
    samples: int | None = None
    age_seconds: float | None = None
    warnings: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class LeftOut:
    """Samples that are not in the topology, and why."""

    reason: str
    samples: int


@dataclass(frozen=True)
class UnplacedObjects:
    """Objects that are not shown, although their samples identify them, and why."""

    kind: str
    reason: str
    objects: int


@dataclass(frozen=True)
class RowQuality:
    """What a row asked, and what became of the samples of all sources."""

    name: str
    note: str
    exporter: str
    promql: str
    samples: int
    placed_samples: int
    unplaced: tuple[LeftOut, ...]
    dropped: tuple[LeftOut, ...]
    conflicts: tuple[LeftOut, ...]
    sources: tuple[SourceAnswer, ...]


@dataclass(frozen=True)
class UnfilledField:
    """A field that no object has a value of, and what would fill it."""

    kind: str
    field: str
    reason: str
    rows: tuple[str, ...]
    exporters: tuple[str, ...]


@dataclass(frozen=True)
class QualityTotals:
    """Sums over all rows and sources."""

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
    """What became of the last refresh, and what is shown since. Without `rows`, it broke, or there was none yet."""

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


def assessed(
    rows: Sequence[Row], answers: Mapping[str, Sequence[SourceAnswer]], topology: Topology, tally: Tally
) -> Quality:
    """Return what became of the answers to each row, which are told by the row's name."""
    told = tuple(_row(row, answers.get(row.name, ()), tally) for row in rows)
    return Quality(
        rows=told,
        totals=_totals(told, topology),
        unplaced_objects=tuple(
            UnplacedObjects(_KINDS.get(kind, kind), reason, count)
            for (kind, reason), count in tally.unplaced.items()
            if reason in OBJECTS_WITHOUT_PLACE
        ),
        unfilled_fields=tuple(_unfilled(rows, {row.name: row for row in told}, topology)),
    )


def _row(row: Row, answers: Sequence[SourceAnswer], tally: Tally) -> RowQuality:
    return RowQuality(
        name=row.name,
        note=row.note,
        exporter=str(row.exporter),
        promql=row.ask.text,
        samples=sum(answer.samples or 0 for answer in answers),
        placed_samples=tally.placed[row.name],
        unplaced=_left_out(row, tally.unplaced),
        dropped=_left_out(row, tally.dropped),
        conflicts=_left_out(row, tally.conflicts),
        sources=tuple(answers),
    )


def _left_out(row: Row, counts: Mapping[Reason, int]) -> tuple[LeftOut, ...]:
    return tuple(
        LeftOut(reason, count)
        for (name, reason), count in counts.items()
        if name == row.name and reason not in OBJECTS_WITHOUT_PLACE
    )


def _totals(rows: Sequence[RowQuality], topology: Topology) -> QualityTotals:
    results = [answer.result for row in rows for answer in row.sources]

    def left_out(parts: Iterable[tuple[LeftOut, ...]]) -> int:
        return sum(part.samples for part in chain.from_iterable(parts))

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
        unplaced_samples=left_out(row.unplaced for row in rows),
        dropped_samples=left_out(row.dropped for row in rows),
        conflicting_samples=left_out(row.conflicts for row in rows),
        warnings=sum(len(answer.warnings) for row in rows for answer in row.sources),
    )


def _unfilled(rows: Sequence[Row], told: Mapping[str, RowQuality], topology: Topology) -> Iterator[UnfilledField]:
    """Yield the fields that no object has a value of, in the order of the rows that would fill them."""
    filling: dict[tuple[Owner | Part, str], list[Row]] = {}
    for row in rows:
        kind = row.whose.part or row.whose.owner
        for fill in row.fills if kind in BECOMES else ():
            filling.setdefault((kind, fill.field), []).append(row)
    for (kind, field), by in filling.items():
        qualities = [told[row.name] for row in by]
        # Where samples were placed, a look at the objects tells whether they had anything to say.
        if any(quality.placed_samples for quality in qualities) and _is_filled(topology, kind, field):
            continue
        exporters = tuple(dict.fromkeys(str(row.exporter) for row in by))
        yield UnfilledField(BECOMES[kind].__name__, field, _why(qualities), tuple(row.name for row in by), exporters)


def _why(rows: Sequence[RowQuality]) -> str:
    if any(row.samples for row in rows):
        return UNUSED_REASON
    results = {answer.result for row in rows for answer in row.sources}
    return FAILED_REASON if QueryResult.FAILED in results else NOTHING_REASON


def _is_filled(topology: Topology, kind: Owner | Part, field: str) -> bool:
    # Of some hundred thousand objects that have no value, without a line of Python for each.
    read = attrgetter(field)
    return any(map(read, _objects(topology, kind))) or any(
        issubclass(each, int | float) for each in set(map(type, map(read, _objects(topology, kind))))
    )


def _objects(topology: Topology, kind: Owner | Part) -> Iterable[object]:
    """Return all objects of a kind."""
    if kind is Owner.SYSTEM:
        return [topology]
    if isinstance(kind, Part):
        owners: Iterable[object] = (
            topology.pods.values() if kind in (Part.CONTAINER, Part.WORKLOAD) else topology.nodes.values()
        )
        return chain.from_iterable(map(methodcaller("values"), map(attrgetter(kind.value), owners)))
    of_owner: Mapping[Owner, Iterable[object]] = {
        Owner.CLUSTER: topology.clusters.values(),
        Owner.NODE: topology.nodes.values(),
        Owner.POD: topology.pods.values(),
    }
    return of_owner[kind]
