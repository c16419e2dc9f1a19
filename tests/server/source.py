"""A source of snapshots that a test commands: what is shown, how old it is, what a fresh one would be."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from aggregator.documents import Documents, View
from aggregator.models.topology import Cluster, Device, Node, Pod, Topology
from aggregator.models.version import versioned
from aggregator.quality import Quality
from aggregator.server.openapi_quality import EXAMPLE
from aggregator.snapshot import Gap, GapKind, Snapshot
from aggregator.views import BY_NAME

TAKEN_AT = 1_795_208_230.0
UID = "08c66cd5-0000-4336-99c8-000000000001"
TOPOLOGY = versioned(
    Topology(
        clusters={"icos-cluster-a": Cluster(key="icos-cluster-a", uid=UID, type="ocm", name="icos-cluster-a")},
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
        oldest_sample_seconds=TAKEN_AT - 2,
    )
)


def snapshot(*gaps: Gap, topology: Topology = TOPOLOGY, views: Mapping[str, View] = BY_NAME) -> Snapshot:
    """Return a snapshot of a topology that was asked for just now."""
    return Snapshot(Documents(topology, TAKEN_AT, views), gaps, time.monotonic(), time.monotonic())


GAP = Gap(GapKind.FAILED, "memory_bytes", "HTTP 503: Service Unavailable")


@dataclass
class CommandedSource:
    """Shows `shown`, or raises `failure`; a wait for fresh data puts `next_shown` in place and is counted."""

    shown: Snapshot = field(default_factory=snapshot)
    failure: Exception | None = None
    age: float = 0.0
    next_in: float = 0.0
    next_shown: Snapshot | None = None
    waits: int = 0
    good: Quality = EXAMPLE
    is_stopping: bool = False
    waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = field(default_factory=list)

    def current(self) -> Snapshot:
        """Return what is shown, or raise."""
        if self.failure is not None:
            raise self.failure
        return self.shown

    def quality(self) -> Quality:
        """Return the quality that was set."""
        return self.good

    def age_seconds(self, _snapshot: Snapshot) -> float:
        """Return the age that was set."""
        return self.age

    def seconds_to_next(self) -> float:
        """Return the pause that was set."""
        return self.next_in

    async def fresh(self) -> None:
        """Count, and show the next snapshot."""
        self.waits += 1
        if self.next_shown is not None:
            self.shown = self.next_shown

    async def changed(self) -> None:
        """Wait for `show`."""
        event = asyncio.Event()
        self.waiting.append((asyncio.get_running_loop(), event))
        await event.wait()

    def show(self, shown: Snapshot) -> None:
        """Show another snapshot, and tell whoever waits for one; from any thread."""
        self.shown = shown
        while self.waiting:
            loop, event = self.waiting.pop()
            loop.call_soon_threadsafe(event.set)

    def reset(self) -> None:
        """Go back to how it was made."""
        self.__dict__.update(CommandedSource().__dict__)
