"""The HTTP client of this program: bounded response bodies, one deadline per request, and abort from another thread.

`HttpClient` fetches a document. `BoundedAdapter` does the same job inside a `requests.Session` of other code,
such as prometheus-api-client. Both raise `HttpError`, or an exception that `map_http_error` maps.
"""

import contextlib
import http.client
import socket
import ssl
import threading
import weakref
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import requests
import requests.adapters
import urllib3
import urllib3.exceptions

from aggregator import __version__
from aggregator.errors import HttpError, HttpErrorKind

# The body of any status but 200 is an explanation for people; the rest of a longer one is not read.
MAX_ERROR_BODY_BYTES = 64 * 1024
READ_CHUNK_BYTES = 256 * 1024

# Exceptions of requests, urllib3 and the socket that an HTTP exchange can raise.
HTTP_LIBRARY_ERRORS = (
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    OSError,
    UnicodeError,
)
_INVALID_URL_ERRORS = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
    requests.TooManyRedirects,
    urllib3.exceptions.LocationParseError,
    UnicodeError,
)
_TIMEOUT_ERRORS = (TimeoutError, requests.Timeout, urllib3.exceptions.TimeoutError)
# All others of http.client mean that the response is malformed.
_BROKEN_CONNECTION_ERRORS = (http.client.RemoteDisconnected, http.client.IncompleteRead)
PLAIN_HTTP_ON_TLS_MESSAGE = "the port requires TLS: begin the URL with https://"
_NOT_TLS_REASONS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG")
_CLIENT_CERTIFICATE_REASONS = (
    "CERTIFICATE_REQUIRED",
    "HANDSHAKE_FAILURE",
    "ALERT_BAD_CERTIFICATE",
    "ALERT_UNKNOWN_CA",
)
# A TLS alert, read as the first line of an HTTP response.
_TLS_ALERT_PREFIX = "\x15\x03"


# Seconds of idleness before the first probe and between probes, and the number of unanswered probes. The intervals are
# those of Go; NAT and load balancers forget an idle connection after minutes.
_KEEPALIVE_OPTIONS = {"TCP_KEEPIDLE": 15, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}


class _NoAuth(requests.auth.AuthBase):
    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


# Sends no credentials. Without an authentication object, requests would read ~/.netrc.
NO_AUTH = _NoAuth()


