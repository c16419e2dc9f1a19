"""Puts the samples of one row where they belong: finds or makes their owners and fills the row's fields."""

import math
from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any

import msgspec

from aggregator.models.draft import Draft, Register, key_reader
from aggregator.models.row import Fill, Match, Row
from aggregator.models.tally import Tally
from aggregator.querier.decode import Sample, attribute

Target = tuple[Draft, Sample]


def place(row: Row, samples: list[Sample], register: Register, tally: Tally) -> None:
    """Fill the row's fields from the samples, the surest ways of finding an owner first.

    A field keeps the first value that it gets: rows that stand higher in the catalog win, and surer ways.
    """
    if row.whose.makes:
        _fill_owners(row, _made(row, samples, register, tally), tally)
        return
    remaining = samples
    for way in row.whose.find:
        if not remaining:
            return
        targets, remaining = _found(row, way, remaining, register, tally)
        _fill_owners(row, targets, tally)
    if remaining:
        tally.unplaced[row.name, f"no {row.whose.owner.value} with its labels"] += len(remaining)


def _made(row: Row, samples: list[Sample], register: Register, tally: Tally) -> list[Target]:
    targets = []
    for sample in samples:
        draft = register.identified(sample.metric, row.whose.makes)
        if draft is None:
            tally.unplaced[row.name, "no label says whose it is"] += 1
        else:
            targets.append((draft, sample))
    return targets


def _found(
    row: Row, way: Match, samples: list[Sample], register: Register, tally: Tally
) -> tuple[list[Target], list[Sample]]:
    """Return the samples with their owners, and those that this way finds no owner for."""
    find = register.index(way.known_by).get
    key_of = key_reader(way.labels, all_labels=row.ask.labels is None)
    targets: list[Target] = []
    missed: list[Sample] = []
    for sample in samples:
        drafts = find(key_of(sample.metric))
        if drafts is None:
            missed.append(sample)
        elif len(drafts) == 1 or row.whose.every:
            targets.extend((draft, sample) for draft in drafts)
        else:
            tally.unplaced[row.name, f"{row.whose.owner.value}s of equal labels"] += 1
    return targets, missed


def _fill_owners(row: Row, targets: list[Target], tally: Tally) -> None:
    if row.whose.part is not None:
        targets = list(_part_targets(row, targets, tally))
    tally.placed[row.name] += len(targets)
    if len({id(draft) for draft, _ in targets}) == len(targets):
        for fill in row.fills:
            _fill_once(row, fill, targets, tally)
    else:
        # Equal owners: the largest value, then the last labels in their order, as the Go service had it.
        targets.sort(key=_precedence, reverse=True)
        for fill in row.fills:
            _fill_contested(row, fill, targets, tally)


def _part_targets(row: Row, targets: list[Target], tally: Tally) -> Iterable[Target]:
    assert row.whose.part is not None  # noqa: S101 - the caller's case, said for the type checker
    name_of = attrgetter(attribute(row.whose.part_label))
    for owner, sample in targets:
        name = name_of(sample.metric)
        part = owner.part(row.whose.part, name) if row.whose.known_parts_only else owner.part_made(row.whose.part, name)
        if part is None:
            tally.unplaced[row.name, f"not among the {row.whose.part.value} of its {row.whose.owner.value}"] += 1
        else:
            yield part, sample


def _precedence(target: Target) -> tuple[float, tuple[str, ...]]:
    _, sample = target
    number = float(sample.value[1])
    labels = sample.metric.items() if isinstance(sample.metric, dict) else msgspec.structs.astuple(sample.metric)
    return (-math.inf if math.isnan(number) else number, tuple(labels))


def _fill_once(row: Row, fill: Fill, targets: list[Target], tally: Tally) -> None:
    """Fill one field of owners that each have one sample."""
    for draft, name, value in _converted(row, fill, targets, tally):
        holder = draft.fields.setdefault(fill.field, {}) if fill.key else draft.fields
        holder.setdefault(name, value)


def _fill_contested(row: Row, fill: Fill, targets: list[Target], tally: Tally) -> None:
    """Fill one field of owners that may have several samples, and count those that contradict."""
    filled_here: set[tuple[int, str]] = set()
    for draft, name, value in _converted(row, fill, targets, tally):
        holder = draft.fields.setdefault(fill.field, {}) if fill.key else draft.fields
        entry = (id(holder), name)
        if name not in holder:
            holder[name] = value
            filled_here.add(entry)
        elif entry in filled_here and holder[name] != value:
            tally.conflicts[row.name, fill.field] += 1


def _converted(row: Row, fill: Fill, targets: list[Target], tally: Tally) -> Iterable[tuple[Draft, str, Any]]:
    """Yield each target's draft, the name to fill (the field's, or an entry's of a mapping), and the value."""
    convert = fill.convert
    texts = _texts(fill)
    for draft, sample in targets:
        for name, text in texts(sample):
            try:
                value = convert(text)
            except ValueError as refused:
                tally.dropped[row.name, str(refused)] += 1
                continue
            if value is not None:
                yield draft, name, value


def _texts(fill: Fill) -> Callable[[Sample], Iterable[tuple[str, str]]]:
    """Return a function that gives the names to fill and the texts to fill them from."""
    field = fill.field
    if fill.key.endswith("*"):
        prefix = fill.key[:-1]
        return lambda sample: [
            (label.removeprefix(prefix), text) for label, text in sample.metric.items() if label.startswith(prefix)
        ]
    if not fill.source and not fill.key:
        return lambda sample: ((field, sample.value[1]),)
    name_of = attrgetter(attribute(fill.key)) if fill.key else lambda _metric: field
    text_of = attrgetter(attribute(fill.source)) if fill.source else None
    if text_of is None:
        return lambda sample: ((name_of(sample.metric), sample.value[1]),)
    return lambda sample: ((name_of(sample.metric), text_of(sample.metric)),)
