"""GET /api/v1/watch: a snapshot and then changes, as server-sent events."""

import asyncio
import contextlib
import math
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request
from pydantic import Field, WithJsonSchema
from pydantic.json_schema import SkipJsonSchema
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from aggregator.lookup.watch_events import ServerSentEventEncoder
from aggregator.observability.metrics import OwnMetrics
from aggregator.server.http.change_parameters import ChangeParameters
from aggregator.server.http.documents import WAIT_PATTERN, parse_duration_seconds
from aggregator.server.http.responses import API_V1_PATH, NO_STORE_HEADER, NOSNIFF_HEADER, Headers
from aggregator.server.http.routes_v1 import check_query_string, get_access
from aggregator.server.openapi import document
from aggregator.server.visibility import SnapshotProvider
from aggregator.server.watch_service import TOKEN_EXPIRED_REASON, Watch, WatchRequest, WatchService
from aggregator.util.disconnects import wait_for_disconnect

_HEADERS: Headers = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    NO_STORE_HEADER,
    NOSNIFF_HEADER,
    # Proxies such as nginx would collect the events before they pass them on.
    (b"x-accel-buffering", b"no"),
]


class WatchResponder:
    """Opens watches for HTTP requests."""

    def __init__(self, snapshots: SnapshotProvider, own_metrics: OwnMetrics, max_watches: int) -> None:
        self._own_metrics = own_metrics
        self.service = WatchService(snapshots, ServerSentEventEncoder, own_metrics, max_watches)
        own_metrics.set_gauge_function("aggregator_watches", lambda: self.service.watch_count, "http")

    async def build_response(
        self, http_request: Request, parameters: "WatchParameters", last_event_id: str
    ) -> Response:
        """Return the response, which streams; raise an error if the request is invalid or refused."""
        access = get_access(http_request)
        request = WatchRequest(
            parameters.to_watch_options(parameters.depth),
            last_event_id or parameters.known_version,
            parse_duration_seconds(parameters.min_interval, "min_interval"),
            parse_duration_seconds(parameters.timeout, "timeout") if parameters.timeout else math.inf,
            access.expires_at,
        )
        watch = await self.service.open(access.grant, request)
        if http_request.scope["is_head"]:
            return _build_head_response()
        return WatchResponse(watch, self._own_metrics)


class WatchResponse(Response):
    """A response that streams the events of a watch until the client disconnects."""

    def __init__(self, watch: Watch, own_metrics: OwnMetrics) -> None:
        super().__init__()
        self.raw_headers = list(_HEADERS)
        self._watch = watch
        self._own_metrics = own_metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events; `send` waits until the client has read what was sent before."""
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        events = asyncio.ensure_future(self._send_events(send))
        disconnect = asyncio.ensure_future(wait_for_disconnect(receive))
        try:
            await asyncio.wait((events, disconnect), return_when=asyncio.FIRST_COMPLETED)
        finally:
            disconnect.cancel()
            events.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await events

    async def _send_events(self, send: Send) -> None:
        async with contextlib.aclosing(self._watch.stream()) as events:
            async for event in events:
                if event.name == "end" and TOKEN_EXPIRED_REASON.encode() in event.body:
                    self._own_metrics.record_auth_failure("expired")
                await send({"type": "http.response.body", "body": event.body, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


def _build_head_response() -> Response:
    response = Response()
    response.raw_headers = list(_HEADERS)
    return response


_DURATION_SCHEMA = WithJsonSchema({"type": "string", "pattern": f"^({WAIT_PATTERN})?$", "examples": ["5s"]})
_Depth = Annotated[int, WithJsonSchema({"type": "integer", "enum": [1, 2, 3]})] | SkipJsonSchema[None]


class WatchParameters(ChangeParameters):
    """The query parameters of a watch."""

    depth: _Depth = Field(None, description="As in the list of the kind; requires `kind`.", examples=[2])
    min_interval: Annotated[str, _DURATION_SCHEMA] = Field(
        "",
        description="The minimum time between two events with changes, such as `5s`, at most a minute. The last events "
        "before the end by `timeout` may follow earlier.",
    )
    timeout: Annotated[str, _DURATION_SCHEMA] = Field(
        "",
        description="The time after which the stream ends, such as `30s`, at most a minute; by default never. It ends "
        "after the events of the current version at the earliest, with `0` right after them.",
    )
    known_version: str = Field(
        "",
        description="The version that the client has: the stream continues after it. `Last-Event-ID` has priority.",
        examples=[""],
    )


router = APIRouter(prefix=API_V1_PATH, dependencies=[Depends(check_query_string)])


@router.get("/watch", **document.describe_watch(WatchParameters.list_names()))
async def watch(
    request: Request,
    parameters: Annotated[WatchParameters, Query()],
    last_event_id: Annotated[
        str, Header(description="The `id` of the last event that the client received; browsers send it.", examples=[""])
    ] = "",
) -> Response:
    """Stream a snapshot and then changes, until the client disconnects. docs/watch.md describes the events."""
    watches: WatchResponder = request.app.state.services.watches
    return await watches.build_response(request, parameters, last_event_id)
