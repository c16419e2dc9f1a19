"""The CPU time of a refresh by stage: python -m benchmarks.refresh_stages [NODES].

It explains figures that miss a target. Stages are timed one after the other on responses that are in memory, so the sum
excludes the cost of the queries, which is a row of its own.
"""

import gc
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import TypeVar

from aggregator.models.builder.build import build_topology, sort_rows_by_stage
from aggregator.models.builder.matching import EntityCache
from aggregator.models.catalog.default_catalog import compose_default_catalog
from aggregator.models.sample import Sample
from aggregator.querier.prometheus.client import PrometheusClient, QueryLimits, UpstreamAddress
from aggregator.querier.prometheus.decode import ignore_deadline
from aggregator.querier.prometheus.source import PrometheusSource
from aggregator.querier.source import RefreshBudget, StoredResponse
from aggregator.util.runtime import GC_THRESHOLDS
from aggregator.views import etim, legacy_1_2_5, legacy_2025, v1_format, v1_protobuf
from benchmarks import fleet_prometheus

ROUNDS = 3
QUERY_LIMITS = QueryLimits(query_timeout_seconds=120, max_response_bytes=2**30, max_connections=8)

_Result = TypeVar("_Result")


class StageTimer:
    """CPU seconds by stage, one entry per round."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = {}

    def measure(self, stage: str, work: Callable[[], _Result]) -> _Result:
        """Run the function and record its CPU seconds."""
        began = time.process_time()
        result = work()
        self.seconds.setdefault(stage, []).append(time.process_time() - began)
        return result


def measure_stages(url: str, timer: StageTimer) -> int:
    """Time one refresh in stages; return its number of samples."""
    rows = compose_default_catalog()
    source = PrometheusSource(PrometheusClient(UpstreamAddress(url), QUERY_LIMITS), QUERY_LIMITS.max_connections)
    results = source.collect(sort_rows_by_stage(rows), time.time(), RefreshBudget(300.0))
    stored = timer.measure(
        "query, compress and decode once", lambda: {row.name: results.wait_for_row(row).stored_response for row in rows}
    )
    source.close()
    entity_cache = EntityCache()
    samples: dict[str, list[Sample]] = timer.measure("decompress and decode", lambda: _decode_answers(stored))
    topology, _ = timer.measure(
        "place and build",
        lambda: build_topology(lambda row_name: [*samples.get(row_name, ())], rows, entity_cache=entity_cache),
    )
    timer.measure(
        "place and build again, the same series",
        lambda: build_topology(lambda row_name: [*samples.get(row_name, ())], rows, entity_cache=entity_cache),
    )
    timer.measure("view 1.2.5", lambda: legacy_1_2_5.render_legacy(topology, time.time()))
    timer.measure("view 2025 (at first need)", lambda: legacy_2025.render_legacy_2025(topology, time.time()))
    timer.measure("view etim", lambda: etim.render_etim(topology, time.time()))
    timer.measure("v1 JSON (at first need)", lambda: v1_format.render_v1_json(topology, time.time()))
    timer.measure("v1 protobuf (at first need)", lambda: v1_protobuf.render_v1_protobuf(topology, time.time()))
    timer.measure("v1 protobuf in parts (at first need)", lambda: v1_protobuf.render_v1_chunks(topology, time.time()))
    return sum(map(len, samples.values()))


def _decode_answers(stored: dict[str, StoredResponse | None]) -> dict[str, list[Sample]]:
    return {name: answer.decode(ignore_deadline).samples for name, answer in stored.items() if answer is not None}


def main() -> None:
    """Print a Markdown table of medians."""
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    nodes = int(sys.argv[1]) if sys.argv[1:] else 2000
    timer = StageTimer()
    with fleet_prometheus.run_fleet_prometheus(nodes) as url:
        counts = [measure_stages(url, timer) for _ in range(ROUNDS)]
    print(f"| stage, {nodes:,} nodes, {counts[-1]:,} samples | CPU, median of {ROUNDS} |\n|---|---:|")
    for stage, seconds in timer.seconds.items():
        print(f"| {stage} | {median(seconds):.2f} s |")


if __name__ == "__main__":
    main()
