"""POST /api/v1/candidates: the nodes on which a workload fits."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from aggregator.lookup.candidates.request import validate_request
from aggregator.pb.aggregator.v1 import topology_pb2 as pb
from aggregator.server.candidate_service import CandidateService, encode_candidates_json
from aggregator.server.http.documents import DocumentResponder, find_past_while_connected, parse_preferences
from aggregator.server.http.json_body import parse_json_message, read_body
from aggregator.server.http.responses import API_V1_PATH, HttpResponse
from aggregator.server.http.routes_v1 import (
    TIME_FIELD,
    QueryParameters,
    Time,
    check_query_string,
    get_access,
)
from aggregator.server.openapi import document
from aggregator.server.openapi.candidates import CANDIDATES_PATH
from aggregator.server.visibility import SnapshotProvider


class CandidateResponder:
    """Builds the responses to requests for candidates."""

    def __init__(self, snapshots: SnapshotProvider, document_responder: DocumentResponder) -> None:
        self._snapshots = snapshots
        self._document_responder = document_responder
        self._candidate_service = CandidateService(snapshots, encode_candidates_json)

    async def build_response(self, request: Request, time: str) -> HttpResponse:
        """Return the candidates for the workload in the body; raise a RequestError if the request is invalid."""
        message = parse_json_message(await read_body(request), pb.FindCandidatesRequest)
        if time:
            # Before the queries of the instant are sent.
            validate_request(message)
        grant = get_access(request).grant
        past = await find_past_while_connected(self._snapshots, grant, time, request.receive)
        if past is None and parse_preferences(request.method, request.scope["headers"]).wants_refresh:
            await self._snapshots.wait_for_refresh()
        found = await self._candidate_service.find(grant, message, None if past is None else past.snapshot)
        return self._document_responder.build_uncached_response(found.snapshot, found.body)


class CandidateParameters(QueryParameters):
    """The query parameters of a search for candidates."""

    time: Time = TIME_FIELD


router = APIRouter(prefix=API_V1_PATH, dependencies=[Depends(check_query_string)])


@router.post(CANDIDATES_PATH, **document.describe_candidates())
async def find_candidates(request: Request, parameters: Annotated[CandidateParameters, Query()]) -> Response:
    """Return the nodes that have what a workload needs, best first, and why the others do not.

    Taints, labels and requests count as the Kubernetes scheduler counts them. Where the requests of pods are unknown,
    measured usage decides. What the telemetry does not tell never fits. docs/candidates.md explains all fields. It is
    the proto3 JSON mapping of aggregator.v1.TopologyService/FindCandidates.
    """
    candidates: CandidateResponder = request.app.state.services.candidates
    return await candidates.build_response(request, parameters.time)
