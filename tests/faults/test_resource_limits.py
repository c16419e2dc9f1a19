"""The gateway limits its use of memory, connections and descriptors under load."""

import contextlib
import resource
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from demo.prometheus import ScrapedExposition, run_prometheus_with_data
from tests.faults import concurrent_clients, fault_actions
from tests.faults.fault_proxy import ProxiedExchange, build_full_response, run_proxy
from tests.faults.fault_table import MEMORY_QUERY
from tests.faults.gateway_setup import run_fleet_prometheus, run_gateway_setup
from tests.integration.fleet_exposition import build_fleet_exposition
from tests.integration.gateway_process import run_gateway, wait_until
from tests.support.catalog import CATALOG
from tests.support.grpc_client import call_method
from tests.support.http_client import send_request

LARGE_NODE_COUNT = 3_000
CLIENT_COUNT = 1_000
DESCRIPTOR_LIMIT = 64
SLOW_READER_COUNT = 30
LARGE_RESPONSE_BYTES = 100 * 2**20
RESPONSE_LIMIT_BYTES = 256 * 2**20
IDLE_SETTINGS = {"REFRESH_INTERVAL": "60", "MAX_STALE": "3600"}


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    """A Prometheus with the metrics of two nodes."""
    with run_fleet_prometheus() as url:
        yield url


def build_series_response(size: int) -> bytes:
    """Return a query response of at least `size` bytes: many series of an unknown host."""
    sample = b'{"metric":{"icos_host_id":"ffffffff","icos_host_name":"08c66cd5:unknown"},"value":[1795208200.5,"8e9"]}'
    result = b",".join([sample] * (size // len(sample) + 1))
    return b'{"status":"success","data":{"resultType":"vector","result":[' + result + b"]}}"


def test_large_responses_use_bounded_memory(upstream: str, tmp_path: Path) -> None:
    """A response of 100 MiB is read in bounded memory, and one of more than 256 MiB is discarded."""
    large, over_limit = (
        fault_actions.respond_with(build_series_response(LARGE_RESPONSE_BYTES)),
        fault_actions.respond_with_size(RESPONSE_LIMIT_BYTES + 1),
    )

    forward = fault_actions.modify_json(lambda _document: None)

    def respond(exchange: ProxiedExchange) -> None:
        promql = exchange.request.promql
        # The row that finds hosts reads the times of the same series.
        action = forward if "timestamp(" in promql else large if MEMORY_QUERY in promql else over_limit
        action(exchange)

    with run_gateway_setup(
        upstream, tmp_path, REFRESH_INTERVAL="0.2", REFRESH_TIMEOUT="60", QUERY_TIMEOUT="50"
    ) as setup:
        with setup.proxy.inject(respond, "node_memory_Mem"):
            wait_until(
                lambda: setup.gateway.find_events("refresh succeeded")[-1].get("gaps"),
                "a refresh with both responses",
                60,
            )
            log = setup.gateway.log
        # The first body and its samples, and the second body up to the limit.
        assert setup.measure_peak_mebibytes() < 1200
        assert {*setup.read_over_http().memory_bytes.values()} == {None}
        assert not setup.read_over_grpc().is_complete
    assert f"larger than {RESPONSE_LIMIT_BYTES} bytes" in log
    assert ": unplaced: " in log


async def test_a_thousand_clients_at_startup_cause_one_refresh(upstream: str, tmp_path: Path) -> None:
    """A thousand clients that request fresh data before the first refresh has ended all get it from that refresh."""

    def delay_response(exchange: ProxiedExchange) -> None:
        exchange.stop_event.wait(0.2)
        exchange.send(build_full_response(exchange.fetch_response()))

    with (
        run_proxy(upstream) as proxy,
        proxy.inject(delay_response),
        run_gateway(tmp_path, PROMETHEUS_ADDRESS=proxy.url, **IDLE_SETTINGS) as gateway,
    ):
        wait_until(lambda: proxy.refresh_times, "the first refresh")
        status_lines = await concurrent_clients.request_statuses(
            gateway.http_port, CLIENT_COUNT, concurrent_clients.FRESH_REQUEST
        )
        assert status_lines == [b"HTTP/1.1 200 OK"] * CLIENT_COUNT
        assert len(proxy.refresh_times) == 1
        assert proxy.max_queries_per_refresh() == 1
        assert sum(proxy.query_counts.values()) == len(CATALOG)


def test_slow_readers_do_not_affect_other_clients(tmp_path: Path) -> None:
    """Thirty clients that read byte by byte neither delay other clients nor cost a copy of the response each."""
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(
            run_prometheus_with_data([ScrapedExposition(build_fleet_exposition(LARGE_NODE_COUNT), time.time())])
        )
        gateway = stack.enter_context(run_gateway(tmp_path, PROMETHEUS_ADDRESS=url, **IDLE_SETTINGS))
        wait_until(lambda: send_request(gateway.http_port, "/readyz").status == 200, "ready")
        size = len(send_request(gateway.http_port).body)
        rss_before = psutil.Process(gateway.process.pid).memory_info().rss
        slow_readers = [
            stack.enter_context(concurrent_clients.open_slow_reader(gateway.http_port))
            for _ in range(SLOW_READER_COUNT)
        ]
        for reader in slow_readers:
            assert reader.recv(1) == b"H"
        assert len(send_request(gateway.http_port).body) == size
        assert len(call_method(gateway.grpc_port).model.nodes) == LARGE_NODE_COUNT
        growth_bytes = psutil.Process(gateway.process.pid).memory_info().rss - rss_before
        assert [reader.recv(1) for reader in slow_readers] == [b"T"] * SLOW_READER_COUNT
    assert growth_bytes < SLOW_READER_COUNT * size / 2


def test_the_gateway_recovers_from_a_lack_of_descriptors(upstream: str, tmp_path: Path) -> None:
    """With 64 descriptors and 128 clients, the gateway keeps running, logs little, and recovers when clients leave."""
    with run_gateway_setup(upstream, tmp_path, REFRESH_INTERVAL="0.2") as setup:
        process = setup.gateway.process
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (DESCRIPTOR_LIMIT, DESCRIPTOR_LIMIT))
        log_lines, first_refresh = setup.gateway.log.count("\n"), len(setup.proxy.refresh_times)
        with contextlib.ExitStack() as clients:
            for _ in range(2 * DESCRIPTOR_LIMIT):
                clients.enter_context(socket.create_connection(("127.0.0.1", setup.gateway.http_port), timeout=5))
            wait_until(lambda: setup.count_descriptors() >= DESCRIPTOR_LIMIT, "no free descriptors")
            wait_until(lambda: setup.gateway.log.count("\n") >= log_lines + 4, "refreshes without descriptors")
        wait_until(
            lambda: setup.read_over_http().is_complete and setup.read_over_grpc().is_complete,
            "a complete topology again",
        )
        refreshes = max(len(setup.proxy.refresh_times) - first_refresh, len(setup.gateway.read_log_entries()))
        assert setup.gateway.log.count("\n") - log_lines < 3 * refreshes + 20
        assert process.poll() is None
