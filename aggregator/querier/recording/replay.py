"""Replay a recording in place of upstreams: its responses, and the clock that selects its refreshes."""

import os
import threading
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType, TracebackType
from typing import Self

from aggregator.errors import FileError, MalformedResponseError, NotRecordedError, RecordingError, ResponseTooLargeError
from aggregator.querier.prometheus.decode import ByteBudget, CompressedBody, compress_chunks
from aggregator.querier.recording import file_format
from aggregator.querier.recording.file_format import (
    FrameReader,
    RecordedRefresh,
    RecordedResponse,
    RecordingFrame,
    RecordingHeader,
    TruncatedRecordingError,
    read_frame,
)
from aggregator.util.files import open_regular_file

# Eleven days with a refresh every ten seconds.
MAX_REFRESHES = 100_000

MAX_RESPONSES_PER_REFRESH = 10_000

# At most so many decompressed bytes are verified when a recording is opened, which takes a second or two.
MAX_VERIFIED_BYTES = 2**30

# The source of a response, and its PromQL or the name of its row.
RecordedQueryKey = tuple[str, str]


@dataclass(frozen=True)
class _RefreshSpan:
    """The range of a refresh in the file: from its first response to its last line."""

    start_offset: int
    end_offset: int


class RecordingReader:
    """Reads a recording; only an index of its parts is in memory. Thread-safe.

    `timestamps` are the instants of its refreshes, in ascending order. `is_truncated` means that the file ends within a
    refresh, which is ignored. Raises RecordingError if the file is not a recording, or has no complete refresh.
    """

    def __init__(self, path: str) -> None:
        try:
            self._file_descriptor = open_regular_file(path)
        except FileError as error:
            raise RecordingError(str(error)) from None
        self._lock = threading.Lock()
        self._loaded_responses: tuple[int, Mapping[RecordedQueryKey, tuple[RecordedResponse, RecordingFrame]]] = (
            -1,
            {},
        )
        self.timestamps: list[float] = []
        self._spans: list[_RefreshSpan] = []
        self.is_truncated = False
        try:
            self.header = self._read_index()
        except RecordingError:
            self.close()
            raise
        except OSError as error:
            self.close()
            raise RecordingError(f"cannot be read ({error.strerror})") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        if self._file_descriptor >= 0:
            os.close(self._file_descriptor)
            self._file_descriptor = -1

    @property
    def interval_seconds(self) -> float:
        """The mean time from one refresh to the next; 1 s for a single refresh."""
        last = len(self.timestamps) - 1
        return (self.timestamps[-1] - self.timestamps[0]) / last if last else 1.0

    def find_nearest(self, at_seconds: float) -> int:
        """Return the index of the refresh with the nearest instant."""
        following = min(bisect_left(self.timestamps, at_seconds), len(self.timestamps) - 1)
        preceding = max(0, following - 1)
        return min(preceding, following, key=lambda index: abs(self.timestamps[index] - at_seconds))

    def iterate_responses(self, index: int) -> Iterator[tuple[RecordedResponse, RecordingFrame]]:
        """Yield the responses of a refresh and their frames, in the order of the file."""
        span = self._spans[index]
        offset = span.start_offset
        while offset < span.end_offset and (frame := read_frame(self._file_descriptor, offset)) is not None:
            line = file_format.decode_line(FrameReader(frame).line)
            if isinstance(line, RecordedResponse):
                yield line, frame
            offset = frame.end_offset

    def contains(self, index: int, key: RecordedQueryKey) -> bool:
        """Return whether a refresh has a response or an error for a query."""
        return key in self._load_responses(index)

    def read_body(self, index: int, key: RecordedQueryKey, max_bytes: int) -> bytes:
        """Return the recorded body of a query; raise the recorded QueryError if there is none."""
        recorded = self._load_responses(index).get(key)
        if recorded is None:
            raise NotRecordedError(
                "the recording does not contain this query; it was made by another version of this program"
            )
        response, frame = recorded
        if response.failure is not None:
            raise file_format.restore_error(response.failure)
        return read_response_body(response, frame, max_bytes)

    def _load_responses(self, index: int) -> Mapping[RecordedQueryKey, tuple[RecordedResponse, RecordingFrame]]:
        """Return the responses of a refresh by source and PromQL, and by source and name of the row."""
        with self._lock:
            if self._loaded_responses[0] != index:
                responses: dict[RecordedQueryKey, tuple[RecordedResponse, RecordingFrame]] = {}
                for response, frame in self.iterate_responses(index):
                    responses[response.source, response.promql] = (response, frame)
                    responses[response.source, response.row] = (response, frame)
                self._loaded_responses = (index, responses)
            return self._loaded_responses[1]

    def _read_index(self) -> RecordingHeader:
        first = read_frame(self._file_descriptor, 0)
        if first is None:
            raise RecordingError("is empty")
        header = file_format.parse_header(FrameReader(first).line)
        self._index_refreshes(first.end_offset)
        if not self.timestamps:
            raise RecordingError("contains no complete refresh")
        if any(later <= earlier for earlier, later in pairwise(self.timestamps)):
            raise RecordingError("is damaged: its refreshes are not in chronological order")
        return header

    def _index_refreshes(self, start_offset: int) -> None:
        offset, line_count, total_bytes = start_offset, 0, 0
        try:
            while (frame := read_frame(self._file_descriptor, offset)) is not None:
                reader = FrameReader(frame)
                line = file_format.decode_line(reader.line)
                if isinstance(line, RecordingHeader):
                    raise RecordingError("is damaged: it has two headers")
                size_bytes = line.size_bytes if isinstance(line, RecordedResponse) else 0
                total_bytes += size_bytes
                if total_bytes <= MAX_VERIFIED_BYTES:
                    reader.verify(size_bytes)
                offset = frame.end_offset
                line_count += 1
                if isinstance(line, RecordedRefresh):
                    self._add_refresh(line, _RefreshSpan(start_offset, offset), line_count - 1)
                    start_offset, line_count = offset, 0
                elif line_count > MAX_RESPONSES_PER_REFRESH:
                    raise RecordingError(f"has more than {MAX_RESPONSES_PER_REFRESH} responses in one refresh")
        except TruncatedRecordingError:
            self.is_truncated = True
        self.is_truncated = self.is_truncated or line_count > 0

    def _add_refresh(self, line: RecordedRefresh, span: _RefreshSpan, response_count: int) -> None:
        if line.response_count != response_count:
            raise RecordingError("is damaged: responses of a refresh are missing")
        if len(self.timestamps) >= MAX_REFRESHES:
            raise RecordingError(f"has more than {MAX_REFRESHES} refreshes")
        self.timestamps.append(line.at_seconds)
        self._spans.append(span)


