"""The cost of a refresh, compared with Prometheus alone and with one request to the Go service."""

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlencode

from aggregator.models.catalog.default_catalog import compose_default_catalog
from benchmarks import simple_client
from benchmarks.measurements import Measurement, compute_median_ratio, run_interleaved
from benchmarks.processes import (
    ServerProcess,
    build_gateway_command,
    build_go_service_command,
    run_benchmark_module,
    run_server,
)

BENCHMARK_NAME = "refresh"
MAX_WALL_RATIO = 1.3
MAX_CPU_RATIO = 0.15
MAX_GROWTH_RATIO = 1.3
MAX_PEAK_MIB = 300.0
# The aims for 2,000 nodes apply from this size on.
LARGE_FLEET_NODES = 2000
MEMORY_REFRESHES = 4

DURATION_DESCRIPTION = "duration of a cold refresh"
CPU_DESCRIPTION = "CPU of a refresh"
SAMPLES_DESCRIPTION = "samples in the responses to the gateway's queries"

RunResult = dict[str, Any]


def measure(prometheus_url: str, nodes: int, peer_path: Path, rounds: int) -> list[Measurement]:
    """Measure refreshes for one fleet size."""
    with run_server(build_go_service_command(peer_path, prometheus_url)) as go_service:
        contestants: dict[str, Callable[[], RunResult]] = {
            "baseline": lambda: run_benchmark_module("prometheus_baseline", prometheus_url, "catalog"),
            "gateway": lambda: run_benchmark_module("cold_refresh", prometheus_url),
            "go": lambda: _measure_go_request(go_service),
            "legacy baseline": lambda: run_benchmark_module("prometheus_baseline", prometheus_url, "legacy"),
        }
        results = run_interleaved(contestants, rounds)
        go_peak_mib = go_service.read_peak_memory_mib()
    next_cpu_seconds = median(run["next_cpu_seconds"] for run in results["gateway"])
    return [
        *_compare_durations(nodes, {name: [run["wall_seconds"] for run in runs] for name, runs in results.items()}),
        *_compare_cpus(nodes, {name: [run["cpu_seconds"] for run in runs] for name, runs in results.items()}),
        Measurement(BENCHMARK_NAME, nodes, "CPU of the next refresh of the same process", next_cpu_seconds, "s"),
        Measurement(BENCHMARK_NAME, nodes, SAMPLES_DESCRIPTION, _count_samples(prometheus_url), ""),
        *_compare_peaks(nodes, _measure_gateway_peak_mib(prometheus_url), go_peak_mib),
    ]


def _compare_durations(nodes: int, durations: dict[str, list[float]]) -> list[Measurement]:
    ratio = compute_median_ratio(durations["gateway"], durations["baseline"])
    return [
        Measurement(
            BENCHMARK_NAME,
            nodes,
            "Prometheus alone: the gateway's queries, responses discarded",
            median(durations["baseline"]),
            "s",
        ),
        Measurement(BENCHMARK_NAME, nodes, DURATION_DESCRIPTION, median(durations["gateway"]), "s"),
        Measurement(
            BENCHMARK_NAME, nodes, "duration of a refresh / Prometheus alone", ratio, "×", max_value=MAX_WALL_RATIO
        ),
        Measurement(BENCHMARK_NAME, nodes, "duration of one request to the Go service", median(durations["go"]), "s"),
        Measurement(
            BENCHMARK_NAME,
            nodes,
            "Prometheus alone: the Go service's queries",
            median(durations["legacy baseline"]),
            "s",
        ),
    ]


def _compare_cpus(nodes: int, cpus: dict[str, list[float]]) -> list[Measurement]:
    max_ratio = MAX_CPU_RATIO if nodes >= LARGE_FLEET_NODES else None
    ratio = compute_median_ratio(cpus["gateway"], cpus["go"])
    return [
        Measurement(BENCHMARK_NAME, nodes, CPU_DESCRIPTION, median(cpus["gateway"]), "s"),
        Measurement(BENCHMARK_NAME, nodes, "CPU of one request to the Go service", median(cpus["go"]), "s"),
        Measurement(
            BENCHMARK_NAME,
            nodes,
            "CPU of a refresh / of one request to the Go service",
            ratio,
            "×",
            max_value=max_ratio,
        ),
    ]


def _compare_peaks(nodes: int, gateway_mib: float, go_mib: float) -> list[Measurement]:
    max_mib = MAX_PEAK_MIB if nodes >= LARGE_FLEET_NODES else None
    description = f"peak memory of the gateway, {MEMORY_REFRESHES} refreshes with every view"
    return [
        Measurement(BENCHMARK_NAME, nodes, description, gateway_mib, "MiB", max_value=max_mib),
        Measurement(BENCHMARK_NAME, nodes, "peak memory of the Go service", go_mib, "MiB"),
    ]


def compute_growth(small: list[Measurement], large: list[Measurement]) -> list[Measurement]:
    """Return the ratio of the cost per sample on the larger of two fleets to that on the smaller."""
    samples = _find_value(large, SAMPLES_DESCRIPTION) / _find_value(small, SAMPLES_DESCRIPTION)
    measurements = []
    for description in (CPU_DESCRIPTION, DURATION_DESCRIPTION):
        factor = _find_value(large, description) / _find_value(small, description) / samples
        growth_description = f"{description} per sample, relative to {small[0].nodes} nodes"
        measurements.append(
            Measurement(BENCHMARK_NAME, large[0].nodes, growth_description, factor, "×", max_value=MAX_GROWTH_RATIO)
        )
    return measurements


def _find_value(measurements: list[Measurement], description: str) -> float:
    return next(figure.value for figure in measurements if figure.description == description)


def _count_samples(prometheus_url: str) -> int:
    """Return the number of samples in all responses."""
    paths = (f"/api/v1/query?{urlencode({'query': row.expression.text})}" for row in compose_default_catalog())
    return sum(simple_client.fetch_body(prometheus_url, path).count(b'"metric":{') for path in paths)


def _measure_go_request(go_service: ServerProcess) -> RunResult:
    cpu_before_seconds, began = go_service.read_cpu_seconds(), time.monotonic()
    simple_client.fetch_body(go_service.url)
    wall_seconds = time.monotonic() - began
    return {"wall_seconds": wall_seconds, "cpu_seconds": go_service.read_cpu_seconds() - cpu_before_seconds}


def _measure_gateway_peak_mib(prometheus_url: str) -> float:
    """Return the peak memory of a gateway with every view requested after each refresh."""
    with run_server(build_gateway_command(prometheus_url, REFRESH_INTERVAL="0.1")) as gateway:
        for count in range(1, MEMORY_REFRESHES + 1):
            gateway.wait_for_refreshes(count)
            for path in ("/", "/?layout=2025"):
                simple_client.fetch_body(gateway.url, path)
            simple_client.fetch_message(gateway.target)
        return gateway.read_peak_memory_mib()
