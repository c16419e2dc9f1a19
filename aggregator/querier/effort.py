"""One refresh's asking of one upstream: what came back for each query, and when asking stops to be worth it."""

import threading
import time
from dataclasses import dataclass
from typing import Protocol

from aggregator.errors import NotListeningError, QueryError, RefusedError, TooSlowError, UnreachableError
from aggregator.logs import logger
from aggregator.querier.packing import pack

# However long an upstream asks to be left alone.
MOST_PATIENCE_SECONDS = 150.0

_log = logger(__name__)


class Upstream(Protocol):
    """Whatever can answer PromQL: `querier.client.Client`, or a stand-in in a test."""

    def ask(self, promql: str, at_seconds: float) -> bytes:
        """Return an answer's bytes or raise QueryError."""

    def abort(self) -> None:
        """Make every pending `ask` fail soon."""


@dataclass(frozen=True)
class Reply:
    """What came back for one query: a body, packed, or the error that came instead."""

    packed: bytes
    error: QueryError | None
    started_at_seconds: float
    seconds: float
    body_bytes: int = 0


class _Trial:
    """One query that goes ahead of the others."""

    def __init__(self, end_if_passed: float) -> None:
        self.end_if_passed = end_if_passed
        self.over = threading.Event()
        self._first = threading.Lock()

    def is_first(self) -> bool:
        """Return True once, to whoever asks first."""
        return self._first.acquire(blocking=False)


class Effort:
    """One refresh's asking: stops asking when the time is up or nobody is there."""

    def __init__(self, upstream: Upstream, at_seconds: float, end: float) -> None:
        self.end = end
        self._upstream = upstream
        self._at_seconds = at_seconds
        self._in_vain: QueryError | None = None
        self._is_over = False
        self.is_too_slow = False
        self.is_answered = False
        self.alone_until = 0.0
        self._trial: _Trial | None = None
        # One body after the other: several at once would take every processor from the thread that holds the
        # interpreter, and whoever waits for that would wait for all of them.
        self._packing = threading.Lock()

    def learn(self, last: "Effort", now: float, trial_seconds: float) -> None:
        """Take care of an upstream as the last refresh has shown it."""
        if last.alone_until > now:
            self.alone_until = last.alone_until
            self._in_vain = UnreachableError(f"it asked to be left alone, for {last.alone_until - now:.0f} s more")
        elif last.is_too_slow and not last.is_answered:
            self._trial = _Trial(self.end)
            self.end = now + trial_seconds

    def reply(self, name: str, promql: str) -> Reply:
        """Ask one query; whatever happens, there is a reply."""
        at, start = time.time(), time.monotonic()
        try:
            body = self._body(promql)
        except QueryError as error:
            return Reply(b"", bare(self._as_seen_from_here(error)), at, time.monotonic() - start)
        except Exception as error:  # noqa: BLE001 - a defect of ours costs this query, not all of them
            _log.exception("query broke", query=name)
            broke = QueryError(f"internal error ({type(error).__name__})")
            return Reply(b"", broke, at, time.monotonic() - start)
        self.is_answered = True
        with self._packing:
            packed = pack(body)
        return Reply(packed, None, at, time.monotonic() - start, len(body))

    def give_up(self) -> None:
        """Break off what is still under way."""
        if not self._is_over:
            self._is_over = self.is_too_slow = True
            self._upstream.abort()

    def _body(self, promql: str) -> bytes:
        if self._trial is not None:
            if self._trial.is_first():
                return self._tried(self._trial, promql)
            self._trial.over.wait(max(0.0, self.end - time.monotonic()))
        self._check_worth()
        return self._upstream.ask(promql, self._at_seconds)

    def _tried(self, trial: _Trial, promql: str) -> bytes:
        """Ask the query that goes ahead; with its answer all have the whole time, without it none is worth asking."""
        try:
            body = self._upstream.ask(promql, self._at_seconds)
            self.end = trial.end_if_passed
        except QueryError as error:
            self._in_vain = error
            raise
        finally:
            trial.over.set()
        return body

    def _check_worth(self) -> None:
        if self._in_vain is not None:
            known = (NotListeningError, TooSlowError)
            kind = type(self._in_vain) if isinstance(self._in_vain, known) else UnreachableError
            raise kind(f"not asked: {self._in_vain}")
        if self._is_over or time.monotonic() >= self.end:
            raise TooSlowError("not asked: the time for the whole refresh was over")

    def _as_seen_from_here(self, error: QueryError) -> QueryError:
        self.is_too_slow = self.is_too_slow or isinstance(error, TooSlowError)
        if self._is_over:
            return TooSlowError("broken off: the time for the whole refresh was over")
        if isinstance(error, RefusedError) and error.retry_after_seconds is not None:
            seconds = min(error.retry_after_seconds, MOST_PATIENCE_SECONDS)
            self.alone_until = max(self.alone_until, time.monotonic() + seconds)
        if isinstance(error, NotListeningError) and self._in_vain is None:
            self._in_vain = error
        return error


def bare(error: QueryError) -> QueryError:
    """Return an error that is kept as a value, without the way that it came.

    That way holds on to everything that was at hand where it was raised, such as the 256 MiB of an answer over the cap.
    """
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)
