"""What each of our errors means to a client: one table, read by HTTP and gRPC alike."""

from dataclasses import dataclass

import grpc

from aggregator.errors import (
    AggregatorError,
    BadRequestError,
    KeysMissingError,
    NotAllowedError,
    NotFoundError,
    NoTopologyError,
    TokenRefusedError,
    VersionGoneError,
    WrongMethodError,
)


@dataclass(frozen=True)
class Failure:
    """An HTTP status, a gRPC code, and a constant text, or None where the error's own text is for the client."""

    status: int
    code: grpc.StatusCode
    text: str | None


_TABLE: dict[type[AggregatorError], Failure] = {
    TokenRefusedError: Failure(401, grpc.StatusCode.UNAUTHENTICATED, "not authorized"),
    NotAllowedError: Failure(403, grpc.StatusCode.PERMISSION_DENIED, "not allowed"),
    KeysMissingError: Failure(503, grpc.StatusCode.UNAVAILABLE, "the keys to check tokens with are not there yet"),
    NoTopologyError: Failure(503, grpc.StatusCode.UNAVAILABLE, None),
    BadRequestError: Failure(400, grpc.StatusCode.INVALID_ARGUMENT, None),
    NotFoundError: Failure(404, grpc.StatusCode.NOT_FOUND, None),
    WrongMethodError: Failure(405, grpc.StatusCode.UNIMPLEMENTED, None),
    VersionGoneError: Failure(410, grpc.StatusCode.ABORTED, None),
}

UNEXPECTED = Failure(500, grpc.StatusCode.INTERNAL, "internal error")


def failure_of(error: Exception) -> Failure:
    """Return what to answer; an error that clients are not meant to meet is an internal one, without its text."""
    return _TABLE.get(type(error), UNEXPECTED) if isinstance(error, AggregatorError) else UNEXPECTED


def text_of(error: Exception) -> str:
    """Return the text that the client may see."""
    return failure_of(error).text or str(error)
