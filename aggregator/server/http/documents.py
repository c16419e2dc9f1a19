"""Responses with ETags, 304, long polls and content coding.

They are made from snapshots, as documents and lookup results, or have a body that never changes.
"""

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple
from weakref import WeakKeyDictionary

from starlette.types import Receive, Scope

from aggregator.errors import BadRequestError, UnauthenticatedError
from aggregator.lookup.instants import TIME_PARAMETER, format_instant
from aggregator.models.grant import Grant
from aggregator.refresh.past import PastSnapshot
from aggregator.refresh.snapshot import DocumentFormat, RenderedTopology, Snapshot
from aggregator.server.auth.guard import Access
from aggregator.server.http.responses import (
    API_V1_PATH,
    JSON_CONTENT_TYPE_HEADER,
    MCP_PATH,
    NO_STORE_HEADER,
    NOSNIFF_HEADER,
    REVALIDATE_HEADER,
    Headers,
    HttpResponse,
    build_length_header,
)
from aggregator.server.instants import find_past_snapshot
from aggregator.server.visibility import SnapshotProvider, get_visible_snapshot, render_document
from aggregator.util.content_coding import (
    CONTENT_CODINGS,
    IDENTITY,
    MIN_COMPRESSIBLE_BYTES,
    STATIC_CONTENT_CODINGS,
    ContentEncoder,
    negotiate_content_coding,
)
from aggregator.util.disconnects import run_while_connected, wait_for_disconnect

# The JSON formats of the Go service, selected with `layout=`.
LAYOUTS = ("1.2.5", "2025")
WAIT_PARAMETER = "wait"
# Their responses take as long as the client or an upstream wants.
_WAITING_PATHS = frozenset({f"{API_V1_PATH}/watch", f"{API_V1_PATH}/diff", MCP_PATH})
# A query string with a parameter because of which the response may take longer.
_WAITING_QUERY_PATTERN = re.compile(f"(?:^|&)(?:{WAIT_PARAMETER}|{TIME_PARAMETER})=".encode())
# Up to one minute, in seconds, milliseconds or as 1m. The OpenAPI document contains this pattern.
WAIT_PATTERN = r"([0-5]?[0-9](?:\.[0-9]{1,3})?|60)s?|([0-9]{1,4}|[1-5][0-9]{4}|60000)ms|1m"
# Shorter than the timeout of common proxies.
MAX_WAIT_SECONDS = 60.0

_WAIT_PATTERN = re.compile(WAIT_PATTERN)
_ALL_CODINGS = (IDENTITY, *CONTENT_CODINGS)
_STATIC_DIGEST_BYTES = 12


class RequestPreferences(NamedTuple):
    """The request headers that select a response: refresh first, content coding, known entity tags."""

    wants_refresh: bool = False
    coding: str = IDENTITY
    if_none_match: bytes = b""


class LongPoll(NamedTuple):
    """How long to wait for a change, and the ASGI `receive` that reports a disconnect."""

    seconds: float
    receive: Receive


class EntityTag(NamedTuple):
    """The value of ETag: the version or digest of the content, and the key of one representation of it.

    Equal bytes have equal tags on every replica. Each content coding of a representation has its own tag. The tag of a
    list is weak, because it does not cover the topology version that the list contains.
    """

    content: str
    key: str
    is_weak: bool = False

    def encode(self, coding: str = IDENTITY) -> bytes:
        """Return the entity tag of the representation in a content coding."""
        quoted = self._quote(coding)
        return b"W/" + quoted if self.is_weak else quoted

    def matches(self, if_none_match: bytes) -> bool:
        """Return whether If-None-Match contains the tag, weak or strong, in any content coding, or `*`."""
        if not if_none_match:
            return False
        return if_none_match.strip(b", \t") == b"*" or any(
            self._quote(coding) in if_none_match for coding in _ALL_CODINGS
        )

    def _quote(self, coding: str) -> bytes:
        suffix = f"+{coding}" if coding else ""
        return f'"{self.content}-{self.key}{suffix}"'.encode()


class RenderedBody(NamedTuple):
    """JSON made from a snapshot, its entity tag, and its content coding."""

    entity_tag: EntityTag
    body: bytes
    coding: str = IDENTITY


class _Prepared(NamedTuple):
    status: int
    headers: Headers
    body: bytes


