"""What surrounds the front of the HTTP server: counts each request once, gives it an id, logs and traces it.

Those that are answered at once do not come here: `http_at_once` counts them and gives them their ids.
"""

from collections.abc import MutableMapping
from time import perf_counter
from typing import Any

from aggregator.logs import REQUEST_ID, logger, shown_path
from aggregator.own_metrics import NO_ANSWER
from aggregator.server.asgi import App, Receive, Scope, Send
from aggregator.server.http_front import OWN_FOLDERS
from aggregator.server.request_id import HEADER, RequestIds, given_id
from aggregator.server.watch import Watch
from aggregator.tracing import Tracing

_HANDLERS = {
    "/": "topology",
    "/api": "api",
    "/docs": "docs",
    "/healthz": "probes",
    "/metrics": "metrics",
    "/openapi.json": "docs",
    "/readyz": "probes",
    "/ui": "ui",
}
_FOLDERS = {folder: folder.strip("/") for folder in OWN_FOLDERS}
# Probes and scrapes come every few seconds and tell a reader of traces nothing.
_UNTRACED = frozenset({"probes", "metrics"})

_log = logger(__name__)


def handler_of(path: str) -> str:
    """Return which part of the server answers a path; there are as many as `own_metrics.HANDLERS`."""
    if path in _HANDLERS:
        return _HANDLERS[path]
    return _FOLDERS.get(path[: path.find("/", 1) + 1], "topology")


class Watched:
    """An ASGI application that is watched. A request is counted when it is over, however it ends."""

    def __init__(self, app: App, watch: Watch, ids: RequestIds) -> None:
        self._app = app
        # Looked up once, as it is asked for each request.
        self._answered = watch.telemetry.answered
        self._tracing = watch.tracing
        self._ids = ids
        self._log_requests = watch.log_requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = perf_counter()
        request_id = self._ids.of(given_id(scope["headers"]))
        REQUEST_ID.set(request_id)
        path = scope["path"]
        # Nearly every request has one of these paths.
        handler = _HANDLERS.get(path) or handler_of(path)
        status = NO_ANSWER

        def watched_send(message: MutableMapping[str, Any]) -> Any:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (HEADER, request_id)]
            return send(message)

        try:
            if self._tracing is None or handler in _UNTRACED:
                await self._app(scope, receive, watched_send)
            else:
                await self._traced(self._tracing, handler, scope, receive, watched_send)
        finally:
            seconds = perf_counter() - start
            self._answered(handler, scope["method"], status, seconds)
            if self._log_requests:
                _log_request(scope, status, seconds)

    async def _traced(self, tracing: Tracing, handler: str, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        method = scope["method"]
        attributes = {"http.request.method": method, "url.path": shown_path(scope["path"]), "http.route": handler}
        with tracing.serving(f"{method} {handler}", headers, attributes) as span:

            def traced_send(message: MutableMapping[str, Any]) -> Any:
                if message["type"] == "http.response.start":
                    span.set_attribute("http.response.status_code", message["status"])
                    if message["status"] >= 500:
                        tracing.failed(span, str(message["status"]))
                return send(message)

            await self._app(scope, receive, traced_send)


def _log_request(scope: Scope, status: int, seconds: float) -> None:
    """Log one request; its query string and its headers are not for the log."""
    client = scope.get("client")
    _log.debug(
        "request",
        method=scope["method"][:20],
        path=shown_path(scope["path"]),
        status=status,
        took_ms=round(1000 * seconds, 1),
        client=client[0] if client else None,
    )
