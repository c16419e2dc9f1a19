"""What surrounds the application: instrumentation, CORS, error responses and authentication."""

from collections.abc import Collection, MutableMapping, Sequence
from time import perf_counter
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from aggregator.errors import AggregatorError
from aggregator.observability.instrumentation import (
    REQUEST_ID_HEADER,
    Instrumentation,
    Tracing,
    choose_request_id,
    extract_request_id,
)
from aggregator.observability.logs import REQUEST_ID, get_logger, sanitize_path
from aggregator.observability.metrics import NO_RESPONSE_CODE
from aggregator.server.auth.guard import UNRESTRICTED_ACCESS, Access, Guard
from aggregator.server.http.documents import asks_to_wait
from aggregator.server.http.responses import PUBLIC_PATHS, ErrorResponder, find_handler, find_route

# What scripts of other origins may send and read beyond what browsers always allow.
CORS_ALLOWED_HEADERS = (
    *("Authorization", "Cache-Control", "Content-Type", "If-None-Match", "Last-Event-ID"),
    # Of MCP clients.
    *("Mcp-Method", "Mcp-Name", "MCP-Protocol-Version"),
)
CORS_EXPOSED_HEADERS = ("Age", "ETag", "Retry-After", "X-Request-Id", "X-Topology-Complete", "X-Topology-Time")
# How long a browser may cache the response to a preflight request.
CORS_MAX_AGE_SECONDS = 600

# Probes and scrapes arrive every few seconds and would only fill the trace storage.
_UNTRACED_HANDLERS = frozenset({"probes", "metrics"})

_log = get_logger(__name__)


class AuthMiddleware:
    """Requires a token for every path that is not public. HTTP requests are authorized here and nowhere else.

    Without a guard, no tokens are required.
    """

    def __init__(self, app: ASGIApp, guard: Guard | None, public_paths: frozenset[str] = PUBLIC_PATHS) -> None:
        self._app = app
        self._guard = guard
        self._public_paths = public_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Authorize a request and store its access in the scope; raise an AccessError if it is refused."""
        scope["state"] = {"access": await self._authorize(scope)}
        await self._app(scope, receive, send)

    async def _authorize(self, scope: Scope) -> Access:
        if self._guard is None or scope["path"] in self._public_paths:
            return UNRESTRICTED_ACCESS
        return await self._guard.authorize([value for name, value in scope["headers"] if name == b"authorization"])


class ErrorMiddleware:
    """Answers a request whose handling raised an exception."""

    def __init__(self, app: ASGIApp, responder: ErrorResponder) -> None:
        self._app = app
        self._responder = responder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        is_started = False

        def tracked_send(message: MutableMapping[str, Any]) -> Any:
            nonlocal is_started
            is_started = True
            return send(message)

        try:
            await self._app(scope, receive, tracked_send)
        except ClientDisconnect:
            # Nobody reads a response.
            return
        except Exception as error:  # noqa: BLE001 - every failure gets a response
            if not isinstance(error, AggregatorError):
                _log.exception("request failed", path=sanitize_path(scope["path"]))
            # Once a response has started, all that is left is to end it: the server closes the connection.
            if not is_started:
                await self._responder.build_response(error, scope["path"])(scope, receive, send)


class InstrumentationMiddleware:
    """Counts, logs and traces each request when it ends, however it ends, and gives it a request ID."""

    def __init__(self, app: ASGIApp, instrumentation: Instrumentation, api_routes: Collection[str] = ()) -> None:
        self._app = app
        self._api_routes = api_routes
        self._own_metrics = instrumentation.own_metrics
        self._tracing = instrumentation.tracing
        self._log_requests = instrumentation.log_requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        start = perf_counter()
        request_id = choose_request_id(extract_request_id(scope["headers"]))
        REQUEST_ID.set(request_id)
        handler = find_handler(scope["path"])
        status = NO_RESPONSE_CODE

        def instrumented_send(message: MutableMapping[str, Any]) -> Any:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (REQUEST_ID_HEADER, request_id)]
            return send(message)

        try:
            if self._tracing is None or handler in _UNTRACED_HANDLERS:
                await self._app(scope, receive, instrumented_send)
            else:
                await self._handle_traced(self._tracing, handler, scope, receive, instrumented_send)
        finally:
            seconds = perf_counter() - start
            self._own_metrics.record_http_request(handler, scope["method"], status)
            if not asks_to_wait(scope):
                route = find_route(scope["path"], handler, self._api_routes)
                self._own_metrics.record_http_duration(handler, route, seconds)
            if self._log_requests:
                _log_http_request(scope, status, seconds)

    async def _handle_traced(self, tracing: Tracing, handler: str, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        method = scope["method"]
        attributes = {"http.request.method": method, "url.path": sanitize_path(scope["path"]), "http.route": handler}
        with tracing.trace_request(f"{method} {handler}", headers, attributes) as span:

            def traced_send(message: MutableMapping[str, Any]) -> Any:
                if message["type"] == "http.response.start":
                    span.set_attribute("http.response.status_code", message["status"])
                    if message["status"] >= 500:
                        tracing.mark_failed(span, str(message["status"]))
                return send(message)

            await self._app(scope, receive, traced_send)


def _log_http_request(scope: Scope, status: int, seconds: float) -> None:
    """Log one request, without its query string and headers, which may contain secrets."""
    client = scope.get("client")
    _log.debug(
        "request completed",
        method=scope["method"][:20],
        path=sanitize_path(scope["path"]),
        status=status,
        duration_ms=round(1000 * seconds, 1),
        client=client[0] if client else None,
    )


def add_cors(app: ASGIApp, origins: Sequence[str]) -> ASGIApp:
    """Return the application with CORS for these origins; without origins, the application itself.

    Preflight requests have no token and are answered here. The response contains only the CORS rules.
    """
    if not origins:
        return app
    cors_app = CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=("GET", "HEAD", "POST"),
        allow_headers=CORS_ALLOWED_HEADERS,
        expose_headers=CORS_EXPOSED_HEADERS,
        max_age=CORS_MAX_AGE_SECONDS,
    )

    async def app_with_cors(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                # The response to a preflight request comes from Starlette.
                MutableHeaders(scope=message).setdefault("X-Content-Type-Options", "nosniff")
            await send(message)

        await cors_app(scope, receive, send_with_headers)

    return app_with_cors