_DEFAULT_PREFERENCES = RequestPreferences()


def parse_wait_seconds(text: str) -> float:
    """Return the value of `wait=` in seconds, 0 if it is empty; raise BadRequestError for anything else."""
    return parse_duration_seconds(text, WAIT_PARAMETER)


@lru_cache(maxsize=64)
def parse_duration_seconds(text: str, parameter: str) -> float:
    """Return a duration of at most a minute in seconds, 0 if it is empty; raise BadRequestError for anything else."""
    if not text:
        return 0.0
    matched = _WAIT_PATTERN.fullmatch(text)
    if matched is None:
        raise BadRequestError(
            f"{parameter} must be a duration of at most 60s, such as 30s or 500ms, got {text[:80]!r}",
            parameter=parameter,
        )
    seconds, milliseconds = matched.groups()
    return float(seconds) if seconds else int(milliseconds) / 1000 if milliseconds else MAX_WAIT_SECONDS


async def find_past_while_connected(
    snapshots: SnapshotProvider, grant: Grant, text: str, receive: Receive
) -> PastSnapshot | None:
    """Return the whole snapshot of the instant in a request, None if the text is empty.

    A client that disconnects gives up its place in the queue of collections: this raises ClientDisconnect.
    """
    if not text:
        return None
    return await run_while_connected(receive, find_past_snapshot(snapshots, grant, text))


def asks_to_wait(scope: Scope) -> bool:
    """Return whether a request waits: for a change, a refresh or a past instant, also as a watch or within a tool."""
    if scope["path"] in _WAITING_PATHS:
        return True
    return _WAITING_QUERY_PATTERN.search(scope["query_string"]) is not None or any(
        _wants_refresh(key, value) for key, value in scope["headers"]
    )


def _wants_refresh(key: bytes, value: bytes) -> bool:
    return key == b"cache-control" and b"no-cache" in value.lower()


def validate_layout(layout: str) -> None:
    """Raise BadRequestError unless there is such a layout."""
    if layout not in LAYOUTS:
        raise BadRequestError(f"layout must be {' or '.join(LAYOUTS)}, got {layout[:80]!r}", parameter="layout")


def parse_preferences(method: str, headers: Iterable[tuple[bytes, bytes]]) -> RequestPreferences:
    """Return the preferences in the headers of a request."""
    wants_refresh, accept_encoding, if_none_match = False, b"", b""
    for key, value in headers:
        if key == b"accept-encoding":
            accept_encoding += b"," + value if accept_encoding else value
        elif key == b"if-none-match":
            if_none_match += b"," + value
        elif _wants_refresh(key, value):
            wants_refresh = True
    if not (accept_encoding or if_none_match or wants_refresh):
        return _DEFAULT_PREFERENCES
    coding = negotiate_content_coding(accept_encoding) if accept_encoding else IDENTITY
    return RequestPreferences(wants_refresh, coding, if_none_match if method in ("GET", "HEAD") else b"")


class StaticBody:
    """A body that does not change while the process runs, in all content codings, with its entity tag."""

    def __init__(
        self, body: bytes, key: str, content_type_header: tuple[bytes, bytes] = JSON_CONTENT_TYPE_HEADER
    ) -> None:
        """`key` is that of the entity tag."""
        self._entity_tag = EntityTag(hashlib.blake2b(body, digest_size=_STATIC_DIGEST_BYTES).hexdigest(), key)
        self._content_type_header = content_type_header
        self._bodies = {IDENTITY: body}
        if len(body) >= MIN_COMPRESSIBLE_BYTES:
            self._bodies |= {coding: encode(body) for coding, encode in STATIC_CONTENT_CODINGS.items()}

    def build_response(
        self, preferences: RequestPreferences, common_headers: Headers, status: int = 200
    ) -> HttpResponse:
        """Return the response, or 304 if the client has the body; both have the common headers."""
        coding = preferences.coding if preferences.coding in self._bodies else IDENTITY
        if status == 200 and self._entity_tag.matches(preferences.if_none_match):
            return HttpResponse(304, [*common_headers, (b"etag", self._entity_tag.encode())], b"")
        body = self._bodies[coding]
        headers = [
            *common_headers,
            (b"etag", self._entity_tag.encode(coding)),
            *_build_content_headers(body, coding, self._content_type_header),
        ]
        return HttpResponse(status, headers, body)