def read_response_body(response: RecordedResponse, frame: RecordingFrame, max_bytes: int) -> bytes:
    """Return the recorded body; raise ResponseTooLargeError if it has more than `max_bytes`."""
    if response.size_bytes > max_bytes:
        raise ResponseTooLargeError(f"the response is larger than {max_bytes} bytes")
    return FrameReader(frame).read_body(response.size_bytes)


class ReplayUpstream:
    """Responds to the queries of one recorded source; takes the place of a `PrometheusClient`.

    `row_names` maps PromQL to the name of its row. A recording of an earlier version may lack the PromQL of a row; then
    the recorded response of the row of that name is used.
    """

    def __init__(
        self,
        reader: RecordingReader,
        source: str,
        max_response_bytes: int,
        budget: ByteBudget | None = None,
        row_names: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._budget = budget or ByteBudget()
        self._row_names = row_names
        self._reader = reader
        self._source = source
        self._max_response_bytes = max_response_bytes

    def query(self, promql: str, at_seconds: float) -> CompressedBody:
        """Return the body in the refresh nearest to an instant; raise its QueryError if there is none."""
        index = self._reader.find_nearest(at_seconds)
        try:
            is_recorded = self._reader.contains(index, (self._source, promql))
            key = (self._source, promql if is_recorded else self._row_names.get(promql, promql))
            body = self._reader.read_body(index, key, self._max_response_bytes)
        except RecordingError as error:
            raise MalformedResponseError(f"the recording {error}") from None
        return compress_chunks((body,), self._budget)

    def abort(self) -> None:
        """Do nothing: reading a file does not block."""


class ReplayClock:
    """Selects the recorded refresh that is due, and starts over after the last one.

    At speed 1, refreshes are as far apart as when they were recorded, at speed 10 a tenth of that; without a speed
    (`#speed=max`) each refresh replays the next recorded one, whatever the time. The instant of a refresh is always one
    that was recorded.
    """

    def __init__(self, reader: RecordingReader, speed: float | None) -> None:
        self._reader = reader
        self._speed = speed
        self._lock = threading.Lock()
        self._started_at_wall_seconds: float | None = None
        self._index = -1

    def begin_refresh(self, wall_seconds: float) -> float:
        """Return the instant of the refresh that is due now."""
        with self._lock:
            if self._speed is None:
                self._index = (self._index + 1) % len(self._reader.timestamps)
            else:
                self._index = self._find_due_index(wall_seconds, self._speed)
            return self._reader.timestamps[self._index]

    def now(self, _wall_seconds: float) -> float:
        """Return the instant of the last refresh; ages are computed against it."""
        return self._reader.timestamps[max(self._index, 0)]

    def _find_due_index(self, wall_seconds: float, speed: float) -> int:
        if self._started_at_wall_seconds is None:
            self._started_at_wall_seconds = wall_seconds
        first_seconds = self._reader.timestamps[0]
        duration_seconds = self._reader.timestamps[-1] - first_seconds + self._reader.interval_seconds
        offset_seconds = max(0.0, wall_seconds - self._started_at_wall_seconds) * speed % duration_seconds
        # Refreshes are never exactly on time. In the last half interval the first refresh is nearer than the last.
        is_past_last = offset_seconds > duration_seconds - self._reader.interval_seconds / 2
        return 0 if is_past_last else self._reader.find_nearest(first_seconds + offset_seconds)
