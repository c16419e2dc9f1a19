"""The compose file of the whole stack: images, networks, ports, settings and targets."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from aggregator.settings.agent import AgentSettings
from aggregator.settings.gateway import Settings
from aggregator.settings.scrape import ScrapeSettings
from aggregator.settings.settings import load_settings
from aggregator.settings.types import SettingsGroup
from demo.example_service.settings import load_settings as load_service_settings

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "compose"
TEXT = (FOLDER / "compose.yaml").read_text(encoding="utf-8")
DOCUMENT: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = DOCUMENT["services"]
EXAMPLE_ENV = dict(re.findall(r"^(\w+)=(.*)$", (FOLDER / ".env.example").read_text(encoding="utf-8"), re.MULTILINE))
# Those of the older stack.
OLDER_KEYS = {
    "POSTGRES_USER",
    "POSTGRES_PASSWORD",
    "POSTGRES_DB",
    "POSTGRES_HOST",
    "POSTGRES_PORT",
    "GF_SMTP_FROM_ADDRESS",
    "GF_SMTP_FROM_NAME",
    "GR_SMTP_HOST",
    "GF_SMTP_PASSWORD",
}
OWN_SERVICES: dict[str, type[SettingsGroup]] = {
    "aggregator": Settings,
    "aggregator-scrape": ScrapeSettings,
    "aggregator-agent": AgentSettings,
}
OWN_IMAGES = {"aggregator", "aggregator-example-service"}
OPENED = {"prometheus", "alertmanager", "grafana", "aggregator", "rest-api", "apache"}


def fill_in(text: str) -> str:
    """Return a value of the file with the defaults of its variables; those without one are `x`."""
    return re.sub(r"\$\{\w+(?::-([^}]*)|:\?[^}]*)?\}", lambda match: match[1] if match[1] is not None else "x", text)


def test_the_example_lists_the_variables() -> None:
    """`.env.example` has every variable of the file, no other one, and those of the older stack."""
    assert set(re.findall(r"(?<!\$)\$\{(\w+)", TEXT)) == set(EXAMPLE_ENV)
    assert set(EXAMPLE_ENV) >= OLDER_KEYS


def test_defaults_are_those_of_the_example() -> None:
    """A variable has the same default in both files."""
    defaults = {name: value for name, value in re.findall(r"(?<!\$)\$\{(\w+):-([^}]*)\}", TEXT) if value}
    assert defaults == {name: EXAMPLE_ENV[name] for name in defaults}


def test_no_password_has_a_default() -> None:
    """Passwords are empty in the example. Compose refuses to start without those that are always needed."""
    passwords = {name for name in EXAMPLE_ENV if "PASSWORD" in name}
    assert {name: EXAMPLE_ENV[name] for name in passwords} == dict.fromkeys(passwords, "")
    required = set(re.findall(r"(?<!\$)\$\{(\w+):\?set ", TEXT))
    assert passwords - required == {"GF_SMTP_PASSWORD"}
    assert not {name for name in required if EXAMPLE_ENV[name]}


def test_git_ignores_the_settings() -> None:
    """A `.env` with passwords is not added to a commit by accident."""
    assert ".env" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("name", SERVICES)
def test_services_are_restricted_and_checked(name: str) -> None:
    """Each service has a health check, a read-only file system, no capabilities, and restarts."""
    service = SERVICES[name]
    assert service["healthcheck"]["test"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == "unless-stopped"
    assert "privileged" not in service


@pytest.mark.parametrize("name", ["aggregator", "aggregator-scrape"])
def test_requests_in_progress_can_finish(name: str) -> None:
    """Docker waits longer than the grace period of our servers before it kills them."""
    grace_seconds = OWN_SERVICES[name].model_fields["GRACE"].default
    assert int(SERVICES[name]["stop_grace_period"].removesuffix("s")) > grace_seconds


@pytest.mark.parametrize("name", ["prometheus", "alertmanager"])
def test_links_in_mails_can_be_set(name: str) -> None:
    """A variable is the URL of the page, whose path does not change the paths of the server."""
    options = SERVICES[name]["command"]
    assert (
        f"--web.external-url=${{{name.upper()}_URL:-http://localhost:{SERVICES[name]['ports'][0].split(':')[-1]}}}"
        in options
    )
    assert "--web.route-prefix=/" in options


@pytest.mark.parametrize("name", SERVICES)
def test_images_have_versions(name: str) -> None:
    """Images of others are pinned to a version; ours are built."""
    image = SERVICES[name]["image"]
    assert (image in OWN_IMAGES) == ("build" in SERVICES[name])
    if image not in OWN_IMAGES:
        assert re.search(r":v?\d+\.\d+(\.\d+)?(-trixie)?$", image)


def test_builds_exist() -> None:
    """The files that images are built from exist, and .dockerignore lets what they copy pass."""
    for service in SERVICES.values():
        build = service.get("build")
        if isinstance(build, dict):
            assert (FOLDER / build["context"] / build["dockerfile"]).is_file()
    dockerfile = (ROOT / "demo/example_service/Dockerfile").read_text(encoding="utf-8")
    passed = {line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line[:1] == "!"}
    copied = re.findall(r"^COPY (demo\S+)", dockerfile, re.MULTILINE)
    assert len(copied) > 2
    assert {path for path in copied if not any(Path(path).is_relative_to(one) for one in passed)} == set()


def test_only_what_people_open_is_published() -> None:
    """Ports are published on loopback by default, and only those of pages and APIs."""
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert set(published) == OPENED
    ports = [port for ports in published.values() for port in ports]
    assert all(port.startswith("${PUBLISH_ADDRESS:-127.0.0.1}:") for port in ports)
    numbers = [port.split(":")[-2] for port in ports]
    assert len(set(numbers)) == len(numbers)


def test_there_are_two_networks() -> None:
    """Services cannot reach Grafana, Alertmanager and the gateway; Prometheus is in both networks."""
    networks = {name: set(service["networks"]) for name, service in SERVICES.items()}
    assert set(DOCUMENT["networks"]) == {"operations", "services"}
    operations = {name for name, names in networks.items() if "operations" in names}
    assert operations == {"prometheus", "alertmanager", "grafana", "aggregator"}
    assert {name for name, names in networks.items() if len(names) == 2} == {"prometheus"}


def test_targets_are_services() -> None:
    """Each target of Prometheus is a service of the file, in a network with Prometheus."""
    hosts = set()
    for path in (ROOT / "deploy/monitoring/targets").iterdir():
        for group in yaml.safe_load(path.read_text(encoding="utf-8")):
            hosts |= {target.partition(":")[0] for target in group["targets"]}
    assert hosts <= set(SERVICES)
    assert len(hosts) > 8


def test_mounted_files_exist() -> None:
    """Folders and files of the repository that are mounted exist, and nothing in them can be written."""
    mounted = [volume for service in SERVICES.values() for volume in service.get("volumes", []) if volume[0] == "."]
    assert len(mounted) > 5
    assert [volume for volume in mounted if not (FOLDER / volume.split(":")[0]).exists()] == []
    assert [volume for volume in mounted if not volume.endswith(":ro")] == []


@pytest.mark.parametrize(("name", "settings_type"), OWN_SERVICES.items())
def test_variables_are_valid_settings(name: str, settings_type: type[SettingsGroup]) -> None:
    """All variables of our servers are settings with valid values."""
    environment = {key: fill_in(value) for key, value in SERVICES[name]["environment"].items()}
    assert environment.keys() <= settings_type.model_fields.keys()
    load_settings(environment, settings_type)


def test_the_variables_of_the_example_service_are_valid() -> None:
    """The example service accepts its variables and reaches its database."""
    environment = {key: fill_in(str(value)) for key, value in SERVICES["rest-api"]["environment"].items()}
    settings = load_service_settings(environment)
    assert (settings.database.host, settings.database.port) == ("postgres", 5432)
    assert not settings.allows_faults
