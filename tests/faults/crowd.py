"""Many clients at once, on one thread: they ask, and read as fast or as slowly as they are told."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

HOST = "127.0.0.1"
SECONDS = 60.0
FRESH = b"GET / HTTP/1.1\r\nHost: x\r\nCache-Control: no-cache\r\nConnection: close\r\n\r\n"
PLAIN = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
SMALL_BYTES = 4096


async def statuses(port: int, clients: int, request: bytes) -> list[bytes]:
    """Send one request on each of so many connections at once; return the first line of each answer."""
    async with connected(port, clients) as streams:
        for _, writer in streams:
            writer.write(request)
        reading = [asyncio.wait_for(reader.readline(), SECONDS) for reader, _ in streams]
        return [line.strip() for line in await asyncio.gather(*reading)]


@asynccontextmanager
async def connected(port: int, clients: int) -> AsyncIterator[list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]:
    """Hold so many connections while the block runs."""
    streams = await asyncio.gather(*(asyncio.open_connection(HOST, port) for _ in range(clients)))
    try:
        yield streams
    finally:
        for _, writer in streams:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


def slow_reader(port: int) -> socket.socket:
    """Return a connection that has asked, and that takes in next to nothing unless it is read."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BYTES)
    made.settimeout(SECONDS)
    made.connect((HOST, port))
    made.sendall(PLAIN)
    return made
