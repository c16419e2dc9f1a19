"""Looking up and listing in what a caller sees of the current snapshot, over HTTP and gRPC alike."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple
from weakref import WeakKeyDictionary

from aggregator.documents import Documents
from aggregator.grants import Grant
from aggregator.lookup import tokens
from aggregator.lookup.answers import Answer, answer, write_nodes
from aggregator.lookup.index import Index
from aggregator.lookup.plan import Asked, Resource, plan
from aggregator.lookup.wire import Wire
from aggregator.server.ahead import Ahead
from aggregator.server.paging import KEPT_SECONDS, Paged
from aggregator.server.shown import Snapshots, known_part, part_shown
from aggregator.snapshot import Snapshot

# What was answered, by version and request: enough for every node of 20,000, or for some long lists.
REMEMBERED_BYTES = 32 * 2**20
# A longer answer would push out too many others.
LONGEST_REMEMBERED_BYTES = 4 * 2**20
# What remembering an answer costs beside its bytes.
_BESIDE_BYTES = 400

# A version, and a request to the byte.
_Key = tuple[str, bytes]


@dataclass(frozen=True)
class Question:
    """What a request asks for."""

    resource: Resource
    names: tuple[str, ...]
    asked: Asked

    @property
    def is_of_a_page(self) -> bool:
        """Whether it asks for a page: each is asked for once, and not worth remembering."""
        return self.asked.limit is not None or bool(self.asked.continue_token)

    @property
    def is_of_nodes(self) -> bool:
        """Whether it asks for a list of nodes: looking one up is no reason to write all of them."""
        return self.resource is Resource.NODES

    @property
    def is_of_a_whole_list(self) -> bool:
        """Whether it asks for a list, and chooses nothing of it."""
        return not self.resource.is_one and self.asked == Asked()


class Found(NamedTuple):
    """An answer, and the snapshot that it is from."""

    snapshot: Snapshot
    answer: Answer


class Lookups:
    """Answers questions in one way of writing; used on the event loop only, what takes long goes to a thread."""

    def __init__(self, snapshots: Snapshots, wire: Wire, remembered_bytes: int = REMEMBERED_BYTES) -> None:
        self._snapshots = snapshots
        self._wire = wire
        self._paged = Paged()
        # Of what nobody shows any more, no index stays.
        self._indexes: WeakKeyDictionary[Documents, Index] = WeakKeyDictionary()
        self._most_bytes = remembered_bytes
        self._bytes = 0
        self._known: dict[_Key, Answer] = {}
        self._ahead = Ahead(snapshots, self._write_nodes)

    def known(self, grant: Grant, request: bytes) -> Found | None:
        """Return what was answered to the same request, to the byte, about the current topology."""
        part = known_part(self._snapshots, grant)
        if part is None:
            return None
        known = self._known.get((part.topology.version, request))
        return None if known is None else Found(part, known)

    async def find(self, grant: Grant, request: bytes, question: Question) -> Found:
        """Return the answer to the question of a request, found anew; raise a RequestError for one that has none."""
        part = await part_shown(self._snapshots, grant)
        snapshot, index = self._place(grant, part, question.asked.continue_token)
        answered = await asyncio.to_thread(_answered, index, question, self._wire)
        if question.is_of_nodes and grant.is_for_everything and index.has_most_nodes_written(self._wire.name):
            self._ahead.asked(snapshot.topology.version)
        if answered.leads_on:
            self._keep(grant, snapshot, index)
        if not question.is_of_a_page:
            self._remember((snapshot.topology.version, request), answered)
        return Found(snapshot, answered)

    def _place(self, grant: Grant, part: Snapshot, token: str) -> tuple[Snapshot, Index]:
        """Return where to look: in what is current, or in what a token is of, where that is kept."""
        if token:
            version = tokens.read(token).version
            kept = self._paged.find(grant, version)
            if kept is not None and version != part.topology.version:
                return kept
        return part, self._index(part)

    def _index(self, part: Snapshot) -> Index:
        return self._indexes.setdefault(part.documents, Index(part.topology))

    def _write_nodes(self, snapshot: Snapshot) -> Callable[[], None]:
        return partial(write_nodes, self._index(snapshot), self._wire)

    def _keep(self, grant: Grant, snapshot: Snapshot, index: Index) -> None:
        """Keep what a client pages through, also from being kept when nobody asks for anything any more."""
        if not self._paged.keeps_any:
            self._tidy_later()
        self._paged.keep(grant, snapshot, index)

    def _tidy_later(self) -> None:
        asyncio.get_running_loop().call_later(KEPT_SECONDS, self._tidy)

    def _tidy(self) -> None:
        self._paged.tidy()
        if self._paged.keeps_any:
            self._tidy_later()

    def _remember(self, key: _Key, answered: Answer) -> None:
        size = _size(key, answered)
        if size > LONGEST_REMEMBERED_BYTES or key in self._known:
            return
        self._known[key] = answered
        self._bytes += size
        while self._bytes > self._most_bytes:
            oldest = next(iter(self._known))
            self._bytes -= _size(oldest, self._known.pop(oldest))


def _size(key: _Key, answered: Answer) -> int:
    return len(key[1]) + len(answered.body) + _BESIDE_BYTES


def _answered(index: Index, question: Question, wire: Wire) -> Answer:
    found = answer(index, plan(question.resource, question.asked), question.names, wire)
    return found._replace(is_whole_list=question.is_of_a_whole_list)
