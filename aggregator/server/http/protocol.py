"""Limits of one HTTP connection in bytes and time. uvicorn has none for headers, bodies and slow readers.

This module overrides parts of uvicorn that are not documented, so `pyproject.toml` bounds its version, and
`tests/server/http/test_uvicorn_contract.py` fails when they change. docs/upstream-reports.md has the report.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from uvicorn._types import ASGI3Application
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState


@dataclass(frozen=True)
class RequestLimits:
    """The limits of one connection; the comments give the reasons."""

    # Room for a token of 16 KiB and for what proxies add.
    max_header_bytes: int = 32 * 1024
    header_timeout_seconds: float = 10.0
    # No request needs a body. A small one is read and dropped, so that the connection can be used again.
    max_body_bytes: int = 1024 * 1024
    body_timeout_seconds: float = 30.0
    # Requests that wait for their turn on a connection. Browsers do not pipeline, tools send a few dozen.
    max_pipelined_requests: int = 128
    # A topology of 10 MB in this time is 85 kB/s. The response of a slower client stays in memory for too long.
    write_timeout_seconds: float = 120.0
    # From a response to the next request on its connection.
    idle_timeout_seconds: int = 5
    # From the response to a body that is too long to the end of the connection, so that the client can read it.
    linger_seconds: float = 2.0


def build_closing_response(status: bytes, message: bytes) -> bytes:
    """Return a whole response that ends the connection, in the legacy error format."""
    body = b'{"error":"%s"}\n' % message
    head = b"content-type: application/json\r\nx-content-type-options: nosniff\r\nconnection: close\r\n"
    return b"HTTP/1.1 %s\r\n%scontent-length: %d\r\n\r\n%s" % (status, head, len(body), body)


_BAD_REQUEST_RESPONSE = build_closing_response(b"400 Bad Request", b"malformed request")
_HEADER_TOO_LARGE_RESPONSE = build_closing_response(b"431 Request Header Fields Too Large", b"header too large")
TOO_MANY_CONNECTIONS_RESPONSE = build_closing_response(b"503 Service Unavailable", b"too many connections")

# From HTTP/1.1 on, a request must have exactly one Host header (RFC 9112, 3.2).
_HTTP_VERSIONS_WITHOUT_HOST = ("0.9", "1.0")


def _has_single_host_header(headers: list[tuple[bytes, bytes]]) -> bool:
    return [name for name, _ in headers].count(b"host") == 1


class LimitedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with limits. `on_closed` is called once, when the connection is closed."""

    _header_bytes = 0
    # The size of a header that the received bytes complete is at most this.
    _header_bytes_upper_bound = 0
    _body_bytes = 0
    _is_in_header = True
    _is_discarding_input = False
    _completed_headers = 0
    # Runs while a header or a body is incomplete.
    _request_timer: asyncio.TimerHandle | None = None
    # Runs while the client does not read its response.
    _write_timer: asyncio.TimerHandle | None = None
    # The request that is being handled. uvicorn keeps the one that was received last, which may still be queued.
    _active_cycle: RequestResponseCycle | None = None

    def __init__(
        self, config: Config, state: ServerState, limits: RequestLimits, on_closed: Callable[[], None]
    ) -> None:
        super().__init__(config, state, {})
        self._limits = limits
        self._on_closed = on_closed

    def connection_made(self, transport: Any) -> None:
        """Start the timeout of the first header."""
        super().connection_made(transport)
        self._start_request_timer(self._limits.header_timeout_seconds)

    def data_received(self, data: bytes) -> None:
        """Feed the parser, and close the connection if a header or a body is too long."""
        if self._is_discarding_input:
            return
        if self._write_timer is not None and not self.transport.get_write_buffer_size():
            # The client has read the last response: its timeout must not cut off the next one.
            self._cancel_write_timer()
        was_in_header, completed_before = self._is_in_header, self._completed_headers
        self._header_bytes_upper_bound = self._header_bytes + len(data)
        super().data_received(data)
        if not self._is_in_header:
            self._count_body_bytes(data)
        elif was_in_header and self._completed_headers == completed_before:
            # Most headers arrive whole and need no timer.
            if self._request_timer is None and not self.transport.is_closing():
                self._start_request_timer(self._limits.header_timeout_seconds)
            self._header_bytes += len(data)
            if self._header_bytes > self._limits.max_header_bytes and not self.transport.is_closing():
                self.transport.write(_HEADER_TOO_LARGE_RESPONSE)
                self.transport.close()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Store a header field. Drop a trailer field, which follows the body: it must not authorize the request."""
        if self._is_in_header:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Stop the header timeout, and handle the request if it is within the limits."""
        self._is_in_header = False
        self._completed_headers += 1
        self._header_bytes = self._body_bytes = 0
        self._cancel_request_timer()
        # The parser passes an error on to uvicorn, which answers 400 and closes the connection.
        if self._header_bytes_upper_bound > self._limits.max_header_bytes and self._is_header_too_large():
            raise ValueError("header too large")
        if self.parser.get_http_version() not in _HTTP_VERSIONS_WITHOUT_HOST and not _has_single_host_header(
            self.headers
        ):
            raise ValueError("not exactly one Host header")
        if len(self.pipeline) >= self._limits.max_pipelined_requests:
            raise ValueError("too many pipelined requests")
        super().on_headers_complete()

    def _is_header_too_large(self) -> bool:
        fields_bytes = sum(len(name) + len(value) for name, value in self.headers)
        return len(self.url) + fields_bytes > self._limits.max_header_bytes

    def on_message_complete(self) -> None:
        """Expect the next header. Its timeout starts with its first byte; until then the idle timeout runs."""
        super().on_message_complete()
        self._is_in_header = True
        self._cancel_request_timer()

    def send_400_response(self, msg: str) -> None:
        """Answer malformed bytes. The response of uvicorn lacks the security headers."""
        if not self.transport.is_closing():
            self.transport.write(_BAD_REQUEST_RESPONSE)
            self.transport.close()

    def on_response_complete(self) -> None:
        """Handle the next pipelined request, or start the idle timeout.

        uvicorn resumes reading here, which would let in another flood of requests after each response. Reading
        resumes only when no request is queued.
        """
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self._unset_keepalive_if_required()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        else:
            self._start_idle_timer()
        if not self.pipeline:
            self.flow.resume_reading()

    def pause_writing(self) -> None:
        """Start the timeout for a client that does not read its response."""
        super().pause_writing()
        self._start_write_timer()

    def resume_writing(self) -> None:
        """Stop the timeout: the client has read the response."""
        super().resume_writing()
        self._cancel_write_timer()

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection, unless its client is still reading the last response."""
        if self.transport.get_write_buffer_size() and not self.transport.is_closing():
            self._start_idle_timer()
            # A response that is too small to pause writing needs the timeout, too.
            self._start_write_timer()
        else:
            super().timeout_keep_alive_handler()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop all timers, and make room for another connection."""
        self._cancel_request_timer()
        self._cancel_write_timer()
        self._unset_keepalive_if_required()
        self.pipeline.clear()
        if self._active_cycle is not None:
            # uvicorn notifies only the request that was received last.
            self._active_cycle.disconnected = True
            self._active_cycle.message_event.set()
        super().connection_lost(exc)
        self._on_closed()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._active_cycle = cycle
        super()._start_asgi_task(cycle, app)

    def _count_body_bytes(self, data: bytes) -> None:
        if self._request_timer is None:
            self._start_request_timer(self._limits.body_timeout_seconds)
        self._body_bytes += len(data)
        if self._body_bytes > self._limits.max_body_bytes:
            self._is_discarding_input = True
            self.transport.pause_reading()
            self._cancel_request_timer()
            self._start_request_timer(self._limits.linger_seconds)

    def _start_idle_timer(self) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def _start_request_timer(self, seconds: float) -> None:
        self._request_timer = self.loop.call_later(seconds, self._close_on_timeout)

    def _cancel_request_timer(self) -> None:
        if self._request_timer is not None:
            self._request_timer.cancel()
            self._request_timer = None

    def _start_write_timer(self) -> None:
        if self._write_timer is None:
            self._write_timer = self.loop.call_later(self._limits.write_timeout_seconds, self.transport.abort)

    def _cancel_write_timer(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def _close_on_timeout(self) -> None:
        self._request_timer = None
        if not self.transport.is_closing():
            self.transport.close()
