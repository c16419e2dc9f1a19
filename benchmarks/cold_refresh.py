"""The first two refreshes of a new process: python -m benchmarks.cold_refresh ADDRESS.

ADDRESS is the URL of a Prometheus, or replay:FILE#speed=max.
"""

import json
import resource
import sys
import time

from aggregator.models.catalog.default_catalog import compose_default_catalog
from aggregator.observability.logs import configure_logging
from aggregator.querier.prometheus.client import PrometheusClient, QueryLimits, UpstreamAddress
from aggregator.querier.prometheus.source import PrometheusSource, Upstream
from aggregator.querier.recording.replay import RecordingReader, ReplayClock, ReplayUpstream
from aggregator.querier.source import WALL_CLOCK, SourceClock
from aggregator.refresh.collector import CollectorConfig, SnapshotCollector, ViewSet
from aggregator.settings.upstream import parse_replay_target
from aggregator.util import runtime
from aggregator.views.renderers import RENDERERS

QUERY_TIMEOUT_SECONDS = 60.0
REFRESH_TIMEOUT_SECONDS = 600.0
MAX_RESPONSE_BYTES = 2**30
CONCURRENCY = 8
# The views that the gateway renders with each snapshot when it serves HTTP and gRPC.
EAGER_VIEWS = ("1.2.5", "etim")


def main(address: str) -> None:
    """Collect two snapshots and print JSON: the seconds of each, and the peak memory."""
    # The same log level and tuning as in the gateway.
    configure_logging("info", None)
    runtime.tune_interpreter()
    runtime.tune_malloc()
    upstream, timeline = open_upstream(address)
    collector = SnapshotCollector(
        [PrometheusSource(upstream, CONCURRENCY)],
        CollectorConfig(compose_default_catalog(), REFRESH_TIMEOUT_SECONDS, REFRESH_TIMEOUT_SECONDS),
        ViewSet(RENDERERS, EAGER_VIEWS),
        timeline,
    )
    wall, cpu = measure_collection(collector)
    next_wall, next_cpu = measure_collection(collector)
    collector.close()
    result = {"wall_seconds": wall, "cpu_seconds": cpu, "next_wall_seconds": next_wall, "next_cpu_seconds": next_cpu}
    peak_mebibytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(result | {"peak_mebibytes": peak_mebibytes}))


def open_upstream(address: str) -> tuple[Upstream, SourceClock]:
    """Return the upstream at an address, and its clock."""
    recording = parse_replay_target(address)
    if recording is None:
        return PrometheusClient(
            UpstreamAddress(address), QueryLimits(QUERY_TIMEOUT_SECONDS, MAX_RESPONSE_BYTES, CONCURRENCY)
        ), WALL_CLOCK
    reader = RecordingReader(recording.path)
    return ReplayUpstream(reader, reader.header.sources[0].name, MAX_RESPONSE_BYTES), ReplayClock(
        reader, recording.speed
    )


def measure_collection(collector: SnapshotCollector) -> tuple[float, float]:
    """Collect a snapshot; return wall and CPU seconds."""
    began, cpu_before_seconds = time.monotonic(), time.process_time()
    snapshot = collector.collect(time.time(), began)[0]
    durations = time.monotonic() - began, time.process_time() - cpu_before_seconds
    assert snapshot.is_complete, snapshot.gaps
    return durations


if __name__ == "__main__":
    main(sys.argv[1])
