"""The front of the HTTP server: checks tokens and hands out ready bytes; the rest goes to FastAPI behind it.

A plain ASGI application, because the topology is what nearly every request asks for and a route of FastAPI
takes three times as long to hand out bytes that are ready (benchmarks/README.md).
"""

import logging
import math
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import parse_qs

from aggregator.errors import (
    AccessError,
    AggregatorError,
    KeysMissingError,
    NotAllowedError,
    TokenRefusedError,
    WrongMethodError,
)
from aggregator.grants import EVERYTHING, Grant
from aggregator.logs import logger, shown_path
from aggregator.server import api_v1, quality_api
from aggregator.server.asgi import (
    NO_SNIFFING,
    Answer,
    App,
    Headers,
    Prepared,
    Receive,
    Scope,
    Send,
    WrittenAnswer,
    answer,
    answer_error,
    error_answer,
)
from aggregator.server.auth import Borne, Guard
from aggregator.server.failures import failure_of, text_of
from aggregator.server.http_document import BAD_WAIT, Asked, DocumentServer, wait_seconds, wishes
from aggregator.server.problems import QUALITY, is_told_as_problem, problem_answer
from aggregator.server.shown import Snapshots
from aggregator.telemetry import Telemetry

# Paths that are ours; every other path answers with the topology, as the Go service does.
METRICS_PATH = "/metrics"
OWN_PATHS = frozenset({"/api", "/docs", "/healthz", METRICS_PATH, "/openapi.json", "/readyz", "/ui"})
OWN_FOLDERS = ("/api/", "/docs/", "/ui/")
# What is answered without a token. Only these exact paths: everything else is closed by default.
OPEN_PATHS = frozenset(
    {
        *("/docs", "/docs/oauth2-redirect", "/healthz", METRICS_PATH, "/openapi.json", "/readyz"),
        *("/docs/static/favicon.png", "/docs/static/swagger-ui-bundle.js", "/docs/static/swagger-ui.css"),
    }
)
METHODS = ("GET", "HEAD", "POST")
LAYOUTS = ("1.2.5", "2025")
BAD_LAYOUT = f"layout must be {' or '.join(LAYOUTS)}"
# What is answered at a path of ours where nothing is.
NOTHING_HERE = "nothing is here; /docs lists what is"

# The pages of /docs run scripts of ours only, the one in the page itself included, and nobody may frame them.
_PAGE_POLICY = (
    b"content-security-policy",
    b"; ".join(
        [
            b"default-src 'self'",
            b"script-src 'self' 'unsafe-inline'",
            b"style-src 'self' 'unsafe-inline'",
            b"img-src 'self' data:",
            b"frame-ancestors 'none'",
        ]
    ),
)
# What follows it says why, in the words of RFC 6750.
_CHALLENGE = b'Bearer realm="aggregator"'
# Other hosts need not know which page of ours led to them.
_NO_REFERRER = (b"referrer-policy", b"no-referrer")

_log = logger(__name__)
_enabled = logging.getLogger(__name__).isEnabledFor


@dataclass(frozen=True)
class Door:
    """Who decides who may pass, None for nobody, and which paths are open all the same."""

    guard: Guard | None
    open_paths: frozenset[str] = OPEN_PATHS


class Ask(NamedTuple):
    """A GET or HEAD of a whole document, which is that of a view, with no field of its header twice."""

    method: str
    path: str
    view: str
    fields: Mapping[bytes, bytes]


