"""Puts the samples of one row where they belong: finds or makes their owners and fills the row's fields.

This runs for every sample of a refresh. It works on whole lists, a step at a time, because that is what
keeps the cost of a sample at about a microsecond (benchmarks/README.md).
"""

import math
from collections.abc import Iterable
from itertools import repeat
from operator import attrgetter
from typing import Any

import msgspec

from aggregator.models.draft import Draft, Fields, Register, reader
from aggregator.models.row import Fill, Match, Row
from aggregator.models.tally import Tally
from aggregator.querier.decode import Sample, attribute


class Targets:
    """Samples with the fields that each is to fill, side by side."""

    __slots__ = ("fields", "samples")

    def __init__(self, fields: list[Fields], samples: list[Sample]) -> None:
        self.fields = fields
        self.samples = samples


def place(row: Row, samples: list[Sample], register: Register, tally: Tally) -> None:
    """Fill the row's fields from the samples, the surest ways of finding an owner first.

    A field keeps the first value that it gets: rows that stand higher in the catalog win, and surer ways.
    """
    if row.whose.makes:
        owners, samples = _made(row, samples, register, tally)
        _fill_owners(row, owners, samples, tally)
        return
    remaining = samples
    for way in row.whose.find:
        if not remaining:
            return
        owners, found, remaining = _found(row, way, remaining, register, tally)
        _fill_owners(row, owners, found, tally)
    if remaining:
        tally.unplaced[row.name, f"no {row.whose.owner.value} with its labels"] += len(remaining)


def _made(row: Row, samples: list[Sample], register: Register, tally: Tally) -> tuple[list[Draft], list[Sample]]:
    owners: list[Draft] = []
    placed: list[Sample] = []
    for sample in samples:
        draft = register.identified(sample.metric, row.whose.makes)
        if draft is None:
            tally.unplaced[row.name, "no label says whose it is"] += 1
        else:
            owners.append(draft)
            placed.append(sample)
    return owners, placed


def _found(
    row: Row, way: Match, samples: list[Sample], register: Register, tally: Tally
) -> tuple[list[Draft], list[Sample], list[Sample]]:
    """Return owners and their samples side by side, and the samples that this way finds no owner for."""
    find = register.index(way.known_by).get
    key_of = reader(samples[0].metric.__class__, way.labels)
    owners: list[Draft] = []
    placed: list[Sample] = []
    missed: list[Sample] = []
    for sample in samples:
        drafts = find(key_of(sample.metric))
        if drafts is None:
            missed.append(sample)
        elif len(drafts) == 1:
            owners.append(drafts[0])
            placed.append(sample)
        elif row.whose.every:
            owners.extend(drafts)
            placed.extend([sample] * len(drafts))
        else:
            tally.unplaced[row.name, f"{row.whose.owner.value}s of equal labels"] += 1
    return owners, placed, missed


def _fill_owners(row: Row, owners: list[Draft], samples: list[Sample], tally: Tally) -> None:
    targets = _targets(row, owners, samples, tally)
    tally.placed[row.name] += len(targets.samples)
    is_contested = len(set(map(id, targets.fields))) < len(targets.fields)
    if is_contested:
        _sort_by_precedence(targets, by_value=not row.tells_when)
    for fill in row.fills:
        if fill.latest:
            _fill_latest(row, fill, targets, tally)
        else:
            _fill(row, fill, targets, tally, is_contested=is_contested)


def _targets(row: Row, owners: list[Draft], samples: list[Sample], tally: Tally) -> Targets:
    """Return the fields of the owners, or of the parts that the row is about."""
    part = row.whose.part
    if part is None:
        return Targets([owner.fields for owner in owners], samples)
    name_of = attrgetter(attribute(row.whose.part_label))
    holder, is_strict = part.value, row.whose.known_parts_only
    fields: list[Fields] = []
    placed: list[Sample] = []
    for owner, sample in zip(owners, samples, strict=True):
        named = owner.parts.get(holder)
        if named is None:
            named = owner.parts[holder] = {}
        name = name_of(sample.metric)
        known = named.get(name)
        if known is None:
            if is_strict:
                tally.unplaced[row.name, f"not among the {holder} of its {row.whose.owner.value}"] += 1
                continue
            known = named[name] = {}
        fields.append(known)
        placed.append(sample)
    return Targets(fields, placed)


def _sort_by_precedence(targets: Targets, *, by_value: bool) -> None:
    """Put the sample that wins first: of the largest value, then of the last labels, as the Go service had it."""
    ranks = [_precedence(sample, by_value=by_value) for sample in targets.samples]
    in_order = sorted(range(len(ranks)), key=ranks.__getitem__, reverse=True)
    targets.fields = [targets.fields[at] for at in in_order]
    targets.samples = [targets.samples[at] for at in in_order]


def _precedence(sample: Sample, *, by_value: bool) -> tuple[float, tuple[Any, ...]]:
    try:
        number = float(sample.value.text) if by_value else 0.0
    except ValueError:
        number = math.nan
    labels = sample.metric.items() if isinstance(sample.metric, dict) else msgspec.structs.astuple(sample.metric)
    return (-math.inf if math.isnan(number) else number, tuple(labels))


def _fill(row: Row, fill: Fill, targets: Targets, tally: Tally, *, is_contested: bool) -> None:
    """Fill one field of every target that has no value for it yet; count what contradicts or cannot be kept."""
    convert = fill.convert
    filled_here: set[tuple[int, str]] = set()
    for holder, name, text in _entries(fill, targets):
        is_filled = name in holder
        if is_filled and (id(holder), name) not in filled_here:
            continue
        try:
            value = convert(text)
        except ValueError as refused:
            tally.dropped[row.name, str(refused)] += 1
            continue
        if value is None:
            continue
        if is_filled:
            if value != holder[name]:
                tally.conflicts[row.name, fill.field] += 1
            continue
        holder[name] = value
        if is_contested:
            filled_here.add((id(holder), name))


def _fill_latest(row: Row, fill: Fill, targets: Targets, tally: Tally) -> None:
    """Fill one field of every target with the largest value that any sample has for it."""
    name = fill.field
    for fields, sample in zip(targets.fields, targets.samples, strict=True):
        try:
            value: Any = fill.convert(sample.value.text)
        except ValueError as refused:
            tally.dropped[row.name, str(refused)] += 1
            continue
        known = fields.get(name)
        if known is None or value > known:
            fields[name] = value


def _entries(fill: Fill, targets: Targets) -> Iterable[tuple[Fields, str, str]]:
    """Return what to fill, under which name, from which text."""
    samples = targets.samples
    if fill.key.endswith("*"):
        return _wildcard_entries(fill.field, fill.key[:-1], targets)
    if fill.source:
        text_of = attrgetter(attribute(fill.source))
        texts = [text_of(sample.metric) for sample in samples]
    else:
        texts = [sample.value.text for sample in samples]
    if not fill.key:
        return zip(targets.fields, repeat(fill.field), texts, strict=False)
    name_of = attrgetter(attribute(fill.key))
    names = [name_of(sample.metric) for sample in samples]
    holders = [fields.setdefault(fill.field, {}) for fields in targets.fields]
    return zip(holders, names, texts, strict=True)


def _wildcard_entries(field: str, prefix: str, targets: Targets) -> Iterable[tuple[Fields, str, str]]:
    for fields, sample in zip(targets.fields, targets.samples, strict=True):
        holder = fields.setdefault(field, {})
        for label, text in sample.metric.items():
            if label.startswith(prefix):
                yield holder, label.removeprefix(prefix), text
