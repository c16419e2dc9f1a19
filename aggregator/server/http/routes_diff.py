"""GET /api/v1/diff: what changed between two instants."""

import hashlib
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import Field, WithJsonSchema
from pydantic.json_schema import SkipJsonSchema
from starlette.responses import Response

from aggregator.lookup.diff import DEFAULT_FROM, DiffRequest, encode_diff_json
from aggregator.lookup.instants import INSTANT_PATTERN
from aggregator.lookup.request import MAX_LIMIT
from aggregator.server.diff_service import DiffService
from aggregator.server.http.change_parameters import ChangeParameters
from aggregator.server.http.documents import DocumentResponder, EntityTag, RenderedBody, encode_once, parse_preferences
from aggregator.server.http.responses import API_V1_PATH, HttpResponse
from aggregator.server.http.routes_v1 import check_query_string, get_access
from aggregator.server.openapi import diff, document
from aggregator.server.visibility import SnapshotProvider
from aggregator.util.disconnects import run_while_connected

_ENTITY_TAG_KEY = "diff"


class DiffResponder:
    """Builds the responses to requests for differences."""

    def __init__(self, snapshots: SnapshotProvider, document_responder: DocumentResponder) -> None:
        self._snapshots = snapshots
        self._document_responder = document_responder
        self._diff_service = DiffService(snapshots, encode_diff_json)

    async def build_response(self, http_request: Request, request: DiffRequest) -> HttpResponse:
        """Return the response, compressed if the client accepts it; raise a RequestError if the request is invalid."""
        preferences = parse_preferences(http_request.scope["method"], http_request.scope["headers"])
        if preferences.wants_refresh and not request.to_text:
            await self._snapshots.wait_for_refresh()
        comparison = self._diff_service.compare(get_access(http_request).grant, request)
        found = await run_while_connected(http_request.receive, comparison)
        digest = hashlib.blake2b(found.body, digest_size=16).hexdigest()
        body, coding = await encode_once(found.body, preferences.coding)
        rendered = RenderedBody(EntityTag(digest, _ENTITY_TAG_KEY), body, coding)
        return self._document_responder.build_rendered_response(found.snapshot, rendered, preferences.if_none_match)


def _create_time_schema(*examples: str) -> Any:
    return WithJsonSchema({"type": "string", "pattern": f"^({INSTANT_PATTERN})?$", "examples": list(examples)})


_Limit = Annotated[int, WithJsonSchema({"type": "integer", "minimum": 1, "maximum": MAX_LIMIT})] | SkipJsonSchema[None]


class DiffParameters(ChangeParameters):
    """The query parameters of differences."""

    from_text: Annotated[str, _create_time_schema("2026-11-20T20:00:00Z", "-2h")] = Field(
        "",
        alias="from",
        description=f"The earlier time, in the forms of `time` in the lists; by default `{DEFAULT_FROM}`.",
    )
    to_text: Annotated[str, _create_time_schema("2026-11-20T20:57:08Z", "-1h")] = Field(
        "", alias="to", description="The later time; by default the current topology."
    )
    limit: _Limit = Field(None, description="The maximum number of changes; `totalCount` counts all.", examples=[100])

    def to_diff_request(self) -> DiffRequest:
        """Return the request, as gRPC makes it too."""
        return DiffRequest(self.to_watch_options(), self.from_text, self.to_text, self.limit)


router = APIRouter(prefix=API_V1_PATH, dependencies=[Depends(check_query_string)])


@router.get(diff.DIFF_PATH, **document.describe_diff(DiffParameters.list_names()))
async def get_diff(request: Request, parameters: Annotated[DiffParameters, Query()]) -> Response:
    """Return the objects that were added, removed or changed between two times, by kind, cluster and ID.

    A changed object has its new values in `set`, the names of fields that have no value any longer in `unset`, and its
    old values in `before`. The headers are those of the later topology.
    """
    diffs: DiffResponder = request.app.state.services.diffs
    return await diffs.build_response(request, parameters.to_diff_request())
