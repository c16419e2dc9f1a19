"""Settings of what the process tells of itself: where metrics are served, where traces go."""

import pytest

from aggregator.errors import SettingsError
from aggregator.settings import read

ADDRESS = {"PROMETHEUS_ADDRESS": "http://prometheus:9090"}
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
PROTOCOL = "OTEL_EXPORTER_OTLP_PROTOCOL"


def problems(**environment: str) -> list[str]:
    """Return what is wrong with an environment."""
    with pytest.raises(SettingsError) as caught:
        read(ADDRESS | environment)
    return caught.value.problems


def test_nothing_is_told_unless_asked_for() -> None:
    """Without further settings there is no port for metrics and no tracing."""
    settings = read(ADDRESS)
    assert (settings.METRICS_PORT, settings.METRICS_HOST) == (None, "0.0.0.0")  # noqa: S104 - the documented default
    assert settings.OTEL_EXPORTER_OTLP_ENDPOINT is None


@pytest.mark.parametrize(
    ("ports", "server"),
    [({"HTTP_PORT": "80"}, "HTTP"), ({"GRPC_PORT": "80"}, "gRPC"), ({"AGGREGATOR_PORT": "80"}, "HTTP")],
    ids=str,
)
def test_metrics_need_a_port_of_their_own(ports: dict[str, str], server: str) -> None:
    """METRICS_PORT may not be the port of another server; 0 for both is two free ones."""
    expected = f"METRICS_PORT: is 80, the port of {server}, too; expected: a port of its own"
    assert problems(**ports, METRICS_PORT="80") == [expected]
    assert read(ADDRESS | {"HTTP_PORT": "0", "METRICS_PORT": "0"}).METRICS_PORT == 0


@pytest.mark.parametrize("port", ["x", "-1", "65536", "1_000"])
def test_a_bad_port_is_named(port: str) -> None:
    """What is no port is refused in one line that names METRICS_PORT."""
    (line,) = problems(METRICS_PORT=port)
    assert line.startswith("METRICS_PORT: ")
    assert line.endswith("; expected: 0 to 65535")


@pytest.mark.parametrize(
    "url",
    ["collector:4318", "grpc://u:sw0rdfish@c", "http://", "http://u:sw0rdfish@h:99999", "http://[::1", "sw0rdfish"],
)
def test_a_bad_collector_is_named(url: str) -> None:
    """What is no URL of a collector is refused in one line that does not repeat it."""
    (line,) = problems(**{ENDPOINT: url})
    assert line.startswith(f"{ENDPOINT}: ")
    assert line.endswith("; expected: a URL that begins with http:// or https://")
    assert "sw0rdfish" not in line


@pytest.mark.parametrize("protocol", ["grpc", "http/json"])
def test_one_protocol_is_spoken(protocol: str) -> None:
    """Another protocol than http/protobuf is refused, where traces are wanted at all."""
    expected = f"{PROTOCOL}: is a protocol that is not spoken here; expected: http/protobuf"
    assert problems(**{ENDPOINT: "http://collector:4318", PROTOCOL: protocol}) == [expected]
    assert read(ADDRESS | {PROTOCOL: protocol}).OTEL_EXPORTER_OTLP_ENDPOINT is None
    chosen = read(ADDRESS | {ENDPOINT: "http://collector:4318", PROTOCOL: "http/protobuf"})
    assert chosen.OTEL_EXPORTER_OTLP_PROTOCOL == "http/protobuf"


def test_a_collector_is_printed_as_stars() -> None:
    """The collector's address may hold a password: printing the settings does not show it."""
    settings = read(ADDRESS | {ENDPOINT: "http://u:sw0rdfish@collector:4318"})
    assert settings.OTEL_EXPORTER_OTLP_ENDPOINT is not None
    assert "sw0rdfish" not in repr(settings)
