"""A source that executes PromQL: Prometheus, Thanos, or a recording of one. One deadline, a result for each row."""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, replace
from time import time
from typing import Protocol

from aggregator.errors import NotListeningError, QueryError, QueryTimeoutError, UnreachableError, UpstreamStatusError
from aggregator.models.catalog.row import Row
from aggregator.observability.logs import get_logger
from aggregator.observability.metrics import OwnMetrics, QueryStats
from aggregator.observability.redaction import Redactor
from aggregator.querier.prometheus.decode import CompressedBody, ResponseDecoder, create_decoder
from aggregator.querier.source import UNNAMED_SOURCE, RefreshBudget, RowResult, RowSamples, SourceInfo

# A Retry-After of more seconds than this is cut to it.
MAX_BACKOFF_SECONDS = 150.0
# The share of the refresh timeout in which an upstream that timed out before must respond to its first query.
PROBE_TIMEOUT_RATIO = 0.25

_log = get_logger(__name__)


class Upstream(Protocol):
    """Executes PromQL: `PrometheusClient`, or `ReplayUpstream` in its place. Its methods are thread-safe."""

    def query(self, promql: str, at_seconds: float) -> CompressedBody:
        """Return the body of the response; raise QueryError if there is none."""

    def abort(self) -> None:
        """Make every running query fail soon."""


@dataclass(frozen=True)
class CompressedResponse:
    """The compressed body of a response, and how to decode it."""

    body: CompressedBody
    decoder: ResponseDecoder
    cluster: str
    redactor: Redactor

    def decode(self, check_deadline: Callable[[], None]) -> RowSamples:
        """Return the samples; raise MalformedResponseError, or what `check_deadline` raises between two chunks."""
        check_deadline()
        return self.decoder(self.get_body(), self.cluster, self.redactor, check_deadline)

    def get_body(self) -> bytes:
        """Return the decompressed body."""
        return self.body.decompress()


class PrometheusSource:
    """Queries one upstream for the rows of a refresh, with at most `concurrency` queries at once.

    With `has_other_sources`, a slow upstream must not hold up the others. If no query got a response in the previous
    refresh because of timeouts, one probe query must succeed within a part of the timeout before the others are sent;
    after a Retry-After, it gets no queries for that time. With a single source, `RefreshSchedule.compute_cooldown`
    delays the next refresh instead.

    `redactor` removes secrets from messages of the upstream.
    """

    def __init__(
        self,
        upstream: Upstream,
        concurrency: int,
        info: SourceInfo = UNNAMED_SOURCE,
        own_metrics: OwnMetrics | None = None,
        redactor: Redactor | None = None,
        *,
        has_other_sources: bool = False,
    ) -> None:
        self.info = info
        self._redactor = redactor or Redactor()
        self._own_metrics = own_metrics or OwnMetrics()
        self._upstream = upstream
        self._has_other_sources = has_other_sources
        self._thread_pool = ThreadPoolExecutor(concurrency, thread_name_prefix="query")
        self._last_session: QuerySession | None = None

    def collect(self, rows: Sequence[Row], at_seconds: float, budget: RefreshBudget) -> "PrometheusResults":
        """Start all queries, in the order of the rows; return their results."""
        session = QuerySession(self._upstream, at_seconds, budget)
        if self._has_other_sources and self._last_session is not None:
            session.apply_previous(self._last_session)
        self._last_session = session
        # Each query runs in a copy of the refresh's context, so that its log lines have the same IDs.
        responses = {
            row.name: self._thread_pool.submit(
                copy_context().run, session.fetch_response, row.name, row.expression.text
            )
            for row in rows
        }
        return PrometheusResults(self.info, session, responses, self._own_metrics, self._redactor)

    def close(self) -> None:
        """Abort running queries and end the threads."""
        self._thread_pool.shutdown(wait=False, cancel_futures=True)
        if self._last_session is not None:
            self._last_session.abort()
        self._upstream.abort()


class PrometheusResults:
    """The results of one source in one refresh. Bodies wait compressed until their row is read."""

    def __init__(
        self,
        info: SourceInfo,
        session: "QuerySession",
        responses: "Mapping[str, Future[QueryResponse]]",
        own_metrics: OwnMetrics,
        redactor: Redactor,
    ) -> None:
        self._info = info
        self._session = session
        self._responses = responses
        self._own_metrics = own_metrics
        self._redactor = redactor

    def wait_for_row(self, row: Row) -> RowResult:
        """Wait for the response to a row and decode it. A response that arrives or is decoded too late is an error."""
        budget = self._session.budget
        with budget.pause_decode_deadline():
            response = self._wait_for_response(self._responses[row.name])
        result = self._decode_response(row, response, budget.check_decoding)
        if isinstance(result.outcome, QueryError):
            result.outcome.address = self._info.address
        self._own_metrics.record_query(self._build_query_stats(row, response, result.outcome))
        return result

    def _decode_response(self, row: Row, response: "QueryResponse", check_deadline: Callable[[], None]) -> RowResult:
        if isinstance(response.body_or_error, QueryError):
            return RowResult(response.body_or_error, response.duration_seconds)
        decoder = create_decoder(row.expression.labels)
        stored = CompressedResponse(response.body_or_error, decoder, self._info.cluster, self._redactor)
        try:
            return RowResult(stored.decode(check_deadline), response.duration_seconds, stored)
        except QueryError as error:
            return RowResult(strip_traceback(error), response.duration_seconds)

    def _wait_for_response(self, future: "Future[QueryResponse]") -> "QueryResponse":
        deadline = self._session.deadline
        try:
            return future.result(timeout=max(0.0, deadline - self._session.budget.clock()))
        except (TimeoutError, CancelledError):
            # A successful probe moves the deadline.
            if self._session.deadline > deadline:
                return self._wait_for_response(future)
            self._session.abort()
            future.cancel()
            return QueryResponse(QueryTimeoutError("no response before the refresh timed out"), time())

    def _build_query_stats(self, row: Row, response: "QueryResponse", outcome: RowSamples | QueryError) -> QueryStats:
        stats = QueryStats(
            query=row.name,
            source=self._info.name,
            started_at_seconds=response.started_at_seconds,
            duration_seconds=response.duration_seconds,
            response_bytes=0 if isinstance(response.body_or_error, QueryError) else response.body_or_error.size_bytes,
        )
        if isinstance(outcome, QueryError):
            return replace(stats, error=outcome)
        return replace(stats, sample_count=len(outcome.samples), warning_count=len(outcome.warnings))


