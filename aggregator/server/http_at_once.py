"""Requests whose answers are at hand, answered where they are read: without a task, without messages, in one go.

Nearly everybody asks for bytes that are ready, and strangers are many: both cost a third of what they would on the long
way, through `http_watch` and `http_front`. Whatever is more than that goes there, and would get the same answers there.
"""

from collections.abc import Mapping
from time import perf_counter
from typing import NamedTuple

from aggregator.errors import AggregatorError
from aggregator.grants import EVERYTHING, Grant
from aggregator.logs import logger
from aggregator.server.asgi import App, Headers, Reply, lines
from aggregator.server.auth import Borne
from aggregator.server.http_document import wishes
from aggregator.server.http_front import LAYOUTS, Front
from aggregator.server.http_limits import Replier
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
    """Answers at once what a front would answer."""

    def __init__(self, front: Front, watch: Watch, most_bytes: int | None = None) -> None:
        """`most_bytes` is how long a body may be that is written in one go, None for any."""
        self._front = front
        self._answered = watch.telemetry.answered
        self._most_bytes = most_bytes
        self._ids = RequestIds()
        self._targets = _targets(front.default_layout)

    def replier(self) -> Replier:
        """Return who answers on a new connection."""
        borne = Borne()

        def reply(method: bytes, url: bytes, headers: Headers) -> Reply | None:
            target, verb = self._targets.get(url), _METHODS.get(method)
            if target is None or verb is None:
                return None
            start = perf_counter()
            try:
                made = self._reply(target, verb, headers, borne)
            except Exception:  # noqa: BLE001 - whatever broke, the long way has an answer
                _log.exception("answering at once broke")
                return None
            if made is not None:
                self._answered(target.handler, verb, made.status, perf_counter() - start)
            return made

        return reply

    def _reply(self, target: _Target, method: str, headers: Headers, borne: Borne) -> Reply | None:
        authorization, given_id = [], None
        for name, value in headers:
            if name in _MORE:
                return None
            if name == b"authorization":
                authorization.append(value)
            elif name == HEADER and given_id is None:
                given_id = value
        try:
            grant = self._granted(authorization, borne)
            if grant is None:
                return None
            found = self._front.documents.at_hand(grant, target.view, wishes(method, headers))
        except AggregatorError as error:
            status, refused, body = self._front.refusal(error, target.path)
            found = Reply(status, lines(refused), body)
        if found is None or (self._most_bytes is not None and len(found.body) > self._most_bytes):
            return None
        told = b"%s%s: %s\r\n" % (found.lines, HEADER, self._ids.of(given_id))
        return Reply(found.status, told, b"" if method == "HEAD" else found.body)

    def _granted(self, authorization: list[bytes], borne: Borne) -> Grant | None:
        guard = self._front.guard
        return EVERYTHING if guard is None else guard.admit_at_once(authorization, borne)


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
    watched = Watched(app, watch)
    if app is not front or watch.tracing is not None or watch.log_requests:
        return Service(watched)
    return Service(watched, AtOnce(front, watch, PIECE_BYTES if is_encrypted else None).replier)
