"""gRPC calls to a server on this machine."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from grpc_health.v1 import health_pb2

from aggregator.pb.etim import server_pb2 as pb

HEALTH_CHECK_METHOD = "/grpc.health.v1.Health/Check"
CONNECT_TO_QUERIER_METHOD = "/server_proto.Aggregator/ConnectToQuerier"
CALL_TIMEOUT_SECONDS = 10.0

Metadata = Sequence[tuple[str, str | bytes]]


@dataclass(frozen=True)
class CallResult:
    """The result of a call; `body` is empty if it failed."""

    code: grpc.StatusCode
    details: str
    body: bytes = b""
    trailing_metadata: dict[str, str] = field(default_factory=dict)
    # Different for each call.
    request_id: str = field(default="", compare=False)

    @property
    def model(self) -> pb.InfrastructureModel:
        """The decoded body."""
        return pb.InfrastructureModel.FromString(self.body)


@contextmanager
def open_channel(port: int) -> Iterator[grpc.Channel]:
    """Yield a channel without a proxy that accepts responses of any size."""
    options = [("grpc.enable_http_proxy", 0), ("grpc.max_receive_message_length", -1)]
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
        yield channel


def get_unary_callable(
    channel: grpc.Channel, method: str = CONNECT_TO_QUERIER_METHOD
) -> "grpc.UnaryUnaryMultiCallable[bytes, bytes]":
    """Return the callable of a unary method with bytes as request and response."""
    return channel.unary_unary(method)


def stream_responses(channel: grpc.Channel, method: str, request: bytes = b"") -> "grpc._CallIterator[bytes]":
    """Return the responses to one request."""
    stream_callable: grpc.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(method)
    return stream_callable(request, timeout=CALL_TIMEOUT_SECONDS)


def call_on_channel(
    channel: grpc.Channel, method: str = CONNECT_TO_QUERIER_METHOD, metadata: Metadata = (), request: bytes = b""
) -> CallResult:
    """Return the result of a unary call with bytes as request and response."""
    try:
        body, finished_call = get_unary_callable(channel, method).with_call(
            request, timeout=CALL_TIMEOUT_SECONDS, metadata=tuple(metadata)
        )
    except grpc.RpcError as error:
        return _build_error_result(error)
    return _build_call_result(grpc.StatusCode.OK, "", body, finished_call)


def call_method(
    port: int, method: str = CONNECT_TO_QUERIER_METHOD, metadata: Metadata = (), request: bytes = b""
) -> CallResult:
    """Return the result of a unary call on a new channel."""
    with open_channel(port) as channel:
        return call_on_channel(channel, method, metadata, request)


def get_health_status(channel: grpc.Channel) -> int:
    """Return the health status on an open channel, -1 if the health check fails."""
    result = call_on_channel(channel, HEALTH_CHECK_METHOD)
    return health_pb2.HealthCheckResponse.FromString(result.body).status if result.code is grpc.StatusCode.OK else -1


def _build_error_result(error: Any) -> CallResult:
    # The error is the call itself, which its type does not say.
    return _build_call_result(error.code(), error.details() or "", b"", error)


def _build_call_result(code: grpc.StatusCode, details: str, body: bytes, finished_call: grpc.Call) -> CallResult:
    trailing = {key: str(value) for key, value in finished_call.trailing_metadata() or ()}
    request_id = trailing.pop("x-request-id", "")
    return CallResult(code, details, body, trailing, request_id)
