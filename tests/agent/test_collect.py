"""Collections: deadlines, what is kept between them, and what events change."""

import asyncio
import threading
from contextlib import suppress

import pytest

from aggregator.agent.collect import DETAILS_MAX_AGE_SECONDS, Collection, Collector, ContainerReading
from aggregator.agent.host import HostFacts
from aggregator.docker.engine import DockerEngine
from aggregator.docker.facts import ContainerEvent
from tests.agent.conftest import HOST
from tests.support.fake_engine import EXITED, PAUSED, RUNNING, FakeEngine

LONG, SHORT = 30.0, 0.3


def find(collection: Collection, name: str) -> ContainerReading:
    """Return the reading of a container."""
    return next(each for each in collection.containers if each.container.name == name)


def count_inspections(fake: FakeEngine, name: str) -> int:
    """Return how often a container was inspected."""
    return fake.count_requests(f"/{fake.find_id(name)}/json")


async def test_a_collection(fake: FakeEngine, engine: DockerEngine) -> None:
    """A collection has the Engine, all containers with their details, usage of those that run, and the host."""
    collection = await Collector(engine, LONG, lambda: HOST).collect()
    assert collection.engine is not None
    assert collection.host is HOST
    assert {each.container.name: each.usage is not None for each in collection.containers} == {
        RUNNING: True,
        PAUSED: True,
        EXITED: False,
    }
    assert all(each.details is not None for each in collection.containers)
    assert fake.count_requests("/stats") == 2


async def test_an_engine_without_control_groups(fake: FakeEngine, engine: DockerEngine) -> None:
    """The statistics of an Engine that cannot measure its containers are not requested, which is no failure."""
    fake.info |= {"Rootless": True, "CgroupVersion": "1"}
    collector = Collector(engine, LONG, lambda: HOST)
    collection = await collector.collect()
    assert {each.usage for each in collection.containers} == {None}
    assert all(each.details is not None for each in collection.containers)
    assert (fake.count_requests("/stats"), collector.counters.failures) == (0, {})


async def test_cpu_percent_needs_two_collections(fake: FakeEngine, engine: DockerEngine) -> None:
    """CPU use is that between two collections, at first 0."""
    collector = Collector(engine, LONG, lambda: HOST)
    assert find(await collector.collect(), RUNNING).cpu_percent == 0.0
    statistics = fake.statistics[fake.find_id(RUNNING)]["cpu_stats"]
    statistics["cpu_usage"]["total_usage"] += 250_000_000
    statistics["system_cpu_usage"] += 2_000_000_000
    assert find(await collector.collect(), RUNNING).cpu_percent == pytest.approx(25.0)


async def test_concurrent_requests_share_a_collection(fake: FakeEngine, engine: DockerEngine) -> None:
    """Requests that arrive while a collection runs get its result, even if the first one is cancelled."""
    fake.hanging.add("stats")
    collector = Collector(engine, LONG, lambda: HOST)
    first, second = asyncio.create_task(collector.collect()), asyncio.create_task(collector.collect())
    await fake.wait_for_requests("/stats", 2)
    first.cancel()
    fake.released.set()
    with suppress(asyncio.CancelledError):
        await first
    assert (await second).engine is not None
    assert fake.requests.count("GET /version") == 1


async def test_late_statistics_cost_only_themselves(fake: FakeEngine, engine: DockerEngine) -> None:
    """Containers whose numbers are late have none, keep their last ones for /get-data, and are counted."""
    collector = Collector(engine, SHORT, lambda: HOST)
    await collector.collect()
    fake.hanging.add("stats")
    collection = await collector.collect()
    running = find(collection, RUNNING)
    assert running.usage is None
    assert running.last_usage is not None
    assert running.details is not None
    assert collection.host is HOST
    assert collector.counters.failures == {"stats_timeout": 2}


async def test_an_engine_that_hangs_is_away(fake: FakeEngine, engine: DockerEngine) -> None:
    """An Engine that does not answer in time is away; the host is still read."""
    fake.hanging.add("info")
    collector = Collector(engine, SHORT, lambda: HOST)
    collection = await collector.collect()
    assert (collection.engine, collection.containers, collection.host) == (None, (), HOST)
    assert collector.counters.failures == {"engine_timeout": 1}


