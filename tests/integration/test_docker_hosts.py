"""A Docker host in the topology: Engine, agent, scrape server, Prometheus and gateway, each as in operation."""

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from demo.engine import CONTAINERS, run_simulated_engine
from demo.prometheus import ScrapedExposition, find_free_port, obtain_prometheus, run_prometheus, write_blocks
from demo.targets import ScrapeTarget
from tests.integration.gateway_process import ROOT, GatewayProcess, run_gateway, wait_until
from tests.scrape.scrape_process import build_environment, run_process, run_scrape_process
from tests.support.http_client import send_request

CLUSTER, NODE = "field", "host-1"
# What README.md and docs/agents.md name for the address of the scrape server.
SCRAPE_SERVER_PATTERN = re.compile(r"(localhost|scrape\.example):5000")
TTL_SECONDS = 2
# How much a counter grows in a second, by what its lines contain: what a CPU is idle, and a container uses.
GROWTHS = {'mode="idle"': 0.9, 'name="display"': 0.12}
GROWING_COUNTERS = ("node_cpu_seconds_total{", "container_cpu_usage_seconds_total{")
HISTORY_AGES_SECONDS = range(330, 0, -15)


@dataclass(frozen=True)
class AgentProcess:
    """A running agent that is registered at a scrape server."""

    port: int
    scrape_port: int
    stop: Callable[[signal.Signals], None]

    @property
    def page(self) -> str:
        """The metrics of the agent."""
        return send_request(self.port, "/metrics").body.decode()


@dataclass(frozen=True)
class ScrapeJob:
    """A configuration of Prometheus that the docs give, and the job and address that the series of the agent get."""

    yaml: str
    job: str
    instance: str


def read_code_blocks(page: str, language: str) -> list[str]:
    """Return the code of a language in a page of the docs."""
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)


def read_jobs(agent: AgentProcess) -> Iterator[ScrapeJob]:
    """Yield the jobs of README.md and docs/agents.md: one for all agents, and one for each through discovery."""
    scrape_address = f"127.0.0.1:{agent.scrape_port}"
    (merged,) = read_code_blocks("README.md", "yaml")
    (discovering,) = (block for block in read_code_blocks("docs/agents.md", "yaml") if "/sd/agents" in block)
    for block, job, instance in (
        (merged, "hosts", scrape_address),
        (discovering, "agents", f"127.0.0.1:{agent.port}"),
    ):
        yield ScrapeJob(SCRAPE_SERVER_PATTERN.sub(scrape_address, block), job, instance)


def read_commands() -> Iterator[tuple[list[str], dict[str, str]]]:
    """Yield the arguments and the settings of the commands for a Docker host in README.md."""
    (block,) = (block for block in read_code_blocks("README.md", "") if "aggregator agent" in block)
    for line in block.splitlines():
        settings, _, arguments = line.removesuffix(" &").rpartition(".venv/bin/aggregator ")
        yield arguments.split(), dict(setting.split("=", 1) for setting in settings.split())


@contextmanager
def run_agent_and_scrape_server(folder: Path) -> Iterator[AgentProcess]:
    """Run the commands of README.md beside a simulated Engine, with a report every second and other ports."""
    (scrape, _), (agent, settings) = read_commands()
    with (
        run_simulated_engine(folder / "engine.sock"),
        run_scrape_process(folder, *scrape[1:], CLUSTER_NAME=CLUSTER, MIN_TTL=str(TTL_SECONDS)) as server,
    ):
        port, (scrape_port,) = find_free_port(), server.ports
        settings |= {
            "DOCKER_HOST": f"unix://{folder}/engine.sock",
            "AGENT_PORT": str(port),
            "NODE_NAME": NODE,
            "MASTER": SCRAPE_SERVER_PATTERN.sub(f"127.0.0.1:{scrape_port}", settings["MASTER"]),
            "REPORT_INTERVAL": str(TTL_SECONDS / 2),
        }
        with run_process(folder / "agent.log", *agent, environment=build_environment(folder, settings)) as process:
            path = f"/api/v1/registrations/{NODE}"
            wait_until(lambda: send_request(scrape_port, path).status == 200, "the agent has reported")
            yield AgentProcess(port, scrape_port, process.send_signal)


def build_history(agent: AgentProcess, job: ScrapeJob) -> list[ScrapedExposition]:
    """Return the counters of CPUs in the last minutes, as Prometheus would have stored them if the agent had run."""
    labels = {"job": job.job, "instance": job.instance, "cluster": CLUSTER, "node": NODE}
    if job.job == "hosts":
        labels["hostname"] = NODE
    page, now_seconds = agent.page, time.time()
    target = ScrapeTarget("/metrics", labels, lambda _at_seconds: page)
    lines = target.list_stored_lines(now_seconds, lambda line: line.startswith(GROWING_COUNTERS))
    return [
        ScrapedExposition("\n".join(compute_past_line(line, age) for line in lines), now_seconds - age)
        for age in HISTORY_AGES_SECONDS
    ]