class DocumentResponder:
    """Builds responses from snapshots: whole documents, and JSON made from a part of a snapshot."""

    def __init__(self, snapshots: SnapshotProvider, *, has_guard: bool) -> None:
        self._snapshots = snapshots
        self._vary_header = (b"vary", b"accept-encoding, authorization" if has_guard else b"accept-encoding")
        # Without the headers that differ between two requests. Freed with the documents.
        self._prepared: WeakKeyDictionary[RenderedTopology, dict[DocumentFormat, _Prepared]] = WeakKeyDictionary()

    async def build_document_response(
        self, view: str, access: Access, preferences: RequestPreferences, poll: LongPoll, past: Snapshot | None = None
    ) -> HttpResponse:
        """Return the response with the document of a view, or 304, from a past snapshot or else the current one.

        Raises NoTopologyError without a snapshot.
        """
        if preferences.wants_refresh and past is None:
            await self._snapshots.wait_for_refresh()
        snapshot = await get_visible_snapshot(self._snapshots, access.grant, past)

        async def is_changed(current: Snapshot) -> bool:
            nonlocal snapshot
            snapshot = current
            return not _build_document_tag(current, view).matches(preferences.if_none_match)

        if not await is_changed(snapshot) and not await self.wait_for_change(access, poll, is_changed):
            headers = self._build_common_headers(snapshot, _build_document_tag(snapshot, view).encode())
            return HttpResponse(304, [*headers, *self._build_snapshot_headers(snapshot)], b"")
        prepared = await self._prepare_document(snapshot, DocumentFormat(view, preferences.coding))
        return HttpResponse(
            prepared.status, [*prepared.headers, *self._build_snapshot_headers(snapshot)], prepared.body
        )

    def build_rendered_response(self, snapshot: Snapshot, rendered: RenderedBody, if_none_match: bytes) -> HttpResponse:
        """Return the response with JSON made from a snapshot, or 304 if the client has it."""
        entity_tag = rendered.entity_tag
        is_known = entity_tag.matches(if_none_match)
        headers = [
            *self._build_common_headers(snapshot, entity_tag.encode(IDENTITY if is_known else rendered.coding)),
            *self._build_snapshot_headers(snapshot),
        ]
        if is_known:
            return HttpResponse(304, headers, b"")
        return HttpResponse(200, headers + _build_content_headers(rendered.body, rendered.coding), rendered.body)

    def build_uncached_response(self, snapshot: Snapshot, body: bytes) -> HttpResponse:
        """Return the response with JSON that depends on the body of the request, so that caches cannot use it."""
        headers = [
            (b"x-topology-version", snapshot.topology.version.encode()),
            *self._build_snapshot_headers(snapshot),
            *_build_content_headers(body, IDENTITY),
        ]
        return HttpResponse(200, [*headers, NO_STORE_HEADER, NOSNIFF_HEADER], body)

    async def build_unversioned_response(self, body: bytes, coding: str) -> HttpResponse:
        """Return a JSON response that belongs to no topology version, compressed if the client accepts it."""
        body, coding = await encode_once(body, coding)
        headers = [self._vary_header, REVALIDATE_HEADER, NOSNIFF_HEADER]
        return HttpResponse(200, _build_content_headers(body, coding) + headers, body)

    def build_static_response(self, static_body: StaticBody, preferences: RequestPreferences) -> HttpResponse:
        """Return a response that is equal for all callers, or 304 if the client has it."""
        return static_body.build_response(preferences, [self._vary_header, REVALIDATE_HEADER, NOSNIFF_HEADER])

    async def wait_for_change(
        self, access: Access, poll: LongPoll, is_changed: Callable[[Snapshot], Awaitable[bool]]
    ) -> bool:
        """Wait for a snapshot with a change; return False if the time is up or the client disconnects.

        `is_changed` is called with the visible part of the current snapshot, and again after each refresh. Raises
        UnauthenticatedError when the token expires: a long poll does not outlive its token.
        """
        if not poll.seconds:
            return False
        disconnect = asyncio.ensure_future(wait_for_disconnect(poll.receive))
        loop = asyncio.get_running_loop()
        poll_ends_at = loop.time() + poll.seconds
        deadline = min(poll_ends_at, access.expires_at)
        try:
            while not (disconnect.done() or self._snapshots.is_stopping):
                # Subscribed before the snapshot is read, so that no change between the two is missed.
                change = asyncio.ensure_future(self._snapshots.wait_for_change())
                try:
                    snapshot = await get_visible_snapshot(self._snapshots, access.grant)
                    if await is_changed(snapshot):
                        return True
                    done, _ = await asyncio.wait(
                        (disconnect, change), timeout=deadline - loop.time(), return_when=asyncio.FIRST_COMPLETED
                    )
                finally:
                    change.cancel()
                if not done:
                    if deadline < poll_ends_at:
                        raise UnauthenticatedError("expired")
                    return False
        finally:
            disconnect.cancel()
        return False

    async def _prepare_document(self, snapshot: Snapshot, document_format: DocumentFormat) -> _Prepared:
        prepared_by_format = self._prepared.setdefault(snapshot.rendered_topology, {})
        prepared = prepared_by_format.get(document_format)
        if prepared is None:
            rendered_format, body = await render_document(snapshot, document_format)
            entity_tag = _build_document_tag(snapshot, rendered_format.view).encode(rendered_format.coding)
            headers = self._build_common_headers(snapshot, entity_tag)
            prepared = _Prepared(200, headers + _build_content_headers(body, rendered_format.coding), body)
            prepared_by_format[document_format] = prepared
        return prepared

    def _build_common_headers(self, snapshot: Snapshot, entity_tag: bytes) -> Headers:
        return [
            (b"etag", entity_tag),
            (b"x-topology-version", snapshot.topology.version.encode()),
            self._vary_header,
            REVALIDATE_HEADER,
            NOSNIFF_HEADER,
        ]

    def _build_snapshot_headers(self, snapshot: Snapshot) -> Headers:
        return [
            (b"x-topology-complete", b"true" if snapshot.is_complete else b"false"),
            (b"x-topology-time", format_instant(snapshot.evaluated_at_seconds).encode()),
            (b"age", b"%d" % self._snapshots.get_age_seconds(snapshot)),
        ]


