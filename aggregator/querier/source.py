"""The interface between the origins of telemetry and the builder: a source returns samples for each row.

Prometheus, Thanos and recordings are sources (`querier.prometheus.source`), and so is the simulated fleet of the demo.
"""

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from aggregator.errors import QueryError, QueryTimeoutError
from aggregator.models.catalog.row import Row
from aggregator.models.sample import Sample

# In addition to its waiting time, a refresh may decode for this share of its timeout, but at least for a second.
DECODE_TIMEOUT_RATIO = 0.5
MIN_DECODE_SECONDS = 1.0
# After that, stored responses may be decoded for this much longer: they replace the responses that came too late.
STORED_DECODE_TIMEOUT_RATIO = 0.25
MIN_STORED_DECODE_SECONDS = 0.5


@dataclass(frozen=True)
class SourceInfo:
    """The name of a source, and the `cluster` label that is added to its series without one; "" adds none.

    `address` is its host, port and path for messages, "" for a source without one.
    """

    name: str = ""
    cluster: str = ""
    address: str = ""


UNNAMED_SOURCE = SourceInfo()


@dataclass(frozen=True)
class RowSamples:
    """The samples that a source returned for one row, in its order, and its messages.

    A warning means that data may be missing, an info that the query may be wrong; both are few, short and redacted.
    `dropped_samples` counts the samples that were left out because one of their labels is too long.
    """

    samples: list[Sample]
    warnings: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    dropped_samples: int = 0


class StoredResponse(Protocol):
    """A response in compact form, kept for a later refresh in which the source fails."""

    def decode(self, check_deadline: Callable[[], None]) -> RowSamples:
        """Return the samples; raise QueryError if the response is malformed.

        `check_deadline` is called between parts of the work and raises QueryTimeoutError to stop it.
        """

    def get_body(self) -> bytes:
        """Return the decompressed body, in the format of Prometheus' query API."""


@dataclass(frozen=True)
class RowResult:
    """The outcome of a row at one source: samples, with the response to keep for later, or an error."""

    outcome: RowSamples | QueryError
    duration_seconds: float
    stored_response: StoredResponse | None = None


class RefreshBudget:
    """The time limits of one refresh, which starts now. The decoding limits are for one thread.

    Fetching ends at `deadline`, a time of `clock`. Without `limits_decoding`, decoding has no time limit.
    """

    def __init__(
        self,
        timeout_seconds: float,
        *,
        limits_decoding: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.timeout_seconds = timeout_seconds
        self.clock = clock
        self.deadline = clock() + timeout_seconds
        # Waiting for responses moves it; time spent on decoding and building does not.
        self._decode_deadline = math.inf
        if limits_decoding:
            self._decode_deadline = clock() + max(MIN_DECODE_SECONDS, DECODE_TIMEOUT_RATIO * timeout_seconds)
        self._stored_extra_seconds = max(MIN_STORED_DECODE_SECONDS, STORED_DECODE_TIMEOUT_RATIO * timeout_seconds)

    @contextlib.contextmanager
    def pause_decode_deadline(self) -> Iterator[None]:
        """Extend the decode deadline by the time that this block takes, which waits for a response."""
        started = self.clock()
        yield
        self._decode_deadline += self.clock() - started

    def check_decoding(self) -> None:
        """Raise QueryTimeoutError if there is no time left to decode responses."""
        self._check(0.0)

    def check_decoding_stored(self) -> None:
        """Raise QueryTimeoutError if there is no time left to decode stored responses."""
        self._check(self._stored_extra_seconds)

    def _check(self, extra_seconds: float) -> None:
        if self.clock() >= max(self.deadline, self._decode_deadline) + extra_seconds:
            raise QueryTimeoutError(f"not decoded: the refresh timeout of {self.timeout_seconds:g} s is over")


class SourceResults(Protocol):
    """The results of one source in one refresh, some of them still pending."""

    def wait_for_row(self, row: Row) -> RowResult:
        """Wait for the result of a row until the deadline of the refresh, and decode it.

        Call it once for each row, from one thread. If the caller releases one row's samples before it reads the next
        row, only one row's samples are in memory.
        """


class SourceClock(Protocol):
    """Maps the wall clock to the time at the sources. All times are seconds since the epoch."""

    def begin_refresh(self, wall_seconds: float) -> float:
        """Return the evaluation time of a refresh that begins now."""

    def now(self, wall_seconds: float) -> float:
        """Return the current time at the sources; ages of samples are computed against it."""


class WallClock:
    """The clock of live sources."""

    def begin_refresh(self, wall_seconds: float) -> float:
        """Return the same time."""
        return wall_seconds

    def now(self, wall_seconds: float) -> float:
        """Return the same time."""
        return wall_seconds


WALL_CLOCK = WallClock()


class Source(Protocol):
    """One origin of samples: a Prometheus, a Thanos, a recording or the simulated fleet."""

    @property
    def info(self) -> SourceInfo:
        """Its name and default cluster."""

    def collect(self, rows: Sequence[Row], at_seconds: float, budget: RefreshBudget) -> SourceResults:
        """Start to fetch the rows, in their order, all for one evaluation time (seconds since the epoch); do not wait.

        The budget is shared by all sources of the refresh. Errors are results of their rows.
        """

    def close(self) -> None:
        """Abort what is running, and release threads and connections."""
