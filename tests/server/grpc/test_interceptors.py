"""The interceptors of gRPC calls: request timeouts, expired tokens, methods that are not implemented."""

import asyncio
import contextlib
import queue
from collections.abc import Iterator, Sequence
from typing import Any

import grpc
import pytest
from grpc_reflection.v1alpha import reflection_pb2

from aggregator.models.grant import UNRESTRICTED
from aggregator.observability.instrumentation import Instrumentation
from aggregator.observability.metrics import OwnMetrics
from aggregator.server.auth.guard import Access
from aggregator.server.grpc.interceptors import CallLimitInterceptor
from aggregator.server.grpc.limits import GrpcServerOptions
from aggregator.views import v1_protobuf
from aggregator.views.renderers import RENDERERS
from tests.integration.gateway_process import wait_until
from tests.server.running_servers import ServerOptions, run_servers
from tests.server.snapshot_provider import FakeSnapshotProvider, build_snapshot
from tests.support import http2
from tests.support.exposition import scrape_own_metrics
from tests.support.grpc_client import CALL_TIMEOUT_SECONDS, call_method, open_channel, stream_responses
from tests.support.http2 import HEADERS, open_http2_connection

SHORT_TIMEOUT_SECONDS = 0.02
LONG_TIMEOUT_SECONDS = 60.0
TOKEN_SECONDS = 0.3
# Much less than the time after which an unresponsive connection is closed.
DEADLINE_SECONDS = 5.0
PATH = "/package.Service/Method"
REFLECTION_METHOD = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
STREAM_TOPOLOGY_METHOD = "/aggregator.v1.TopologyService/StreamTopology"
CHUNK_BYTES = 1_000_000
# A chunk after its length, as the view renders it.
CHUNK = CHUNK_BYTES.to_bytes(4, "big") + b"x" * CHUNK_BYTES


class AbortedError(Exception):
    """Raised by the fake context when a call is aborted."""


class FakeContext:
    """The context of a call whose request message arrives when the test sets it."""

    def __init__(self) -> None:
        self.request: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.code: grpc.StatusCode | None = None

    async def read(self) -> Any:
        """Return the request message once it has arrived."""
        return await self.request

    async def abort(self, code: grpc.StatusCode, _details: str) -> None:
        """Record the code and end the call."""
        self.code = code
        raise AbortedError


class CallDetails:
    """The details of a call."""

    method = PATH
    invocation_metadata: tuple[tuple[str, str | bytes], ...] = ()


async def handle_unary(context: FakeContext, timeout_seconds: float) -> Any:
    """Return the response to a call of a method that returns its request."""

    async def echo(request: bytes, _context: Any) -> bytes:
        return request

    async def find_handler(_details: Any) -> Any:
        behavior: Any = echo
        return grpc.unary_unary_rpc_method_handler(behavior)

    interceptor = CallLimitInterceptor(frozenset(), timeout_seconds, 1)
    handler: Any = await interceptor.intercept_service(find_handler, CallDetails())
    return await handler.stream_unary(None, context)


# --- request messages


async def test_a_call_gets_its_request() -> None:
    """A call whose request message arrives in time is answered."""
    context = FakeContext()
    context.request.set_result(b"request")
    assert await handle_unary(context, LONG_TIMEOUT_SECONDS) == b"request"


async def test_a_call_without_a_request_times_out() -> None:
    """A call whose request message does not arrive in time ends with DEADLINE_EXCEEDED."""
    context = FakeContext()
    with pytest.raises(AbortedError):
        await handle_unary(context, SHORT_TIMEOUT_SECONDS)
    assert context.code is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_a_cancelled_call_is_not_timed_out() -> None:
    """A call that is cancelled while it waits for its request message stays cancelled."""
    context = FakeContext()
    call = asyncio.ensure_future(handle_unary(context, LONG_TIMEOUT_SECONDS))
    await asyncio.wait([call], timeout=SHORT_TIMEOUT_SECONDS)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert context.code is None


@pytest.mark.parametrize("error", [ValueError("not protobuf"), None], ids=["undecodable", "missing"])
async def test_an_invalid_request_message_is_rejected(error: Exception | None) -> None:
    """A message that cannot be decoded, and the end of the stream without one, end with INVALID_ARGUMENT."""
    context = FakeContext()
    if error is None:
        context.request.set_result(grpc.aio.EOF)
    else:
        context.request.set_exception(error)
    with pytest.raises(AbortedError):
        await handle_unary(context, LONG_TIMEOUT_SECONDS)
    assert context.code is grpc.StatusCode.INVALID_ARGUMENT


