"""What watches share: encoded events, threads, and the histories of restricted callers."""

import asyncio
import gc
import threading
import weakref
from collections.abc import Callable, Coroutine
from typing import Any

from msgspec.structs import replace

from aggregator.errors import NoTopologyError
from aggregator.lookup.watch import WatchOptions, WatchPlan
from aggregator.lookup.watch_events import ServerSentEventEncoder, WatchEvent
from aggregator.models.grant import UNRESTRICTED, Grant
from aggregator.models.topology import Topology, add_version
from aggregator.observability.metrics import OwnMetrics
from aggregator.server.watch_service import (
    ENCODING_THREADS,
    MAX_READ_SECONDS,
    RESTRICTED_HISTORY_TTL_SECONDS,
    SLOW_CLIENT_REASON,
    TIMEOUT_REASON,
    WatchRequest,
    WatchService,
)
from tests.server.snapshot_provider import TOPOLOGY, FakeSnapshotProvider, build_snapshot

RESTRICTED = Grant(frozenset({"icos-*"}))
# Each has an encoder of its own.
BLOCKING = [WatchOptions(kind="nodes", filter=f"cpu_cores>{number}") for number in range(ENCODING_THREADS)]
WAITING = WatchOptions(kind="pods")


class SkippingLoop(asyncio.SelectorEventLoop):
    """An event loop that can skip time."""

    skipped_seconds = 0.0

    def time(self) -> float:
        """Return the time, later by what was skipped."""
        return super().time() + self.skipped_seconds


class Encodings:
    """The snapshots that were encoded. Encoding waits until `is_released` is set."""

    def __init__(self) -> None:
        self.is_released = threading.Event()
        self.begun: list[WatchOptions] = []
        # Set when all threads are busy.
        self.all_begun = threading.Event()

    def create(self, plan: WatchPlan) -> ServerSentEventEncoder:
        """Return an encoder for a plan."""
        encodings = self

        class Encoder(ServerSentEventEncoder):
            def encode_snapshot(self, topology: Topology, seconds: float) -> list[WatchEvent]:
                encodings.begun.append(plan.options)
                if len(encodings.begun) >= ENCODING_THREADS:
                    encodings.all_begun.set()
                encodings.is_released.wait()
                return super().encode_snapshot(topology, seconds)

        return Encoder(plan)


class Setup:
    """A service whose provider, encodings and time the test controls."""

    def __init__(self, loop: SkippingLoop) -> None:
        self.loop = loop
        self.source = FakeSnapshotProvider()
        self.encodings = Encodings()
        self.service = WatchService(self.source, self.encodings.create, OwnMetrics())

    async def open(self, options: WatchOptions, grant: Grant = UNRESTRICTED, known_version: str = "") -> Any:
        """Return the stream of a watch, after its first event."""
        stream = (await self.service.open(grant, WatchRequest(options, known_version))).stream()
        assert (await anext(stream)).name == "completeness"
        return stream

    async def block_threads(self) -> list[asyncio.Task[WatchEvent]]:
        """Let watches keep all threads busy, and return tasks that wait for their snapshots."""
        streams = [await self.open(options) for options in BLOCKING]
        tasks = [asyncio.create_task(anext(stream)) for stream in streams]
        await asyncio.to_thread(self.encodings.all_begun.wait)
        return tasks

    def publish_cores(self, cores: float) -> None:
        """Replace the topology by another version of it."""
        nodes = {key: replace(node, cpu_cores=cores) for key, node in TOPOLOGY.nodes.items()}
        self.source.publish(build_snapshot(topology=add_version(replace(TOPOLOGY, nodes=nodes))))


def run(scenario: Callable[[Setup], Coroutine[Any, Any, None]]) -> None:
    """Run a scenario on a loop that can skip time."""
    loop = SkippingLoop()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        setup = Setup(loop)
        try:
            runner.run(scenario(setup))
        finally:
            setup.encodings.is_released.set()


async def let_others_run() -> None:
    """Let other tasks do what needs no waiting."""
    for _ in range(20):
        await asyncio.sleep(0)


