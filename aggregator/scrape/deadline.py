"""How long a scrape may take, and how long one target may."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

# What of the scraper's time is left for the way of the answer.
MIN_RESERVE_SECONDS = 0.3
RESERVE_RATIO = 0.05
# A scraper that gives less time than this cannot be served in time.
MIN_TIMEOUT_SECONDS = 0.05
MAX_TIMEOUT_SECONDS = 600.0
# How often a target must exceed its time before it gets less.
HANGS_UNTIL_SHORTENED = 3
SHORTENED_SECONDS = 1.0
WHOLE_TIME_INTERVAL_SECONDS = 60.0


def read_timeout(header: str | None, default_seconds: float) -> float:
    """Return the time that a scraper waits: that of its header, or the default if the header is not a number."""
    try:
        seconds = float(header or "")
    except ValueError:
        return default_seconds
    return min(seconds, MAX_TIMEOUT_SECONDS) if math.isfinite(seconds) and seconds > 0 else default_seconds


def compute_fetch_seconds(timeout_seconds: float, merge_seconds: float = 0.0) -> float:
    """Return the time for fetching, so that the answer arrives before the scraper gives up."""
    reserve = max(MIN_RESERVE_SECONDS, RESERVE_RATIO * timeout_seconds)
    return max(timeout_seconds - reserve - merge_seconds, MIN_TIMEOUT_SECONDS)


@dataclass
class _Hangs:
    count: int = 0
    whole_time_at: float = 0.0


class HangHistory:
    """Targets that exceeded their time again and again get little of it, so that one cannot slow down every scrape."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, shortened_seconds: float = SHORTENED_SECONDS
    ) -> None:
        self._clock = clock
        self._shortened_seconds = shortened_seconds
        self._hangs: dict[str, _Hangs] = {}

    def choose_seconds(self, target: str, seconds: float) -> float:
        """Return the time for a target: its whole time, or the shortened one if it hung three times in a row.

        Once a minute it gets its whole time again.
        """
        hangs = self._hangs.get(target)
        now = self._clock()
        if hangs is None or hangs.count < HANGS_UNTIL_SHORTENED:
            return seconds
        if now - hangs.whole_time_at >= WHOLE_TIME_INTERVAL_SECONDS:
            hangs.whole_time_at = now
            return seconds
        return min(seconds, self._shortened_seconds)

    def record(self, target: str, *, is_hanging: bool) -> None:
        """Record whether a target exceeded its time."""
        if not is_hanging:
            self._hangs.pop(target, None)
            return
        hangs = self._hangs.setdefault(target, _Hangs())
        hangs.count += 1
        if hangs.count == HANGS_UNTIL_SHORTENED:
            hangs.whole_time_at = self._clock()

    def keep_only(self, targets: set[str]) -> None:
        """Forget targets that do not exist any longer."""
        for target in self._hangs.keys() - targets:
            del self._hangs[target]
