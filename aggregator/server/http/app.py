"""The ASGI application of the HTTP server: middleware, the legacy topology, and the routes of FastAPI behind them.

The legacy topology is answered by plain ASGI: nearly every request asks for these prerendered documents, and a FastAPI
route takes several times as long to return them (docs/decisions/0006-asgi-front.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import parse_qs

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aggregator.errors import MethodNotAllowedError
from aggregator.lookup.instants import TIME_PARAMETER
from aggregator.observability.instrumentation import Instrumentation
from aggregator.server.auth.guard import Guard
from aggregator.server.http.documents import (
    LAYOUTS,
    WAIT_PARAMETER,
    DocumentResponder,
    LongPoll,
    find_past_while_connected,
    parse_preferences,
    parse_wait_seconds,
    validate_layout,
)
from aggregator.server.http.forwarded import IpNetwork, trust_forwarded_for
from aggregator.server.http.mcp import McpApp
from aggregator.server.http.middleware import (
    AuthMiddleware,
    ErrorMiddleware,
    InstrumentationMiddleware,
    add_cors,
)
from aggregator.server.http.responses import (
    MCP_PATH,
    PUBLIC_PATHS,
    TOPOLOGY_HANDLER,
    ErrorResponder,
    decode_segments,
    find_handler,
    uses_problem_details,
)
from aggregator.server.http.routes import ApiServices, create_api, list_api_routes
from aggregator.server.http.routes_candidates import CandidateResponder
from aggregator.server.http.routes_diff import DiffResponder
from aggregator.server.http.routes_v1 import LookupResponder, QualityResponder
from aggregator.server.http.routes_watch import WatchResponder
from aggregator.server.http.ui import WebPage
from aggregator.server.instants import refuse_wait
from aggregator.server.status import Readiness
from aggregator.server.visibility import RenderedQuality, SnapshotProvider
from aggregator.server.watch_service import MAX_WATCHES
from aggregator.views.v1_format import render_quality_json

TOPOLOGY_METHODS = ("GET", "HEAD", "POST")

# The pages of /docs run only their own scripts, including the inline one, and no other site may embed them.
_PAGE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
}


@dataclass(frozen=True)
class HttpAppOptions:
    """How the HTTP server treats requests: tokens, layout, web page, CORS, trusted proxies, limit of watches."""

    guard: Guard | None = None
    public_paths: frozenset[str] = PUBLIC_PATHS
    default_layout: str = LAYOUTS[0]
    page: WebPage | None = None
    cors_origins: Sequence[str] = ()
    trusted_proxies: Sequence[IpNetwork] = ()
    max_watches: int = MAX_WATCHES


def create_http_app(
    snapshots: SnapshotProvider, readiness: Readiness, instrumentation: Instrumentation, options: HttpAppOptions
) -> ASGIApp:
    """Return the application, built from the inside out."""
    own_metrics = instrumentation.own_metrics
    errors = ErrorResponder(snapshots, own_metrics)
    document_responder = DocumentResponder(snapshots, has_guard=options.guard is not None)
    rendered_quality = RenderedQuality(snapshots.get_quality, render_quality_json)
    quality = QualityResponder(snapshots, rendered_quality, document_responder)
    lookups, candidates = (
        LookupResponder(snapshots, document_responder),
        CandidateResponder(snapshots, document_responder),
    )
    watches = WatchResponder(snapshots, own_metrics, options.max_watches)
    diffs = DiffResponder(snapshots, document_responder)
    services = ApiServices(
        readiness, own_metrics, errors, document_responder, lookups, candidates, quality, watches, diffs
    )
    api = create_api(services)
    app: ASGIApp = Dispatcher(TopologyApp(snapshots, document_responder, options.default_layout), api)
    app = McpDispatcher(app, McpApp(app, options.cors_origins))
    app = AuthMiddleware(app, options.guard, options.public_paths)
    if options.page is not None:
        app = PageMiddleware(app, options.page)
    app = ErrorMiddleware(app, errors)
    app = trust_forwarded_for(app, options.trusted_proxies)
    app = add_cors(app, options.cors_origins)
    return InstrumentationMiddleware(app, instrumentation, list_api_routes())


class Dispatcher:
    """Passes requests for reserved paths to FastAPI, and all others to the topology."""

    def __init__(self, topology: ASGIApp, api: ASGIApp) -> None:
        self._topology = topology
        self._api = api

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on."""
        if find_handler(scope["path"]) == TOPOLOGY_HANDLER:
            await self._topology(scope, receive, send)
            return
        api_scope = {
            **scope,
            "path": decode_segments(scope["raw_path"]),
            # The server leaves out the body of a response to HEAD, so that routes declare GET alone.
            "method": "GET" if scope["method"] == "HEAD" else scope["method"],
            # For routes whose response has no end.
            "is_head": scope["method"] == "HEAD",
        }
        await self._api(api_scope, receive, send if uses_problem_details(scope["path"]) else _add_page_headers(send))


class McpDispatcher:
    """Passes messages of MCP clients to the tools, which use the rest of the application."""

    def __init__(self, app: ASGIApp, mcp: ASGIApp) -> None:
        self._app = app
        self._mcp = mcp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        await (self._mcp if scope["path"] == MCP_PATH else self._app)(scope, receive, send)


class PageMiddleware:
    """Answers requests for the files of the web page, which need no token, and passes on all others."""

    def __init__(self, app: ASGIApp, page: WebPage) -> None:
        self._app = app
        self._page = page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        await (self._page.find_file(scope["path"]) or self._app)(scope, receive, send)


class TopologyApp:
    """Answers with the legacy topology, as the Go service does on any path."""

    def __init__(self, snapshots: SnapshotProvider, document_responder: DocumentResponder, default_layout: str) -> None:
        self._snapshots = snapshots
        self._document_responder = document_responder
        self._default_layout = default_layout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; raise a RequestError if it is invalid."""
        if scope["method"] not in TOPOLOGY_METHODS:
            raise MethodNotAllowedError(f"method {scope['method'][:20]} is not allowed here", allowed=TOPOLOGY_METHODS)
        query = _TopologyQuery(self._default_layout)
        if scope["query_string"]:
            query = self._parse_query(scope["query_string"])
        access = scope["state"]["access"]
        past = await find_past_while_connected(self._snapshots, access.grant, query.time, receive)
        response = await self._document_responder.build_document_response(
            query.layout,
            access,
            parse_preferences(scope["method"], scope["headers"]),
            LongPoll(query.wait_seconds, receive),
            None if past is None else past.snapshot,
        )
        await response(scope, receive, send)

    def _parse_query(self, query_string: bytes) -> "_TopologyQuery":
        """Return the parameters. Others are ignored, as by the Go service."""
        parameters = parse_qs(query_string.decode("latin-1"))
        layout, wait, time = (
            parameters.get(name, [default])[-1]
            for name, default in (("layout", self._default_layout), (WAIT_PARAMETER, ""), (TIME_PARAMETER, ""))
        )
        validate_layout(layout)
        refuse_wait(time, wait)
        return _TopologyQuery(layout, parse_wait_seconds(wait), time)


class _TopologyQuery(NamedTuple):
    """The parameters of a request for the legacy topology."""

    layout: str
    wait_seconds: float = 0.0
    time: str = ""


def _add_page_headers(send: Send) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _PAGE_HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return send_with_headers
