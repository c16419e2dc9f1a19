"""Collecting a snapshot: query every row, use stale responses where that is allowed, build, render."""

import math
import weakref
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from aggregator.errors import QueryError, QueryTimeoutError, RefreshFailedError, UpstreamStatusError
from aggregator.models.builder.build import DEFAULT_CLUSTER, build_topology, sort_rows_by_stage
from aggregator.models.builder.matching import EntityCache
from aggregator.models.builder.merge import RowReason
from aggregator.models.catalog.row import DEFAULT_CLUSTER_LABELS, EntityKind, Row
from aggregator.models.quality import Quality, QueryResult, SourceReport, assess_quality
from aggregator.models.sample import Sample
from aggregator.models.topology import Topology
from aggregator.observability.logs import get_logger
from aggregator.querier.prometheus.decode import MAX_LABEL_CHARACTERS
from aggregator.querier.source import (
    WALL_CLOCK,
    RefreshBudget,
    RowResult,
    RowSamples,
    Source,
    SourceClock,
    SourceResults,
    StoredResponse,
)
from aggregator.refresh.disappearance import DisappearanceDetector
from aggregator.refresh.snapshot import DocumentFormat, Gap, GapKind, RenderedTopology, Snapshot, list_build_gaps
from aggregator.util.runtime import defer_garbage_collection
from aggregator.views.renderers import ViewRenderer

# The names of a source and of a row.
QueryKey = tuple[str, str]

# The subject of a gap if every query of a source failed.
ALL_QUERIES = "every query"

# The maximum number of different warnings, and of different remarks, that become gaps of a refresh.
MAX_REPORTED_MESSAGES = 10

LABEL_TOO_LONG_REASON = f"a label of more than {MAX_LABEL_CHARACTERS} characters"

_log = get_logger(__name__)


@dataclass(frozen=True)
class CachedResponse:
    """The last response of a source to a row, and when it was fetched, in monotonic seconds."""

    stored_response: StoredResponse
    queried_at: float


@dataclass(frozen=True)
class StaleFallback:
    """The cached responses at the start of a refresh, and the age until which they may replace a missing response."""

    responses: Mapping[QueryKey, CachedResponse]
    now: float
    max_stale_seconds: float

    def find_response(self, source: str, row: Row, error: QueryError) -> CachedResponse | None:
        """Return the cached response of a source to a row that failed with this error, None if it cannot be used.

        It is used if the upstream did not reject the query, and always for a vital row: without clusters and nodes, no
        other sample could be placed.
        """
        cached = self.responses.get((source, row.name))
        if cached is None or not (row.vital or error.allows_stale_fallback):
            return None
        return cached if self.now - cached.queried_at < self.max_stale_seconds else None