def _build_document_tag(snapshot: Snapshot, view: str) -> EntityTag:
    return EntityTag(snapshot.rendered_topology.get_version(view), view)


def _build_content_headers(
    body: bytes, coding: str, content_type_header: tuple[bytes, bytes] = JSON_CONTENT_TYPE_HEADER
) -> Headers:
    headers: Headers = [content_type_header, build_length_header(body)]
    if coding:
        headers.append((b"content-encoding", coding.encode()))
    return headers


# The etag key of a list, and a content coding.
_EncodedListKey = tuple[str, str]


class EncodedListCache:
    """Compressed complete lists, kept as long as the documents of their topology. Used on the event loop only.

    The number of lists is limited: four of all objects, two of each cluster, and the graph and the summary of each
    kind. Together they contain every node and every pod about three times.
    """

    def __init__(self) -> None:
        self._encoded: WeakKeyDictionary[RenderedTopology, dict[_EncodedListKey, asyncio.Task[bytes]]] = (
            WeakKeyDictionary()
        )

    async def encode(
        self,
        rendered_topology: RenderedTopology,
        etag_key: str,
        body: bytes,
        coding: str,
        codings: Mapping[str, ContentEncoder] = CONTENT_CODINGS,
    ) -> tuple[bytes, str]:
        """Return the body of a list and its content coding: the identity if compressing is not worth it."""
        if coding == IDENTITY or len(body) < MIN_COMPRESSIBLE_BYTES:
            return body, IDENTITY
        entries = self._encoded.setdefault(rendered_topology, {})
        task = entries.get((etag_key, coding))
        if task is None:
            task = asyncio.ensure_future(asyncio.to_thread(codings[coding], body))
            entries[etag_key, coding] = task
        try:
            # Shielded: a client that disconnects does not cancel the task for the others.
            return await asyncio.shield(task), coding
        except Exception:
            # The next request tries again: the error may be temporary, such as a lack of memory.
            entries.pop((etag_key, coding), None)
            raise


async def encode_once(body: bytes, coding: str) -> tuple[bytes, str]:
    """Return a body that is not cached and its content coding: the identity if compressing is not worth it."""
    if coding == IDENTITY or len(body) < MIN_COMPRESSIBLE_BYTES:
        return body, IDENTITY
    return await asyncio.to_thread(CONTENT_CODINGS[coding], body), coding