async def test_an_engine_that_fails_is_away_until_it_answers(fake: FakeEngine, engine: DockerEngine) -> None:
    """After an error, the next collection is complete again."""
    fake.failing.add("json")
    collector = Collector(engine, LONG, lambda: HOST)
    assert (await collector.collect()).engine is None
    assert collector.counters.failures == {"engine": 1}
    fake.failing.clear()
    assert len((await collector.collect()).containers) == 3


async def test_a_host_that_hangs_is_read_once(engine: DockerEngine) -> None:
    """A reading of the host that hangs on a file system is left out, and not started a second time."""
    released, readings = threading.Event(), []

    def hang() -> None:
        readings.append(1)
        released.wait()

    collector = Collector(engine, SHORT, hang)  # type: ignore[arg-type] # never returns in time
    assert (await collector.collect()).host is None
    assert (await collector.collect()).host is None
    released.set()
    assert len(readings) == 1
    assert collector.counters.failures["host_timeout"] == 2


async def test_a_host_that_cannot_be_read_costs_only_itself(engine: DockerEngine) -> None:
    """An error while the host is read is counted; the containers are complete."""

    def fail() -> HostFacts:
        raise RuntimeError("no such counter")

    collector = Collector(engine, LONG, fail)
    collection = await collector.collect()
    assert (collection.host, len(collection.containers)) == (None, 3)
    assert collector.counters.failures == {"host": 1}


async def test_details_are_inspected_again_when_they_are_old(fake: FakeEngine, engine: DockerEngine) -> None:
    """Running containers are inspected again after a minute, stopped ones only after a change."""
    now = 1000.0
    collector = Collector(engine, LONG, lambda: HOST, clock=lambda: now)
    await collector.collect()
    await collector.collect()
    assert (count_inspections(fake, RUNNING), count_inspections(fake, EXITED)) == (1, 1)
    now += DETAILS_MAX_AGE_SECONDS
    await collector.collect()
    assert (count_inspections(fake, RUNNING), count_inspections(fake, EXITED)) == (2, 1)


async def test_a_new_state_is_inspected(fake: FakeEngine, engine: DockerEngine) -> None:
    """A container whose state has changed is inspected, with or without an event."""
    collector = Collector(engine, LONG, lambda: HOST)
    await collector.collect()
    next(item for item in fake.containers if item["Names"] == [f"/{EXITED}"])["State"] = "dead"
    await collector.collect()
    assert count_inspections(fake, EXITED) == 2


async def test_an_event(fake: FakeEngine, engine: DockerEngine) -> None:
    """An event makes a container due for inspection, and counts its out-of-memory kills until it is removed."""
    collector = Collector(engine, LONG, lambda: HOST)
    await collector.collect()
    container_id = fake.find_id(RUNNING)
    collector.record_event(ContainerEvent(container_id, "oom"))
    await collector.collect()
    assert (count_inspections(fake, RUNNING), count_inspections(fake, PAUSED)) == (2, 1)
    assert collector.counters.oom_kills == {container_id: 1}
    fake.containers = [item for item in fake.containers if item["Id"] != container_id]
    await collector.collect()
    assert collector.counters.oom_kills == {}


async def test_after_a_gap_in_the_events_everything_is_inspected(fake: FakeEngine, engine: DockerEngine) -> None:
    """When the events end with the Engine, the agent subscribes again after a growing pause and inspects everything."""
    pauses = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    collector = Collector(engine, LONG, lambda: HOST, sleep=sleep)
    await collector.collect()
    for event in ({"Action": "oom", "Actor": {"ID": fake.find_id(RUNNING)}}, None, None, None):
        fake.events.put_nowait(event)
    watcher = asyncio.create_task(collector.watch_events())
    await fake.wait_for_requests("/events", 4)
    watcher.cancel()
    assert pauses == [1.0, 2.0, 4.0]
    assert collector.counters.oom_kills == {fake.find_id(RUNNING): 1}
    await collector.collect()
    assert (count_inspections(fake, RUNNING), count_inspections(fake, EXITED)) == (2, 2)


async def test_a_removed_container_is_no_failure(fake: FakeEngine, engine: DockerEngine) -> None:
    """A container that is removed between the list and its statistics is not counted as a failure."""
    container_id = fake.find_id(RUNNING)
    del fake.statistics[container_id], fake.inspections[container_id]
    collector = Collector(engine, LONG, lambda: HOST)
    reading = find(await collector.collect(), RUNNING)
    assert (reading.usage, reading.details) == (None, None)
    assert collector.counters.failures == {}
