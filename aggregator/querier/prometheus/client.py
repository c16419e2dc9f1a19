"""The client of one Prometheus or Thanos: sends PromQL, returns the body of the response, within limits.

Only this module uses prometheus-api-client. Its defaults (no timeout, four requests for one error status,
decoding of all labels) are replaced through documented parts of requests: the session, the adapter and
`Response.json`. See docs/decisions/0003-prometheus-api-client.md.

Thanos Query lists its stores, and a Query Frontend forwards that request; Prometheus has no such path. The parameters:
https://thanos.io/tip/components/query.md/#query-api-overview
"""

import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec
import requests
import requests.auth
import urllib3
from prometheus_api_client import PrometheusConnect

from aggregator import __version__
from aggregator.errors import NotListeningError, QueryError, UnreachableError, UpstreamStatusError
from aggregator.observability.logs import get_logger, sanitize_path
from aggregator.observability.redaction import Redactor
from aggregator.querier.prometheus.credentials import (
    NO_CREDENTIALS,
    BearerAuth,
    FileChangeDetector,
    UpstreamCredentials,
)
from aggregator.querier.prometheus.decode import ByteBudget, CompressedBody, compress_chunks
from aggregator.querier.prometheus.errors import (
    JSON_DECODE_ERRORS,
    TRANSPORT_ERRORS,
    extract_error_message,
    map_transport_error,
)
from aggregator.util.http_client import (
    NO_AUTH,
    PLAIN_HTTP_ON_TLS_MESSAGE,
    BoundedAdapter,
    BufferedResponse,
    ClientResponse,
)

STORES_PATH = "/api/v1/stores"

# A result is used this long if no query fails: the upstream at an address may be replaced.
DETECTION_TTL_SECONDS = 300.0

# When to try again if the kind of upstream is unknown.
DETECTION_RETRY_SECONDS = 60.0

ThanosMode = Literal["auto", "on", "off"]

# Returns whether the upstream is Thanos, None if that is unknown.
ThanosProbe = Callable[[], bool | None]

_log = get_logger(__name__)


# A host that does not accept a connection in this time will not respond either.
CONNECT_TIMEOUT_SECONDS = 3.0

# Requests other than queries must not delay the refresh.
PROBE_TIMEOUT_SECONDS = 2.0

DEFAULT_PORTS = {"http": 80, "https": 443}


def format_duration(seconds: float) -> str:
    """Return a duration for a query parameter, at least a millisecond: Prometheus accepts no fractions of a unit."""
    return f"{max(1, round(seconds * 1000))}ms"


class ThanosDetector:
    """Selects the query parameters for one upstream. Thread-safe."""

    def __init__(self, mode: ThanosMode = "off", *, allows_partial_response: bool = True, source: str = "") -> None:
        self._mode = mode
        self._source = source
        # Deduplicated raw data, whatever the defaults of this Thanos are.
        self._parameters = {
            "dedup": "true",
            "partial_response": "true" if allows_partial_response else "false",
            "max_source_resolution": "0",
        }
        self._lock = threading.Lock()
        self._is_thanos: bool | None = None
        self._logged_is_thanos: bool | None = None
        self._last_instant_seconds = -1.0
        self._next_probe_at_seconds = 0.0

    def select_parameters(self, at_seconds: float, probe: ThanosProbe) -> Mapping[str, str]:
        """Return the parameters for queries. The first query at each evaluation time may call `probe`.

        They are also sent if the kind of upstream is unknown: Prometheus ignores unknown parameters. If another
        upstream refuses them, `record_refusal` is called.
        """
        if self._mode == "auto":
            with self._lock:
                is_new_instant, self._last_instant_seconds = at_seconds != self._last_instant_seconds, at_seconds
                if is_new_instant and at_seconds >= self._next_probe_at_seconds:
                    self._store_probe_result(probe(), at_seconds)
        uses_parameters = self._mode == "on" or (self._mode == "auto" and self._is_thanos is not False)
        return self._parameters if uses_parameters else {}

    @property
    def is_uncertain(self) -> bool:
        """Whether the parameters may be wrong for the upstream: its list of stores did not say what it is."""
        return self._mode == "auto" and self._is_thanos is not True

    def record_refusal(self, error: UpstreamStatusError) -> None:
        """Send no parameters from now on, unless the upstream turns out to be Thanos; log it once.

        The upstream refused a query with the parameters and responded to the same query without them.
        """
        with self._lock:
            is_new, self._is_thanos, self._logged_is_thanos = self._is_thanos is None, False, False
        if is_new:
            _log.info(
                "upstream refuses Thanos parameters",
                source=self._source,
                reason=str(error),
                consequence="queries are sent without them",
            )

    def expire(self) -> None:
        """Probe again at the next instant: a query failed, and the upstream may have been replaced."""
        self._next_probe_at_seconds = 0.0

    def log_detection(self) -> None:
        """Log whether the upstream is Thanos, if that is new.

        Call it after a successful query: a server without the query API is neither Thanos nor Prometheus.
        """
        if self._logged_is_thanos is self._is_thanos:
            return
        with self._lock:
            if self._logged_is_thanos is not self._is_thanos:
                self._logged_is_thanos = self._is_thanos
                _log.info("detected upstream", source=self._source, thanos=self._is_thanos)

    def _store_probe_result(self, is_thanos: bool | None, at_seconds: float) -> None:
        if is_thanos is not None:
            self._is_thanos = is_thanos
        self._next_probe_at_seconds = at_seconds + (
            DETECTION_RETRY_SECONDS if is_thanos is None else DETECTION_TTL_SECONDS
        )