def test_a_client_that_has_left_costs_no_encoding() -> None:
    """A snapshot that waits for its turn is not encoded once its only client is gone."""

    async def scenario(setup: Setup) -> None:
        blocking = await setup.block_threads()
        waiting = asyncio.create_task(anext(await setup.open(WAITING)))
        await let_others_run()
        waiting.cancel()
        await let_others_run()
        setup.encodings.is_released.set()
        assert [event.name for event in await asyncio.gather(*blocking)] == ["snapshot"] * ENCODING_THREADS
        assert (await anext(await setup.open(WAITING))).name == "snapshot"
        assert setup.encodings.begun == [*BLOCKING, WAITING]

    run(scenario)


def test_many_different_watches_delay_only_callers_with_the_same_clusters() -> None:
    """A caller with another grant waits for one encoding of a caller who has many different watches, not for all."""

    async def scenario(setup: Setup) -> None:
        stream = await setup.open(WAITING, RESTRICTED)
        blocking = await setup.block_threads()
        many = [WatchOptions(kind="nodes", filter=f"memory_bytes>{number}") for number in range(20)]
        tasks = [asyncio.create_task(anext(await setup.open(options))) for options in many]
        await let_others_run()
        other = asyncio.create_task(anext(stream))
        await let_others_run()
        setup.encodings.is_released.set()
        events = await asyncio.gather(*blocking, *tasks, other)
        assert {event.name for event in events} == {"snapshot"}
        assert setup.encodings.begun.index(WAITING) <= ENCODING_THREADS + 2

    run(scenario)


def test_clients_that_connect_again_cost_one_encoding() -> None:
    """The snapshot of a version is kept for a moment, also when nobody is connected."""

    async def scenario(setup: Setup) -> None:
        setup.encodings.is_released.set()
        for _ in range(3):
            stream = await setup.open(WAITING)
            assert (await anext(stream)).name == "snapshot"
            await stream.aclose()
        assert setup.encodings.begun == [WAITING]

    run(scenario)


def test_a_stop_does_not_wait_for_encoding() -> None:
    """When the process stops, watches whose events wait for their turn end without them."""

    async def scenario(setup: Setup) -> None:
        blocking = await setup.block_threads()
        waiting = asyncio.create_task(anext(await setup.open(WAITING)))
        await let_others_run()
        setup.source.is_stopping = True
        setup.source.publish(setup.source.current_snapshot)
        setup.encodings.is_released.set()
        assert (await waiting).name == "end"
        assert {event.name for event in await asyncio.gather(*blocking)} == {"end"}
        assert setup.encodings.begun == BLOCKING

    run(scenario)


def test_a_restricted_history_lasts_a_minute_after_the_last_watch() -> None:
    """Each watch starts the minute again; after it, a version is not known any longer."""

    async def read_first(setup: Setup, known_version: str = "") -> tuple[str, str]:
        stream = await setup.open(WatchOptions(), RESTRICTED, known_version)
        event: WatchEvent = await anext(stream)
        await stream.aclose()
        fields = dict(line.split(": ", 1) for line in event.body.decode().strip().split("\n"))
        return event.name, fields.get("id", "")

    async def scenario(setup: Setup) -> None:
        setup.encodings.is_released.set()
        _, first = await read_first(setup)
        setup.loop.skipped_seconds += 0.75 * RESTRICTED_HISTORY_TTL_SECONDS
        await let_others_run()
        setup.publish_cores(1)
        name, second = await read_first(setup, first)
        assert name == "changes"
        setup.loop.skipped_seconds += 0.5 * RESTRICTED_HISTORY_TTL_SECONDS
        await let_others_run()
        setup.publish_cores(2)
        name, third = await read_first(setup, second)
        assert name == "changes"
        setup.loop.skipped_seconds += RESTRICTED_HISTORY_TTL_SECONDS
        await let_others_run()
        setup.publish_cores(3)
        assert await read_first(setup, third) == ("restart", "")

    run(scenario)


def test_a_version_that_nobody_has_confirmed_is_no_bookmark() -> None:
    """Without a topology, a watch shows that it lives by what is missing, and does not repeat what the client sent."""

    async def scenario(setup: Setup) -> None:
        watch = await setup.service.open(UNRESTRICTED, WatchRequest(WatchOptions(), "x\nevent: end"))
        setup.source.failure = NoTopologyError("the last topology is too old")
        stream = watch.stream()
        assert (await anext(stream)).name == "completeness"
        waiting = asyncio.create_task(anext(stream))
        await let_others_run()
        setup.loop.skipped_seconds += 31
        assert (await waiting).name == "completeness"

    run(scenario)


