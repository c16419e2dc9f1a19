"""Objects while they are being built, and the ways to find them by labels of their series."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any

from aggregator.models.row import Part
from aggregator.querier.decode import attribute

Labels = tuple[str, ...]


class Draft:
    """An object that is not finished: the fields it has so far, its parts, and the label sets that identify it."""

    __slots__ = ("fields", "metrics", "parts")

    def __init__(self) -> None:
        self.fields: dict[str, Any] = {}
        self.parts: dict[Part, dict[str, Draft]] = {}
        self.metrics: list[Any] = []

    def part(self, kind: Part, name: str) -> "Draft | None":
        """Return the part of that name, None if it is not known."""
        return self.parts.get(kind, {}).get(name)

    def part_made(self, kind: Part, name: str) -> "Draft":
        """Return the part of that name; a new one if it is not known."""
        named = self.parts.setdefault(kind, {})
        if name not in named:
            named[name] = Draft()
        return named[name]

    def label(self, name: str) -> str:
        """Return the first value that any of the object's identifying label sets has under `name`, "" if none has."""
        return next((value for metric in self.metrics if (value := getattr(metric, attribute(name), ""))), "")


class Register:
    """All drafts of one kind, by identity and by whatever else their series can be found by."""

    def __init__(self) -> None:
        self.drafts: dict[tuple[Labels, Labels], Draft] = {}
        self._indexes: dict[Labels, dict[Any, list[Draft]]] = {}

    def identified(self, metric: Any, identities: Iterable[Labels]) -> Draft | None:
        """Return the draft that a label set identifies, made if need be; None if it identifies none.

        The first of `identities` whose last label is not empty counts; an empty one identifies the only one of
        its kind. White space around values does not count.
        """
        for labels in identities:
            values = tuple(getattr(metric, attribute(label)).strip() for label in labels)
            if not values or values[-1]:
                draft = self.drafts.get((labels, values))
                if draft is None:
                    draft = self.drafts[labels, values] = Draft()
                draft.metrics.append(metric)
                return draft
        return None

    def index(self, known_by: Labels) -> dict[Any, list[Draft]]:
        """Return the drafts by the values of these labels, as `key_reader` reads them; made at first need."""
        if known_by not in self._indexes:
            self._indexes[known_by] = self._indexed(known_by)
        return self._indexes[known_by]

    def _indexed(self, known_by: Labels) -> dict[Any, list[Draft]]:
        index: defaultdict[Any, list[Draft]] = defaultdict(list)
        attributes = [attribute(label) for label in known_by]
        for draft in self.drafts.values():
            keys = {tuple(getattr(metric, name, "") for name in attributes) for metric in draft.metrics}
            for key in keys | {tuple(value.strip() for value in key) for key in keys}:
                if key[-1]:
                    index[key if len(key) > 1 else key[0]].append(draft)
        return dict(index)


def key_reader(labels: Labels, *, all_labels: bool) -> Callable[[Any], Any]:
    """Return a function that reads an index key from a sample's metric.

    With `all_labels` the metric is a dict, as a query without a list of labels gives it.
    """
    if all_labels:
        return lambda metric: _key(tuple(metric.get(label, "") for label in labels))
    return attrgetter(*map(attribute, labels))


def _key(values: Labels) -> Any:
    return values if len(values) > 1 else values[0]
