"""The limits of gRPC connections and responses, with short timeouts."""

import asyncio
import contextlib
import itertools
import re
import socket
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest

from aggregator.refresh.snapshot import Snapshot
from aggregator.server.grpc.limits import MAX_STREAMING_CALLS, ByteSemaphore, GrpcServerOptions, build_channel_arguments
from aggregator.views import v1_protobuf
from aggregator.views.renderers import RENDERERS, ViewRenderer
from tests.integration.gateway_process import wait_until
from tests.server.running_servers import ServerOptions, ServerPorts, run_servers
from tests.server.snapshot_provider import FakeSnapshotProvider, build_snapshot
from tests.support import http2
from tests.support.grpc_client import call_method, call_on_channel, open_channel, stream_responses
from tests.support.http2 import ACK, DATA, GOAWAY, HEADERS, PING, encode_frame, open_http2_connection

WAIT_TIMEOUT_SECONDS = 10.0
LARGE_BYTES = 1_000_000
# Much less than the time after which an unresponsive connection is closed.
HOLD_SECONDS = 5.0
MIB = 2**20
STREAM_TOPOLOGY_METHOD = "/aggregator.v1.TopologyService/StreamTopology"
HEALTH_WATCH_METHOD = "/grpc.health.v1.Health/Watch"
# A chunk after its length, as the view renders it.
_LARGE_CHUNK = LARGE_BYTES.to_bytes(4, "big") + b"x" * LARGE_BYTES


class LargeView:
    """A view of one megabyte."""

    def __call__(self, *_of: object) -> bytes:
        """Render it."""
        return b"x" * LARGE_BYTES


@contextlib.contextmanager
def run_large_servers(options: GrpcServerOptions) -> Iterator[ServerPorts]:
    """Run servers whose ETIM response has one megabyte."""
    views: dict[str, ViewRenderer] = {**RENDERERS, "etim": LargeView()}
    source = FakeSnapshotProvider(current_snapshot=build_snapshot(views=views))
    with run_servers(source, None, options=ServerOptions(grpc=options)) as ports:
        yield ports


@pytest.fixture(scope="module")
def usual() -> Iterator[ServerPorts]:
    """Servers with the default limits."""
    with run_large_servers(GrpcServerOptions()) as ports:
        yield ports


@pytest.mark.parametrize(
    "sent", [b"", http2.PREFACE[:10], http2.PREFACE], ids=["nothing", "half a preface", "no settings"]
)
def test_handshakes_time_out(sent: bytes) -> None:
    """A connection without a complete HTTP/2 preface is closed in time, and other clients are served meanwhile."""
    with (
        run_large_servers(GrpcServerOptions(handshake_timeout_seconds=0.5)) as ports,
        socket.create_connection(("127.0.0.1", ports.grpc), timeout=WAIT_TIMEOUT_SECONDS) as silent,
    ):
        silent.sendall(sent)
        assert call_method(ports.grpc).code is grpc.StatusCode.OK
        with contextlib.suppress(ConnectionError):
            while silent.recv(65536):
                pass


def test_too_many_pings_end_the_connection(usual: ServerPorts) -> None:
    """A client that pings too often is disconnected with "too_many_pings"."""
    with open_http2_connection(usual.grpc) as connection:
        with contextlib.suppress(ConnectionError):
            for _ in range(50):
                connection.send(encode_frame(PING, payload=b"12345678"))
        farewells = [payload for kind, payload in connection.iter_frames() if kind == GOAWAY]
    assert farewells
    assert farewells[-1].endswith(b"too_many_pings")


def test_allowed_pings_may_be_early() -> None:
    """A ping may arrive in half of the interval that docs/network.md allows, because arrival times vary."""
    page = (Path(__file__).parents[3] / "docs" / "network.md").read_text(encoding="utf-8")
    (allowed_seconds,) = re.findall(r"clients may ping every (\d+) s", page)
    arguments = dict(build_channel_arguments(GrpcServerOptions()))
    assert arguments["grpc.http2.min_ping_interval_without_data_ms"] == float(allowed_seconds) * 1000 / 2


def test_an_idle_connection_is_closed() -> None:
    """A connection without calls is closed with GOAWAY, and a client that reconnects is served."""
    with (
        run_large_servers(GrpcServerOptions(max_connection_idle_seconds=0.3)) as ports,
        open_channel(ports.grpc) as opened,
    ):
        assert call_on_channel(opened).code is grpc.StatusCode.OK
        with open_http2_connection(ports.grpc) as connection:
            assert GOAWAY in [kind for kind, _payload in connection.iter_frames()]
        assert call_on_channel(opened).code is grpc.StatusCode.OK


