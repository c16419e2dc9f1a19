"""Settings of metrics and traces."""

import pytest

from aggregator.errors import SettingsError
from aggregator.settings.gateway import Settings
from aggregator.settings.settings import load_settings

ADDRESS = {"PROMETHEUS_ADDRESS": "http://prometheus:9090"}
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
PROTOCOL = "OTEL_EXPORTER_OTLP_PROTOCOL"


def list_problems(**environment: str) -> list[str]:
    """Return the problems of an environment."""
    with pytest.raises(SettingsError) as caught:
        load_settings(ADDRESS | environment, Settings)
    return caught.value.problems


def test_no_metrics_port_and_no_traces_by_default() -> None:
    """By default there is no metrics port and no tracing."""
    settings = load_settings(ADDRESS, Settings)
    assert (settings.METRICS_PORT, settings.METRICS_HOST) == (None, "0.0.0.0")  # noqa: S104 - the documented default
    assert settings.OTEL_EXPORTER_OTLP_ENDPOINT is None


@pytest.mark.parametrize(
    ("ports", "server"),
    [({"HTTP_PORT": "80"}, "HTTP"), ({"GRPC_PORT": "80"}, "gRPC"), ({"AGGREGATOR_PORT": "80"}, "HTTP")],
    ids=str,
)
def test_metrics_need_a_port_of_their_own(ports: dict[str, str], server: str) -> None:
    """METRICS_PORT must differ from the ports of the servers; 0 for both means two free ports."""
    expected = f"METRICS_PORT: is 80, which {server} already uses; expected: another port"
    assert list_problems(**ports, METRICS_PORT="80") == [expected]
    assert load_settings(ADDRESS | {"HTTP_PORT": "0", "METRICS_PORT": "0"}, Settings).METRICS_PORT == 0


@pytest.mark.parametrize("port", ["x", "-1", "65536", "1_000"])
def test_an_invalid_port_is_a_problem(port: str) -> None:
    """An invalid port is one problem of METRICS_PORT."""
    (line,) = list_problems(METRICS_PORT=port)
    assert line.startswith("METRICS_PORT: ")
    assert line.endswith("; expected: 0 to 65535")


@pytest.mark.parametrize(
    "url",
    ["collector:4318", "grpc://u:sw0rdfish@c", "http://", "http://u:sw0rdfish@h:99999", "http://[::1", "sw0rdfish"],
)
def test_an_invalid_collector_is_a_problem(url: str) -> None:
    """An invalid URL of a collector is one problem, which does not contain the URL."""
    (line,) = list_problems(**{ENDPOINT: url})
    assert line.startswith(f"{ENDPOINT}: ")
    assert line.endswith("; expected: a URL that begins with http:// or https://")
    assert "sw0rdfish" not in line


@pytest.mark.parametrize("protocol", ["grpc", "http/json"])
def test_one_protocol_is_supported(protocol: str) -> None:
    """A protocol other than http/protobuf is a problem if traces are enabled."""
    expected = f"{PROTOCOL}: is not supported; expected: http/protobuf"
    assert list_problems(**{ENDPOINT: "http://collector:4318", PROTOCOL: protocol}) == [expected]
    assert load_settings(ADDRESS | {PROTOCOL: protocol}, Settings).OTEL_EXPORTER_OTLP_ENDPOINT is None
    settings = load_settings(ADDRESS | {ENDPOINT: "http://collector:4318", PROTOCOL: "http/protobuf"}, Settings)
    assert settings.OTEL_EXPORTER_OTLP_PROTOCOL == "http/protobuf"


def test_the_url_of_the_collector_is_masked() -> None:
    """The URL of the collector is masked in repr, because it may contain a password."""
    settings = load_settings(ADDRESS | {ENDPOINT: "http://u:sw0rdfish@collector:4318"}, Settings)
    assert settings.OTEL_EXPORTER_OTLP_ENDPOINT is not None
    assert "sw0rdfish" not in repr(settings)