def compute_past_line(line: str, age_seconds: int) -> str:
    """Return the line of a counter before some time."""
    series, _, value = line.rpartition(" ")
    growth = sum(growth for text, growth in GROWTHS.items() if text in series)
    return f"{series} {max(0.0, float(value) - growth * age_seconds)}"


@contextmanager
def run_prometheus_and_gateway(folder: Path, agent: AgentProcess, job: ScrapeJob) -> Iterator[GatewayProcess]:
    """Run a Prometheus with this job, and a gateway that queries it."""
    binaries = obtain_prometheus()
    write_blocks(binaries, folder / "data", build_history(agent, job))
    config = f"global: {{scrape_interval: 1s, scrape_timeout: 1s}}\n{job.yaml}"
    with (
        run_prometheus(folder, config, binaries=binaries) as url,
        run_gateway(folder, PROMETHEUS_ADDRESS=url, REFRESH_INTERVAL="0.5") as gateway,
    ):
        yield gateway


def read_node(gateway: GatewayProcess) -> dict[str, Any]:
    """Return the host in the topology, empty if it is not there."""
    response = send_request(gateway.http_port, f"/api/v1/clusters/{CLUSTER}/nodes/{NODE}")
    return dict(response.json()) if response.status == 200 else {}


def read_containers(gateway: GatewayProcess) -> dict[str, dict[str, Any]]:
    """Return all containers by name, each with the phase and the node of its pod."""
    response = send_request(gateway.http_port, "/api/v1/pods")
    return {
        container["name"]: container | {"phase": pod.get("phase"), "node": pod["node"]}
        for pod in (response.json().get("pods", []) if response.status == 200 else [])
        for container in pod.get("containers", [])
    }


def test_a_docker_host_is_in_the_topology(tmp_path: Path) -> None:
    """A host with an agent is a node with its containers; when the agent is killed, it stays and does not report."""
    with ExitStack() as stack:
        agent = stack.enter_context(run_agent_and_scrape_server(tmp_path))
        gateways = []
        for job in read_jobs(agent):
            (tmp_path / job.job).mkdir()
            gateways.append(stack.enter_context(run_prometheus_and_gateway(tmp_path / job.job, agent, job)))
        nodes = [check_topology(gateway) for gateway in gateways]
        agent.stop(signal.SIGKILL)
        for gateway, node in zip(gateways, nodes, strict=True):
            check_topology_without_agent(gateway, node)


def check_topology(gateway: GatewayProcess) -> dict[str, Any]:
    """Wait for the host and its containers, check them, and return the host."""
    wait_until(lambda: len(read_containers(gateway)) == len(CONTAINERS), "the containers are in the topology")
    wait_until(lambda: read_node(gateway).get("isReporting"), "the host reports")
    check_node(node := read_node(gateway))
    check_containers(read_containers(gateway))
    return node


def check_topology_without_agent(gateway: GatewayProcess, node: dict[str, Any]) -> None:
    """Wait until the host does not report and has no containers, and check that it is the same node."""
    wait_until(lambda: not read_node(gateway)["isReporting"], "the host does not report")
    wait_until(lambda: not read_containers(gateway), "the containers are gone")
    silent = read_node(gateway)
    assert {field: silent[field] for field in ("id", "name", "cluster")} == {
        field: node[field] for field in ("id", "name", "cluster")
    }


def check_node(node: dict[str, Any]) -> None:
    """Check what the host reports about itself."""
    assert (node["name"], node["cluster"], node["isReporting"]) == (NODE, CLUSTER, True)
    assert node["engine"] == "docker"
    assert node["cpuCores"] == os.cpu_count()
    assert 0 <= node["cpuUsagePercent"] <= 100
    assert 0 < int(node["availableMemoryBytes"]) < int(node["memoryBytes"])


def check_containers(containers: dict[str, dict[str, Any]]) -> None:
    """Check state, health, restarts, CPU and memory of the containers."""
    described = {
        name: tuple(container.get(field) for field in ("phase", "reason", "health", "restartCount", "exitCode"))
        for name, container in containers.items()
    }
    assert described == {
        "display": ("Running", None, "healthy", "0", None),
        "sensor": ("Running", None, "unhealthy", "0", None),
        "player": ("Running", None, None, "6", None),
        "backup": ("Running", "paused", None, "0", None),
        "update": ("Failed", "exited", None, "0", "1"),
    }
    assert {container["node"] for container in containers.values()} == {NODE}
    display = containers["display"]
    assert display["cpuUsageCores"] == pytest.approx(0.12, rel=0.5)
    assert 0 < int(display["memoryBytes"]) < int(display["memoryLimitBytes"])
    assert (display["image"], containers["player"]["oomKillCount"]) == ("registry.example/display:7", "1")
