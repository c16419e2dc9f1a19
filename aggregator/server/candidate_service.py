"""The search for candidates for HTTP and gRPC: in the topology that the caller may see, on a thread."""

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import msgspec

from aggregator.lookup.candidates.node_facts import CandidateIndex
from aggregator.lookup.candidates.search import CandidateResult, find_candidates
from aggregator.models.grant import Grant
from aggregator.pb.aggregator.v1 import topology_pb2 as pb
from aggregator.refresh.snapshot import RenderedTopology, Snapshot
from aggregator.server.visibility import SnapshotProvider, get_visible_snapshot
from aggregator.views.v1_format import JSON_CONVERTERS, create_message_encoder
from aggregator.views.v1_protobuf import MESSAGE_CONVERTERS, serialize_message

CandidateEncoder = Callable[[CandidateResult], bytes]

_build_object = create_message_encoder(pb.FindCandidatesResponse, JSON_CONVERTERS)
_build_message = create_message_encoder(pb.FindCandidatesResponse, MESSAGE_CONVERTERS)


def encode_candidates_json(result: CandidateResult) -> bytes:
    """Return the JSON of a result."""
    return msgspec.json.encode(_build_object(result))


def encode_candidates_protobuf(result: CandidateResult) -> bytes:
    """Return the serialized FindCandidatesResponse of a result."""
    message: Any = _build_message(result)
    return serialize_message(message)


class CandidateResponse(NamedTuple):
    """The encoded result of a search, and the snapshot that it was made from."""

    snapshot: Snapshot
    body: bytes


class CandidateService:
    """Searches for candidates with one encoder. The indexes are freed with the documents of their topology."""

    def __init__(self, snapshots: SnapshotProvider, encode: CandidateEncoder) -> None:
        self._snapshots = snapshots
        self._encode = encode
        self._indexes: WeakKeyDictionary[RenderedTopology, CandidateIndex] = WeakKeyDictionary()

    async def find(
        self, grant: Grant, request: pb.FindCandidatesRequest, past: Snapshot | None = None
    ) -> CandidateResponse:
        """Return the candidates that a caller may see, in a past snapshot or else the current one.

        Raises a RequestError if the request is invalid.
        """
        visible = await get_visible_snapshot(self._snapshots, grant, past)
        index = self._indexes.setdefault(visible.rendered_topology, CandidateIndex(visible.topology))
        return CandidateResponse(visible, await asyncio.to_thread(self._find, index, request))

    def _find(self, index: CandidateIndex, request: pb.FindCandidatesRequest) -> bytes:
        return self._encode(find_candidates(index, request))
