"""All queries of one refresh: at most so many at once, one deadline for all, a result for each."""

import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from typing import Protocol

import zstandard

from aggregator.errors import (
    MalformedError,
    NotListeningError,
    QueryError,
    RefusedError,
    TooSlowError,
    UnreachableError,
)
from aggregator.logs import logger
from aggregator.querier.decode import Answer, Decoder
from aggregator.telemetry import Exchange, Telemetry

# How much of the time for a refresh an upstream gets to show that it answers again.
TRIAL_SHARE = 0.25
# However long an upstream asks to be left alone.
MOST_PATIENCE_SECONDS = 150.0

_log = logger(__name__)


@dataclass(frozen=True)
class Query:
    """One question: its name in logs and metrics, its PromQL, and what makes samples of its answer."""

    name: str
    promql: str
    decode: Decoder


@dataclass(frozen=True)
class Source:
    """What one upstream is called, and which cluster its series are of where they do not tell; "" for none."""

    name: str = ""
    cluster: str = ""


@dataclass(frozen=True)
class Outcome:
    """What became of one query: its answer or why there is none, and the body of the answer, packed for later use."""

    result: Answer | QueryError
    packed: bytes
    seconds: float


def pack(body: bytes) -> bytes:
    """Return the bytes compressed: label sets repeat themselves so much that a tenth is left, at next to no cost."""
    return zstandard.compress(body, level=1)


def unpack(packed: bytes) -> bytes:
    """Return what was packed."""
    return zstandard.decompress(packed)


class Upstream(Protocol):
    """Whatever can answer PromQL: `querier.client.Client`, or a stand-in in a test."""

    def ask(self, promql: str, at_seconds: float) -> bytes:
        """Return an answer's bytes or raise QueryError."""

    def abort(self) -> None:
        """Make every pending `ask` fail soon."""


