"""What clients of the gRPC server may take; what gRPC allows by itself is meant for clients that mean well."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc

from aggregator.server.tls import Rotation

# Of one connection, and of all: watching the health is a call, too, so that no few connections may hold all calls.
MOST_CALLS_OF_ONE = 1000
MOST_CALLS = 10_000

Handler = Callable[[Any, Any], Awaitable[bytes]]


@dataclass(frozen=True)
class GrpcTransport:
    """How the gRPC server meets the network: how many connections, TLS if `rotation` is set, and its clocks."""

    most_connections: int = 10_000
    rotation: Rotation | None = None
    # For TLS and the first frames of HTTP/2 together; gRPC's own is two minutes.
    handshake_seconds: float = 10.0
    # Without a call. Clients of ours come back every few seconds, and others connect anew without noticing.
    idle_seconds: float = 300.0
    # After silence the client is asked whether it still is there; one that is gone, or takes nothing in, is let go.
    ask_after_seconds: float = 60.0
    answer_within_seconds: float = 20.0
    # A client that takes its answers too slowly, or watches for ever, has to connect anew after this at the latest.
    # gRPC takes a tenth more or less, so that not all come back at once; its calls get the grace to finish.
    oldest_seconds: float = 600.0
    oldest_grace_seconds: float = 60.0
    # gRPC makes a copy of each answer and keeps it until the client takes it. Beyond this, calls are refused.
    untaken_bytes: int = 512 * 1024 * 1024
    # A client may ask whether we are there, but no more often: each time costs us an answer.
    pings_apart_seconds: float = 10.0


def options(transport: GrpcTransport) -> Sequence[tuple[str, int]]:
    """Return gRPC's names for all of this."""
    return (
        # Requests of this server are empty: nothing large may come in.
        ("grpc.max_receive_message_length", 64 * 1024),
        # Without these two, metadata between 8.5 and 16 KiB (a token with many roles) is refused at random.
        ("grpc.max_metadata_size", 32 * 1024),
        ("grpc.absolute_max_metadata_size", 64 * 1024),
        # Otherwise a second process could listen on the same port, and each would get half of the calls.
        ("grpc.so_reuseport", 0),
        # Many: a client that asks for more at once on one connection is not told to wait but refused.
        ("grpc.max_concurrent_streams", MOST_CALLS_OF_ONE),
        ("grpc.max_allowed_incoming_connections", transport.most_connections),
        ("grpc.server_handshake_timeout_ms", _ms(transport.handshake_seconds)),
        ("grpc.max_connection_idle_ms", _ms(transport.idle_seconds)),
        ("grpc.max_connection_age_ms", _ms(transport.oldest_seconds)),
        ("grpc.max_connection_age_grace_ms", _ms(transport.oldest_grace_seconds)),
        ("grpc.keepalive_time_ms", _ms(transport.ask_after_seconds)),
        ("grpc.keepalive_timeout_ms", _ms(transport.answer_within_seconds)),
        # The same for the questions by which gRPC measures the network; while one is open, it asks no other.
        ("grpc.http2.ping_timeout_ms", _ms(transport.answer_within_seconds)),
        # Clients that hold a connection ready may ask while it is idle, too.
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", _ms(transport.pings_apart_seconds)),
        # So many may come too early, as the network bunches them; then the connection ends with "too many pings".
        ("grpc.http2.max_ping_strikes", 2),
    )


class Untaken:
    """The answers that clients asked for and have not taken yet, by their bytes."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        # How many calls write from the same bytes, by their `id`: these calls keep them alive.
        self._writing: dict[int, int] = {}

    def bounded(self, handler: Handler) -> Handler:
        """Return the handler, refusing a call while there is no room for its answer; a single one always has room."""

        async def counted(requests: Any, context: Any) -> bytes:
            answer = await handler(requests, context)
            await self._take(len(answer), context)
            context.add_done_callback(lambda _ended: self._release(len(answer)))
            return answer

        return counted

    @asynccontextmanager
    async def shared(self, body: bytes, context: Any) -> AsyncIterator[None]:
        """Count bytes that calls write from part by part, once for all of them; refuse a call as above."""
        key = id(body)
        if key not in self._writing:
            await self._take(len(body), context)
        self._writing[key] = self._writing.get(key, 0) + 1
        try:
            yield
        finally:
            self._writing[key] -= 1
            if not self._writing[key]:
                del self._writing[key]
                self._release(len(body))

    async def _take(self, wanted_bytes: int, context: Any) -> None:
        if self._bytes and self._bytes + wanted_bytes > self._most_bytes:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many answers wait to be taken")
        self._bytes += wanted_bytes

    def _release(self, taken_bytes: int) -> None:
        self._bytes -= taken_bytes


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
