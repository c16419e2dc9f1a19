"""What the last build found out of each series: whose it is. Forgetting it costs time, and changes nothing.

From one refresh to the next nearly all series stay, and with them where their samples go. A series is known again by
the hash of its labels, 64 bits under a key of this process. Where an owner is a moment later is told by its mark, the
hash of the label sets that identify it: with the same mark it is found by the same labels.
"""

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from operator import attrgetter

from aggregator.models.draft import Labels, Register
from aggregator.models.row import Owner, Part, Row
from aggregator.models.table import Parts
from aggregator.portions import listed, turns
from aggregator.querier.decode import Sample

NOWHERE = -1

# Kinds of owners that only rows make which say so: their marks tell all that they can be found by.
KNOWN_AGAIN = frozenset({Owner.NODE, Owner.POD})

_METRIC = attrgetter("metric")


@dataclass(frozen=True)
class _Series:
    """A row's series, by hashes of their labels, and what each was about."""

    hashes: "array[int]"
    numbers: "array[int]"


@dataclass(frozen=True)
class _Marks:
    """The owners of one kind by number, and what their parts were."""

    marks: "array[int]"
    parts: Mapping[Part, Parts]


@dataclass
class _Memory:
    """What is remembered of one build."""

    series: dict[str, _Series] = field(default_factory=dict)
    owners: dict[Owner, _Marks] = field(default_factory=dict)


class Recall:
    """Remembers one build for the next, which tells it where it begins and ends."""

    def __init__(self) -> None:
        self._last = _Memory()
        self._new = _Memory()
        self._registers: Mapping[Owner, Register] = {}
        self._now: dict[tuple[object, ...], list[int]] = {}

    def begin(self, registers: Mapping[Owner, Register]) -> None:
        """Begin with a build that makes its owners in these registers."""
        self._registers = registers
        self._new = _Memory()
        self._now = {}

    def end(self) -> None:
        """Keep what was learnt since the beginning, and nothing else of the build."""
        for owner in KNOWN_AGAIN:
            register = self._registers[owner]
            marks = array("q", (draft.mark for draft in register.by_number))
            for parts in register.parts.values():
                parts.strip()
            self._new.owners[owner] = _Marks(marks, register.parts)
        self._last = self._new
        self._registers, self._now = {}, {}

    def hashes(self, row: Row, samples: Sequence[Sample]) -> "array[int] | None":
        """Return what the row's series can be known again by, None where they are not to be remembered."""
        whose = row.whose
        if row.ask.labels is None or whose.every or whose.owner not in KNOWN_AGAIN:
            return None
        hashes = array("q")
        for turn in turns(map(hash, map(_METRIC, samples)), len(samples)):
            hashes.extend(turn)
        return hashes

    def numbers(self, row: Row, hashes: "array[int] | None") -> list[int] | None:
        """Return what each series is about: the number of an owner, or of its part; NOWHERE where it is to be found.

        None where nothing is remembered of any.
        """
        last = self._last.series.get(row.name)
        if last is None or hashes is None or not self._last.owners:
            return None
        then: Sequence[int] = last.numbers
        if hashes != last.hashes:
            known: dict[int, int] = {}
            for turn in turns(zip(last.hashes, last.numbers, strict=True), len(last.hashes)):
                known.update(turn)
            then = listed(map(known.get, hashes, repeat(NOWHERE)))
        now = self._parts_now(row, row.whose.part, then) if row.whose.part else self._owners_now(row)
        return [now[number] for number in then]

    def remember(self, row: Row, hashes: "array[int] | None", numbers: Iterable[int]) -> None:
        """Keep what the row's series are about."""
        if hashes is not None:
            self._new.series[row.name] = _Series(hashes, array("i", numbers))

    def _owners_now(self, row: Row) -> list[int]:
        """Return by the number that an owner had the one that it has, if it is found as surely as it was.

        The last one, at NOWHERE, is NOWHERE.
        """
        owner, known_by = row.whose.owner, row.whose.find[0].known_by
        if (owner, known_by) not in self._now:
            self._now[owner, known_by] = self._found_again(owner, known_by)
        return self._now[owner, known_by]

    def _found_again(self, owner: Owner, known_by: Labels) -> list[int]:
        register = self._registers[owner]
        marks = self._last.owners[owner].marks
        numbers = {draft.mark: draft.number for draft in register.by_number}
        now = [numbers.get(mark, NOWHERE) for mark in marks]
        if NOWHERE in now or len(now) != len(numbers):
            # Others came or went: one of them may be found by the same labels.
            shared = {each for those in register.index(known_by).values() if len(those) > 1 for each in those}
            if shared:
                now = [NOWHERE if number in shared else number for number in now]
        return [*now, NOWHERE]

    def _parts_now(self, row: Row, part: Part, then: Sequence[int]) -> list[int]:
        """Return by the number that a part had the one that it has; parts that nothing knew yet are made."""
        owners_now = self._owners_now(row)
        parts = self._registers[row.whose.owner].parts_of(part)
        before = self._last.owners[row.whose.owner].parts.get(part) or Parts()
        key = (part, row.whose.find[0].known_by)
        if key not in self._now:
            self._now[key] = [NOWHERE] * (before.size + 1)
        now = self._now[key]
        seek = parts.find if row.whose.known_parts_only else parts.add
        for number in then:
            if now[number] == NOWHERE and number != NOWHERE:
                owner = owners_now[before.owners[number]]
                if owner != NOWHERE:
                    now[number] = seek(owner, before.names[number])
        return now