def test_a_timeout_waits_for_no_topology() -> None:
    """A watch ends after its timeout, also while there is no topology of which it could send the changes."""

    async def scenario(setup: Setup) -> None:
        setup.encodings.is_released.set()
        watch = await setup.service.open(UNRESTRICTED, WatchRequest(WAITING, timeout_seconds=5))
        stream = watch.stream()
        assert [(await anext(stream)).name for _ in range(2)] == ["completeness", "snapshot"]
        setup.source.failure = NoTopologyError("the last topology is too old")
        setup.source.publish(setup.source.current_snapshot)
        assert (await anext(stream)).name == "completeness"
        ending = asyncio.create_task(anext(stream))
        await let_others_run()
        setup.loop.skipped_seconds += 5
        assert TIMEOUT_REASON.encode() in (await ending).body

    run(scenario)


def test_a_timeout_sends_the_changes_that_min_interval_delays() -> None:
    """The last changes before the timeout are sent with it, although the minimum time has not passed."""

    async def scenario(setup: Setup) -> None:
        setup.encodings.is_released.set()
        request = WatchRequest(WatchOptions(), min_interval_seconds=60, timeout_seconds=30)
        stream = (await setup.service.open(UNRESTRICTED, request)).stream()
        assert [(await anext(stream)).name for _ in range(2)] == ["completeness", "snapshot"]
        following = asyncio.create_task(anext(stream))
        await let_others_run()
        setup.publish_cores(1)
        await let_others_run()
        assert not following.done()
        setup.loop.skipped_seconds += 30
        assert [(await following).name, (await anext(stream)).name] == ["changes", "end"]

    run(scenario)


def test_a_client_that_does_not_read_keeps_no_replaced_snapshot() -> None:
    """Between two events, a watch refers to no snapshot, so that a refresh can free the one that it replaces."""

    async def scenario(setup: Setup) -> None:
        setup.encodings.is_released.set()
        unread = [await setup.open(WAITING), await setup.open(WatchOptions())]
        assert (await anext(unread[1])).name == "snapshot"
        replaced = weakref.ref(setup.source.current_snapshot)
        setup.publish_cores(1)
        await let_others_run()
        gc.collect()
        assert replaced() is None

    run(scenario)


def test_a_client_that_reads_too_slowly_is_disconnected() -> None:
    """A watch whose client does not read the parts of a version in time ends with the reason."""

    async def scenario(setup: Setup) -> None:
        setup.encodings.is_released.set()
        service = WatchService(
            setup.source, lambda plan: ServerSentEventEncoder(plan, max_part_objects=1), OwnMetrics()
        )
        stream = (await service.open(UNRESTRICTED, WatchRequest(WatchOptions()))).stream()
        assert [(await anext(stream)).name for _ in range(2)] == ["completeness", "snapshot"]
        setup.loop.skipped_seconds += MAX_READ_SECONDS
        assert SLOW_CLIENT_REASON.encode() in (await anext(stream)).body

    run(scenario)


def test_the_time_to_read_can_be_extended() -> None:
    """A client that could not read, because the server did not write, gets that time in addition."""

    async def scenario(setup: Setup) -> None:
        setup.encodings.is_released.set()
        service = WatchService(
            setup.source, lambda plan: ServerSentEventEncoder(plan, max_part_objects=1), OwnMetrics()
        )
        watch = await service.open(UNRESTRICTED, WatchRequest(WatchOptions()))
        stream = watch.stream()
        assert [(await anext(stream)).name for _ in range(2)] == ["completeness", "snapshot"]
        setup.loop.skipped_seconds += MAX_READ_SECONDS
        watch.extend_read_time(MAX_READ_SECONDS)
        assert (await anext(stream)).name == "snapshot"
        setup.loop.skipped_seconds += MAX_READ_SECONDS
        assert SLOW_CLIENT_REASON.encode() in (await anext(stream)).body

    run(scenario)
