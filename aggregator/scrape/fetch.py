"""Fetches one page from one target: bounded in time and bytes, without redirects, proxies and cookies."""

import asyncio
import socket
import ssl
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import TracebackType
from typing import Self

import aiohttp
from yarl import URL

from aggregator import __version__
from aggregator.errors import AggregatorError
from aggregator.scrape.guard import AddressGuard, AddressNotAllowedError
from aggregator.scrape.slots import FetchSlots

TEXT_ACCEPT = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.9,text/plain;q=0.3"
JSON_ACCEPT = "application/json"
USER_AGENT = f"aggregator-scrape/{__version__}"
MAX_HEADER_LINE_BYTES = 8190
# Idle connections are kept over the usual scrape intervals.
_KEEPALIVE_SECONDS = 75.0
_GZIP_WINDOW_BITS = 31
_MAX_UNPACKED_PART_BYTES = 1024 * 1024


class FailureReason(StrEnum):
    """Why a target has no page; the values are those of the label `reason`."""

    DEADLINE = "deadline"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    NAME = "name"
    NOT_ALLOWED = "not_allowed"
    TLS = "tls"
    STATUS = "status"
    NOT_TEXT = "not_text"
    TOO_LARGE = "too_large"
    MALFORMED = "malformed"
    EXPIRED = "expired"
    INVALID_ADDRESS = "invalid_address"
    INVALID_OPTION = "invalid_option"


class ScrapeError(AggregatorError):
    """A target has no usable page. `reason` is constant, the text is for people.

    `status` is the HTTP status that is the reason, 0 for any other reason. `is_hanging` means that the target did not
    answer in time; the page of another one may also be too much to be read in time.
    """

    def __init__(self, reason: FailureReason, detail: str, status: int = 0, *, is_hanging: bool = False) -> None:
        super().__init__(detail)
        self.reason = reason
        self.status = status
        self.is_hanging = is_hanging

    def without_traceback(self) -> Self:
        """Return the error alone, to be kept: the frames of its traceback have the body of the response.

        They also have the task whose result the error is. Until that cycle is found, it has megabytes.
        """
        self.__context__ = None
        return self.with_traceback(None)


