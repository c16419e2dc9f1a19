"""The snapshots of a replayed recording, without a gateway process."""

from pathlib import Path

from aggregator.app.sources import build_snapshot_collector, build_upstream_set
from aggregator.observability.redaction import PATTERN_REDACTOR
from aggregator.refresh.collector import ViewSet
from aggregator.refresh.snapshot import Snapshot
from aggregator.settings.gateway import Settings
from aggregator.settings.settings import load_settings
from aggregator.views.renderers import RENDERERS
from tests.support.catalog import CATALOG


def replay_snapshots(path: Path, refreshes: int) -> list[Snapshot]:
    """Return the snapshots of the first refreshes of a recording."""
    settings = load_settings({"PROMETHEUS_ADDRESS": f"replay:{path}#speed=max"}, Settings)
    sources = build_upstream_set(settings, PATTERN_REDACTOR)
    collector = build_snapshot_collector(settings, sources, CATALOG, ViewSet(RENDERERS, ()))
    try:
        return [collector.collect(0.0, 0.0)[0] for _ in range(refreshes)]
    finally:
        collector.close()
        assert sources.recording is not None
        sources.recording.close()