def test_an_unresponsive_connection_is_closed() -> None:
    """A connection that does not answer a keepalive ping is closed."""
    with (
        run_large_servers(GrpcServerOptions(keepalive_time_seconds=0.3, keepalive_timeout_seconds=0.3)) as ports,
        open_http2_connection(ports.grpc) as connection,
    ):
        connection.send(http2.encode_call(1))
        kinds = [kind for kind, _payload in connection.iter_frames()]
    assert PING in kinds


def test_a_client_that_does_not_read_is_closed() -> None:
    """A client that answers pings but reads no responses is disconnected at the maximum connection age."""
    with (
        run_large_servers(
            GrpcServerOptions(max_connection_age_seconds=0.5, max_connection_age_grace_seconds=0.5)
        ) as ports,
        open_http2_connection(ports.grpc, window=0) as connection,
    ):
        connection.send(http2.encode_call(1))
        for kind, payload in connection.iter_frames():
            assert kind != DATA or not payload
            if kind == PING:
                with contextlib.suppress(ConnectionError):
                    connection.send(encode_frame(PING, ACK, payload=payload))
        assert call_method(ports.grpc).code is grpc.StatusCode.OK


def test_unread_responses_are_limited() -> None:
    """Unread responses use no more memory than the budget; when their clients disconnect, calls are accepted again."""
    with run_large_servers(GrpcServerOptions(max_unread_bytes=20 * LARGE_BYTES)) as ports:
        assert call_method(ports.grpc).code is grpc.StatusCode.OK
        before = psutil.Process().memory_info().rss
        with open_http2_connection(ports.grpc, window=0) as connection:
            for number in range(500):
                connection.send(http2.encode_call(1 + 2 * number))
            wait_until(
                lambda: call_method(ports.grpc).code is grpc.StatusCode.RESOURCE_EXHAUSTED, "the budget is used up"
            )
            assert psutil.Process().memory_info().rss - before < 100 * MIB
        wait_until(lambda: call_method(ports.grpc).code is grpc.StatusCode.OK, "calls are accepted again")


@contextlib.contextmanager
def run_streaming_servers(source: FakeSnapshotProvider, options: GrpcServerOptions) -> Iterator[ServerPorts]:
    """Run servers whose topology stream has two chunks of one megabyte."""
    source.current_snapshot = _build_large_snapshot()
    with run_servers(source, None, options=ServerOptions(grpc=options)) as ports:
        yield ports


def _build_large_snapshot() -> Snapshot:
    return build_snapshot(views={**RENDERERS, v1_protobuf.V1_CHUNKS: lambda *_of: _LARGE_CHUNK * 2})


def _is_refused(port: int) -> bool:
    with open_channel(port) as opened:
        try:
            return not list(stream_responses(opened, STREAM_TOPOLOGY_METHOD))
        except grpc.RpcError as error:
            # The error is the call itself, which its type does not say.
            ended: Any = error
            return bool(ended.code() is grpc.StatusCode.RESOURCE_EXHAUSTED)


def test_unread_streams_keep_no_snapshot() -> None:
    """A client that does not read its stream does not keep a replaced snapshot in memory."""
    source = FakeSnapshotProvider()
    with (
        run_streaming_servers(source, GrpcServerOptions()) as ports,
        open_http2_connection(ports.grpc, window=0) as connection,
    ):
        ended = weakref.ref(source.current_snapshot)
        connection.send(http2.encode_call(1, STREAM_TOPOLOGY_METHOD.encode()))
        assert any(kind == HEADERS for kind, _payload in connection.iter_frames())
        source.current_snapshot = _build_large_snapshot()
        wait_until(lambda: ended() is None, "the replaced snapshot is freed", HOLD_SECONDS)


def test_a_disconnect_during_a_stream_is_not_logged(capsys: pytest.CaptureFixture[str]) -> None:
    """A client that disconnects during a chunk leaves no line in the log."""
    with run_streaming_servers(FakeSnapshotProvider(), GrpcServerOptions()) as ports:
        for _ in range(5):
            with open_http2_connection(ports.grpc, window=0) as connection:
                connection.send(http2.encode_call(1, STREAM_TOPOLOGY_METHOD.encode()))
                assert any(kind == HEADERS for kind, _payload in connection.iter_frames())
    assert "broke" not in "".join(capsys.readouterr())


