"""What is told of a refresh: a line of the log, and numbers for metrics."""

from collections.abc import Iterable

from aggregator.logs import logger
from aggregator.own_metrics import DROPPED
from aggregator.snapshot import Gap, GapKind, Snapshot
from aggregator.telemetry import Refreshed

_log = logger(__name__)


def log_refreshed(snapshot: Snapshot, took_ms: int) -> None:
    """Log what a refresh gave; as a warning where queries had no answer."""
    missing = [str(gap) for gap in snapshot.gaps if gap.kind.is_missing_data]
    failed = (GapKind.FAILED, GapKind.STALE)
    log = _log.warning if any(gap.kind in failed for gap in snapshot.gaps) else _log.info
    log(
        "refreshed",
        took_ms=took_ms,
        clusters=len(snapshot.topology.clusters),
        nodes=len(snapshot.topology.nodes),
        pods=len(snapshot.topology.pods),
        complete=snapshot.is_complete,
        **_doubts(snapshot),
        **({"gaps": missing} if missing else {}),
    )


def by_kind(gaps: Iterable[Gap]) -> dict[str, int]:
    """Return how many gaps there are of each kind."""
    numbers = {kind.name.lower(): 0 for kind in GapKind}
    for gap in gaps:
        numbers[gap.kind.name.lower()] += 1
    return numbers


def counted(snapshot: Snapshot) -> Refreshed:
    """Return the numbers of a snapshot that metrics show."""
    topology = snapshot.topology
    dropped = dict.fromkeys(DROPPED, 0)
    for gap in snapshot.gaps:
        if gap.kind.name.lower() in dropped:
            dropped[gap.kind.name.lower()] += gap.count
    objects = {
        "cluster": len(topology.clusters),
        "node": len(topology.nodes),
        "pod": len(topology.pods),
        "container": sum(len(pod.containers) for pod in topology.pods.values()),
    }
    return Refreshed(objects, by_kind(snapshot.gaps), dropped)


def _doubts(snapshot: Snapshot) -> dict[str, int]:
    """Return how much of what is there is doubtful, by kind, where there is any."""
    counts = {kind.name.lower(): 0 for kind in GapKind if not kind.is_missing_data}
    for gap in snapshot.gaps:
        if not gap.kind.is_missing_data:
            counts[gap.kind.name.lower()] += gap.count
    return {kind: count for kind, count in counts.items() if count}
