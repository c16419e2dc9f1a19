"""A recording of a fleet that no Prometheus at hand could hold: python -m benchmarks.fleet_recording NODES FILE.

Each of the catalog's queries is answered from the simulated fleet itself, host by host (`demo.promql`); what is in
memory is one host and the answers, packed. PROMETHEUS_ADDRESS='replay:FILE#speed=max' then tells what a refresh costs
without the asking. Values move from one refresh to the next, so that no refresh finds that nothing has changed.
"""

import argparse
import time
from pathlib import Path

from aggregator.recording.lines import Source
from aggregator.recording.writer import Writer
from benchmarks.upstream import CONTAINERS_PER_POD, PODS_PER_NODE
from demo.answers import SOURCE, host_by_host, record
from demo.fleet import Fleet
from demo.recording import FIRST_SECONDS

STEP_SECONDS = 10
# The quickest that still finds what repeats: a fleet of 20,000 nodes has a gigabyte of answers.
LEVEL = 3


def write(nodes: int, file: Path, refreshes: int, pods_per_node: int = PODS_PER_NODE) -> None:
    """Write a recording of so many refreshes of a fleet of that many nodes."""
    fleet = Fleet.of(nodes, pods_per_node, CONTAINERS_PER_POD, since_seconds=FIRST_SECONDS)
    with Writer(file.open("wb"), [Source(SOURCE)], FIRST_SECONDS, level=LEVEL) as writer:
        for number in range(refreshes):
            began = time.monotonic()
            at_seconds = FIRST_SECONDS + number * STEP_SECONDS
            record(writer, host_by_host(fleet, at_seconds), at_seconds)
            took = time.monotonic() - began
            print(f"refresh {number + 1} of {refreshes}: {writer.written_bytes / 1e6:.1f} MB in all, {took:.0f} s")


def main() -> None:
    """Make the recording that is asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fleet_recording", description=__doc__)
    parser.add_argument("nodes", metavar="NODES", type=int)
    parser.add_argument("file", metavar="FILE", type=Path)
    parser.add_argument("--refreshes", metavar="N", type=int, default=2, help="default: 2")
    chosen = parser.parse_args()
    write(chosen.nodes, chosen.file, chosen.refreshes)


if __name__ == "__main__":
    main()
