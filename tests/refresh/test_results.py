"""The results of a refresh: answers, stale responses, and what is missing."""

from collections.abc import Callable
from dataclasses import dataclass

from aggregator.errors import MalformedResponseError, QueryError, QueryTimeoutError, UnreachableError
from aggregator.models.catalog.row import Row
from aggregator.models.quality import QueryResult
from aggregator.querier.prometheus.decode import MAX_LABEL_CHARACTERS
from aggregator.querier.prometheus.source import PrometheusSource
from aggregator.querier.source import STORED_DECODE_TIMEOUT_RATIO, RefreshBudget, RowResult, RowSamples
from aggregator.refresh.collector import (
    LABEL_TOO_LONG_REASON,
    CachedResponse,
    CollectorConfig,
    RefreshResults,
    SnapshotCollector,
    StaleFallback,
    ViewSet,
)
from aggregator.refresh.snapshot import GapKind
from tests.support.catalog import CATALOG
from tests.support.fake_upstream import FakeUpstream, build_cluster_responses
from tests.support.samples import decode_row_samples, encode_response

TIMEOUT_SECONDS = 10.0
NOW = 100.0
MAX_STALE_SECONDS = 300.0
UPTIME_ROW = next(row for row in CATALOG if row.name == "uptime")
VITAL_ROW = next(row for row in CATALOG if row.vital)


class SettableClock:
    """A clock that the test sets."""

    now = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


@dataclass(frozen=True)
class StoredUptime:
    """The stored response of a source that keeps samples as they are."""

    text: str

    def decode(self, check_deadline: Callable[[], None]) -> RowSamples:
        """Return one sample."""
        check_deadline()
        return RowSamples(decode_row_samples("uptime", [({"icos_host_id": "id-n"}, self.text)]))

    def get_body(self) -> bytes:
        """Return nothing: nobody records this source."""
        return b""


@dataclass(frozen=True)
class ScriptedResults:
    """A source that returns one outcome for each row."""

    outcome: RowSamples | QueryError

    def wait_for_row(self, _row: Row) -> RowResult:
        """Return it."""
        stored = None if isinstance(self.outcome, QueryError) else StoredUptime("5")
        return RowResult(self.outcome, 0.5, stored)


def build_results(
    outcome: RowSamples | QueryError, cached: CachedResponse | None = None, clock: SettableClock | None = None
) -> RefreshResults:
    """Return the results of a refresh of one source; the cached answer is that to `uptime`."""
    budget = RefreshBudget(TIMEOUT_SECONDS, clock=clock or SettableClock())
    fallback = StaleFallback({} if cached is None else {("eu", "uptime"): cached}, NOW, MAX_STALE_SECONDS)
    return RefreshResults([UPTIME_ROW, VITAL_ROW], {"eu": ScriptedResults(outcome)}, fallback, budget)


def test_any_source_can_answer_a_row() -> None:
    """Samples of a source that is no Prometheus reach the builder, and its stored answer is kept for later."""
    results = build_results(StoredUptime("5").decode(lambda: None))
    assert [sample.value.text for sample in results.read_samples("uptime")] == ["5"]
    assert results.responses_to_cache == {("eu", "uptime"): CachedResponse(StoredUptime("5"), NOW)}
    assert (results.gaps, results.all_failed, results.oldest_response_at) == ([], False, NOW)


def test_a_cached_answer_replaces_one_that_is_missing() -> None:
    """The row has the samples of its last answer, which are a gap with their age, and stay in the cache."""
    cached = CachedResponse(StoredUptime("4"), 90.0)
    results = build_results(QueryTimeoutError("too slow"), cached)
    assert [sample.value.text for sample in results.read_samples("uptime")] == ["4"]
    (gap,) = results.gaps
    assert (gap.kind, gap.subject, gap.detail) == (GapKind.STALE, "uptime", "10 s old, because too slow")
    assert gap.lasting_detail == "too slow"
    assert results.responses_to_cache == {("eu", "uptime"): cached}
    assert results.oldest_response_at == 90.0


def test_a_cached_answer_that_is_too_old_is_not_used() -> None:
    """At the age of MAX_STALE an answer is dropped, and the row failed."""
    results = build_results(UnreachableError("gone"), CachedResponse(StoredUptime("4"), NOW - MAX_STALE_SECONDS))
    assert results.read_samples("uptime") == []
    assert [gap.kind for gap in results.gaps] == [GapKind.FAILED]
    assert results.responses_to_cache == {}


def test_a_cached_answer_that_cannot_be_decoded_in_time_is_kept() -> None:
    """If there is no time for stored answers either, the row failed; its answer is there for the next refresh."""
    clock, cached = SettableClock(), CachedResponse(StoredUptime("4"), 90.0)
    results = build_results(QueryTimeoutError("too slow"), cached, clock)
    clock.now = (1 + STORED_DECODE_TIMEOUT_RATIO) * TIMEOUT_SECONDS
    assert results.read_samples("uptime") == []
    (gap,) = results.gaps
    assert (gap.kind, gap.subject) == (GapKind.FAILED, "uptime")
    assert [report.result for report in results.source_reports_by_row["uptime"]] == [QueryResult.FAILED]
    assert results.responses_to_cache == {("eu", "uptime"): cached}


def test_a_failure_is_reported_with_the_row() -> None:
    """Without an answer a row has no samples; all rows failed if each did."""
    results = build_results(MalformedResponseError("no JSON"))
    assert results.read_samples("uptime") == []
    assert [results.all_failed, results.read_samples(VITAL_ROW.name), results.all_failed] == [False, [], True]
    assert results.lacks_response(VITAL_ROW)
    assert results.describe_failures([VITAL_ROW]) == f"query {VITAL_ROW.name}: no JSON"


def test_samples_that_are_left_out_are_told() -> None:
    """A sample with a label that is too long is counted as dropped; its row's others count."""
    series = [({"icos_host_id": "id-n"}, "5"), ({"icos_host_id": "x" * (MAX_LABEL_CHARACTERS + 1)}, "7")]
    upstream = FakeUpstream(build_cluster_responses() | {"uptime": encode_response(series)})
    collector = SnapshotCollector([PrometheusSource(upstream, 2)], CollectorConfig(CATALOG, 300.0), ViewSet({}, ()))
    snapshot, _ = collector.collect(1795208200.0, 0.0)
    assert [node.uptime_seconds for node in snapshot.topology.nodes.values()] == [5.0]
    assert [str(gap) for gap in snapshot.gaps] == [f"uptime: dropped: {LABEL_TOO_LONG_REASON}"]
    collector.close()
