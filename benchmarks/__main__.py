"""Measure the gateway side by side with the Go service: python -m benchmarks --peer PATH."""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import access, grpc, http, latency, lookups, refresh, report, upstream, views
from benchmarks.figures import Figure
from demo.prometheus import obtain

QUESTIONS = {module.QUESTION: module.measure for module in (refresh, http, grpc, views, lookups, access, latency)}
# Ready bytes: a small fleet shows what a request costs, a larger one what its bytes cost.
HOT_NODES = (10, 200)
HOT = (http.QUESTION, grpc.QUESTION, views.QUESTION, access.QUESTION)


def main(arguments: Sequence[str]) -> None:
    """Measure what is asked for, print the table, and write it into the README if that is asked for."""
    chosen = parser().parse_args(arguments)
    if not chosen.peer.is_file():
        sys.exit(f"--peer {chosen.peer}: no such program; it is the Go service that ours is measured beside")
    only = [chosen.only] if chosen.only else list(QUESTIONS)
    figures = []
    for nodes, questions in plan(chosen.nodes, only):
        tell(f"{nodes} nodes: writing the fleet's data")
        with upstream.holding(nodes) as url:
            for question in questions:
                tell(f"{nodes} nodes: {question}")
                figures += QUESTIONS[question](url, nodes, chosen.peer, chosen.rounds)
    figures += compared(figures)
    # In the order of the questions; within each as it was measured.
    figures.sort(key=lambda figure: list(QUESTIONS).index(figure.question))
    table = report.markdown(figures, obtain(), chosen.rounds)
    print(table)
    if chosen.write:
        report.write(table)


def plan(nodes: Sequence[int], only: Sequence[str]) -> list[tuple[int, list[str]]]:
    """Return which questions are asked on which sizes of fleet, the smallest first."""
    asked: dict[int, list[str]] = {}
    for question in only:
        for size in HOT_NODES if question in HOT else nodes:
            asked.setdefault(size, []).append(question)
    return sorted(asked.items())


def compared(figures: Sequence[Figure]) -> list[Figure]:
    """Return what can only be said of two sizes: how refreshes grow from the smallest to the largest."""
    of_refreshes = [figure for figure in figures if figure.question == refresh.QUESTION]
    sizes = sorted({figure.nodes for figure in of_refreshes})
    if len(sizes) < 2:
        return []
    small, large = ([figure for figure in of_refreshes if figure.nodes == size] for size in (sizes[0], sizes[-1]))
    return refresh.growth(small, large)


def parser() -> argparse.ArgumentParser:
    """Return what reads the command line."""
    made = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    made.add_argument("--peer", type=Path, required=True, help="the Go service's program")
    made.add_argument("--nodes", type=int, nargs="+", default=[200, 2000], help="sizes of fleets (refresh, latency)")
    made.add_argument("--rounds", type=int, default=5, help="how often each is measured, in turn")
    made.add_argument("--only", choices=list(QUESTIONS), help="one question instead of all")
    made.add_argument("--write", action="store_true", help="put the table into benchmarks/README.md")
    return made


def tell(text: str) -> None:
    """Say how far the run is, apart from the table."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
