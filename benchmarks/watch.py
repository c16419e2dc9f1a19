"""Watches: how soon many idle clients get a change, and what each costs in memory.

python -m benchmarks.watch [--sse 5000] [--grpc 1000] [--nodes 50] [--refreshes 4]

The gateway replays a recording of a simulated fleet in which values change with every refresh. Each client watches the
available memory of all nodes of one cluster, so that every refresh is a change for every client. The delay is the time
from the log line of the refresh to the client. All clients are in one process beside the gateway; their time counts.
Readers of `/` and of gRPC, which call at a constant rate, are measured before the clients are there and beside them.
`--bytes URL` measures something else: the bytes of a watch of structure, and those of polling `/` every 10 seconds.
"""

import argparse
import asyncio
import contextlib
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import grpc
import psutil
import uvloop

from aggregator.pb.aggregator.v1 import topology_pb2 as pb
from benchmarks.fleet_recording import record_fleet
from benchmarks.processes import ServerProcess, build_gateway_command, run_benchmark_module, run_server

WATCH_PATH = "/api/v1/watch"
QUERY = "kind=nodes&filter=name~1&fields=available_memory_bytes"
METHOD = "/aggregator.v1.TopologyService/WatchTopology"
REFRESH_SECONDS = 10.0
# Far fewer than a connection allows.
CALLS_PER_CHANNEL = 100
OPEN_AT_ONCE = 100
SPARE_REFRESHES = 14
READS_PER_SECOND = 50.0
# Each of them has the same number of refreshes in it.
READ_SECONDS = 2 * REFRESH_SECONDS


class Receipts:
    """When each version arrived at clients."""

    def __init__(self) -> None:
        self.times: dict[str, list[float]] = {}
        self.open_count = 0

    def add(self, version: str) -> None:
        """Note that a client has a version now."""
        self.times.setdefault(version, []).append(time.time())


