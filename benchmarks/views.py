"""The throughput of each view in each content coding, compared with a baseline ASGI application with the same bytes."""

import contextlib
import http.client
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from benchmarks import simple_client, wrk
from benchmarks.cpu_affinity import SERVER_CPU, build_taskset_prefix
from benchmarks.measurements import (
    Measurement,
    compute_median_ratio,
    compute_medians,
    get_min_baseline_ratio,
    run_interleaved,
)
from benchmarks.processes import ServerProcess, build_baseline_command, build_gateway_command, run_server

BENCHMARK_NAME = "views"
WINDOW_SECONDS = 3.0


class DocumentVariant(NamedTuple):
    """A document as a client requests it: its name here, its path, and its content coding ("" for none)."""

    name: str
    path: str
    encoding: str = ""

    @property
    def file_name(self) -> str:
        """Its name on the baseline server."""
        return f"{self.name}+{self.encoding}" if self.encoding else self.name


DOCUMENT_VARIANTS = tuple(
    DocumentVariant(name, path, coding)
    for name, path in (("1.2.5", "/"), ("2025", "/?layout=2025"), ("v1", "/api/v1/topology"))
    for coding in ("", "gzip", "zstd")
)


def measure(prometheus_url: str, nodes: int, _peer_path: Path, rounds: int) -> list[Measurement]:
    """Measure each document format for one fleet size."""
    wrk_runner = wrk.obtain_wrk()
    with _run_servers(prometheus_url) as (gateway, baseline):
        return [
            figure
            for variant in DOCUMENT_VARIANTS
            for figure in _measure_variant(wrk_runner, gateway, baseline, variant, nodes, rounds)
        ] + [_measure_not_modified(wrk_runner, gateway, nodes, rounds)]


@contextlib.contextmanager
def _run_servers(prometheus_url: str) -> Iterator[tuple[ServerProcess, ServerProcess]]:
    """Run a gateway and a baseline server with its bytes, pinned to a core, while the block runs."""
    cpu_prefix = build_taskset_prefix(SERVER_CPU)
    with (
        run_server(build_gateway_command(prometheus_url, cpu_prefix=cpu_prefix)) as gateway,
        tempfile.TemporaryDirectory(prefix="aggregator-benchmarks-") as work,
    ):
        folder = Path(work)
        (folder / "http").write_bytes(simple_client.fetch_body(gateway.url))
        (folder / "grpc").write_bytes(b"")
        for variant in DOCUMENT_VARIANTS:
            (folder / f"{variant.file_name}.http").write_bytes(
                simple_client.fetch_body(gateway.url, variant.path, encoding=variant.encoding)
            )
        with run_server(build_baseline_command(folder, cpu_prefix)) as baseline:
            yield gateway, baseline


def _measure_variant(
    wrk_runner: wrk.WrkRunner,
    gateway: ServerProcess,
    baseline: ServerProcess,
    variant: DocumentVariant,
    nodes: int,
    rounds: int,
) -> list[Measurement]:
    headers = [f"Accept-Encoding: {variant.encoding}"] if variant.encoding else []
    measure_rate: Callable[[str], float] = partial(
        wrk_runner.measure_requests_per_second, seconds=WINDOW_SECONDS, headers=headers
    )
    results = run_interleaved(
        {
            "baseline": lambda: measure_rate(f"{baseline.url}/{variant.file_name}"),
            "gateway": lambda: measure_rate(f"{gateway.url}{variant.path}"),
        },
        rounds,
    )
    size = len(simple_client.fetch_body(gateway.url, variant.path, encoding=variant.encoding))
    description = f"{variant.name}{f', {variant.encoding}' if variant.encoding else ''}, {size / 1e3:.0f} kB"
    return [
        Measurement(BENCHMARK_NAME, nodes, description, compute_medians(results)["gateway"], "requests/s"),
        Measurement(
            BENCHMARK_NAME,
            nodes,
            f"{description} / baseline",
            compute_median_ratio(results["gateway"], results["baseline"]),
            "×",
            min_value=get_min_baseline_ratio(nodes),
        ),
    ]


def _measure_not_modified(wrk_runner: wrk.WrkRunner, gateway: ServerProcess, nodes: int, rounds: int) -> Measurement:
    path = DOCUMENT_VARIANTS[0].path
    headers = [f"If-None-Match: {_fetch_entity_tag(gateway.url, path)}"]
    rates = [
        wrk_runner.measure_requests_per_second(f"{gateway.url}{path}", WINDOW_SECONDS, headers=headers)
        for _ in range(rounds)
    ]
    return Measurement(
        BENCHMARK_NAME,
        nodes,
        "304 Not Modified",
        compute_medians({"gateway": rates})["gateway"],
        "requests/s",
    )


def _fetch_entity_tag(url: str, path: str) -> str:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=simple_client.REQUEST_TIMEOUT_SECONDS)
    try:
        connection.request("HEAD", path)
        entity_tag = connection.getresponse().headers["ETag"]
    finally:
        connection.close()
    if not entity_tag:
        raise RuntimeError(f"HEAD {path}: no ETag")
    return entity_tag
