"""Fills the columns of a row's fields from its samples: which value wins, and what is counted where some do not."""

import math
from collections.abc import Iterable, Sequence
from itertools import repeat
from operator import attrgetter
from typing import Any

import msgspec

from aggregator.models.row import Fill, Row
from aggregator.models.table import Table
from aggregator.models.tally import Tally
from aggregator.models.values import all_converted
from aggregator.portions import listed
from aggregator.querier.decode import Sample, attribute

# An object's fields by name, as a column or a mapping has them, and what is to be filled in it.
_Holder = list[Any] | dict[Any, Any]

VALUE = attrgetter("value.text")


class Targets:
    """Samples with the numbers of the objects whose fields each is to fill, side by side."""

    __slots__ = ("numbers", "samples")

    def __init__(self, numbers: Sequence[int], samples: list[Sample]) -> None:
        self.numbers = numbers
        self.samples = samples


def fill_all(row: Row, table: Table, targets: Targets, tally: Tally) -> None:
    """Fill the row's fields of objects of one kind; a field keeps the first value that it gets."""
    tally.placed[row.name] += len(targets.samples)
    if not targets.samples:
        return
    is_contested = len(set(targets.numbers)) < len(targets.numbers)
    if is_contested:
        _sort_by_precedence(targets, by_value=not row.tells_when)
    for fill in row.fills:
        if fill.latest:
            _fill_latest(row, fill, table, targets, tally)
        elif fill.key:
            _fill_entries(row, fill, _entries(fill, table, targets), tally, is_contested=is_contested)
        elif is_contested or not _fill_at_once(fill, table, targets):
            column = table.column(fill.field)
            entries = zip(repeat(column), targets.numbers, _texts(fill, targets), strict=False)
            _fill_entries(row, fill, entries, tally, is_contested=is_contested)


def _sort_by_precedence(targets: Targets, *, by_value: bool) -> None:
    """Put the sample that wins first: of the largest value, then of the last labels, as the Go service had it."""
    ranks = [_precedence(sample, by_value=by_value) for sample in targets.samples]
    in_order = sorted(range(len(ranks)), key=ranks.__getitem__, reverse=True)
    targets.numbers = [targets.numbers[at] for at in in_order]
    targets.samples = [targets.samples[at] for at in in_order]


def _precedence(sample: Sample, *, by_value: bool) -> tuple[float, tuple[Any, ...]]:
    try:
        number = float(sample.value.text) if by_value else 0.0
    except ValueError:
        number = math.nan
    labels = sample.metric.items() if isinstance(sample.metric, dict) else msgspec.structs.astuple(sample.metric)
    return (-math.inf if math.isnan(number) else number, tuple(labels))


def _fill_at_once(fill: Fill, table: Table, targets: Targets) -> bool:
    """Fill one field of objects of which each has one sample; return False, with nothing filled, if a text is refused.

    What a field is worth that has a value already is looked at, too, but nothing comes of it.
    """
    values = all_converted(fill.convert, _texts(fill, targets))
    if values is None:
        return False
    is_new = fill.field not in table.columns
    column = table.column(fill.field)
    if is_new:
        for number, value in zip(targets.numbers, values, strict=True):
            column[number] = value
    else:
        for number, value in zip(targets.numbers, values, strict=True):
            if column[number] is None:
                column[number] = value
    return True


def _fill_entries(
    row: Row, fill: Fill, entries: Iterable[tuple[_Holder, Any, str]], tally: Tally, *, is_contested: bool
) -> None:
    """Fill what has no value yet; count what contradicts or cannot be kept."""
    convert = fill.convert
    filled_here: set[tuple[int, Any]] = set()
    for holder, name, text in entries:
        known = holder.get(name) if isinstance(holder, dict) else holder[name]
        if known is not None and (id(holder), name) not in filled_here:
            continue
        try:
            value: Any = convert(text)
        except ValueError as refused:
            tally.dropped[row.name, str(refused)] += 1
            continue
        if value is None:
            continue
        if known is not None:
            if value != known:
                tally.conflicts[row.name, fill.field] += 1
            continue
        holder[name] = value
        if is_contested:
            filled_here.add((id(holder), name))


def _fill_latest(row: Row, fill: Fill, table: Table, targets: Targets, tally: Tally) -> None:
    """Fill one field of every target with the largest value that any sample has for it."""
    column = table.column(fill.field)
    texts = _texts(fill, targets)
    values = all_converted(fill.convert, texts) or _converted_each(row, fill, texts, tally)
    for number, value in zip(targets.numbers, values, strict=True):
        if value is not None:
            known = column[number]
            if known is None or value > known:
                column[number] = value


def _converted_each(row: Row, fill: Fill, texts: Iterable[str], tally: Tally) -> list[Any]:
    """Return the values of texts, None for one that is refused, which is counted."""
    values: list[Any] = []
    for text in texts:
        try:
            values.append(fill.convert(text))
        except ValueError as refused:
            tally.dropped[row.name, str(refused)] += 1
            values.append(None)
    return values


def _texts(fill: Fill, targets: Targets) -> list[str]:
    """Return what each sample says for a field."""
    read = attrgetter(f"metric.{attribute(fill.source)}") if fill.source else VALUE
    return listed(map(read, targets.samples))


def _entries(fill: Fill, table: Table, targets: Targets) -> Iterable[tuple[_Holder, str, str]]:
    """Return what to fill of fields that are mappings, under which name, from which text."""
    column = table.column(fill.field)
    holders = []
    for number in targets.numbers:
        holder = column[number]
        if holder is None:
            holder = column[number] = {}
        holders.append(holder)
    if fill.key.endswith("*"):
        return _wildcard_entries(fill.key[:-1], holders, targets.samples)
    names = map(attrgetter(f"metric.{attribute(fill.key)}"), targets.samples)
    return zip(holders, names, _texts(fill, targets), strict=True)


def _wildcard_entries(
    prefix: str, holders: list[dict[str, Any]], samples: list[Sample]
) -> Iterable[tuple[_Holder, str, str]]:
    for holder, sample in zip(holders, samples, strict=True):
        for label, text in sample.metric.items():
            if label.startswith(prefix):
                yield holder, label.removeprefix(prefix), text
