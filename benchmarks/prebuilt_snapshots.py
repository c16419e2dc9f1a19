"""A collector that returns prebuilt snapshots, to measure the cost of replacing one by another."""

from dataclasses import replace

from aggregator.errors import QueryError
from aggregator.models.catalog.default_catalog import compose_default_catalog
from aggregator.models.topology import Container, Pod, Topology
from aggregator.refresh.collector import CollectorConfig, SnapshotCollector, ViewSet
from aggregator.refresh.snapshot import RenderedTopology, Snapshot
from aggregator.views.renderers import RENDERERS

POD_COUNT = 30_000


class PrebuiltCollector(SnapshotCollector):
    """Returns prebuilt snapshots, each once."""

    def __init__(self, number: int) -> None:
        super().__init__([], CollectorConfig(compose_default_catalog(), 300.0), ViewSet(RENDERERS, ()))
        self._snapshots = [
            Snapshot(RenderedTopology(_build_fleet_topology(), 0.0, RENDERERS), (), 0.0, 0.0, 0.0)
            for _ in range(number)
        ]

    def collect(self, _wall_seconds: float, now: float) -> tuple[Snapshot, tuple[QueryError, ...]]:
        """Return the next snapshot."""
        return replace(self._snapshots.pop(), created_at=now, oldest_response_at=now), ()


def _build_fleet_topology() -> Topology:
    """Return a topology that shares no object with another, as after each refresh."""
    pods = {}
    for number in range(POD_COUNT):
        name = f"pod-{number}"
        containers = {key: Container(name=f"{key} of {name}", memory_bytes=number) for key in ("main", "side")}
        pods["cluster", name] = Pod(cluster="cluster", key=name, name=name, uid=f"uid-{number}", containers=containers)
    return Topology(pods=pods)
