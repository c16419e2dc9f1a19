"""Event loop stalls while a refresh decodes 100 MB: python -m benchmarks.loop_stall [MEBIBYTES].

A coroutine sleeps for a millisecond at a time and records how late it wakes: first on an idle loop, then during
refreshes through the real client from a fake upstream with one large response, then while snapshots of 30,000 pods
replace one another. The idle figures are the noise of the machine.
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

from aggregator.models.catalog.default_catalog import compose_default_catalog
from aggregator.querier.prometheus.client import PrometheusClient, QueryLimits, UpstreamAddress
from aggregator.querier.prometheus.source import PrometheusSource
from aggregator.refresh.collector import CollectorConfig, SnapshotCollector, ViewSet
from aggregator.refresh.refresher import Refresher
from aggregator.refresh.schedule import Clock, RefreshSchedule
from aggregator.util.runtime import GC_THRESHOLDS, SWITCH_INTERVAL_SECONDS
from aggregator.views.renderers import RENDERERS
from benchmarks.prebuilt_snapshots import POD_COUNT, PrebuiltCollector
from benchmarks.processes import PROJECT
from demo.prometheus import stop_process

ROW_NAME = "memory_total"
DEFAULT_MEBIBYTES = 100
TICK_SECONDS = 0.001
IDLE_SECONDS = 10.0
# The replaced snapshot is freed just after the replacement.
RELEASE_SECONDS = 0.2
ROUNDS = 5
MAX_STALL_MS = 50.0
LIMITS = QueryLimits(query_timeout_seconds=120, max_response_bytes=2**30, max_connections=8)


@contextlib.contextmanager
def run_large_response_upstream(mebibytes: int) -> Iterator[str]:
    """Run the fake Prometheus while the block runs; yield its base URL."""
    (promql,) = (row.expression.text for row in compose_default_catalog() if row.name == ROW_NAME)
    command = [sys.executable, "-m", "benchmarks.large_response_upstream", promql, str(mebibytes)]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            stop_process(process)


class LoopLagSampler:
    """Records by how many milliseconds the loop is late, until it is stopped."""

    def __init__(self) -> None:
        self.lag_ms: list[float] = []
        self.is_stopped = False

    async def run(self) -> None:
        """Tick."""
        while not self.is_stopped:
            began = time.perf_counter()
            await asyncio.sleep(TICK_SECONDS)
            self.lag_ms.append(1e3 * (time.perf_counter() - began - TICK_SECONDS))


@dataclass(frozen=True)
class LoopLag:
    """The lag of the loop in milliseconds: idle, during each refresh, at each replacement."""

    idle_ms: list[float]
    refreshes_ms: list[list[float]]
    replacements_ms: list[list[float]]


async def measure_loop_lag(url: str) -> LoopLag:
    """Return the lag of the loop, in milliseconds."""
    idle_ms = await _measure_lag_during(asyncio.sleep(IDLE_SECONDS))
    refreshes_ms = [await _measure_refresh_lag(url) for _ in range(ROUNDS)]
    return LoopLag(idle_ms, refreshes_ms, await _measure_replacement_lag())


async def _measure_lag_during(work: Coroutine[None, None, None]) -> list[float]:
    sampler = LoopLagSampler()
    sampling = asyncio.create_task(sampler.run())
    await work
    sampler.is_stopped = True
    await sampling
    return sampler.lag_ms


async def _measure_refresh_lag(url: str) -> list[float]:
    source = PrometheusSource(PrometheusClient(UpstreamAddress(url), LIMITS), LIMITS.max_connections)
    config = CollectorConfig(compose_default_catalog(), max_stale_seconds=300.0, timeout_seconds=300.0)
    collector = SnapshotCollector([source], config, ViewSet(RENDERERS, ("1.2.5", "etim")))
    with contextlib.closing(Refresher(collector, RefreshSchedule(10.0, 300.0))) as refresher:
        return await _measure_lag_during(refresher.wait_for_refresh())


async def _measure_replacement_lag() -> list[list[float]]:
    """Return the lag of the loop at each replacement, and shortly after it, because freeing comes after it."""
    # By this clock every request for fresh data comes long after the last refresh.
    clock_seconds = [0.0]
    clock = Clock(monotonic=lambda: clock_seconds[-1])
    with contextlib.closing(Refresher(PrebuiltCollector(ROUNDS + 1), RefreshSchedule(10.0, 1e9), clock)) as refresher:
        await refresher.wait_for_refresh()

        async def replace_snapshot() -> None:
            clock_seconds.append(clock_seconds[-1] + 60.0)
            await refresher.wait_for_refresh()
            await asyncio.sleep(RELEASE_SECONDS)

        return [await _measure_lag_during(replace_snapshot()) for _ in range(ROUNDS)]


def render_lag_row(description: str, lag_ms: list[float]) -> str:
    """Return a line of the table."""
    ordered = sorted(lag_ms)
    cells = (median(ordered), ordered[int(0.99 * len(ordered))], ordered[-1])
    return f"| {description} | " + " | ".join(f"{cell:.1f} ms" for cell in cells) + " |"


def main() -> None:
    """Print a Markdown table."""
    mebibytes = int(sys.argv[1]) if sys.argv[1:] else DEFAULT_MEBIBYTES
    # The same tuning as in the gateway.
    sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    with run_large_response_upstream(mebibytes) as url, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        lag = runner.run(measure_loop_lag(url))
    print("| lag of the event loop | median | p99 | max |\n|---|---:|---:|---:|")
    print(render_lag_row("idle", lag.idle_ms))
    for number, lags_ms in enumerate(lag.refreshes_ms, 1):
        print(render_lag_row(f"during refresh {number} of {mebibytes} MiB", lags_ms))
    for number, lags_ms in enumerate(lag.replacements_ms, 1):
        print(render_lag_row(f"during replacement {number} of {POD_COUNT:,} pods", lags_ms))
    for description, rounds in (("a refresh", lag.refreshes_ms), ("a replacement", lag.replacements_ms)):
        max_ms = median(max(noted) for noted in rounds)
        print(
            f"\nlongest stall, {description}, median of {ROUNDS}: {max_ms:.1f} ms (target: under {MAX_STALL_MS:.0f} ms)"
        )


if __name__ == "__main__":
    main()
