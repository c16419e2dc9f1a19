"""The limits of the gRPC server: calls, connections, timeouts, and the bytes of responses that clients do not read."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc

from aggregator.server.tls import CertificateReloader
from aggregator.server.watch_service import MAX_WATCHES

# From the header of a call to its request message, which clients send at once.
REQUEST_MESSAGE_TIMEOUT_SECONDS = 5.0
# Calls that last as long as the client likes: topology streams, health watches and reflection. Watches of the topology
# have a limit of their own, because they store nothing for slow clients.
MAX_STREAMING_CALLS = 100
# A health watch is a call, too, so one connection must not be able to use up all calls.
MAX_CONCURRENT_CALLS_PER_CONNECTION = 1000
MAX_CONCURRENT_CALLS = 10_000
# How often a client may ping, as docs/network.md says.
ALLOWED_PING_INTERVAL_SECONDS = 10.0


@dataclass(frozen=True)
class GrpcServerOptions:
    """Connection limits, timeouts, and TLS if `reloader` is set."""

    max_connections: int = 10_000
    max_watches: int = MAX_WATCHES
    reloader: CertificateReloader | None = None
    # For the TLS handshake and the first HTTP/2 frames together; the default of gRPC is two minutes.
    handshake_timeout_seconds: float = 10.0
    # Without a call. Most clients call again after a few seconds; others reconnect without noticing.
    max_connection_idle_seconds: float = 300.0
    # The server pings a silent client after this time, and closes the connection without an answer to the ping.
    keepalive_time_seconds: float = 60.0
    keepalive_timeout_seconds: float = 20.0
    # Ends connections of clients that read slowly or watch forever; gRPC varies it by 10 % so that not all clients
    # reconnect at once. The calls in flight may finish within the grace period.
    max_connection_age_seconds: float = 600.0
    max_connection_age_grace_seconds: float = 60.0
    # gRPC copies each response and keeps it until the client has read it. Over this budget, calls are rejected.
    max_unread_bytes: int = 512 * 1024 * 1024
    # Of watches, which must not use up the budget of other calls. Over it, their events wait, and then the watches end.
    max_unread_watch_bytes: int = 256 * 1024 * 1024
    watch_budget_timeout_seconds: float = 30.0
    # As HTTP clients have: RequestLimits.write_timeout_seconds.
    watch_write_timeout_seconds: float = 120.0
    # Clients that ping more often are disconnected, because each ping must be answered. This is half of the interval
    # that clients may use: the network and busy machines delay some pings, so that the next one seems early.
    min_ping_interval_seconds: float = ALLOWED_PING_INTERVAL_SECONDS / 2


def build_channel_arguments(options: GrpcServerOptions) -> Sequence[tuple[str, int]]:
    """Return the channel arguments of gRPC for these limits."""
    return (
        # Requests are empty or small.
        ("grpc.max_receive_message_length", 64 * 1024),
        # Without these two, gRPC rejects metadata of 8.5 to 16 KiB (a token with many roles) at random.
        ("grpc.max_metadata_size", 32 * 1024),
        ("grpc.absolute_max_metadata_size", 64 * 1024),
        # Otherwise a second process could listen on the same port, and each would get half of the calls.
        ("grpc.so_reuseport", 0),
        # gRPC rejects calls over this limit instead of letting the client wait.
        ("grpc.max_concurrent_streams", MAX_CONCURRENT_CALLS_PER_CONNECTION),
        ("grpc.max_allowed_incoming_connections", options.max_connections),
        ("grpc.server_handshake_timeout_ms", _to_milliseconds(options.handshake_timeout_seconds)),
        ("grpc.max_connection_idle_ms", _to_milliseconds(options.max_connection_idle_seconds)),
        ("grpc.max_connection_age_ms", _to_milliseconds(options.max_connection_age_seconds)),
        ("grpc.max_connection_age_grace_ms", _to_milliseconds(options.max_connection_age_grace_seconds)),
        ("grpc.keepalive_time_ms", _to_milliseconds(options.keepalive_time_seconds)),
        ("grpc.keepalive_timeout_ms", _to_milliseconds(options.keepalive_timeout_seconds)),
        # The timeout of the pings that measure bandwidth; gRPC sends no keepalive ping while one is unanswered.
        ("grpc.http2.ping_timeout_ms", _to_milliseconds(options.keepalive_timeout_seconds)),
        # Clients that keep an idle connection open may ping it.
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", _to_milliseconds(options.min_ping_interval_seconds)),
        # The network may deliver pings in bursts: two may be early before the connection ends with "too_many_pings".
        ("grpc.http2.max_ping_strikes", 2),
    )


class UnreadBudget:
    """Limits the bytes of responses that clients have requested and not read yet.

    A single response is always accepted, however large it is.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._reserved_bytes = 0
        # The number of calls that stream the same body, by its `id`: these calls keep the body alive.
        self._streams_by_body: dict[int, int] = {}

    async def reserve(self, body: bytes, context: Any) -> None:
        """Reserve the bytes of a response until its call ends; abort the call if they exceed the budget."""
        await self._reserve(len(body), context)
        context.add_done_callback(lambda _context: self._release(len(body)))

    @asynccontextmanager
    async def reserve_shared(self, body: bytes, context: Any) -> AsyncIterator[None]:
        """Reserve the bytes of a body while the block streams it, once for all calls that stream the same body."""
        key = id(body)
        if key not in self._streams_by_body:
            await self._reserve(len(body), context)
        self._streams_by_body[key] = self._streams_by_body.get(key, 0) + 1
        try:
            yield
        finally:
            self._streams_by_body[key] -= 1
            if not self._streams_by_body[key]:
                del self._streams_by_body[key]
                self._release(len(body))

    async def _reserve(self, size_bytes: int, context: Any) -> None:
        if self._reserved_bytes and self._reserved_bytes + size_bytes > self._max_bytes:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many unread responses")
        self._reserved_bytes += size_bytes

    def _release(self, size_bytes: int) -> None:
        self._reserved_bytes -= size_bytes


class ByteSemaphore:
    """Limits the bytes that are acquired at the same time. Who needs more than are left waits, in order of arrival.

    A single caller may exceed the limit.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._acquired_bytes = 0
        self._turn = asyncio.Lock()
        self._released = asyncio.Event()

    async def acquire(self, size_bytes: int) -> None:
        """Wait until so many bytes are left, and acquire them."""
        async with self._turn:
            while self._acquired_bytes and self._acquired_bytes + size_bytes > self._max_bytes:
                self._released.clear()
                await self._released.wait()
            self._acquired_bytes += size_bytes

    def release(self, size_bytes: int) -> None:
        """Release bytes that were acquired."""
        self._acquired_bytes -= size_bytes
        self._released.set()


def _to_milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
