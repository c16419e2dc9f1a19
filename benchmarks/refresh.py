"""What does a refresh cost? Beside what Prometheus alone needs, and beside one request to the Go service."""

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlencode

from aggregator.models.catalog import CATALOG
from benchmarks import asking
from benchmarks.figures import Figure, in_turn, paired
from benchmarks.processes import Program, gateway, peer, running, said_by

QUESTION = "refresh"
WALL_TO_FLOOR = 1.3
CPU_TO_PEER = 0.15
GROWTH = 1.3
PEAK_MEBIBYTES = 300.0
# From this size on the aims that speak of 2,000 nodes count.
LARGE = 2000
REFRESHES_FOR_MEMORY = 4

WALL = "wall of a cold refresh"
CPU = "CPU of a refresh"
SAMPLES = "samples in the answers to our queries"

Said = dict[str, Any]


def measure(prometheus_url: str, nodes: int, peer_path: Path, rounds: int) -> list[Figure]:
    """Measure refreshes on one size of fleet."""
    with running(peer(peer_path, prometheus_url)) as go:
        contestants: dict[str, Callable[[], Said]] = {
            "floor": lambda: said_by("floor", prometheus_url, "catalog"),
            "ours": lambda: said_by("cold", prometheus_url),
            "go": lambda: _one_request(go),
            "legacy floor": lambda: said_by("floor", prometheus_url, "legacy"),
        }
        given = in_turn(contestants, rounds)
        go_peak = go.peak_mebibytes()
    next_cpu = median(said["next_cpu_seconds"] for said in given["ours"])
    return [
        *_walls(nodes, {name: [said["wall_seconds"] for said in saids] for name, saids in given.items()}),
        *_cpus(nodes, {name: [said["cpu_seconds"] for said in saids] for name, saids in given.items()}),
        Figure(QUESTION, nodes, "CPU of the next refresh of the same process", next_cpu, "s"),
        Figure(QUESTION, nodes, SAMPLES, _samples(prometheus_url), ""),
        *_peaks(nodes, _gateway_peak(prometheus_url), go_peak),
    ]


def _walls(nodes: int, walls: dict[str, list[float]]) -> list[Figure]:
    ratio = paired(walls["ours"], walls["floor"])
    return [
        Figure(QUESTION, nodes, "Prometheus alone: our queries, answers thrown away", median(walls["floor"]), "s"),
        Figure(QUESTION, nodes, WALL, median(walls["ours"]), "s"),
        Figure(QUESTION, nodes, "wall of a refresh / Prometheus alone", ratio, "×", at_most=WALL_TO_FLOOR),
        Figure(QUESTION, nodes, "wall of one request to the Go service", median(walls["go"]), "s"),
        Figure(QUESTION, nodes, "Prometheus alone: the Go service's queries", median(walls["legacy floor"]), "s"),
    ]


def _cpus(nodes: int, cpus: dict[str, list[float]]) -> list[Figure]:
    aim = CPU_TO_PEER if nodes >= LARGE else None
    ratio = paired(cpus["ours"], cpus["go"])
    return [
        Figure(QUESTION, nodes, CPU, median(cpus["ours"]), "s"),
        Figure(QUESTION, nodes, "CPU of one request to the Go service", median(cpus["go"]), "s"),
        Figure(QUESTION, nodes, "CPU of a refresh / of one request to the Go service", ratio, "×", at_most=aim),
    ]


def _peaks(nodes: int, ours: float, go: float) -> list[Figure]:
    aim = PEAK_MEBIBYTES if nodes >= LARGE else None
    what = f"peak memory of the gateway, {REFRESHES_FOR_MEMORY} refreshes with every view"
    return [
        Figure(QUESTION, nodes, what, ours, "MiB", at_most=aim),
        Figure(QUESTION, nodes, "peak memory of the Go service", go, "MiB"),
    ]


def growth(small: list[Figure], large: list[Figure]) -> list[Figure]:
    """Return how much more a sample costs on the larger of two fleets."""
    samples = _value(large, SAMPLES) / _value(small, SAMPLES)
    figures = []
    for what in (CPU, WALL):
        factor = _value(large, what) / _value(small, what) / samples
        words = f"{what}, for each sample, to that of {small[0].nodes} nodes"
        figures.append(Figure(QUESTION, large[0].nodes, words, factor, "×", at_most=GROWTH))
    return figures


def _value(figures: list[Figure], what: str) -> float:
    return next(figure.value for figure in figures if figure.what == what)


def _samples(prometheus_url: str) -> int:
    """Return how many samples all answers to our queries have."""
    paths = (f"/api/v1/query?{urlencode({'query': row.ask.text})}" for row in CATALOG)
    return sum(asking.body(prometheus_url, path).count(b'"metric":{') for path in paths)


def _one_request(go: Program) -> Said:
    used, began = go.cpu_seconds(), time.monotonic()
    asking.body(go.url)
    wall = time.monotonic() - began
    return {"wall_seconds": wall, "cpu_seconds": go.cpu_seconds() - used}


def _gateway_peak(prometheus_url: str) -> float:
    """Return the most memory that a gateway had, with every view asked for after each refresh."""
    with running(gateway(prometheus_url, REFRESH_INTERVAL="0.1")) as program:
        for count in range(1, REFRESHES_FOR_MEMORY + 1):
            program.wait_refreshed(count)
            for path in ("/", "/?layout=2025"):
                asking.body(program.url, path)
            asking.message(program.target)
        return program.peak_mebibytes()
