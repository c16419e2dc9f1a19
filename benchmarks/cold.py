"""One refresh in a process that has done nothing before: python -m benchmarks.cold ADDRESS prints what it took.

The address is the URL of a Prometheus, or replay:FILE#speed=max.
"""

import json
import resource
import sys
import time

from aggregator import process
from aggregator.models.catalog import CATALOG
from aggregator.querier.client import Address, Client, Limits
from aggregator.querier.effort import Upstream
from aggregator.querier.gather import Gatherer
from aggregator.recording.replay import Pace, Replay
from aggregator.recording.tape import Tape
from aggregator.settings.replays import replayed
from aggregator.take import PRESENT, Plan, Taker, Timeline, Views
from aggregator.views import BY_NAME

QUERY_SECONDS = 60.0
REFRESH_SECONDS = 600.0
ANSWER_BYTES = 2**30
CONCURRENCY = 8
# What the gateway makes with each snapshot when it serves HTTP and gRPC.
EAGER = ("1.2.5", "etim")


def main(address: str) -> None:
    """Take two snapshots and print a JSON object: what each took, and the most memory that there was."""
    # As the gateway sets itself up.
    process.be_quick_to_answer()
    process.be_quick_to_return_memory()
    upstream, timeline = upstream_of(address)
    gatherer = Gatherer(upstream, CONCURRENCY, REFRESH_SECONDS)
    taker = Taker([gatherer], Plan(CATALOG, REFRESH_SECONDS), Views(BY_NAME, EAGER), timeline)
    wall, cpu = take(taker)
    next_wall, next_cpu = take(taker)
    taker.close()
    said = {"wall_seconds": wall, "cpu_seconds": cpu, "next_wall_seconds": next_wall, "next_cpu_seconds": next_cpu}
    peak_mebibytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(said | {"peak_mebibytes": peak_mebibytes}))


def upstream_of(address: str) -> tuple[Upstream, Timeline]:
    """Return what answers at an address, and which moment it is there."""
    recording = replayed(address)
    if recording is None:
        return Client(Address(address), Limits(QUERY_SECONDS, ANSWER_BYTES, CONCURRENCY)), PRESENT
    tape = Tape(recording.path)
    return Replay(tape, tape.header.sources[0].name, ANSWER_BYTES), Pace(tape, recording.speed)


def take(taker: Taker) -> tuple[float, float]:
    """Take a snapshot; return the seconds of wall and CPU."""
    began, used = time.monotonic(), time.process_time()
    snapshot = taker.take(time.time(), began)[0]
    took = time.monotonic() - began, time.process_time() - used
    assert snapshot.is_complete, snapshot.gaps
    return took


if __name__ == "__main__":
    main(sys.argv[1])
