"""The topology of a fleet of the demo, without a Prometheus."""

from aggregator.refresh.collector import CollectorConfig, SnapshotCollector, ViewSet
from aggregator.refresh.snapshot import Snapshot
from demo.exposition import ExpositionSnapshot
from demo.gateway import UNLABELED_CLUSTER
from demo.simulated_source import SimulatedSource
from demo.targets import ScrapeTarget, render_stored_series
from tests.support.catalog import CATALOG


def build_snapshot(targets: tuple[ScrapeTarget, ...], at_seconds: float) -> Snapshot:
    """Return the snapshot that a gateway builds from the series of scrape targets at a time."""
    source = SimulatedSource(
        lambda seconds: [
            ExpositionSnapshot(
                seconds,
                render_stored_series(targets, seconds),
                lambda before_seconds: render_stored_series(targets, seconds - before_seconds),
            )
        ]
    )
    config = CollectorConfig(CATALOG, 300.0, default_cluster=UNLABELED_CLUSTER)
    collector = SnapshotCollector([source], config, ViewSet({}, ()))
    try:
        snapshot, failures = collector.collect(at_seconds, 0.0)
    finally:
        collector.close()
    assert failures == ()
    return snapshot
