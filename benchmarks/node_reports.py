"""Let 5,000 nodes report to a scrape server every 10 seconds: python -m benchmarks.node_reports [NODES].

The reports are sent at that rate over 50 connections, in this process; the CPU time is that of the scrape server. Then
the server is killed, started again, and asked for all nodes.
"""

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path

import aiohttp
import psutil

from tests.registry.test_reports import RECORDED_BODY
from tests.scrape.scrape_process import run_scrape_process

INTERVAL_SECONDS = 10.0
ROUNDS = 3
CONNECTIONS = 50


def main(node_count: int) -> None:
    """Print CPU time and memory of the server, and how many nodes survive a kill."""
    with tempfile.TemporaryDirectory() as folder:
        with run_scrape_process(Path(folder)) as server:
            (port,) = server.ports
            asyncio.run(report_all(port, node_count, INTERVAL_SECONDS))
            process = psutil.Process(server.process.pid)
            cpu_before, start = sum(process.cpu_times()[:2]), time.perf_counter()
            for _ in range(ROUNDS):
                asyncio.run(report_all(port, node_count, INTERVAL_SECONDS))
            share = (sum(process.cpu_times()[:2]) - cpu_before) / (time.perf_counter() - start)
            print(f"{node_count} nodes every {INTERVAL_SECONDS:g} s: {100 * share:.0f} % of a core", end=", ")
            print(f"{process.memory_info().rss / 2**20:.0f} MiB")
            server.process.kill()
        (Path(folder) / "scrape.log").unlink()
        with run_scrape_process(Path(folder)) as server:
            (port,) = server.ports
            print(f"{asyncio.run(count_nodes(port))} nodes after a kill")


async def report_all(port: int, node_count: int, seconds: float) -> None:
    """Send one report of each node, spread evenly over the time."""
    body = RECORDED_BODY.read_bytes()
    start = time.perf_counter()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONNECTIONS)) as session:

        async def report(numbers: range) -> None:
            for number in numbers:
                await asyncio.sleep(start + seconds * number / node_count - time.perf_counter())
                url = f"http://127.0.0.1:{port}/discovery/nodes/node-{number}?ttl=60"
                async with session.post(url, data=body) as response:
                    assert response.status == 200, response.status

        await asyncio.gather(*(report(range(first, node_count, CONNECTIONS)) for first in range(CONNECTIONS)))


async def count_nodes(port: int) -> int:
    """Return the number of registered nodes."""
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/ui/api/nodes/") as response:
        return len(json.loads(await response.read()))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5000)
