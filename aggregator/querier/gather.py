"""All queries of one refresh: at most so many at once, one deadline for all, a result for each."""

import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass

from aggregator.errors import QueryError, TooSlowError
from aggregator.querier.decode import Answer, Decoder
from aggregator.querier.effort import Effort, Reply, Upstream, bare
from aggregator.querier.reading import Reading, Way
from aggregator.secrets import Secrets
from aggregator.telemetry import Exchange, Telemetry

# How much of the time for a refresh an upstream gets to show that it answers again.
TRIAL_SHARE = 0.25


@dataclass(frozen=True)
class Query:
    """One question: its name in logs and metrics, its PromQL, and what makes samples of its answer.

    `makes` tells whether those samples make objects, which costs more than they do.
    """

    name: str
    promql: str
    decode: Decoder
    makes: bool = False


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


class Gatherer:
    """Asks many queries of one upstream."""

    def __init__(
        self,
        upstream: Upstream,
        concurrency: int,
        deadline_seconds: float,
        source: Source = Source(),
        telemetry: Telemetry | None = None,
        secrets: Secrets | None = None,
    ) -> None:
        """`secrets` are in nothing that is told of what the upstream said."""
        self.source = source
        self._secrets = secrets or Secrets()
        self._telemetry = telemetry or Telemetry()
        self._upstream = upstream
        self._deadline_seconds = deadline_seconds
        self._threads = ThreadPoolExecutor(concurrency, thread_name_prefix="query")
        self._last: Effort | None = None

    def gather(
        self,
        queries: Iterable[Query],
        at_seconds: float,
        *,
        beside_others: bool = False,
        reading: Reading | None = None,
    ) -> "Gathering":
        """Begin to ask all queries, in their order, for the same point in time; return what becomes of each.

        With `beside_others`, whoever asks waits for other upstreams, too, which this one must not hold up. If it was
        too slow for any answer the last time, it has to answer the first query in a part of the time before it is
        asked the rest; if it asked to be left alone for a while, it is. `reading` is how long answers may be read,
        shared by those which are read together.
        """
        start = time.monotonic()
        effort = Effort(self._upstream, at_seconds, start + self._deadline_seconds)
        if beside_others and self._last is not None:
            effort.learn(self._last, start, self._deadline_seconds * TRIAL_SHARE)
        self._last = effort
        # Each query runs in a copy of the refresh's context: its log lines bear the same ids.
        asked = {
            query.name: (query, self._threads.submit(copy_context().run, effort.reply, query.name, query.promql))
            for query in queries
        }
        return Gathering(self.source, effort, asked, reading or self.reading(), self._telemetry, self._secrets)

    def reading(self) -> Reading:
        """Return what reads the answers of a refresh that begins now."""
        return Reading(self._deadline_seconds)

    def close(self) -> None:
        """End the threads; queries still under way are broken off."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        if self._last is not None:
            self._last.give_up()
        self._upstream.abort()


class Gathering(Mapping[str, Outcome]):
    """What becomes of each query, by name. Looking one up waits for it, and decodes it anew each time.

    So whoever reads the outcomes in the order in which they were asked can work on the first while the
    others are under way, and the samples of only one need to be in memory. What is not there when the
    deadline has passed is broken off and counts as too slow, and so does what cannot be read soon after it. Once
    nobody listens at the address, queries that have not started are not asked.
    """

    def __init__(
        self,
        source: Source,
        effort: Effort,
        asked: "Mapping[str, tuple[Query, Future[Reply]]]",
        reading: Reading,
        telemetry: Telemetry,
        secrets: Secrets,
    ) -> None:
        self.source = source
        self._effort = effort
        self._asked = asked
        self._reading = reading
        self._telemetry = telemetry
        self._secrets = secrets

    def __getitem__(self, name: str) -> Outcome:
        query, pending = self._asked[name]
        with self._reading.waiting():
            reply = self._reply(pending)
        outcome = self._outcome(query, reply)
        self._telemetry.queried(self._exchange(name, reply, outcome.result))
        return outcome

    def earlier(self, query: Query, packed: bytes) -> Answer:
        """Return what was answered to a query in an earlier refresh; raise TooSlowError without time to read it."""
        return self._reading.earlier(packed, self._way(query))

    def _way(self, query: Query) -> Way:
        return Way(query.decode, self.source.cluster, query.makes, self._secrets)

    def _outcome(self, query: Query, reply: Reply) -> Outcome:
        if reply.error is not None:
            return Outcome(reply.error, b"", reply.seconds)
        try:
            answer = self._reading.answer(reply.packed, self._way(query))
        except QueryError as error:
            return Outcome(bare(error), b"", reply.seconds)
        return Outcome(answer, reply.packed, reply.seconds)

    def _exchange(self, name: str, reply: Reply, result: Answer | QueryError) -> Exchange:
        """Return what the telemetry is told of one query."""
        answer, error = (result, None) if isinstance(result, Answer) else (None, result)
        return Exchange(
            query=name,
            source=self.source.name,
            started_at_seconds=reply.started_at_seconds,
            seconds=reply.seconds,
            answer_bytes=reply.body_bytes,
            samples=len(answer.samples) if answer else 0,
            warnings=len(answer.warnings) if answer else 0,
            error=error,
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self._asked)

    def __len__(self) -> int:
        return len(self._asked)

    def _reply(self, pending: "Future[Reply]") -> Reply:
        end = self._effort.end
        try:
            return pending.result(timeout=max(0.0, end - time.monotonic()))
        except (TimeoutError, CancelledError):
            # Passing a trial moves the end.
            if self._effort.end > end:
                return self._reply(pending)
            self._effort.give_up()
            pending.cancel()
            return Reply(b"", TooSlowError("no answer when the time for the whole refresh was over"), time.time(), 0.0)
