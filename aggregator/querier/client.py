"""One exchange with Prometheus: a PromQL expression out, the bytes of its answer in, within bounds.

Built on prometheus-api-client; docs/decisions/0003-prometheus-api-client.md tells what its defaults
would do (no time limit, four requests for one refusal) and why an adapter of ours is mounted instead.
"""

import contextlib
import random
import socket
import ssl
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
import requests
import requests.adapters
import requests.auth
import urllib3
import urllib3.exceptions
from prometheus_api_client import PrometheusConnect

from aggregator import __version__
from aggregator.errors import NotListeningError, QueryError, RefusedError, TooLargeError, TooSlowError, UnreachableError
from aggregator.querier.access import NO_ACCESS, Access, Bearer, Files, Nobody, Session
from aggregator.querier.thanos import STORES_PATH, Dialect, lists_stores

CHUNK_BYTES = 256 * 1024
# A host that does not even answer to a connection is not going to.
CONNECT_SECONDS = 3.0
REASON_CHARACTERS = 300
# The question who answers is asked in passing.
PROBE_SECONDS = 2.0


@dataclass(frozen=True)
class Address:
    """Where the upstream is: its base URL without credentials, and the credentials apart.

    `name` is what it is called, `cluster` the cluster of its series that do not tell theirs; "" for none.
    """

    url: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    name: str = ""
    cluster: str = ""


@dataclass(frozen=True)
class Limits:
    """What one exchange may take: seconds for the query, seconds without a sign of life, bytes; and how many at once.

    An answer that keeps coming, however slowly, is ended by the deadline of the refresh (`querier.gather`).
    """

    query_seconds: float
    answer_bytes: int
    connections: int


