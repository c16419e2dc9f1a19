"""Shutdown finishes requests in progress and ends within the grace period."""

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

from demo.prometheus import ScrapedExposition, run_prometheus_with_data
from tests.integration import misbehaving_upstreams, stalled_readers
from tests.integration.fleet_exposition import build_fleet_exposition
from tests.integration.gateway_process import run_gateway, wait_until
from tests.support.grpc_client import get_health_status, get_unary_callable, open_channel, stream_responses
from tests.support.http_client import open_http_connection, send_on_connection, send_request

LARGE_NODE_COUNT = 3_000
HEALTH_WATCH_METHOD = "/grpc.health.v1.Health/Watch"


@pytest.fixture(scope="module")
def large_fleet_url() -> Iterator[str]:
    """The URL of a Prometheus with a fleet whose topology has several megabytes."""
    with run_prometheus_with_data([ScrapedExposition(build_fleet_exposition(LARGE_NODE_COUNT), time.time())]) as url:
        yield url


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=lambda number: number.name)
def test_shutdown_finishes_requests_in_progress(large_fleet_url: str, tmp_path: Path, number: signal.Signals) -> None:
    """A signal ends readiness first, then requests in progress are finished, then the process exits with 0."""
    with contextlib.ExitStack() as stack:
        gateway = stack.enter_context(
            run_gateway(tmp_path, PROMETHEUS_ADDRESS=large_fleet_url, GRACE="15", REFRESH_INTERVAL="60")
        )
        port = gateway.http_port
        wait_until(lambda: send_request(port, "/readyz").status == 200, "ready", 20)
        idle = stack.enter_context(contextlib.closing(open_http_connection(port)))
        assert send_on_connection(idle, "/readyz").status == 200
        health_channel = stack.enter_context(open_channel(gateway.grpc_port))
        wait_until(lambda: get_health_status(health_channel) == health_pb2.HealthCheckResponse.SERVING, "healthy")
        reader = stack.enter_context(stalled_readers.open_slow_connection(port))
        reader.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        first_bytes = reader.recv(1024)
        relay = stack.enter_context(stalled_readers.run_relay(gateway.grpc_port))
        slow_channel = stack.enter_context(open_channel(relay.port))
        grpc.channel_ready_future(slow_channel).result(10)
        relay.paused.set()
        call = get_unary_callable(slow_channel).future(b"", timeout=30)
        wait_until(relay.data_pending.is_set, "a response to the call in the relay")

        gateway.process.send_signal(number)
        wait_until(lambda: send_on_connection(idle, "/readyz").status == 503, "not ready", 0.6)
        assert send_on_connection(idle, "/readyz").json() == {"error": "shutting down"}
        wait_until(
            lambda: get_health_status(health_channel) == health_pb2.HealthCheckResponse.NOT_SERVING, "not healthy", 0.6
        )
        wait_until(lambda: _is_closed(port), "HTTP refuses connections")
        assert gateway.process.poll() is None
        assert not call.done()

        head, _, body = _read_all(reader, first_bytes).partition(b"\r\n\r\n")
        assert len(json.loads(body)["cluster"]["edge-a"]["node"]) == LARGE_NODE_COUNT
        assert f"content-length: {len(body)}".encode() in head
        relay.paused.clear()
        assert call.result(15).count(b"x86_64") == LARGE_NODE_COUNT
        assert gateway.wait_for_exit(10) == 0
    assert [line["event"] for line in gateway.read_log_entries() if line["event"].startswith("stop")] == [
        "stopping",
        "stopped",
    ]
    assert "Traceback" not in gateway.log