class RefreshResults:
    """The results of one refresh from all sources, by the name of the source.

    The builder reads each row once with `read_samples`; the other members report on the rows that were read. If a
    source fails for a row, its cached response is used where that is allowed.
    """

    def __init__(
        self,
        rows: Sequence[Row],
        source_results: Mapping[str, SourceResults],
        fallback: StaleFallback,
        budget: RefreshBudget,
    ) -> None:
        self._rows = {row.name: row for row in rows}
        self._source_results = source_results
        self._fallback = fallback
        self._budget = budget
        self._now = now = fallback.now
        self._message_gaps: dict[tuple[GapKind, str], Gap] = {}
        self._missing_gaps: dict[QueryKey, Gap] = {}
        self.failures: dict[QueryKey, QueryError] = {}
        self.responses_to_cache: dict[QueryKey, CachedResponse] = {}
        # The results of all sources for each row that was read, by the name of the row.
        self.source_reports_by_row: dict[str, list[SourceReport]] = {row.name: [] for row in rows}
        # Samples that were left out before the builder could count them.
        self.dropped: Counter[RowReason] = Counter()
        # When the oldest response in use was fetched.
        self.oldest_response_at = now

    def read_samples(self, name: str) -> list[Sample]:
        """Wait for the responses of all sources to a row and return their samples, [] if all sources failed."""
        row = self._rows[name]
        samples_by_source = [
            samples
            for source, results in self._source_results.items()
            if (samples := self._read_source(row, source, results)) is not None
        ]
        if not samples_by_source:
            return []
        return samples_by_source[0] if len(samples_by_source) == 1 else _combine_sources(row, samples_by_source)

    @property
    def gaps(self) -> list[Gap]:
        """What is missing or doubtful. Of several sources, one that failed completely has one gap, not one per row."""
        gaps = _limit_messages(list(self._message_gaps.values()))
        for source in self._source_results:
            missing = [gap for query_key, gap in self._missing_gaps.items() if query_key[0] == source]
            if len(self._source_results) > 1 and len(missing) == len(self._rows):
                gaps += _sum_gaps_by_kind(missing)
            else:
                gaps += missing
        return gaps

    @property
    def all_failed(self) -> bool:
        """Whether every query of every source failed."""
        return len(self.failures) == len(self._rows) * len(self._source_results)

    @property
    def incomplete_reason(self) -> str:
        """Why the results are incomplete, "" if they are complete.

        Queries that the upstream rejects are ignored, except with status 422, which may mean that a Thanos store is
        missing.
        """
        failed_rows = [name for (_, name), error in self.failures.items() if _is_missing_response(error)]
        if failed_rows:
            return self.describe_failures([self._rows[name] for name in failed_rows])
        warning_gaps = [gap for gap in self._message_gaps.values() if gap.kind is GapKind.WARNING]
        return f"query {warning_gaps[0].subject}: {warning_gaps[0].detail}" if warning_gaps else ""

    def lacks_response(self, row: Row) -> bool:
        """Return whether some source returned no response to the query of this row, and has no cached one."""
        return any(name == row.name and gap.kind is GapKind.FAILED for (_, name), gap in self._missing_gaps.items())

    def describe_failures(self, rows: Sequence[Row] = ()) -> str:
        """Return the first failure of each source, among these rows or all."""
        selected_rows = {row.name for row in rows} or set(self._rows)
        first_failures: dict[str, str] = {}
        for (source, name), error in self.failures.items():
            if name in selected_rows:
                place = f" at {error.address}" if error.address else ""
                first_failures.setdefault(source, f"query {name}{place}: {error}")
        return "; ".join(self._prefix_source(source, text) for source, text in first_failures.items())

    def _read_source(self, row: Row, source: str, results: SourceResults) -> list[Sample] | None:
        result = results.wait_for_row(row)
        row_samples = result.outcome
        if isinstance(row_samples, QueryError):
            return self._fall_back(row, source, row_samples, result.duration_seconds)
        duration_ms = round(1000 * result.duration_seconds)
        _log.debug(
            "query answered", query=row.name, source=source, duration_ms=duration_ms, samples=len(row_samples.samples)
        )
        if result.stored_response is not None:
            self.responses_to_cache[source, row.name] = CachedResponse(result.stored_response, self._now)
        self._count_dropped(row, row_samples)
        self.source_reports_by_row[row.name].append(_build_source_report(source, result, row_samples))
        for kind, texts in ((GapKind.WARNING, row_samples.warnings), (GapKind.REMARK, row_samples.remarks)):
            for text in texts:
                self._record_message(Gap(kind, row.name, self._prefix_source(source, text)))
        return row_samples.samples

    def _record_message(self, gap: Gap) -> None:
        """Remember a message of an upstream; the same message about other rows is only counted."""
        recorded = self._message_gaps.get((gap.kind, gap.detail))
        self._message_gaps[gap.kind, gap.detail] = replace(recorded, count=recorded.count + 1) if recorded else gap

    def _count_dropped(self, row: Row, row_samples: RowSamples) -> None:
        if row_samples.dropped_samples:
            self.dropped[row.name, LABEL_TOO_LONG_REASON] += row_samples.dropped_samples

    def _fall_back(self, row: Row, source: str, error: QueryError, seconds: float) -> list[Sample] | None:
        """Return the samples of the row's cached response, None if it cannot be used or decoded in time."""
        query_key = (source, row.name)
        self.failures[query_key] = error
        cached = self._fallback.find_response(source, row, error)
        row_samples: RowSamples | None = None
        if cached is not None:
            self.responses_to_cache[query_key] = cached
            row_samples = self._decode_cached(cached)
        if cached is None or row_samples is None:
            self._missing_gaps[query_key] = Gap(GapKind.FAILED, row.name, self._prefix_source(source, str(error)))
            self.source_reports_by_row[row.name].append(SourceReport(source, QueryResult.FAILED, seconds, str(error)))
            return None
        age_seconds = self._now - cached.queried_at
        detail = self._prefix_source(source, f"{age_seconds:.0f} s old, because {error}")
        self._missing_gaps[query_key] = Gap(
            GapKind.STALE, row.name, detail, detail_without_age=self._prefix_source(source, str(error))
        )
        self.oldest_response_at = min(self.oldest_response_at, cached.queried_at)
        self._count_dropped(row, row_samples)
        self.source_reports_by_row[row.name].append(
            SourceReport(source, QueryResult.STOOD_IN, seconds, str(error), len(row_samples.samples), age_seconds)
        )
        return row_samples.samples

    def _decode_cached(self, cached: CachedResponse) -> RowSamples | None:
        try:
            return cached.stored_response.decode(self._budget.check_decoding_stored)
        except QueryTimeoutError:
            return None

    def _prefix_source(self, source: str, text: str) -> str:
        """Return the text with the name of the source, if there are several."""
        return f"source {source}: {text}" if len(self._source_results) > 1 else text


