"""Merges the values of a row's samples into columns: decides which value wins, and counts the others."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import compress, repeat
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec

from aggregator.models.builder.entities import ColumnTable
from aggregator.models.catalog.converters import convert_all
from aggregator.models.catalog.row import FieldMapping, Row
from aggregator.models.sample import Sample, get_label_attribute
from aggregator.util.runtime import list_in_chunks

# Where a value is stored: a column, by index, or a field that is a mapping, by key.
_ValueStore = list[Any] | dict[Any, Any]

_get_value_text = attrgetter("value.text")

# The name of a row, or a kind of object, and the reason; for conflicts, the field.
RowReason = tuple[str, str]
# The name of a class of the model, a field of it, and the reason.
FieldReason = tuple[str, str, str]


# Two series of one object are both current if their last samples are at most this far apart.
MAX_CURRENT_AGE_GAP_SECONDS = 60.0

SUPERSEDED_REASON = "superseded by a newer series"
ENDED_REASON = "of a pod that has ended"
# What is left out of the topology because something newer is known, without any fault of the telemetry.
OUTDATED_REASONS = frozenset({SUPERSEDED_REASON, ENDED_REASON})

# More contradictions are only counted, as conflicts.
MAX_CONTRADICTIONS = 100

# A row, the field that it fills, and the index of the object with several values.
ContradictionKey = tuple[Row, str, int]


@dataclass(frozen=True)
class Contradiction:
    """Several values of a field that identifies an object: probably several objects that cannot be told apart.

    `cluster` is the UID of its cluster, `object` what identifies it there.
    """

    row: str
    field: str
    cluster: str
    object: str
    values: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"{self.object} in cluster {self.cluster} has several values of {self.field}: {' and '.join(self.values)}"
        )


# More scrape targets are only counted, as unplaced samples.
MAX_UNPLACED_TARGETS = 100


@dataclass(frozen=True)
class UnplacedTarget:
    """A scrape target on an unknown host: the UID of its cluster ("" for none), its labels, and the reason."""

    cluster: str
    job: str
    instance: str
    reason: str


@dataclass
class BuildStats:
    """The number of samples of a refresh that were placed or omitted, by row and reason.

    `unplaced`: samples without an object in the topology. `dropped`: values that cannot be stored. `conflicts`: samples
    that contradict another sample of the same row, or are outdated. `skipped`: objects of the controller, which the Go
    service also leaves out, and samples of rows whose exporter also describes what is not in the topology
    (`may_be_unknown`). `contradictions`: the first objects with several values of an identifying field. `limited`:
    values beyond what is possible, by the class of the object, the field and the reason; the nearest possible value
    replaces them. `unplaced_targets`: the first scrape targets whose host is unknown.
    """

    placed_samples: Counter[str] = field(default_factory=Counter)
    unplaced: Counter[RowReason] = field(default_factory=Counter)
    dropped: Counter[RowReason] = field(default_factory=Counter)
    conflicts: Counter[RowReason] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    limited: Counter[FieldReason] = field(default_factory=Counter)
    contradictions: list[Contradiction] = field(default_factory=list)
    unplaced_targets: list[UnplacedTarget] = field(default_factory=list)
    contradicting_values: dict[ContradictionKey, set[str]] = field(default_factory=dict)

    def record_contradiction(self, key: ContradictionKey, values: Iterable[object]) -> None:
        """Record two values of an identifying field of an object."""
        if key in self.contradicting_values or len(self.contradicting_values) < MAX_CONTRADICTIONS:
            self.contradicting_values.setdefault(key, set()).update(map(str, values))


class AssignedSamples(NamedTuple):
    """Samples and, in the same order, the indexes of the objects that they belong to."""

    indexes: Sequence[int]
    samples: list[Sample]


def merge_samples(row: Row, table: ColumnTable, assigned: AssignedSamples, stats: BuildStats) -> None:
    """Fill the fields of a row. A field keeps the first value that it gets."""
    stats.placed_samples[row.name] += len(assigned.samples)
    mappings_by_condition: dict[tuple[str, str] | None, list[FieldMapping]] = {}
    for mapping in row.field_mappings:
        mappings_by_condition.setdefault(mapping.only_with, []).append(mapping)
    for condition, mappings in mappings_by_condition.items():
        _fill_fields(row, mappings, table, _select_samples(assigned, condition), stats)


def _select_samples(assigned: AssignedSamples, condition: tuple[str, str] | None) -> AssignedSamples:
    """Return the samples whose label has the value of the condition."""
    if condition is None:
        return assigned
    get_value = attrgetter(f"labels.{get_label_attribute(condition[0])}")
    selected = [get_value(sample) == condition[1] for sample in assigned.samples]
    return AssignedSamples(list(compress(assigned.indexes, selected)), list(compress(assigned.samples, selected)))


def _fill_fields(
    row: Row, mappings: Sequence[FieldMapping], table: ColumnTable, assigned: AssignedSamples, stats: BuildStats
) -> None:
    if not assigned.samples:
        return
    is_contested = len(set(assigned.indexes)) < len(assigned.indexes)
    # Times do not decide which of several samples wins, except for the fields that keep the latest one.
    has_times = any(mapping.keeps_latest for mapping in mappings)
    if is_contested and has_times:
        assigned = _select_current(row, assigned, stats)
    if is_contested:
        assigned = _sort_by_precedence(assigned, by_value=not has_times)
    for mapping in mappings:
        if mapping.keeps_latest:
            _merge_latest(row, mapping, table, assigned, stats)
        elif mapping.key_label:
            _merge_entries(row, mapping, _list_entries(mapping, table, assigned), stats, is_contested=is_contested)
        elif is_contested or not _merge_column(mapping, table, assigned):
            column = table.ensure_column(mapping.field)
            entries = zip(repeat(column), assigned.indexes, _read_texts(mapping, assigned), strict=False)
            _merge_entries(row, mapping, entries, stats, is_contested=is_contested)


def _select_current(row: Row, assigned: AssignedSamples, stats: BuildStats) -> AssignedSamples:
    """Return the samples without those of series that ended before the newest series of the same object.

    Prometheus returns a series until five minutes after its last sample. The values of the samples are their times.
    """
    newest: dict[int, float] = {}
    seconds = [parse_seconds(sample.value.text) for sample in assigned.samples]
    for index, sample_seconds in zip(assigned.indexes, seconds, strict=True):
        newest[index] = max(sample_seconds, newest.get(index, sample_seconds))
    positions = [
        position
        for position, index in enumerate(assigned.indexes)
        if not is_superseded(seconds[position], newest[index])
    ]
    if superseded_count := len(assigned.samples) - len(positions):
        stats.conflicts[row.name, SUPERSEDED_REASON] += superseded_count
    return AssignedSamples(
        [assigned.indexes[position] for position in positions], [assigned.samples[position] for position in positions]
    )


def is_superseded(seconds: float, newest_seconds: float) -> bool:
    """Return whether a series with its last sample at `seconds` has ended, as another one goes on."""
    return newest_seconds - seconds > MAX_CURRENT_AGE_GAP_SECONDS


def parse_seconds(text: str) -> float:
    """Return a time in seconds, 0 for text that is no time."""
    try:
        seconds = float(text)
    except ValueError:
        return 0.0
    return seconds if math.isfinite(seconds) else 0.0


def _sort_by_precedence(assigned: AssignedSamples, *, by_value: bool) -> AssignedSamples:
    """Return the samples, winners first: the largest value, then the greatest labels, as in the Go service.

    Labels are compared one by one, in the order of their names.
    """
    precedence_keys = [_build_precedence_key(sample, by_value=by_value) for sample in assigned.samples]
    sorted_positions = sorted(range(len(precedence_keys)), key=precedence_keys.__getitem__, reverse=True)
    return AssignedSamples(
        [assigned.indexes[position] for position in sorted_positions],
        [assigned.samples[position] for position in sorted_positions],
    )


def _build_precedence_key(sample: Sample, *, by_value: bool) -> tuple[float, tuple[Any, ...]]:
    try:
        value = float(sample.value.text) if by_value else 0.0
    except ValueError:
        value = math.nan
    labels = sample.labels.items() if isinstance(sample.labels, dict) else msgspec.structs.astuple(sample.labels)
    return (-math.inf if math.isnan(value) else value, tuple(labels))


def _merge_column(mapping: FieldMapping, table: ColumnTable, assigned: AssignedSamples) -> bool:
    """Fill one field of objects that have one sample each; return False and fill nothing if a text is invalid."""
    values = convert_all(mapping.convert, _read_texts(mapping, assigned))
    if values is None:
        return False
    is_new = mapping.field not in table.columns
    column = table.ensure_column(mapping.field)
    if is_new:
        for index, value in zip(assigned.indexes, values, strict=True):
            column[index] = value
    else:
        for index, value in zip(assigned.indexes, values, strict=True):
            if column[index] is None:
                column[index] = value
    return True


def _merge_entries(
    row: Row,
    mapping: FieldMapping,
    entries: Iterable[tuple[_ValueStore, Any, str]],
    stats: BuildStats,
    *,
    is_contested: bool,
) -> None:
    """Fill fields without a value; count values that conflict or cannot be stored."""
    convert = mapping.convert
    merged_here: set[tuple[int, Any]] = set()
    for store, name, text in entries:
        current = store.get(name) if isinstance(store, dict) else store[name]
        if current is not None and (id(store), name) not in merged_here:
            continue
        try:
            value: Any = convert(text)
        except ValueError as error:
            stats.dropped[row.name, str(error)] += 1
            continue
        if value is None:
            continue
        if current is not None:
            if value != current:
                stats.conflicts[row.name, mapping.field] += 1
                if mapping.identifies:
                    stats.record_contradiction((row, mapping.field, name), (current, value))
            continue
        store[name] = value
        if is_contested:
            merged_here.add((id(store), name))


def _merge_latest(
    row: Row, mapping: FieldMapping, table: ColumnTable, assigned: AssignedSamples, stats: BuildStats
) -> None:
    """Fill one field with the largest value of all samples of an object, of any row."""
    column = table.ensure_column(mapping.field)
    texts = _read_texts(mapping, assigned)
    values = convert_all(mapping.convert, texts) or _convert_each(row, mapping, texts, stats)
    for index, value in zip(assigned.indexes, values, strict=True):
        if value is not None:
            current = column[index]
            if current is None or value > current:
                column[index] = value


def _convert_each(row: Row, mapping: FieldMapping, texts: Iterable[str], stats: BuildStats) -> list[Any]:
    """Return the values of texts; count invalid texts, whose value is None."""
    values: list[Any] = []
    for text in texts:
        try:
            values.append(mapping.convert(text))
        except ValueError as error:
            stats.dropped[row.name, str(error)] += 1
            values.append(None)
    return values


def _read_texts(mapping: FieldMapping, assigned: AssignedSamples) -> list[str]:
    """Return the text of each sample for a field."""
    get_text = (
        attrgetter(f"labels.{get_label_attribute(mapping.value_label)}") if mapping.value_label else _get_value_text
    )
    return list_in_chunks(map(get_text, assigned.samples))


def _list_entries(
    mapping: FieldMapping, table: ColumnTable, assigned: AssignedSamples
) -> Iterable[tuple[_ValueStore, str, str]]:
    """Return the mappings to fill, with the key and the text of each entry."""
    column = table.ensure_column(mapping.field)
    stores = []
    for index in assigned.indexes:
        store = column[index]
        if store is None:
            store = column[index] = {}
        stores.append(store)
    if mapping.key_label.endswith("*"):
        return _list_wildcard_entries(mapping.key_label[:-1], stores, assigned.samples)
    names = map(attrgetter(f"labels.{get_label_attribute(mapping.key_label)}"), assigned.samples)
    return zip(stores, names, _read_texts(mapping, assigned), strict=True)


def _list_wildcard_entries(
    prefix: str, stores: list[dict[str, Any]], samples: list[Sample]
) -> Iterable[tuple[_ValueStore, str, str]]:
    for store, sample in zip(stores, samples, strict=True):
        for label, text in sample.labels.items():
            if label.startswith(prefix):
                yield store, label.removeprefix(prefix), text
