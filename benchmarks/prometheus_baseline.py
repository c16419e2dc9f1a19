"""A baseline for refreshes: the same queries, eight at a time, with the responses discarded.

python -m benchmarks.prometheus_baseline URL catalog|legacy [SECONDS]: once, or repeatedly for that many seconds.
"""

import http.client
import json
import queue
import sys
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from aggregator.models.catalog.default_catalog import compose_default_catalog
from benchmarks.legacy_queries import LEGACY_QUERIES

CONCURRENCY = 8
QUERY_TIMEOUT_SECONDS = 60
BUFFER_BYTES = 256 * 1024


@dataclass
class ResponseCounter:
    """A sink that counts the bytes of the responses."""

    bytes_read: int = 0


def run_queries(url: str, queries: Iterable[str]) -> ResponseCounter:
    """Send all queries for one instant on persistent connections; raise RuntimeError if one fails."""
    pending: queue.SimpleQueue[str] = queue.SimpleQueue()
    for query in queries:
        pending.put(query)
    counters = [ResponseCounter() for _ in range(CONCURRENCY)]
    failures: list[str] = []
    at_seconds = time.time()

    def run_worker(counter: ResponseCounter) -> None:
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=QUERY_TIMEOUT_SECONDS)
        try:
            while True:
                _run_query(connection, pending.get_nowait(), at_seconds, counter)
        except queue.Empty:
            connection.close()
        except (OSError, http.client.HTTPException, RuntimeError) as error:
            failures.append(str(error))

    threads = [threading.Thread(target=run_worker, args=[void]) for void in counters]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise RuntimeError(failures[0])
    return ResponseCounter(sum(void.bytes_read for void in counters))


def _run_query(connection: http.client.HTTPConnection, query: str, at_seconds: float, counter: ResponseCounter) -> None:
    query_string = urlencode({"query": query, "time": f"{at_seconds:.3f}", "timeout": f"{QUERY_TIMEOUT_SECONDS}s"})
    connection.request("GET", f"/api/v1/query?{query_string}", headers={"Accept-Encoding": "identity"})
    response = connection.getresponse()
    if response.status != 200:
        raise RuntimeError(f"query {query}: {response.status} {response.read(300)!r}")
    buffer = bytearray(BUFFER_BYTES)
    while size := response.readinto(buffer):
        counter.bytes_read += size


def main(url: str, query_set: str, seconds: float) -> None:
    """Run the queries and print JSON: wall and CPU seconds of the first run, bytes, number of runs."""
    queries = LEGACY_QUERIES if query_set == "legacy" else [row.expression.text for row in compose_default_catalog()]
    began, cpu_before_seconds = time.monotonic(), time.process_time()
    counter = run_queries(url, queries)
    wall, cpu, runs = time.monotonic() - began, time.process_time() - cpu_before_seconds, 1
    while time.monotonic() - began < seconds:
        run_queries(url, queries)
        runs += 1
    print(json.dumps({"wall_seconds": wall, "cpu_seconds": cpu, "bytes": counter.bytes_read, "times": runs}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]) if len(sys.argv) > 3 else 0.0)
