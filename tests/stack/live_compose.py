"""The compose file with a real Docker Compose, which needs no Engine for this: `make test-stack`."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from demo.processes import PROJECT
from tools.parts.compose import obtain_compose

FOLDER = PROJECT / "deploy" / "compose"
REQUIRED = {
    "POSTGRES_USER": "officer",
    "POSTGRES_PASSWORD": "secret of the tests",
    "POSTGRES_DB": "border",
    "GR_SMTP_HOST": "mail.example:587",
    "GF_SMTP_FROM_ADDRESS": "alerts@stack.example",
    "OPERATIONS_CONTACTS": "operations@stack.example",
    "MONITOR_NET_CONTACTS": "monitoring@stack.example",
    "GF_SECURITY_ADMIN_PASSWORD": "another secret",
}

pytestmark = pytest.mark.skipif(shutil.which("go") is None, reason="Docker Compose is built with Go")


def run_config(folder: Path, variables: dict[str, str], *options: str) -> "subprocess.CompletedProcess[str]":
    """Run `docker compose config` with .env.example and these variables in a file."""
    env_file = folder / ".env"
    lines = [f"{name}={value}" for name, value in variables.items()]
    example = (FOLDER / ".env.example").read_text(encoding="utf-8")
    env_file.write_text("\n".join([example, *lines]), encoding="utf-8")
    command = [str(obtain_compose(print)), "-f", str(FOLDER / "compose.yaml"), "--env-file", str(env_file), "config"]
    return subprocess.run(
        [*command, *options], env={"HOME": str(folder)}, capture_output=True, text=True, timeout=60, check=False
    )


def test_compose_accepts_the_file(tmp_path: Path) -> None:
    """Compose resolves the file, and finds the services and networks that are in it."""
    completed = run_config(tmp_path, REQUIRED, "--format", "json")
    assert completed.returncode == 0, completed.stderr
    assert completed.stderr == ""
    resolved: dict[str, Any] = json.loads(completed.stdout)
    source = yaml.safe_load((FOLDER / "compose.yaml").read_text(encoding="utf-8"))
    assert resolved["services"].keys() == source["services"].keys()
    assert resolved["services"]["rest-api"]["environment"]["POSTGRES_PASSWORD"] == REQUIRED["POSTGRES_PASSWORD"]
    addresses = {port["host_ip"] for service in resolved["services"].values() for port in service.get("ports", [])}
    assert addresses == {"127.0.0.1"}


@pytest.mark.parametrize("name", REQUIRED)
def test_a_missing_variable_is_named(tmp_path: Path, name: str) -> None:
    """Without a required variable, Compose refuses to start and says what to set."""
    completed = run_config(tmp_path, REQUIRED | {name: ""})
    assert completed.returncode != 0
    assert f"required variable {name} is missing a value: set {name} to " in completed.stderr
