"""Many concurrent HTTP clients on one thread, and clients that read slowly."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.integration.stalled_readers import open_slow_connection

HOST = "127.0.0.1"
CLIENT_TIMEOUT_SECONDS = 60.0
FRESH_REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\nCache-Control: no-cache\r\nConnection: close\r\n\r\n"
PLAIN_REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


async def request_statuses(port: int, client_count: int, request: bytes) -> list[bytes]:
    """Send one request on each of `client_count` connections at once; return the status line of each response."""
    async with open_connections(port, client_count) as streams:
        for _, writer in streams:
            writer.write(request)
        reading = [asyncio.wait_for(reader.readline(), CLIENT_TIMEOUT_SECONDS) for reader, _ in streams]
        return [line.strip() for line in await asyncio.gather(*reading)]


@asynccontextmanager
async def open_connections(
    port: int, client_count: int
) -> AsyncIterator[list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]:
    """Keep `client_count` connections open while the block runs."""
    streams = await asyncio.gather(*(asyncio.open_connection(HOST, port) for _ in range(client_count)))
    try:
        yield streams
    finally:
        for _, writer in streams:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


def open_slow_reader(port: int) -> socket.socket:
    """Send a request; return its connection, which has a tiny receive buffer and does not read the response."""
    connection = open_slow_connection(port, CLIENT_TIMEOUT_SECONDS)
    connection.sendall(PLAIN_REQUEST)
    return connection
