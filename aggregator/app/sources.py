"""Create the sources that the settings name: Prometheus upstreams, or a recording that replaces them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from aggregator.models.catalog.default_catalog import compose_default_catalog
from aggregator.models.catalog.row import Row
from aggregator.observability.metrics import OwnMetrics
from aggregator.observability.redaction import Redactor
from aggregator.querier.prometheus.client import PrometheusClient, QueryLimits, ThanosDetector, UpstreamAddress
from aggregator.querier.prometheus.decode import ByteBudget
from aggregator.querier.prometheus.source import PrometheusSource, Upstream
from aggregator.querier.recording.replay import RecordingReader, ReplayClock, ReplayUpstream
from aggregator.querier.source import WALL_CLOCK, SourceClock, SourceInfo
from aggregator.refresh.collector import CollectorConfig, SnapshotCollector, ViewSet
from aggregator.refresh.past import PastSnapshots, PastSources
from aggregator.settings.gateway import Settings
from aggregator.views.renderers import ViewRenderer

# The compressed responses of one refresh and the cached responses may together use as many bytes as one decompressed
# response (MAX_ANSWER_BYTES), but at least this many.
MIN_BUDGET_BYTES = 64 * 2**20


@dataclass(frozen=True)
class UpstreamSet:
    """The upstreams that answer queries, each with its name and default cluster, and the clock that they share.

    `recording` is the replayed recording, None for live upstreams. `redactor` removes secrets from messages of the
    upstreams.
    """

    upstreams: tuple[tuple[SourceInfo, Upstream], ...]
    source_clock: SourceClock = WALL_CLOCK
    recording: RecordingReader | None = None
    redactor: Redactor = field(default_factory=Redactor)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the sources."""
        return tuple(source.name for source, _ in self.upstreams)


def compose_catalog_of(settings: Settings) -> tuple[Row, ...]:
    """Return the rows that the settings select."""
    return compose_default_catalog(settings.CLUSTER_LABELS, settings.TELEMETRY)


def build_upstream_set(settings: Settings, redactor: Redactor) -> UpstreamSet:
    """Return the upstreams without querying them; raise RecordingError if the recording cannot be read."""
    budget = ByteBudget(max(settings.MAX_ANSWER_BYTES, MIN_BUDGET_BYTES))
    if settings.replay is None:
        clients = (
            (
                SourceInfo(address.name, address.cluster, address.location),
                build_client(settings, redactor, address, budget),
            )
            for address in settings.upstreams
        )
        return UpstreamSet(tuple(clients), redactor=redactor)
    recording = RecordingReader(settings.replay.path)
    row_names = {row.expression.text: row.name for row in compose_catalog_of(settings)}
    replays = (
        (
            SourceInfo(recorded_source.name, recorded_source.cluster),
            ReplayUpstream(recording, recorded_source.name, settings.MAX_ANSWER_BYTES, budget, row_names),
        )
        for recorded_source in recording.header.sources
    )
    return UpstreamSet(tuple(replays), ReplayClock(recording, settings.replay.speed), recording, redactor)


def build_prometheus_sources(
    settings: Settings, upstream_set: UpstreamSet, own_metrics: OwnMetrics | None = None
) -> list[PrometheusSource]:
    """Return a source for each upstream, also for those of a replayed recording."""
    return [
        PrometheusSource(
            upstream,
            settings.QUERY_CONCURRENCY,
            info,
            own_metrics,
            upstream_set.redactor,
            has_other_sources=len(upstream_set.upstreams) > 1,
        )
        for info, upstream in upstream_set.upstreams
    ]


def build_snapshot_collector(
    settings: Settings,
    upstream_set: UpstreamSet,
    rows: tuple[Row, ...],
    views: ViewSet,
    own_metrics: OwnMetrics | None = None,
) -> SnapshotCollector:
    """Return a collector of snapshots from these sources."""
    return SnapshotCollector(
        build_prometheus_sources(settings, upstream_set, own_metrics),
        _build_collector_config(settings, rows),
        views,
        upstream_set.source_clock,
    )


def build_past_snapshots(
    settings: Settings,
    upstream_set: UpstreamSet,
    rows: tuple[Row, ...],
    views: Mapping[str, ViewRenderer],
    own_metrics: OwnMetrics | None = None,
) -> PastSnapshots:
    """Return the snapshots of past instants from the same upstreams, or from the recording that replaces them.

    It has connections of its own, because the end of a collection may abort those that it uses, and fewer.
    """
    recording = upstream_set.recording
    few = settings.model_copy(update={"QUERY_CONCURRENCY": max(1, settings.QUERY_CONCURRENCY // 2)})
    own_upstreams = upstream_set if recording is not None else build_upstream_set(few, upstream_set.redactor)
    sources = PastSources(
        build_prometheus_sources(few, own_upstreams),
        _build_collector_config(settings, rows),
        views,
        upstream_set.source_clock,
        () if recording is None else recording.timestamps,
    )
    return PastSnapshots(sources, own_metrics=own_metrics)


def _build_collector_config(settings: Settings, rows: tuple[Row, ...]) -> CollectorConfig:
    return CollectorConfig(
        rows,
        settings.MAX_STALE,
        settings.REFRESH_TIMEOUT,
        settings.CLUSTER_NAME,
        requires_complete=settings.PARTIAL_RESPONSE == "abort",
        disappearance_notice_seconds=settings.VANISHED_NOTICE,
        cluster_labels=settings.CLUSTER_LABELS,
    )


def build_client(
    settings: Settings, redactor: Redactor, address: UpstreamAddress, budget: ByteBudget | None = None
) -> PrometheusClient:
    """Return a client of one upstream. The clients of all upstreams share `budget`."""
    limits = QueryLimits(
        settings.QUERY_TIMEOUT, settings.MAX_ANSWER_BYTES, settings.QUERY_CONCURRENCY, budget or ByteBudget()
    )
    thanos_detector = ThanosDetector(
        settings.THANOS, allows_partial_response=settings.PARTIAL_RESPONSE == "serve", source=address.name
    )
    return PrometheusClient(address, limits, settings.credentials, thanos_detector, redactor)
