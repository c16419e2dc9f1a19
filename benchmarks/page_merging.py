"""Merge the pages of many targets: python -m benchmarks.page_merging [TARGETS]."""

import resource
import sys
import time
from collections.abc import Iterator
from itertools import pairwise

from prometheus_client.parser import text_string_to_metric_families

from aggregator.exposition.merge import PageMerger
from aggregator.exposition.page import PageLimits
from aggregator.exposition.parse import parse_page
from aggregator.exposition.relabel import relabel
from aggregator.exposition.write import write_families

FAMILIES_PER_PAGE = 60
SAMPLES_PER_FAMILY = 12
SAMPLES_PER_PAGE = FAMILIES_PER_PAGE * SAMPLES_PER_FAMILY


def main(target_count: int) -> None:
    """Print the time of each step, and that of the parser of prometheus_client for one page."""
    page = "".join(iter_page_lines())
    clock = time.perf_counter
    seconds = dict.fromkeys(("read", "relabel", "merge", "write"), 0.0)
    merger = PageMerger()
    for number in range(target_count):
        times = [clock()]
        parsed = parse_page(page.encode(), PageLimits())
        times.append(clock())
        relabeled = relabel(parsed, {"instance": f"host{number}:9100", "job": "node", "cluster": "c1"})
        times.append(clock())
        merger.add(relabeled)
        times.append(clock())
        for step, (start, end) in zip(seconds, pairwise(times), strict=False):
            seconds[step] += end - start
    start = clock()
    merged = merger.finish()
    end = clock()
    written = write_families(merged.families)
    seconds["merge"] += end - start
    seconds["write"] = clock() - end

    sample_count = target_count * SAMPLES_PER_PAGE
    for step, duration in seconds.items():
        print(f"{step}: {duration:.2f} s, {duration / sample_count * 1e6:.2f} µs per sample")
    total = sum(seconds.values())
    print(f"{target_count} pages of {SAMPLES_PER_PAGE} samples, {len(written) / 1e6:.0f} MB: {total:.2f} s", end=", ")
    print(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MiB at most")
    start = clock()
    judged_count = sum(len(family.samples) for family in text_string_to_metric_families(page))
    duration = clock() - start
    print(f"prometheus_client reads {duration / judged_count * 1e6:.2f} µs per sample")


def iter_page_lines() -> Iterator[str]:
    """Yield the lines of a page with the proportions of node_exporter."""
    for number in range(FAMILIES_PER_PAGE):
        name = f"node_metric_{number}_bytes_total"
        yield f"# HELP {name} Help text of {number}.\n# TYPE {name} counter\n"
        for device in range(SAMPLES_PER_FAMILY):
            labels = f'device="eth{device}",mode="user",path="/var/lib/{device}"'
            yield f"{name}{{{labels}}} {1234567.5 * device + number}\n"


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