class Front:
    """Serves the topology on every path that is not ours, and passes the rest on."""

    def __init__(
        self,
        snapshots: Snapshots,
        door: Door,
        default_layout: str,
        behind: App,
        telemetry: Telemetry | None = None,
    ) -> None:
        self._telemetry = telemetry or Telemetry()
        self._snapshots = snapshots
        self._quality = quality_api.QualityPage(snapshots.quality)
        self._documents = DocumentServer(snapshots, has_guard=door.guard is not None)
        self._guard = door.guard
        self._open_paths = door.open_paths
        self.default_layout = default_layout
        self._behind = behind
        self._api = api_v1.Api(snapshots, self._documents)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._behind(scope, receive, send)
            return
        path = scope["path"]
        try:
            if self._guard is None or path in self._open_paths:
                grant = EVERYTHING
            else:
                grant = await self._guard.admit(_authorization(scope["headers"]))
                if path == METRICS_PATH:
                    _check_metrics(grant)
            if path == QUALITY:
                await self._quality.answer(scope, send, grant)
            elif is_told_as_problem(path):
                await self._api.serve(grant, scope, receive, send)
            elif path in OWN_PATHS or path.startswith(OWN_FOLDERS):
                await self._pass_on(scope, receive, send)
            else:
                await self._topology(grant, scope, receive, send)
        except AggregatorError as error:
            refused = self._refusal(error, path)
            await answer(send, refused.status, refused.headers, refused.body)
        except Exception as error:  # noqa: BLE001 - whatever broke, the client is told in the form of all our errors
            _log.exception("request broke", path=shown_path(path))
            await answer(send, *_failure(error, path, []))

    def at_once(self, ask: Ask, borne: Borne) -> WrittenAnswer | None:
        """Return what is answered to a request for a document, None where something has to be waited for or made.

        `borne` is what its connection bore before.
        """
        opened: Grant | AggregatorError | None = EVERYTHING
        if self._guard is not None and ask.path not in self._open_paths:
            given = ask.fields.get(b"authorization")
            opened = self._guard.admit_at_once(() if given is None else (given,), borne)
        if isinstance(opened, Grant):
            try:
                return self._documents.at_hand(opened, ask.view, wishes(ask.method, ask.fields.items()))
            except AggregatorError as error:
                opened = error
        if opened is None:
            return None
        refused = self._refusal(opened, ask.path)
        return WrittenAnswer(refused.status, refused.lines, refused.body)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let FastAPI answer, and add what every answer of ours tells browsers."""
        started = False

        async def send_with_headers(message: MutableMapping[str, Any]) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = [*message["headers"], NO_SNIFFING, _PAGE_POLICY, _NO_REFERRER]
            await send(message)

        # The server leaves the body of an answer to HEAD out by itself, so what can be got needs no route for it.
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        try:
            await self._behind({**scope, "method": method}, receive, send_with_headers)
        except Exception:
            if not started:
                raise
            # An answer that began cannot become another: it ends here, and the server breaks the connection.
            _log.exception("answer broke", path=shown_path(scope["path"]))

    async def _topology(self, grant: Grant, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] not in METHODS:
            allowed = (b"allow", ", ".join(METHODS).encode())
            await answer_error(send, 405, "the topology is asked for by GET, HEAD or POST", [allowed])
            return
        layout, wait = self.default_layout, "0"
        if scope["query_string"]:
            parameters = parse_qs(scope["query_string"].decode("latin-1"))
            layout = parameters.get("layout", [layout])[-1]
            if layout not in LAYOUTS:
                await answer_error(send, 400, BAD_LAYOUT, [])
                return
            wait = parameters.get("wait", [wait])[-1]
            if wait_seconds(wait) is None:
                await answer_error(send, 400, BAD_WAIT, [])
                return
        await self._documents.serve(Asked(grant, layout, wait), scope, receive, send)

    def _refusal(self, error: AggregatorError, path: str) -> Prepared:
        """Return what to answer instead; an AccessError is counted by its reason, so this is called once a request."""
        # Strangers may knock often: what nobody reads costs nothing, and they all get the same.
        if isinstance(error, AccessError):
            self._telemetry.refused(error.reason)
            if _enabled(logging.DEBUG):
                _log.debug("token refused", reason=error.reason)
        if isinstance(error, TokenRefusedError):
            return _token_refused(is_bare=error.reason == "no token", as_problem=is_told_as_problem(path))
        failure = failure_of(error)
        headers: Headers = []
        if failure.status == 503:
            wait = self._snapshots.seconds_to_next()
            if isinstance(error, KeysMissingError):
                wait = error.retry_after_seconds
            headers.append((b"retry-after", b"%d" % max(1, math.ceil(wait))))
        if isinstance(error, NotAllowedError):
            headers.append((b"www-authenticate", b'%s, error="insufficient_scope"' % _CHALLENGE))
        if isinstance(error, WrongMethodError):
            headers.append((b"allow", ", ".join(error.allowed).encode()))
        return Prepared.of(*_failure(error, path, headers))


@lru_cache(maxsize=4)
def _token_refused(*, is_bare: bool, as_problem: bool) -> Prepared:
    """Return what to answer to a token that is refused, or to a request without one; what is returned is shared."""
    challenge = _CHALLENGE if is_bare else b'%s, error="invalid_token"' % _CHALLENGE
    error, headers = TokenRefusedError("no token"), [(b"www-authenticate", challenge)]
    return Prepared.of(*(problem_answer(error, headers) if as_problem else _error_answer(error, headers)))


def _authorization(headers: Headers) -> list[bytes]:
    return [value for name, value in headers if name == b"authorization"]


def _failure(error: Exception, path: str, headers: Headers) -> Answer:
    """Return what an error means to a client, in the form of the path."""
    return problem_answer(error, headers) if is_told_as_problem(path) else _error_answer(error, headers)


def _error_answer(error: Exception, headers: Headers) -> Answer:
    return error_answer(failure_of(error).status, text_of(error), headers)


def _check_metrics(grant: Grant) -> None:
    """Raise where they show more than the caller may see."""
    if not grant.is_for_everything:
        raise NotAllowedError("metrics of everything")
