"""The cost of token checks, compared with a gateway without KEY, and under a load of invalid tokens."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks import wrk
from benchmarks.cpu_affinity import LOAD_CPU, SERVER_CPU, build_taskset_prefix
from benchmarks.grpc_throughput import MAX_CALLS, run_grpc_load
from benchmarks.jwks_server import run_jwks_server
from benchmarks.measurements import Measurement, compute_median_ratio, compute_medians, run_interleaved
from benchmarks.processes import PROJECT, ServerProcess, build_gateway_command, run_server
from benchmarks.token_realm import create_realm

BENCHMARK_NAME = "access"
# At most a tenth of the rate, for a cached token and for a thousand invalid tokens a second.
MIN_UNAUTHENTICATED_RATIO = 0.9
INVALID_TOKENS_PER_SECOND = 1000
# Many short windows, because the speed of a shared machine changes from second to second.
WINDOW_SECONDS = 1.0
WINDOWS_PER_ROUND = 8
# A gRPC client takes longer to start.
GRPC_CALLS = MAX_CALLS // 2
GRPC_WINDOWS_PER_ROUND = 3


def measure(prometheus_url: str, nodes: int, _peer_path: Path, rounds: int) -> list[Measurement]:
    """Measure cached reads with a cached token, over HTTP and gRPC."""
    realm, cpu_prefix = create_realm(), build_taskset_prefix(SERVER_CPU)
    with (
        run_jwks_server(realm) as jwks_server,
        run_server(build_gateway_command(prometheus_url, cpu_prefix=cpu_prefix)) as open_gateway,
        run_server(
            build_gateway_command(prometheus_url, cpu_prefix=cpu_prefix, JWKS_URL=jwks_server.url), realm.token
        ) as authenticated_gateway,
    ):
        comparison = _AuthComparison(wrk.obtain_wrk(), open_gateway, authenticated_gateway, realm.token)
        measurements = [*_measure_http(comparison, nodes, rounds), *_measure_grpc(comparison, nodes, rounds)]
        return [
            *measurements,
            Measurement(
                BENCHMARK_NAME, nodes, "JWKS fetches during the measurement", len(jwks_server.requested_paths), ""
            ),
        ]


@dataclass(frozen=True)
class _AuthComparison:
    """The load generator, both gateways, and the token that every request carries, required or not."""

    wrk_runner: wrk.WrkRunner
    open_gateway: ServerProcess
    authenticated_gateway: ServerProcess
    token: str

    def measure_rate(self, server: ServerProcess) -> float:
        """Return the requests per second of a program."""
        return self.wrk_runner.measure_requests_per_second(server.url, WINDOW_SECONDS, self.token)

    def measure_rate_with_invalid_tokens(self) -> float:
        """Return the requests per second of the gateway with KEY while invalid tokens arrive."""
        arguments = [
            f"127.0.0.1:{self.authenticated_gateway.ports.http}",
            str(INVALID_TOKENS_PER_SECOND),
            str(WINDOW_SECONDS + 1),
        ]
        command = [*build_taskset_prefix(LOAD_CPU), sys.executable, "-m", "benchmarks.invalid_token_load", *arguments]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, cwd=PROJECT, stdin=pipe, stdout=pipe, text=True) as load_process:
            assert load_process.stdin is not None
            assert load_process.stdout is not None
            if load_process.stdout.readline() != "ready\n":
                raise RuntimeError("the load of invalid tokens did not start")
            print(file=load_process.stdin, flush=True)
            rate = self.measure_rate(self.authenticated_gateway)
            output, _ = load_process.communicate(timeout=60)
        if load_process.returncode != 0 or '"refused": 0' in output:
            raise RuntimeError(f"expected 401 for invalid tokens, got {output}")
        return rate


def _measure_http(comparison: _AuthComparison, nodes: int, rounds: int) -> list[Measurement]:
    results = run_interleaved(
        {
            "open": lambda: comparison.measure_rate(comparison.open_gateway),
            "guarded": lambda: comparison.measure_rate(comparison.authenticated_gateway),
            "with invalid tokens": comparison.measure_rate_with_invalid_tokens,
        },
        rounds * WINDOWS_PER_ROUND,
    )
    rates = compute_medians(results)
    known_token_ratio = compute_median_ratio(results["guarded"], results["open"])
    invalid_token_ratio = compute_median_ratio(results["with invalid tokens"], results["guarded"])
    return [
        Measurement(BENCHMARK_NAME, nodes, "GET /, without KEY", rates["open"], "requests/s"),
        Measurement(BENCHMARK_NAME, nodes, "GET / with a known token", rates["guarded"], "requests/s"),
        Measurement(
            BENCHMARK_NAME,
            nodes,
            "GET / with a known token / without KEY",
            known_token_ratio,
            "×",
            min_value=MIN_UNAUTHENTICATED_RATIO,
        ),
        Measurement(
            BENCHMARK_NAME,
            nodes,
            "GET / with a known token, during 1,000 invalid tokens/s",
            rates["with invalid tokens"],
            "requests/s",
        ),
        Measurement(
            BENCHMARK_NAME,
            nodes,
            "with invalid tokens / without",
            invalid_token_ratio,
            "×",
            min_value=MIN_UNAUTHENTICATED_RATIO,
        ),
    ]


def _measure_grpc(comparison: _AuthComparison, nodes: int, rounds: int) -> list[Measurement]:
    def create_rate_measure(program: ServerProcess) -> Callable[[], float]:
        return lambda: run_grpc_load(program, GRPC_CALLS, comparison.token)["calls_per_second"]

    results = run_interleaved(
        {
            "open": create_rate_measure(comparison.open_gateway),
            "guarded": create_rate_measure(comparison.authenticated_gateway),
        },
        rounds * GRPC_WINDOWS_PER_ROUND,
    )
    rates = compute_medians(results)
    known_token_ratio = compute_median_ratio(results["guarded"], results["open"])
    return [
        Measurement(BENCHMARK_NAME, nodes, "ConnectToQuerier, without KEY", rates["open"], "calls/s"),
        Measurement(BENCHMARK_NAME, nodes, "ConnectToQuerier with a known token", rates["guarded"], "calls/s"),
        Measurement(
            BENCHMARK_NAME,
            nodes,
            "with a known token / without KEY",
            known_token_ratio,
            "×",
            min_value=MIN_UNAUTHENTICATED_RATIO,
        ),
    ]
