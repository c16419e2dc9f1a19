"""The service of `aggregator agent install`, with a real systemd and a real Docker Engine: `make test-docker`."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from aggregator.agent.install import SETTINGS_PATH, UNIT_NAME, UNIT_PATH
from demo.prometheus import find_free_port
from tests.docker.engines import LiveEngine, run_engine
from tests.docker.systemd_machine import AGGREGATOR, SystemdMachine, boot_machine
from tests.integration.gateway_process import wait_until
from tools.parts.docker import VERSIONS, obtain_engine

REQUEST_TIMEOUT_SECONDS = 10.0
# What `systemd-analyze security` calls OK is below 50, in tenths of its points.
MAX_EXPOSURE = 20
# With all that a file for EnvironmentFile= quotes.
SECRET = "a\"b'c\\d$HOME%n`e`#f;"


@pytest.fixture(scope="module")
def engine() -> Iterator[LiveEngine]:
    """An Engine with one container."""
    # Paths of sockets must be short.
    folder = Path(tempfile.mkdtemp(prefix="service-"))
    with run_engine(obtain_engine(VERSIONS[0]), folder) as engine:
        engine.run("web")
        yield engine
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def machine(engine: LiveEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SystemdMachine]:
    """A machine with the Engine."""
    with boot_machine(tmp_path_factory.mktemp("machine"), engine.socket_path) as machine:
        yield machine


@dataclass(frozen=True)
class Service:
    """An installed service; its agent listens on the port."""

    machine: SystemdMachine
    port: int

    def find_page(self) -> str:
        """Return the page of an agent that runs, otherwise nothing."""
        try:
            response = requests.get(f"http://127.0.0.1:{self.port}/metrics", timeout=REQUEST_TIMEOUT_SECONDS)
        except requests.ConnectionError:
            return ""
        response.raise_for_status()
        return response.text

    def wait_for_page(self) -> str:
        """Return the page of an agent that starts."""
        return wait_until(self.find_page, "the page of the agent")

    @property
    def pid(self) -> str:
        """The process of the agent."""
        return self.machine.show(UNIT_NAME, "MainPID")

    def read_process_fields(self) -> dict[str, str]:
        """Return what the kernel reports about the process."""
        text = self.machine.find(f"/proc/{self.pid}/status").read_text(encoding="utf-8")
        return {name: value.strip() for name, _, value in (line.partition(":") for line in text.splitlines())}


@contextmanager
def install_service(machine: SystemdMachine, *flags: str, **settings: str) -> Iterator[Service]:
    """Install the agent on a free port, and wait until it answers; it is removed afterwards if it still exists."""
    service = Service(machine, find_free_port())
    assert f"{UNIT_NAME} is started" in machine.install_agent(*flags, AGENT_PORT=str(service.port), **settings)
    try:
        service.wait_for_page()
        yield service
    finally:
        if machine.find(f"/{UNIT_PATH}").exists():
            machine.uninstall_agent()


@pytest.fixture(scope="module")
def service(machine: SystemdMachine) -> Iterator[Service]:
    """The service that the tests share, which the last of them removes."""
    with install_service(machine, MASTER_SECRET=SECRET) as service:
        yield service


def read_samples(page: str) -> list[Sample]:
    """Return all samples, as a strict parser reads them."""
    return [sample for family in text_string_to_metric_families(page) for sample in family.samples]


def read_series(page: str) -> set[tuple[str, tuple[tuple[str, str], ...]]]:
    """Return the names and labels of all samples, without those about requests to the agent."""
    return {
        (sample.name, tuple(sorted(sample.labels.items())))
        for sample in read_samples(page)
        if not sample.name.startswith("http_")
    }


def test_an_installed_service_runs(service: Service) -> None:
    """Installing starts and enables the service: it reports the containers of the Engine, and logs to the journal."""
    samples = read_samples(service.wait_for_page())
    assert [sample.value for sample in samples if sample.name == "docker_engine_up"] == [1]
    assert [sample.labels["name"] for sample in samples if sample.name == "docker_container_info"] == ["web"]
    assert service.machine.show(UNIT_NAME, "ActiveState") == "active"
    assert service.machine.run("systemctl", "is-enabled", UNIT_NAME) == "enabled\n"
    assert "engine available" in service.machine.read_log(UNIT_NAME)


def test_the_unit_is_valid(service: Service) -> None:
    """The unit is verified without a message, and its exposure is rated as low."""
    assert service.machine.run("systemd-analyze", "verify", f"/{UNIT_PATH}") == ""
    service.machine.run("systemd-analyze", "security", f"--threshold={MAX_EXPOSURE}", UNIT_NAME)


def test_hardening_costs_no_metric(service: Service) -> None:
    """The hardened service has the same series as an agent that root runs without a service, and no failures."""
    page = service.wait_for_page()
    assert read_series(page) == read_series(service.machine.run(*AGGREGATOR, "agent", "--once", "page"))
    failures = [sample for sample in read_samples(page) if sample.name == "docker_collection_failures_total"]
    assert {sample.value for sample in failures} == {0}


def test_hardening_is_in_force(service: Service) -> None:
    """The process has its own user, no capabilities, a filter of system calls, and a system that it cannot write."""
    fields = service.read_process_fields()
    capabilities = {fields[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}
    assert (capabilities, fields["NoNewPrivs"], fields["Seccomp"]) == ({"0" * 16}, "1", "2")
    assert "0" not in fields["Uid"].split()
    for folder in ("/etc", "/var/lib", "/usr", "/home", "/sys", "/proc/sys"):
        enter = ("nsenter", f"--target={service.pid}", "--mount")
        assert not service.machine.succeeds(*enter, "touch", f"{folder}/file")


def test_settings_arrive_unchanged(service: Service) -> None:
    """The process has the settings as they were, also with quotes, and only root can read their file."""
    variables = service.machine.find(f"/proc/{service.pid}/environ").read_bytes().split(b"\0")
    assert f"MASTER_SECRET={SECRET}".encode() in variables
    settings = service.machine.find(f"/{SETTINGS_PATH}").stat()
    assert (settings.st_mode & 0o777, settings.st_uid) == (0o600, 0)


def test_a_killed_agent_is_started_again(service: Service) -> None:
    """The service starts an agent again that was killed."""
    pid = service.pid
    service.machine.run("kill", "-KILL", pid)
    wait_until(lambda: service.machine.show(UNIT_NAME, "NRestarts") == "1", "the restart of the service")
    assert "docker_engine_up 1" in service.wait_for_page()
    assert service.pid not in ("0", pid)


def test_the_service_starts_with_the_machine(service: Service) -> None:
    """The target that a machine boots into starts the service."""
    service.machine.run("systemctl", "stop", UNIT_NAME)
    assert not service.find_page()
    service.machine.run("systemctl", "start", "multi-user.target")
    service.wait_for_page()


def test_uninstalling_leaves_nothing(service: Service) -> None:
    """Uninstalling stops the agent, which ends by itself, and removes its files."""
    service.machine.uninstall_agent()
    assert not service.find_page()
    assert service.machine.show(UNIT_NAME, "LoadState") == "not-found"
    assert not service.machine.find(f"/{SETTINGS_PATH}").exists()
    assert "Traceback" not in service.machine.read_log(UNIT_NAME)


def test_another_user(machine: SystemdMachine) -> None:
    """`-u` selects the user of the service and creates it; the hardening costs no metric for it, either."""
    with install_service(machine, "-u", "metrics") as service:
        uid = machine.run("id", "--user", "metrics").strip()
        assert service.read_process_fields()["Uid"].split() == [uid] * 4
        assert read_series(service.wait_for_page()) == read_series(machine.run(*AGGREGATOR, "agent", "--once", "page"))
