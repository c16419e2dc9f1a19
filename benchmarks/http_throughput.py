"""The throughput of cached HTTP responses, compared with a baseline ASGI app with the same bytes on the same server."""

import time
from functools import partial
from pathlib import Path

from benchmarks import simple_client, wrk
from benchmarks.measurements import (
    Measurement,
    compute_median_ratio,
    compute_medians,
    get_min_baseline_ratio,
    run_interleaved,
)
from benchmarks.servers import BenchmarkServers, run_benchmark_servers

BENCHMARK_NAME = "http"
# The accepted cost of a cached token, compared with a gateway without KEY.
MIN_UNAUTHENTICATED_RATIO = 0.9
# Many short windows, because the speed of a shared machine changes from second to second.
WINDOW_SECONDS = 1.0
WINDOWS_PER_ROUND = 6
# The Go service builds each response anew, which takes seconds: a few sequential requests are enough.
GO_REQUESTS = 5


def measure(prometheus_url: str, nodes: int, peer_path: Path, rounds: int) -> list[Measurement]:
    """Measure cached `GET /` responses for one fleet size."""
    wrk_runner = wrk.obtain_wrk()
    with run_benchmark_servers(prometheus_url, peer_path) as servers:
        return _measure_servers(wrk_runner, servers, nodes, rounds)


def _measure_servers(
    wrk_runner: wrk.WrkRunner, servers: BenchmarkServers, nodes: int, rounds: int
) -> list[Measurement]:
    measure_rate = wrk_runner.measure_requests_per_second
    results = run_interleaved(
        {
            "baseline": partial(measure_rate, servers.baseline.url, WINDOW_SECONDS),
            "gateway": partial(measure_rate, servers.gateway.url, WINDOW_SECONDS),
            "guarded": partial(measure_rate, servers.authenticated_gateway.url, WINDOW_SECONDS, servers.token),
        },
        rounds * WINDOWS_PER_ROUND,
    )
    rates = compute_medians(results)
    size = f"{servers.body_bytes / 1e3:.0f} kB"
    return [
        Measurement(BENCHMARK_NAME, nodes, f"a baseline ASGI app, {size}", rates["baseline"], "requests/s"),
        Measurement(BENCHMARK_NAME, nodes, f"GET /, {size}", rates["gateway"], "requests/s"),
        Measurement(
            BENCHMARK_NAME,
            nodes,
            "GET / / baseline",
            compute_median_ratio(results["gateway"], results["baseline"]),
            "×",
            min_value=get_min_baseline_ratio(nodes),
        ),
        Measurement(BENCHMARK_NAME, nodes, "GET / with KEY and a token", rates["guarded"], "requests/s"),
        Measurement(
            BENCHMARK_NAME,
            nodes,
            "with KEY / baseline",
            compute_median_ratio(results["guarded"], results["baseline"]),
            "×",
            min_value=get_min_baseline_ratio(nodes),
        ),
        Measurement(
            BENCHMARK_NAME,
            nodes,
            "with KEY / without",
            compute_median_ratio(results["guarded"], results["gateway"]),
            "×",
            min_value=MIN_UNAUTHENTICATED_RATIO,
        ),
        Measurement(
            BENCHMARK_NAME,
            nodes,
            "the Go service, GET /, one client",
            _measure_go_rate(servers.go_service.url),
            "requests/s",
        ),
    ]


def _measure_go_rate(url: str) -> float:
    began = time.monotonic()
    for _ in range(GO_REQUESTS):
        simple_client.fetch_body(url)
    return GO_REQUESTS / (time.monotonic() - began)
