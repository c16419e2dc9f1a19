"""Answers with a document of the topology: shared bytes, packed where the client can unpack, or that nothing changed.

Who has a document already says so with If-None-Match, and gets 304 without a body; with `wait=` it gets that only when
the time is over, and what is new as soon as there is something new.
"""

import asyncio
import re
from collections.abc import Callable, Iterable
from functools import lru_cache, partial
from typing import NamedTuple

from aggregator.coding import CODINGS, IDENTITY, chosen
from aggregator.documents import Form
from aggregator.grants import Grant
from aggregator.server.asgi import (
    JSON,
    NO_SNIFFING,
    Headers,
    Prepared,
    Receive,
    Scope,
    Send,
    WrittenAnswer,
    answer,
    header_lines,
)
from aggregator.server.shown import Snapshots, bytes_of, known_part, part_shown
from aggregator.snapshot import Snapshot

# Seconds, milliseconds or one minute: up to a minute. OpenAPI tells it so.
WAIT = r"([0-5]?[0-9](?:\.[0-9]{1,3})?|60)s?|([0-9]{1,4}|[1-5][0-9]{4}|60000)ms|1m"
# Shorter than what proxies commonly give an answer.
LONGEST_WAIT_SECONDS = 60.0
BAD_WAIT = "wait must be a time like 30s or 500ms, of at most 60s"

# Every answer is as fresh as it gets; what lies between may keep it, but must ask each time.
NO_CACHE = (b"cache-control", b"no-cache")

# How the bytes of one document may come.
FORMS = (IDENTITY, *CODINGS)

_WAIT = re.compile(WAIT)


class Asked(NamedTuple):
    """Which document is asked for: in which view, for whom; and how long to wait for a change, as `wait=` has it."""

    grant: Grant
    view: str
    wait: str = "0"


class Wishes(NamedTuple):
    """What the headers of a request say about its answer: a fresh one, how packed, which one is known."""

    fresh: bool = False
    coding: str = IDENTITY
    known: bytes = b""


_NO_WISHES = Wishes()
# Under this, the headers that all answers of a snapshot have are kept with it.
_OF_ALL = Form("")


class Ready(NamedTuple):
    """Bytes that were made of a part of a snapshot, what tells them apart from others of it, how they are packed."""

    identity: str
    body: bytes
    coding: str = IDENTITY


class Unchanged(NamedTuple):
    """Under this, the answer is kept with a snapshot that a view has not changed."""

    view: str


@lru_cache(maxsize=64)
def wait_seconds(text: str) -> float | None:
    """Return what `wait=` says, None where it says nothing that is understood."""
    matched = _WAIT.fullmatch(text)
    if matched is None:
        return None
    seconds, milliseconds = matched.groups()
    return float(seconds) if seconds else int(milliseconds) / 1000 if milliseconds else LONGEST_WAIT_SECONDS


def wishes(method: str, headers: Iterable[tuple[bytes, bytes]]) -> Wishes:
    """Read the headers that matter, once."""
    fresh, accept_encoding, known = False, b"", b""
    for key, value in headers:
        if key == b"accept-encoding":
            accept_encoding += b"," + value if accept_encoding else value
        elif key == b"if-none-match":
            known += b"," + value
        elif key == b"cache-control" and b"no-cache" in value.lower():
            fresh = True
    if not (accept_encoding or known or fresh):
        return _NO_WISHES
    coding = chosen(accept_encoding) if accept_encoding else IDENTITY
    return Wishes(fresh, coding, known if method in ("GET", "HEAD") else b"")


