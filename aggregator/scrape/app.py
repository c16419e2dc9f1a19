"""The HTTP application of the scrape server."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp

from aggregator.scrape.agent_routes import AgentRoutes
from aggregator.scrape.merge_routes import MergeRoutes, PodJobs
from aggregator.scrape.node_routes import NodeRoutes
from aggregator.scrape.responses import MethodEndpoint, answer_errors, build_text
from aggregator.server.http.forwarded import IpNetwork, trust_forwarded_for
from aggregator.server.http.request_log import RecordRequest, RequestLogMiddleware

_HANDLERS = {
    "/": "root",
    "/metrics": "metrics",
    "/scrape": "scrape",
    "/add-agent": "add-agent",
    "/healthz": "probes",
    "/readyz": "probes",
}
_HANDLERS_BY_PREFIX = {
    "/command/": "command",
    "/discovery/": "discovery",
    "/swarm_token_discovery/": "discovery",
    "/ui/api/nodes": "nodes",
    "/api/v1/": "api",
    "/sd/": "sd",
}
_OTHER_METHODS = ("POST", "PUT", "PATCH", "DELETE")


@dataclass
class ScrapeReadiness:
    """Whether the server is ready for requests."""

    is_stopping: bool = False


@dataclass(frozen=True)
class RouteGroups:
    """The endpoints by what they replace; `pods` are the jobs of pods, None without Kubernetes.

    `record_request` counts a request by handler, method and status.
    """

    agents: AgentRoutes
    nodes: NodeRoutes
    merged: MergeRoutes
    record_request: RecordRequest
    pods: PodJobs | None = None


def create_scrape_app(
    groups: RouteGroups, readiness: ScrapeReadiness, trusted_proxies: Sequence[IpNetwork] = ()
) -> ASGIApp:
    """Return the application."""

    async def report_health(_request: Request) -> Response:
        return build_text("OK\n")

    async def report_readiness(_request: Request) -> Response:
        return build_text("shutting down\n", 503) if readiness.is_stopping else build_text("OK\n")

    async def report_missing(_request: Request) -> Response:
        return build_text("Not Found\n", 404)

    async def answer_other_path(request: Request) -> Response:
        if groups.pods is None:
            return await report_missing(request)
        return await groups.pods.answer_job(request, read_job(request))

    def prefer_job(handler: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        """Return a handler that leaves requests with a job to the jobs of pods."""

        async def answer(request: Request) -> Response:
            if groups.pods is not None and "job" in request.query_params:
                return await groups.pods.answer_job(request, read_job(request))
            return await handler(request)

        return answer

    # Not a Starlette application, which would answer exceptions itself.
    app: ASGIApp = Router(
        routes=[
            Route("/", MethodEndpoint(GET=prefer_job(groups.agents.get_root))),
            Route("/metrics", MethodEndpoint(GET=prefer_job(groups.agents.get_metrics))),
            Route("/healthz", MethodEndpoint(GET=report_health)),
            Route("/readyz", MethodEndpoint(GET=report_readiness)),
            *groups.agents.list_routes(),
            *groups.nodes.list_routes(),
            *groups.merged.list_routes(),
            Route(
                "/{path:path}", MethodEndpoint(GET=answer_other_path, **dict.fromkeys(_OTHER_METHODS, report_missing))
            ),
        ]
    )
    app = RequestLogMiddleware(answer_errors(app), find_handler, groups.record_request)
    return trust_forwarded_for(app, trusted_proxies)


def find_handler(path: str) -> str:
    """Return the handler of a path for metrics and the log; pages of jobs may have any path."""
    return _HANDLERS.get(path) or next(
        (handler for prefix, handler in _HANDLERS_BY_PREFIX.items() if path.startswith(prefix)), "other"
    )


def read_job(request: Request) -> str | None:
    """Return the job of a request, None without one.

    Prometheus sends `metrics_path: "/metrics?job=x"` as `/metrics%3Fjob=x`. As in the old aggregator, the whole target
    is decoded before it is split, and the value once more; the last job wins.
    """
    raw_path = request.scope.get("raw_path", request.scope["path"].encode()).decode("latin-1")
    query = request.scope["query_string"].decode("latin-1")
    target = unquote(f"{raw_path}?{query}" if query else raw_path)
    jobs = parse_qs(target.partition("?")[2].replace("?", "&")).get("job", [])
    return jobs[-1] if jobs else None
