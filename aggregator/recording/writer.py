"""Writes a recording, frame by frame: whatever ends it, what was written can be read."""

from collections.abc import Iterable
from datetime import UTC, datetime
from types import TracebackType
from typing import BinaryIO, Self

from aggregator import __version__
from aggregator.recording import lines
from aggregator.recording.frames import LEVEL, pack
from aggregator.recording.lines import Answer, Header, Refresh, Source


class Writer:
    """A recording that is being written; it closes the file when its block ends."""

    def __init__(
        self,
        file: BinaryIO,
        sources: Iterable[Source],
        created_seconds: float,
        masked: Iterable[str] = (),
        level: int = LEVEL,
    ) -> None:
        self._file = file
        self._level = level
        self._answers = 0
        self._last_seconds = float("-inf")
        self.refreshes = 0
        self.written_bytes = 0
        created = datetime.fromtimestamp(created_seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        program = f"aggregator {__version__}"
        header = Header(lines.FORMAT, lines.VERSION, created, program, tuple(sources), tuple(masked))
        self._write(lines.encoded(header) + b"\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def answer(self, answer: Answer, body: bytes = b"") -> None:
        """Write what became of one query of the refresh that is under way."""
        line = lines.encoded(answer) + b"\n"
        self._write(b"".join((line, body, b"\n")) if body else line)
        self._answers += 1

    def refreshed(self, at_seconds: float) -> None:
        """Write that the refresh for this moment is whole; where a clock was set back, the recording is not."""
        self._last_seconds = max(at_seconds, self._last_seconds + 0.001)
        self._write(lines.encoded(Refresh(self._last_seconds, self._answers)) + b"\n")
        self._file.flush()
        self._answers = 0
        self.refreshes += 1

    def _write(self, content: bytes) -> None:
        frame = pack(content, self._level)
        self._file.write(frame)
        self.written_bytes += len(frame)
