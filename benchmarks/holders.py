"""Which lines hold the interpreter while it refreshes: python -m benchmarks.holders RECORDING [REFRESHES].

A thread needs the interpreter every millisecond. A refresh that computes gives it up after the call in which it was
asked to, so where it is when the other one has it tells which call was long. What counts is the time for which the
refresh used a processor while the other thread, not waiting for one itself, waited: so other load on the machine
makes nobody a culprit. Every view is in use, plain and packed.
"""

import os
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import mean
from types import FrameType

from aggregator import logs, process
from aggregator.coding import CODINGS, IDENTITY
from aggregator.documents import Form
from aggregator.models.catalog import CATALOG
from aggregator.querier.gather import Gatherer
from aggregator.snapshot import Snapshot, let_go
from aggregator.take import Plan, Taker, Views
from aggregator.views import BY_NAME
from benchmarks.cold import CONCURRENCY, REFRESH_SECONDS, upstream_of
from benchmarks.processes import PROJECT

PACKAGE = PROJECT / "aggregator"
TICK_SECONDS = 0.001
# What is shorter is not looked at, and so many of the longest are shown.
LONG_MILLISECONDS = 4.0
SHOWN = 30
CALLERS = 3
REFRESHES = 4


class Watcher:
    """Notes where a thread is whenever it has held the interpreter for long."""

    def __init__(self, thread: int) -> None:
        self._thread = thread
        self._clock = time.pthread_getcpuclockid(thread)
        self.is_over = False
        self.waits: list[float] = []
        self.by_place: dict[str, list[float]] = defaultdict(list)

    def watch(self) -> None:
        """Watch until it is over."""
        statistics = os.open(f"/proc/self/task/{threading.get_native_id()}/schedstat", os.O_RDONLY)
        while not self.is_over:
            queued, used, began = _queued_seconds(statistics), time.clock_gettime(self._clock), time.perf_counter()
            time.sleep(TICK_SECONDS)
            late = time.perf_counter() - began - TICK_SECONDS
            # Taken at once: a moment later the thread is somewhere else.
            place = where(sys._current_frames().get(self._thread))  # noqa: SLF001 - there is no other way to see them
            worked = time.clock_gettime(self._clock) - used
            held = 1e3 * max(0.0, min(late - (_queued_seconds(statistics) - queued), worked))
            self.waits.append(held)
            if held >= LONG_MILLISECONDS:
                self.by_place[place].append(held)
        os.close(statistics)


def _queued_seconds(statistics: int) -> float:
    """Return how long a thread has waited for a processor so far."""
    return int(os.pread(statistics, 100, 0).split()[1]) / 1e9


def where(frame: FrameType | None) -> str:
    """Return the innermost line, and the lines of ours that led there."""
    lines: list[str] = []
    while frame is not None and len(lines) < CALLERS:
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(PACKAGE):
            lines.append(f"{path.relative_to(PACKAGE)}:{frame.f_lineno} {frame.f_code.co_name}")
        elif not lines:
            lines.append(f"{path.name}:{frame.f_lineno} {frame.f_code.co_name}")
        frame = frame.f_back
    return " < ".join(lines)


class Refreshes:
    """Refreshes as the gateway does them, with what they replace freed after each."""

    def __init__(self, recording: str) -> None:
        upstream, timeline = upstream_of(f"replay:{recording}#speed=max")
        gatherer = Gatherer(upstream, CONCURRENCY, REFRESH_SECONDS)
        self._taker = Taker([gatherer], Plan(CATALOG, REFRESH_SECONDS), Views(BY_NAME, tuple(BY_NAME)), timeline)
        self._shown: list[Snapshot] = []

    def several(self, times: int) -> list[float]:
        """Refresh so often; return the CPU seconds of each."""
        return [self._one() for _ in range(times)]

    def _one(self) -> float:
        began = time.thread_time()
        self._shown.append(self._taker.take(time.time(), time.monotonic())[0])
        self._shown[-1].documents.wanted.update(
            Form(view, coding) for view in BY_NAME for coding in (IDENTITY, *CODINGS)
        )
        let_go([self._shown.pop(0)] if len(self._shown) > 1 else [])
        return time.thread_time() - began

    def close(self) -> None:
        """Let go of the threads."""
        self._taker.close()


def table(watcher: Watcher, times: int) -> Iterator[str]:
    """Yield the lines of a Markdown table."""
    yield "| held the interpreter | longest | mean | a refresh |"
    yield "|---|---:|---:|---:|"
    longest_first = sorted(watcher.by_place.items(), key=lambda entry: max(entry[1]), reverse=True)
    for place, held in longest_first[:SHOWN]:
        yield f"| {place} | {max(held):.1f} ms | {mean(held):.1f} ms | {len(held) / times:.1f} |"


def main() -> None:
    """Print what was found."""
    recording, times = sys.argv[1], int(sys.argv[2]) if sys.argv[2:] else REFRESHES
    logs.configure("warning", "console")
    process.be_quick_to_answer()
    refreshes = Refreshes(recording)
    with ThreadPoolExecutor(1) as thread:
        watcher = Watcher(thread.submit(threading.get_ident).result())
        # The first ones ask for the views, and remember nothing yet.
        thread.submit(refreshes.several, 2).result()
        under_way = thread.submit(refreshes.several, times)
        under_way.add_done_callback(lambda _done: setattr(watcher, "is_over", True))
        watcher.watch()
        seconds = under_way.result()
    refreshes.close()
    print("\n".join(table(watcher, times)))
    ordered = sorted(watcher.waits)
    print(
        f"\nof all waits p99 {ordered[int(0.99 * len(ordered))]:.1f} ms; CPU of a refresh {min(seconds):.2f} s at least"
    )


if __name__ == "__main__":
    main()
