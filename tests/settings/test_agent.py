"""The settings of the agent."""

from pathlib import Path

import pytest

from aggregator.docker.address import EngineAddress
from aggregator.errors import SettingsError
from aggregator.settings.agent import AgentSettings
from aggregator.settings.settings import describe_settings, find_misspelled_variables, load_settings

TOKEN = "correct-horse-battery"


def list_problems(**environment: str) -> list[str]:
    """Return the problems of an environment."""
    with pytest.raises(SettingsError) as caught:
        load_settings(environment, AgentSettings)
    return caught.value.problems


def test_nothing_has_to_be_set() -> None:
    """Without any setting, the agent listens on the loopback interface at the port of the old agent."""
    settings = load_settings({}, AgentSettings)
    assert (settings.AGENT_HOST, settings.AGENT_PORT, settings.COLLECT_TIMEOUT) == ("127.0.0.1", 5050, 4.0)
    assert (settings.AGENT_ACTIONS, settings.master_urls, settings.REPORT_INTERVAL) == ((), (), 60.0)


@pytest.mark.parametrize("access", [{"AGENT_TOKEN": TOKEN}, {"AGENT_OPEN": "yes"}])
def test_other_machines_need_a_decision(access: dict[str, str]) -> None:
    """Another address than loopback needs a token, a client CA, or AGENT_OPEN=yes."""
    (problem,) = list_problems(AGENT_HOST="192.0.2.1")
    assert problem == (
        "AGENT_HOST: is 192.0.2.1, so that other machines could read everything; "
        "expected: AGENT_TOKEN, AGENT_TLS_CLIENT_CA or AGENT_OPEN=yes as well"
    )
    assert load_settings({"AGENT_HOST": "192.0.2.1"} | access, AgentSettings).AGENT_HOST == "192.0.2.1"


def test_all_problems_are_reported_together() -> None:
    """Each invalid setting has one line, whatever group it is in."""
    problems = list_problems(
        AGENT_PORT="x",
        AGENT_ACTIONS="start rm",
        DOCKER_HOST="ssh://host",
        MASTER="a:1,b:2/path,ftp://c",
        NODE_NAME="a b",
        HOST_METRICS="maybe",
    )
    assert [line.partition(":")[0] for line in problems] == [
        "DOCKER_HOST",
        "AGENT_PORT",
        "AGENT_ACTIONS",
        "NODE_NAME",
        "HOST_METRICS",
        "MASTER",
    ]


def test_a_master_without_a_scheme_has_a_port() -> None:
    """`host` alone is refused, as by the old agent; `https://host` has the port of its scheme."""
    (problem,) = list_problems(MASTER="master1")
    assert problem == "MASTER: has no port; expected: host:port or https://host:port, separated by commas or spaces"
    assert load_settings({"MASTER": "https://master1"}, AgentSettings).master_urls == ("https://master1",)


def test_actions_need_a_token() -> None:
    """AGENT_ACTIONS without AGENT_TOKEN is an error."""
    assert list_problems(AGENT_ACTIONS="start") == [
        "AGENT_ACTIONS: is set, but AGENT_TOKEN is not; expected: AGENT_TOKEN as well"
    ]
    assert load_settings({"AGENT_ACTIONS": "start,stop", "AGENT_TOKEN": TOKEN}, AgentSettings).AGENT_ACTIONS == (
        "start",
        "stop",
    )


def test_secrets_can_be_in_files(tmp_path: Path) -> None:
    """AGENT_TOKEN_FILE and MASTER_SECRET_FILE contain the secrets, which repr hides."""
    (tmp_path / "t").write_text(f"{TOKEN}\n", encoding="utf-8")
    files = {f"{name}_FILE": str(tmp_path / "t") for name in ("AGENT_TOKEN", "MASTER_SECRET")}
    settings = load_settings(files, AgentSettings)
    assert settings.AGENT_TOKEN is not None
    assert settings.MASTER_SECRET is not None
    assert settings.AGENT_TOKEN.get_secret_value() == settings.MASTER_SECRET.get_secret_value() == TOKEN
    assert TOKEN not in repr(settings)


def test_the_address_of_the_engine(tmp_path: Path) -> None:
    """DOCKER_TLS_VERIFY makes requests to a host use TLS, with files that must be valid."""
    plain = load_settings({"DOCKER_HOST": "tcp://h:2375"}, AgentSettings)
    assert plain.engine_address == EngineAddress(host_and_port="h:2375")
    tls = {"DOCKER_HOST": "tcp://h:2376", "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(tmp_path)}
    (problem,) = list_problems(**tls)
    assert problem.startswith(f"DOCKER_CERT_PATH: {tmp_path}: ca.pem, cert.pem and key.pem cannot be used")


def test_masters() -> None:
    """Masters are base URLs, http without a scheme, each once."""
    settings = load_settings({"MASTER": "a:8761, https://b:1/ a:8761"}, AgentSettings)
    assert settings.master_urls == ("http://a:8761", "https://b:1")


def test_settings_without_effect() -> None:
    """Settings of reports without a master are worth a warning."""
    assert list(load_settings({"PUSH_PAGE": "on"}, AgentSettings).find_warnings()) == [
        "PUSH_PAGE has no effect without MASTER"
    ]


def test_every_process_has_its_own_names() -> None:
    """Misspelled names are found among the settings of the process, and all of those are described."""
    assert list(find_misspelled_variables({"AGENT_TOKENS": "x"}, AgentSettings)) == [("AGENT_TOKENS", "AGENT_TOKEN")]
    assert {name for name, *_ in describe_settings(AgentSettings)} == set(AgentSettings.model_fields)
