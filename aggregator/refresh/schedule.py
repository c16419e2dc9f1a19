"""The clocks of the process, and when to refresh: intervals, and pauses that limit the upstream load.

Scheduled refreshes are evaluated at multiples of a period on the wall clock: the interval, or longer if refreshes take
long. Replicas with the same interval therefore ask for the same instants, and publish equal versions for equal data.
"""

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from aggregator.errors import QueryError, UpstreamStatusError

# A pause of three times the duration keeps the upstream busy at most a quarter of the time.
PAUSE_TO_DURATION_RATIO = 3.0

# Requests with `Cache-Control: no-cache` start at most one refresh in this time, however fast the upstream is.
MIN_ON_DEMAND_PAUSE_SECONDS = 1.0

# While there is no topology to serve, the pause after the first failed refresh. It doubles with each further failure.
FIRST_RETRY_PAUSE_SECONDS = 1.0

# A scheduled refresh starts this long after its evaluation time, so that the samples until then have arrived; with
# short intervals, it is this share of the interval.
MAX_EVALUATION_DELAY_SECONDS = 1.0
EVALUATION_DELAY_RATIO = 0.1

# The interval, and longer periods for refreshes that take more than a quarter of it.
PERIOD_RATIOS = (1.0, 1.5, 2.0, 3.0)

# All other refreshes are evaluated at a whole second, or at a multiple of a shorter interval.
MAX_EVALUATION_STEP_SECONDS = 1.0


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

    @property
    def evaluation_delay_seconds(self) -> float:
        """How long after its evaluation time a scheduled refresh starts."""
        return min(MAX_EVALUATION_DELAY_SECONDS, EVALUATION_DELAY_RATIO * self.interval_seconds)

    def select_evaluation_time(self, wall_seconds: float, planned_seconds: float | None) -> float:
        """Return the instant for which a refresh that starts now queries the sources.

        It is the planned one if the refresh starts in time, otherwise the last whole second.
        """
        if planned_seconds is not None and 0 <= wall_seconds - planned_seconds <= 2 * self.evaluation_delay_seconds:
            return planned_seconds
        return _floor_to_multiple(wall_seconds, min(MAX_EVALUATION_STEP_SECONDS, self.interval_seconds))

    def plan_next(self, started_at_seconds: float, duration_seconds: float, cooldown_seconds: float) -> "NextRefresh":
        """Return when to start the next scheduled refresh, after one that started at this time of the wall clock.

        It starts after the cooldown, at a multiple of the period that is at least half a period away. If that is more
        than a period away, there is another refresh in between if the cooldown allows it.
        """
        shortest_seconds = duration_seconds + cooldown_seconds
        period_seconds = self._select_period(shortest_seconds)
        if period_seconds is None:
            return NextRefresh(shortest_seconds)
        delay_seconds = self.evaluation_delay_seconds
        earliest_seconds = started_at_seconds + max(shortest_seconds, period_seconds / 2)
        at_seconds = _ceil_to_multiple(earliest_seconds - delay_seconds, period_seconds)
        distance_seconds = at_seconds + delay_seconds - started_at_seconds
        if distance_seconds > period_seconds + delay_seconds and distance_seconds / 2 >= shortest_seconds:
            return NextRefresh(distance_seconds / 2)
        if distance_seconds > self.interval_seconds and distance_seconds + duration_seconds >= self.max_stale_seconds:
            return NextRefresh(max(shortest_seconds, self.interval_seconds))
        return NextRefresh(distance_seconds, at_seconds)

    def _select_period(self, shortest_seconds: float) -> float | None:
        """Return the first period that is long enough, None if there is none.

        Replicas whose refreshes take about as long have the same period, and others have many instants in common.
        """
        periods_seconds = [ratio * self.interval_seconds for ratio in PERIOD_RATIOS]
        return next((period for period in periods_seconds if period >= shortest_seconds), None)

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


class NextRefresh(NamedTuple):
    """The time from the start of one refresh to that of the next, and the evaluation time of that if it is planned."""

    distance_seconds: float
    at_seconds: float | None = None


def _ceil_to_multiple(seconds: float, step_seconds: float) -> float:
    """Return the next multiple of a step, as `_floor_to_multiple`."""
    return round(math.ceil(seconds / step_seconds) * step_seconds, 3)


def _floor_to_multiple(seconds: float, step_seconds: float) -> float:
    """Return the last multiple of a step, in milliseconds, as queries contain it: equal on all replicas."""
    return round(math.floor(seconds / step_seconds) * step_seconds, 3)


def find_max_retry_after_seconds(failures: Iterable[QueryError]) -> float:
    """Return the longest Retry-After of the failed queries."""
    delays_seconds = [
        failure.retry_after_seconds
        for failure in failures
        if isinstance(failure, UpstreamStatusError) and failure.retry_after_seconds is not None
    ]
    return max(delays_seconds, default=0.0)