def _is_closed(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except ConnectionRefusedError:
        return True
    return False


def _read_all(connection: socket.socket, first_bytes: bytes) -> bytes:
    chunks = itertools.chain([first_bytes], iter(lambda: connection.recv(1 << 20), b""))
    return b"".join(chunks)


def test_stalled_clients_do_not_delay_shutdown(large_fleet_url: str, tmp_path: Path) -> None:
    """A health watch and a client that does not read are disconnected after the grace period; the exit code is 0."""
    grace_seconds = 2.0
    with contextlib.ExitStack() as stack:
        gateway = stack.enter_context(
            run_gateway(tmp_path, PROMETHEUS_ADDRESS=large_fleet_url, GRACE=str(grace_seconds), REFRESH_INTERVAL="60")
        )
        port = gateway.http_port
        wait_until(lambda: send_request(port, "/readyz").status == 200, "ready", 20)
        reader = stack.enter_context(stalled_readers.open_slow_connection(port))
        reader.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert reader.recv(100)
        channel = stack.enter_context(open_channel(gateway.grpc_port))
        watch = stream_responses(channel, HEALTH_WATCH_METHOD)
        assert next(iter(watch))
        gateway.process.send_signal(signal.SIGTERM)
        assert gateway.wait_for_exit(grace_seconds + 3) == 0
        watch.cancel()


@pytest.mark.concurrent
def test_a_silent_upstream_does_not_delay_shutdown(tmp_path: Path) -> None:
    """SIGTERM while queries wait for a silent upstream ends the process within the grace period."""
    with misbehaving_upstreams.run_silent_upstream() as (address, _listener):
        settings = {"REFRESH_TIMEOUT": "20", "QUERY_TIMEOUT": "20", "GRACE": "2"}
        with run_gateway(tmp_path, PROMETHEUS_ADDRESS=f"http://{address}", **settings) as gateway:
            assert send_request(gateway.http_port).json() == {
                "error": "no topology yet: the first refresh is still running"
            }
            list_connections = psutil.Process(gateway.process.pid).net_connections
            wait_until(
                lambda: (
                    sum(connection.raddr == tuple(_split_address(address)) for connection in list_connections()) >= 8
                ),
                "eight waiting queries",
            )
            gateway.process.send_signal(signal.SIGTERM)
            assert gateway.wait_for_exit(5) == 0


def test_shutdown_interrupts_the_detection_of_the_upstream(tmp_path: Path) -> None:
    """SIGTERM while Thanos detection waits for a silent upstream ends the process; `stopped` is the last event."""
    with misbehaving_upstreams.run_silent_upstream() as (address, _listener):
        settings = {"REFRESH_TIMEOUT": "60", "QUERY_TIMEOUT": "30", "GRACE": "5"}
        with run_gateway(tmp_path, PROMETHEUS_ADDRESS=f"http://{address}", **settings) as gateway:
            list_connections = psutil.Process(gateway.process.pid).net_connections
            wait_until(
                lambda: any(connection.raddr == tuple(_split_address(address)) for connection in list_connections()),
                "a connection to the upstream",
            )
            gateway.process.send_signal(signal.SIGTERM)
            assert gateway.wait_for_exit(5) == 0
        assert [line["event"] for line in gateway.read_log_entries()][-2:] == ["stopping", "stopped"]
        assert {line["level"] for line in gateway.read_log_entries()} == {"info"}


def _split_address(address: str) -> tuple[str, int]:
    host, _, port = address.partition(":")
    return host, int(port)


@pytest.mark.concurrent
def test_further_signals_do_not_interrupt_shutdown(prometheus_url: str, tmp_path: Path) -> None:
    """Repeated SIGINT and SIGTERM do not prevent an orderly exit with 0."""
    with run_gateway(tmp_path, PROMETHEUS_ADDRESS=prometheus_url, REFRESH_INTERVAL="60") as gateway:
        wait_until(lambda: send_request(gateway.http_port, "/readyz").status == 200, "ready")
        for number in (signal.SIGINT, signal.SIGINT, signal.SIGTERM):
            gateway.process.send_signal(number)
        assert gateway.wait_for_exit(10) == 0
        assert "Traceback" not in gateway.log
