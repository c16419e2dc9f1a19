"""What one connection may take, in bytes and in time: uvicorn by itself reads, waits and keeps for ever."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from uvicorn._types import ASGI3Application
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState


@dataclass(frozen=True)
class Limits:
    """The limits, each with its reason."""

    # A token of 16 KiB and what proxies add fit in.
    header_bytes: int = 32 * 1024
    header_seconds: float = 10.0
    # No request of ours needs a body; what is little is thrown away, so that the connection can be used again.
    body_bytes: int = 1024 * 1024
    body_seconds: float = 30.0
    # Requests that were sent ahead and wait for their turn; browsers send none, tools a few dozen.
    pipelined: int = 128
    # A whole topology of 10 MB in this time is 85 kB/s; whoever is slower holds its bytes in memory meanwhile.
    taking_seconds: float = 120.0
    # Between an answer that was taken and the next request on its connection.
    idle_seconds: int = 5
    # Between the answer to a body that is too long and the end, so that a client that still sends can read it.
    linger_seconds: float = 2.0


def answer(status: bytes, text: bytes) -> bytes:
    """Return a whole answer that ends the connection, in the form of all our errors."""
    body = b'{"error":"%s"}\n' % text
    head = b"content-type: application/json\r\nx-content-type-options: nosniff\r\nconnection: close\r\n"
    return b"HTTP/1.1 %s\r\n%scontent-length: %d\r\n\r\n%s" % (status, head, len(body), body)


_MALFORMED = answer(b"400 Bad Request", b"malformed request")
_TOO_LARGE = answer(b"431 Request Header Fields Too Large", b"header too large")
TOO_MANY = answer(b"503 Service Unavailable", b"too many connections")


# The versions of HTTP that know no Host; from 1.1 on a request without, or with several, is malformed (RFC 9112, 3.2).
_WITHOUT_HOST = ("0.9", "1.0")


def _has_one_host(headers: list[tuple[bytes, bytes]]) -> bool:
    return [name for name, _ in headers].count(b"host") == 1


class LimitedProtocol(HttpToolsProtocol):
    """uvicorn's protocol on httptools, with limits; `ended` is called once when the connection is gone."""

    _header_bytes = 0
    # What a header that is complete with the bytes that just came has at most.
    _most_header_bytes = 0
    _body_bytes = 0
    _is_in_header = True
    _is_deaf = False
    _headers_seen = 0
    # While a header, or a body, is awaited; while an answer is not taken.
    _patience: asyncio.TimerHandle | None = None
    _patience_with_reader: asyncio.TimerHandle | None = None
    # Until when the next request is waited for. The timer stays when that comes, and looks anew when it rings: on a
    # connection in use it is made every few seconds, not for each request, which costs the event loop a round more.
    _idle_until: float | None = None
    _idle_timer: asyncio.TimerHandle | None = None

    # The request that is being answered, behind which others may wait.
    _under_way: RequestResponseCycle | None = None

    def __init__(self, config: Config, state: ServerState, limits: Limits, ended: Callable[[], None]) -> None:
        super().__init__(config, state, {})
        self._limits = limits
        self._ended = ended

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for the first header."""
        super().connection_made(transport)
        self._wait(self._limits.header_seconds)

    def data_received(self, data: bytes) -> None:
        """Feed the parser; give up on a header or body that is not complete after too many bytes."""
        if self._is_deaf:
            return
        if self._patience_with_reader is not None and not self.transport.get_write_buffer_size():
            # It took its last answer: the time for that must not cut off the next.
            self._stop_waiting_for_reader()
        was_in_header, headers_before = self._is_in_header, self._headers_seen
        self._most_header_bytes = self._header_bytes + len(data)
        super().data_received(data)
        if not self._is_in_header:
            self._count_body(data)
        elif was_in_header and self._headers_seen == headers_before:
            # Most headers come whole, and need no clock.
            if self._patience is None and not self.transport.is_closing():
                self._wait(self._limits.header_seconds)
            self._header_bytes += len(data)
            if self._header_bytes > self._limits.header_bytes and not self.transport.is_closing():
                self.transport.write(_TOO_LARGE)
                self.transport.close()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a field of the header; one of a trailer, behind the body, is dropped: it must not authorize anybody."""
        if self._is_in_header:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Stop the clock, and let the request be answered if it keeps the limits."""
        self._is_in_header = False
        self._headers_seen += 1
        self._header_bytes = self._body_bytes = 0
        self._stop_waiting()
        # The parser hands an error to uvicorn, which answers 400 and closes.
        if self._most_header_bytes > self._limits.header_bytes and self._is_header_too_large():
            raise ValueError("header too large")
        if self.parser.get_http_version() not in _WITHOUT_HOST and not _has_one_host(self.headers):
            raise ValueError("not one Host")
        if len(self.pipeline) >= self._limits.pipelined:
            raise ValueError("too many requests ahead")
        self._begin_request()

    def _begin_request(self) -> None:
        """Begin to answer a request whose header is there."""
        super().on_headers_complete()

    def _end_request(self) -> None:
        """Note that a request is there to its end."""
        super().on_message_complete()

    def _is_header_too_large(self) -> bool:
        fields_bytes = sum(len(name) + len(value) for name, value in self.headers)
        return len(self.url) + fields_bytes > self._limits.header_bytes

    def on_message_complete(self) -> None:
        """Be ready for the next header, whose clock begins with its first byte; keep-alive has its own."""
        self._end_request()
        self._is_in_header = True
        self._stop_waiting()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no request; uvicorn's own words would lack our headers."""
        if not self.transport.is_closing():
            self.transport.write(_MALFORMED)
            self.transport.close()

    def on_response_complete(self) -> None:
        """Answer the request that waits, or wait for one.

        Read on only when no request waits any more: each answer would let in another flood of them.
        """
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        else:
            self._wait_idle()
        if not self.pipeline:
            self.flow.resume_reading()

    def pause_writing(self) -> None:
        """Begin to wait for the client to take what it asked for."""
        super().pause_writing()
        self._wait_for_reader()

    def resume_writing(self) -> None:
        """Stop waiting: it was taken."""
        super().resume_writing()
        self._stop_waiting_for_reader()

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection, but not one whose client still takes its last answer."""
        if self.transport.get_write_buffer_size() and not self.transport.is_closing():
            self._wait_idle()
            # What is too little to have paused writing has a clock, too.
            self._wait_for_reader()
        else:
            super().timeout_keep_alive_handler()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the clocks, and make room for another."""
        self._stop_waiting()
        self._stop_waiting_for_reader()
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        self.pipeline.clear()
        if self._under_way is not None:
            # uvicorn tells only the last one that came.
            self._under_way.disconnected = True
            self._under_way.message_event.set()
        super().connection_lost(exc)
        self._ended()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._under_way = cycle
        super()._start_asgi_task(cycle, app)

    def _count_body(self, data: bytes) -> None:
        if self._patience is None:
            self._wait(self._limits.body_seconds)
        self._body_bytes += len(data)
        if self._body_bytes > self._limits.body_bytes:
            self._is_deaf = True
            self.transport.pause_reading()
            self._stop_waiting()
            self._wait(self._limits.linger_seconds)

    def _unset_keepalive_if_required(self) -> None:
        self._idle_until = None

    def _wait_idle(self) -> None:
        self._idle_until = self.loop.time() + self.timeout_keep_alive
        if self._idle_timer is None:
            self._idle_timer = self.loop.call_at(self._idle_until, self._look_idle)

    def _look_idle(self) -> None:
        self._idle_timer = None
        if self._idle_until is None:
            return
        if self._idle_until > self.loop.time():
            self._idle_timer = self.loop.call_at(self._idle_until, self._look_idle)
        else:
            self.timeout_keep_alive_handler()

    def _wait(self, seconds: float) -> None:
        self._patience = self.loop.call_later(seconds, self._give_up)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _wait_for_reader(self) -> None:
        if self._patience_with_reader is None:
            self._patience_with_reader = self.loop.call_later(self._limits.taking_seconds, self.transport.abort)

    def _stop_waiting_for_reader(self) -> None:
        if self._patience_with_reader is not None:
            self._patience_with_reader.cancel()
            self._patience_with_reader = None

    def _give_up(self) -> None:
        self._patience = None
        if not self.transport.is_closing():
            self.transport.close()
