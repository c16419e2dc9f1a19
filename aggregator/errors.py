"""The errors that several packages share, grouped by what the reader of the error can do about it.

::

    AggregatorError
    ├── SettingsError               fix the environment and start again
    ├── PortInUseError              free the port or choose another
    ├── FileError                   fix the path or the permissions
    ├── CertificateError            fix the file; the last valid one stays in use
    ├── ComponentStoppedError       start the program again; the log has the cause
    ├── EngineError                 a Docker Engine did not answer a request: the text has its reason
    ├── HttpError                   an HTTP request has no usable response: `kind` is the reason
    ├── QueryError                  one query has no response; others may have one
    │   ├── UnreachableError        no connection, or an interrupted one: retry later
    │   │   └── NotListeningError   connection refused: the other queries are not sent
    │   ├── QueryTimeoutError       no response in time: retry later, or allow more time
    │   ├── UpstreamStatusError     the upstream returned an HTTP error: read its reason
    │   ├── ResponseTooLargeError   the response exceeds the limit: raise the limit
    │   ├── MalformedResponseError  not a response to an instant query: check the address
    │   └── NotRecordedError        the recording has no response to the query: record again
    ├── PageError                   the metrics of a target are invalid or too large: fix the target, or raise the limit
    ├── RefreshFailedError          no snapshot was built: the last one stays
    ├── KeySetError                 the keys of an issuer were not fetched: the last ones stay
    ├── RecordingError              the file is not a valid recording: choose another
    ├── RegistryError               the registry file or the list of agents is not usable: fix its path or permissions
    ├── NoTopologyError             no usable snapshot: retry later
    ├── PastSnapshotError           no snapshot of a past instant now: retry later
    ├── RequestError
    │   ├── BadRequestError         fix the request, whose problem the text describes
    │   ├── NotFoundError           request an object that exists; similar names are suggested
    │   ├── MethodNotAllowedError   use an allowed method
    │   ├── RequestTooLargeError    send a smaller body
    │   ├── VersionGoneError        request the first page again
    │   ├── VersionMismatchError    decide again with the current topology
    │   └── TooManyWatchesError     retry later, or close other watches
    └── AccessError
        ├── UnauthenticatedError    send a valid token
        ├── PermissionDeniedError   obtain a token with the required role
        └── KeysUnavailableError    the keys to verify the token are not available: retry later
"""

from collections.abc import Sequence
from enum import Enum

# Limit for a name in a message. gRPC clients reject a status of more than 8 KiB, where a character may take 12 bytes.
MAX_NAME_CHARACTERS = 120


class AggregatorError(Exception):
    """The base class of all errors that this program raises on purpose."""


class SettingsError(AggregatorError):
    """Invalid settings. `problems` has one line for each: the variable, what is wrong, what is expected."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class PortInUseError(AggregatorError):
    """A server cannot listen on its address and port."""


class FileError(AggregatorError):
    """A file of a setting or an argument cannot be read; the text is the reason, without the path."""


class CertificateError(AggregatorError):
    """A TLS file cannot be used. The text contains its path and the reason, nothing of its contents."""


class ComponentStoppedError(AggregatorError):
    """A part of the program that must run until shutdown has ended."""


class EngineError(AggregatorError):
    """A Docker Engine cannot be reached, or refuses a request; the text is its message.

    `status` is the HTTP status of the response, None without a response.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class HttpErrorKind(Enum):
    """Why an HTTP request has no response; the values are constant words for logs and metrics."""

    CONNECTION_REFUSED = "connection refused"
    UNKNOWN_HOST = "unknown host"
    INVALID_URL = "invalid URL"
    TIMEOUT = "timeout"
    CERTIFICATE = "certificate not accepted"
    CLIENT_CERTIFICATE = "client certificate refused"
    TLS = "TLS failed"
    NOT_HTTP = "not HTTP"
    TOO_LARGE = "response too large"
    ABORTED = "aborted"
    BROKEN = "connection failed"


