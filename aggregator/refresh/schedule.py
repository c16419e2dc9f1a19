"""The clocks of the process, and when to refresh: intervals, and pauses that limit the upstream load."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from aggregator.errors import QueryError, UpstreamStatusError

# A pause of three times the duration keeps the upstream busy at most a quarter of the time.
PAUSE_TO_DURATION_RATIO = 3.0

# Requests with `Cache-Control: no-cache` start at most one refresh in this time, however fast the upstream is.
MIN_ON_DEMAND_PAUSE_SECONDS = 1.0

# While there is no topology to serve, the pause after the first failed refresh. It doubles with each further failure.
FIRST_RETRY_PAUSE_SECONDS = 1.0


@dataclass(frozen=True)
class Clock:
    """The two clocks: seconds since the epoch, and monotonic seconds."""

    wall: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic


@dataclass(frozen=True)
class RefreshSchedule:
    """How often to refresh, how long a snapshot may be served, and the pauses between refreshes."""

    interval_seconds: float
    max_stale_seconds: float

    def compute_cooldown(self, duration_seconds: float, retry_after_seconds: float) -> float:
        """Return how long the upstream receives no queries after a refresh of this duration.

        Both parts are limited, so that the next refresh ends before the topology exceeds its maximum age.
        """
        after_load = min(
            PAUSE_TO_DURATION_RATIO * duration_seconds,
            max(duration_seconds, self.max_stale_seconds / 2 - duration_seconds),
        )
        return max(after_load, min(retry_after_seconds, self.max_stale_seconds / 2))

    def compute_retry_pause(self, failure_count: int) -> float:
        """Return the pause after `failure_count` failed refreshes in a row without a topology to serve."""
        # The exponent is limited because a float overflows at 2.0**1024.
        return min(FIRST_RETRY_PAUSE_SECONDS * 2.0 ** min(failure_count - 1, 64), self.interval_seconds)


def find_max_retry_after_seconds(failures: Iterable[QueryError]) -> float:
    """Return the longest Retry-After of the failed queries."""
    delays_seconds = [
        failure.retry_after_seconds
        for failure in failures
        if isinstance(failure, UpstreamStatusError) and failure.retry_after_seconds is not None
    ]
    return max(delays_seconds, default=0.0)