class _StoresResponse(msgspec.Struct):
    status: Literal["success"]
    data: dict[str, Any]


def is_stores_response(body: bytes) -> bool:
    """Return whether a body is the list of stores of Thanos, and not just any page at its path."""
    try:
        msgspec.json.decode(body, type=_StoresResponse)
    except JSON_DECODE_ERRORS:
        return False
    return True


@dataclass(frozen=True)
class UpstreamAddress:
    """The base URL of an upstream without credentials, its basic credentials, and its name.

    `cluster` is the `cluster` label that is added to its series without one; "" adds none.
    """

    url: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    name: str = ""
    cluster: str = ""

    @property
    def location(self) -> str:
        """Host, port and path for messages, without long segments, which may be tokens."""
        parts = urlsplit(self.url)
        return parts.netloc + sanitize_path(parts.path)


@dataclass(frozen=True)
class QueryLimits:
    """The limits of one request: seconds for the query, decompressed bytes of the response, concurrent connections.

    A response that keeps arriving, however slowly, ends at the deadline of the refresh. The budget is for the
    compressed bodies of all clients that share it.
    """

    query_timeout_seconds: float
    max_response_bytes: int
    max_connections: int
    budget: ByteBudget = field(default_factory=ByteBudget)


class PrometheusClient:
    """Queries one Prometheus or Thanos. Thread-safe. Its errors contain no secrets."""

    def __init__(
        self,
        address: UpstreamAddress,
        limits: QueryLimits,
        credentials: UpstreamCredentials = NO_CREDENTIALS,
        thanos_detector: ThanosDetector | None = None,
        redactor: Redactor | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.redactor = redactor or Redactor()
        self._limits = limits
        self._sleep = sleep
        self._thanos_detector = thanos_detector or ThanosDetector()
        self._tls_files = FileChangeDetector(credentials.tls_files)
        self._tls_file_problem = ""
        self._adapter = PrometheusAdapter(address.name, limits, self.redactor)
        self._session = _create_session(credentials, self.redactor)
        self._url = address.url
        self._auth = _create_auth(address, credentials, self.redactor)
        self._prometheus = PrometheusConnect(url=address.url, session=self._session, auth=self._auth)
        # The constructor mounted an adapter that retries and has no limits.
        self._session.adapters.clear()
        self._session.mount("http://", self._adapter)
        self._session.mount("https://", self._adapter)

    def query(self, promql: str, at_seconds: float) -> CompressedBody:
        """Return the body of the response to an instant query; raise QueryError if there is none.

        A refused connection is retried once, after 50 to 150 ms. A query on a lost idle connection is sent once
        more. Nothing else is retried.
        """
        aborts_before = self._adapter.abort_count
        try:
            return self._query_once(promql, at_seconds, aborts_before)
        except NotListeningError:
            self._sleep(random.uniform(0.05, 0.15))  # noqa: S311 - spreads load
            return self._query_once(promql, at_seconds, aborts_before)

    def get(self, path: str, parameters: Mapping[str, str] | None = None) -> ClientResponse:
        """Return the response for a path of the upstream; raise QueryError if its status is not 200."""
        timeout_seconds = min(self._limits.query_timeout_seconds, PROBE_TIMEOUT_SECONDS)
        try:
            response = self._session.get(
                self._url + path, params=parameters, auth=self._auth, timeout=(timeout_seconds, timeout_seconds)
            )
        except QueryError:
            raise
        except TRANSPORT_ERRORS as error:
            raise map_transport_error(error, self.redactor) from error
        return ClientResponse(response.status_code, response.headers, response.content)

    def abort(self) -> None:
        """Break every open connection, so that running queries fail at once."""
        self._adapter.abort()

    def close(self) -> None:
        """Close idle connections."""
        self._prometheus.close()

    def _query_once(self, promql: str, at_seconds: float, aborts_before: int) -> CompressedBody:
        if self._tls_files.has_changed():
            # Open connections use the previous files.
            self._adapter.close()
            self._tls_file_problem = self._tls_files.find_problem()
        if self._tls_file_problem:
            raise UnreachableError(self._tls_file_problem)
        parameters = {"time": f"{at_seconds:.3f}", "timeout": format_duration(self._limits.query_timeout_seconds)}
        thanos_parameters = self._thanos_detector.select_parameters(at_seconds, self._probe_thanos)
        try:
            # All queries wait while the first one probes for Thanos. After an abort in that time they must not start.
            self._check_not_aborted(aborts_before)
            try:
                body = self._send_query(promql, {**parameters, **thanos_parameters})
            except UpstreamStatusError as error:
                if error.status != 400 or not thanos_parameters or not self._thanos_detector.is_uncertain:
                    raise
                self._check_not_aborted(aborts_before)
                body = self._send_query(promql, parameters)
                self._thanos_detector.record_refusal(error)
        except QueryError as error:
            self._expire_detection(error)
            raise
        self._thanos_detector.log_detection()
        return body

    def _check_not_aborted(self, aborts_before: int) -> None:
        if self._adapter.abort_count != aborts_before:
            raise UnreachableError("aborted")

    def _send_query(self, promql: str, parameters: Mapping[str, str]) -> CompressedBody:
        timeout_seconds = self._limits.query_timeout_seconds
        try:
            # Prometheus ends the query after `timeout`; its error gets one more second to arrive.
            body: CompressedBody = self._prometheus.custom_query(
                promql,
                params=dict(parameters),
                timeout=(min(timeout_seconds, CONNECT_TIMEOUT_SECONDS), timeout_seconds + 1),
            )
        except QueryError:
            raise
        except TRANSPORT_ERRORS as error:
            raise map_transport_error(error, self.redactor) from error
        return body

    def _expire_detection(self, error: QueryError) -> None:
        # A rejected query says nothing about the kind of upstream.
        if not (isinstance(error, UpstreamStatusError) and error.status in (400, 422)):
            self._thanos_detector.expire()

    def _probe_thanos(self) -> bool | None:
        """Return whether the upstream is Thanos, None if that is unknown."""
        try:
            return is_stores_response(self.get(STORES_PATH).body)
        except UpstreamStatusError as error:
            return False if error.status in (400, 404, 405) else None
        except QueryError:
            # The queries will report what is wrong.
            return None


class _CompressedResponse(BufferedResponse):
    """A successful response whose body is kept compressed.

    Its `json` returns the body in the place of the result, so that `custom_query` returns it for typed decoding.
    """

    compressed: CompressedBody | None = None

    @property
    def content(self) -> bytes:
        """The decoded body."""
        return self.body if self.compressed is None else self.compressed.decompress()

    def json(self, **_options: Any) -> Any:
        return {"data": {"result": self.compressed}}


class PrometheusAdapter(BoundedAdapter):
    """Bounded adapter that compresses successful bodies and raises UpstreamStatusError for error statuses."""

    response_class = _CompressedResponse

    def __init__(self, source: str, limits: QueryLimits, redactor: Redactor) -> None:
        super().__init__(limits.max_response_bytes, max_connections=limits.max_connections)
        self._source = source
        self._budget = limits.budget
        self._redactor = redactor

    def on_idle_connection_lost(self) -> None:
        """Log that a query is sent again."""
        _log.debug("idle connection was lost", source=self._source, consequence="the query is sent on a new one")

    def store_body(self, response: BufferedResponse, chunks: Iterator[bytes]) -> None:
        """Compress the body of a successful response while it arrives."""
        if isinstance(response, _CompressedResponse) and response.status_code == 200:
            response.compressed = compress_chunks(chunks, self._budget)
        else:
            super().store_body(response, chunks)

    def build_response(self, request: requests.PreparedRequest, raw: urllib3.BaseHTTPResponse) -> BufferedResponse:
        """Return the response of a 200 or a redirect; raise UpstreamStatusError for other statuses."""
        response = super().build_response(request, raw)
        if response.status_code == 200 or response.is_redirect:
            return response
        message = extract_error_message(response.body, response.reason, self._redactor)
        if response.status_code == 404:
            # Usually caused by the path of the configured address, or by the target of a redirect.
            path = sanitize_path(self._redactor.redact(urlsplit(request.url or "").path))
            message += f" at {path}; check the path in PROMETHEUS_ADDRESS"
        elif _is_plain_http_on_tls_port(response.status_code, response.body):
            message = PLAIN_HTTP_ON_TLS_MESSAGE
        raise UpstreamStatusError(response.status_code, message, _parse_retry_after_seconds(response))


def _is_plain_http_on_tls_port(status: int, body: bytes) -> bool:
    """Return whether the response is that of Go's servers or nginx to plain HTTP on a TLS port."""
    return status == 400 and (b"HTTP request to an HTTPS server" in body or b"sent to HTTPS port" in body)


def _parse_retry_after_seconds(response: requests.Response) -> float | None:
    """Return the seconds of a Retry-After header; dates are ignored, Prometheus sends none."""
    value = response.headers.get("Retry-After", "")
    return float(value) if value.isascii() and value.isdigit() else None


class SameOriginSession(requests.Session):
    """Follows redirects within one origin only: no other server receives credentials or tenant headers."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redactor = redactor

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Return the URL of a redirect, None for other responses; raise UnreachableError for an invalid URL."""
        try:
            target = super().get_redirect_target(resp)
            is_valid = target is None or bool(target and (urlsplit(target).port, target))
        except ValueError:
            is_valid = False
        if not is_valid:
            raise UnreachableError("the upstream redirects too often, or to an invalid URL")
        return target

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        """Keep the credentials for a redirect within the origin; raise UnreachableError for other redirects."""
        if not _is_same_origin(response.request.url or "", prepared_request.url or ""):
            host = urlsplit(prepared_request.url or "").netloc.rpartition("@")[2]
            target = sanitize_path(self._redactor.redact(host))
            raise UnreachableError(f"the upstream redirects to another origin, {target}, which is not followed")


def _is_same_origin(old_url: str, new_url: str) -> bool:
    """Return whether two URLs have the same origin. HTTPS instead of HTTP counts as the same at the default ports."""
    old, new = _parse_origin(old_url), _parse_origin(new_url)
    host, *scheme_and_port = old
    is_upgrade_to_https = scheme_and_port == ["http", 80] and new == (host, "https", 443)
    return new == old or is_upgrade_to_https


def _parse_origin(url: str) -> tuple[str, str, int]:
    parts = urlsplit(url)
    return (parts.hostname or "", parts.scheme, parts.port or DEFAULT_PORTS.get(parts.scheme, 0))


def _create_session(credentials: UpstreamCredentials, redactor: Redactor) -> SameOriginSession:
    session = SameOriginSession(redactor)
    # Otherwise requests reads `content` of each response, which decompresses it. The adapter has read it already.
    session.stream = True
    # On a fast network, compression by Prometheus takes longer than the transfer of the bytes that it saves.
    session.headers.update({"Accept-Encoding": "identity", "User-Agent": f"aggregator/{__version__}"})
    session.headers.update(dict(credentials.headers))
    session.params = _group_values(credentials.query_parameters)
    # More than one redirect is a loop, which each query would follow.
    session.max_redirects = 1
    if credentials.ca_file:
        session.verify = credentials.ca_file
    if credentials.certificate_file:
        session.cert = (credentials.certificate_file, credentials.key_file)
    return session


def _group_values(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Return the values of each name, in their order."""
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    return values


def _create_auth(
    address: UpstreamAddress, credentials: UpstreamCredentials, redactor: Redactor
) -> requests.auth.AuthBase:
    if address.user is not None:
        # As bytes, because requests encodes text as Latin-1.
        return requests.auth.HTTPBasicAuth(address.user.encode(), (address.password or "").encode())
    return BearerAuth(credentials, redactor) if credentials.token or credentials.token_file else NO_AUTH
