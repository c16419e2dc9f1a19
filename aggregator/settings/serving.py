"""Settings of the servers of the gateway and of observability: ports, limits, metrics, traces."""

import re
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, SecretStr

from aggregator.settings import ports, types
from aggregator.settings.connections import ConnectionSettings
from aggregator.settings.logs import LogSettings
from aggregator.settings.tls import (
    KEY_DESCRIPTION,
    PEM_EXPECTED,
    build_certificate_files,
    describe_certificate,
    describe_client_ca,
    find_tls_conflicts,
)
from aggregator.settings.types import (
    PemCertificateFile,
    PemKeyFile,
    Port,
    WordList,
    define_setting,
    is_loopback,
    validate_each,
)
from aggregator.util.files import CertificateFiles

# As browsers send it in Origin: lower case, no path, no default port.
_ORIGIN_PATTERN = re.compile(r"https?://([a-z0-9.-]+|\[[0-9a-f:]+\])(:[0-9]{1,5})?")


def _check_collector_url(secret: SecretStr) -> SecretStr:
    """Return the base URL of a collector, if it is valid."""
    types.check_url_port(types.split_http_url(secret.get_secret_value()))
    return secret


class ObservabilitySettings(LogSettings):
    """Logs, metrics and traces."""

    METRICS_PORT: Port | None = define_setting(
        None,
        "additional port that serves only /metrics, without tokens, for scrapers without a token; 0: any free port",
        "0 to 65535",
        "none; /metrics on HTTP_PORT only",
    )
    METRICS_HOST: str = define_setting("0.0.0.0", "listen address of METRICS_PORT", "an IP address or host name")  # noqa: S104 - a scraper is on another host
    OTEL_EXPORTER_OTLP_ENDPOINT: Annotated[SecretStr, AfterValidator(_check_collector_url)] | None = define_setting(
        None,
        "base URL of a trace collector (OTLP over HTTP). If set, requests, refreshes and queries are traced",
        "a URL that begins with http:// or https://",
        "no traces",
    )
    OTEL_EXPORTER_OTLP_PROTOCOL: str = define_setting(
        "http/protobuf", "protocol of the collector; only one is supported", "http/protobuf"
    )

    def find_conflicts(self) -> Iterator[str]:
        """Yield a port conflict, and an unsupported protocol."""
        yield from super().find_conflicts()
        server_by_port = {
            getattr(self, "http_port", None): "HTTP",
            getattr(self, "GRPC_PORT", None): "gRPC",
        }
        if self.METRICS_PORT and self.METRICS_PORT in server_by_port:
            server = server_by_port[self.METRICS_PORT]
            yield f"METRICS_PORT: is {self.METRICS_PORT}, which {server} already uses; expected: another port"
        if self.OTEL_EXPORTER_OTLP_ENDPOINT and self.OTEL_EXPORTER_OTLP_PROTOCOL != "http/protobuf":
            yield "OTEL_EXPORTER_OTLP_PROTOCOL: is not supported; expected: http/protobuf"


def _check_origin(word: str) -> None:
    if word != "*" and not _ORIGIN_PATTERN.fullmatch(word):
        raise ValueError(f"{word!r} is not an origin")


