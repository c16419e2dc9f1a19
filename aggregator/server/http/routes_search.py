"""GET /api/v1/search: objects by any text. GET /api/v1/fields/{kind}: the fields that filters can name."""

from functools import cache
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Query, Request
from pydantic import Field, WithJsonSchema
from pydantic.json_schema import SkipJsonSchema
from starlette.responses import Response

from aggregator.lookup.fields import ObjectKind
from aggregator.lookup.search import DEFAULT_SEARCH_LIMIT, MAX_QUERY_CHARACTERS, MAX_SEARCH_LIMIT, SearchRequest
from aggregator.server.http.documents import StaticBody
from aggregator.server.http.responses import API_V1_PATH
from aggregator.server.http.routes_v1 import (
    TIME_FIELD,
    LookupResponder,
    QueryParameters,
    Time,
    Wait,
    build_static_response,
    check_query_string,
    refuse_parameters,
)
from aggregator.server.openapi import document, search

_Query = Annotated[
    str,
    WithJsonSchema({"type": "string", "maxLength": MAX_QUERY_CHARACTERS, "examples": list(search.QUERY_EXAMPLES)}),
]
_Limit = (
    Annotated[int, WithJsonSchema({"type": "integer", "minimum": 1, "maximum": MAX_SEARCH_LIMIT})]
    | SkipJsonSchema[None]
)


class SearchParameters(QueryParameters):
    """The query parameters of a search."""

    query: _Query = Field("", description=search.QUERY_DESCRIPTION)
    limit: _Limit = Field(None, description=search.LIMIT_DESCRIPTION, examples=[DEFAULT_SEARCH_LIMIT])
    wait: Wait = Field("", description=document.WAIT_DESCRIPTION)
    time: Time = TIME_FIELD

    def to_search_request(self) -> SearchRequest:
        """Return the request."""
        return SearchRequest(self.query, DEFAULT_SEARCH_LIMIT if self.limit is None else self.limit)


router = APIRouter(prefix=API_V1_PATH, dependencies=[Depends(check_query_string)])


@router.get(search.SEARCH_PATH, **document.describe_search(SearchParameters.list_names()))
async def search_objects(request: Request, parameters: Annotated[SearchParameters, Query()]) -> Response:
    """Return the clusters, nodes and pods with a text in their name or in another field, best matches first.

    Objects with exactly this name come first, then names that begin with the text, names that contain it, and objects
    with the text in another field; among equals those that have failed, then those with a warning.
    """
    lookups: LookupResponder = request.app.state.services.lookups
    return await lookups.build_response(request, parameters.to_search_request(), parameters.wait, parameters.time)


def _add_fields_route(kind: ObjectKind) -> None:
    @router.get(
        search.FIELDS_PATHS[kind],
        dependencies=[Depends(refuse_parameters)],
        **document.describe_fields_of_filters(kind),
    )
    async def get_fields(request: Request) -> Response:
        return build_static_response(request, _encode_fields(kind))


for _kind in ObjectKind:
    _add_fields_route(_kind)


@cache
def _encode_fields(kind: ObjectKind) -> StaticBody:
    return StaticBody(msgspec.json.encode(search.describe_filter_fields(kind)), f"fields-{kind.value}")
