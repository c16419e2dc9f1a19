"""Answers with a document of the topology: shared bytes, packed where the client can unpack, or that nothing changed.

Who has a document already says so with If-None-Match, and gets 304 without a body; with `wait=` it gets that only when
the time is over, and what is new as soon as there is something new.
"""

import asyncio
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from aggregator.coding import CODINGS, IDENTITY, chosen
from aggregator.documents import Form
from aggregator.grants import Grant
from aggregator.server.asgi import JSON, NO_SNIFFING, Headers, Receive, Scope, Send, answer, answer_error
from aggregator.server.shown import Snapshots, bytes_of, part_shown
from aggregator.snapshot import Snapshot

# Seconds, milliseconds or one minute: up to a minute. OpenAPI tells it so.
WAIT = r"([0-5]?[0-9](?:\.[0-9]{1,3})?|60)s?|([0-9]{1,4}|[1-5][0-9]{4}|60000)ms|1m"
# Shorter than what proxies commonly give an answer.
LONGEST_WAIT_SECONDS = 60.0
BAD_WAIT = "wait must be a time like 30s or 500ms, of at most 60s"

# Every answer is as fresh as it gets; what lies between may keep it, but must ask each time.
NO_CACHE = (b"cache-control", b"no-cache")

_WAIT = re.compile(WAIT)


class Wishes(NamedTuple):
    """What the headers of a request say about its answer: a fresh one, how packed, which one is known."""

    fresh: bool
    accept_encoding: bytes
    known: bytes


@dataclass(frozen=True)
class Request:
    """A request for a document: who may see what, in which view, and how long it waits for a change, as text."""

    grant: Grant
    view: str
    wait: str = "0"


@lru_cache(maxsize=64)
def wait_seconds(text: str) -> float | None:
    """Return what `wait=` says, None where it says nothing that is understood."""
    matched = _WAIT.fullmatch(text)
    if matched is None:
        return None
    seconds, milliseconds = matched.groups()
    return float(seconds) if seconds else int(milliseconds) / 1000 if milliseconds else LONGEST_WAIT_SECONDS


def wishes(scope: Scope) -> Wishes:
    """Read the headers that matter, once."""
    fresh, accept_encoding, known = False, b"", b""
    for key, value in scope["headers"]:
        if key == b"accept-encoding":
            accept_encoding += b"," + value if accept_encoding else value
        elif key == b"if-none-match":
            known += b"," + value
        elif key == b"cache-control" and b"no-cache" in value.lower():
            fresh = True
    return Wishes(fresh, accept_encoding, known if scope["method"] in ("GET", "HEAD") else b"")


class DocumentServer:
    """Answers requests for documents of the current snapshot; `vary` names what else than packing they depend on."""

    def __init__(self, snapshots: Snapshots, *, has_guard: bool) -> None:
        self._snapshots = snapshots
        self._vary = (b"vary", b"accept-encoding, authorization" if has_guard else b"accept-encoding")

    async def serve(self, request: Request, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; raise what keeps the snapshot from being shown."""
        seconds = wait_seconds(request.wait)
        if seconds is None:
            await answer_error(send, 400, BAD_WAIT, [])
            return
        asked = wishes(scope)
        if asked.fresh:
            await self._snapshots.fresh()
        snapshot = await part_shown(self._snapshots, request.grant)
        if asked.known and is_known(asked.known, snapshot, request.view):
            newer = await self._news(request, seconds, asked.known, receive) if seconds else None
            if newer is None:
                await answer(send, 304, self._headers(snapshot, Form(request.view)), b"")
                return
            snapshot = newer
        coding = chosen(asked.accept_encoding) if asked.accept_encoding else IDENTITY
        form, body = await bytes_of(snapshot, Form(request.view, coding))
        headers = self._headers(snapshot, form)
        headers += (JSON, (b"content-length", b"%d" % len(body)))
        if form.coding:
            headers.append((b"content-encoding", form.coding.encode()))
        # The client may take long; a snapshot that is replaced meanwhile is not to be held by it.
        del snapshot
        await answer(send, 200, headers, body)

    def _headers(self, snapshot: Snapshot, form: Form) -> Headers:
        documents = snapshot.documents
        return [
            (b"etag", documents.tag(form)),
            (b"age", b"%d" % self._snapshots.age_seconds(snapshot)),
            (b"x-topology-complete", b"true" if snapshot.is_complete else b"false"),
            (b"x-topology-version", documents.topology.version.encode()),
            self._vary,
            NO_CACHE,
            NO_SNIFFING,
        ]

    async def _news(self, request: Request, seconds: float, known: bytes, receive: Receive) -> Snapshot | None:
        """Wait for a snapshot that the client does not know; return None if time or client are gone before."""
        gone = asyncio.ensure_future(_gone(receive))
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        try:
            while not (gone.done() or self._snapshots.is_stopping):
                # Listened for first: a change while the part of the last one is still being taken is not missed.
                changed = asyncio.ensure_future(self._snapshots.changed())
                try:
                    snapshot = await part_shown(self._snapshots, request.grant)
                    if not is_known(known, snapshot, request.view):
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


def is_known(tags: bytes, snapshot: Snapshot, view: str) -> bool:
    """Return whether If-None-Match names what would be answered, however it was packed."""
    if tags.strip(b", \t") == b"*":
        return True
    return any(snapshot.documents.tag(Form(view, coding)) in tags for coding in (IDENTITY, *CODINGS))


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
