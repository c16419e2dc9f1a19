"""The compose file of the agent: its privileges, and the settings that it uses."""

from pathlib import Path
from typing import Any

import yaml

from aggregator.settings.agent import AgentSettings
from aggregator.settings.settings import load_settings

COMPOSE_FILE = Path(__file__).parents[2] / "deploy" / "agent.compose.yaml"
AGENT: dict[str, Any] = yaml.safe_load(COMPOSE_FILE.read_text(encoding="utf-8"))["services"]["agent"]


def test_every_variable_is_a_setting() -> None:
    """All variables are settings of the agent, and their values are valid together."""
    environment: dict[str, str] = AGENT["environment"]
    assert environment.keys() <= AgentSettings.model_fields.keys()
    settings = load_settings(environment | {"AGENT_TOKEN": "a-token"}, AgentSettings)
    assert f":{settings.AGENT_PORT}/healthz" in AGENT["healthcheck"]["test"][-1]


def test_the_container_has_few_privileges() -> None:
    """It has a read-only file system and no capabilities, and needs a token to start."""
    assert (AGENT["read_only"], AGENT["cap_drop"]) == (True, ["ALL"])
    assert AGENT["security_opt"] == ["no-new-privileges:true"]
    assert AGENT["environment"]["AGENT_TOKEN"].startswith("${AGENT_TOKEN:?")
    assert AGENT["volumes"] == ["/var/run/docker.sock:/var/run/docker.sock:ro"]