async def read_sse(port: int, receipts: Receipts) -> None:
    """Watch over HTTP until cancelled."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**22)
    with contextlib.closing(writer):
        writer.write(f"GET {WATCH_PATH}?{QUERY} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        receipts.open_count += 1
        while line := await reader.readline():
            if line.startswith(b"id: "):
                version = line[4:].strip().decode()
                # The data, which follows, has arrived with it.
                receipts.add(version)


async def read_grpc(channel: grpc.aio.Channel, receipts: Receipts) -> None:
    """Watch over gRPC until cancelled."""
    request = pb.WatchTopologyRequest(kind="nodes", filter="name~1")
    request.fields.paths.append("available_memory_bytes")
    watch: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(METHOD)
    receipts.open_count += 1
    async for body in watch(request.SerializeToString()):
        event = pb.WatchEvent.FromString(body)
        name = event.WhichOneof("event")
        if name in ("snapshot", "changes", "bookmark"):
            receipts.add(getattr(event, name).version)


async def run_clients(server: ServerProcess, sse_count: int, grpc_count: int, refresh_count: int) -> None:
    """Open the clients, wait for some refreshes, and print the figures."""
    process = psutil.Process(server.child.process.pid)
    await _report_readers(server, "without watches")
    idle_bytes = process.memory_info().rss
    receipts = Receipts()
    channels = [
        grpc.aio.insecure_channel(server.target, options=[("grpc.use_local_subchannel_pool", 1)])
        for _ in range(-(-grpc_count // CALLS_PER_CHANNEL))
    ]
    clients = []
    for number in range(sse_count + grpc_count):
        if number < sse_count:
            client = read_sse(server.ports.http, receipts)
        else:
            client = read_grpc(channels[(number - sse_count) // CALLS_PER_CHANNEL], receipts)
        clients.append(asyncio.ensure_future(client))
        if number % OPEN_AT_ONCE == 0:
            await asyncio.sleep(0.02)
    while sum(map(len, receipts.times.values())) < len(clients):  # noqa: ASYNC110 - simpler than an event
        await asyncio.sleep(0.1)
    open_bytes = process.memory_info().rss
    print(f"{len(clients)} watches are open; each costs {(open_bytes - idle_bytes) / 1024 / len(clients):.1f} KiB")
    first_version_count, cpu_before = len(receipts.times), server.read_cpu_seconds()
    while len(receipts.times) < first_version_count + refresh_count + 1:  # noqa: ASYNC110 - the same
        await asyncio.sleep(0.1)
    cpu_seconds = server.read_cpu_seconds() - cpu_before
    _print_delays(server, receipts, first_version_count, len(clients))
    print(f"CPU of the gateway: {cpu_seconds / refresh_count:.2f} s per refresh")
    grown_bytes = process.memory_info().rss - open_bytes
    print(f"memory after {refresh_count} refreshes: {grown_bytes / 2**20:+.1f} MiB")
    await _report_readers(server, f"beside {len(clients)} watches")
    failures = [each.exception() for each in clients if each.done()]
    if failures:
        print(f"{len(failures)} watches ended early, such as with {failures[0]!r}")
    for each in clients:
        each.cancel()
    await asyncio.gather(*clients, return_exceptions=True)
    for channel in channels:
        await channel.close()


async def _report_readers(server: ServerProcess, situation: str) -> None:
    """Print how long reads take, one kind after the other."""
    for kind, address in (("HEAD", f"127.0.0.1:{server.ports.http}"), ("grpc", server.target)):
        result: dict[str, Any] = await asyncio.to_thread(
            run_benchmark_module, "constant_rate_client", kind, address, f"{READS_PER_SECOND}", f"{READ_SECONDS}"
        )
        print(
            f"{kind} {situation}: p50 {result['p50']:.1f} ms, p99 {result['p99']:.1f} ms, max {result['max']:.1f} ms",
            flush=True,
        )


def _print_delays(server: ServerProcess, receipts: Receipts, first_version_count: int, client_count: int) -> None:
    refresh_times = [datetime.fromisoformat(event["timestamp"]).timestamp() for event in server.read_refresh_events()]
    # The last version may still be on its way.
    for version, times in list(receipts.times.items())[first_version_count:-1]:
        started = max((each for each in refresh_times if each <= times[0]), default=times[0])
        ordered = sorted(each - started for each in times)
        missed = client_count - len(times)
        print(
            f"version {version[:8]}: first {ordered[0]:.3f} s, median {ordered[len(ordered) // 2]:.3f} s,"
            f" last {ordered[-1]:.3f} s after the refresh; {missed} clients had no event"
        )


def measure_bytes(url: str, seconds: float) -> None:
    """Print the bytes of a watch of structure without its snapshot, and those of polling `/`."""
    with urllib.request.urlopen(f"{url}/") as response:  # noqa: S310 - the address that the user gave
        poll_bytes = len(response.read())
    watched_bytes, snapshot_bytes = 0, 0
    deadline = time.monotonic() + seconds
    with urllib.request.urlopen(f"{url}{WATCH_PATH}?changes=structure", timeout=60) as response:  # noqa: S310 - the same
        name = b""
        while time.monotonic() < deadline:
            line = response.readline()
            name = line[7:].strip() if line.startswith(b"event: ") else name
            if name == b"snapshot":
                snapshot_bytes += len(line)
            else:
                watched_bytes += len(line)
    polled_bytes = poll_bytes * seconds / 10
    print(f"in {seconds:.0f} s: a watch of structure {watched_bytes} bytes, after a snapshot of {snapshot_bytes}")
    print(f"polling / every 10 s: {polled_bytes:.0f} bytes; the watch is {100 * watched_bytes / polled_bytes:.2f} %")


def main(arguments: Sequence[str]) -> None:
    """Measure what the options ask for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.watch", description=__doc__)
    parser.add_argument("--sse", type=int, default=5000)
    parser.add_argument("--grpc", type=int, default=1000)
    parser.add_argument("--nodes", type=int, default=50)
    parser.add_argument("--refreshes", type=int, default=4)
    parser.add_argument("--bytes", metavar="URL")
    parser.add_argument("--seconds", type=float, default=120.0, help="for --bytes")
    options = parser.parse_args(arguments)
    if options.bytes:
        measure_bytes(options.bytes, options.seconds)
        return
    with tempfile.TemporaryDirectory(prefix="aggregator-benchmarks-") as folder:
        recording = Path(folder) / "fleet.recording"
        # While the clients connect, the gateway refreshes, too. A version must not recur.
        record_fleet(options.nodes, recording, refreshes=options.refreshes + SPARE_REFRESHES)
        command = build_gateway_command(
            f"replay:{recording}#speed=max", REFRESH_INTERVAL=str(REFRESH_SECONDS), MAX_STALE="600"
        )
        with run_server(command) as server:
            server.wait_for_refreshes(2)
            runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
            with runner:
                runner.run(run_clients(server, options.sse, options.grpc, options.refreshes))


if __name__ == "__main__":
    main(sys.argv[1:])
