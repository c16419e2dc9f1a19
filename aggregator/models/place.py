"""Finds what the samples of one row are about: their owners, or parts of those, found or made.

This runs for every sample of a refresh. It works on whole lists, a step at a time, because that is what
keeps the cost of a sample at about a microsecond (benchmarks/README.md).
"""

from collections.abc import Iterable, Sequence
from operator import attrgetter

from aggregator.models.draft import Register, reader
from aggregator.models.fill import Targets, fill_all
from aggregator.models.recall import NOWHERE, Recall
from aggregator.models.row import Match, Row
from aggregator.models.table import Table
from aggregator.models.tally import Tally
from aggregator.querier.decode import Sample, attribute

# Five hundred samples for each of five hundred owners of equal labels take half a second: more are samples of nobody.
MOST_SHARED = 250_000


def place(row: Row, samples: list[Sample], register: Register, tally: Tally, recall: Recall) -> None:
    """Fill the row's fields from the samples, the surest ways of finding an owner first.

    A field keeps the first value that it gets: rows that stand higher in the catalog win, and surer ways. What the
    last refresh has found by the surest way, and by nothing else, is not looked for again.
    """
    if row.whose.makes:
        owners, found = _made(row, samples, register, tally)
        _fill(row, owners, found, register, tally)
        return
    first, *others = row.whose.find
    if not samples:
        return
    if row.whose.every:
        remaining, others = samples, [first, *others]
    else:
        remaining = _placed_again(row, samples, register, tally, recall)
    for way in others:
        if not remaining:
            return
        owners, found, remaining = _found(row, way, remaining, register, tally)
        _fill(row, owners, found, register, tally)
    if remaining:
        tally.unplaced[row.name, f"no {row.whose.owner.value} with its labels"] += len(remaining)


def _placed_again(row: Row, samples: list[Sample], register: Register, tally: Tally, recall: Recall) -> list[Sample]:
    """Place samples where those of their series were, the others by the surest way; return what it does not place."""
    hashes = recall.hashes(row, samples)
    known = recall.numbers(row, hashes) or [NOWHERE] * len(samples)
    numbers: Sequence[int] = known
    missed: list[Sample] = []
    if NOWHERE in known:
        unknown = [sample for number, sample in zip(known, samples, strict=True) if number == NOWHERE]
        owners, found, missed = _found(row, row.whose.find[0], unknown, register, tally)
        numbers = _merged(known, samples, _targets(row, owners, found, register, tally))
    recall.remember(row, hashes, numbers)
    if NOWHERE in numbers:
        samples = [sample for number, sample in zip(numbers, samples, strict=True) if number != NOWHERE]
        numbers = [number for number in numbers if number != NOWHERE]
    fill_all(row, _table(row, register), Targets(numbers, samples), tally)
    return missed


def _merged(numbers: list[int], samples: list[Sample], found: Targets) -> Sequence[int]:
    """Return what each sample is about: what was known of it, or what was found now."""
    if len(found.samples) == len(samples):
        return found.numbers
    by_identity = dict(zip(map(id, found.samples), found.numbers, strict=True))
    return [
        by_identity.get(id(sample), NOWHERE) if number == NOWHERE else number
        for number, sample in zip(numbers, samples, strict=True)
    ]


def _made(row: Row, samples: list[Sample], register: Register, tally: Tally) -> tuple[list[int], list[Sample]]:
    owners: list[int] = []
    placed: list[Sample] = []
    for sample in samples:
        draft = register.identified(sample.metric, row.whose.makes)
        if draft is None:
            tally.unplaced[row.name, "no label says whose it is"] += 1
        else:
            owners.append(draft.number)
            placed.append(sample)
    return owners, placed


def _found(
    row: Row, way: Match, samples: list[Sample], register: Register, tally: Tally
) -> tuple[list[int], list[Sample], list[Sample]]:
    """Return owners and their samples side by side, and the samples that this way finds no owner for."""
    owners: list[int] = []
    placed: list[Sample] = []
    missed: list[Sample] = []
    if not samples:
        return owners, placed, missed
    find = register.index(way.known_by).get
    key_of = reader(samples[0].metric.__class__, way.labels)
    shares = row.whose.every and _is_bearable(find(key_of(sample.metric)) for sample in samples)
    for sample in samples:
        numbers = find(key_of(sample.metric))
        if numbers is None:
            missed.append(sample)
        elif len(numbers) == 1:
            owners.append(numbers[0])
            placed.append(sample)
        elif shares:
            owners.extend(numbers)
            placed.extend([sample] * len(numbers))
        else:
            tally.unplaced[row.name, f"{row.whose.owner.value}s of equal labels"] += 1
    return owners, placed, missed


def _is_bearable(owners: Iterable[tuple[int, ...] | None]) -> bool:
    """Return whether samples of which each is for all of its owners are not too many in all."""
    return sum(len(numbers) - 1 for numbers in owners if numbers) <= MOST_SHARED


def _fill(row: Row, owners: list[int], samples: list[Sample], register: Register, tally: Tally) -> None:
    fill_all(row, _table(row, register), _targets(row, owners, samples, register, tally), tally)


def _table(row: Row, register: Register) -> Table:
    return register.parts_of(row.whose.part) if row.whose.part else register.table


def _targets(row: Row, owners: list[int], samples: list[Sample], register: Register, tally: Tally) -> Targets:
    """Return the numbers of the owners, or of their parts that the row is about."""
    part = row.whose.part
    if part is None:
        return Targets(owners, samples)
    names = map(attrgetter(f"metric.{attribute(row.whose.part_label)}"), samples)
    parts = register.parts_of(part)
    if not row.whose.known_parts_only:
        return Targets(list(map(parts.add, owners, names)), samples)
    numbers = list(map(parts.find, owners, names))
    if unknown := numbers.count(NOWHERE):
        tally.unplaced[row.name, f"not among the {part.value} of its {row.whose.owner.value}"] += unknown
        samples = [sample for number, sample in zip(numbers, samples, strict=True) if number != NOWHERE]
        numbers = [number for number in numbers if number != NOWHERE]
    return Targets(numbers, samples)
