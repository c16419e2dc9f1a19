"""The FastAPI application behind the front: health, readiness, the documentation of everything."""

from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException

from aggregator import __version__
from aggregator.server.http_front import METRICS_PATH, NOTHING_HERE
from aggregator.server.metrics_api import exposition
from aggregator.server.openapi import describe_topology
from aggregator.server.openapi_quality import describe_quality
from aggregator.server.openapi_refusals import NO_TOPOLOGY, WITHOUT_TOPOLOGY, shown
from aggregator.server.readiness import Readiness
from aggregator.telemetry import Telemetry

# What the Go service says, to the byte; probes compare it.
HEALTHY = '"Aggregator working properly!"\n'

_READY_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/json": {"example": {"status": "ready"}}}},
    503: {
        "description": "No topology that may be shown, no keys to check tokens with, or shutting down",
        "content": {"application/json": {"examples": shown(WITHOUT_TOPOLOGY, {"error": NO_TOPOLOGY})}},
    },
}

_METRICS_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "All metrics",
        "content": {
            "text/plain": {"schema": {"type": "string"}, "example": 'aggregator_topology_objects{kind="node"} 200.0\n'}
        },
    },
}


def create(readiness: Readiness, telemetry: Telemetry | None = None) -> FastAPI:
    """Return the application."""
    app = FastAPIOffline(
        title="Aggregator",
        version=__version__,
        summary="The live topology of a multi-cluster system, from the metrics in Prometheus or Thanos.",
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        docs_url="/docs",
        redoc_url=None,
        static_url="/docs/static",
        swagger_ui_oauth2_redirect_url="/docs/oauth2-redirect",
        exception_handlers={HTTPException: _http_error},
        # It would lead to whatever host the request names.
        redirect_slashes=False,
    )
    _add_probes(app, readiness)
    _add_metrics(app, telemetry or Telemetry())
    _describe(app)
    return app


def _add_probes(app: FastAPI, readiness: Readiness) -> None:
    @app.get("/healthz", tags=["probes"], summary="Whether the process lives", response_class=PlainTextResponse)
    async def healthz() -> Response:
        """Answers as long as the process can answer at all."""
        return PlainTextResponse(HEALTHY)

    @app.get("/readyz", tags=["probes"], summary="Whether requests can be answered", responses=_READY_RESPONSES)
    async def readyz() -> Response:
        """Is 200 with a snapshot younger than MAX_STALE and keys to check tokens with, else 503 and the reason.

        Where tokens are asked for the reason is short, such as "no topology yet"; the log has the details.
        """
        reason = readiness.why_not()
        return JSONResponse({"status": "ready"}) if reason is None else JSONResponse({"error": reason}, 503)


def _add_metrics(app: FastAPI, telemetry: Telemetry) -> None:
    @app.get(
        METRICS_PATH,
        tags=["metrics"],
        summary="What the process counts of itself",
        response_class=PlainTextResponse,
        responses=_METRICS_RESPONSES,
    )
    async def metrics(request: Request) -> Response:
        """Is for Prometheus: its text format, or OpenMetrics for who accepts it. docs/own-metrics.md lists them.

        With CLUSTER_ROLES it wants a token that shows all clusters: 401 without one, 403 for another.
        """
        body, content_type = await exposition(telemetry, ",".join(request.headers.getlist("accept")))
        return Response(body, headers={"content-type": content_type, "cache-control": "no-store"})


def _describe(app: FastAPI) -> None:
    """Let the OpenAPI document tell of topology and quality, too, which the front answers before FastAPI is asked."""
    of_routes = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = describe_topology(describe_quality(of_routes()))
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign] # the way that FastAPI documents


async def _http_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - what it is registered for
    text = NOTHING_HERE if error.status_code == 404 else error.detail
    headers = dict(error.headers or {})
    if "Allow" in headers:
        # The front lets HEAD pass for whatever can be got.
        headers["Allow"] = headers["Allow"].replace("GET", "GET, HEAD")
    return JSONResponse({"error": text}, error.status_code, headers=headers)
