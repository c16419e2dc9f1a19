"""The file format of recordings: zstd frames, each with one JSON line and possibly a response body."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import BinaryIO, Literal, Self

import msgspec
import zstandard

from aggregator import __version__
from aggregator.errors import (
    MalformedResponseError,
    NotListeningError,
    NotRecordedError,
    QueryError,
    QueryTimeoutError,
    RecordingError,
    ResponseTooLargeError,
    UnreachableError,
    UpstreamStatusError,
)
from aggregator.querier.prometheus.errors import JSON_DECODE_ERRORS

RECORDING_FORMAT = "aggregator recording"
RECORDING_VERSION = 1
# Each source has threads of its own.
MAX_SOURCES = 100
# The window that every zstd decoder supports; the highest usual compression level needs no more.
MAX_WINDOW_BYTES = 2**23
MAX_LINE_BYTES = 2**16
DEFAULT_COMPRESSION_LEVEL = 6

_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_MAX_FRAME_HEADER_BYTES = 18
_BLOCK_HEADER_BYTES = 3
_CHECKSUM_BYTES = 4
_READ_CHUNK_BYTES = 2**18
_DAMAGED = "is damaged"


class TruncatedRecordingError(RecordingError):
    """The file ends within a frame."""


@dataclass(frozen=True)
class RecordingFrame:
    """The range of a frame in an open file, in bytes."""

    file_descriptor: int
    start_offset: int
    end_offset: int


def compress_frame(content: bytes, level: int = DEFAULT_COMPRESSION_LEVEL) -> bytes:
    """Return a frame with this content and a checksum."""
    return zstandard.ZstdCompressor(level=level, write_checksum=True).compress(content)


def read_frame(file_descriptor: int, start_offset: int) -> RecordingFrame | None:
    """Return the frame at an offset, None at the end of the file.

    Raises TruncatedRecordingError if the file ends within the frame, RecordingError if there is no frame.
    """
    frame_header = os.pread(file_descriptor, _MAX_FRAME_HEADER_BYTES, start_offset)
    if not frame_header:
        return None
    if not _ZSTD_MAGIC.startswith(frame_header[:4]):
        raise RecordingError("is not a recording of this program" if start_offset == 0 else _DAMAGED)
    try:
        has_checksum = zstandard.get_frame_parameters(frame_header).has_checksum
        blocks_offset = start_offset + zstandard.frame_header_size(frame_header)
    except zstandard.ZstdError:
        raise (
            TruncatedRecordingError("is truncated")
            if len(frame_header) < _MAX_FRAME_HEADER_BYTES
            else RecordingError(_DAMAGED)
        ) from None
    end_offset = _find_blocks_end(file_descriptor, blocks_offset) + (_CHECKSUM_BYTES if has_checksum else 0)
    if end_offset > os.fstat(file_descriptor).st_size:
        raise TruncatedRecordingError("is truncated")
    return RecordingFrame(file_descriptor, start_offset, end_offset)


def _find_blocks_end(file_descriptor: int, offset: int) -> int:
    while True:
        header = os.pread(file_descriptor, _BLOCK_HEADER_BYTES, offset)
        if len(header) < _BLOCK_HEADER_BYTES:
            raise TruncatedRecordingError("is truncated")
        header_bits = int.from_bytes(header, "little")
        is_last, block_type, size = header_bits & 1, header_bits >> 1 & 3, header_bits >> 3
        if block_type == 3:
            raise RecordingError(_DAMAGED)
        # A run-length block contains one byte; its size is the number of repetitions.
        offset += _BLOCK_HEADER_BYTES + (1 if block_type == 1 else size)
        if is_last:
            return offset


class FrameReader:
    """Reads a frame: its line, then its body. Raises RecordingError if the frame is damaged."""

    def __init__(self, frame: RecordingFrame) -> None:
        decompressor = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW_BYTES)
        self._reader = decompressor.stream_reader(_FrameBytes(frame))  # type: ignore[arg-type] # only `read` is used
        prefix = self._read_decompressed(MAX_LINE_BYTES)
        self.line, line_end, self._buffered = prefix.partition(b"\n")
        if not line_end:
            raise RecordingError(_DAMAGED)

    def read_body(self, size_bytes: int) -> bytes:
        """Return the body after the line: all that is left of the frame, without the final newline."""
        chunks = [self._buffered[: size_bytes + 2]]
        # One byte more than expected is requested: zstd verifies the checksum at the end of the frame.
        missing_bytes = size_bytes + 2 - len(chunks[0])
        while missing_bytes > 0 and (chunk := self._read_decompressed(min(missing_bytes, _READ_CHUNK_BYTES))):
            chunks.append(chunk)
            missing_bytes -= len(chunk)
        body = b"".join(chunks)
        if len(body) != size_bytes + 1 or not body.endswith(b"\n"):
            raise RecordingError(_DAMAGED)
        return body[:-1]

    def verify(self, size_bytes: int) -> None:
        """Read the body and the checksum without keeping the body."""
        remaining_bytes = size_bytes + 1 - len(self._buffered) if size_bytes else -len(self._buffered)
        while remaining_bytes >= 0 and (chunk := self._read_decompressed(_READ_CHUNK_BYTES)):
            remaining_bytes -= len(chunk)
        if remaining_bytes != 0:
            raise RecordingError(_DAMAGED)

    def _read_decompressed(self, size: int) -> bytes:
        try:
            return self._reader.read(size)
        except (zstandard.ZstdError, MemoryError):
            raise RecordingError(_DAMAGED) from None


class _FrameBytes:
    """The compressed bytes of a frame, read from the file on demand."""

    def __init__(self, frame: RecordingFrame) -> None:
        self._frame = frame
        self._offset = frame.start_offset

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, b"" at the end."""
        remaining_bytes = self._frame.end_offset - self._offset
        chunk = os.pread(
            self._frame.file_descriptor, min(size, remaining_bytes) if size >= 0 else remaining_bytes, self._offset
        )
        self._offset += len(chunk)
        return chunk


