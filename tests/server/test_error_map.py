"""The error mapping, for HTTP and gRPC."""

import inspect

import grpc
import pytest

from aggregator import errors
from aggregator.errors import (
    AccessError,
    AggregatorError,
    KeysUnavailableError,
    MalformedResponseError,
    NoTopologyError,
    PastSnapshotError,
    PermissionDeniedError,
    PortInUseError,
    RequestError,
    SettingsError,
    UnauthenticatedError,
    UpstreamStatusError,
)
from aggregator.server.status import get_error_mapping, get_error_message

ERROR_CLASSES = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, AggregatorError)]


@pytest.mark.parametrize(
    ("error", "status", "code", "text"),
    [
        (UnauthenticatedError("expired"), 401, grpc.StatusCode.UNAUTHENTICATED, "not authorized"),
        (PermissionDeniedError("role"), 403, grpc.StatusCode.PERMISSION_DENIED, "not allowed"),
        (
            KeysUnavailableError("x"),
            503,
            grpc.StatusCode.UNAVAILABLE,
            "no keys to verify tokens yet",
        ),
        (NoTopologyError("no topology yet", "x"), 503, grpc.StatusCode.UNAVAILABLE, "no topology yet: x"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_mapped_errors(error: AggregatorError, status: int, code: grpc.StatusCode, text: str) -> None:
    """Public errors have a status, a code and a message."""
    failure = get_error_mapping(error)
    assert (failure.http_status, failure.grpc_code, get_error_message(error)) == (status, code, text)


@pytest.mark.parametrize(
    "error",
    [
        UpstreamStatusError(500, "secret"),
        MalformedResponseError("secret"),
        SettingsError(["KEY: secret"]),
        PortInUseError("secret"),
        AggregatorError("secret"),
        ValueError("secret"),
        MemoryError("secret"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_other_errors_are_internal(error: Exception) -> None:
    """Any other error is internal, and its text is not public."""
    failure = get_error_mapping(error)
    assert (failure.http_status, failure.grpc_code, get_error_message(error)) == (
        500,
        grpc.StatusCode.INTERNAL,
        "internal error",
    )


@pytest.mark.parametrize("kind", ERROR_CLASSES, ids=lambda kind: kind.__name__)
def test_all_client_errors_are_mapped(kind: type[AggregatorError]) -> None:
    """Every access or request error, except the base classes, is mapped to a status of the client."""
    if issubclass(kind, AccessError) and kind is not AccessError:
        assert get_error_mapping(kind("x")).http_status in (401, 403, 503)
    elif issubclass(kind, RequestError) and kind is not RequestError:
        assert get_error_mapping(kind("x")).http_status in (400, 404, 405, 410, 412, 413, 429)
    elif kind not in (NoTopologyError, PastSnapshotError):
        assert get_error_mapping(kind.__new__(kind)).http_status == 500


@pytest.mark.parametrize("reason", ["expired", "signature", "no token", "algorithm"])
def test_the_reason_of_a_rejected_token_is_not_public(reason: str) -> None:
    """A caller who tries tokens does not learn why one was rejected."""
    assert get_error_message(UnauthenticatedError(reason)) == "not authorized"
