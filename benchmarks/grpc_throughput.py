"""The throughput of cached gRPC responses, compared with a baseline handler with the same bytes on the same server."""

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.cpu_affinity import LOAD_CPU, build_taskset_prefix
from benchmarks.measurements import Measurement, compute_median_ratio, run_interleaved
from benchmarks.processes import ServerProcess, run_benchmark_module
from benchmarks.servers import BenchmarkServers, run_benchmark_servers

BENCHMARK_NAME = "grpc"
MIN_BASELINE_RATIO = 0.8
CONCURRENT_CALLS = 32
MAX_CALLS = 6_000
# Large responses take longer, so fewer calls are enough.
MAX_CALLS_BYTES = 400_000_000


def measure(prometheus_url: str, nodes: int, peer_path: Path, rounds: int) -> list[Measurement]:
    """Measure cached ConnectToQuerier responses for one fleet size."""
    with run_benchmark_servers(prometheus_url, peer_path) as servers:
        return _measure_servers(servers, nodes, rounds)


def _measure_servers(servers: BenchmarkServers, nodes: int, rounds: int) -> list[Measurement]:
    calls = min(MAX_CALLS, MAX_CALLS_BYTES // servers.message_bytes)
    contestants: dict[str, Callable[[], dict[str, float]]] = {
        "baseline": lambda: run_grpc_load(servers.baseline, calls),
        "gateway": lambda: run_grpc_load(servers.gateway, calls),
        "guarded": lambda: run_grpc_load(servers.authenticated_gateway, calls, servers.token),
    }
    results = run_interleaved(contestants, rounds)
    rates = {name: [load["calls_per_second"] for load in loads] for name, loads in results.items()}
    costs = {name: [load["cpu_microseconds"] for load in loads] for name, loads in results.items()}
    size = f"{servers.message_bytes / 1e3:.0f} kB"

    def create_measurement(what: str, value: float, unit: str, at_least: float | None = None) -> Measurement:
        return Measurement(BENCHMARK_NAME, nodes, what, value, unit, min_value=at_least)

    return [
        create_measurement(f"a baseline handler, {size}", median(rates["baseline"]), "calls/s"),
        create_measurement(f"ConnectToQuerier, {size}", median(rates["gateway"]), "calls/s"),
        create_measurement(
            "ConnectToQuerier / baseline",
            compute_median_ratio(rates["gateway"], rates["baseline"]),
            "×",
            MIN_BASELINE_RATIO,
        ),
        create_measurement("with KEY and a token", median(rates["guarded"]), "calls/s"),
        create_measurement(
            "with KEY / baseline", compute_median_ratio(rates["guarded"], rates["baseline"]), "×", MIN_BASELINE_RATIO
        ),
        create_measurement("server CPU of a call, baseline", median(costs["baseline"]), "µs"),
        create_measurement("server CPU of a call, ConnectToQuerier", median(costs["gateway"]), "µs"),
        create_measurement("server CPU of a call, with KEY and a token", median(costs["guarded"]), "µs"),
    ]


def run_grpc_load(program: ServerProcess, calls: int, token: str = "", method: Sequence[str] = ()) -> dict[str, float]:
    """Return the calls per second and the server's CPU time per call; the client may be the slower part.

    `method` is the path of another method than ConnectToQuerier, with its request message in hexadecimal.
    """
    cpu_before_seconds = program.read_cpu_seconds()
    arguments = [program.target, str(calls), str(CONCURRENT_CALLS), token, *method]
    result: dict[str, Any] = run_benchmark_module("grpc_load", *arguments, cpu_prefix=build_taskset_prefix(LOAD_CPU))
    cpu_microseconds = 1e6 * (program.read_cpu_seconds() - cpu_before_seconds) / result["calls"]
    return {"calls_per_second": result["calls_per_second"], "cpu_microseconds": cpu_microseconds}