class HttpError(AggregatorError):
    """An HTTP request has no usable response; `kind` is the reason for programs, the text for people."""

    def __init__(self, kind: HttpErrorKind, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class QueryError(AggregatorError):
    """One query of a refresh has no usable response. The text is the reason, without the name of the query.

    `allows_stale_fallback` is False if the upstream rejected the query itself, so that an earlier response to it must
    not be used. `address` is the host, port and path of the upstream, "" if it has none.
    """

    allows_stale_fallback = True
    address = ""


class UnreachableError(QueryError):
    """No connection, or a connection that broke before the response was complete."""


class NotListeningError(UnreachableError):
    """The connection was refused. The query was not sent, so it is safe to retry."""


class QueryTimeoutError(QueryError):
    """No response within the timeout of the query or of the whole refresh."""


class UpstreamStatusError(QueryError):
    """The upstream responded with an HTTP status other than 200.

    `retry_after_seconds` is the value of Retry-After, None without that header.
    """

    def __init__(self, status: int, reason: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(f"HTTP {status}: {reason}")
        self.status = status
        self.retry_after_seconds = retry_after_seconds
        # 4xx except 429 rejects the query itself, so an earlier response to it must not be used.
        self.allows_stale_fallback = status >= 500 or status == 429


class ResponseTooLargeError(QueryError):
    """The response exceeds the maximum size."""


class MalformedResponseError(QueryError):
    """The response is not the JSON of an instant vector."""


class NotRecordedError(QueryError):
    """The replayed recording contains no response to the query."""

    allows_stale_fallback = False


class PageError(AggregatorError):
    """The metrics of a scrape target cannot be used as a whole.

    `reason` is a constant for logs and metrics: `not_text` or `too_large`. `line` is the number of the first invalid
    line, 0 if the page as a whole is invalid. The text contains nothing of the page.
    """

    def __init__(self, reason: str, message: str, line: int = 0) -> None:
        super().__init__(f"line {line}: {message}" if line else message)
        self.reason = reason
        self.line = line


class RefreshFailedError(AggregatorError):
    """No snapshot was built. The text is the reason, `failures` are the errors of the queries."""

    def __init__(self, reason: str, failures: tuple[QueryError, ...]) -> None:
        super().__init__(reason)
        self.failures = failures


class KeySetError(AggregatorError):
    """The key set of an issuer was not fetched or is invalid.

    `reason` is a short text for the log, `details` are further fields of the log line.
    """

    def __init__(self, reason: str, **details: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.details = details


class RecordingError(AggregatorError):
    """A recording cannot be replayed. The text is the reason, nothing of its contents."""


class RegistryError(AggregatorError):
    """The registry file or the list of agents cannot be read or written. The text contains the path and the reason."""


class NoTopologyError(AggregatorError):
    """There is no snapshot yet, or the last one is too old to be served.

    The text is the reason: `summary`, and a detail that may name upstreams.
    """

    def __init__(self, summary: str, detail: str = "") -> None:
        super().__init__(f"{summary}: {detail}" if detail else summary)
        self.summary = summary


class PastSnapshotError(AggregatorError):
    """The snapshot of a past instant was not collected. With `is_refused`, it was not tried: too many are requested.

    The text is the reason: `summary`, and a detail that may name upstreams.
    """

    def __init__(
        self, summary: str, detail: str = "", retry_after_seconds: float = 1.0, *, is_refused: bool = True
    ) -> None:
        super().__init__(f"{summary}: {detail}" if detail else summary)
        self.summary = summary
        self.retry_after_seconds = retry_after_seconds
        self.is_refused = is_refused


class RequestError(AggregatorError):
    """An invalid request.

    The text says what is wrong and what is expected. For programs: `parameter` is the name of the invalid parameter,
    `allowed` are the valid values or names, `nearest` those similar to the one in the request.
    """

    def __init__(
        self, detail: str, *, parameter: str = "", allowed: Sequence[str] = (), nearest: Sequence[str] = ()
    ) -> None:
        names = ", ".join(name[:MAX_NAME_CHARACTERS] for name in nearest)
        hint = f"; did you mean {names}?" if nearest else f"; allowed: {', '.join(allowed)}" if allowed else ""
        super().__init__(detail + hint)
        self.parameter = parameter
        self.allowed = tuple(allowed)
        self.nearest = tuple(nearest)


class BadRequestError(RequestError):
    """An unknown parameter, or an invalid value."""


class NotFoundError(RequestError):
    """No object has the requested name, or the caller may not see it."""


class MethodNotAllowedError(RequestError):
    """The resource does not support the method; `allowed` are the methods that it supports."""


class RequestTooLargeError(RequestError):
    """The body of a request exceeds the limit."""


class VersionGoneError(RequestError):
    """The topology of a continue token is no longer available."""


class VersionMismatchError(RequestError):
    """The current topology is not the one that the request requires; `version` is the current one."""

    def __init__(self, detail: str, *, parameter: str = "", version: str = "") -> None:
        super().__init__(detail, parameter=parameter)
        self.version = version


class TooManyWatchesError(RequestError):
    """The server has as many watches as it allows."""


class AccessError(AggregatorError):
    """The caller is not authorized.

    `reason` is a constant text for logs, metrics and readiness, `details` are further fields of the log line. They are
    not sent to the caller.
    """

    def __init__(self, reason: str, **details: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.details = details


class UnauthenticatedError(AccessError):
    """No token, or an invalid token."""


class PermissionDeniedError(AccessError):
    """The token is valid but lacks the required role."""


class KeysUnavailableError(AccessError):
    """The token cannot be verified, because the keys of its issuer were never fetched; retry after some seconds."""

    def __init__(self, reason: str, retry_after_seconds: float = 1.0) -> None:
        super().__init__(reason)
        self.retry_after_seconds = retry_after_seconds
