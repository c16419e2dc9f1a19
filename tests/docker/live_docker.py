"""The agent with real Docker Engines: `make test-docker`."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from aggregator.agent.actions import perform_action
from aggregator.agent.collect import Collection, Collector, ContainerReading
from aggregator.agent.host import read_host, read_system_name
from aggregator.agent.page import PageWriter
from aggregator.agent.process_metrics import ProcessMetrics
from aggregator.docker.address import EngineAddress
from aggregator.docker.engine import DockerEngine
from tests.docker.engines import LiveEngine, run_engine
from tools.parts.docker import obtain_engine, select_versions

CONTAINER_COUNT = 50
WAIT_SECONDS = 60.0
COLLECT_SECONDS = 10.0
MEGABYTE = 2**20


@pytest.fixture(scope="module", params=select_versions(os.environ))
def live(request: pytest.FixtureRequest) -> Iterator[LiveEngine]:
    """A running Engine of each version."""
    # Paths of sockets must be short.
    folder = Path(tempfile.mkdtemp(prefix="agent-"))
    with run_engine(obtain_engine(request.param, print), folder) as engine:
        yield engine
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(autouse=True)
def _remove_containers(live: LiveEngine) -> Iterator[None]:
    yield
    live.remove_all()


@pytest.fixture
async def engine(live: LiveEngine) -> AsyncIterator[DockerEngine]:
    """A connection to the Engine."""
    engine = DockerEngine(EngineAddress(socket_path=live.socket_path))
    yield engine
    await engine.close()


@pytest.fixture
async def collector(engine: DockerEngine) -> AsyncIterator[Collector]:
    """A collector that follows the events."""
    collector = Collector(engine, COLLECT_SECONDS, read_host)
    watcher = asyncio.create_task(collector.watch_events())
    yield collector
    watcher.cancel()
    await asyncio.wait([watcher])


async def wait_for(collector: Collector, condition: Callable[[Collection], bool]) -> Collection:
    """Collect until the condition is true."""
    async with asyncio.timeout(WAIT_SECONDS):
        while not condition(collection := await collector.collect()):  # noqa: ASYNC110 - see below
            # Of some states, such as health, the Engine has no event that a test could wait for.
            await asyncio.sleep(0.2)
    return collection


def find(collection: Collection, name: str) -> ContainerReading:
    """Return the reading of a container."""
    return next(each for each in collection.containers if each.container.name == name)


def has_health(name: str, health: str) -> Callable[[Collection], bool]:
    """Return whether a container has a state of health."""

    def check(collection: Collection) -> bool:
        details = [each.details for each in collection.containers if each.container.name == name]
        return any(each is not None and each.health == health for each in details)

    return check


def has_state(name: str, state: str) -> Callable[[Collection], bool]:
    """Return whether a container has a state, and was inspected since."""

    def check(collection: Collection) -> bool:
        readings = [each for each in collection.containers if each.container.name == name]
        return any(each.container.state == state and each.details is not None for each in readings)

    return check


async def test_all_containers_have_their_names(live: LiveEngine, collector: Collector) -> None:
    """50 of 50 containers are on the page with their names, in one collection without a failure."""
    names = {f"web-{number}" for number in range(CONTAINER_COUNT)}
    for name in names:
        live.run(name)
    collection = await collector.collect()
    assert collection.engine is not None
    assert collection.engine.version.startswith(live.programs.version)
    page = PageWriter((), read_system_name(), includes_host=True).write(
        collection, collector.counters, ProcessMetrics().read()
    )
    samples = [
        sample
        for family in text_string_to_metric_families(page.decode())
        for sample in family.samples
        if sample.name in ("container_last_seen", "container_memory_working_set_bytes", "docker_container_info")
    ]
    assert {sample.labels["name"] for sample in samples} == names
    assert len(samples) == 3 * CONTAINER_COUNT
    assert collector.counters.failures == {}


async def test_health_restarts_and_exit_codes(live: LiveEngine, collector: Collector) -> None:
    """Health, restarts and exit codes are those of the Engine."""
    check = {"Test": ["CMD", "false"], "Interval": 10**9, "Retries": 1}
    live.run("sick", Healthcheck=check)
    live.run("fit", Healthcheck=check | {"Test": ["CMD", "true"]})
    live.run("crash", "sh", "-c", "exit 3", host={"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 2}})
    await wait_for(collector, has_health("sick", "unhealthy"))
    await wait_for(collector, has_health("fit", "healthy"))
    collection = await wait_for(collector, has_state("crash", "exited"))
    details = find(collection, "crash").details
    assert details is not None
    assert (details.restart_count, details.exit_code) == (2, 3)


async def test_lack_of_memory(live: LiveEngine, collector: Collector) -> None:
    """A container that exceeds its memory limit has its limit, its exit code, and one out-of-memory kill."""
    live.run("fit")
    await wait_for(collector, has_state("fit", "running"))
    container_id = live.run("hog", "tail", "/dev/zero", host={"Memory": 8 * MEGABYTE, "MemorySwap": 8 * MEGABYTE})

    def is_killed(collection: Collection) -> bool:
        details = find(collection, "hog").details
        # The event of the kill comes before the exit, or not at all if the container has exited by then.
        return details is not None and details.is_oom_killed and details.exit_code != 0

    details = find(await wait_for(collector, is_killed), "hog").details
    assert details is not None
    assert (details.exit_code, details.memory_limit_bytes) == (137, 8 * MEGABYTE)
    assert collector.counters.oom_kills[container_id] <= 1


async def test_cpu(live: LiveEngine, collector: Collector) -> None:
    """A container with a limit of half a CPU that always computes uses about that, and is throttled."""
    live.run("busy", "sh", "-c", "while :; do :; done", host={"NanoCpus": 5 * 10**8})

    def is_throttled(collection: Collection) -> bool:
        usage = find(collection, "busy").usage
        return usage is not None and usage.cfs_throttled_periods > 0 and find(collection, "busy").cpu_percent > 5

    collection = await wait_for(collector, is_throttled)
    assert find(collection, "busy").cpu_percent < 80


async def test_actions(live: LiveEngine, engine: DockerEngine, collector: Collector) -> None:
    """Each action changes the state, and the error of an unknown container is that of the docker command."""
    live.run("web", "sh", "-c", "trap exit TERM; while :; do sleep 1; done")
    steps = (
        ("pause", "paused"),
        ("unpause", "running"),
        ("kill", "exited"),
        ("start", "running"),
        ("restart", "running"),
        ("stop", "exited"),
    )
    for action, state in steps:
        assert await perform_action(engine, action, "web") is None
        await wait_for(collector, has_state("web", state))
    assert await perform_action(engine, "start", "nope") == "Error response from daemon: No such container: nope"


async def test_an_engine_that_is_restarted(live: LiveEngine, collector: Collector) -> None:
    """While the Engine is stopped it is away; after its start, containers and events are there again."""
    live.run("web")
    await wait_for(collector, has_state("web", "running"))
    await asyncio.to_thread(live.stop)
    assert (await collector.collect()).engine is None
    await asyncio.to_thread(live.start)
    collection = await wait_for(collector, has_state("web", "exited"))
    assert collection.engine is not None
