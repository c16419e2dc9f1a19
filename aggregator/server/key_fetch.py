"""Gets a small JSON document from an issuer: one request within bounds of time and bytes, no redirects, no proxies.

It is asyncio's own connection with httptools as the parser, so that one time limit ends everything: the look-up
of the name, the handshake, an answer that trickles. docs/decisions/0008-keys-of-issuers.md has the reasons.
"""

import asyncio
import ssl
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

import httptools

from aggregator import __version__
from aggregator.errors import KeySetError

LARGEST_ANSWER_BYTES = 2**20
WITHIN_SECONDS = 5.0
_PIECE_BYTES = 64 * 1024


@dataclass(frozen=True)
class Fetching:
    """How documents are got: which certificates are believed (None: the system's), and what one may take."""

    ca_file: str | None = None
    within_seconds: float = WITHIN_SECONDS
    largest_bytes: int = LARGEST_ANSWER_BYTES

    async def get(self, url: str) -> bytes:
        """Return the body of a 200; raise KeySetError, whose reason is a constant word, for anything else."""
        try:
            async with asyncio.timeout(self.within_seconds):
                return await self._exchange(urlsplit(url))
        except TimeoutError:
            raise KeySetError("too slow") from None
        except ssl.SSLError:
            raise KeySetError("certificate") from None
        except (OSError, UnicodeError):
            raise KeySetError("unreachable") from None
        except httptools.HttpParserError:
            raise KeySetError("no HTTP") from None

    async def _exchange(self, url: SplitResult) -> bytes:
        context = await self._context() if url.scheme == "https" else None
        port = url.port or (443 if context else 80)
        reader, writer = await asyncio.open_connection(url.hostname, port, ssl=context)
        try:
            writer.write(_request(url))
            answer = _Answer(self.largest_bytes)
            while not answer.is_whole and (piece := await reader.read(_PIECE_BYTES)):
                answer.feed(piece)
            return answer.body()
        finally:
            # Not waited for: nothing more is wanted from the other side.
            writer.transport.abort()

    async def _context(self) -> ssl.SSLContext:
        """Return what checks certificates: read anew, so that a new file counts, on a thread, for it takes a while."""
        try:
            return await asyncio.to_thread(ssl.create_default_context, cafile=self.ca_file)
        except OSError:
            raise KeySetError("certificate") from None


def _request(url: SplitResult) -> bytes:
    host = url.netloc.rpartition("@")[2]
    path = (url.path or "/") + (f"?{url.query}" if url.query else "")
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: {host}",
        "Accept: application/json",
        "Accept-Encoding: identity",
        f"User-Agent: aggregator/{__version__}",
        "Connection: close",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")


class _Answer:
    """An HTTP answer that is being received; the names of the callbacks are httptools'."""

    def __init__(self, largest_bytes: int) -> None:
        self.is_whole = False
        self._left_bytes = largest_bytes
        self._pieces: list[bytes] = []
        self._parser = httptools.HttpResponseParser(self)
        self._has_header = False
        self._ends_by_closing = True

    def feed(self, data: bytes) -> None:
        """Take what came; headers count as well as the body."""
        self._left_bytes -= len(data)
        if self._left_bytes < 0:
            raise KeySetError("too large")
        self._parser.feed_data(data)

    def body(self) -> bytes:
        """Return the body, once all is there or the other side has closed."""
        status = self._parser.get_status_code()
        if 300 <= status < 400:
            raise KeySetError("redirect")
        if status and status != 200:
            raise KeySetError("status")
        if not self.is_whole and not (self._has_header and self._ends_by_closing):
            raise KeySetError("broke off")
        return b"".join(self._pieces)

    def on_header(self, name: bytes, _value: bytes) -> None:
        """See whether the answer tells its own length."""
        if name.lower() in (b"content-length", b"transfer-encoding"):
            self._ends_by_closing = False

    def on_headers_complete(self) -> None:
        """Know that the status and all headers are there."""
        self._has_header = True

    def on_body(self, piece: bytes) -> None:
        """Keep a piece of the body."""
        self._pieces.append(piece)

    def on_message_complete(self) -> None:
        """Know that this was all."""
        self.is_whole = True
