"""The compose file with a real Docker Compose and a real Docker Engine: `make test-compose`."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from demo.gateway import get_http
from demo.stack.__main__ import find_missing_targets
from tests.compose.engine import COMPOSE_FILE, DockerCommand, run_compose, run_engine_with_images
from tests.integration.gateway_process import wait_until

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


def test_compose_accepts_the_file(tmp_path: Path) -> None:
    """Compose resolves the file without a warning, and publishes on loopback."""
    completed = run_compose(tmp_path, REQUIRED, "config", "--format", "json")
    assert (completed.returncode, completed.stderr) == (0, "")
    services: dict[str, dict[str, Any]] = json.loads(completed.stdout)["services"]
    assert services.keys() == SERVICES.keys()
    assert services["rest-api"]["environment"]["POSTGRES_PASSWORD"] == REQUIRED["POSTGRES_PASSWORD"]
    addresses = {port["host_ip"] for service in services.values() for port in service.get("ports", [])}
    assert addresses == {"127.0.0.1"}


@pytest.mark.parametrize("name", REQUIRED)
def test_a_missing_variable_is_named(tmp_path: Path, name: str) -> None:
    """Without a required variable, Compose refuses to start and says what to set."""
    completed = run_compose(tmp_path, REQUIRED | {name: ""}, "config")
    assert completed.returncode != 0
    assert f"required variable {name} is missing a value: set {name} to " in completed.stderr


@pytest.fixture
def docker() -> Iterator[DockerCommand]:
    """An Engine with the images."""
    with tempfile.TemporaryDirectory(prefix="compose-") as name, run_engine_with_images(Path(name)) as docker:
        yield docker


def test_every_service_becomes_healthy(docker: DockerCommand, tmp_path: Path) -> None:
    """All services but Grafana become healthy, Prometheus scrapes every target, and the published ports answer."""
    arguments = ("--no-build", "--pull", "never", "--wait", "--wait-timeout", "180")
    completed = run_compose(tmp_path, REQUIRED | {"DOCKER_GROUP": "0"}, "up", "--detach", *arguments, *STARTED)
    states = docker.run("ps", "--all", "--format", "{{.Names}} {{.Status}}")
    assert completed.returncode == 0, f"{completed.stderr[-1000:]}\n{states}"
    assert states.count("(healthy)") == len(STARTED), states
    wait_until(lambda: not find_missing_targets("http://127.0.0.1:9090"), "all targets are up", TARGETS_TIMEOUT_SECONDS)
    assert get_http("http://127.0.0.1:9093", "/-/ready")[0] == 200
    assert get_http("http://127.0.0.1:8080", "/readyz")[0] == 200
    assert get_http("http://127.0.0.1:5001", "/dni/12345678A")[0] == 200
    assert get_http("http://127.0.0.1:8081", "/api/dni/12345678A")[0] == 200
    assert get_http("http://127.0.0.1:8081", "/server-status")[0] == 403
    completed = run_compose(tmp_path, REQUIRED, "down", "--volumes")
    assert completed.returncode == 0, completed.stderr
