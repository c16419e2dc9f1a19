"""aggregator/settings/pods.py: the settings of the discovery of pods."""

import pytest

from aggregator.errors import SettingsError
from aggregator.settings.scrape import ScrapeSettings
from aggregator.settings.settings import find_misspelled_variables, load_settings


def test_namespaces_are_a_list() -> None:
    """Namespaces are separated by commas; without any, all are asked for."""
    assert load_settings({"NAMESPACES": "team-a, team-b"}, ScrapeSettings).NAMESPACES == ("team-a", "team-b")
    assert load_settings({}, ScrapeSettings).NAMESPACES == ()


@pytest.mark.parametrize(
    "variables",
    [
        {"NAMESPACES": "../nodes"},
        {"NAMESPACES": "Team"},
        {"KUBERNETES": "yes"},
        {"POD_ANNOTATIONS": "true"},
        {"CACHE_UPDATE_INTERVAL": "0"},
        {"NAMESPACES": "a", "SEND_TOKEN_NAMESPACES": "b"},
    ],
)
def test_invalid_settings(variables: dict[str, str]) -> None:
    """A name that no namespace has, another word than expected, and a namespace that is never asked for are errors."""
    with pytest.raises(SettingsError):
        load_settings(variables, ScrapeSettings)


def test_variables_of_kubernetes_are_not_misspelled() -> None:
    """What Kubernetes sets in every pod is no reason for a warning."""
    names = ("PORT", "SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_HTTPS", "PORT_443_TCP", "PORT_443_TCP_PROTO")
    variables = {f"KUBERNETES_{name}": "443" for name in names}
    assert list(find_misspelled_variables(variables, ScrapeSettings)) == []
