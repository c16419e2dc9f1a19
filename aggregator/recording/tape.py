"""A recording that is read: which refreshes it has, and what each query of a refresh was answered."""

import os
import stat
import threading
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from types import TracebackType
from typing import Self

from aggregator.errors import NotRecordedError, RecordingError, TooLargeError
from aggregator.recording import lines
from aggregator.recording.frames import Content, CutShortError, Frame, frame_at
from aggregator.recording.lines import Answer, Header, Refresh

# Eleven days of a refresh every ten seconds, and far more queries than are asked.
MOST_REFRESHES = 100_000
MOST_ANSWERS = 10_000
# So much of what it holds is unpacked at the start to see whether it is whole: a second or two.
CHECKED_BYTES = 2**30

# A source's name and PromQL.
Asked = tuple[str, str]


@dataclass(frozen=True)
class _Part:
    """A refresh in the file: from its first answer to the line that ends it."""

    start: int
    end: int


class Tape:
    """A recording in a file, read from several threads at once; only where its parts are is kept in memory.

    `moments` are those that its refreshes were for, in their order. `is_cut_short` says that it ends within a
    refresh, which is left out. Raises RecordingError for a file that is none, or has no whole refresh.
    """

    def __init__(self, path: str) -> None:
        try:
            # Without waiting for whoever may write into a pipe.
            self._descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        except OSError as error:
            raise RecordingError(f"cannot be read ({error.strerror})") from None
        self._lock = threading.Lock()
        self._loaded: tuple[int, Mapping[Asked, tuple[Answer, Frame]]] = (-1, {})
        self.moments: list[float] = []
        self._parts: list[_Part] = []
        self.is_cut_short = False
        try:
            self.header = self._scan()
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
        """Let go of the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    @property
    def step_seconds(self) -> float:
        """The mean time from one refresh to the next; where there is only one, a second."""
        last = len(self.moments) - 1
        return (self.moments[-1] - self.moments[0]) / last if last else 1.0

    def nearest(self, at_seconds: float) -> int:
        """Return the number of the refresh whose moment is nearest."""
        after = min(bisect_left(self.moments, at_seconds), len(self.moments) - 1)
        before = max(0, after - 1)
        return min(before, after, key=lambda number: abs(self.moments[number] - at_seconds))

    def answers(self, number: int) -> Iterator[tuple[Answer, Frame]]:
        """Yield what became of each query of a refresh, in the order in which it was written."""
        part = self._parts[number]
        at = part.start
        while at < part.end and (frame := frame_at(self._descriptor, at)) is not None:
            line = lines.decoded(Content(frame).line)
            if isinstance(line, Answer):
                yield line, frame
            at = frame.end

    def body(self, number: int, asked: Asked, most_bytes: int) -> bytes:
        """Return the body that a query was answered with; raise the QueryError that it has instead."""
        found = self._answers_of(number).get(asked)
        if found is None:
            raise NotRecordedError("the recording has nothing of this query; another version of the program made it")
        answer, frame = found
        if answer.failure is not None:
            raise lines.error_of(answer.failure)
        return body_of(answer, frame, most_bytes)

    def _answers_of(self, number: int) -> Mapping[Asked, tuple[Answer, Frame]]:
        with self._lock:
            if self._loaded[0] != number:
                found = {(answer.source, answer.promql): (answer, frame) for answer, frame in self.answers(number)}
                self._loaded = (number, found)
            return self._loaded[1]

    def _scan(self) -> Header:
        if stat.S_ISFIFO(os.fstat(self._descriptor).st_mode) or os.isatty(self._descriptor):
            raise RecordingError("cannot be read (it is no file)")
        first = frame_at(self._descriptor, 0)
        if first is None:
            raise RecordingError("is empty")
        header = lines.header(Content(first).line)
        self._find_refreshes(first.end)
        if not self.moments:
            raise RecordingError("holds no whole refresh")
        if any(later <= earlier for earlier, later in pairwise(self.moments)):
            raise RecordingError("is damaged: its refreshes are not in the order of time")
        return header

    def _find_refreshes(self, start: int) -> None:
        at, answers, checked = start, 0, 0
        try:
            while (frame := frame_at(self._descriptor, at)) is not None:
                content = Content(frame)
                line = lines.decoded(content.line)
                if isinstance(line, Header):
                    raise RecordingError("is damaged: it has two beginnings")
                size = line.bytes if isinstance(line, Answer) else 0
                checked += size
                if checked <= CHECKED_BYTES:
                    content.check(size)
                at = frame.end
                answers += 1
                if isinstance(line, Refresh):
                    self._add(line, _Part(start, at), answers - 1)
                    start, answers = at, 0
                elif answers > MOST_ANSWERS:
                    raise RecordingError(f"has more than {MOST_ANSWERS} answers in one refresh")
        except CutShortError:
            self.is_cut_short = True
        self.is_cut_short = self.is_cut_short or answers > 0

    def _add(self, line: Refresh, part: _Part, answers: int) -> None:
        if line.answers != answers:
            raise RecordingError("is damaged: answers of a refresh are missing")
        if len(self.moments) >= MOST_REFRESHES:
            raise RecordingError(f"has more than {MOST_REFRESHES} refreshes")
        self.moments.append(line.at_seconds)
        self._parts.append(part)


def body_of(answer: Answer, frame: Frame, most_bytes: int) -> bytes:
    """Return the body of an answer; raise TooLargeError where it has more bytes than one may have."""
    if answer.bytes > most_bytes:
        raise TooLargeError(f"the answer is larger than {most_bytes} bytes")
    return Content(frame).body(answer.bytes)
