"""How the program ends: in order, in time, and whoever would hold it up."""

import contextlib
import itertools
import json
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import psutil
import pytest
from grpc_health.v1 import health_pb2

from demo.prometheus import Moment, holding
from tests.integration import stalled, upstream
from tests.integration.process import running, until
from tests.integration.telemetry import fleet
from tests.server.call import answers, channel, health, unary
from tests.server.exchange import ask, connect
from tests.server.exchange import over as over_http

MANY = 3_000
WATCH = "/grpc.health.v1.Health/Watch"


@pytest.fixture(scope="module")
def large() -> Iterator[str]:
    """A Prometheus that holds a fleet of several megabytes."""
    with holding([Moment(fleet(MANY), time.time())]) as url:
        yield url


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=lambda it: it.name)
def test_it_ends_in_order(large: str, tmp_path: Path, number: signal.Signals) -> None:
    """A signal turns readiness first; answers that are under way are finished; then the process exits with 0."""
    with contextlib.ExitStack() as stack:
        started = stack.enter_context(running(tmp_path, PROMETHEUS_ADDRESS=large, GRACE="15", REFRESH_INTERVAL="60"))
        port = started.http
        until(lambda: ask(port, "/readyz").status == 200, "ready", 20)
        idle = stack.enter_context(contextlib.closing(connect(port)))
        assert over_http(idle, "/readyz").status == 200
        healthy = stack.enter_context(channel(started.grpc))
        until(lambda: health(healthy) == health_pb2.HealthCheckResponse.SERVING, "healthy")
        reader = stack.enter_context(stalled.connection(port))
        reader.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        first = reader.recv(1024)
        relay = stack.enter_context(stalled.relay(started.grpc))
        slow = stack.enter_context(channel(relay.port))
        grpc.channel_ready_future(slow).result(10)
        relay.held.set()
        calling = unary(slow).future(b"", timeout=30)
        until(relay.waiting.is_set, "an answer to the call waits in the relay")

        signalled_at = time.monotonic()
        started.process.send_signal(number)
        until(lambda: over_http(idle, "/readyz").status == 503, "not ready", 0.6)
        assert over_http(idle, "/readyz").json() == {"error": "shutting down"}
        until(lambda: health(healthy) == health_pb2.HealthCheckResponse.NOT_SERVING, "not healthy", 0.6)
        until(lambda: _is_closed(port), "HTTP takes no more connections")
        assert started.process.poll() is None
        assert not calling.done()

        head, _, body = _read_all(reader, first).partition(b"\r\n\r\n")
        assert len(json.loads(body)["cluster"]["edge-a"]["node"]) == MANY
        assert f"content-length: {len(body)}".encode() in head
        relay.held.clear()
        assert calling.result(15).count(b"x86_64") == MANY
        assert started.exit_code(10) == 0
        assert time.monotonic() - signalled_at < 15
    assert [line["event"] for line in started.lines() if line["event"].startswith("stop")] == ["stopping", "stopped"]
    assert "Traceback" not in started.log


def _is_closed(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except ConnectionRefusedError:
        return True
    return False


def _read_all(connection: socket.socket, first: bytes) -> bytes:
    chunks = itertools.chain([first], iter(lambda: connection.recv(1 << 20), b""))
    return b"".join(chunks)


def test_callers_who_do_not_go_do_not_hold_it_up(large: str, tmp_path: Path) -> None:
    """A health watcher and a reader who reads nothing are cut off when the grace is over; the exit code is 0."""
    grace = 2.0
    with contextlib.ExitStack() as stack:
        started = stack.enter_context(
            running(tmp_path, PROMETHEUS_ADDRESS=large, GRACE=str(grace), REFRESH_INTERVAL="60")
        )
        port = started.http
        until(lambda: ask(port, "/readyz").status == 200, "ready", 20)
        reader = stack.enter_context(stalled.connection(port))
        reader.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert reader.recv(100)
        opened = stack.enter_context(channel(started.grpc))
        watching = answers(opened, WATCH)
        assert next(iter(watching))
        signalled_at = time.monotonic()
        started.process.send_signal(signal.SIGTERM)
        assert started.exit_code(3 * grace + 5) == 0
        assert time.monotonic() - signalled_at < grace + 1.5
        watching.cancel()


@pytest.mark.beside
def test_a_silent_upstream_does_not_hold_it_up(tmp_path: Path) -> None:
    """SIGTERM while queries wait for an upstream that never answers ends the process within the grace."""
    with upstream.silent() as (address, _listener):
        patient = {"REFRESH_TIMEOUT": "20", "QUERY_TIMEOUT": "20", "GRACE": "2"}
        with running(tmp_path, PROMETHEUS_ADDRESS=f"http://{address}", **patient) as started:
            assert ask(started.http).json() == {"error": "no topology yet: the first refresh is not finished"}
            asking = psutil.Process(started.process.pid).net_connections
            until(lambda: sum(one.raddr == tuple(_host_port(address)) for one in asking()) >= 8, "eight queries wait")
            started.process.send_signal(signal.SIGTERM)
            assert started.exit_code(5) == 0


def _host_port(address: str) -> tuple[str, int]:
    host, _, port = address.partition(":")
    return host, int(port)


@pytest.mark.beside
def test_a_second_signal_changes_nothing(small: str, tmp_path: Path) -> None:
    """Whoever presses Ctrl-C twice still gets an orderly end with 0."""
    with running(tmp_path, PROMETHEUS_ADDRESS=small, REFRESH_INTERVAL="60") as started:
        until(lambda: ask(started.http, "/readyz").status == 200, "ready")
        for number in (signal.SIGINT, signal.SIGINT, signal.SIGTERM):
            started.process.send_signal(number)
        assert started.exit_code(10) == 0
        assert "Traceback" not in started.log
