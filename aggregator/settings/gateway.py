"""All settings of the gateway."""

from collections.abc import Iterator, Mapping
from typing import ClassVar

from aggregator.settings import ports
from aggregator.settings.auth import AccessSettings
from aggregator.settings.serving import ObservabilitySettings, ServingSettings
from aggregator.settings.upstream import RefreshSettings, UpstreamSettings

_PORT_NAMES = frozenset({"HTTP_PORT", "AGGREGATOR_PORT", "GRPC_PORT"})


class Settings(ObservabilitySettings, RefreshSettings, ServingSettings, AccessSettings, UpstreamSettings):
    """All settings of the gateway; pydantic lists the fields of the last group first."""

    PLACEHOLDER_VALUES: ClassVar[Mapping[str, str]] = {"PROMETHEUS_ADDRESS": "http://localhost"}

    @classmethod
    def find_ignored_names(cls, values: Mapping[str, str]) -> Iterator[str]:
        """Yield AGGREGATOR_PORT where it has no effect, so that it is not checked."""
        aggregator_port = values.get("AGGREGATOR_PORT", "")
        if aggregator_port and not ports.resolve_aggregator_port(aggregator_port, values.get("HTTP_PORT", "")):
            yield "AGGREGATOR_PORT"

    @classmethod
    def list_dependent_words(cls, invalid_names: frozenset[str]) -> frozenset[str]:
        """Return the names and the server HTTP, whose port depends on three settings."""
        return invalid_names | ({"HTTP"} if invalid_names & _PORT_NAMES else set())
