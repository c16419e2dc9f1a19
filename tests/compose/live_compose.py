"""The compose files with a real Docker Compose and a real Docker Engine: `make test-compose`."""

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from demo.gateway import get_http
from demo.processes import PROJECT
from demo.stack.__main__ import find_missing_targets
from tests.compose.engine import (
    COMPOSE_FILE,
    RUN_FOLDER,
    DockerCommand,
    run_compose,
    run_engine_with_images,
    run_stack_compose,
)
from tests.integration.gateway_process import wait_until
from tests.support.http_client import send_request

REQUIRED = {
    "POSTGRES_USER": "officer",
    "POSTGRES_PASSWORD": "secret-of-the-tests",
    "POSTGRES_DB": "border",
    "GR_SMTP_HOST": "mail.example:587",
    "GF_SMTP_FROM_ADDRESS": "alerts@stack.example",
    "OPERATIONS_CONTACTS": "operations@stack.example",
    "MONITOR_NET_CONTACTS": "monitoring@stack.example",
    "GF_SECURITY_ADMIN_PASSWORD": "another-secret",
}
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE_FILE.read_text(encoding="utf-8"))["services"]
# There is no image of Grafana here.
STARTED = [name for name in SERVICES if name != "grafana"]
TARGETS_TIMEOUT_SECONDS = 90.0
IMAGE_USER = 1001
HOSTS_CONTAINERS = 4


def test_compose_accepts_the_file(tmp_path: Path) -> None:
    """Compose resolves the file without a warning, and publishes on loopback."""
    completed = run_stack_compose(tmp_path, REQUIRED, "config", "--format", "json")
    assert (completed.returncode, completed.stderr) == (0, "")
    services: dict[str, dict[str, Any]] = json.loads(completed.stdout)["services"]
    assert services.keys() == SERVICES.keys()
    assert services["rest-api"]["environment"]["POSTGRES_PASSWORD"] == REQUIRED["POSTGRES_PASSWORD"]
    addresses = {port["host_ip"] for service in services.values() for port in service.get("ports", [])}
    assert addresses == {"127.0.0.1"}


@pytest.mark.parametrize("name", REQUIRED)
def test_a_missing_variable_is_named(tmp_path: Path, name: str) -> None:
    """Without a required variable, Compose refuses to start and says what to set."""
    completed = run_stack_compose(tmp_path, REQUIRED | {name: ""}, "config")
    assert completed.returncode != 0
    assert f"required variable {name} is missing a value: set {name} to " in completed.stderr


@pytest.fixture(scope="module")
def docker() -> Iterator[DockerCommand]:
    """An Engine with the images."""
    with tempfile.TemporaryDirectory(prefix="compose-") as name, run_engine_with_images(Path(name)) as docker:
        yield docker


def find_docker_group() -> str:
    """Return the group that owns the socket of the Engine, as the compose files say."""
    return str((RUN_FOLDER / "docker.sock").stat().st_gid)


def test_every_service_becomes_healthy(docker: DockerCommand, tmp_path: Path) -> None:
    """All services but Grafana become healthy, Prometheus scrapes every target, and the published ports answer."""
    arguments = ("--no-build", "--pull", "never", "--wait", "--wait-timeout", "180")
    completed = run_stack_compose(
        tmp_path, REQUIRED | {"DOCKER_GROUP": find_docker_group()}, "up", "--detach", *arguments, *STARTED
    )
    states = docker.run("ps", "--all", "--format", "{{.Names}} {{.Status}}")
    assert completed.returncode == 0, f"{completed.stderr[-1000:]}\n{states}"
    assert states.count("(healthy)") == len(STARTED), states
    wait_until(lambda: not find_missing_targets("http://127.0.0.1:9090"), "all targets are up", TARGETS_TIMEOUT_SECONDS)
    assert '"1"' in get_http("http://127.0.0.1:9090", "/api/v1/query?query=docker_engine_up")[1]
    assert get_http("http://127.0.0.1:9093", "/-/ready")[0] == 200
    assert get_http("http://127.0.0.1:8080", "/readyz")[0] == 200
    assert get_http("http://127.0.0.1:5001", "/dni/12345678A")[0] == 200
    assert get_http("http://127.0.0.1:8081", "/api/dni/12345678A")[0] == 200
    assert get_http("http://127.0.0.1:8081", "/server-status")[0] == 403
    completed = run_stack_compose(tmp_path, REQUIRED, "down", "--volumes")
    assert completed.returncode == 0, completed.stderr


def copy_compose_file(name: str, folder: Path) -> Path:
    """Copy a compose file into a folder with the folder of its registry, which the user of the image owns."""
    (folder / "registry").mkdir()
    os.chown(folder / "registry", IMAGE_USER, IMAGE_USER)
    return Path(shutil.copy(PROJECT / "deploy" / name, folder))


def test_a_docker_host_appears_in_the_topology(docker: DockerCommand, tmp_path: Path) -> None:
    """With deploy/hosts.compose.yaml, the host and its containers are in the topology of the gateway."""
    file = copy_compose_file("hosts.compose.yaml", tmp_path)
    variables = {"DOCKER_GROUP": find_docker_group(), "NODE_NAME": "host-1"}
    completed = run_compose(file, tmp_path, variables, "up", "--detach", "--pull", "never")
    assert completed.returncode == 0, completed.stderr
    try:
        wait_until(has_host_with_containers, "the host is in the topology", TARGETS_TIMEOUT_SECONDS)
    except AssertionError as error:
        raise AssertionError(docker.run("ps", "--all")) from error
    finally:
        completed = run_compose(file, tmp_path, variables, "down", "--volumes")
    assert completed.returncode == 0, completed.stderr


def has_host_with_containers() -> bool:
    """Return whether the gateway shows a node that reports, and the four containers of its compose file."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        nodes = json.loads(get_http("http://127.0.0.1:8080", "/api/v1/nodes")[1])["nodes"]
        pods = json.loads(get_http("http://127.0.0.1:8080", "/api/v1/pods")[1])["pods"]
        return [node["name"] for node in nodes] == ["host-1"] and len(pods) >= HOSTS_CONTAINERS
    return False


def test_an_agent_serves_metrics_of_its_host(docker: DockerCommand, tmp_path: Path) -> None:
    """With deploy/agent.compose.yaml, the agent serves metrics of the Engine to scrapers that have the token."""
    file = copy_compose_file("agent.compose.yaml", tmp_path)
    variables = {"DOCKER_GROUP": find_docker_group(), "AGENT_TOKEN": "token-of-the-tests"}
    completed = run_compose(file, tmp_path, {}, "config")
    assert "required variable AGENT_TOKEN is missing a value" in completed.stderr
    arguments = ("--pull", "never", "--wait", "--wait-timeout", "90")
    completed = run_compose(file, tmp_path, variables, "up", "--detach", *arguments)
    assert completed.returncode == 0, f"{completed.stderr}\n{docker.run('ps', '--all')}"
    token = [("Authorization", "Bearer token-of-the-tests")]
    assert send_request(5050, "/metrics").status == 401
    assert b"\ndocker_engine_up 1\n" in send_request(5050, "/metrics", headers=token).body
    completed = run_compose(file, tmp_path, variables, "down", "--volumes")
    assert completed.returncode == 0, completed.stderr
