"""A taker of snapshots that were made before, to see what replacing one by another costs."""

from dataclasses import replace

from aggregator.documents import Documents
from aggregator.errors import QueryError
from aggregator.models.catalog import CATALOG
from aggregator.models.topology import Container, Pod, Topology
from aggregator.snapshot import Snapshot
from aggregator.take import Plan, Taker, Views
from aggregator.views import BY_NAME

PODS = 30_000


class ReadyTaker(Taker):
    """Hands out snapshots that were made before, each once."""

    def __init__(self, number: int) -> None:
        super().__init__([], Plan(CATALOG, 300.0), Views(BY_NAME, ()))
        self._ready = [Snapshot(Documents(_fleet(), 0.0, BY_NAME), (), 0.0, 0.0) for _ in range(number)]

    def take(self, _wall_seconds: float, now: float) -> tuple[Snapshot, tuple[QueryError, ...]]:
        """Return the next one."""
        return replace(self._ready.pop(), taken_at=now, oldest_at=now), ()


def _fleet() -> Topology:
    """Return a topology of which every part is its own, as after each refresh."""
    pods = {}
    for number in range(PODS):
        name = f"pod-{number}"
        containers = {key: Container(name=f"{key} of {name}", memory_bytes=number) for key in ("main", "side")}
        pods["cluster", name] = Pod(cluster="cluster", key=name, name=name, uid=f"uid-{number}", containers=containers)
    return Topology(pods=pods)
