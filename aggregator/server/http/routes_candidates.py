"""POST /api/v1/candidates: the nodes on which a workload fits."""

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from aggregator.pb.aggregator.v1 import topology_pb2 as pb
from aggregator.server.candidate_service import CandidateService, encode_candidates_json
from aggregator.server.http.documents import DocumentResponder, parse_preferences
from aggregator.server.http.json_body import parse_json_message, read_body
from aggregator.server.http.responses import API_V1_PATH, HttpResponse
from aggregator.server.http.routes_v1 import get_access, refuse_parameters
from aggregator.server.openapi import document
from aggregator.server.openapi.candidates import CANDIDATES_PATH
from aggregator.server.visibility import SnapshotProvider


class CandidateResponder:
    """Builds the responses to requests for candidates."""

    def __init__(self, snapshots: SnapshotProvider, document_responder: DocumentResponder) -> None:
        self._snapshots = snapshots
        self._document_responder = document_responder
        self._candidate_service = CandidateService(snapshots, encode_candidates_json)

    async def build_response(self, request: Request) -> HttpResponse:
        """Return the candidates for the workload in the body; raise a RequestError if the request is invalid."""
        message = parse_json_message(await read_body(request), pb.FindCandidatesRequest)
        if parse_preferences(request.method, request.scope["headers"]).wants_refresh:
            await self._snapshots.wait_for_refresh()
        found = await self._candidate_service.find(get_access(request).grant, message)
        return self._document_responder.build_uncached_response(found.snapshot, found.body)


router = APIRouter(prefix=API_V1_PATH)


@router.post(CANDIDATES_PATH, dependencies=[Depends(refuse_parameters)], **document.describe_candidates())
async def find_candidates(request: Request) -> Response:
    """Return the nodes that have what a workload needs, best first, and why the others do not.

    Taints, labels and requests count as the Kubernetes scheduler counts them. Where the requests of pods are unknown,
    measured usage decides. What the telemetry does not tell never fits. docs/candidates.md explains all fields. It is
    the proto3 JSON mapping of aggregator.v1.TopologyService/FindCandidates.
    """
    candidates: CandidateResponder = request.app.state.services.candidates
    return await candidates.build_response(request)
