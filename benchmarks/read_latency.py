"""Read latency while the gateway refreshes without pause.

The gateway refreshes at most a quarter of the time to spare its upstream; `benchmarks.no_pause` removes that pause and
nothing else. HEAD shows how long a request waits for its turn; GET adds the transfer of the body, at a rate that leaves
CPU time for the refresh. The latency of a baseline server, while the same Prometheus evaluates the same queries, is the
lowest that the machine allows.
"""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.measurements import Measurement
from benchmarks.processes import PROJECT, ServerProcess, build_no_pause_command, run_benchmark_module, run_server
from benchmarks.servers import run_benchmark_servers
from demo.prometheus import stop_process

BENCHMARK_NAME = "latency"
MAX_P99_MS = {200: 20.0, 2000: 60.0}
REQUESTS_PER_SECOND = 50.0
WINDOW_SECONDS = 20.0
# Reading a body of 21 MB 50 times a second would saturate the machine.
MAX_BYTES_PER_SECOND = 60e6
UPSTREAM_LOAD_SECONDS = 90.0


def measure(prometheus_url: str, nodes: int, peer_path: Path, _rounds: int) -> list[Measurement]:
    """Measure the latency of constant-rate clients for one fleet size."""
    max_p99_ms = MAX_P99_MS.get(nodes)
    with run_benchmark_servers(prometheus_url, peer_path) as servers, _load_prometheus(prometheus_url):
        measurements = _measure_latencies(
            nodes, "baseline server, Prometheus busy", _addresses_by_kind(servers.baseline), ("HEAD", "grpc"), None
        )
        get_rate = min(REQUESTS_PER_SECOND, MAX_BYTES_PER_SECOND / servers.body_bytes)
    with run_server(build_no_pause_command(prometheus_url)) as gateway:
        # From the end of one refresh to the end of another, so that only whole refreshes count.
        first_refresh = len(gateway.read_refresh_events()) + 1
        gateway.wait_for_refreshes(first_refresh)
        began = time.monotonic()
        measurements += _measure_latencies(
            nodes, "refreshing", _addresses_by_kind(gateway), ("HEAD", "grpc"), max_p99_ms
        )
        measurements += _measure_latency(nodes, "refreshing", "GET", _addresses_by_kind(gateway)["GET"], get_rate, None)
        gateway.wait_for_refreshes(len(gateway.read_refresh_events()) + 1)
        seconds = time.monotonic() - began
        refreshes = gateway.read_refresh_events()[first_refresh:]
    refresh_seconds = sum(refresh["duration_ms"] for refresh in refreshes) / 1e3
    measurements.append(Measurement(BENCHMARK_NAME, nodes, "refreshes during the measurement", len(refreshes), ""))
    measurements.append(
        Measurement(BENCHMARK_NAME, nodes, "share of the time spent refreshing", refresh_seconds / seconds, "×")
    )
    return measurements


def _addresses_by_kind(server: ServerProcess) -> dict[str, str]:
    netloc = urlsplit(server.url).netloc
    return {"HEAD": netloc, "GET": netloc, "grpc": server.target}


def _measure_latencies(
    nodes: int, label: str, addresses: dict[str, str], kinds: tuple[str, ...], max_p99_ms: float | None
) -> list[Measurement]:
    return [
        figure
        for kind in kinds
        for figure in _measure_latency(nodes, label, kind, addresses[kind], REQUESTS_PER_SECOND, max_p99_ms)
    ]


def _measure_latency(
    nodes: int, label: str, kind: str, address: str, rate: float, max_p99_ms: float | None
) -> list[Measurement]:
    result: dict[str, Any] = run_benchmark_module(
        "constant_rate_client", kind, address, f"{rate:.2f}", str(WINDOW_SECONDS)
    )
    description = f"{label}: {kind}, {rate:.0f}/s"
    return [
        Measurement(BENCHMARK_NAME, nodes, f"{description}, p50", result["p50"], "ms"),
        Measurement(BENCHMARK_NAME, nodes, f"{description}, p99", result["p99"], "ms", max_value=max_p99_ms),
        Measurement(BENCHMARK_NAME, nodes, f"{description}, max", result["max"], "ms"),
    ]


@contextmanager
def _load_prometheus(prometheus_url: str) -> Iterator[None]:
    """Keep Prometheus busy with the catalog's queries while the block runs."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.prometheus_baseline",
        prometheus_url,
        "catalog",
        str(UPSTREAM_LOAD_SECONDS),
    ]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.DEVNULL, start_new_session=True) as process:
        try:
            yield
        finally:
            stop_process(process)