@dataclass(frozen=True)
class ClientResponse:
    """A complete response: status, headers with case-insensitive names, and the decoded body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpClient:
    """Sends requests one after another and never follows a redirect.

    `ssl_context` decides which certificates are accepted; without one, requests uses its own CA certificates.
    `uses_environment` honors HTTP_PROXY, HTTPS_PROXY, NO_PROXY and REQUESTS_CA_BUNDLE.
    """

    def __init__(
        self,
        *,
        deadline_seconds: float,
        max_response_bytes: int,
        ssl_context: ssl.SSLContext | None = None,
        uses_environment: bool = False,
    ) -> None:
        self._deadline_seconds = deadline_seconds
        self._is_late = threading.Event()
        self._is_aborted = threading.Event()
        self._adapter = BoundedAdapter(max_response_bytes, ssl_context=ssl_context)
        self._session = requests.Session()
        self._session.trust_env = uses_environment
        self._session.auth = NO_AUTH
        self._session.headers["User-Agent"] = f"aggregator/{__version__}"
        if ssl_context is not None and ssl_context.verify_mode == ssl.CERT_NONE:
            self._session.verify = False
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        self._session.mount("http://", self._adapter)
        self._session.mount("https://", self._adapter)

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> ClientResponse:
        """Return the response to a GET request, as `send` does."""
        return self.send("GET", url, headers)

    def send(
        self, method: str, url: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> ClientResponse:
        """Return the response, whatever its status; raise HttpError if none arrives before the deadline.

        The deadline covers the connection, the headers and the body. Only the lookup of the host name, and further
        addresses of a host that does not answer, can exceed it. After a timeout the client cannot be used again.
        """
        timer = threading.Timer(self._deadline_seconds, self._expire)
        timer.daemon = True
        timer.start()
        try:
            response = self._session.request(
                method, url, headers=headers, data=body, timeout=self._deadline_seconds, allow_redirects=False
            )
            # An aborted connection looks like the normal end of the headers, or of a body without Content-Length.
            if self._is_aborted.is_set():
                raise ConnectionAbortedError("aborted")
        except (HttpError, *HTTP_LIBRARY_ERRORS) as error:
            mapped = map_http_error(ConnectionAbortedError() if self._is_aborted.is_set() else error)
            if mapped.kind is HttpErrorKind.TIMEOUT or self._is_late.is_set():
                late = f"no complete response within {self._deadline_seconds:g} s"
                raise HttpError(HttpErrorKind.TIMEOUT, late) from None
            raise mapped from None
        finally:
            timer.cancel()
        return ClientResponse(response.status_code, response.headers, response.content)

    def abort(self) -> None:
        """Make a request in another thread, and every later one, fail at once."""
        self._is_aborted.set()
        self._adapter.abort(permanently=True)

    def close(self) -> None:
        """Close idle connections."""
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def _expire(self) -> None:
        self._is_late.set()
        self.abort()


class BufferedResponse(requests.Response):
    """A response whose body was read completely by the adapter."""

    body = b""

    @property
    def content(self) -> bytes:
        """The decoded body."""
        return self.body


class IdleConnectionLostError(ConnectionResetError):
    """A connection that was open since an earlier request ended before the response to this one."""


class BoundedAdapter(requests.adapters.HTTPAdapter):
    """Transport adapter for requests: reads at most `max_response_bytes` of decoded body, and can abort connections.

    A GET request on an idle connection that turns out to be lost is repeated once, on a new connection.
    `response_class` is the class of the responses that it returns.
    """

    response_class: type[BufferedResponse] = BufferedResponse

    def __init__(
        self, max_response_bytes: int, *, max_connections: int = 1, ssl_context: ssl.SSLContext | None = None
    ) -> None:
        self._max_response_bytes = max_response_bytes
        self._ssl_context = ssl_context
        self._lock = threading.Lock()
        self._connections: weakref.WeakSet[Any] = weakref.WeakSet()
        # In addition to the connections: http.client drops the socket of a connection that closes after its response.
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._pool_classes = {
            "http": _create_tracking_pool(urllib3.HTTPConnectionPool, self),
            "https": _create_tracking_pool(urllib3.HTTPSConnectionPool, self),
        }
        # Increases when an idle connection was lost: the older ones are probably lost, too, and are not used again.
        self.connection_generation = 0
        self._refuses_connections = False
        # A request that started before an abort must not continue on a new connection: compare before and after.
        self.abort_count = 0
        super().__init__(pool_connections=1, pool_maxsize=max_connections, max_retries=0)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Create the connection pools, which register their connections here."""
        if self._ssl_context is not None:
            options["ssl_context"] = self._ssl_context
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = self._pool_classes

    def proxy_manager_for(self, *args: Any, **options: Any) -> Any:
        """Return the connection pools of a proxy, which register their connections here."""
        manager = super().proxy_manager_for(*args, **options)
        manager.pool_classes_by_scheme = self._pool_classes
        return manager

    def cert_verify(self, *args: Any, **options: Any) -> None:
        """Add the CA certificates of requests to a connection, unless an SSL context lists the accepted ones."""
        if self._ssl_context is None:
            super().cert_verify(*args, **options)  # type: ignore[no-untyped-call] # in types-requests

    def build_response(self, request: requests.PreparedRequest, raw: urllib3.BaseHTTPResponse) -> BufferedResponse:
        """Return the response with its body; raise HttpError if the body is too large or was aborted."""
        original = super().build_response(request, raw)
        response = self.response_class()
        for name in ("status_code", "headers", "encoding", "raw", "reason", "url", "cookies", "request"):
            setattr(response, name, getattr(original, name))
        self.store_body(response, self._iterate_body(raw))
        return response

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:  # type: ignore[override] # only these keywords are used
        """Send a request; repeat it if it was sent on a connection that had ended while it was idle."""
        aborts_before, generation = self.abort_count, self.connection_generation
        try:
            return super().send(request, **options)
        except requests.ConnectionError as error:
            is_lost = any(isinstance(each, IdleConnectionLostError) for each in _iterate_causes(error))
            if not is_lost or request.method != "GET" or self.abort_count != aborts_before:
                raise
        if self._begin_generation(generation + 1):
            self.on_idle_connection_lost()
        return super().send(request, **options)

    def _begin_generation(self, generation: int) -> bool:
        """Use no idle connection of earlier generations again; return whether the generation is new."""
        with self._lock:
            is_new = generation > self.connection_generation
            self.connection_generation = max(generation, self.connection_generation)
        return is_new

    def on_idle_connection_lost(self) -> None:
        """Do nothing; called before a request is repeated, once for all connections that were lost together."""

    def store_body(self, response: BufferedResponse, chunks: Iterator[bytes]) -> None:
        """Read the body of a response, in decoded chunks."""
        response.body = b"".join(chunks)

    def abort(self, *, permanently: bool = False) -> None:
        """Break all open connections and those being established; permanently: refuse new ones as well."""
        self._refuses_connections |= permanently
        self.abort_count += 1
        with self._lock:
            sockets = {*self._sockets, *(connection.sock for connection in self._connections)}
        for each in sockets - {None}:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def register_connection(self, connection: Any) -> None:
        """Remember a connection that is about to be established; raise ConnectionAbortedError if all are refused."""
        with self._lock:
            self._connections.add(connection)
        if self._refuses_connections:
            raise ConnectionAbortedError("aborted")

    def register_socket(self, established: socket.socket) -> None:
        """Remember the socket of an established connection."""
        with self._lock:
            self._sockets.add(established)

    def _iterate_body(self, raw: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
        """Yield the body; raise HttpError if it is too large or was aborted. The body of an error is truncated."""
        is_error = raw.status != 200
        limit_bytes = min(MAX_ERROR_BODY_BYTES, self._max_response_bytes) if is_error else self._max_response_bytes
        aborts_before = self.abort_count
        remaining_bytes = limit_bytes
        while chunk := raw.read1(READ_CHUNK_BYTES, decode_content=True):
            if len(chunk) > remaining_bytes:
                # Unread bytes follow, so the connection cannot be reused.
                raw.close()
                if is_error:
                    yield chunk[:remaining_bytes]
                    return
                raise HttpError(HttpErrorKind.TOO_LARGE, f"the response is larger than {limit_bytes} bytes")
            remaining_bytes -= len(chunk)
            yield chunk
        if self.abort_count != aborts_before:
            raise HttpError(HttpErrorKind.ABORTED, "aborted")
        raw.release_conn()


def map_http_error(error: BaseException) -> HttpError:
    """Return the HttpError for an exception of requests, urllib3 or the socket.

    The text contains neither the URL, which may hold credentials, nor anything that the server sent over HTTP.
    """
    chain = list(_iterate_causes(error))
    root = chain[-1]
    if own := next((each for each in chain if isinstance(each, HttpError)), None):
        return own
    if any(isinstance(each, _INVALID_URL_ERRORS) for each in chain):
        return HttpError(HttpErrorKind.INVALID_URL, "not a URL that can be fetched")
    if (tls_error := _map_tls_error(root)) is not None:
        return tls_error
    # urllib3 derives all failures to connect from its timeout error; the root cause distinguishes them.
    if isinstance(root, _TIMEOUT_ERRORS) and not isinstance(root, urllib3.exceptions.NewConnectionError):
        return HttpError(HttpErrorKind.TIMEOUT, "no response in time")
    return _map_connection_error(root)


def _map_connection_error(root: BaseException) -> HttpError:
    if isinstance(root, ConnectionRefusedError):
        return HttpError(HttpErrorKind.CONNECTION_REFUSED, "connection refused")
    if isinstance(root, ConnectionAbortedError):
        return HttpError(HttpErrorKind.ABORTED, "aborted")
    if isinstance(root, socket.gaierror):
        return HttpError(HttpErrorKind.UNKNOWN_HOST, f"cannot resolve the host name ({root.strerror})")
    if isinstance(root, http.client.HTTPException) and not isinstance(root, _BROKEN_CONNECTION_ERRORS):
        return HttpError(HttpErrorKind.NOT_HTTP, f"the response is not HTTP ({type(root).__name__})")
    # Other texts may quote a part of what the server sent, such as half a token that it repeated.
    reason = root.strerror if isinstance(root, OSError) and not isinstance(root, requests.RequestException) else None
    return HttpError(HttpErrorKind.BROKEN, f"connection failed ({reason or type(root).__name__})")


def _map_tls_error(root: BaseException) -> HttpError | None:
    if isinstance(root, ssl.SSLCertVerificationError):
        return HttpError(HttpErrorKind.CERTIFICATE, f"certificate not accepted: {root.verify_message}")
    if isinstance(root, http.client.BadStatusLine) and str(root).startswith(_TLS_ALERT_PREFIX):
        return HttpError(HttpErrorKind.NOT_HTTP, PLAIN_HTTP_ON_TLS_MESSAGE)
    if not isinstance(root, ssl.SSLError) or isinstance(root, ssl.SSLEOFError):
        return None
    reason = root.reason or ""
    if any(name in reason for name in _NOT_TLS_REASONS):
        return HttpError(
            HttpErrorKind.TLS, "the port does not use TLS: begin the URL with http://, or use another port"
        )
    if any(name in reason for name in _CLIENT_CERTIFICATE_REASONS):
        return HttpError(
            HttpErrorKind.CLIENT_CERTIFICATE,
            "TLS handshake refused: the server expects a (different) client certificate",
        )
    return HttpError(HttpErrorKind.TLS, f"TLS failed ({reason or type(root).__name__})")


def _iterate_causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and its causes, also those that urllib3 and requests keep in `reason` and `args`."""
    seen: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in seen:
        yield current
        seen.append(current)
        wrapped = getattr(current, "reason", None)
        if not isinstance(wrapped, BaseException):
            wrapped = next((arg for arg in current.args if isinstance(arg, BaseException)), None)
        current = wrapped or current.__cause__ or current.__context__


def _enable_keepalive(connected: socket.socket) -> None:
    """Send probes while a connection is idle, so that NAT and load balancers keep it, or its end is noticed."""
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE_OPTIONS.items():
        # Not every platform has them.
        if hasattr(socket, name):
            connected.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _create_tracking_pool(pool_class: type[Any], adapter: BoundedAdapter) -> type[Any]:
    """Return a connection pool class that registers every connection with the adapter."""
    base = pool_class.ConnectionCls

    class TrackedConnection(base):  # type: ignore[misc,valid-type] # a base known at run time only
        _is_reused = False
        _generation = 0

        @property
        def is_connected(self) -> bool:
            """Whether the connection can be used again."""
            return self._generation == adapter.connection_generation and super().is_connected

        def getresponse(self) -> Any:
            """Return the response; raise IdleConnectionLostError if the connection had ended before the request."""
            try:
                response = super().getresponse()
            except ConnectionResetError as error:
                if self._is_reused:
                    raise IdleConnectionLostError(*error.args) from error
                raise
            self._is_reused = True
            return response

        def connect(self) -> None:
            aborts_before = adapter.abort_count
            self._is_reused, self._generation = False, adapter.connection_generation
            adapter.register_connection(self)
            super().connect()
            adapter.register_socket(self.sock)
            _enable_keepalive(self.sock)
            # An abort cannot break a connection that has no socket yet.
            if adapter.abort_count != aborts_before:
                raise ConnectionAbortedError("aborted")

    return type(pool_class.__name__, (pool_class,), {"ConnectionCls": TrackedConnection})
