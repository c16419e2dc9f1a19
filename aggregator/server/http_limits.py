"""What a request's header may take, in bytes and in time: uvicorn by itself reads on for ever."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LONGEST_HEADER_BYTES = 32 * 1024
SLOWEST_HEADER_SECONDS = 10.0

_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class LimitedProtocol(HttpToolsProtocol):
    """uvicorn's protocol on httptools, with a limit to the header of each request."""

    _header_bytes = 0
    _is_in_header = True
    _headers_seen = 0
    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for the first header."""
        super().connection_made(transport)
        self._wait_for_header()

    def data_received(self, data: bytes) -> None:
        """Feed the parser; give up on a header that is not complete after too many bytes."""
        was_in_header, headers_before = self._is_in_header, self._headers_seen
        if was_in_header and self._patience is None:
            self._wait_for_header()
        super().data_received(data)
        if was_in_header and self._headers_seen == headers_before:
            self._header_bytes += len(data)
            if self._header_bytes > LONGEST_HEADER_BYTES and not self.transport.is_closing():
                self.transport.write(_TOO_LARGE)
                self.transport.close()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a field of the header; one of a trailer, behind the body, is dropped: it must not authorize anybody."""
        if self._is_in_header:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Stop the clock: from here on the application decides."""
        self._is_in_header = False
        self._headers_seen += 1
        self._header_bytes = 0
        self._stop_waiting()
        fields_bytes = sum(len(name) + len(value) for name, value in self.headers)
        if len(self.url) + fields_bytes > LONGEST_HEADER_BYTES:
            # The parser hands the error to uvicorn, which answers 400 and closes.
            raise ValueError("header too large")
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Be ready for the next header, whose clock begins with its first byte; keep-alive has its own."""
        super().on_message_complete()
        self._is_in_header = True

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the clock."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait_for_header(self) -> None:
        self._patience = self.loop.call_later(SLOWEST_HEADER_SECONDS, self._give_up)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _give_up(self) -> None:
        self._patience = None
        if not self.transport.is_closing():
            self.transport.close()
