"""How long the event loop is held while a refresh reads and decodes 100 MB: python -m benchmarks.stall [MEBIBYTES].

A coroutine on the loop sleeps a millisecond at a time and notes by how much it woke too late: first beside nothing,
then beside refreshes through the real client, from a process that answers one query with that much, and then while
snapshots of 30,000 pods replace one another. What it notes beside nothing is what the machine does by itself.
"""

import asyncio
import contextlib
import gc
import subprocess
import sys
import time
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from statistics import median

import uvloop

from aggregator.models.catalog import CATALOG
from aggregator.process import COLLECT_AFTER, SWITCH_SECONDS
from aggregator.querier.client import Address, Client, Limits
from aggregator.querier.gather import Gatherer
from aggregator.refresh import Clock, Pace, Refresher
from aggregator.take import Plan, Taker, Views
from aggregator.views import BY_NAME
from benchmarks.processes import PROJECT
from benchmarks.ready import PODS, ReadyTaker
from demo.prometheus import stop

ROW = "memory_total"
MEBIBYTES = 100
TICK_SECONDS = 0.001
QUIET_SECONDS = 10.0
# What is replaced is freed just after it.
AFTER_SECONDS = 0.2
ROUNDS = 5
AIM_MILLISECONDS = 50.0
LIMITS = Limits(query_seconds=120, answer_bytes=2**30, connections=8)


@contextlib.contextmanager
def pouring(mebibytes: int) -> Iterator[str]:
    """Run the stand-in for Prometheus while the block runs; give its base URL."""
    (promql,) = (row.query.promql for row in CATALOG if row.name == ROW)
    command = [sys.executable, "-m", "benchmarks.pouring", promql, str(mebibytes)]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            stop(process)


class Ticker:
    """Notes how many milliseconds the loop was late, again and again, until it is told to end."""

    def __init__(self) -> None:
        self.late_milliseconds: list[float] = []
        self.is_over = False

    async def tick(self) -> None:
        """Tick."""
        while not self.is_over:
            began = time.perf_counter()
            await asyncio.sleep(TICK_SECONDS)
            self.late_milliseconds.append(1e3 * (time.perf_counter() - began - TICK_SECONDS))


@dataclass(frozen=True)
class Late:
    """By how many milliseconds the loop was late: beside nothing, beside each refresh, at each replacement."""

    quiet: list[float]
    refreshes: list[list[float]]
    replacements: list[list[float]]


async def measure(url: str) -> Late:
    """Return how late the loop was."""
    quiet = await _beside(asyncio.sleep(QUIET_SECONDS))
    refreshes = [await _beside_a_refresh(url) for _ in range(ROUNDS)]
    return Late(quiet, refreshes, await _at_replacements())


async def _beside(work: Coroutine[None, None, None]) -> list[float]:
    ticker = Ticker()
    ticking = asyncio.create_task(ticker.tick())
    await work
    ticker.is_over = True
    await ticking
    return ticker.late_milliseconds


async def _beside_a_refresh(url: str) -> list[float]:
    gatherer = Gatherer(Client(Address(url), LIMITS), LIMITS.connections, 300.0)
    taker = Taker([gatherer], Plan(CATALOG, 300.0), Views(BY_NAME, ("1.2.5", "etim")))
    with contextlib.closing(Refresher(taker, Pace(10.0, 300.0))) as refresher:
        return await _beside(refresher.fresh())


async def _at_replacements() -> list[list[float]]:
    """Return how late the loop was at each replacement and a little longer, since freeing comes after it."""
    # By this clock it is long after the last refresh whenever fresh data is asked for.
    moments = [0.0]
    clock = Clock(monotonic=lambda: moments[-1])
    with contextlib.closing(Refresher(ReadyTaker(ROUNDS + 1), Pace(10.0, 1e9), clock)) as refresher:
        await refresher.fresh()

        async def replaced() -> None:
            moments.append(moments[-1] + 60.0)
            await refresher.fresh()
            await asyncio.sleep(AFTER_SECONDS)

        return [await _beside(replaced()) for _ in range(ROUNDS)]


def line(what: str, late: list[float]) -> str:
    """Return a line of the table."""
    ordered = sorted(late)
    cells = (median(ordered), ordered[int(0.99 * len(ordered))], ordered[-1])
    return f"| {what} | " + " | ".join(f"{cell:.1f} ms" for cell in cells) + " |"


def main() -> None:
    """Print a Markdown table."""
    mebibytes = int(sys.argv[1]) if sys.argv[1:] else MEBIBYTES
    # As the gateway has it.
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
    with pouring(mebibytes) as url, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        late = runner.run(measure(url))
    print("| how late the event loop was | median | p99 | longest |\n|---|---:|---:|---:|")
    print(line("beside nothing", late.quiet))
    for number, noted in enumerate(late.refreshes, 1):
        print(line(f"beside refresh {number} of {mebibytes} MiB", noted))
    for number, noted in enumerate(late.replacements, 1):
        print(line(f"beside replacement {number} of {PODS:,} pods", noted))
    for what, rounds in (("a refresh", late.refreshes), ("a replacement", late.replacements)):
        longest = median(max(noted) for noted in rounds)
        print(f"\nlongest stall of {what}, median of {ROUNDS}: {longest:.1f} ms (aim: under {AIM_MILLISECONDS:.0f} ms)")


if __name__ == "__main__":
    main()
