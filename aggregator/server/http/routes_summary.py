"""GET /api/v1/summary/{kind}: a fixed set of fields of all objects of a kind, as columns."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import Field
from starlette.responses import Response

from aggregator.lookup.fields import ObjectKind
from aggregator.lookup.summary import SummaryRequest
from aggregator.server.http.responses import API_V1_PATH
from aggregator.server.http.routes_v1 import (
    TIME_FIELD,
    LookupResponder,
    QueryParameters,
    Time,
    Wait,
    check_query_string,
    describe_filter_parameter,
)
from aggregator.server.openapi import document
from aggregator.server.openapi.examples import LABEL_SELECTOR_EXAMPLES
from aggregator.server.openapi.summary import SUMMARY_PATHS


class _SummaryParameters(QueryParameters):
    """The query parameters of every summary."""

    filter: str = ""
    wait: Wait = Field("", description=document.WAIT_DESCRIPTION)
    time: Time = TIME_FIELD


class ClusterSummaryParameters(_SummaryParameters):
    """The query parameters of the summary of clusters."""

    filter: str = describe_filter_parameter(ObjectKind.CLUSTERS)


class NodeSummaryParameters(_SummaryParameters):
    """The query parameters of the summary of nodes."""

    filter: str = describe_filter_parameter(ObjectKind.NODES)
    labels: str = Field("", description=document.LABELS_DESCRIPTION, examples=list(LABEL_SELECTOR_EXAMPLES))


class PodSummaryParameters(_SummaryParameters):
    """The query parameters of the summary of pods."""

    filter: str = describe_filter_parameter(ObjectKind.PODS)


class ContainerSummaryParameters(_SummaryParameters):
    """The query parameters of the summary of containers."""

    filter: str = describe_filter_parameter(ObjectKind.CONTAINERS)


router = APIRouter(prefix=API_V1_PATH, dependencies=[Depends(check_query_string)])


@router.get(
    SUMMARY_PATHS[ObjectKind.CLUSTERS],
    **document.describe_summary(ObjectKind.CLUSTERS, ClusterSummaryParameters.list_names()),
)
async def summarize_clusters(request: Request, parameters: Annotated[ClusterSummaryParameters, Query()]) -> Response:
    """Return the clusters as columns, with sums over their nodes and pods for which a value is known."""
    return await _respond(request, SummaryRequest(ObjectKind.CLUSTERS, parameters.filter), parameters)


@router.get(
    SUMMARY_PATHS[ObjectKind.NODES],
    **document.describe_summary(ObjectKind.NODES, NodeSummaryParameters.list_names()),
)
async def summarize_nodes(request: Request, parameters: Annotated[NodeSummaryParameters, Query()]) -> Response:
    """Return the nodes of all clusters as columns."""
    summary_request = SummaryRequest(ObjectKind.NODES, parameters.filter, parameters.labels)
    return await _respond(request, summary_request, parameters)


@router.get(
    SUMMARY_PATHS[ObjectKind.PODS], **document.describe_summary(ObjectKind.PODS, PodSummaryParameters.list_names())
)
async def summarize_pods(request: Request, parameters: Annotated[PodSummaryParameters, Query()]) -> Response:
    """Return the pods of all clusters as columns, with sums over their containers."""
    return await _respond(request, SummaryRequest(ObjectKind.PODS, parameters.filter), parameters)


@router.get(
    SUMMARY_PATHS[ObjectKind.CONTAINERS],
    **document.describe_summary(ObjectKind.CONTAINERS, ContainerSummaryParameters.list_names()),
)
async def summarize_containers(
    request: Request, parameters: Annotated[ContainerSummaryParameters, Query()]
) -> Response:
    """Return the containers of all pods as columns."""
    return await _respond(request, SummaryRequest(ObjectKind.CONTAINERS, parameters.filter), parameters)


async def _respond(request: Request, summary_request: SummaryRequest, parameters: _SummaryParameters) -> Response:
    lookups: LookupResponder = request.app.state.services.lookups
    return await lookups.build_response(request, summary_request, parameters.wait, parameters.time)
