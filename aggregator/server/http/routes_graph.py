"""GET /api/v1/graph: the topology as a graph, and what Grafana's Node Graph API data source requests below it."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import Field, WithJsonSchema
from pydantic.json_schema import SkipJsonSchema
from starlette.responses import Response

from aggregator.lookup.fields import ObjectKind
from aggregator.lookup.graph import (
    DEFAULT_GRAPH_LIMIT,
    DEFAULT_LEVEL,
    LEVELS,
    MAX_GRAPH_LIMIT,
    GraphRequest,
    parse_level,
)
from aggregator.server.http.documents import StaticBody
from aggregator.server.http.responses import (
    API_V1_PATH,
    JSON_CONTENT_TYPE_HEADER,
    NO_STORE_HEADER,
    NOSNIFF_HEADER,
    HttpResponse,
    build_length_header,
)
from aggregator.server.http.routes_v1 import (
    TIME_FIELD,
    LookupResponder,
    QueryParameters,
    Time,
    Wait,
    build_static_response,
    check_query_string,
    get_access,
    refuse_parameters,
)
from aggregator.server.openapi import document, graph
from aggregator.server.openapi.examples import FILTER_EXAMPLES, LABEL_SELECTOR_EXAMPLES

_Level = Annotated[
    str, WithJsonSchema({"type": "string", "enum": [*LEVELS, ""], "examples": [DEFAULT_LEVEL.value, *LEVELS]})
]
_Limit = (
    Annotated[int, WithJsonSchema({"type": "integer", "minimum": 1, "maximum": MAX_GRAPH_LIMIT})] | SkipJsonSchema[None]
)


_FIELDS = StaticBody(graph.FIELDS_BODY, "graph-fields")


class GraphParameters(QueryParameters):
    """The query parameters of a graph. An empty value is the default, because variables of Grafana may be empty."""

    level: _Level = Field("", description=graph.LEVEL_DESCRIPTION)
    cluster: str = Field("", description=graph.CLUSTER_DESCRIPTION, examples=[graph.EXAMPLE_CLUSTER])
    filter: str = Field("", description=graph.FILTER_DESCRIPTION, examples=list(FILTER_EXAMPLES[ObjectKind.NODES])[:1])
    labels: str = Field("", description=graph.LABELS_DESCRIPTION, examples=list(LABEL_SELECTOR_EXAMPLES)[:1])
    limit: _Limit = Field(None, description=graph.LIMIT_DESCRIPTION, examples=[DEFAULT_GRAPH_LIMIT])
    wait: Wait = Field("", description=document.WAIT_DESCRIPTION)
    time: Time = TIME_FIELD

    def to_graph_request(self) -> GraphRequest:
        """Return the request; raise BadRequestError for an unknown level."""
        limit = DEFAULT_GRAPH_LIMIT if self.limit is None else self.limit
        return GraphRequest(parse_level(self.level), self.cluster, self.filter, self.labels, limit)


router = APIRouter(prefix=API_V1_PATH, dependencies=[Depends(check_query_string)])


@router.get(
    graph.GRAPH_PATH,
    **document.describe_graph(graph.GRAPH_PATH, GraphParameters.list_names(), "The topology as a graph"),
)
async def get_graph(request: Request, parameters: Annotated[GraphParameters, Query()]) -> Response:
    """Return the clusters, nodes, pods or containers, and what contains them, as vertices and edges.

    The members of the vertices are the fields of Grafana's node graph panel. docs/monitoring.md shows how to use it.
    """
    return await _respond(request, parameters)


@router.get(
    graph.DATA_PATH,
    **document.describe_graph(graph.DATA_PATH, GraphParameters.list_names(), "The graph, for Grafana's data source"),
)
async def get_graph_data(request: Request, parameters: Annotated[GraphParameters, Query()]) -> Response:
    """Return the graph for Grafana's Node Graph API data source, whose URL is that of `/api/v1/graph`."""
    return await _respond(request, parameters)


async def _respond(request: Request, parameters: GraphParameters) -> Response:
    lookups: LookupResponder = request.app.state.services.lookups
    return await lookups.build_response(request, parameters.to_graph_request(), parameters.wait, parameters.time)


@router.get(graph.FIELDS_PATH, **document.describe_graph_fields(GraphParameters.list_names()))
async def get_graph_fields(request: Request, parameters: Annotated[GraphParameters, Query()]) -> Response:
    """Return the fields of the graph for Grafana's Node Graph API data source.

    They are the same for every graph. The data source sends the query string of the graph here as well.
    """
    parameters.to_graph_request().validate()
    return build_static_response(request, _FIELDS)


@router.get(graph.HEALTH_PATH, dependencies=[Depends(refuse_parameters)], **document.describe_graph_health())
async def get_graph_health(request: Request) -> Response:
    """Return 200 if there is a graph for the caller. *Save & test* of Grafana's data source requests it."""
    lookups: LookupResponder = request.app.state.services.lookups
    await lookups.check_topology(get_access(request))
    headers = [JSON_CONTENT_TYPE_HEADER, build_length_header(graph.HEALTH_BODY), NO_STORE_HEADER, NOSNIFF_HEADER]
    return HttpResponse(200, headers, graph.HEALTH_BODY)
