"""Measure the gateway side by side with the Go service: python -m benchmarks --peer PATH."""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import (
    auth_overhead,
    fleet_prometheus,
    grpc_throughput,
    http_throughput,
    lookups,
    read_latency,
    refresh_cost,
    report,
    views,
)
from benchmarks.measurements import Measurement
from demo.prometheus import obtain_prometheus

BENCHMARKS = {
    module.BENCHMARK_NAME: module.measure
    for module in (refresh_cost, http_throughput, grpc_throughput, views, lookups, auth_overhead, read_latency)
}
# Cached responses: a small fleet shows the cost of a request, a larger one the cost of its bytes.
CACHED_READ_FLEET_SIZES = (10, 200)
CACHED_READ_BENCHMARKS = (
    http_throughput.BENCHMARK_NAME,
    grpc_throughput.BENCHMARK_NAME,
    views.BENCHMARK_NAME,
    auth_overhead.BENCHMARK_NAME,
)


def main(arguments: Sequence[str]) -> None:
    """Run the selected benchmarks, print the table, and write it into the README with `--write`."""
    options = build_parser().parse_args(arguments)
    if not options.peer.is_file():
        sys.exit(f"--peer {options.peer}: no such file; expected the program of the Go service")
    names = [options.only] if options.only else list(BENCHMARKS)
    measurements = []
    for nodes, names_of_run in plan_runs(options.nodes, names):
        log_progress(f"{nodes} nodes: writing the fleet's data")
        with fleet_prometheus.run_fleet_prometheus(nodes) as url:
            for name in names_of_run:
                log_progress(f"{nodes} nodes: {name}")
                measurements += BENCHMARKS[name](url, nodes, options.peer, options.rounds)
    measurements += compare_sizes(measurements)
    # Sorted by benchmark, then in the order of measurement.
    measurements.sort(key=lambda figure: list(BENCHMARKS).index(figure.benchmark))
    table = report.render_markdown(measurements, obtain_prometheus(), options.rounds)
    print(table)
    if options.write:
        report.write_readme_table(table)


def plan_runs(nodes: Sequence[int], names: Sequence[str]) -> list[tuple[int, list[str]]]:
    """Return the selected benchmarks for each fleet size, the smallest first."""
    names_by_size: dict[int, list[str]] = {}
    for name in names:
        for size in CACHED_READ_FLEET_SIZES if name in CACHED_READ_BENCHMARKS else nodes:
            names_by_size.setdefault(size, []).append(name)
    return sorted(names_by_size.items())


def compare_sizes(measurements: Sequence[Measurement]) -> list[Measurement]:
    """Return the figures that compare two fleet sizes: how the cost of a refresh grows."""
    refresh_measurements = [figure for figure in measurements if figure.benchmark == refresh_cost.BENCHMARK_NAME]
    sizes = sorted({figure.nodes for figure in refresh_measurements})
    if len(sizes) < 2:
        return []
    small, large = (
        [figure for figure in refresh_measurements if figure.nodes == size] for size in (sizes[0], sizes[-1])
    )
    return refresh_cost.compute_growth(small, large)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--peer", type=Path, required=True, help="the Go service's program")
    parser.add_argument("--nodes", type=int, nargs="+", default=[200, 2000], help="sizes of fleets (refresh, latency)")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured, in turn")
    parser.add_argument("--only", choices=list(BENCHMARKS), help="run one benchmark instead of all")
    parser.add_argument("--write", action="store_true", help="put the table into benchmarks/README.md")
    return parser


def log_progress(text: str) -> None:
    """Print progress to stderr, apart from the table."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