@dataclass(frozen=True)
class QueryResponse:
    """The response to one query: its body, or the error in its place."""

    body_or_error: CompressedBody | QueryError
    started_at_seconds: float
    duration_seconds: float = 0.0


class QuerySession:
    """The queries of one refresh to one upstream: its deadline, circuit breaker and backoff. Thread-safe."""

    def __init__(self, upstream: Upstream, at_seconds: float, budget: RefreshBudget) -> None:
        self.budget = budget
        self.deadline = budget.deadline
        self.has_timed_out = False
        self.has_answered = False
        self.backoff_until = 0.0
        self._upstream = upstream
        self._at_seconds = at_seconds
        self._circuit_error: QueryError | None = None
        self._is_aborted = False
        self._probe: _CircuitProbe | None = None

    def apply_previous(self, previous: "QuerySession") -> None:
        """Continue the backoff of the last refresh, and probe an upstream that only timed out in it."""
        now = self.budget.clock()
        if previous.backoff_until > now:
            self.backoff_until = previous.backoff_until
            seconds = previous.backoff_until - now
            self._circuit_error = UnreachableError(f"the upstream sent Retry-After, for {seconds:.0f} s more")
        elif previous.has_timed_out and not previous.has_answered:
            self._probe = _CircuitProbe()
            self.deadline = now + self.budget.timeout_seconds * PROBE_TIMEOUT_RATIO

    def fetch_response(self, name: str, promql: str) -> QueryResponse:
        """Send one query; return its response or its error."""
        started_at_seconds, start = time(), self.budget.clock()

        outcome: CompressedBody | QueryError
        try:
            outcome = self._fetch_body(promql)
            self.has_answered = True
        except QueryError as error:
            outcome = strip_traceback(self._record_error(error))
        except Exception as error:  # noqa: BLE001 - a defect costs this query, not the whole refresh
            _log.exception("query failed unexpectedly", query=name)
            outcome = QueryError(f"internal error ({type(error).__name__})")
        return QueryResponse(outcome, started_at_seconds, self.budget.clock() - start)

    def abort(self) -> None:
        """Abort running queries, and send no others."""
        if not self._is_aborted:
            self._is_aborted = self.has_timed_out = True
            self._upstream.abort()

    def _fetch_body(self, promql: str) -> CompressedBody:
        if self._probe is not None:
            if self._probe.try_claim():
                return self._run_probe(self._probe, promql)
            self._probe.finished.wait(max(0.0, self.deadline - self.budget.clock()))
        self._check_circuit()
        return self._upstream.query(promql, self._at_seconds)

    def _run_probe(self, probe: "_CircuitProbe", promql: str) -> CompressedBody:
        """Send the first query; its response gives the others the full timeout, its failure opens the circuit."""
        try:
            body = self._upstream.query(promql, self._at_seconds)
            self.deadline = self.budget.deadline
        except QueryError as error:
            self._circuit_error = error
            raise
        finally:
            probe.finished.set()
        return body

    def _check_circuit(self) -> None:
        if self._circuit_error is not None:
            preserved_kinds = (NotListeningError, QueryTimeoutError)
            kind = type(self._circuit_error) if isinstance(self._circuit_error, preserved_kinds) else UnreachableError
            raise kind(f"not sent: {self._circuit_error}")
        if self._is_aborted or self.budget.clock() >= self.deadline:
            raise QueryTimeoutError("not sent: the refresh timed out")

    def _record_error(self, error: QueryError) -> QueryError:
        self.has_timed_out = self.has_timed_out or isinstance(error, QueryTimeoutError)
        if self._is_aborted:
            return QueryTimeoutError("aborted: the refresh timed out")
        if isinstance(error, UpstreamStatusError) and error.retry_after_seconds is not None:
            seconds = min(error.retry_after_seconds, MAX_BACKOFF_SECONDS)
            self.backoff_until = max(self.backoff_until, self.budget.clock() + seconds)
        if isinstance(error, NotListeningError) and self._circuit_error is None:
            self._circuit_error = error
        return error


class _CircuitProbe:
    """The query that is sent before the others."""

    def __init__(self) -> None:
        self.finished = threading.Event()
        self._claim_lock = threading.Lock()

    def try_claim(self) -> bool:
        """Return True to the first caller only."""
        return self._claim_lock.acquire(blocking=False)


def strip_traceback(error: QueryError) -> QueryError:
    """Return the error without traceback and cause, which would keep a response body alive as long as the error."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)
