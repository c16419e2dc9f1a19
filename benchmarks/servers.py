"""Gateways and baseline servers with the same cached bytes, each pinned to a core of its own."""

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks import simple_client, token_realm
from benchmarks.cpu_affinity import SERVER_CPU, build_taskset_prefix
from benchmarks.processes import (
    ServerProcess,
    build_baseline_command,
    build_gateway_command,
    build_go_service_command,
    run_server,
)


@dataclass(frozen=True)
class BenchmarkServers:
    """The running programs, idle apart from requests; `token` is valid for `guarded`."""

    gateway: ServerProcess
    authenticated_gateway: ServerProcess
    baseline: ServerProcess
    go_service: ServerProcess
    token: str
    body_bytes: int
    message_bytes: int


@contextlib.contextmanager
def run_benchmark_servers(prometheus_url: str, peer_path: Path) -> Iterator[BenchmarkServers]:
    """Run all four while the block runs; the gateways refresh once."""
    realm, cpu_prefix = token_realm.create_realm(), build_taskset_prefix(SERVER_CPU)
    with contextlib.ExitStack() as stack:
        gateway = stack.enter_context(run_server(build_gateway_command(prometheus_url, cpu_prefix=cpu_prefix)))
        authenticated_gateway = stack.enter_context(
            run_server(build_gateway_command(prometheus_url, cpu_prefix=cpu_prefix, KEY=realm.public_key), realm.token)
        )
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="aggregator-benchmarks-")))
        body, message = simple_client.fetch_body(gateway.url), simple_client.fetch_message(gateway.target)
        (folder / "http").write_bytes(body)
        (folder / "grpc").write_bytes(message)
        baseline = stack.enter_context(run_server(build_baseline_command(folder, cpu_prefix)))
        if simple_client.fetch_body(baseline.url) != body or simple_client.fetch_message(baseline.target) != message:
            raise RuntimeError("the baseline server and the gateway return different bytes")
        go_service = stack.enter_context(run_server(build_go_service_command(peer_path, prometheus_url)))
        yield BenchmarkServers(
            gateway, authenticated_gateway, baseline, go_service, realm.token, len(body), len(message)
        )
