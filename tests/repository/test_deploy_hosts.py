"""The compose file with an agent, a scrape server, Prometheus and the gateway: privileges, settings and addresses."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from aggregator.settings.agent import AgentSettings
from aggregator.settings.gateway import Settings
from aggregator.settings.scrape import ScrapeSettings, parse_ports
from aggregator.settings.settings import load_settings
from aggregator.settings.types import SettingsGroup

COMPOSE_FILE = Path(__file__).parents[2] / "deploy" / "hosts.compose.yaml"
DOCUMENT: dict[str, Any] = yaml.safe_load(COMPOSE_FILE.read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = DOCUMENT["services"]
OWN_SERVICES: dict[str, type[SettingsGroup]] = {"agent": AgentSettings, "scrape": ScrapeSettings, "gateway": Settings}


@pytest.mark.parametrize("name", OWN_SERVICES)
def test_services_have_no_privileges(name: str) -> None:
    """Each of our containers has a read-only file system and no capabilities."""
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service


@pytest.mark.parametrize(("name", "settings_type"), OWN_SERVICES.items())
def test_variables_are_valid_settings(name: str, settings_type: type[SettingsGroup]) -> None:
    """All variables are settings with valid values."""
    environment = SERVICES[name]["environment"]
    assert environment.keys() <= settings_type.model_fields.keys()
    load_settings(
        {key: value.partition(":-")[2].rstrip("}") or value for key, value in environment.items()}, settings_type
    )


def test_services_reach_one_another() -> None:
    """The agent reports to a port of the scrape server, Prometheus scrapes the other, the gateway asks Prometheus."""
    command, flag, ports = SERVICES["scrape"]["command"]
    assert (command, flag) == ("scrape", "-p")
    host, _, port = SERVICES["agent"]["environment"]["MASTER"].partition(":")
    assert host == "scrape"
    assert int(port) in parse_ports(ports)
    config = yaml.safe_load(DOCUMENT["configs"]["prometheus"]["content"])
    nodes, agents = config["scrape_configs"]
    assert nodes["static_configs"] == [{"targets": ["scrape:5000"]}]
    assert (nodes["metrics_path"], nodes["params"]) == ("/scrape", {"nodes": [""]})
    assert agents["http_sd_configs"][0]["url"] == "http://scrape:5000/sd/agents"
    assert 5000 in parse_ports(ports)
    for one, other in (
        ("agent", "scrape"),
        ("agent", "prometheus"),
        ("scrape", "prometheus"),
        ("prometheus", "gateway"),
    ):
        assert set(SERVICES[one]["networks"]) & set(SERVICES[other]["networks"])


def test_the_registry_is_on_the_host() -> None:
    """The files of the scrape server are in a folder of the host, so that they are kept with a new container."""
    environment = SERVICES["scrape"]["environment"]
    (volume,) = SERVICES["scrape"]["volumes"]
    name, _, folder = volume.partition(":")
    assert name == "./registry"
    assert {str(Path(environment[key]).parent) for key in ("AGENTS_FILE", "REGISTRY_FILE")} == {folder}