# Names in the file: "refused" is an HTTP error status, "too slow" a timeout, "not listening" a refused connection.
FailureKind = Literal[
    "failed", "malformed", "not listening", "not recorded", "refused", "too large", "too slow", "unreachable"
]

_ERROR_TYPES: dict[FailureKind, type[QueryError]] = {
    "failed": QueryError,
    "malformed": MalformedResponseError,
    "not listening": NotListeningError,
    "not recorded": NotRecordedError,
    "too large": ResponseTooLargeError,
    "too slow": QueryTimeoutError,
    "unreachable": UnreachableError,
}


class RecordedSource(msgspec.Struct, frozen=True):
    """The name of an upstream, and the `cluster` label of its series that have none."""

    name: str
    cluster: str = ""


class RecordingHeader(msgspec.Struct, frozen=True, tag="header", omit_defaults=True):
    """The first line. `masked` lists the labels whose values are pseudonyms."""

    format: str
    version: int
    created: str
    program: str
    sources: tuple[RecordedSource, ...]
    masked: tuple[str, ...] = ()


class RecordedFailure(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why a query has no response; `status` and `retry_after_seconds` belong to an HTTP error status."""

    kind: FailureKind
    text: str
    status: int = 0
    retry_after_seconds: float | None = None


class RecordedResponse(msgspec.Struct, frozen=True, tag="answer", omit_defaults=True, kw_only=True):
    """The response to one query: a body of `size_bytes` bytes follows, or `failure` is the error.

    `row` is the name of the row. The names in the file are those of version 1.
    """

    row: str = msgspec.field(name="query")
    source: str
    promql: str
    duration_seconds: float = msgspec.field(name="seconds")
    size_bytes: int = msgspec.field(name="bytes", default=0)
    failure: RecordedFailure | None = None


class RecordedRefresh(msgspec.Struct, frozen=True, tag="refresh"):
    """The end of a refresh: its evaluation time in seconds since the epoch, and the number of its responses."""

    at_seconds: float
    response_count: int = msgspec.field(name="answers")


RecordingLine = RecordingHeader | RecordedResponse | RecordedRefresh

_line_decoder: msgspec.json.Decoder[RecordingLine] = msgspec.json.Decoder(RecordingLine)


class _HeaderPrefix(msgspec.Struct):
    """The part of the first line that all versions share."""

    format: Literal["aggregator recording"]
    version: int


def parse_header(line: bytes) -> RecordingHeader:
    """Return the header; raise RecordingError if the line is not one, or is of a newer version."""
    try:
        prefix = msgspec.json.decode(line, type=_HeaderPrefix)
    except JSON_DECODE_ERRORS:
        raise RecordingError("is not a recording of this program") from None
    if prefix.version > RECORDING_VERSION:
        raise RecordingError(
            f"has version {prefix.version} of the format; this program reads versions up to {RECORDING_VERSION}"
        )
    header = decode_line(line)
    if not isinstance(header, RecordingHeader) or not header.sources:
        raise RecordingError("is damaged: its header contains no sources")
    names = {source.name for source in header.sources}
    if len(names) < len(header.sources):
        raise RecordingError("is damaged: its header contains a source twice")
    if len(names) > MAX_SOURCES:
        raise RecordingError(f"has more than {MAX_SOURCES} sources")
    return header


def decode_line(line: bytes) -> RecordingLine:
    """Return the value of a line; raise RecordingError if its kind is unknown."""
    try:
        return _line_decoder.decode(line)
    except JSON_DECODE_ERRORS:
        raise RecordingError("is damaged: it contains an invalid line") from None


def encode_line(line: RecordingLine) -> bytes:
    """Return a line without its newline."""
    return msgspec.json.encode(line)


def build_recorded_failure(error: QueryError, text: str) -> RecordedFailure:
    """Return the failure to record for an error; `text` is its redacted text."""
    if isinstance(error, UpstreamStatusError):
        message = text.removeprefix(f"HTTP {error.status}: ")
        return RecordedFailure("refused", message, error.status, error.retry_after_seconds)
    return RecordedFailure(
        next((kind for kind, error_type in _ERROR_TYPES.items() if type(error) is error_type), "failed"), text
    )


def restore_error(failure: RecordedFailure) -> QueryError:
    """Return the error of a recorded failure."""
    if failure.kind == "refused":
        return UpstreamStatusError(failure.status, failure.text, failure.retry_after_seconds)
    return _ERROR_TYPES[failure.kind](failure.text)


class RecordingWriter:
    """Writes a recording to a file, which it closes at the end of a `with` block."""

    def __init__(
        self,
        file: BinaryIO,
        sources: Iterable[RecordedSource],
        created_seconds: float,
        masked_labels: Iterable[str] = (),
        compression_level: int = DEFAULT_COMPRESSION_LEVEL,
    ) -> None:
        self._file = file
        self._compression_level = compression_level
        self._response_count = 0
        self._last_refresh_seconds = float("-inf")
        self.refresh_count = 0
        self.written_bytes = 0
        created = datetime.fromtimestamp(created_seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        program = f"aggregator {__version__}"
        header = RecordingHeader(
            RECORDING_FORMAT,
            RECORDING_VERSION,
            created,
            program,
            tuple(sources),
            tuple(masked_labels),
        )
        self._write_frame(encode_line(header) + b"\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def write_response(self, response: RecordedResponse, body: bytes = b"") -> None:
        """Write the response to one query of the current refresh."""
        line = encode_line(response) + b"\n"
        self._write_frame(b"".join((line, body, b"\n")) if body else line)
        self._response_count += 1

    def end_refresh(self, at_seconds: float) -> None:
        """Complete the current refresh. If the clock was set back, its time becomes 1 ms after the previous one."""
        self._last_refresh_seconds = max(at_seconds, self._last_refresh_seconds + 0.001)
        self._write_frame(encode_line(RecordedRefresh(self._last_refresh_seconds, self._response_count)) + b"\n")
        self._file.flush()
        self._response_count = 0
        self.refresh_count += 1

    def _write_frame(self, content: bytes) -> None:
        frame = compress_frame(content, self._compression_level)
        self._file.write(frame)
        self.written_bytes += len(frame)