def test_unread_streams_are_limited() -> None:
    """Streams of one topology share its bytes; unread streams of replaced topologies are limited by the budget."""
    source = FakeSnapshotProvider()
    with run_streaming_servers(source, GrpcServerOptions(max_unread_bytes=3 * len(_LARGE_CHUNK))) as ports:
        with open_http2_connection(ports.grpc, window=0) as connection:
            for number in range(10):
                connection.send(http2.encode_call(1 + 2 * number, STREAM_TOPOLOGY_METHOD.encode()))
            begun = (kind for kind, _payload in connection.iter_frames() if kind == HEADERS)
            assert len(list(itertools.islice(begun, 10))) == 10
            assert not _is_refused(ports.grpc)
            source.current_snapshot = _build_large_snapshot()
            assert _is_refused(ports.grpc)
        wait_until(lambda: not _is_refused(ports.grpc), "calls are accepted again")


async def test_bytes_are_acquired_in_turn() -> None:
    """A caller that needs more bytes than are left waits, and is not overtaken by one that needs fewer."""
    semaphore, holders = ByteSemaphore(10), list[str]()
    released = {name: asyncio.Event() for name in ("first", "large", "small")}

    async def hold(name: str, size_bytes: int) -> None:
        await semaphore.acquire(size_bytes)
        holders.append(name)
        await released[name].wait()
        holders.remove(name)
        semaphore.release(size_bytes)

    async def let_others_run() -> None:
        for _ in range(10):
            await asyncio.sleep(0)

    tasks = [asyncio.create_task(hold(*each)) for each in (("first", 6), ("large", 99), ("small", 1))]
    await let_others_run()
    assert holders == ["first"]
    released["first"].set()
    await let_others_run()
    assert holders == ["large"]
    released["large"].set()
    await let_others_run()
    assert holders == ["small"]
    released["small"].set()
    await asyncio.gather(*tasks)


async def test_a_cancelled_wait_for_bytes_acquires_nothing() -> None:
    """A call that is cancelled while it waits for bytes leaves the others their turn."""
    semaphore = ByteSemaphore(10)
    await semaphore.acquire(10)
    waiting = asyncio.create_task(semaphore.acquire(5))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    semaphore.release(10)
    async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
        await semaphore.acquire(10)
    assert waiting.cancelled()


def test_health_watches_do_not_use_up_streams(usual: ServerPorts) -> None:
    """Any number of health watches, which need no token, leaves topology streams available."""
    with open_channel(usual.grpc) as opened, open_channel(usual.grpc) as other:
        watch: grpc.UnaryStreamMultiCallable[bytes, bytes] = opened.unary_stream(HEALTH_WATCH_METHOD)
        watching = [watch(b"") for _ in range(MAX_STREAMING_CALLS)]
        assert all(next(one) for one in watching)
        assert list(stream_responses(other, STREAM_TOPOLOGY_METHOD))
        for one in watching:
            one.cancel()


def test_slow_readers_do_not_delay_others(usual: ServerPorts) -> None:
    """While fifty clients read nothing, another one is answered."""
    with contextlib.ExitStack() as stack:
        for _ in range(50):
            stack.enter_context(open_http2_connection(usual.grpc, window=0)).send(http2.encode_call(1))
        began = time.monotonic()
        for _ in range(20):
            assert len(call_method(usual.grpc).body) == LARGE_BYTES
        assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        http2.PREFACE + encode_frame(http2.HEADERS, 4, 1, b"\xff" * 100),
        http2.PREFACE + encode_frame(http2.SETTINGS) + b"\xff" * 1000,
        http2.PREFACE + encode_frame(http2.SETTINGS, payload=b"12345"),
    ],
    ids=["HTTP/1.1", "no header block", "no frame", "odd settings"],
)
def test_malformed_http2_is_closed(usual: ServerPorts, sent: bytes) -> None:
    """Malformed frames end their own connection only."""
    with open_channel(usual.grpc) as opened:
        assert call_on_channel(opened).code is grpc.StatusCode.OK
        with socket.create_connection(("127.0.0.1", usual.grpc), timeout=WAIT_TIMEOUT_SECONDS + 5) as connection:
            connection.sendall(sent)
            with contextlib.suppress(ConnectionError):
                while connection.recv(65536):
                    pass
        assert call_on_channel(opened).code is grpc.StatusCode.OK


def test_calls_cancelled_at_once(usual: ServerPorts) -> None:
    """Ten thousand calls that are cancelled at once do not affect the server and its memory use."""
    before = psutil.Process().memory_info().rss
    with open_http2_connection(usual.grpc) as connection, contextlib.suppress(ConnectionError):
        for number in range(10_000):
            stream = 1 + 2 * number
            connection.send(http2.encode_call(stream), encode_frame(http2.RST_STREAM, 0, stream, (8).to_bytes(4)))
    assert call_method(usual.grpc).code is grpc.StatusCode.OK
    assert psutil.Process().memory_info().rss - before < 200 * MIB
