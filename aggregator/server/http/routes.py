"""The FastAPI application: probes, metrics, documentation and /api/v1, with their OpenAPI document."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.docs import get_swagger_ui_oauth2_redirect_html
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse
from fastapi_offline import FastAPIOffline
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Route, Router

from aggregator import __version__
from aggregator.errors import (
    AggregatorError,
    BadRequestError,
    MethodNotAllowedError,
    NotFoundError,
    PermissionDeniedError,
)
from aggregator.lookup.fields import suggest_names
from aggregator.observability.metrics import OwnMetrics
from aggregator.server.http import (
    routes_candidates,
    routes_diff,
    routes_graph,
    routes_search,
    routes_summary,
    routes_v1,
    routes_watch,
)
from aggregator.server.http.documents import DocumentResponder
from aggregator.server.http.responses import API_V1_PATH, METRICS_PATH, NO_STORE_HEADER, NOSNIFF_HEADER, ErrorResponder
from aggregator.server.openapi import document
from aggregator.server.openapi.docs_page import DOCS_PATH, OAUTH2_REDIRECT_PATH, STATIC_PATH, render_docs_page
from aggregator.server.status import Readiness

# The body of the Go service, to the byte: probes compare it.
HEALTHZ_BODY = '"Aggregator working properly!"\n'

_API_ROUTERS = (
    routes_v1.router,
    routes_candidates.router,
    routes_graph.router,
    routes_summary.router,
    routes_search.router,
    routes_watch.router,
    routes_diff.router,
)

_OPENMETRICS_MEDIA_TYPE = "application/openmetrics-text"


@dataclass(frozen=True)
class ApiServices:
    """What the routes need at run time. The OpenAPI document is generated without it."""

    readiness: Readiness
    own_metrics: OwnMetrics
    errors: ErrorResponder
    documents: DocumentResponder
    lookups: routes_v1.LookupResponder
    candidates: routes_candidates.CandidateResponder
    quality: routes_v1.QualityResponder
    watches: routes_watch.WatchResponder
    diffs: routes_diff.DiffResponder


def create_api(services: ApiServices | None = None) -> FastAPI:
    """Return the application; without services, only its OpenAPI document can be used."""
    api = FastAPIOffline(
        title="Aggregator",
        version=__version__,
        summary="The live topology of a multi-cluster system, from the metrics in Prometheus or Thanos.",
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        # With a page of its own, below.
        docs_url=None,
        redoc_url=None,
        static_url=STATIC_PATH,
        exception_handlers={
            AggregatorError: _handle_error,
            ClientDisconnect: _handle_disconnect,
            RequestValidationError: _handle_validation_error,
            HTTPException: _handle_http_error,
            Exception: _handle_error,
        },
        # A redirect would lead to whatever host the request names.
        redirect_slashes=False,
    )
    if services is not None:
        api.state.services = services
    _add_docs_routes(api)
    _add_probe_routes(api)
    _add_metrics_route(api)
    for router in _API_ROUTERS:
        api.include_router(router)
    _extend_openapi(api)
    return api


def list_api_routes() -> frozenset[str]:
    """Return the first segment of each path below /api/v1, such as `nodes`."""
    paths = (route.path for router in _API_ROUTERS for route in router.routes if isinstance(route, Route))
    return frozenset(path.removeprefix(f"{API_V1_PATH}/").partition("/")[0] for path in paths)


def create_metrics_app(own_metrics: OwnMetrics) -> Router:
    """Return the application of METRICS_PORT: /metrics and nothing else."""

    async def metrics(request: Request) -> Response:
        return await _build_metrics_response(own_metrics, request)

    return Router([Route(METRICS_PATH, metrics)], redirect_slashes=False)


def _add_docs_routes(api: FastAPI) -> None:
    assert api.openapi_url is not None  # noqa: S101 - FastAPI's default
    page = render_docs_page(api.title, api.openapi_url)

    @api.get(DOCS_PATH, include_in_schema=False)
    async def docs() -> Response:
        return HTMLResponse(page)

    @api.get(OAUTH2_REDIRECT_PATH, include_in_schema=False)
    async def oauth2_redirect() -> Response:
        return get_swagger_ui_oauth2_redirect_html()


def _add_probe_routes(api: FastAPI) -> None:
    @api.get("/healthz", tags=["probes"], summary="Whether the process is alive", response_class=PlainTextResponse)
    async def healthz() -> Response:
        """Return 200 as long as the process can respond."""
        return PlainTextResponse(HEALTHZ_BODY)

    @api.get(
        "/readyz",
        tags=["probes"],
        summary="Whether requests can be served",
        response_class=Response,
        responses=document.READYZ_RESPONSES,
    )
    async def readyz(request: Request) -> Response:
        """Return 200 with a snapshot younger than MAX_STALE and keys to verify tokens, else 503 with the reason.

        Where tokens are required, the reason is short, such as "no topology yet"; the log has the details.
        """
        reason = request.app.state.services.readiness.get_unready_reason()
        return JSONResponse({"status": "ready"}) if reason is None else JSONResponse({"error": reason}, 503)


def _add_metrics_route(api: FastAPI) -> None:
    @api.get(METRICS_PATH, summary="The metrics of the process", **document.describe_metrics())
    async def metrics(request: Request) -> Response:
        """Return the metrics that docs/own-metrics.md lists, in the text format of Prometheus or as OpenMetrics.

        With CLUSTER_ROLES, a token that grants all clusters is required: 401 without a token, 403 with another one.
        """
        if not routes_v1.get_access(request).grant.is_unrestricted:
            raise PermissionDeniedError("metrics of all clusters")
        return await _build_metrics_response(request.app.state.services.own_metrics, request)


async def _build_metrics_response(own_metrics: OwnMetrics, request: Request) -> Response:
    # The library's own negotiation repeats the scraper's words in Content-Type and fails on malformed versions.
    media_ranges = ",".join(request.headers.getlist("accept")).split(",")
    is_openmetrics = any(each.partition(";")[0].strip().lower() == _OPENMETRICS_MEDIA_TYPE for each in media_ranges)
    generate: Callable[..., bytes] = openmetrics.generate_latest if is_openmetrics else generate_latest
    content_type = openmetrics.CONTENT_TYPE_LATEST if is_openmetrics else CONTENT_TYPE_PLAIN_0_0_4
    # A thousand series take some milliseconds, in which the event loop must serve other requests.
    body = await asyncio.to_thread(generate, own_metrics.registry)
    response = Response(body, headers={"content-type": content_type})
    response.raw_headers += [NO_STORE_HEADER, NOSNIFF_HEADER]
    return response


def _extend_openapi(api: FastAPI) -> None:
    """Add what FastAPI does not know: the schemas of the views, and the topology on every other path."""
    generate_openapi = api.openapi

    def openapi() -> dict[str, Any]:
        if api.openapi_schema is None:
            api.openapi_schema = document.complete_document(generate_openapi())
        return api.openapi_schema

    api.openapi = openapi  # type: ignore[method-assign] # the way that FastAPI documents


# --- exception handlers


async def _handle_error(request: Request, error: Exception) -> Response:
    errors: ErrorResponder = request.app.state.services.errors
    return errors.build_response(error, request.scope["path"])


async def _handle_disconnect(_request: Request, _error: Exception) -> None:
    """Send nothing, because nobody reads it."""


async def _handle_validation_error(request: Request, error: Exception) -> Response:
    """Answer a request with a parameter that is not of its type."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - what it is registered for
    first = error.errors()[0]
    name = str(first["loc"][1])
    # Pydantic's messages are such as "Input should be a valid integer, unable to parse string as an integer".
    expected = first["msg"].removeprefix("Input should ").partition(",")[0]
    return await _handle_error(
        request, BadRequestError(f"{name} must {expected}, got {str(first['input'])[:80]!r}", parameter=name)
    )


async def _handle_http_error(request: Request, error: Exception) -> Response:
    """Answer a request that no route matches."""
    assert isinstance(error, HTTPException)  # noqa: S101 - what it is registered for
    path, method = request.scope["path"], request.scope["method"]
    if error.status_code == 405:
        allowed = (error.headers or {})["Allow"].split(", ")
        # HEAD is handled as GET.
        allowed += ["HEAD"] if "GET" in allowed else []
        return await _handle_error(
            request, MethodNotAllowedError(f"method {method[:20]} is not allowed here", allowed=allowed)
        )
    return await _handle_error(request, _build_not_found_error(request.app, path))


def _build_not_found_error(api: FastAPI, path: str) -> NotFoundError:
    if not path.startswith("/api"):
        return NotFoundError(document.PATH_NOT_FOUND_MESSAGE)
    known_paths = [known for known in api.openapi()["paths"] if known.startswith("/api/")]
    hint = "; write a slash within a name as %2F" if path.startswith(f"{API_V1_PATH}/clusters/") else ""
    return NotFoundError(
        f"no such path: {path[:120]}{hint}", allowed=known_paths, nearest=suggest_names(path, known_paths)
    )
