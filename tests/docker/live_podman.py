"""The agent with a real Podman, of root and of another user: `make test-docker`."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from aggregator.agent.actions import perform_action
from aggregator.agent.collect import Collection, Collector
from aggregator.agent.host import read_host
from aggregator.docker.address import EngineAddress
from aggregator.docker.engine import DockerEngine
from tests.docker.engines import EngineApi
from tests.docker.live_docker import COLLECT_SECONDS, MEGABYTE, find, has_state, wait_for
from tests.docker.live_service import Service, install_service, read_samples
from tests.docker.podman import USER, start_podman
from tests.docker.systemd_machine import SystemdMachine, boot_machine
from tests.integration.gateway_process import wait_until

CONTAINER_COUNT = 5
HAS_CGROUP_V2 = Path("/sys/fs/cgroup/cgroup.procs").exists()


@dataclass(frozen=True)
class LivePodman:
    """A Podman, the machine that it is in, and its user."""

    api: EngineApi
    machine: SystemdMachine
    user: str

    @property
    def has_usage(self) -> bool:
        """Whether containers have control groups."""
        return self.user == "root" or HAS_CGROUP_V2


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SystemdMachine]:
    """A machine without Docker."""
    with boot_machine(tmp_path_factory.mktemp("machine")) as machine:
        yield machine


@pytest.fixture(scope="module", params=["root", USER])
def podman(machine: SystemdMachine, request: pytest.FixtureRequest) -> LivePodman:
    """A Podman of each user."""
    return LivePodman(start_podman(machine, is_rootless=request.param == USER), machine, request.param)


@pytest.fixture(autouse=True)
def _remove_containers(podman: LivePodman) -> Iterator[None]:
    yield
    podman.api.remove_all()


@pytest.fixture
async def engine(podman: LivePodman) -> AsyncIterator[DockerEngine]:
    """A connection to the socket."""
    engine = DockerEngine(EngineAddress(socket_path=podman.api.socket_path))
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


def has_all(collection: Collection) -> bool:
    """Return whether Podman answered in time, which it does not while it starts, and has all containers."""
    return len(collection.containers) == CONTAINER_COUNT and all(each.details for each in collection.containers)


def has_usage_of_all(collection: Collection) -> bool:
    """Return whether all containers have their usage, too."""
    return has_all(collection) and all(each.usage for each in collection.containers)


def find_page_with_engine(service: Service) -> str:
    """Return the page if Podman answered in time."""
    page = service.find_page()
    return page if "docker_engine_up 1" in page else ""


async def test_containers_are_reported(podman: LivePodman, collector: Collector) -> None:
    """All containers have name, image, state and labels; those with control groups have their usage."""
    for number in range(CONTAINER_COUNT):
        podman.api.run(f"web-{number}", Labels={"number": str(number)})
    collection = await wait_for(collector, has_usage_of_all if podman.has_usage else has_all)
    assert collection.engine is not None
    assert (collection.engine.engine, collection.engine.is_rootless) == ("podman", podman.user != "root")
    assert collection.engine.running_count == CONTAINER_COUNT
    for number in range(CONTAINER_COUNT):
        reading = find(collection, f"web-{number}")
        assert reading.container.image == "localhost/busybox:latest"
        assert (reading.container.state, reading.container.labels) == ("running", {"number": str(number)})
        # Of a container that sleeps; the service of Podman has more.
        assert reading.usage is None or 0 < reading.usage.memory_bytes < 8 * MEGABYTE
    assert not {"stats", "inspect"} & collector.counters.failures.keys()


async def test_exit_codes(podman: LivePodman, collector: Collector) -> None:
    """A container that ends has its state and its exit code."""
    podman.api.run("crash", "sh", "-c", "exit 3")
    details = find(await wait_for(collector, has_state("crash", "exited")), "crash").details
    assert details is not None
    assert details.exit_code == 3


async def test_actions(podman: LivePodman, engine: DockerEngine, collector: Collector) -> None:
    """Each action changes the state; without control groups, containers cannot be paused."""
    podman.api.run("web", "sh", "-c", "trap exit TERM; while :; do sleep 1; done")
    steps = [("kill", "exited"), ("start", "running"), ("restart", "running"), ("stop", "exited")]
    if podman.has_usage:
        steps[:0] = [("pause", "paused"), ("unpause", "running")]
    for action, state in steps:
        assert await perform_action(engine, action, "web") is None
        await wait_for(collector, has_state("web", state))
    assert "no such container" in str(await perform_action(engine, "start", "nope"))


async def test_a_podman_that_ends(podman: LivePodman, collector: Collector) -> None:
    """Podman is away while its socket is closed; afterwards, its containers and events are there again."""
    manager, variables = ["systemctl"], {}
    if podman.user != "root":
        uid = podman.machine.run("id", "--user", podman.user).strip()
        manager, variables = ["systemctl", "--user"], {"XDG_RUNTIME_DIR": f"/run/user/{uid}"}

    def control(action: str, *units: str) -> None:
        podman.machine.run(*manager, action, *units, user=podman.user, variables=variables)

    podman.api.run("web")
    await wait_for(collector, has_state("web", "running"))
    await asyncio.to_thread(control, "stop", "podman.socket")
    # Without root, the service has two processes, of which only one may have ended. Those of containers remain.
    await asyncio.to_thread(podman.machine.succeeds, "pkill", "-KILL", "--uid", podman.user, "--full", "system service")
    assert (await collector.collect()).engine is None
    await asyncio.to_thread(control, "start", "podman.socket")

    await wait_for(collector, has_state("web", "running"))


def test_the_service_finds_the_socket(podman: LivePodman) -> None:
    """An installed agent of the same user finds the socket by itself, through its hardening."""
    podman.api.run("web")
    with install_service(podman.machine, "-u", podman.user) as service:
        # The first collection may be too early.
        page = wait_until(lambda: find_page_with_engine(service), "the containers of Podman on the page")
    samples = read_samples(page)
    assert [sample.labels["engine"] for sample in samples if sample.name == "docker_engine_info"] == ["podman"]
    assert [sample.labels["name"] for sample in samples if sample.name == "docker_container_info"] == ["web"]
    memory = [sample for sample in samples if sample.name == "container_memory_usage_bytes"]
    assert len(memory) == (1 if podman.has_usage else 0)