class Gatherer:
    """Asks many queries of one upstream."""

    def __init__(
        self,
        upstream: Upstream,
        concurrency: int,
        deadline_seconds: float,
        source: Source = Source(),
        telemetry: Telemetry | None = None,
    ) -> None:
        self.source = source
        self._tell = Teller(telemetry or Telemetry(), source.name)
        self._upstream = upstream
        self._deadline_seconds = deadline_seconds
        self._threads = ThreadPoolExecutor(concurrency, thread_name_prefix="query")
        self._last: _Effort | None = None

    def gather(self, queries: Iterable[Query], at_seconds: float, *, beside_others: bool = False) -> "Gathering":
        """Begin to ask all queries, in their order, for the same point in time; return what becomes of each.

        With `beside_others`, whoever asks waits for other upstreams, too, which this one must not hold up. If it was
        too slow for any answer the last time, it has to answer the first query in a part of the time before it is
        asked the rest; if it asked to be left alone for a while, it is.
        """
        start = time.monotonic()
        effort = _Effort(self._upstream, at_seconds, start + self._deadline_seconds)
        if beside_others and self._last is not None:
            effort.learn(self._last, start, self._deadline_seconds * TRIAL_SHARE)
        self._last = effort
        # Each query runs in a copy of the refresh's context: its log lines bear the same ids.
        asked = {
            query.name: (query, self._threads.submit(copy_context().run, effort.reply, query)) for query in queries
        }
        return Gathering(self.source, effort, asked, self._tell)

    def close(self) -> None:
        """End the threads; queries still under way are broken off."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._upstream.abort()


@dataclass(frozen=True)
class _Reply:
    """What came back for one query: a body, packed, or the error that came instead."""

    packed: bytes
    error: QueryError | None
    started_at_seconds: float
    seconds: float
    body_bytes: int = 0


class _Effort:
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

    def learn(self, last: "_Effort", now: float, trial_seconds: float) -> None:
        """Take care of an upstream as the last refresh has shown it."""
        if last.alone_until > now:
            self.alone_until = last.alone_until
            self._in_vain = UnreachableError(f"it asked to be left alone, for {last.alone_until - now:.0f} s more")
        elif last.is_too_slow and not last.is_answered:
            self._trial = _Trial(self.end)
            self.end = now + trial_seconds

    def reply(self, query: Query) -> _Reply:
        at, start = time.time(), time.monotonic()
        try:
            body = self._body(query)
        except QueryError as error:
            return _Reply(b"", _bare(self._as_seen_from_here(error)), at, time.monotonic() - start)
        except Exception as error:  # noqa: BLE001 - a defect of ours costs this query, not all of them
            _log.exception("query broke", query=query.name)
            broke = QueryError(f"internal error ({type(error).__name__})")
            return _Reply(b"", broke, at, time.monotonic() - start)
        self.is_answered = True
        return _Reply(pack(body), None, at, time.monotonic() - start, len(body))

    def give_up(self) -> None:
        """Break off what is still under way."""
        if not self._is_over:
            self._is_over = self.is_too_slow = True
            self._upstream.abort()

    def _body(self, query: Query) -> bytes:
        trial = self._trial
        if trial is None or not trial.is_first():
            if trial is not None:
                trial.over.wait(max(0.0, self.end - time.monotonic()))
            self._check_worth()
            return self._upstream.ask(query.promql, self._at_seconds)
        try:
            body = self._upstream.ask(query.promql, self._at_seconds)
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
        if time.monotonic() >= self.end:
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


def _bare(error: QueryError) -> QueryError:
    """Return an error that is kept as a value, without the way that it came.

    That way holds on to everything that was at hand where it was raised, such as the 256 MiB of an answer over the cap.
    """
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


class _Trial:
    """One query that goes ahead of the others."""

    def __init__(self, end_if_passed: float) -> None:
        self.end_if_passed = end_if_passed
        self.over = threading.Event()
        self._first = threading.Lock()

    def is_first(self) -> bool:
        """Return True once, to whoever asks first."""
        return self._first.acquire(blocking=False)


class Teller:
    """Tells the telemetry what became of queries of one upstream."""

    def __init__(self, telemetry: Telemetry, source: str) -> None:
        self._telemetry = telemetry
        self._source = source

    def __call__(self, name: str, reply: _Reply, outcome: Outcome) -> None:
        """Tell of one query."""
        answer = outcome.result if isinstance(outcome.result, Answer) else None
        self._telemetry.queried(
            Exchange(
                query=name,
                source=self._source,
                started_at_seconds=reply.started_at_seconds,
                seconds=reply.seconds,
                answer_bytes=reply.body_bytes,
                samples=len(answer.samples) if answer else 0,
                warnings=len(answer.warnings) if answer else 0,
                error=None if isinstance(outcome.result, Answer) else outcome.result,
            )
        )


class Gathering(Mapping[str, Outcome]):
    """What becomes of each query, by name. Looking one up waits for it, and decodes it anew each time.

    So whoever reads the outcomes in the order in which they were asked can work on the first while the
    others are under way, and the samples of only one need to be in memory. What is not there when the
    deadline has passed is broken off and counts as too slow. Once nobody listens at the address, queries
    that have not started are not asked.
    """

    def __init__(
        self,
        source: Source,
        effort: _Effort,
        asked: "Mapping[str, tuple[Query, Future[_Reply]]]",
        tell: Teller,
    ) -> None:
        self.source = source
        self._effort = effort
        self._asked = asked
        self._tell = tell

    def __getitem__(self, name: str) -> Outcome:
        query, pending = self._asked[name]
        reply = self._reply(pending)
        outcome = self._outcome(query, reply)
        self._tell(name, reply, outcome)
        return outcome

    def _outcome(self, query: Query, reply: _Reply) -> Outcome:
        if reply.error is not None:
            return Outcome(reply.error, b"", reply.seconds)
        try:
            return Outcome(query.decode(unpack(reply.packed), self.source.cluster), reply.packed, reply.seconds)
        except MalformedError as error:
            return Outcome(_bare(error), b"", reply.seconds)

    def __iter__(self) -> Iterator[str]:
        return iter(self._asked)

    def __len__(self) -> int:
        return len(self._asked)

    def _reply(self, pending: "Future[_Reply]") -> _Reply:
        end = self._effort.end
        try:
            return pending.result(timeout=max(0.0, end - time.monotonic()))
        except (TimeoutError, CancelledError):
            # Passing a trial moves the end.
            if self._effort.end > end:
                return self._reply(pending)
            self._effort.give_up()
            pending.cancel()
            return _Reply(b"", TooSlowError("no answer when the time for the whole refresh was over"), time.time(), 0.0)
