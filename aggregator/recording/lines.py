"""The lines of a recording: what each says, and how an error is written and read again."""

from typing import Literal, get_args

import msgspec

from aggregator.errors import (
    MalformedError,
    NotListeningError,
    NotRecordedError,
    QueryError,
    RecordingError,
    RefusedError,
    TooLargeError,
    TooSlowError,
    UnreachableError,
)

FORMAT = "aggregator recording"
VERSION = 1
# Each is asked with threads of its own.
MOST_SOURCES = 100

Kind = Literal[
    "failed", "malformed", "not listening", "not recorded", "refused", "too large", "too slow", "unreachable"
]

_ERRORS: dict[Kind, type[QueryError]] = {
    "failed": QueryError,
    "malformed": MalformedError,
    "not listening": NotListeningError,
    "not recorded": NotRecordedError,
    "too large": TooLargeError,
    "too slow": TooSlowError,
    "unreachable": UnreachableError,
}


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=False):
    """An upstream: what it is called, and which cluster its series are of that do not tell theirs."""

    name: str
    cluster: str = ""


class Header(msgspec.Struct, frozen=True, tag="header", omit_defaults=True):
    """The first line. `masked` are the labels whose values are pseudonyms."""

    format: str
    version: int
    created: str
    program: str
    sources: tuple[Source, ...]
    masked: tuple[str, ...] = ()


class Failure(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why a query has no answer; `status` and `retry_after_seconds` are those of a refusal."""

    kind: Kind
    text: str
    status: int = 0
    retry_after_seconds: float | None = None


class Answer(msgspec.Struct, frozen=True, tag="answer", omit_defaults=True, kw_only=True):
    """What became of one query: a body of `bytes` bytes follows, or `failure` says why there is none."""

    query: str
    source: str
    promql: str
    seconds: float
    bytes: int = 0
    failure: Failure | None = None


class Refresh(msgspec.Struct, frozen=True, tag="refresh"):
    """The end of a refresh: the moment that it was for, and how many answers of it stand before this line."""

    at_seconds: float
    answers: int


Line = Header | Answer | Refresh

_decoder: msgspec.json.Decoder[Line] = msgspec.json.Decoder(Line)


class _Beginning(msgspec.Struct):
    """As much of the first line as any version has."""

    format: Literal["aggregator recording"]
    version: int


def header(line: bytes) -> Header:
    """Return the first line; raise RecordingError where it is another's, or of a newer version."""
    try:
        beginning = msgspec.json.decode(line, type=_Beginning)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise RecordingError("is no recording of this program") from None
    if beginning.version > VERSION:
        raise RecordingError(f"is of version {beginning.version} of the format, and this program reads up to {VERSION}")
    read = decoded(line)
    if not isinstance(read, Header) or not read.sources:
        raise RecordingError("is damaged: its first line names no sources")
    names = {source.name for source in read.sources}
    if len(names) < len(read.sources):
        raise RecordingError("is damaged: its first line names a source twice")
    if len(names) > MOST_SOURCES:
        raise RecordingError(f"has more than {MOST_SOURCES} sources")
    return read


def decoded(line: bytes) -> Line:
    """Return what a line says; raise RecordingError where that is nothing known."""
    try:
        return _decoder.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise RecordingError("is damaged: a line of it cannot be read") from None


def encoded(line: Line) -> bytes:
    """Return a line as it is written, without its end."""
    return msgspec.json.encode(line)


def failure_of(error: QueryError, text: str) -> Failure:
    """Return what is written of an error; `text` is its text as it may be shown."""
    if isinstance(error, RefusedError):
        said = text.removeprefix(f"HTTP {error.status}: ")
        return Failure("refused", said, error.status, error.retry_after_seconds)
    return Failure(next((kind for kind, made in _ERRORS.items() if type(error) is made), "failed"), text)


def error_of(failure: Failure) -> QueryError:
    """Return the error that was written."""
    if failure.kind == "refused":
        return RefusedError(failure.status, failure.text, failure.retry_after_seconds)
    return _ERRORS[failure.kind](failure.text)


def kinds() -> frozenset[str]:
    """Return every word for an error."""
    return frozenset(get_args(Kind))
