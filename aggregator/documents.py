"""The documents of one topology: its bytes in each view and coding, made at first need and only once."""

import threading
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from aggregator.coding import CODINGS, IDENTITY
from aggregator.grants import Grant
from aggregator.models.topology import Topology
from aggregator.views import v1, v1_chunks

# Views whose documents tell no ages.
AGELESS = frozenset({"etim", v1.JSON, v1.PROTOBUF, v1_chunks.CHUNKS})

View = Callable[[Topology, float], bytes]

# Parts of a topology that are kept: as many different sets of clusters as callers are restricted to, or so.
MOST_PARTS = 64


class Form(NamedTuple):
    """How bytes are wanted: in which view, and packed with which coding."""

    view: str
    coding: str = IDENTITY


class Documents:
    """A topology in every view.

    Ages inside documents are counted to `at_seconds`, on the wall clock. `wanted` are the forms that were asked for.
    """

    def __init__(
        self, topology: Topology, at_seconds: float, views: Mapping[str, View], *, again: bool = False
    ) -> None:
        self.topology = topology
        self.at_seconds = at_seconds
        self.wanted: set[Form] = set()
        self._views = views
        self.is_again = again
        self._tags: dict[Form, bytes] = {}
        self._bytes: dict[Form, bytes] = {}
        self._making: dict[Form, threading.Lock] = {}
        self._parts: dict[Grant, Documents] = {}
        self._lock = threading.Lock()

    def ready(self, form: Form) -> bytes | None:
        """Return the bytes of a form if they are made."""
        return self._bytes.get(form)

    def body(self, view: str, coding: str = IDENTITY) -> bytes:
        """Return the bytes of a form."""
        form = Form(view, coding)
        known = self._bytes.get(form)
        if known is not None:
            return known
        with self._lock:
            making = self._making.setdefault(form, threading.Lock())
        with making:
            if form not in self._bytes:
                self._bytes[form] = self._made(form)
        return self._bytes[form]

    def tag(self, form: Form) -> bytes:
        """Return the strong entity tag of a form: the same for the same bytes, on every replica."""
        known = self._tags.get(form)
        if known is None:
            packed = f"+{form.coding}" if form.coding else ""
            # A topology that is shown again, older, after a refresh failed has documents with other ages.
            moment = f"@{self.at_seconds:.3f}" if self.is_again and form.view not in AGELESS else ""
            known = self._tags[form] = f'"{self.topology.version}{moment}-{form.view}{packed}"'.encode()
        return known

    def part(self, grant: Grant, take: Callable[[Topology], Topology]) -> "Documents":
        """Return the documents of the part of the topology that a grant shows, taken at first need."""
        with self._lock:
            if grant not in self._parts:
                while len(self._parts) >= MOST_PARTS:
                    del self._parts[next(iter(self._parts))]
                self._parts[grant] = Documents(take(self.topology), self.at_seconds, self._views, again=self.is_again)
            return self._parts[grant]

    def again(self, at_seconds: float) -> "Documents":
        """Return the documents of the same topology with its ages counted to a later moment."""
        later = Documents(self.topology, at_seconds, self._views, again=True)
        later._bytes.update({form: body for form, body in self._bytes.copy().items() if form.view in AGELESS})
        return later

    def contents(self) -> list[list[object]]:
        """Return lists of all that is large or many in them."""
        topology = self.topology
        mappings: tuple[Mapping[Any, object], ...] = (topology.pods, topology.nodes, topology.clusters)
        mine: list[list[object]] = [list(things) for mapping in mappings for things in (mapping, mapping.values())]
        mine += [[body] for body in list(self._bytes.values())]
        return mine + [things for part in list(self._parts.values()) for things in part.contents()]

    def _made(self, form: Form) -> bytes:
        if form.coding:
            return CODINGS[form.coding](self.body(form.view))
        return self._views[form.view](self.topology, self.at_seconds)