def _build_source_report(source: str, result: RowResult, row_samples: RowSamples) -> SourceReport:
    return SourceReport(
        source,
        QueryResult.OK,
        result.duration_seconds,
        samples=len(row_samples.samples),
        age_seconds=0.0,
        warnings=row_samples.warnings,
        remarks=row_samples.remarks,
    )


def _is_missing_response(error: QueryError) -> bool:
    return error.allows_stale_fallback or (isinstance(error, UpstreamStatusError) and error.status == 422)


def _combine_sources(row: Row, samples_by_source: list[list[Sample]]) -> list[Sample]:
    samples = [sample for part in samples_by_source for sample in part]
    if row.entity_selector.kind is EntityKind.SYSTEM and samples:
        # Each source returns its own oldest timestamp; that of the system is the oldest of them.
        return [min(samples, key=_parse_sort_number)]
    return samples


def _parse_sort_number(sample: Sample) -> float:
    try:
        number = float(sample.value.text)
    except ValueError:
        return math.inf
    return math.inf if math.isnan(number) else number


def _limit_messages(gaps: Sequence[Gap]) -> list[Gap]:
    """Return the first few gaps of each kind, and one that counts the rest of the kind."""
    limited: list[Gap] = []
    for kind in (GapKind.WARNING, GapKind.REMARK):
        gaps_of_kind = [gap for gap in gaps if gap.kind is kind]
        limited += gaps_of_kind[:MAX_REPORTED_MESSAGES]
        if rest := gaps_of_kind[MAX_REPORTED_MESSAGES:]:
            limited.append(Gap(kind, rest[0].subject, f"and {len(rest)} more", sum(gap.count for gap in rest)))
    return limited


def _sum_gaps_by_kind(gaps: Iterable[Gap]) -> list[Gap]:
    summed: dict[GapKind, Gap] = {}
    for gap in gaps:
        current = summed.get(gap.kind)
        summed[gap.kind] = replace(current or gap, subject=ALL_QUERIES, count=current.count + 1 if current else 1)
    return list(summed.values())


@dataclass(frozen=True)
class ViewSet:
    """The views of a snapshot by name, and which of them are rendered with it rather than on first use."""

    by_name: Mapping[str, ViewRenderer]
    eager_names: tuple[str, ...]


@dataclass(frozen=True)
class CollectorConfig:
    """The rows to query, and the limits of a refresh.

    `cluster_labels` are the labels that may name the cluster of a series, `default_cluster` is the cluster of series
    without them. With `requires_complete`, a refresh fails if a response is missing or partial.
    `disappearance_notice_seconds` is how long a cluster or many nodes that disappeared are reported; 0 for never.
    """

    rows: tuple[Row, ...]
    max_stale_seconds: float
    timeout_seconds: float = 60.0
    default_cluster: str = DEFAULT_CLUSTER
    requires_complete: bool = False
    disappearance_notice_seconds: float = 0.0
    cluster_labels: Sequence[str] = DEFAULT_CLUSTER_LABELS


