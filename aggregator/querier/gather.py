"""All queries of one refresh: at most so many at once, one deadline for all, a result for each."""

import time
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Protocol

import zstandard

from aggregator.errors import NotListeningError, QueryError, TooSlowError
from aggregator.querier.decode import Answer, Decoder


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

    def __init__(self, upstream: Upstream, concurrency: int, deadline_seconds: float) -> None:
        self._upstream = upstream
        self._deadline_seconds = deadline_seconds
        self._threads = ThreadPoolExecutor(concurrency, thread_name_prefix="query")

    def gather(self, queries: Iterable[Query], at_seconds: float) -> dict[str, Outcome]:
        """Return what became of each query by its name, all asked for the same point in time.

        It takes at most the deadline: what is not there by then is broken off and counts as too slow.
        Once nobody listens at the address, the queries that have not started are not asked.
        """
        end = time.monotonic() + self._deadline_seconds
        effort = _Effort(self._upstream, at_seconds, end)
        pending = {self._threads.submit(effort.outcome, query): query for query in queries}
        _, late = wait(pending, timeout=self._deadline_seconds)
        if late:
            effort.over = True
            self._upstream.abort()
        return {query.name: _result(future, self._deadline_seconds) for future, query in pending.items()}

    def close(self) -> None:
        """End the threads; queries still under way are broken off."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._upstream.abort()


class _Effort:
    """One refresh's asking: stops asking when the time is up or nobody is there."""

    def __init__(self, upstream: Upstream, at_seconds: float, end: float) -> None:
        self._upstream = upstream
        self._at_seconds = at_seconds
        self._end = end
        self._nobody: NotListeningError | None = None
        self.over = False

    def outcome(self, query: Query) -> Outcome:
        start = time.monotonic()
        try:
            body = self._body(query)
            seconds = time.monotonic() - start
            return Outcome(query.decode(body), pack(body), seconds)
        except QueryError as error:
            return Outcome(self._as_seen_from_here(error), b"", time.monotonic() - start)

    def _body(self, query: Query) -> bytes:
        if self._nobody is not None:
            raise NotListeningError(f"not asked: {self._nobody}")
        if time.monotonic() >= self._end:
            raise TooSlowError("not asked: the time for the whole refresh was over")
        return self._upstream.ask(query.promql, self._at_seconds)

    def _as_seen_from_here(self, error: QueryError) -> QueryError:
        if self.over:
            return TooSlowError("broken off: the time for the whole refresh was over")
        if isinstance(error, NotListeningError) and self._nobody is None:
            self._nobody = error
        return error


def _result(future: "Future[Outcome]", deadline_seconds: float) -> Outcome:
    if future.done() and not future.cancelled():
        return future.result()
    future.cancel()
    return Outcome(TooSlowError("no answer when the time for the whole refresh was over"), b"", deadline_seconds)
