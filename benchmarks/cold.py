"""One refresh in a process that has done nothing before: python -m benchmarks.cold URL prints what it took."""

import gc
import json
import sys
import time

from aggregator import process
from aggregator.models.catalog import CATALOG
from aggregator.querier.client import Address, Client, Limits
from aggregator.querier.gather import Gatherer
from aggregator.take import Plan, Taker, Views
from aggregator.views import BY_NAME

QUERY_SECONDS = 60.0
REFRESH_SECONDS = 120.0
CONCURRENCY = 8
# What the gateway makes with each snapshot when it serves HTTP and gRPC.
EAGER = ("1.2.5", "etim")


def main(url: str) -> None:
    """Take two snapshots and print a JSON object: seconds of wall and CPU of the first, CPU of the second."""
    # As the gateway sets itself up.
    sys.setswitchinterval(process.SWITCH_SECONDS)
    gc.freeze()
    gc.set_threshold(*process.COLLECT_AFTER)
    client = Client(Address(url), Limits(QUERY_SECONDS, 2**30, CONCURRENCY))
    gatherer = Gatherer(client, CONCURRENCY, REFRESH_SECONDS)
    taker = Taker([gatherer], Plan(CATALOG, REFRESH_SECONDS), Views(BY_NAME, EAGER))
    wall, cpu = take(taker)
    _, next_cpu = take(taker)
    taker.close()
    print(json.dumps({"wall_seconds": wall, "cpu_seconds": cpu, "next_cpu_seconds": next_cpu}))


def take(taker: Taker) -> tuple[float, float]:
    """Take a snapshot; return the seconds of wall and CPU."""
    began, used = time.monotonic(), time.process_time()
    snapshot = taker.take(time.time(), began)[0]
    took = time.monotonic() - began, time.process_time() - used
    assert snapshot.is_complete, snapshot.gaps
    return took


if __name__ == "__main__":
    main(sys.argv[1])
