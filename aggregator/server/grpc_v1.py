"""aggregator.v1.TopologyService over gRPC: the same questions as under /api/v1, and the same answers as protobuf."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

from google.protobuf.message import DecodeError, Message

from aggregator.errors import BadRequestError
from aggregator.grants import Grant
from aggregator.lookup import wire
from aggregator.lookup.plan import Asked, Resource
from aggregator.pb.aggregator.v1 import topology_pb2 as pb
from aggregator.server.grpc_limits import Handler
from aggregator.server.lookups import Lookups, Question
from aggregator.server.shown import Snapshots
from aggregator.snapshot import Snapshot

SERVICE = pb.DESCRIPTOR.services_by_name["TopologyService"]
GET_TOPOLOGY = "GetTopology"


class Method(NamedTuple):
    """What a method answers with, and the fields of its request that hold names; an optional one may be empty."""

    resource: Resource
    names: tuple[str, ...] = ()
    is_optional: bool = False


METHODS: Mapping[str, Method] = {
    GET_TOPOLOGY: Method(Resource.TOPOLOGY),
    "ListClusters": Method(Resource.CLUSTERS),
    "GetCluster": Method(Resource.CLUSTER, ("cluster",)),
    "ListNodes": Method(Resource.NODES, ("cluster",), is_optional=True),
    "GetNode": Method(Resource.NODE, ("cluster", "node")),
    "ListPods": Method(Resource.PODS, ("cluster",), is_optional=True),
    "GetPod": Method(Resource.POD, ("cluster", "namespace", "pod")),
    "ListContainers": Method(Resource.CONTAINERS),
}

Request = TypeVar("Request", bound=Message)
Tell = Callable[[Any, Snapshots, Snapshot], None]


class Lookup:
    """Makes the methods; `tell` tells beside an answer how it is to be taken."""

    def __init__(self, snapshots: Snapshots, grant: Callable[[], Grant], tell: Tell) -> None:
        self._snapshots = snapshots
        self._lookups = Lookups(snapshots, wire.PROTOBUF)
        self._grant = grant
        self._tell = tell

    def handler(self, name: str, otherwise: Handler | None = None) -> Handler:
        """Return what answers a method; `otherwise` answers a request that says nothing."""
        prefix = name.encode() + b" "
        method = METHODS[name]
        message: type[Message] = getattr(pb, f"{name}Request")

        async def lookup(request: bytes, context: Any) -> bytes:
            if not request and otherwise is not None:
                return await otherwise(request, context)
            grant = self._grant()
            found = self._lookups.known(grant, prefix + request)
            if found is None:
                asked = question(method, read(message, request))
                found = await self._lookups.find(grant, prefix + request, asked)
            self._tell(context, self._snapshots, found.snapshot)
            return found.answer.body

        return lookup


def question(method: Method, request: Any) -> Question:
    """Return what a request of a method asks for."""
    names = tuple(getattr(request, name) for name in method.names)
    if method.is_optional:
        names = tuple(name for name in names if name)
    said = set(method.resource.parameters)
    return Question(
        method.resource,
        names,
        Asked(
            filter=request.filter if "filter" in said else "",
            labels=request.label_selector if "labels" in said else "",
            fields=tuple(request.fields.paths),
            depth=(request.depth or None) if "depth" in said else None,
            limit=(request.limit or None) if "limit" in said else None,
            continue_token=request.continue_token if "continue" in said else "",
        ),
    )


def read(message: type[Request], request: bytes) -> Request:
    """Return a request as the message that it is; raise BadRequestError where it is none."""
    try:
        return message.FromString(request)
    except DecodeError:
        raise BadRequestError("not a request of this method") from None
