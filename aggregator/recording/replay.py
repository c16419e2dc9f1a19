"""A recording in place of an upstream: what it answers, and which of its refreshes is due when."""

import threading

from aggregator.errors import MalformedError, RecordingError
from aggregator.recording.tape import Tape


class Replay:
    """Answers as one source of a recording was answered: what `querier.effort.Upstream` asks for."""

    def __init__(self, tape: Tape, source: str, most_bytes: int) -> None:
        self._tape = tape
        self._source = source
        self._most_bytes = most_bytes

    def ask(self, promql: str, at_seconds: float) -> bytes:
        """Return the body that the refresh nearest to a moment was answered with, or raise its QueryError."""
        try:
            return self._tape.body(self._tape.nearest(at_seconds), (self._source, promql), self._most_bytes)
        except RecordingError as error:
            raise MalformedError(f"the recording {error}") from None

    def abort(self) -> None:
        """Do nothing: reading a file does not hang."""


class Pace:
    """Which moment of a recording it is, over and over again from its first to its last.

    At `speed` 1 refreshes are as far apart as they were when they were recorded, at 10 a tenth of that; without a
    speed each refresh takes the next one. A refresh is for a moment that was recorded, never for one in between.
    """

    def __init__(self, tape: Tape, speed: float | None) -> None:
        self._tape = tape
        self._speed = speed
        self._lock = threading.Lock()
        self._began: float | None = None
        self._number = -1

    def begin(self, wall_seconds: float) -> float:
        """Return the moment that a refresh is for which begins now."""
        with self._lock:
            if self._speed is None:
                self._number = (self._number + 1) % len(self._tape.moments)
            else:
                self._number = self._due(wall_seconds, self._speed)
            return self._tape.moments[self._number]

    def now(self, _wall_seconds: float) -> float:
        """Return the moment of the last refresh: against it ages are counted."""
        return self._tape.moments[max(self._number, 0)]

    def _due(self, wall_seconds: float, speed: float) -> int:
        if self._began is None:
            self._began = wall_seconds
        first = self._tape.moments[0]
        length = self._tape.moments[-1] - first + self._tape.step_seconds
        position = max(0.0, wall_seconds - self._began) * speed % length
        # Refreshes are never quite on time. In the last half step the first refresh is nearer than the last.
        is_over = position > length - self._tape.step_seconds / 2
        return 0 if is_over else self._tape.nearest(first + position)
