"""What the process tells of itself."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, SecretStr

from aggregator.settings import urls
from aggregator.settings.kinds import Group, Port, setting


def _collector(secret: SecretStr) -> SecretStr:
    """Check a collector's base URL."""
    urls.check_port(urls.split(secret.get_secret_value()))
    return secret


class TellingSettings(Group):
    """Logs, metrics, traces."""

    LOG_LEVEL: Literal["debug", "info", "warning", "error"] = setting(
        "info", "least urgent messages that are logged", "debug, info, warning or error"
    )
    LOG_FORMAT: Literal["text", "json"] | None = setting(
        None, "form of the log on stderr", "text or json", "text on a terminal, else json"
    )
    METRICS_PORT: Port | None = setting(
        None,
        "a further port that answers /metrics and nothing else, never asking for a token, for a scraper: with "
        "CLUSTER_ROLES, /metrics of HTTP wants one that shows all clusters; 0 takes a free one",
        "0 to 65535",
        "none; /metrics of HTTP",
    )
    METRICS_HOST: str = setting("0.0.0.0", "address that METRICS_PORT listens on", "an IP address or host name")  # noqa: S104 - a scraper is on another host
    OTEL_EXPORTER_OTLP_ENDPOINT: Annotated[SecretStr, AfterValidator(_collector)] | None = setting(
        None,
        "base URL of a trace collector that takes OTLP over HTTP; set: requests, refreshes and queries are traced",
        "a URL that begins with http:// or https://",
        "no traces",
    )
    OTEL_EXPORTER_OTLP_PROTOCOL: str = setting(
        "http/protobuf", "how the collector is spoken to; there is one way", "http/protobuf"
    )

    def contradictions(self) -> Iterator[str]:
        """Yield what ports have against each other, and a protocol that is not spoken."""
        yield from super().contradictions()
        taken = {
            getattr(self, "http_port", None): "HTTP",
            getattr(self, "GRPC_PORT", None): "gRPC",
        }
        if self.METRICS_PORT and self.METRICS_PORT in taken:
            server = taken[self.METRICS_PORT]
            yield f"METRICS_PORT: is {self.METRICS_PORT}, the port of {server}, too; expected: a port of its own"
        if self.OTEL_EXPORTER_OTLP_ENDPOINT and self.OTEL_EXPORTER_OTLP_PROTOCOL != "http/protobuf":
            yield "OTEL_EXPORTER_OTLP_PROTOCOL: is a protocol that is not spoken here; expected: http/protobuf"
