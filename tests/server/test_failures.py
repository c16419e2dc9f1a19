"""The table that tells clients of errors, the same over HTTP and gRPC."""

import inspect

import grpc
import pytest

from aggregator import errors
from aggregator.errors import (
    AccessError,
    AggregatorError,
    KeysMissingError,
    MalformedError,
    NotAllowedError,
    NoTopologyError,
    PortInUseError,
    RefusedError,
    RequestError,
    SettingsError,
    TokenRefusedError,
)
from aggregator.server.failures import failure_of, text_of

OURS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, AggregatorError)]


@pytest.mark.parametrize(
    ("error", "status", "code", "text"),
    [
        (TokenRefusedError("expired"), 401, grpc.StatusCode.UNAUTHENTICATED, "not authorized"),
        (NotAllowedError("role"), 403, grpc.StatusCode.PERMISSION_DENIED, "not allowed"),
        (KeysMissingError("x"), 503, grpc.StatusCode.UNAVAILABLE, "the keys to check tokens with are not there yet"),
        (NoTopologyError("no topology yet: x"), 503, grpc.StatusCode.UNAVAILABLE, "no topology yet: x"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_clients_meet(error: AggregatorError, status: int, code: grpc.StatusCode, text: str) -> None:
    """Each error that clients are meant to meet has a status, a code and a text."""
    failure = failure_of(error)
    assert (failure.status, failure.code, text_of(error)) == (status, code, text)


@pytest.mark.parametrize(
    "error",
    [
        RefusedError(500, "secret"),
        MalformedError("secret"),
        SettingsError(["KEY: secret"]),
        PortInUseError("secret"),
        AggregatorError("secret"),
        ValueError("secret"),
        MemoryError("secret"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_the_rest_is_internal(error: Exception) -> None:
    """Any other error is an internal one whose text stays here."""
    failure = failure_of(error)
    assert (failure.status, failure.code, text_of(error)) == (500, grpc.StatusCode.INTERNAL, "internal error")


@pytest.mark.parametrize("kind", OURS, ids=lambda kind: kind.__name__)
def test_no_refusal_is_left_out(kind: type[AggregatorError]) -> None:
    """Every error about access or a request, except their common roots, is in the table as one of the client's."""
    if issubclass(kind, AccessError) and kind is not AccessError:
        assert failure_of(kind("x")).status in (401, 403, 503)
    elif issubclass(kind, RequestError) and kind is not RequestError:
        assert failure_of(kind("x")).status in (400, 404, 405, 410)
    elif kind is not NoTopologyError:
        assert failure_of(kind.__new__(kind)).status == 500


@pytest.mark.parametrize("reason", ["expired", "signature", "no token", "algorithm"])
def test_a_refusal_does_not_tell_its_reason(reason: str) -> None:
    """Whoever tries tokens does not learn what was wrong with them."""
    assert text_of(TokenRefusedError(reason)) == "not authorized"
