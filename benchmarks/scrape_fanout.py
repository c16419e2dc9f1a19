"""Scrape 1,000 agents through a scrape server: python -m benchmarks.scrape_fanout [AGENTS].

A child process serves all agents, on one port of as many loopback addresses, and the scrape server is another process.
First all agents are well; then a part of them hangs, refuses connections, or answers garbage, or packed data that
unpacks to 100 MB. Meanwhile, another client asks for /healthz all the time; its longest wait is that of the event loop.
"""

import asyncio
import gzip
import http.client
import multiprocessing
import re
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import psutil

from benchmarks.page_merging import iter_page_lines
from tests.scrape.scrape_process import run_scrape_process

TIMEOUT_SECONDS = 10
ROUNDS = 5
# Of all agents, in this order.
HANGING, GARBAGE, BOMBS, REFUSING = 50, 20, 5, 50
REFUSING_PORT = 9
BOMB_BYTES = 100_000_000


def main(agent_count: int) -> None:
    """Print the results of both parts."""
    for is_faulty in (False, True):
        # On all loopback addresses.
        listener = socket.create_server(("0.0.0.0", 0), backlog=2000)  # noqa: S104 - see above
        port = listener.getsockname()[1]
        agents = multiprocessing.Process(target=_run_agents, args=(listener, is_faulty), daemon=True)
        agents.start()
        with tempfile.TemporaryDirectory() as folder:
            print("with faulty agents:" if is_faulty else "all agents are well:")
            measure(Path(folder), port, agent_count, is_faulty=is_faulty)
        agents.kill()
        agents.join()
        listener.close()


def measure(folder: Path, agent_port: int, agent_count: int, *, is_faulty: bool) -> None:
    """Print the times, the memory and the failures of some scrapes."""
    first_refusing = HANGING + GARBAGE + BOMBS
    entries = [
        f"{encode_address(number)}:{REFUSING_PORT if is_refusing else agent_port}"
        for number in range(agent_count)
        for is_refusing in [is_faulty and first_refusing <= number < first_refusing + REFUSING]
    ]
    (folder / "agents.yaml").write_text("server-ips:\n" + "".join(f"- {entry}\n" for entry in entries))
    with run_scrape_process(folder, LEGACY_METRICS="off", SCRAPE_REUSE="0") as server:
        (port,) = server.ports
        process = psutil.Process(server.process.pid)
        first_seconds, _ = scrape(port)
        cpu_before = sum(process.cpu_times()[:2])
        results = [scrape(port) for _ in range(ROUNDS)]
        cpu_seconds = (sum(process.cpu_times()[:2]) - cpu_before) / ROUNDS
        with probe_latency(port) as latencies:
            scrape(port)
        peak_mib = process.memory_info().rss / 2**20
    body = results[-1][1]
    reasons = re.findall(r'^aggregator_scrape_target_error\{.*reason="(\w+)"', body, re.MULTILINE)
    print(f"  {median(seconds for seconds, _ in results):.2f} s (median of {ROUNDS}), first {first_seconds:.2f} s")
    print(f"  {cpu_seconds:.2f} s of CPU time")
    print(f"  {len(body) / 1e6:.0f} MB, {peak_mib:.0f} MiB resident")
    print(f"  longest wait for /healthz {1000 * max(latencies):.0f} ms, median {1000 * median(latencies):.1f} ms")
    print(
        f"  up {len(re.findall(r'^up[{].* 1$', body, re.MULTILINE))}, failed",
        {r: reasons.count(r) for r in set(reasons)},
    )


def scrape(port: int) -> tuple[float, str]:
    """Return the duration and the page of one scrape."""
    start = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/metrics", headers={"X-Prometheus-Scrape-Timeout-Seconds": str(TIMEOUT_SECONDS)})
    body = connection.getresponse().read()
    seconds = time.perf_counter() - start
    connection.close()
    return seconds, body.decode()


@contextmanager
def probe_latency(port: int) -> Iterator[list[float]]:
    """Ask for /healthz while the block runs; yield the list of durations."""
    latencies: list[float] = []
    is_done = threading.Event()

    def probe() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        while not is_done.is_set():
            start = time.perf_counter()
            connection.request("GET", "/healthz")
            connection.getresponse().read()
            latencies.append(time.perf_counter() - start)
            time.sleep(0.001)
        connection.close()

    thread = threading.Thread(target=probe)
    thread.start()
    yield latencies
    is_done.set()
    thread.join()


def _run_agents(listener: socket.socket, is_faulty: bool) -> None:
    asyncio.run(serve_agents(listener, is_faulty=is_faulty))


async def serve_agents(listener: socket.socket, *, is_faulty: bool) -> None:
    """Serve all agents until the process is killed."""
    page = _build_response("".join(iter_page_lines()).encode())
    garbage = _build_response(b"a 1\n{{{\n")
    bomb = _build_response(gzip.compress(bytes(BOMB_BYTES)), "Content-Encoding: gzip")

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = decode_address(writer.get_extra_info("sockname")[0])
        while await reader.readuntil(b"\r\n\r\n"):
            if is_faulty and number < HANGING:
                await asyncio.sleep(3600)
            is_garbage, is_bomb = number < HANGING + GARBAGE, number < HANGING + GARBAGE + BOMBS
            writer.write((garbage if is_garbage else bomb) if is_faulty and is_bomb else page)
            await writer.drain()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await answer(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(handle, sock=listener)
    await server.serve_forever()


def _build_response(body: bytes, *headers: str) -> bytes:
    head = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", "Content-Type: text/plain; version=0.0.4", *headers]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def encode_address(number: int) -> str:
    """Return the loopback address of an agent."""
    return f"127.1.{number // 250}.{number % 250 + 1}"


def decode_address(address: str) -> int:
    """Return the number of the agent at a loopback address."""
    _, _, third, fourth = map(int, address.split("."))
    return third * 250 + fourth - 1


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
