"""HTTP requests as they are counted: by handler, method and code, and by how long they took.

The library's counters cost 2 µs a request each; ready bytes are handed out in little more. These are plain numbers
that one thread, the event loop's, adds to, and any thread may read.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE")
OTHER = "other"

Key = tuple[str, str, int]


def _bound(seconds: float) -> str:
    """Return a bound as the library writes it."""
    return str(floatToGoString(seconds))  # type: ignore[no-untyped-call] # the library has no types there


class Duration:
    """How long the requests of one handler took: their number below each bound and above the last, and their sum."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self.numbers = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def buckets(self) -> tuple[list[tuple[str, float]], float]:
        """Return how many requests took at most as long as each bound says, and the sum of all seconds."""
        numbers, total = list(self.numbers), 0
        cumulated: list[tuple[str, float]] = []
        for bound, number in zip((*self._bounds, float("inf")), numbers, strict=True):
            total += number
            cumulated.append((_bound(bound), total))
        return cumulated, self.sum


class Series:
    """The requests of one handler, method and code: how many, and where their durations are counted."""

    __slots__ = ("duration", "number")

    def __init__(self, duration: Duration) -> None:
        self.number = 0
        self.duration = duration


class RequestsSeen(Collector):
    """Counts requests for a registry."""

    def __init__(self, count: tuple[str, str], duration: tuple[str, str], bounds: Sequence[float]) -> None:
        """`count` and `duration` are the names and the notes of the two metrics."""
        self._count = count
        self._duration = duration
        self._bounds = bounds
        self._series: dict[Key, Series] = {}
        self._durations: dict[str, Duration] = {}

    def expect(self, handler: str, method: str, code: int) -> Series:
        """Return a series, which is zero if it is new."""
        duration = self._durations.setdefault(handler, Duration(self._bounds))
        return self._series.setdefault((handler, method, code), Series(duration))

    def add(self, handler: str, method: str, code: int, seconds: float) -> None:
        """Count one request."""
        series = self._series.get((handler, method, code))
        if series is None:
            # A method that somebody made up must not make a series.
            series = self.expect(handler, method if method in METHODS else OTHER, code)
        series.number += 1
        duration = series.duration
        duration.numbers[bisect_left(self._bounds, seconds)] += 1
        duration.sum += seconds

    def collect(self) -> Iterator[CounterMetricFamily | HistogramMetricFamily]:
        """Yield both metrics as they are now."""
        counted = CounterMetricFamily(*self._count, labels=("handler", "code", "method"))
        for (handler, method, code), series in list(self._series.items()):
            counted.add_metric((handler, str(code) if code else "none", method), series.number)
        yield counted
        took = HistogramMetricFamily(*self._duration, labels=("handler",))
        for handler, duration in list(self._durations.items()):
            took.add_metric((handler,), *duration.buckets())
        yield took