class SnapshotCollector:
    """Collects snapshots from one source or several, and caches the last response of each source to each row."""

    def __init__(
        self,
        sources: Sequence[Source],
        config: CollectorConfig,
        views: ViewSet,
        source_clock: SourceClock = WALL_CLOCK,
    ) -> None:
        self._sources = sources
        self.source_clock = source_clock
        self._config = config
        self._build_topology = partial(
            build_topology,
            rows=config.rows,
            default_cluster=config.default_cluster,
            entity_cache=EntityCache(),
            cluster_labels=config.cluster_labels,
        )
        self._views = views
        self._cached_responses: Mapping[QueryKey, CachedResponse] = {}
        self._disappearance_detector = DisappearanceDetector(config.disappearance_notice_seconds)
        # A weak reference: documents too old to be served are not kept for this.
        self._last_rendered_topology: weakref.ref[RenderedTopology] | None = None
        # The quality of the last refresh, whether it succeeded or not; None after an unexpected error.
        self.quality: Quality | None = None
        self._requested_formats: frozenset[DocumentFormat] = frozenset()

    def collect(self, wall_seconds: float, now: float) -> tuple[Snapshot, tuple[QueryError, ...]]:
        """Return a snapshot for `wall_seconds`, and the failures whose Retry-After delays the next refresh.

        `now` is the time of the refresh on the monotonic clock. Raises RefreshFailedError if every query failed, if no
        cluster is known because a vital row has no response, or if responses are missing and the config requires all.
        """
        with defer_garbage_collection():
            return self._collect(wall_seconds, now)

    def _collect(self, wall_seconds: float, now: float) -> tuple[Snapshot, tuple[QueryError, ...]]:
        self.quality = None
        at_seconds = self.source_clock.begin_refresh(wall_seconds)
        results = self._start_refresh(at_seconds, now)
        # The builder reads the first responses while later ones are still on their way.
        topology, stats = self._build_topology(results.read_samples)
        stats.dropped.update(results.dropped)
        self.quality = assess_quality(self._config.rows, results.source_reports_by_row, topology, stats)
        # A Retry-After of one of several sources must not delay the others: its `QuerySession` honors it.
        failures = tuple(results.failures.values()) if len(self._sources) == 1 else ()
        if results.all_failed:
            raise RefreshFailedError(results.describe_failures(), failures)
        missing_rows = [row for row in self._config.rows if row.vital and results.lacks_response(row)]
        if missing_rows and not topology.clusters:
            raise RefreshFailedError(results.describe_failures(missing_rows), failures)
        if self._config.requires_complete and results.incomplete_reason:
            raise RefreshFailedError(results.incomplete_reason, failures)
        self._cached_responses = results.responses_to_cache
        gaps = (*results.gaps, *self._disappearance_detector.detect(topology, now), *list_build_gaps(stats))
        topology = self._disappearance_detector.add_gone_nodes(topology, at_seconds)
        snapshot = Snapshot(
            self._reuse_or_create_rendered_topology(topology, at_seconds),
            gaps,
            now,
            results.oldest_response_at,
            at_seconds,
        )
        disappeared = tuple(gap.detail for gap in gaps if gap.kind is GapKind.VANISHED)
        self.quality = replace(self.quality, complete=snapshot.is_complete, vanished=disappeared)
        self.render_views(snapshot)
        return snapshot, failures

    def _start_refresh(self, at_seconds: float, now: float) -> RefreshResults:
        rows = sort_rows_by_stage(self._config.rows)
        budget = RefreshBudget(self._config.timeout_seconds)
        source_results = {source.info.name: source.collect(rows, at_seconds, budget) for source in self._sources}
        fallback = StaleFallback(self._cached_responses, now, self._config.max_stale_seconds)
        return RefreshResults(rows, source_results, fallback, budget)

    def _reuse_or_create_rendered_topology(self, topology: Topology, at_seconds: float) -> RenderedTopology:
        """Return the rendered topology, that of the last refresh if nothing changed since."""
        last = self._last_rendered_topology() if self._last_rendered_topology is not None else None
        if last is not None and not last.has_own_ages and last.topology.version == topology.version:
            return last
        self._requested_formats = frozenset(last.requested_formats) if last is not None else frozenset()
        rendered_topology = RenderedTopology(topology, at_seconds, self._views.by_name)
        self._last_rendered_topology = weakref.ref(rendered_topology)
        return rendered_topology

    def render_views(self, snapshot: Snapshot) -> None:
        """Render what requests will probably need: the eager views, and what clients requested last."""
        for view in self._views.eager_names:
            snapshot.get_body(view)
        for document_format in self._requested_formats:
            try:
                snapshot.rendered_topology.get_body(*document_format)
            except Exception:  # noqa: BLE001 - a view that fails must not affect the others
                _log.exception("rendering failed", view=document_format.view)

    def close(self) -> None:
        """Close the sources."""
        for source in self._sources:
            source.close()