class ServingSettings(ConnectionSettings):
    """The HTTP and gRPC servers."""

    HTTP_PORT: Port | None = define_setting(
        None,
        "port of the HTTP server; 0: any free port",
        "0 to 65535",
        "8080 without GRPC_PORT, otherwise no HTTP",
    )
    GRPC_PORT: Port | None = define_setting(None, "port of the gRPC server; 0: any free port", "0 to 65535", "no gRPC")
    AGGREGATOR_PORT: Port | None = define_setting(
        None,
        "port of the HTTP server, under the name that Helm charts of the Go service use; ignored if HTTP_PORT is set, "
        "and if it is a URL (tcp://…) that Kubernetes sets for a Service",
        "0 to 65535",
        "not set",
    )
    HTTP_HOST: str = define_setting("0.0.0.0", "listen address of the HTTP server", "an IP address or host name")  # noqa: S104 - as the Go service does
    GRPC_HOST: str = define_setting("0.0.0.0", "listen address of the gRPC server", "an IP address or host name")  # noqa: S104 - as the Go service does
    HTTP_TLS_CERT: PemCertificateFile | None = define_setting(
        None, describe_certificate("HTTP"), PEM_EXPECTED, "no TLS"
    )
    HTTP_TLS_KEY: PemKeyFile | None = define_setting(None, KEY_DESCRIPTION, PEM_EXPECTED, "no TLS")
    HTTP_TLS_CLIENT_CA: PemCertificateFile | None = define_setting(
        None, describe_client_ca("HTTP"), PEM_EXPECTED, "no client certificates required"
    )
    GRPC_TLS_CERT: PemCertificateFile | None = define_setting(
        None, describe_certificate("gRPC"), PEM_EXPECTED, "no TLS"
    )
    GRPC_TLS_KEY: PemKeyFile | None = define_setting(None, KEY_DESCRIPTION, PEM_EXPECTED, "no TLS")
    GRPC_TLS_CLIENT_CA: PemCertificateFile | None = define_setting(
        None, describe_client_ca("gRPC"), PEM_EXPECTED, "no client certificates required"
    )
    CORS_ORIGINS: Annotated[WordList, validate_each(_check_origin)] = define_setting(
        (),
        "origins of web pages that may use the HTTP API from a browser (CORS); *: all",
        "origins such as https://dashboard.example, separated by commas or spaces",
        "none",
    )
    LAYOUT: Literal["1.2.5", "2025"] = define_setting(
        "1.2.5", "layout of the legacy JSON for requests without ?layout=", "1.2.5 or 2025"
    )

    @property
    def http_port(self) -> int | None:
        """The port of the HTTP server, None if there is none."""
        return ports.resolve_http_port(self.HTTP_PORT, self.GRPC_PORT, self.AGGREGATOR_PORT)

    @property
    def http_tls(self) -> CertificateFiles | None:
        """The certificate files of the HTTP server, None without TLS."""
        return build_certificate_files(self.HTTP_TLS_CERT, self.HTTP_TLS_KEY, self.HTTP_TLS_CLIENT_CA)

    @property
    def grpc_tls(self) -> CertificateFiles | None:
        """The certificate files of the gRPC server, None without TLS."""
        return build_certificate_files(self.GRPC_TLS_CERT, self.GRPC_TLS_KEY, self.GRPC_TLS_CLIENT_CA)

    @property
    def network_servers(self) -> tuple[str, ...]:
        """The servers that other machines can reach without a client certificate, as the prefixes of their settings."""
        servers = (
            ("HTTP", self.http_port, self.HTTP_HOST, self.HTTP_TLS_CLIENT_CA),
            ("GRPC", self.GRPC_PORT, self.GRPC_HOST, self.GRPC_TLS_CLIENT_CA),
        )
        return tuple(
            name
            for name, port, host, client_ca in servers
            if port is not None and client_ca is None and not is_loopback(host)
        )

    def find_conflicts(self) -> Iterator[str]:
        """Yield conflicts between ports, and between TLS files."""
        yield from super().find_conflicts()
        if self.http_port and self.http_port == self.GRPC_PORT:
            yield f"GRPC_PORT: is {self.GRPC_PORT}, which HTTP already uses; expected: another port"
        yield from self._find_unused_tls_files()
        yield from find_tls_conflicts("HTTP", self.HTTP_TLS_CERT, self.HTTP_TLS_KEY, self.HTTP_TLS_CLIENT_CA)
        yield from find_tls_conflicts("GRPC", self.GRPC_TLS_CERT, self.GRPC_TLS_KEY, self.GRPC_TLS_CLIENT_CA)

    def _find_unused_tls_files(self) -> Iterator[str]:
        """Yield TLS files of a server that has no port."""
        server_ports = {"HTTP": self.http_port, "GRPC": self.GRPC_PORT}
        for server in (name for name, port in server_ports.items() if port is None):
            for kind in ("CERT", "KEY", "CLIENT_CA"):
                if getattr(self, f"{server}_TLS_{kind}") is not None:
                    yield f"{server}_TLS_{kind}: is set, but the server has no port; expected: {server}_PORT as well"
