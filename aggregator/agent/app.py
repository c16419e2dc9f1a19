"""The HTTP application of the agent. Paths and texts of `/`, `/get-data` and `/command` are those of the old agent."""

import re
from dataclasses import dataclass, field

from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from aggregator.agent.access import OPEN_PATHS, TokenCheck
from aggregator.agent.actions import perform_action
from aggregator.agent.collect import Collector
from aggregator.agent.legacy import render_legacy_data
from aggregator.agent.page import PageWriter
from aggregator.agent.process_metrics import ProcessMetrics
from aggregator.docker.engine import DockerEngine
from aggregator.docker.facts import ACTIONS
from aggregator.exposition.accept import negotiate_content_type
from aggregator.observability.logs import get_logger
from aggregator.server.http.request_log import RequestLogMiddleware

METRICS_PATH = "/metrics"
LEGACY_DATA_PATH = "/get-data"
COMMAND_PREFIX = "/command/"
_HANDLERS = {
    "/": "root",
    LEGACY_DATA_PATH: "get-data",
    METRICS_PATH: "metrics",
    "/healthz": "probes",
    "/readyz": "probes",
}
# As Docker checks names; it also accepts the beginning of an ID, which has the same form.
_CONTAINER_NAME_PATTERN = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+", re.ASCII)

_ALL_METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
_COMMAND_ALLOW_HEADER = {"Allow": "OPTIONS, POST"}
# The text of the gateway.
_HEALTHZ_BODY = '"Aggregator working properly!"\n'

_log = get_logger(__name__)


@dataclass
class AgentState:
    """Whether the agent is stopping."""

    is_stopping: bool = False


@dataclass(frozen=True)
class AgentServices:
    """What the application needs. `host_name` is the name in `/get-data`."""

    engine: DockerEngine
    collector: Collector
    page_writer: PageWriter
    metrics: ProcessMetrics
    tokens: TokenCheck
    host_name: str
    actions: tuple[str, ...] = ()
    is_text_verbatim: bool = False
    state: AgentState = field(default_factory=AgentState)

    async def render_page(self) -> bytes:
        """Return the page of metrics."""
        collection = await self.collector.collect()
        return self.page_writer.write(collection, self.collector.counters, self.metrics.read())

    async def render_legacy_data(self) -> bytes:
        """Return the document of `/get-data`."""
        collection = await self.collector.collect()
        return render_legacy_data(collection, self.host_name, is_verbatim=self.is_text_verbatim)


def create_agent_app(services: AgentServices) -> ASGIApp:
    """Return the application."""
    routes = _AgentRoutes(services)
    # A redirect from a path with a slash at its end would lead to the host that the client names.
    router = Router(
        redirect_slashes=False,
        routes=[
            Route("/", routes.answer_root),
            Route(LEGACY_DATA_PATH, routes.answer_legacy_data),
            Route(METRICS_PATH, routes.answer_metrics),
            Route(COMMAND_PREFIX + "{action}", routes.answer_command, methods=list(_ALL_METHODS)),
            Route("/healthz", routes.answer_healthz),
            Route("/readyz", routes.answer_readyz),
        ],
    )
    app: ASGIApp = GZipMiddleware(router, minimum_size=1024, compresslevel=4)
    app = _require_token(app, services.tokens)
    return RequestLogMiddleware(app, find_handler, services.metrics.record_request)


def find_handler(path: str) -> str:
    """Return the handler of a path for metrics."""
    return "command" if path.startswith(COMMAND_PREFIX) else _HANDLERS.get(path, "other")


def _require_token(app: ASGIApp, tokens: TokenCheck) -> ASGIApp:
    """Return the application that answers 401 without a valid token. A command has its own answer."""

    async def app_with_token(scope: Scope, receive: Receive, send: Send) -> None:
        is_open = scope["path"] in OPEN_PATHS or scope["path"].startswith(COMMAND_PREFIX)
        if is_open or tokens.accepts(scope["headers"]):
            await app(scope, receive, send)
            return
        headers = {"WWW-Authenticate": 'Bearer realm="aggregator agent"'}
        await PlainTextResponse("a valid token is required\n", 401, headers)(scope, receive, send)

    return app_with_token


class _AgentRoutes:
    """One method for each path."""

    def __init__(self, services: AgentServices) -> None:
        self._services = services

    async def answer_root(self, _request: Request) -> Response:
        return PlainTextResponse("OK")

    async def answer_legacy_data(self, _request: Request) -> Response:
        body = await self._services.render_legacy_data()
        return Response(body, media_type="application/json", headers={"Cache-Control": "no-store"})

    async def answer_metrics(self, request: Request) -> Response:
        body = await self._services.render_page()
        content_type = negotiate_content_type(request.headers.get("accept", ""))
        return Response(body, headers={"Content-Type": content_type, "Cache-Control": "no-store"})

    async def answer_healthz(self, _request: Request) -> Response:
        return PlainTextResponse(_HEALTHZ_BODY)

    async def answer_readyz(self, _request: Request) -> Response:
        if self._services.state.is_stopping:
            return JSONResponse({"error": "shutting down"}, 503)
        return JSONResponse({"status": "ready"})

    async def answer_command(self, request: Request) -> Response:
        """Act on a container, if the action is allowed and the token is valid."""
        if request.method == "OPTIONS":
            return Response(headers=_COMMAND_ALLOW_HEADER)
        if request.method != "POST":
            return PlainTextResponse("Method Not Allowed", 405, _COMMAND_ALLOW_HEADER)
        action, name = request.path_params["action"], request.query_params.get("container", "")
        if action not in ACTIONS:
            return PlainTextResponse("Invalid Command", 400)
        if action not in self._services.actions or not self._services.tokens.has_valid_token(request.scope["headers"]):
            return PlainTextResponse(
                "not allowed: AGENT_ACTIONS must name the action, and the token must be valid\n", 403
            )
        if not _CONTAINER_NAME_PATTERN.fullmatch(name):
            return PlainTextResponse("container must be the name of a container\n", 400)
        problem = await perform_action(self._services.engine, action, name)
        _log.info("container action", action=action, container=name, result=problem or "success")
        return Response(status_code=204) if problem is None else PlainTextResponse(f"{problem}\n", 500)
