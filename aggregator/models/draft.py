"""Objects while they are being built, and the ways to find them by labels of their series."""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from operator import attrgetter, itemgetter
from typing import Any

import msgspec

from aggregator.models.row import Part
from aggregator.models.table import Parts, Table
from aggregator.portions import let_go, let_go_all, listed, turns
from aggregator.querier.decode import LACKING, attribute

Labels = tuple[str, ...]

# The only label whose values come with white space: machine ids are read from /etc/machine-id with their newline.
UNTRIMMED = "icos_host_id"

_LAST = itemgetter(-1)

# Label names, and the values by which they identify an object.
Identity = tuple[Labels, Labels]


class Draft(msgspec.Struct, gc=False, eq=False):
    """An owner that is not finished: its number among those of its kind, and the label sets that identify it.

    `mark` stands for those label sets: an owner that is identified by the same series has the same mark in the next
    refresh.
    """

    number: int
    table: Table
    metrics: list[Any] = []
    mark: int = 0

    def label(self, name: str) -> str:
        """Return what the object's identifying label sets have under `name`, "" if none has; the last of several."""
        key = attribute(name)
        return max((getattr(metric, key, "") for metric in self.metrics), default="")

    def value(self, field: str) -> Any:
        """Return what is known of one of its fields so far."""
        return self.table.value(self.number, field)

    @property
    def fields(self) -> dict[str, Any]:
        """All that is known of its fields."""
        named = ((field, self.value(field)) for field in self.table.columns)
        return {field: value for field, value in named if value is not None}


class Register:
    """All drafts of one kind, by identity and by whatever else their series can be found by.

    `same` has identities that are those of other objects.
    """

    def __init__(self) -> None:
        self.drafts: dict[Identity, Draft] = {}
        self.same: Mapping[Identity, Identity] = {}
        self.by_number: list[Draft] = []
        self.table = Table()
        self.parts: dict[Part, Parts] = {}
        self._indexes: dict[Labels, dict[Any, tuple[int, ...]]] = {}
        # Numbers and label sets by the type of those; made with the first index.
        self._by_kind: dict[Any, tuple[list[int], list[Any]]] = {}

    def identified(self, metric: Any, identities: Iterable[Labels]) -> Draft | None:
        """Return the draft that a label set identifies, made if need be; None if it identifies none.

        The first of `identities` whose last label is not empty counts; an empty one identifies the only one of
        its kind.
        """
        for labels in identities:
            values = reader(metric.__class__, labels)(metric)
            if not values or values[-1]:
                if UNTRIMMED in labels:
                    values = tuple(value.strip() for value in values)
                identity = (labels, values)
                if self.same:
                    identity = self.same.get(identity, identity)
                draft = self.drafts.get(identity)
                if draft is None:
                    draft = self.drafts[identity] = self.new()
                draft.metrics.append(metric)
                draft.mark = hash((draft.mark, metric))
                return draft
        return None

    def new(self) -> Draft:
        """Return a draft that nothing identifies yet."""
        draft = Draft(len(self.by_number), self.table)
        self.by_number.append(draft)
        self.table.size += 1
        return draft

    def parts_of(self, part: Part) -> Parts:
        """Return all parts of one kind."""
        return self.parts.setdefault(part, Parts())

    def index(self, known_by: Labels) -> dict[Any, tuple[int, ...]]:
        """Return the drafts' numbers by the values of these labels; made at first need, so after all drafts are."""
        if known_by not in self._indexes:
            self._indexes[known_by] = self._indexed(known_by)
        return self._indexes[known_by]

    def let_go(self) -> None:
        """Empty it of all but its parts, now that nobody looks anything up any more."""
        let_go_all(self.drafts)
        for index in self._indexes.values():
            let_go_all(index)
        for kind in self._by_kind.values():
            for column in kind:
                let_go(column)
        let_go(self.by_number)
        self.table.let_go()

    def _indexed(self, known_by: Labels) -> dict[Any, tuple[int, ...]]:
        index: dict[Any, tuple[int, ...]] = {}
        for kind, (numbers, metrics) in (self._by_kind or self._known_by_kind()).items():
            if _has(kind, known_by[-1]):
                keys = listed(map(reader(kind, known_by), metrics))
                _add_all(index, keys, numbers)
                if UNTRIMMED in known_by:
                    _add_all(index, [tuple(value.strip() for value in key) for key in keys], numbers)
        return index

    def _known_by_kind(self) -> dict[Any, tuple[list[int], list[Any]]]:
        for draft in self.drafts.values():
            for metric in draft.metrics:
                kind = metric.__class__
                if kind not in self._by_kind:
                    self._by_kind[kind] = ([], [])
                numbers, metrics = self._by_kind[kind]
                numbers.append(draft.number)
                metrics.append(metric)
        return self._by_kind


def _add_all(index: dict[Any, tuple[int, ...]], keys: list[Labels], numbers: list[int]) -> None:
    """Add numbers by their keys, but for keys that end in an empty label."""
    if not index and all(map(_LAST, keys)):
        for turn in turns(zip(keys, zip(numbers, strict=True), strict=True), len(keys)):
            index.update(turn)
        if len(index) == len(keys):
            return
        index.clear()
    # A million may share a key: a set in order, where a tuple would be copied for each.
    several: dict[Any, dict[int, None]] = {}
    for key, number in zip(keys, numbers, strict=True):
        known = index.get(key)
        if known is None:
            if key[-1]:
                index[key] = (number,)
        elif known != (number,):
            if key not in several:
                several[key] = dict.fromkeys(known)
            several[key][number] = None
    index.update((key, tuple(those)) for key, those in several.items())


def _has(kind: type[msgspec.Struct], label: str) -> bool:
    return attribute(label) in kind.__struct_fields__


@lru_cache(maxsize=1024)
def reader(kind: type[Any], labels: Labels) -> Callable[[Any], Labels]:
    """Return a function that reads labels from a metric of that type, "" for each that it cannot have."""
    if kind is dict:
        return lambda metric: tuple(metric.get(label, "") for label in labels)
    known = kind.__struct_fields__
    names = [name if (name := attribute(label)) in known else LACKING for label in labels]
    if len(names) > 1:
        return attrgetter(*names)
    # One label alone would not come as a tuple.
    read = [attrgetter(name) for name in names]
    return lambda metric: tuple([each(metric) for each in read])
