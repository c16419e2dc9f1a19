"""What one gRPC connection may take, frame by frame, with clocks that are short."""

import contextlib
import itertools
import socket
import time
import weakref
from collections.abc import Iterator
from typing import Any

import grpc
import psutil
import pytest

from aggregator.documents import View
from aggregator.server.grpc_limits import GrpcTransport
from aggregator.server.grpc_patience import MOST_LASTING_CALLS
from aggregator.snapshot import Snapshot
from aggregator.views import BY_NAME, v1_chunks
from tests.integration.process import until
from tests.server import frames
from tests.server.call import answers, call, channel, over
from tests.server.frames import ACK, DATA, GOAWAY, HEADERS, PING, connected, frame
from tests.server.serving import Manner, Ports, serving
from tests.server.source import CommandedSource, snapshot

SECONDS = 10.0
LARGE_BYTES = 1_000_000
# Much less than after what a connection that does not answer is closed.
HELD_SECONDS = 5.0
MIB = 2**20
STREAM_TOPOLOGY = "/aggregator.v1.TopologyService/StreamTopology"
WATCH = "/grpc.health.v1.Health/Watch"
# A part behind its length, as it is rendered.
_PART = LARGE_BYTES.to_bytes(4, "big") + b"x" * LARGE_BYTES


class Large:
    """A view of a megabyte."""

    def __call__(self, *_of: object) -> bytes:
        """Render it."""
        return b"x" * LARGE_BYTES


@contextlib.contextmanager
def limited(transport: GrpcTransport) -> Iterator[Ports]:
    """Serve an answer of a megabyte."""
    views: dict[str, View] = {**BY_NAME, "etim": Large()}
    source = CommandedSource(shown=snapshot(views=views))
    with serving(source, None, manner=Manner(grpc=transport)) as ports:
        yield ports


@pytest.fixture(scope="module")
def usual() -> Iterator[Ports]:
    """Servers with the limits that they have."""
    with limited(GrpcTransport()) as ports:
        yield ports


@pytest.mark.parametrize(
    "sent", [b"", frames.PREFACE[:10], frames.PREFACE], ids=["nothing", "half a word", "no settings"]
)
def test_a_greeting_has_a_clock(sent: bytes) -> None:
    """Who connects and does not greet as HTTP/2 has it is closed in time, and others are served meanwhile."""
    with (
        limited(GrpcTransport(handshake_seconds=0.5)) as ports,
        socket.create_connection(("127.0.0.1", ports.grpc), timeout=SECONDS) as silent,
    ):
        silent.sendall(sent)
        assert call(ports.grpc).code is grpc.StatusCode.OK
        with contextlib.suppress(ConnectionError):
            while silent.recv(65536):
                pass


def test_too_many_pings_end_the_connection(usual: Ports) -> None:
    """A client that asks again and again whether the server is there is told that it is too much, and closed."""
    with connected(usual.grpc) as connection:
        with contextlib.suppress(ConnectionError):
            for _ in range(50):
                connection.send(frame(PING, payload=b"12345678"))
        farewells = [payload for kind, payload in connection.frames() if kind == GOAWAY]
    assert farewells
    assert farewells[-1].endswith(b"too_many_pings")


def test_an_idle_connection_is_closed() -> None:
    """A connection without calls is told goodbye and closed; a client that comes back is served."""
    with limited(GrpcTransport(idle_seconds=0.3)) as ports, channel(ports.grpc) as opened:
        assert over(opened).code is grpc.StatusCode.OK
        with connected(ports.grpc) as connection:
            assert GOAWAY in [kind for kind, _payload in connection.frames()]
        assert over(opened).code is grpc.StatusCode.OK


def test_a_client_that_is_gone_is_let_go() -> None:
    """A client that does not answer whether it still is there, as one that reads no more, is closed."""
    with (
        limited(GrpcTransport(ask_after_seconds=0.3, answer_within_seconds=0.3)) as ports,
        connected(ports.grpc) as connection,
    ):
        connection.send(frames.call(1))
        kinds = [kind for kind, _payload in connection.frames()]
    assert PING in kinds


def test_who_does_not_take_its_answers_is_closed() -> None:
    """A client that leaves its answers untaken, and says that it is there, is closed when its connection is old."""
    with (
        limited(GrpcTransport(oldest_seconds=0.5, oldest_grace_seconds=0.5)) as ports,
        connected(ports.grpc, window=0) as connection,
    ):
        connection.send(frames.call(1))
        for kind, payload in connection.frames():
            assert kind != DATA or not payload
            if kind == PING:
                with contextlib.suppress(ConnectionError):
                    connection.send(frame(PING, ACK, payload=payload))
        assert call(ports.grpc).code is grpc.StatusCode.OK


def test_answers_that_are_not_taken_are_bounded() -> None:
    """Clients that leave answers untaken use no more memory than allowed; when they are gone, there is room again."""
    with limited(GrpcTransport(untaken_bytes=20 * LARGE_BYTES)) as ports:
        assert call(ports.grpc).code is grpc.StatusCode.OK
        before = psutil.Process().memory_info().rss
        with connected(ports.grpc, window=0) as connection:
            for number in range(500):
                connection.send(frames.call(1 + 2 * number))
            until(lambda: call(ports.grpc).code is grpc.StatusCode.RESOURCE_EXHAUSTED, "no room for one more")
            assert psutil.Process().memory_info().rss - before < 100 * MIB
        until(lambda: call(ports.grpc).code is grpc.StatusCode.OK, "room again")


