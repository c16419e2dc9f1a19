"""Find the lines that hold the GIL during a refresh: python -m benchmarks.gil_profiler RECORDING [REFRESHES].

A sampling thread requests the GIL every millisecond. The refresh thread releases it after the current call into C code,
so its location at that moment names the call that was long. Only time counts for which the refresh thread used a CPU
while the sampling thread was runnable, so other load on the machine does not distort the result. All views are
rendered, with and without compression.
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

from aggregator.models.catalog.default_catalog import compose_default_catalog
from aggregator.observability import logs
from aggregator.querier.prometheus.source import PrometheusSource
from aggregator.refresh.collector import CollectorConfig, SnapshotCollector, ViewSet
from aggregator.refresh.snapshot import DocumentFormat, Snapshot, free_snapshots
from aggregator.util import runtime
from aggregator.util.content_coding import CONTENT_CODINGS, IDENTITY
from aggregator.views.renderers import RENDERERS
from benchmarks.cold_refresh import CONCURRENCY, REFRESH_TIMEOUT_SECONDS, open_upstream
from benchmarks.processes import PROJECT

PACKAGE_PATH = PROJECT / "aggregator"
TICK_SECONDS = 0.001
# Shorter holds are ignored; the report lists the longest ones.
MIN_HOLD_MS = 4.0
MAX_TABLE_ROWS = 30
MAX_FRAMES = 3
DEFAULT_REFRESHES = 4


class GilHoldSampler:
    """Records the location of a thread whenever it has held the GIL for long."""

    def __init__(self, thread: int) -> None:
        self._thread = thread
        self._clock = time.pthread_getcpuclockid(thread)
        self.is_stopped = False
        self.holds_ms: list[float] = []
        self.holds_by_location: dict[str, list[float]] = defaultdict(list)

    def run(self) -> None:
        """Sample until the run ends."""
        statistics = os.open(f"/proc/self/task/{threading.get_native_id()}/schedstat", os.O_RDONLY)
        while not self.is_stopped:
            queued, cpu_before_seconds, began = (
                _read_run_queue_seconds(statistics),
                time.clock_gettime(self._clock),
                time.perf_counter(),
            )
            time.sleep(TICK_SECONDS)
            lag_seconds = time.perf_counter() - began - TICK_SECONDS
            # Read immediately: a moment later the thread is elsewhere.
            location = format_location(sys._current_frames().get(self._thread))  # noqa: SLF001 - the only way to read another thread's frame
            cpu_seconds = time.clock_gettime(self._clock) - cpu_before_seconds
            hold_ms = 1e3 * max(0.0, min(lag_seconds - (_read_run_queue_seconds(statistics) - queued), cpu_seconds))
            self.holds_ms.append(hold_ms)
            if hold_ms >= MIN_HOLD_MS:
                self.holds_by_location[location].append(hold_ms)
        os.close(statistics)


def _read_run_queue_seconds(statistics: int) -> float:
    """Return the seconds that a thread has waited for a CPU so far."""
    return int(os.pread(statistics, 100, 0).split()[1]) / 1e9


def format_location(frame: FrameType | None) -> str:
    """Return the innermost line and the lines of this repository that led there."""
    lines: list[str] = []
    while frame is not None and len(lines) < MAX_FRAMES:
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(PACKAGE_PATH):
            lines.append(f"{path.relative_to(PACKAGE_PATH)}:{frame.f_lineno} {frame.f_code.co_name}")
        elif not lines:
            lines.append(f"{path.name}:{frame.f_lineno} {frame.f_code.co_name}")
        frame = frame.f_back
    return " < ".join(lines)


class RefreshRunner:
    """Refreshes like the gateway, and frees the replaced snapshot after each."""

    def __init__(self, recording: str) -> None:
        upstream, timeline = open_upstream(f"replay:{recording}#speed=max")
        self._collector = SnapshotCollector(
            [PrometheusSource(upstream, CONCURRENCY)],
            CollectorConfig(compose_default_catalog(), REFRESH_TIMEOUT_SECONDS, REFRESH_TIMEOUT_SECONDS),
            ViewSet(RENDERERS, tuple(RENDERERS)),
            timeline,
        )
        self._snapshots: list[Snapshot] = []

    def run(self, count: int) -> list[float]:
        """Run that many refreshes; return the CPU seconds of each."""
        return [self._run_once() for _ in range(count)]

    def _run_once(self) -> float:
        began = time.thread_time()
        self._snapshots.append(self._collector.collect(time.time(), time.monotonic())[0])
        self._snapshots[-1].rendered_topology.requested_formats.update(
            DocumentFormat(view, coding) for view in RENDERERS for coding in (IDENTITY, *CONTENT_CODINGS)
        )
        free_snapshots([self._snapshots.pop(0)] if len(self._snapshots) > 1 else [])
        return time.thread_time() - began

    def close(self) -> None:
        """Shut down the threads."""
        self._collector.close()


def render_hold_table(sampler: GilHoldSampler, refreshes: int) -> Iterator[str]:
    """Return the lines of a Markdown table."""
    yield "| held the interpreter | longest | mean | a refresh |"
    yield "|---|---:|---:|---:|"
    sorted_holds = sorted(sampler.holds_by_location.items(), key=lambda entry: max(entry[1]), reverse=True)
    for location, holds_ms in sorted_holds[:MAX_TABLE_ROWS]:
        yield f"| {location} | {max(holds_ms):.1f} ms | {mean(holds_ms):.1f} ms | {len(holds_ms) / refreshes:.1f} |"


def main() -> None:
    """Print the report."""
    recording, refresh_count = sys.argv[1], int(sys.argv[2]) if sys.argv[2:] else DEFAULT_REFRESHES
    logs.configure_logging("warning", "console")
    runtime.tune_interpreter()
    runner = RefreshRunner(recording)
    with ThreadPoolExecutor(1) as thread:
        sampler = GilHoldSampler(thread.submit(threading.get_ident).result())
        # The first refreshes request the views and fill the caches.
        thread.submit(runner.run, 2).result()
        running = thread.submit(runner.run, refresh_count)
        running.add_done_callback(lambda _done: setattr(sampler, "is_stopped", True))
        sampler.run()
        seconds = running.result()
    runner.close()
    print("\n".join(render_hold_table(sampler, refresh_count)))
    ordered = sorted(sampler.holds_ms)
    print(
        f"\nof all waits p99 {ordered[int(0.99 * len(ordered))]:.1f} ms; CPU of a refresh {min(seconds):.2f} s at least"
    )


if __name__ == "__main__":
    main()
