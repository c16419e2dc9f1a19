"""Objects while they are being built, and the ways to find them by labels of their series.

A refresh builds some hundred thousand of these, so they are as plain as can be: a draft's fields are a dict,
and so is each of its parts.
"""

from collections.abc import Callable, Iterable
from functools import lru_cache
from operator import attrgetter
from typing import Any

import msgspec

from aggregator.querier.decode import attribute

Labels = tuple[str, ...]
Fields = dict[str, Any]

# The only label whose values come with white space: machine ids are read from /etc/machine-id with their newline.
UNTRIMMED = "icos_host_id"


class Draft(msgspec.Struct, gc=False, eq=False):
    """An owner that is not finished: its fields so far, the label sets that identify it, and its parts.

    `parts` maps the field that will hold a kind of parts to the fields of each by name.
    """

    fields: Fields = {}
    parts: dict[str, dict[str, Fields]] = {}
    metrics: list[Any] = []

    def label(self, name: str) -> str:
        """Return what the object's identifying label sets have under `name`, "" if none has; the last of several."""
        key = attribute(name)
        return max((getattr(metric, key, "") for metric in self.metrics), default="")


class Register:
    """All drafts of one kind, by identity and by whatever else their series can be found by."""

    def __init__(self) -> None:
        self.drafts: dict[tuple[Labels, Any], Draft] = {}
        self._indexes: dict[Labels, dict[Any, list[Draft]]] = {}

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
                draft = self.drafts.get((labels, values))
                if draft is None:
                    draft = self.drafts[labels, values] = Draft()
                draft.metrics.append(metric)
                return draft
        return None

    def index(self, known_by: Labels) -> dict[Any, list[Draft]]:
        """Return the drafts by the values of these labels; made at first need, so after all drafts are."""
        if known_by not in self._indexes:
            self._indexes[known_by] = self._indexed(known_by)
        return self._indexes[known_by]

    def _indexed(self, known_by: Labels) -> dict[Labels, list[Draft]]:
        index: dict[Labels, list[Draft]] = {}
        readers: dict[type, Callable[[Any], Labels]] = {}
        for draft in self.drafts.values():
            for metric in draft.metrics:
                kind = metric.__class__
                if kind not in readers:
                    readers[kind] = reader(kind, known_by)
                key = readers[kind](metric)
                if not key[-1]:
                    continue
                _add(index, key, draft)
                if UNTRIMMED in known_by:
                    _add(index, tuple(value.strip() for value in key), draft)
        return index


def _add(index: dict[Labels, list[Draft]], key: Labels, draft: Draft) -> None:
    known = index.get(key)
    if known is None:
        index[key] = [draft]
    elif not any(other is draft for other in known):
        known.append(draft)


@lru_cache(maxsize=1024)
def reader(kind: type, labels: Labels) -> Callable[[Any], Labels]:
    """Return a function that reads labels from a metric of that type, "" for each that it cannot have."""
    if kind is dict:
        return lambda metric: tuple(metric.get(label, "") for label in labels)
    attributes = [attribute(label) for label in labels]
    known = [name in getattr(kind, "__struct_fields__", ()) for name in attributes]
    if all(known) and len(labels) > 1:
        return attrgetter(*attributes)
    return lambda metric: tuple(getattr(metric, name, "") for name in attributes)
