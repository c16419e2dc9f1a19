"""The agent, the scrape server and the simulated Engine of the demo."""

import contextlib
import json
import os
import re
import socket
from pathlib import Path

import pytest

from demo.agents import CLUSTER, STOPPED_NODE, build_node_name, find_engine, run_agents
from demo.engine import CONTAINERS, SimulatedEngine, run_simulated_engine
from demo.gateway import get_http
from demo.processes import PROJECT

PATH, STARTED_SECONDS = os.environ["PATH"], 1_795_176_000.0


def test_an_agent_reports_to_the_scrape_server(tmp_path: Path) -> None:
    """Without an Engine, the agent shows the simulated one, and it is online beside a host that has stopped."""
    environ = {"PATH": PATH, "PYTHONPATH": str(PROJECT), "DOCKER_HOST": f"unix://{tmp_path}/none.sock"}
    with run_agents(tmp_path, environ) as agents:
        agents.wait_until_registered()
        assert agents.engine is None
        page = get_http(f"http://{agents.agent_address}", "/metrics")[1]
        assert "docker_engine_up 1\n" in page
        assert page.count("docker_container_info{") == len(CONTAINERS)
        url = f"http://{agents.scrape_address}"
        registrations = json.loads(get_http(url, "/api/v1/registrations")[1])["registrations"]
        assert {(each["name"], each["cluster"], each["online"]) for each in registrations} == {
            (agents.node, CLUSTER, True),
            (STOPPED_NODE, CLUSTER, False),
        }
        assert f'node="{agents.node}"' in get_http(url, "/metrics")[1]
        processes = [each.process for each in agents.processes]
        assert [process.poll() for process in processes] == [None, None]
    assert [process.poll() for process in processes] == [0, 0]


def test_agents_without_problems_raise_no_alerts(tmp_path: Path) -> None:
    """For a healthy stack, all containers are healthy, and no host has stopped."""
    environ = {"PATH": PATH, "PYTHONPATH": str(PROJECT), "DOCKER_HOST": f"unix://{tmp_path}/none.sock"}
    with run_agents(tmp_path, environ, has_problems=False) as agents:
        agents.wait_until_registered()
        page = get_http(f"http://{agents.agent_address}", "/metrics")[1]
        states = re.findall(r'^docker_container_health\{.*status="(\w+)"\} 1$', page, re.MULTILINE)
        assert states == ["healthy"] * len(CONTAINERS)
        registrations = json.loads(get_http(f"http://{agents.scrape_address}", "/api/v1/registrations")[1])
        assert [each["name"] for each in registrations["registrations"]] == [agents.node]


def test_many_connections_are_accepted_at_once(tmp_path: Path) -> None:
    """The simulated Engine refuses no connection of an agent that requests everything at once."""
    path = tmp_path / "engine.sock"
    with run_simulated_engine(path), contextlib.ExitStack() as stack:
        for _ in range(50):
            connection = stack.enter_context(socket.socket(socket.AF_UNIX))
            connection.setblocking(False)
            connection.connect(str(path))


def test_an_engine_of_this_machine_is_used(tmp_path: Path) -> None:
    """An Engine that accepts connections at DOCKER_HOST is used, on a socket or a port."""
    address = f"unix://{tmp_path}/engine.sock"
    assert find_engine({"DOCKER_HOST": address}) is None
    with run_simulated_engine(tmp_path / "engine.sock"):
        assert find_engine({"DOCKER_HOST": address}) == address
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert find_engine({"DOCKER_HOST": f"tcp://127.0.0.1:{port}"}) == f"127.0.0.1:{port}"
    assert find_engine({"DOCKER_HOST": f"tcp://127.0.0.1:{port}"}) is None


def test_an_engine_that_agents_cannot_reach_is_not_used() -> None:
    """An address that only the Docker client understands means the simulated Engine."""
    assert find_engine({"DOCKER_HOST": "ssh://user@host"}) is None


@pytest.mark.parametrize(
    ("host_name", "expected"),
    [
        ("vm-1.example", "vm-1.example"),
        ("my_host", "my-host"),
        ("-a.", "a"),
        ("é", "this-machine"),
        ("a" * 70, "a" * 63),
    ],
)
def test_host_names_become_names_of_nodes(host_name: str, expected: str) -> None:
    """Characters that names of nodes do not have are replaced."""
    assert build_node_name(host_name) == expected


def test_counters_of_the_engine_never_decrease() -> None:
    """CPU time and traffic of a running container grow, and those of a paused one stand still."""
    engine = SimulatedEngine(STARTED_SECONDS)
    for container in CONTAINERS:
        path = f"/v1.52/containers/{container.id}/stats"
        before, after = (engine.render(path, STARTED_SECONDS + age) for age in (100.0, 130.0))
        if container.state == "exited":
            assert before == after == {"read": "0001-01-01T00:00:00Z"}
            continue
        growth = after["cpu_stats"]["cpu_usage"]["total_usage"] - before["cpu_stats"]["cpu_usage"]["total_usage"]
        moved = after["networks"]["eth0"]["rx_bytes"] - before["networks"]["eth0"]["rx_bytes"]
        assert (growth > 0, moved > 0) == (container.state == "running",) * 2


@pytest.mark.parametrize("path", ["/", "/v1.41/info", "/v1.52/containers/0/json", "/v1.52/images/json"])
def test_other_paths_do_not_exist(path: str) -> None:
    """The Engine answers what agents ask, in its own version of the API."""
    assert SimulatedEngine(STARTED_SECONDS).render(path, STARTED_SECONDS) is None
