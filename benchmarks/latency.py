"""How long a read waits while the gateway refreshes without pause.

The gateway spares its upstream: it refreshes a quarter of the time at most. Here that pause is taken away
(`benchmarks.restless`), and nothing else. HEAD tells how long a request waits for its turn; GET adds the carrying of
the body, at a rate that leaves the machine time for something else. Beside it stands the bare server while the same
Prometheus answers the same queries without pause: what the machine gives to a reader who waits for nobody else.
"""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.figures import Figure
from benchmarks.hot import contest
from benchmarks.processes import PROJECT, Program, restless, running, said_by
from demo.prometheus import stop

QUESTION = "latency"
P99_MILLISECONDS = {200: 20.0, 2000: 60.0}
RATE = 50.0
SECONDS = 20.0
# A body of 21 MB is not read 50 times a second beside everything else.
MOST_BYTES_PER_SECOND = 60e6
FLOOR_SECONDS = 90.0


def measure(prometheus_url: str, nodes: int, peer_path: Path, _rounds: int) -> list[Figure]:
    """Measure the waits of steady readers on one size of fleet."""
    aim = P99_MILLISECONDS.get(nodes)
    with contest(prometheus_url, peer_path) as programs, _floor(prometheus_url):
        figures = _waits(nodes, "bare server, Prometheus busy", _address(programs.bare), ("HEAD", "grpc"), None)
        get_rate = min(RATE, MOST_BYTES_PER_SECOND / programs.body_bytes)
    with running(restless(prometheus_url)) as program:
        # From the end of one refresh to the end of another, so that what is counted are whole ones.
        before = len(program.refreshes()) + 1
        program.wait_refreshed(before)
        began = time.monotonic()
        figures += _waits(nodes, "refreshing", _address(program), ("HEAD", "grpc"), aim)
        figures += _one(nodes, "refreshing", "GET", _address(program)["GET"], get_rate, None)
        program.wait_refreshed(len(program.refreshes()) + 1)
        seconds = time.monotonic() - began
        refreshes = program.refreshes()[before:]
    busy = sum(refresh["took_ms"] for refresh in refreshes) / 1e3
    figures.append(Figure(QUESTION, nodes, "refreshes meanwhile", len(refreshes), ""))
    figures.append(Figure(QUESTION, nodes, "share of the time spent refreshing", busy / seconds, "×"))
    return figures


def _address(program: Program) -> dict[str, str]:
    netloc = urlsplit(program.url).netloc
    return {"HEAD": netloc, "GET": netloc, "grpc": program.target}


def _waits(nodes: int, of: str, address: dict[str, str], kinds: tuple[str, ...], aim: float | None) -> list[Figure]:
    return [figure for kind in kinds for figure in _one(nodes, of, kind, address[kind], RATE, aim)]


def _one(nodes: int, of: str, kind: str, address: str, rate: float, aim: float | None) -> list[Figure]:
    said: dict[str, Any] = said_by("steady", kind, address, f"{rate:.2f}", str(SECONDS))
    what = f"{of}: {kind}, {rate:.0f}/s"
    return [
        Figure(QUESTION, nodes, f"{what}, p50", said["p50"], "ms"),
        Figure(QUESTION, nodes, f"{what}, p99", said["p99"], "ms", at_most=aim),
        Figure(QUESTION, nodes, f"{what}, max", said["max"], "ms"),
    ]


@contextmanager
def _floor(prometheus_url: str) -> Iterator[None]:
    """Keep Prometheus answering our queries while the block runs."""
    command = [sys.executable, "-m", "benchmarks.floor", prometheus_url, "catalog", str(FLOOR_SECONDS)]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.DEVNULL, start_new_session=True) as process:
        try:
            yield
        finally:
            stop(process)