@dataclass(frozen=True)
class FetchRequest:
    """What to fetch: a URL, the headers, and the method."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    accept: str = TEXT_ACCEPT
    method: str = "GET"
    verifies_tls: bool = True
    # With its own CA, such as that of a service account.
    ssl_context: ssl.SSLContext | None = None


@dataclass(frozen=True)
class FetchedPage:
    """The body of a response, unpacked, with its status and content type."""

    status: int
    body: bytes
    content_type: str


class PageFetcher:
    """Fetches pages from targets, over connections that are kept open between scrapes."""

    def __init__(
        self,
        guard: AddressGuard,
        max_bytes: int,
        concurrency: int = 256,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._guard = guard
        self._max_bytes = max_bytes
        self._slots = FetchSlots(concurrency)
        self._ssl_context = ssl_context
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0,
                keepalive_timeout=_KEEPALIVE_SECONDS,
                socket_factory=self._guard.create_socket,
                family=socket.AF_UNSPEC,
                ssl=self._ssl_context or True,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            # The fetcher unpacks by itself, with a limit.
            auto_decompress=False,
            trust_env=False,
            # The deadline is that of the caller.
            timeout=aiohttp.ClientTimeout(total=None),
            headers={"User-Agent": USER_AGENT, "Accept-Encoding": "gzip"},
            max_line_size=MAX_HEADER_LINE_BYTES,
            max_field_size=MAX_HEADER_LINE_BYTES,
        )
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def fetch(self, request: FetchRequest, timeout_seconds: float) -> FetchedPage:
        """Return the page of a target; raise ScrapeError if there is none with a status from 200 to 299."""
        page = await self.fetch_any_status(request, timeout_seconds)
        if not 200 <= page.status < 300:
            raise ScrapeError(FailureReason.STATUS, f"HTTP status {page.status}", page.status)
        return page

    async def fetch_any_status(self, request: FetchRequest, timeout_seconds: float) -> FetchedPage:
        """Return the response of a target with any status; raise ScrapeError if there is none."""
        try:
            async with asyncio.timeout(max(timeout_seconds, 0)) as limit:
                async with self._slots.hold(limit):
                    return await self._fetch_page(request)
        except TimeoutError:
            detail = f"no complete answer within {timeout_seconds:.3g} s"
            raise ScrapeError(FailureReason.DEADLINE, detail, is_hanging=True) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _classify_error(error) from None

    async def _fetch_page(self, request: FetchRequest) -> FetchedPage:
        assert self._session is not None, "the fetcher is open"  # noqa: S101 - a defect of the program
        tls = request.ssl_context or (False if not request.verifies_tls else self._ssl_context or True)
        async with self._session.request(
            request.method,
            URL(request.url, encoded=True),
            headers={"Accept": request.accept, **request.headers},
            allow_redirects=False,
            ssl=tls,
        ) as response:
            body = await _read_bounded(response, self._max_bytes)
            return FetchedPage(response.status, body, response.headers.get("Content-Type", ""))


async def _read_bounded(response: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    """Return the unpacked body; raise ScrapeError as soon as it is too large, packed or unpacked."""
    coding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if coding not in ("identity", "", "gzip", "x-gzip"):
        raise ScrapeError(FailureReason.NOT_TEXT, "the answer has a content coding that was not requested")
    is_packed = coding.endswith("gzip")
    unpacker = zlib.decompressobj(_GZIP_WINDOW_BITS)
    received_bytes, body = 0, bytearray()
    async for chunk in response.content.iter_any():
        received_bytes += len(chunk)
        packed = chunk
        while packed:
            unpacked, packed = _unpack_part(unpacker, packed) if is_packed else (packed, b"")
            body += unpacked
            if max(received_bytes, len(body)) > max_bytes:
                raise ScrapeError(FailureReason.TOO_LARGE, f"more than {max_bytes} bytes")
            if packed:
                # A few bytes may unpack to many: let other requests proceed.
                await asyncio.sleep(0)
        if unpacker.unused_data:
            # Also a second part of gzip data, of which only the first would be used.
            raise ScrapeError(FailureReason.MALFORMED, "the answer has data after its gzip data")
    if is_packed and received_bytes and not unpacker.eof:
        raise ScrapeError(FailureReason.MALFORMED, "the answer ends within its gzip data")
    return bytes(body)


def _unpack_part(unpacker: "zlib._Decompress", packed: bytes) -> tuple[bytes, bytes]:
    """Return the next unpacked bytes, and the packed ones that remain."""
    try:
        return unpacker.decompress(packed, _MAX_UNPACKED_PART_BYTES), unpacker.unconsumed_tail
    except zlib.error:
        raise ScrapeError(FailureReason.MALFORMED, "the answer is not valid gzip") from None


def unpack_gzip(packed: bytes, max_bytes: int) -> bytes:
    """Return unpacked data; raise ScrapeError if it is invalid, or larger than `max_bytes`."""
    unpacker = zlib.decompressobj(_GZIP_WINDOW_BITS)
    try:
        body = unpacker.decompress(packed, max_bytes + 1)
    except zlib.error:
        raise ScrapeError(FailureReason.MALFORMED, "the body is not valid gzip") from None
    if len(body) > max_bytes:
        raise ScrapeError(FailureReason.TOO_LARGE, f"more than {max_bytes} bytes")
    if not unpacker.eof or unpacker.unused_data:
        raise ScrapeError(FailureReason.MALFORMED, "the body is incomplete gzip data, or has data after it")
    return body


def _classify_error(error: Exception) -> ScrapeError:
    """Return the error of a target for an error of the HTTP client; the text contains nothing of the target."""
    os_error = getattr(error, "os_error", None)
    for error_type, os_error_type, reason, detail in _ERROR_TABLE:
        if isinstance(error, error_type) and (os_error_type is None or isinstance(os_error, os_error_type)):
            return ScrapeError(reason, detail)
    return ScrapeError(FailureReason.UNREACHABLE, "the connection was lost before the answer was complete")


# The first line that matches an error, and the error of the system in it, has the reason.
_ERROR_TABLE: tuple[tuple[type[Exception], type[OSError] | None, FailureReason, str], ...] = (
    (aiohttp.ClientConnectorDNSError, None, FailureReason.NAME, "the host name cannot be resolved"),
    (aiohttp.ClientSSLError, None, FailureReason.TLS, "the TLS handshake failed"),
    (ssl.SSLError, None, FailureReason.TLS, "the TLS handshake failed"),
    (
        aiohttp.ClientConnectorError,
        AddressNotAllowedError,
        FailureReason.NOT_ALLOWED,
        "the server does not connect to this address",
    ),
    (aiohttp.ClientConnectorError, ConnectionRefusedError, FailureReason.REFUSED, "the connection was refused"),
    (aiohttp.ClientConnectorError, None, FailureReason.UNREACHABLE, "no connection"),
    (aiohttp.InvalidURL, None, FailureReason.INVALID_ADDRESS, "the address is not a valid URL"),
    (aiohttp.ClientResponseError, None, FailureReason.MALFORMED, "the answer is not valid HTTP"),
)
