"""What a watch shows to callers who may see some clusters only."""

import asyncio
import contextlib

from aggregator.lookup.watch import WatchOptions
from aggregator.lookup.watch_events import ServerSentEventEncoder
from aggregator.models.grant import Grant
from aggregator.models.topology import Cluster, Node, Topology, add_version
from aggregator.observability.metrics import OwnMetrics
from aggregator.refresh.snapshot import Gap, GapKind
from aggregator.server.watch_service import WatchRequest, WatchService
from tests.server.snapshot_provider import FAILED_GAP, FakeSnapshotProvider, build_snapshot
from tests.server.watch.copies import JsonCopy

GRANT = Grant(frozenset({"mine"}))
DEADLINE_SECONDS = 20.0


def build_topology(mine: int, theirs: int) -> Topology:
    """Return a topology of two clusters; the numbers are the cores of their nodes."""
    cores = {"mine": mine, "theirs": theirs}
    return add_version(
        Topology(
            clusters={name: Cluster(key=name, uid=f"{name}-uid", name=name) for name in cores},
            nodes={
                (name, "n"): Node(cluster=name, key="n", id=f"{name}/n", cpu_cores=count)
                for name, count in cores.items()
            },
        )
    )


async def test_changes_of_other_clusters_are_not_sent() -> None:
    """A restricted caller sees its clusters and their changes, and no event when only others change."""
    source = FakeSnapshotProvider(build_snapshot(topology=build_topology(1, 1)))
    service = WatchService(source, ServerSentEventEncoder, OwnMetrics())
    watch = await service.open(GRANT, WatchRequest(WatchOptions()))
    copy, names = JsonCopy(), []
    async with contextlib.aclosing(watch.stream()) as events, asyncio.timeout(DEADLINE_SECONDS):
        async for event in events:
            copy.apply(event)
            names.append(event.name)
            if names == ["completeness", "snapshot"]:
                assert set(copy.list_objects()) == {("clusters", "", "mine-uid"), ("nodes", "mine", "mine/n")}
                source.publish(build_snapshot(topology=build_topology(1, 2)))
                source.publish(build_snapshot(topology=build_topology(2, 2)))
            if event.name == "changes":
                break
    assert names == ["completeness", "snapshot", "changes"]
    assert b'"cpuCores":2' in copy.list_objects()["nodes", "mine", "mine/n"]


async def test_gaps_of_upstreams_are_not_named() -> None:
    """A restricted caller learns that data is missing, and only what is missing of its own clusters."""
    own_gap = Gap(GapKind.VANISHED, "nodes", "node x of mine", cluster="mine-uid", cluster_name="mine")
    other_gap = Gap(GapKind.VANISHED, "nodes", "node y of theirs", cluster="theirs-uid", cluster_name="theirs")
    snapshot = build_snapshot(FAILED_GAP, own_gap, other_gap, topology=build_topology(1, 1))
    service = WatchService(FakeSnapshotProvider(snapshot), ServerSentEventEncoder, OwnMetrics())
    watch = await service.open(GRANT, WatchRequest(WatchOptions()))
    copy = JsonCopy()
    async with contextlib.aclosing(watch.stream()) as events, asyncio.timeout(DEADLINE_SECONDS):
        copy.apply(await anext(events))
    assert (copy.is_complete, copy.gaps) == (False, ["nodes: vanished: node x of mine"])
