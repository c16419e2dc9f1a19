"""The paths of the HTTP server, and its responses.

Responses contain bytes that are already encoded. Errors are problem details under /api/v1, and JSON in the format of
the Go service elsewhere.
"""

import json
import logging
import math
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import unquote

from starlette.responses import Response

from aggregator.errors import (
    AccessError,
    BadRequestError,
    KeysUnavailableError,
    MethodNotAllowedError,
    PastSnapshotError,
    PermissionDeniedError,
    RequestError,
    UnauthenticatedError,
    VersionMismatchError,
)
from aggregator.lookup.fields import suggest_names
from aggregator.observability.logs import get_logger
from aggregator.observability.metrics import API_HANDLER, OTHER, OwnMetrics
from aggregator.server.status import get_error_mapping, get_error_message
from aggregator.server.visibility import SnapshotProvider

API_V1_PATH = "/api/v1"

METRICS_PATH = "/metrics"

MCP_PATH = "/mcp"

TOPOLOGY_HANDLER = "topology"

MCP_HANDLER = "mcp"


# The only paths that need no token. The comparison is exact, so a new or misspelled path is never public by accident.
PUBLIC_PATHS = frozenset(
    {
        *("/docs", "/docs/oauth2-redirect", "/healthz", METRICS_PATH, "/openapi.json", "/readyz"),
        *("/docs/static/favicon.png", "/docs/static/swagger-ui-bundle.js", "/docs/static/swagger-ui.css"),
    }
)

Headers = list[tuple[bytes, bytes]]

JSON_CONTENT_TYPE_HEADER = (b"content-type", b"application/json")

NOSNIFF_HEADER = (b"x-content-type-options", b"nosniff")

# Caches may keep a response, but must revalidate it for every request.
REVALIDATE_HEADER = (b"cache-control", b"no-cache")

NO_STORE_HEADER = (b"cache-control", b"no-store")

PROBLEM_CONTENT_TYPE = "application/problem+json"

# The problem types by HTTP status: the fragment of `type`, and the title.
PROBLEM_TYPES: Mapping[int, tuple[str, str]] = {
    400: ("bad-request", "The request is invalid"),
    401: ("not-authorized", "The token is missing or invalid"),
    403: ("not-allowed", "The token grants no access"),
    404: ("not-found", "The path or the object does not exist"),
    405: ("wrong-method", "The method is not allowed here"),
    410: ("version-gone", "The topology of the first page is no longer kept"),
    412: ("version-mismatch", "The topology has changed"),
    413: ("body-too-large", "The body of the request is too large"),
    429: ("too-many-watches", "Too many watches are open"),
    500: ("internal-error", "The server failed"),
    503: ("unavailable", "No topology is available"),
}

# The page that describes the types. It is relative, because the server does not know its own host name.
PROBLEM_TYPE_BASE_URL = "/docs#"

_PROBLEM_HEADERS: Headers = [
    (b"content-type", PROBLEM_CONTENT_TYPE.encode()),
    NOSNIFF_HEADER,
    NO_STORE_HEADER,
]

# RFC 6750: the challenge, followed by an error code if there was a token.
_BEARER_CHALLENGE = b'Bearer realm="aggregator"'

_log = get_logger(__name__)

_is_log_enabled = logging.getLogger(__name__).isEnabledFor

_EncodedError = tuple[int, Headers, bytes]


class ReservedPath(NamedTuple):
    """A path that does not return the legacy topology, and the `handler` label of its metrics."""

    path: str
    handler: str
    includes_subpaths: bool = False


# Every other path returns the topology, as the Go service does.
RESERVED_PATHS = (
    ReservedPath("/healthz", "probes"),
    ReservedPath("/readyz", "probes"),
    ReservedPath(METRICS_PATH, "metrics"),
    ReservedPath("/openapi.json", "docs"),
    ReservedPath("/docs", "docs", includes_subpaths=True),
    ReservedPath("/api", API_HANDLER, includes_subpaths=True),
    ReservedPath(MCP_PATH, MCP_HANDLER),
    ReservedPath("/ui", "ui", includes_subpaths=True),
)

_HANDLERS_BY_PATH = {reserved.path: reserved.handler for reserved in RESERVED_PATHS}

_HANDLERS_BY_PREFIX = {
    f"{reserved.path}/": reserved.handler for reserved in RESERVED_PATHS if reserved.includes_subpaths
}


def find_handler(path: str) -> str:
    """Return the handler that serves a path."""
    prefix = path[: path.find("/", 1) + 1]
    return _HANDLERS_BY_PATH.get(path) or _HANDLERS_BY_PREFIX.get(prefix, TOPOLOGY_HANDLER)


def find_route(path: str, handler: str, api_routes: Collection[str]) -> str:
    """Return the route that the durations of a path are counted at; other paths below /api share one."""
    if handler != API_HANDLER:
        return handler
    segment = path.removeprefix(f"{API_V1_PATH}/").partition("/")[0]
    return segment if segment in api_routes else OTHER


def decode_segments(raw_path: bytes) -> str:
    """Return the path to match routes with: decoded, except for `/` and `%` within a segment.

    A name such as `nuvlabox/1` is one segment, written `nuvlabox%2F1`. `decode_segment` decodes the rest.
    """
    try:
        path = raw_path.decode()
        if "%" not in path:
            return path
        segments = [unquote(segment, errors="strict") for segment in path.split("/")]
    except UnicodeDecodeError:
        raise BadRequestError("path must be UTF-8") from None
    return "/".join(segment.replace("%", "%25").replace("/", "%2F") for segment in segments)