class DocumentServer:
    """Answers requests for documents of the current snapshot."""

    def __init__(self, snapshots: Snapshots, *, has_guard: bool) -> None:
        self._snapshots = snapshots
        # What else than how it is packed an answer depends on.
        self._vary = (b"vary", b"accept-encoding, authorization" if has_guard else b"accept-encoding")

    def at_hand(self, grant: Grant, view: str, wished: Wishes) -> WrittenAnswer | None:
        """Return what `serve` would answer, None where that is to be waited for or made.

        Raises what keeps the snapshot from being shown.
        """
        if wished.fresh:
            return None
        snapshot = known_part(self._snapshots, grant)
        if snapshot is None:
            return None
        if wished.known and is_known(wished.known, snapshot, view):
            prepared: Prepared | None = self._unchanged(snapshot, view)
        else:
            prepared = snapshot.prepared.get(Form(view, wished.coding))
        if prepared is None:
            return None
        return WrittenAnswer(prepared.status, prepared.lines + header_lines([self._age(snapshot)]), prepared.body)

    async def serve(self, asked: Asked, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; raise what keeps the snapshot from being shown."""
        wished = wishes(scope["method"], scope["headers"])
        if wished.fresh:
            await self._snapshots.fresh()
        snapshot = await part_shown(self._snapshots, asked.grant)
        if wished.known and is_known(wished.known, snapshot, asked.view):
            seconds = wait_seconds(asked.wait)
            newer = None
            if seconds:
                newer = await self.news(asked.grant, seconds, receive, partial(is_known, wished.known, view=asked.view))
            if newer is None:
                await self._send(send, self._unchanged(snapshot, asked.view), self._age(snapshot))
                return
            snapshot = newer
        form = Form(asked.view, wished.coding)
        prepared = snapshot.prepared.get(form) or await self._prepare(snapshot, form)
        age = self._age(snapshot)
        # The client may take long; a snapshot that is replaced meanwhile is not to be held by it.
        del snapshot
        await self._send(send, prepared, age)

    async def _send(self, send: Send, prepared: Prepared, age: tuple[bytes, bytes]) -> None:
        await answer(send, prepared.status, [*prepared.headers, age], prepared.body)

    async def serve_ready(self, snapshot: Snapshot, ready: Ready, known: bytes, send: Send) -> None:
        """Answer with JSON that was made of a part of a snapshot; `known` is what If-None-Match names."""
        if is_known_part(known, snapshot, ready.identity):
            told = self._told(snapshot, tag_of(snapshot, ready.identity))
            await answer(send, 304, [*told, self._age(snapshot)], b"")
            return
        told = self._told(snapshot, tag_of(snapshot, ready.identity, ready.coding))
        if ready.coding:
            told.append((b"content-encoding", ready.coding.encode()))
        length = (b"content-length", b"%d" % len(ready.body))
        await answer(send, 200, [*told, self._age(snapshot), JSON, length], ready.body)

    async def _prepare(self, snapshot: Snapshot, form: Form) -> Prepared:
        made, body = await bytes_of(snapshot, form)
        headers = [*self._headers(snapshot, made), JSON, (b"content-length", b"%d" % len(body))]
        if made.coding:
            headers.append((b"content-encoding", made.coding.encode()))
        prepared = snapshot.prepared[form] = Prepared.of(200, headers, body)
        return prepared

    def _unchanged(self, snapshot: Snapshot, view: str) -> Prepared:
        key = Unchanged(view)
        prepared: Prepared | None = snapshot.prepared.get(key)
        if prepared is None:
            prepared = snapshot.prepared[key] = Prepared.of(304, self._headers(snapshot, Form(view)), b"")
        return prepared

    def _age(self, snapshot: Snapshot) -> tuple[bytes, bytes]:
        return (b"age", b"%d" % self._snapshots.age_seconds(snapshot))

    def _headers(self, snapshot: Snapshot, form: Form) -> Headers:
        return self._told(snapshot, snapshot.documents.tag(form))

    def _told(self, snapshot: Snapshot, tag: bytes) -> Headers:
        told: Headers | None = snapshot.prepared.get(_OF_ALL)
        if told is None:
            told = snapshot.prepared[_OF_ALL] = [
                (b"x-topology-complete", b"true" if snapshot.is_complete else b"false"),
                (b"x-topology-version", snapshot.topology.version.encode()),
                self._vary,
                NO_CACHE,
                NO_SNIFFING,
            ]
        return [(b"etag", tag), *told]

    async def news(
        self, grant: Grant, seconds: float, receive: Receive, knows: Callable[[Snapshot], bool]
    ) -> Snapshot | None:
        """Wait for a snapshot that the client does not know; return None if time or client are gone before."""
        gone = asyncio.ensure_future(_gone(receive))
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        try:
            while not (gone.done() or self._snapshots.is_stopping):
                # Listened for first: a change while the part of the last one is still being taken is not missed.
                changed = asyncio.ensure_future(self._snapshots.changed())
                try:
                    snapshot = await part_shown(self._snapshots, grant)
                    if not knows(snapshot):
                        return snapshot
                    left = end - loop.time()
                    done, _ = await asyncio.wait((gone, changed), timeout=left, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    changed.cancel()
                if not done:
                    return None
        finally:
            gone.cancel()
        return None


def tag_of(snapshot: Snapshot, identity: str, coding: str = IDENTITY) -> bytes:
    """Return the entity tag of what is made of a part of a snapshot, told apart by its identity."""
    packed = f"+{coding}" if coding else ""
    return f'"{snapshot.topology.version}-{identity}{packed}"'.encode()


def is_known_part(tags: bytes, snapshot: Snapshot, identity: str) -> bool:
    """Return whether If-None-Match names what was made of a part of a snapshot, however it was packed."""
    if not tags:
        return False
    return tags.strip(b", \t") == b"*" or any(tag_of(snapshot, identity, coding) in tags for coding in FORMS)


def is_known(tags: bytes, snapshot: Snapshot, view: str) -> bool:
    """Return whether If-None-Match names what would be answered, however it was packed."""
    if tags.strip(b", \t") == b"*":
        return True
    return any(snapshot.documents.tag(Form(view, coding)) in tags for coding in FORMS)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
