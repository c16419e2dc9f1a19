"""The whole model over gRPC for who has it already: while nothing has changed, the answer is its version alone."""

from collections.abc import Callable
from typing import Any

from aggregator.grants import Grant
from aggregator.pb.aggregator.v1 import topology_pb2 as pb
from aggregator.server.grpc_limits import Handler
from aggregator.server.grpc_patience import Behaviour
from aggregator.server.grpc_v1 import Tell, read
from aggregator.server.shown import Snapshots, part_shown


class KnownVersions:
    """Stands before the methods that answer with the whole model; `tell` tells how an answer is to be taken."""

    def __init__(self, snapshots: Snapshots, grant: Callable[[], Grant], tell: Tell) -> None:
        self._snapshots = snapshots
        self._grant = grant
        self._tell = tell

    def before(self, handler: Handler) -> Handler:
        """Return what answers GetTopology; `handler` is never told which version is known."""

        async def get(request: bytes, context: Any) -> bytes:
            # The request of most says nothing, and is answered with bytes that are ready.
            if not request:
                return await handler(request, context)
            asked = read(pb.GetTopologyRequest, request)
            unchanged = await self._unchanged(asked.known_version, context)
            if unchanged is not None:
                return unchanged
            asked.ClearField("known_version")
            return await handler(asked.SerializeToString(deterministic=True), context)

        return get

    def before_stream(self, stream: Behaviour) -> Behaviour:
        """Return the same for StreamTopology."""

        async def write(request: bytes, context: Any) -> None:
            asked = read(pb.StreamTopologyRequest, request)
            unchanged = await self._unchanged(asked.known_version, context)
            if unchanged is None:
                await stream(request, context)
            else:
                await context.write(unchanged)

        return write

    async def _unchanged(self, known: str, context: Any) -> bytes | None:
        if not known:
            return None
        snapshot = await part_shown(self._snapshots, self._grant())
        if snapshot.topology.version != known:
            return None
        self._tell(context, self._snapshots, snapshot)
        return pb.Topology(version=known).SerializeToString()