# --- tokens that expire during a call


class ShortAccessGuard:
    """A guard that accepts every call, for a short time."""

    def __init__(self, valid_seconds: float) -> None:
        self.valid_seconds = valid_seconds

    async def authorize(self, _authorization: Sequence[bytes]) -> Access:
        """Return access to everything."""
        return Access(UNRESTRICTED, asyncio.get_running_loop().time() + self.valid_seconds)


def iterate_queue(requests: "queue.Queue[bytes | None]") -> Iterator[bytes]:
    """Yield requests until the queue holds None."""
    while (request := requests.get()) is not None:
        yield request


def test_a_stream_ends_with_its_token() -> None:
    """A call that would last as long as its client likes ends with UNAUTHENTICATED when the token expires."""
    own_metrics, requests = OwnMetrics(), queue.Queue[bytes | None]()
    requests.put(reflection_pb2.ServerReflectionRequest(list_services="").SerializeToString())
    options = ServerOptions(instrumentation=Instrumentation(own_metrics))
    with (
        run_servers(FakeSnapshotProvider(), ShortAccessGuard(TOKEN_SECONDS), options=options) as ports,
        open_channel(ports.grpc) as channel,
    ):
        reflect: grpc.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(REFLECTION_METHOD)
        responses = reflect(iterate_queue(requests), timeout=CALL_TIMEOUT_SECONDS)
        assert next(iter(responses))
        with pytest.raises(grpc.RpcError) as error:
            next(iter(responses))
        requests.put(None)
        call: Any = error.value
        assert (call.code(), call.details()) == (
            grpc.StatusCode.UNAUTHENTICATED,
            "the token expired during the call",
        )
        wait_until(
            lambda: (
                scrape_own_metrics(own_metrics).sum_values("grpc_server_handled_total", grpc_code="UNAUTHENTICATED")
                == 1
            ),
            "the call is counted",
        )
    assert scrape_own_metrics(own_metrics).get_value("aggregator_auth_failures_total", reason="expired") == 1


@contextlib.contextmanager
def run_streaming_servers(guard: ShortAccessGuard) -> Iterator[tuple[FakeSnapshotProvider, int]]:
    """Serve a topology of two chunks, of which clients may leave one and a half unread; yield the gRPC port, too."""
    source = FakeSnapshotProvider()
    publish_chunks(source)
    options = ServerOptions(grpc=GrpcServerOptions(max_unread_bytes=3 * len(CHUNK)))
    with run_servers(source, guard, options=options) as ports:
        yield source, ports.grpc


def publish_chunks(source: FakeSnapshotProvider) -> None:
    """Publish a new snapshot of two chunks."""
    source.current_snapshot = build_snapshot(views={**RENDERERS, v1_protobuf.V1_CHUNKS: lambda *_: CHUNK * 2})


def count_chunks(port: int) -> int:
    """Return how many chunks a stream delivers."""
    with open_channel(port) as channel, contextlib.suppress(grpc.RpcError):
        return len(list(stream_responses(channel, STREAM_TOPOLOGY_METHOD)))
    return 0


def test_an_unread_stream_ends_with_its_token() -> None:
    """A client that does not read its stream holds the unread budget no longer than its token is valid."""
    guard = ShortAccessGuard(TOKEN_SECONDS)
    with run_streaming_servers(guard) as (source, port), open_http2_connection(port, window=0) as connection:
        connection.send(http2.encode_call(1, STREAM_TOPOLOGY_METHOD.encode()))
        assert any(kind == HEADERS for kind, _payload in connection.iter_frames())
        guard.valid_seconds = CALL_TIMEOUT_SECONDS
        publish_chunks(source)
        wait_until(lambda: count_chunks(port) == 2, "the budget is free again", DEADLINE_SECONDS)


# --- methods that are not implemented


def test_an_unimplemented_method_is_reported_as_such() -> None:
    """A method of a known service without an implementation is UNIMPLEMENTED and leaves no error in the log."""
    with run_servers(FakeSnapshotProvider(), None) as ports:
        result = call_method(ports.grpc, "/grpc.health.v1.Health/List")
    assert result.code is grpc.StatusCode.UNIMPLEMENTED
