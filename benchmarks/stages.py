"""Where the CPU time of a refresh goes, stage by stage: python -m benchmarks.stages [NODES].

It explains figures that miss an aim; it judges nothing. Stages are timed apart, one after the other, on answers that
are there already, so their sum leaves out what asking costs, which is told on its own.
"""

import gc
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import TypeVar

from aggregator.models.build import build, reading_order
from aggregator.models.catalog import CATALOG
from aggregator.models.recall import Recall
from aggregator.process import COLLECT_AFTER
from aggregator.querier.client import Address, Client, Limits
from aggregator.querier.decode import Answer, Sample
from aggregator.querier.gather import Gatherer
from aggregator.querier.packing import unpack
from aggregator.views import etim, legacy, legacy_2025, v1, v1_chunks
from benchmarks import upstream

ROUNDS = 3
LIMITS = Limits(query_seconds=120, answer_bytes=2**30, connections=8)

_Made = TypeVar("_Made")


class Stopwatch:
    """CPU seconds by stage, a list of the rounds each."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = {}

    def time(self, stage: str, work: Callable[[], _Made]) -> _Made:
        """Do the work and note what it took."""
        began = time.process_time()
        made = work()
        self.seconds.setdefault(stage, []).append(time.process_time() - began)
        return made


def measure(url: str, watch: Stopwatch) -> int:
    """Time one refresh in stages; return how many samples it had."""
    gatherer = Gatherer(Client(Address(url), LIMITS), LIMITS.connections, 300.0)
    outcomes = gatherer.gather([row.query for row in reading_order(CATALOG)], time.time())
    packed = watch.time("ask, pack and decode once", lambda: {name: outcomes[name].packed for name in outcomes})
    gatherer.close()
    recall = Recall()
    samples: dict[str, list[Sample]] = watch.time("unpack and decode", lambda: _decoded(packed))
    topology, _ = watch.time("place and build", lambda: build(samples, CATALOG, recall=recall))
    watch.time("place and build again, the same series", lambda: build(samples, CATALOG, recall=recall))
    watch.time("view 1.2.5", lambda: legacy.render(topology, time.time()))
    watch.time("view 2025 (at first need)", lambda: legacy_2025.render(topology, time.time()))
    watch.time("view etim", lambda: etim.render(topology, time.time()))
    watch.time("v1 JSON (at first need)", lambda: v1.render_json(topology, time.time()))
    watch.time("v1 protobuf (at first need)", lambda: v1.render_protobuf(topology, time.time()))
    watch.time("v1 protobuf in parts (at first need)", lambda: v1_chunks.render(topology, time.time()))
    return sum(map(len, samples.values()))


def _decoded(packed: dict[str, bytes]) -> dict[str, list[Sample]]:
    answers: dict[str, Answer] = {row.name: row.query.decode(unpack(packed[row.name])) for row in CATALOG}
    return {name: answer.samples for name, answer in answers.items()}


def main() -> None:
    """Print a Markdown table of medians."""
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
    nodes = int(sys.argv[1]) if sys.argv[1:] else 2000
    watch = Stopwatch()
    with upstream.holding(nodes) as url:
        counts = [measure(url, watch) for _ in range(ROUNDS)]
    print(f"| stage, {nodes:,} nodes, {counts[-1]:,} samples | CPU, median of {ROUNDS} |\n|---|---:|")
    for stage, seconds in watch.seconds.items():
        print(f"| {stage} | {median(seconds):.2f} s |")


if __name__ == "__main__":
    main()