class Client:
    """Asks one Prometheus or Thanos, from several threads at once."""

    def __init__(
        self,
        address: Address,
        limits: Limits,
        access: Access = NO_ACCESS,
        dialect: Dialect | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._limits = limits
        self._sleep = sleep
        self._dialect = dialect or Dialect()
        self._files = Files(access.tls_files)
        self._adapter = _BoundedAdapter(limits)
        self._session = _session(access)
        self._url = address.url
        self._credentials = _credentials(address, access)
        self._prometheus = PrometheusConnect(url=address.url, session=self._session, auth=self._credentials)
        # The constructor mounts a retrying adapter without limits: ours takes the place of every one.
        self._session.adapters.clear()
        self._session.mount("http://", self._adapter)
        self._session.mount("https://", self._adapter)

    def ask(self, promql: str, at_seconds: float) -> bytes:
        """Return the body of the answer to `promql` at one point in time; raise a QueryError if there is none.

        A refused connection is tried once more, after a short pause of random length. Nothing else is.
        """
        try:
            return self._ask_once(promql, at_seconds)
        except NotListeningError:
            self._sleep(random.uniform(0.05, 0.15))  # noqa: S311 - spreads load, guards nothing
            return self._ask_once(promql, at_seconds)

    def abort(self) -> None:
        """Break every open connection, so that whoever waits on one stops waiting at once."""
        self._adapter.abort()

    def close(self) -> None:
        """Let go of idle connections."""
        self._prometheus.close()

    def _ask_once(self, promql: str, at_seconds: float) -> bytes:
        if self._files.have_changed():
            # Connections that stand were made with the files of before.
            self._adapter.forget()
        seconds = self._limits.query_seconds
        params = {"time": f"{at_seconds:.3f}", "timeout": f"{seconds:g}s"}
        params.update(self._dialect.parameters(at_seconds, self._is_thanos))
        try:
            # Prometheus gives up by itself after `timeout`; a second more lets its word of that arrive.
            body: bytes = self._prometheus.custom_query(
                promql, params=params, timeout=(min(seconds, CONNECT_SECONDS), seconds + 1)
            )
        except QueryError as error:
            self._doubt(error)
            raise
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            self._dialect.doubt()
            raise translated(error) from error
        return body

    def _doubt(self, error: QueryError) -> None:
        # A query that was refused for what it asks tells nothing about who refused it.
        if not (isinstance(error, RefusedError) and error.status in (400, 422)):
            self._dialect.doubt()

    def _is_thanos(self) -> bool | None:
        """Return whether the upstream is Thanos, None if it does not tell."""
        seconds = min(self._limits.query_seconds, PROBE_SECONDS)
        try:
            answer = self._session.get(self._url + STORES_PATH, auth=self._credentials, timeout=(seconds, seconds))
        except RefusedError as error:
            return False if error.status in (400, 404, 405) else None
        except (QueryError, requests.RequestException, urllib3.exceptions.HTTPError, OSError):
            # Whatever is wrong, the queries will tell.
            return None
        return lists_stores(answer.content)


def _session(access: Access) -> Session:
    session = Session()
    # On a fast link Prometheus' gzip takes longer than the bytes that it saves.
    session.headers.update({"Accept-Encoding": "identity", "User-Agent": f"aggregator/{__version__}"})
    session.headers.update(dict(access.headers))
    # Upstreams that have moved may say so once; more is a loop, and each query would run through it.
    session.max_redirects = 1
    if access.ca_file:
        session.verify = access.ca_file
    if access.certificate_file:
        session.cert = (access.certificate_file, access.key_file)
    return session


def _credentials(address: Address, access: Access) -> requests.auth.AuthBase:
    if address.user is not None:
        # As bytes: text would have to be Latin-1.
        return requests.auth.HTTPBasicAuth(address.user.encode(), (address.password or "").encode())
    return Bearer(access) if access.token or access.token_file else Nobody()


def translated(error: Exception) -> QueryError:
    """Return our error for one of requests', urllib3's or the socket's.

    The text names the kind of failure and its root cause, never the URL: it may hold credentials.
    """
    chain = list(_causes(error))
    root = chain[-1]
    if isinstance(
        error, requests.TooManyRedirects | requests.exceptions.InvalidSchema | requests.exceptions.InvalidURL
    ):
        return UnreachableError("it redirects, and not to a place where a Prometheus answers")
    if isinstance(root, ConnectionRefusedError):
        return NotListeningError("connection refused")
    if isinstance(root, ssl.SSLCertVerificationError):
        return UnreachableError(f"its certificate is not accepted: {_short(root.verify_message)}")
    if isinstance(root, socket.gaierror):
        return UnreachableError(f"the host name cannot be resolved ({root.strerror})")
    # urllib3 counts every failed connection among its time-outs: what stands at the root tells them apart.
    if isinstance(root, _SLOW) and not isinstance(root, urllib3.exceptions.NewConnectionError):
        return TooSlowError("no answer within the time for one query")
    return UnreachableError(f"the connection broke or never stood ({type(root).__name__}: {_short(str(root))})")


_SLOW = (TimeoutError, requests.Timeout, urllib3.exceptions.TimeoutError)


def _causes(error: BaseException) -> list[BaseException]:
    """Return the error and all it was raised from, and what urllib3 and requests hide in `reason` and `args`."""
    chain: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in chain:
        chain.append(current)
        hidden = getattr(current, "reason", None)
        if not isinstance(hidden, BaseException):
            hidden = next((arg for arg in current.args if isinstance(arg, BaseException)), None)
        current = hidden or current.__cause__ or current.__context__
    return chain


def _short(text: str) -> str:
    return text if len(text) <= REASON_CHARACTERS else text[:REASON_CHARACTERS] + "…"


class _BodyResponse(requests.Response):
    """A response whose JSON is left undecoded: what `custom_query` returns are the bytes, decoded typed later."""

    def json(self, **_options: Any) -> Any:
        return {"data": {"result": self.content}}


class _BoundedAdapter(requests.adapters.HTTPAdapter):
    """Reads whole answers under a byte cap, turns refusals into our errors, and can break its connections."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._open: weakref.WeakSet[Any] = weakref.WeakSet()
        super().__init__(pool_connections=1, pool_maxsize=limits.connections, max_retries=0)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = {
            "http": _remembering(urllib3.HTTPConnectionPool, self._open),
            "https": _remembering(urllib3.HTTPSConnectionPool, self._open),
        }

    def build_response(self, request: requests.PreparedRequest, raw: urllib3.BaseHTTPResponse) -> requests.Response:
        plain = super().build_response(request, raw)
        body = self._read(raw)
        if plain.is_redirect:
            plain._content = body  # noqa: SLF001 - see below
            return plain
        if plain.status_code != 200:
            raise RefusedError(plain.status_code, _reason(body, plain.reason), _retry_after(plain))
        response = _BodyResponse()
        response.__dict__.update(plain.__dict__)
        response._content = body  # noqa: SLF001 - requests offers no other way to hand over a body
        return response

    def abort(self) -> None:
        for connection in list(self._open):
            if connection.sock is not None:
                with contextlib.suppress(OSError):
                    connection.sock.shutdown(socket.SHUT_RDWR)

    def forget(self) -> None:
        """Let go of the connections that nobody uses at the moment; the others are closed once they are not used."""
        self.poolmanager.clear()

    def _read(self, raw: urllib3.BaseHTTPResponse) -> bytes:
        chunks: list[bytes] = []
        size = 0
        while chunk := raw.read1(CHUNK_BYTES, decode_content=True):
            size += len(chunk)
            if size > self._limits.answer_bytes:
                raw.close()
                # Whoever keeps the error for a while must not keep these with it.
                chunks.clear()
                raise TooLargeError(f"the answer is larger than {self._limits.answer_bytes} bytes")
            chunks.append(chunk)
        raw.release_conn()
        return b"".join(chunks)


def _remembering(pool: type[Any], opened: "weakref.WeakSet[Any]") -> type[Any]:
    """Return a connection pool class that adds each connection it makes to `opened`."""
    base = pool.ConnectionCls

    class Connection(base):  # type: ignore[misc,valid-type] # a base known at run time only
        def connect(self) -> None:
            opened.add(self)
            super().connect()

    return type(pool.__name__, (pool,), {"ConnectionCls": Connection})


class _ErrorBody(msgspec.Struct):
    """What Prometheus says in the body of a refusal."""

    error: str
    errorType: str = "error"  # noqa: N815 - Prometheus' name


def _reason(body: bytes, phrase: str) -> str:
    try:
        said = msgspec.json.decode(body, type=_ErrorBody)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return phrase or "no reason given"
    return _short(f"{said.errorType}: {said.error}")


def _retry_after(response: requests.Response) -> float | None:
    """Return the seconds of a Retry-After header; a date there is not honoured, Prometheus sends none."""
    value = response.headers.get("Retry-After", "")
    return float(value) if value.isascii() and value.isdigit() else None