@contextlib.contextmanager
def streaming(source: CommandedSource, transport: GrpcTransport) -> Iterator[Ports]:
    """Serve parts of a topology that are a megabyte together."""
    source.shown = _streamed()
    with serving(source, None, manner=Manner(grpc=transport)) as ports:
        yield ports


def _streamed() -> Snapshot:
    return snapshot(views={**BY_NAME, v1_chunks.CHUNKS: lambda *_of: _PART * 2})


def _refused(port: int) -> bool:
    with channel(port) as opened:
        try:
            return not list(answers(opened, STREAM_TOPOLOGY))
        except grpc.RpcError as error:
            # What a call raises is the call itself, which the types do not tell.
            ended: Any = error
            return bool(ended.code() is grpc.StatusCode.RESOURCE_EXHAUSTED)


def test_who_takes_no_parts_holds_no_topology() -> None:
    """While a client leaves the parts of a stream untaken, the topology may be replaced and is gone then."""
    source = CommandedSource()
    with streaming(source, GrpcTransport()) as ports, connected(ports.grpc, window=0) as connection:
        ended = weakref.ref(source.shown)
        connection.send(frames.call(1, STREAM_TOPOLOGY.encode()))
        assert any(kind == HEADERS for kind, _payload in connection.frames())
        source.shown = _streamed()
        until(lambda: ended() is None, "nobody holds what was replaced", HELD_SECONDS)


def test_who_goes_in_the_middle_of_a_part_is_no_defect(capsys: pytest.CaptureFixture[str]) -> None:
    """A client that is gone while a part is on its way leaves nothing in the log."""
    with streaming(CommandedSource(), GrpcTransport()) as ports:
        for _ in range(5):
            with connected(ports.grpc, window=0) as connection:
                connection.send(frames.call(1, STREAM_TOPOLOGY.encode()))
                assert any(kind == HEADERS for kind, _payload in connection.frames())
    assert "broke" not in "".join(capsys.readouterr())


def test_parts_that_are_not_taken_are_bounded() -> None:
    """Streams of one topology share its bytes; of those that were replaced no more wait than allowed, until taken."""
    source = CommandedSource()
    with streaming(source, GrpcTransport(untaken_bytes=3 * len(_PART))) as ports:
        with connected(ports.grpc, window=0) as connection:
            for number in range(10):
                connection.send(frames.call(1 + 2 * number, STREAM_TOPOLOGY.encode()))
            begun = (kind for kind, _payload in connection.frames() if kind == HEADERS)
            assert len(list(itertools.islice(begun, 10))) == 10
            assert not _refused(ports.grpc)
            source.shown = _streamed()
            assert _refused(ports.grpc)
        until(lambda: not _refused(ports.grpc), "room again")


def test_who_watches_the_health_takes_no_place_of_streams(usual: Ports) -> None:
    """However many watch the health, which needs no token, topologies are streamed."""
    with channel(usual.grpc) as opened, channel(usual.grpc) as other:
        watch: grpc.UnaryStreamMultiCallable[bytes, bytes] = opened.unary_stream(WATCH)
        watching = [watch(b"") for _ in range(MOST_LASTING_CALLS)]
        assert all(next(one) for one in watching)
        assert list(answers(other, STREAM_TOPOLOGY))
        for one in watching:
            one.cancel()


def test_slow_readers_do_not_hold_up_others(usual: Ports) -> None:
    """While fifty clients do not take their answers, another gets its own at once."""
    with contextlib.ExitStack() as stack:
        for _ in range(50):
            stack.enter_context(connected(usual.grpc, window=0)).send(frames.call(1))
        began = time.monotonic()
        for _ in range(20):
            assert len(call(usual.grpc).body) == LARGE_BYTES
        assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        frames.PREFACE + frame(frames.HEADERS, 4, 1, b"\xff" * 100),
        frames.PREFACE + frame(frames.SETTINGS) + b"\xff" * 1000,
        frames.PREFACE + frame(frames.SETTINGS, payload=b"12345"),
    ],
    ids=["HTTP/1.1", "no header block", "no frame", "odd settings"],
)
def test_what_is_no_http2_is_closed(usual: Ports, sent: bytes) -> None:
    """Frames that make no sense end their connection, and no other."""
    with channel(usual.grpc) as opened:
        assert over(opened).code is grpc.StatusCode.OK
        with socket.create_connection(("127.0.0.1", usual.grpc), timeout=SECONDS + 5) as connection:
            connection.sendall(sent)
            with contextlib.suppress(ConnectionError):
                while connection.recv(65536):
                    pass
        assert over(opened).code is grpc.StatusCode.OK


def test_calls_that_are_taken_back_at_once(usual: Ports) -> None:
    """Ten thousand calls that are begun and cancelled at once leave the server well and its memory flat."""
    before = psutil.Process().memory_info().rss
    with connected(usual.grpc) as connection, contextlib.suppress(ConnectionError):
        for number in range(10_000):
            stream = 1 + 2 * number
            connection.send(frames.call(stream), frame(frames.RST_STREAM, 0, stream, (8).to_bytes(4)))
    assert call(usual.grpc).code is grpc.StatusCode.OK
    assert psutil.Process().memory_info().rss - before < 200 * MIB
