"""All queries of one refresh: at most so many at once, one deadline for all, a result for each."""

import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from typing import Protocol

import zstandard

from aggregator.errors import MalformedError, NotListeningError, QueryError, TooSlowError
from aggregator.logs import logger
from aggregator.querier.decode import Answer, Decoder
from aggregator.telemetry import Exchange, Telemetry

_log = logger(__name__)


@dataclass(frozen=True)
class Query:
    """One question: its name in logs and metrics, its PromQL, and what makes samples of its answer."""

    name: str
    promql: str
    decode: Decoder


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
        telemetry: Telemetry | None = None,
        source: str = "",
    ) -> None:
        """`source` is the upstream's name in metrics and traces."""
        self._tell = Teller(telemetry or Telemetry(), source)
        self._upstream = upstream
        self._deadline_seconds = deadline_seconds
        self._threads = ThreadPoolExecutor(concurrency, thread_name_prefix="query")

    def gather(self, queries: Iterable[Query], at_seconds: float) -> "Gathering":
        """Begin to ask all queries, in their order, for the same point in time; return what becomes of each."""
        effort = _Effort(self._upstream, at_seconds, time.monotonic() + self._deadline_seconds)
        # Each query runs in a copy of the refresh's context: its log lines bear the same ids.
        asked = {
            query.name: (query, self._threads.submit(copy_context().run, effort.reply, query)) for query in queries
        }
        return Gathering(effort, asked, self._tell)

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
        self._nobody: NotListeningError | None = None
        self._is_over = False

    def reply(self, query: Query) -> _Reply:
        at, start = time.time(), time.monotonic()
        try:
            body = self._body(query)
        except QueryError as error:
            return _Reply(b"", self._as_seen_from_here(error), at, time.monotonic() - start)
        except Exception as error:  # noqa: BLE001 - a defect of ours costs this query, not all of them
            _log.exception("query broke", query=query.name)
            broke = QueryError(f"internal error ({type(error).__name__})")
            return _Reply(b"", broke, at, time.monotonic() - start)
        return _Reply(pack(body), None, at, time.monotonic() - start, len(body))

    def give_up(self) -> None:
        """Break off what is still under way."""
        if not self._is_over:
            self._is_over = True
            self._upstream.abort()

    def _body(self, query: Query) -> bytes:
        if self._nobody is not None:
            raise NotListeningError(f"not asked: {self._nobody}")
        if time.monotonic() >= self.end:
            raise TooSlowError("not asked: the time for the whole refresh was over")
        return self._upstream.ask(query.promql, self._at_seconds)

    def _as_seen_from_here(self, error: QueryError) -> QueryError:
        if self._is_over:
            return TooSlowError("broken off: the time for the whole refresh was over")
        if isinstance(error, NotListeningError) and self._nobody is None:
            self._nobody = error
        return error


def _outcome(query: Query, reply: _Reply) -> Outcome:
    if reply.error is not None:
        return Outcome(reply.error, b"", reply.seconds)
    try:
        return Outcome(query.decode(unpack(reply.packed)), reply.packed, reply.seconds)
    except MalformedError as error:
        return Outcome(error, b"", reply.seconds)


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

    def __init__(self, effort: _Effort, asked: "Mapping[str, tuple[Query, Future[_Reply]]]", tell: "Teller") -> None:
        self._effort = effort
        self._asked = asked
        self._tell = tell

    def __getitem__(self, name: str) -> Outcome:
        query, pending = self._asked[name]
        reply = self._reply(pending)
        outcome = _outcome(query, reply)
        self._tell(name, reply, outcome)
        return outcome

    def __iter__(self) -> Iterator[str]:
        return iter(self._asked)

    def __len__(self) -> int:
        return len(self._asked)

    def _reply(self, pending: "Future[_Reply]") -> _Reply:
        try:
            return pending.result(timeout=max(0.0, self._effort.end - time.monotonic()))
        except (TimeoutError, CancelledError):
            self._effort.give_up()
            pending.cancel()
            return _Reply(b"", TooSlowError("no answer when the time for the whole refresh was over"), time.time(), 0.0)