def decode_segment(segment: str) -> str:
    """Return the name in one segment of a path from `decode_segments`."""
    return segment.replace("%2F", "/").replace("%25", "%")


def uses_problem_details(path: str) -> bool:
    """Return whether errors at a path are problem documents."""
    return path == API_V1_PATH or path.startswith(f"{API_V1_PATH}/")


class HttpResponse(Response):
    """A response whose header fields and body are sent as they are."""

    def __init__(self, status: int, headers: Headers, body: bytes) -> None:
        # Without the base class, which would encode headers.
        self.status_code = status
        self.raw_headers = headers
        self.body = body
        self.background = None


class ErrorResponder:
    """Builds the response to an exception: the one place where errors become HTTP."""

    def __init__(self, snapshots: SnapshotProvider, own_metrics: OwnMetrics) -> None:
        self._snapshots = snapshots
        self._own_metrics = own_metrics

    def build_response(self, error: Exception, path: str) -> HttpResponse:
        """Return the response, in the format of the path. Counts an AccessError, so call it once for a request."""
        if isinstance(error, AccessError):
            self._own_metrics.record_auth_failure(error.reason)
            # Building the event takes longer than building the response.
            if _is_log_enabled(logging.DEBUG):
                _log.debug("request refused", reason=error.reason, **error.details)
        if isinstance(error, UnauthenticatedError):
            status, headers, body = _encode_unauthorized(
                has_token=error.reason != "no token", as_problem=uses_problem_details(path)
            )
        else:
            status, headers, body = _encode_error(error, as_problem=uses_problem_details(path))
        return HttpResponse(status, [*headers, *self._build_error_headers(error, status)], body)

    def _build_error_headers(self, error: Exception, status: int) -> Headers:
        if isinstance(error, (KeysUnavailableError, PastSnapshotError)):
            return [_build_retry_after_header(error.retry_after_seconds)]
        if status in (429, 503):
            return [_build_retry_after_header(self._snapshots.compute_seconds_until_refresh())]
        if isinstance(error, PermissionDeniedError):
            return [(b"www-authenticate", b'%s, error="insufficient_scope"' % _BEARER_CHALLENGE)]
        if isinstance(error, VersionMismatchError):
            return [(b"x-topology-version", error.version.encode())]
        if isinstance(error, MethodNotAllowedError):
            return [(b"allow", ", ".join(error.allowed).encode())]
        return []


def build_json_error(status: int, message: str) -> HttpResponse:
    """Return an error response in the legacy format, which clients of the Go service read."""
    return HttpResponse(*encode_json_error(status, message))


def build_problem(error: Exception) -> dict[str, Any]:
    """Return the problem document of an error."""
    status = get_error_mapping(error).http_status
    name, title = PROBLEM_TYPES[status]
    document: dict[str, Any] = {
        "type": PROBLEM_TYPE_BASE_URL + name,
        "title": title,
        "status": status,
        "detail": get_error_message(error),
    }
    if isinstance(error, RequestError):
        details = {"parameter": error.parameter, "allowed": list(error.allowed), "nearest": list(error.nearest)}
        document |= {name: value for name, value in details.items() if value}
    if isinstance(error, VersionMismatchError):
        document["version"] = error.version
    return document


def build_unknown_parameter_error(name: str, allowed: Sequence[str]) -> BadRequestError:
    """Return the error of a request with a query parameter that its path does not have."""
    if not allowed:
        return BadRequestError(f"unknown parameter {name[:80]!r}: this path has no parameters", parameter=name)
    return BadRequestError(
        f"unknown parameter {name[:80]!r}", parameter=name, allowed=allowed, nearest=suggest_names(name, allowed)
    )


@lru_cache(maxsize=4)
def _encode_unauthorized(*, has_token: bool, as_problem: bool) -> _EncodedError:
    """Return one of the four responses to a missing or an invalid token: unauthenticated clients may send many."""
    status, headers, body = _encode_error(UnauthenticatedError("no token"), as_problem=as_problem)
    challenge = b'%s, error="invalid_token"' % _BEARER_CHALLENGE if has_token else _BEARER_CHALLENGE
    return status, [*headers, (b"www-authenticate", challenge)], body


def _encode_error(error: Exception, *, as_problem: bool) -> _EncodedError:
    if not as_problem:
        return encode_json_error(get_error_mapping(error).http_status, get_error_message(error))
    document = build_problem(error)
    body = _encode_json(document)
    return document["status"], [*_PROBLEM_HEADERS, build_length_header(body)], body


def encode_json_error(status: int, message: str) -> _EncodedError:
    """Return the status, the header fields and the body of an error in the format of the Go service."""
    body = _encode_json({"error": message})
    return status, [JSON_CONTENT_TYPE_HEADER, build_length_header(body), NOSNIFF_HEADER], body


def _encode_json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def build_length_header(body: bytes) -> tuple[bytes, bytes]:
    """Return the Content-Length of a body."""
    return (b"content-length", b"%d" % len(body))


def _build_retry_after_header(seconds: float) -> tuple[bytes, bytes]:
    return (b"retry-after", b"%d" % max(1, math.ceil(seconds)))
