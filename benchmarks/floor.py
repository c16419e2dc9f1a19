"""What Prometheus itself needs to answer: queries asked eight at a time, the answers read into the void.

python -m benchmarks.floor URL catalog|legacy [SECONDS]: once, or again and again for that long; prints what it took.
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

from aggregator.models.catalog import CATALOG
from benchmarks.legacy import QUERIES

CONCURRENCY = 8
QUERY_SECONDS = 60
PIECE_BYTES = 256 * 1024


@dataclass
class Void:
    """Where the answers go: counted in bytes, not kept."""

    bytes_read: int = 0


def ask_all(url: str, queries: Iterable[str]) -> Void:
    """Ask all the queries of one point in time, on kept connections; raise RuntimeError if one is refused."""
    waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
    for query in queries:
        waiting.put(query)
    voids = [Void() for _ in range(CONCURRENCY)]
    failures: list[str] = []
    at = time.time()

    def work(void: Void) -> None:
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=QUERY_SECONDS)
        try:
            while True:
                _ask(connection, waiting.get_nowait(), at, void)
        except queue.Empty:
            connection.close()
        except (OSError, http.client.HTTPException, RuntimeError) as error:
            failures.append(str(error))

    threads = [threading.Thread(target=work, args=[void]) for void in voids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise RuntimeError(failures[0])
    return Void(sum(void.bytes_read for void in voids))


def _ask(connection: http.client.HTTPConnection, query: str, at_seconds: float, void: Void) -> None:
    asked = urlencode({"query": query, "time": f"{at_seconds:.3f}", "timeout": f"{QUERY_SECONDS}s"})
    connection.request("GET", f"/api/v1/query?{asked}", headers={"Accept-Encoding": "identity"})
    answer = connection.getresponse()
    if answer.status != 200:
        raise RuntimeError(f"query {query}: {answer.status} {answer.read(300)!r}")
    piece = bytearray(PIECE_BYTES)
    while size := answer.readinto(piece):
        void.bytes_read += size


def main(url: str, which: str, seconds: float) -> None:
    """Ask, and print a JSON object: seconds of wall and CPU of the first time, bytes, how often."""
    queries = QUERIES if which == "legacy" else [row.ask.text for row in CATALOG]
    began, used = time.monotonic(), time.process_time()
    void = ask_all(url, queries)
    wall, cpu, times = time.monotonic() - began, time.process_time() - used, 1
    while time.monotonic() - began < seconds:
        ask_all(url, queries)
        times += 1
    print(json.dumps({"wall_seconds": wall, "cpu_seconds": cpu, "bytes": void.bytes_read, "times": times}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]) if len(sys.argv) > 3 else 0.0)
