"""A snapshot provider that a test controls."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from aggregator.errors import BadRequestError
from aggregator.models.quality import Quality
from aggregator.models.topology import Cluster, Device, Node, Pod, Topology, add_version
from aggregator.refresh.history import VersionHistory
from aggregator.refresh.past import PastSnapshot, build_no_data_error
from aggregator.refresh.snapshot import Gap, GapKind, RenderedTopology, Snapshot
from aggregator.server.openapi.examples import QUALITY_EXAMPLE
from aggregator.views.renderers import RENDERERS, ViewRenderer

COLLECTED_AT_SECONDS = 1_795_208_230.0
COLLECTED_AT = "2026-11-20T20:57:10Z"
CLUSTER_UID = "08c66cd5-0000-4336-99c8-000000000001"
TOPOLOGY = add_version(
    Topology(
        clusters={"icos-cluster-a": Cluster(key="icos-cluster-a", uid=CLUSTER_UID, type="ocm", name="icos-cluster-a")},
        nodes={
            ("icos-cluster-a", "k8s-master"): Node(
                cluster="icos-cluster-a",
                key="k8s-master",
                type="ocm",
                host_id="a04a67ba785345598000000000000001",
                name="k8s-master",
                architecture="x86_64",
                latitude=37.9842,
                longitude=23.7353,
                cpu_cores=4,
                memory_bytes=8_325_951_488,
                free_memory_bytes=348_254_208,
            ),
            ("icos-cluster-a", "k8s-worker <1>"): Node(
                cluster="icos-cluster-a",
                key="k8s-worker <1>",
                type="ocm",
                host_id="d7b51655a3a748b18000000000000002",
                name="k8s-worker <1>",
                devices={"video0": Device(name="video0", state=1, path="/dev/video0")},
            ),
        },
        pods={
            ("icos-cluster-a", "cilium-9b4pl"): Pod(
                cluster="icos-cluster-a",
                key="cilium-9b4pl",
                name="cilium-9b4pl",
                namespace="kube-system",
                uid="p-1",
                node="k8s-master",
            )
        },
        oldest_sample_seconds=COLLECTED_AT_SECONDS - 2,
    )
)


def build_snapshot(
    *gaps: Gap, topology: Topology = TOPOLOGY, views: Mapping[str, ViewRenderer] = RENDERERS
) -> Snapshot:
    """Return a snapshot of a topology collected just now."""
    rendered_topology = RenderedTopology(topology, COLLECTED_AT_SECONDS, views)
    return Snapshot(rendered_topology, gaps, time.monotonic(), time.monotonic(), COLLECTED_AT_SECONDS)


FAILED_GAP = Gap(GapKind.FAILED, "memory_bytes", "HTTP 503: Service Unavailable")


PAST_NOW_SECONDS = COLLECTED_AT_SECONDS + 10


@dataclass
class FakePastSnapshots:
    """Returns the snapshot of the provider for every instant but 0, at which there are no data, or raises `failure`.

    While `is_blocked`, requests wait until their clients give up.
    """

    provider: "FakeSnapshotProvider"
    now_seconds: float = PAST_NOW_SECONDS
    failure: Exception | None = None
    snapshot: Snapshot | None = None
    requested: list[int] = field(default_factory=list)
    is_blocked: bool = False
    waiting_count: int = 0

    async def get(self, at_seconds: int, parameter: str) -> PastSnapshot:
        """Return the snapshot as one of the instant, or raise."""
        if at_seconds > self.now_seconds:
            raise BadRequestError(f"{parameter} must not be in the future", parameter=parameter)
        self.requested.append(at_seconds)
        if self.is_blocked:
            self.waiting_count += 1
            try:
                await asyncio.Event().wait()
            finally:
                self.waiting_count -= 1
        if self.failure is not None:
            raise self.failure
        if not at_seconds:
            raise build_no_data_error(at_seconds, parameter)
        snapshot = self.snapshot or self.provider.current_snapshot
        past = replace(snapshot, evaluated_at_seconds=at_seconds).copy_as_past()
        return PastSnapshot(past, self.provider.current_quality)


@dataclass
class FakeSnapshotProvider:
    """Returns `current_snapshot`, or raises `failure`; `wait_for_refresh` switches to `next_snapshot`."""

    current_snapshot: Snapshot = field(default_factory=build_snapshot)
    failure: Exception | None = None
    snapshot_age_seconds: float = 0.0
    next_refresh_seconds: float = 0.0
    next_snapshot: Snapshot | None = None
    fresh_wait_count: int = 0
    current_quality: Quality = QUALITY_EXAMPLE
    is_stopping: bool = False
    history: VersionHistory = field(default_factory=VersionHistory)
    past: FakePastSnapshots = field(init=False)
    waiters: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = field(default_factory=list)
    wait_count: int = 0
    # On which there are or were waiters.
    loops: set[asyncio.AbstractEventLoop] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Add past snapshots."""
        self.past = FakePastSnapshots(self)

    def get_snapshot(self) -> Snapshot:
        """Return the current snapshot, or raise."""
        if self.failure is not None:
            raise self.failure
        return self.current_snapshot

    def get_quality(self) -> Quality:
        """Return the quality that the test set."""
        return self.current_quality

    def get_age_seconds(self, _snapshot: Snapshot) -> float:
        """Return the age that the test set."""
        return self.snapshot_age_seconds

    def compute_seconds_until_refresh(self) -> float:
        """Return the pause that the test set."""
        return self.next_refresh_seconds

    async def wait_for_refresh(self) -> None:
        """Count the call, and replace the current snapshot by the next one."""
        self.fresh_wait_count += 1
        if self.next_snapshot is not None:
            self.current_snapshot = self.next_snapshot

    async def wait_for_change(self) -> None:
        """Wait for `publish`."""
        event = asyncio.Event()
        waiter = asyncio.get_running_loop(), event
        self.waiters.append(waiter)
        self.wait_count += 1
        self.loops.add(waiter[0])
        try:
            await event.wait()
        finally:
            if waiter in self.waiters:
                self.waiters.remove(waiter)

    def publish(self, snapshot: Snapshot) -> None:
        """Replace the current snapshot and wake up all waiters, from any thread."""
        self.history.record(self.current_snapshot.topology)
        self.history.record(snapshot.topology)
        self.current_snapshot = snapshot
        while self.waiters:
            loop, event = self.waiters.pop()
            loop.call_soon_threadsafe(event.set)
        for loop in [each for each in self.loops if not each.is_closed()]:
            # Those too that have just read the previous snapshot, and begin to wait now.
            loop.call_soon_threadsafe(self._wake_up_waiters, loop)

    def _wake_up_waiters(self, loop: asyncio.AbstractEventLoop) -> None:
        for waiter in [waiter for waiter in self.waiters if waiter[0] is loop]:
            self.waiters.remove(waiter)
            waiter[1].set()

    def reset(self) -> None:
        """Restore the initial state. Watches that are still open have the same history."""
        self.history.clear()
        self.__dict__.update(
            FakeSnapshotProvider(history=self.history, waiters=self.waiters, loops=self.loops).__dict__
        )
        self.past = FakePastSnapshots(self)
