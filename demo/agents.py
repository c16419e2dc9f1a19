"""A Docker host of the demo: an agent on this machine, and the scrape server at which it is registered."""

import contextlib
import os
import re
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from aggregator.docker.address import EngineAddress, find_default_socket, parse_engine_address
from demo.engine import CONTAINERS, HEALTHY_CONTAINERS, SimulatedEngine, run_simulated_engine
from demo.gateway import GATEWAY_COMMAND, LOOPBACK, REQUEST_TIMEOUT_SECONDS, get_http
from demo.processes import ManagedProcess, run_process
from demo.prometheus import find_free_port

CLUSTER = "field"
# A host that was registered, and has stopped.
STOPPED_NODE = "kiosk"
START_TIMEOUT_SECONDS = 30.0
CONNECT_TIMEOUT_SECONDS = 1.0
# What the processes need of the environment of the demo. Settings for other agents must not change this one.
_INHERITED_NAMES = ("PATH", "HOME", "PYTHONPATH", "LD_LIBRARY_PATH", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH")


@dataclass(frozen=True)
class RunningAgents:
    """The agent and the scrape server; `engine` is the address of the Engine of this machine, None if simulated."""

    node: str
    agent_address: str
    scrape_address: str
    engine: str | None
    agent: ManagedProcess
    scrape_server: ManagedProcess

    @property
    def processes(self) -> tuple[ManagedProcess, ...]:
        """Both processes."""
        return self.agent, self.scrape_server

    def wait_until_registered(self) -> None:
        """Wait until the agent has reported."""
        url = f"http://{self.scrape_address}"
        self.agent.wait_until(
            lambda: get_http(url, f"/api/v1/registrations/{self.node}")[0] == 200, "report", START_TIMEOUT_SECONDS
        )


@contextlib.contextmanager
def run_agents(
    folder: Path, environ: Mapping[str, str] = os.environ, *, has_problems: bool = True
) -> Iterator[RunningAgents]:
    """Run both while the block runs, with the Engine of this machine if it can be reached, else a simulated one.

    With `has_problems`, a host is registered that no longer reports, and simulated containers fail.
    """
    node, engine = build_node_name(socket.gethostname()), find_engine(environ)
    agent_port, scrape_port = find_free_port(), find_free_port()
    inherited = {name: environ[name] for name in _INHERITED_NAMES if name in environ}
    socket_path = folder / "engine.sock"
    with contextlib.ExitStack() as stack:
        if engine is None:
            engine_state = SimulatedEngine(containers=CONTAINERS if has_problems else HEALTHY_CONTAINERS)
            stack.enter_context(run_simulated_engine(socket_path, engine_state))
        scrape_server = stack.enter_context(
            run_process(
                "the scrape server",
                [*GATEWAY_COMMAND, "scrape"],
                inherited | _build_scrape_settings(folder, scrape_port),
                folder / "scrape.log",
            )
        )
        url = f"http://{LOOPBACK}:{scrape_port}"
        scrape_server.wait_until(lambda: get_http(url, "/readyz")[0] == 200, "start", START_TIMEOUT_SECONDS)
        if has_problems:
            _register_stopped_node(scrape_port)
        agent = stack.enter_context(
            run_process(
                "the agent",
                [*GATEWAY_COMMAND, "agent"],
                inherited | _build_agent_settings(engine or f"unix://{socket_path}", node, agent_port, scrape_port),
                folder / "agent.log",
            )
        )
        yield RunningAgents(node, f"{LOOPBACK}:{agent_port}", f"{LOOPBACK}:{scrape_port}", engine, agent, scrape_server)


def _build_scrape_settings(folder: Path, port: int) -> dict[str, str]:
    return {
        "SCRAPE_HOST": LOOPBACK,
        "SCRAPE_PORT": str(port),
        "CLUSTER_NAME": CLUSTER,
        "AGENTS_FILE": str(folder / "agents.yaml"),
        "REGISTRY_FILE": str(folder / "registry.sqlite"),
        "KUBERNETES": "off",
    }


def _build_agent_settings(engine: str, node: str, port: int, scrape_port: int) -> dict[str, str]:
    return {
        "DOCKER_HOST": engine,
        "AGENT_HOST": LOOPBACK,
        "AGENT_PORT": str(port),
        "NODE_NAME": node,
        "MASTER": f"{LOOPBACK}:{scrape_port}",
        "REPORT_INTERVAL": "5",
        # Prometheus waits for two seconds.
        "COLLECT_TIMEOUT": "1.5",
    }


def _register_stopped_node(scrape_port: int) -> None:
    """Register a host, and report that it stops, as its agent would."""
    for method in ("POST", "DELETE"):
        with contextlib.closing(HTTPConnection(LOOPBACK, scrape_port, timeout=REQUEST_TIMEOUT_SECONDS)) as connection:
            connection.request(method, f"/discovery/nodes/{STOPPED_NODE}", b"{}", {"Content-Type": "application/json"})
            connection.getresponse().read()


def build_node_name(host_name: str) -> str:
    """Return a host name without characters that names of nodes do not have."""
    return re.sub(r"[^A-Za-z0-9.-]", "-", host_name)[:63].strip("-.") or "this-machine"


def find_engine(environ: Mapping[str, str]) -> str | None:
    """Return the address of the Engine of this machine, None if none accepts a connection."""
    try:
        text = environ.get("DOCKER_HOST")
        address = parse_engine_address(text) if text else EngineAddress(socket_path=find_default_socket())
        with _connect(address):
            return str(address)
    except (OSError, ValueError):
        return None


def _connect(address: EngineAddress) -> socket.socket:
    """Return a connection to an Engine."""
    if address.host_and_port is not None:
        host, _, port = address.host_and_port.rpartition(":")
        return socket.create_connection((host.strip("[]"), int(port)), CONNECT_TIMEOUT_SECONDS)
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(CONNECT_TIMEOUT_SECONDS)
    try:
        connection.connect(str(address.socket_path))
    except OSError:
        connection.close()
        raise
    return connection


def build_agent_scrape_configs(scrape_address: str) -> list[dict[str, Any]]:
    """Return the jobs of Prometheus for the nodes of a scrape server, and for the agents that it lists."""
    return [
        {
            "job_name": "nodes",
            "honor_labels": True,
            "metrics_path": "/scrape",
            "params": {"nodes": [""]},
            "static_configs": [{"targets": [scrape_address]}],
        },
        {
            "job_name": "agents",
            "http_sd_configs": [{"url": f"http://{scrape_address}/sd/agents", "refresh_interval": "1s"}],
        },
    ]
