"""What clients learn about failures: the table from errors to HTTP and gRPC statuses, and readiness."""

from collections.abc import Callable
from dataclasses import dataclass

import grpc

from aggregator.errors import (
    AggregatorError,
    BadRequestError,
    KeysUnavailableError,
    MethodNotAllowedError,
    NotFoundError,
    NoTopologyError,
    PastSnapshotError,
    PermissionDeniedError,
    RequestTooLargeError,
    TooManyWatchesError,
    UnauthenticatedError,
    VersionGoneError,
    VersionMismatchError,
)
from aggregator.observability.logs import get_logger

_log = get_logger(__name__)


@dataclass(frozen=True)
class ErrorMapping:
    """An HTTP status, a gRPC code, and a constant public message; None if the text of the error is public."""

    http_status: int
    grpc_code: grpc.StatusCode
    message: str | None


_ERROR_MAPPINGS: dict[type[AggregatorError], ErrorMapping] = {
    UnauthenticatedError: ErrorMapping(401, grpc.StatusCode.UNAUTHENTICATED, "not authorized"),
    PermissionDeniedError: ErrorMapping(403, grpc.StatusCode.PERMISSION_DENIED, "not allowed"),
    KeysUnavailableError: ErrorMapping(503, grpc.StatusCode.UNAVAILABLE, "no keys to verify tokens yet"),
    NoTopologyError: ErrorMapping(503, grpc.StatusCode.UNAVAILABLE, None),
    PastSnapshotError: ErrorMapping(503, grpc.StatusCode.UNAVAILABLE, None),
    BadRequestError: ErrorMapping(400, grpc.StatusCode.INVALID_ARGUMENT, None),
    NotFoundError: ErrorMapping(404, grpc.StatusCode.NOT_FOUND, None),
    MethodNotAllowedError: ErrorMapping(405, grpc.StatusCode.UNIMPLEMENTED, None),
    VersionGoneError: ErrorMapping(410, grpc.StatusCode.ABORTED, None),
    VersionMismatchError: ErrorMapping(412, grpc.StatusCode.FAILED_PRECONDITION, None),
    RequestTooLargeError: ErrorMapping(413, grpc.StatusCode.RESOURCE_EXHAUSTED, None),
    TooManyWatchesError: ErrorMapping(429, grpc.StatusCode.RESOURCE_EXHAUSTED, None),
}

INTERNAL_ERROR = ErrorMapping(500, grpc.StatusCode.INTERNAL, "internal error")


def get_error_mapping(error: Exception) -> ErrorMapping:
    """Return the mapping of an error; an error that is not in the table is internal, and its text is not public."""
    return _ERROR_MAPPINGS.get(type(error), INTERNAL_ERROR) if isinstance(error, AggregatorError) else INTERNAL_ERROR


def get_error_message(error: Exception) -> str:
    """Return the public message of an error."""
    return get_error_mapping(error).message or str(error)


class Readiness:
    """Whether the process can serve requests: it has a usable snapshot and verification keys, and is not stopping.

    `get_snapshot` raises NoTopologyError without a snapshot, `check_keys` KeysUnavailableError without keys. With
    `include_details=False` the reason is short: callers without a token must not learn what an upstream responded, or
    its host name.
    """

    def __init__(
        self,
        get_snapshot: Callable[[], object],
        check_keys: Callable[[], object] = lambda: None,
        *,
        include_details: bool = True,
    ) -> None:
        self._include_details = include_details
        self._get_snapshot = get_snapshot
        self._check_keys = check_keys
        self._is_stopping = False

    def stop(self) -> None:
        """Report not ready from now on."""
        self._is_stopping = True

    def get_unready_reason(self) -> str | None:
        """Return why the process is not ready, None if it is ready."""
        if self._is_stopping:
            return "shutting down"
        try:
            self._check_keys()
            self._get_snapshot()
        except KeysUnavailableError as error:
            return str(error)
        except NoTopologyError as error:
            return str(error) if self._include_details else error.summary
        except Exception:  # noqa: BLE001 - a defect must not break the health check, too
            _log.exception("readiness check failed")
            return "internal error, see the log"
        return None
