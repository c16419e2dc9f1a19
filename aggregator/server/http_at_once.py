"""Requests whose answers are at hand, answered where they are read: without a task, without messages, in one go.

Nearly everybody asks for bytes that are ready, and strangers may be many: both cost a fraction of what they would on
the long way, by messages of ASGI through `http_watch` and `http_front`. Whatever is more than that goes there, and they
would get the same answers there (docs/decisions/0030-at-once.md).
"""

from collections.abc import Mapping
from time import perf_counter
from typing import NamedTuple

from aggregator.logs import logger
from aggregator.server.asgi import App, Headers, WrittenAnswer
from aggregator.server.auth import Borne
from aggregator.server.http_connection import Replier
from aggregator.server.http_front import LAYOUTS, Ask, Front
from aggregator.server.http_server import PIECE_BYTES, Service
from aggregator.server.http_watch import Watched, handler_of
from aggregator.server.problems import API
from aggregator.server.request_id import HEADER, RequestIds
from aggregator.server.watch import Watch
from aggregator.views import v1

_METHODS: Mapping[bytes, str] = {b"GET": "GET", b"HEAD": "HEAD"}
# Who sends one of these sends more than a header, or waits for a word first.
_MORE = frozenset({b"content-length", b"transfer-encoding", b"expect", b"upgrade"})

_log = logger(__name__)


class _Target(NamedTuple):
    """What is at a URL: its path, who counts it, and the view of the topology."""

    path: str
    handler: str
    view: str


class AtOnce:
    """Answers at once what a front can, with what each answer has beside: it is counted, and has an id."""

    def __init__(self, front: Front, watch: Watch, ids: RequestIds, most_bytes: int | None = None) -> None:
        """`most_bytes` is how long a body may be that is written in one go, None for any."""
        self._front = front
        self._answered = watch.telemetry.answered
        self._ids = ids
        self._most_bytes = most_bytes
        self._targets = _targets(front.default_layout)

    def new_replier(self) -> Replier:
        """Return who answers on a new connection."""
        borne = Borne()

        def reply(method: bytes, url: bytes, headers: Headers) -> WrittenAnswer | None:
            target, verb, fields = self._targets.get(url), _METHODS.get(method), dict(headers)
            if target is None or verb is None or len(fields) < len(headers) or not _MORE.isdisjoint(fields):
                return None
            start = perf_counter()
            try:
                answer = self._front.at_once(Ask(verb, target.path, target.view, fields), borne)
            except Exception:  # noqa: BLE001 - whatever broke, the long way has an answer
                _log.exception("answering at once broke", path=target.path)
                return None
            if answer is None or (self._most_bytes is not None and len(answer.body) > self._most_bytes):
                return None
            self._answered(target.handler, verb, answer.status, perf_counter() - start)
            lines = b"%s%s: %s\r\n" % (answer.lines, HEADER, self._ids.of(fields.get(HEADER)))
            return WrittenAnswer(answer.status, lines, b"" if verb == "HEAD" else answer.body)

        return reply


def _targets(default_layout: str) -> Mapping[bytes, _Target]:
    """Return the URLs that those ask for who want a whole document."""
    legacy = {"/": default_layout, **{f"/?layout={layout}": layout for layout in LAYOUTS}}
    views = {**legacy, f"{API}/topology": v1.JSON}
    paths = ((url, url.partition("?")[0], view) for url, view in views.items())
    return {url.encode(): _Target(path, handler_of(path), view) for url, path, view in paths}


def watched_service(front: Front, app: App, watch: Watch, *, is_encrypted: bool) -> Service:
    """Return a front as it is served: `app`, which leads to it, is watched, and what can be is answered at once.

    That is nothing where each request is traced or logged, or where something stands around the front: it may have a
    word to say in any answer.
    """
    ids = RequestIds()
    watched = Watched(app, watch, ids)
    if app is not front or watch.tracing is not None or watch.log_requests:
        return Service(watched)
    return Service(watched, AtOnce(front, watch, ids, PIECE_BYTES if is_encrypted else None).new_replier)
