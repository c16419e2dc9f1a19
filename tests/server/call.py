"""One gRPC call to a server on this machine."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from grpc_health.v1 import health_pb2

from aggregator.pb.etim import server_pb2 as pb

CHECK = "/grpc.health.v1.Health/Check"
CONNECT_TO_QUERIER = "/server_proto.Aggregator/ConnectToQuerier"
SECONDS = 10.0

Metadata = Sequence[tuple[str, str | bytes]]


@dataclass(frozen=True)
class Reply:
    """How a call ended; `body` is empty where it did not end well."""

    code: grpc.StatusCode
    details: str
    body: bytes = b""
    trailing: dict[str, str] = field(default_factory=dict)
    # Differs from call to call, as it should.
    request_id: str = field(default="", compare=False)

    @property
    def model(self) -> pb.InfrastructureModel:
        """The decoded body."""
        return pb.InfrastructureModel.FromString(self.body)


@contextmanager
def channel(port: int) -> Iterator[grpc.Channel]:
    """Give a channel that goes straight to the port and takes answers of any size."""
    options = [("grpc.enable_http_proxy", 0), ("grpc.max_receive_message_length", -1)]
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=options) as opened:
        yield opened


def unary(opened: grpc.Channel, method: str = CONNECT_TO_QUERIER) -> "grpc.UnaryUnaryMultiCallable[bytes, bytes]":
    """Return what calls a method of one request and one answer, both bytes."""
    return opened.unary_unary(method)


def answers(opened: grpc.Channel, method: str, request: bytes = b"") -> "grpc._CallIterator[bytes]":
    """Return the stream of answers to one request."""
    ask: grpc.UnaryStreamMultiCallable[bytes, bytes] = opened.unary_stream(method)
    return ask(request, timeout=SECONDS)


def over(
    opened: grpc.Channel, method: str = CONNECT_TO_QUERIER, metadata: Metadata = (), request: bytes = b""
) -> Reply:
    """Return how one unary call ended; requests and answers are bytes."""
    try:
        body, done = unary(opened, method).with_call(request, timeout=SECONDS, metadata=tuple(metadata))
    except grpc.RpcError as error:
        return _refused(error)
    return _reply(grpc.StatusCode.OK, "", body, done)


def call(port: int, method: str = CONNECT_TO_QUERIER, metadata: Metadata = (), request: bytes = b"") -> Reply:
    """Do the same on a channel of its own."""
    with channel(port) as opened:
        return over(opened, method, metadata, request)


def health(opened: grpc.Channel) -> int:
    """Return what the health service says on an open channel, -1 where it says nothing."""
    reply = over(opened, CHECK)
    return health_pb2.HealthCheckResponse.FromString(reply.body).status if reply.code is grpc.StatusCode.OK else -1


def _refused(error: Any) -> Reply:
    # What a call raises is the call itself, which the types do not tell.
    return _reply(error.code(), error.details() or "", b"", error)


def _reply(code: grpc.StatusCode, details: str, body: bytes, ended: grpc.Call) -> Reply:
    trailing = {key: str(value) for key, value in ended.trailing_metadata() or ()}
    request_id = trailing.pop("x-request-id", "")
    return Reply(code, details, body, trailing, request_id)
