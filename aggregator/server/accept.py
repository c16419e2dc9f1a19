"""Connections, taken from a listening socket one by one and counted, also while they are still in a TLS handshake.

The event loop's own server would take any number of them, and give its socket up for good when the process has no
descriptor left for one.
"""

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass

from aggregator.logs import logger

# Taken in one turn of the event loop, so that a flood of connections leaves it time for those that there are.
MOST_AT_ONCE = 64
# How long to wait when there is no descriptor or memory for one more; those that wait keep their place in the backlog.
PAUSE_SECONDS = 0.2
# The same shortage is told no more often.
TELL_SECONDS = 60.0
SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

_log = logger(__name__)


@dataclass(frozen=True)
class Doors:
    """Who comes in: how many at once, through which handshake, and what the others are told, b"" for nothing."""

    most_connections: int
    refusal: bytes = b""
    context: ssl.SSLContext | None = None
    handshake_seconds: float = 10.0


class Acceptor:
    """Takes connections and gives each to a protocol, which `make` makes around what to call when it has ended."""

    def __init__(
        self, listener: socket.socket, doors: Doors, make: Callable[[Callable[[], None]], asyncio.Protocol]
    ) -> None:
        self._listener = listener
        self._doors = doors
        self._make = make
        self._open: set[object] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._paused: asyncio.TimerHandle | None = None
        self._told_at: dict[str, float] = {}

    def start(self) -> None:
        """Begin to take connections."""
        self._listener.setblocking(False)
        asyncio.get_running_loop().add_reader(self._listener.fileno(), self._take_some)

    def stop(self) -> None:
        """Take no more; whoever waits is refused by the system."""
        if self._paused is not None:
            self._paused.cancel()
        if self._listener.fileno() != -1:
            asyncio.get_running_loop().remove_reader(self._listener.fileno())
            self._listener.close()

    def _take_some(self) -> None:
        for _ in range(MOST_AT_ONCE):
            try:
                connection, _address = self._listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in SHORTAGES:
                    self._pause(error)
                    return
                # The client is gone again: that is not our trouble.
                continue
            if len(self._open) < self._doors.most_connections:
                self._take(connection)
            else:
                self._refuse(connection)

    def _take(self, connection: socket.socket) -> None:
        place = object()
        self._open.add(place)
        task = asyncio.get_running_loop().create_task(self._connect(connection, place))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, connection: socket.socket, place: object) -> None:
        loop, doors = asyncio.get_running_loop(), self._doors

        def protocol() -> asyncio.Protocol:
            return self._make(lambda: self._open.discard(place))

        try:
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if doors.context is None:
                await loop.connect_accepted_socket(protocol, connection)
            else:
                await loop.connect_accepted_socket(
                    protocol, connection, ssl=doors.context, ssl_handshake_timeout=doors.handshake_seconds
                )
        except (OSError, asyncio.CancelledError):
            # No handshake in time, or none that was good: any stranger can cause it, so that the log is spared.
            self._open.discard(place)
            connection.close()

    def _refuse(self, connection: socket.socket) -> None:
        with connection:
            self._tell("too many connections, more are refused", most=self._doors.most_connections)
            try:
                connection.setblocking(False)
                if self._doors.refusal:
                    connection.send(self._doors.refusal)
            except OSError:
                # Whoever is refused may have gone already.
                return

    def _pause(self, error: OSError) -> None:
        loop = asyncio.get_running_loop()
        self._tell("connections have to wait", reason=error.strerror)
        loop.remove_reader(self._listener.fileno())
        self._paused = loop.call_later(PAUSE_SECONDS, self.start)

    def _tell(self, event: str, **fields: object) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._told_at.get(event, -TELL_SECONDS) >= TELL_SECONDS:
            self._told_at[event] = now
            _log.warning(event, **fields)
