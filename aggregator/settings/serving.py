"""Where and how the answers are served."""

import re
from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Literal

from pydantic import AfterValidator

from aggregator import certificates, ports
from aggregator.certificates import CertificateFiles
from aggregator.errors import CertificateError
from aggregator.settings.kinds import (
    CertificatesFile,
    Group,
    KeyFile,
    ManyCount,
    Port,
    Seconds,
    Words,
    check_each,
    setting,
)

_PEM = "path of a PEM file"
_CERT = "certificate of the {} server, followed by those between it and its authority; set: it speaks only TLS"
_KEY = "key of that certificate, without a password"
_CLIENT_CA = "certificates of authorities; set: only clients with a certificate of theirs may connect to {}"
# What a browser sends as Origin: no path, no capitals, no port that is the scheme's own.
_ORIGIN = re.compile(r"https?://([a-z0-9.-]+|\[[0-9a-f:]+\])(:[0-9]{1,5})?")


def _networks(words: tuple[str, ...]) -> tuple[str, ...]:
    check_each(_network, words)
    return words


def _network(word: str) -> None:
    try:
        ip_network(word)
    except ValueError:
        raise ValueError(f"{word!r} is no network") from None


def _origins(words: tuple[str, ...]) -> tuple[str, ...]:
    check_each(_origin, words)
    return words


def _origin(word: str) -> None:
    if word != "*" and not _ORIGIN.fullmatch(word):
        raise ValueError(f"{word!r} is no origin")


class ServingSettings(Group):
    """The HTTP and gRPC servers."""

    HTTP_PORT: Port | None = setting(
        None,
        "port of the HTTP server; 0 takes a free one",
        "0 to 65535",
        "8080 if GRPC_PORT is not set either, else no HTTP",
    )
    GRPC_PORT: Port | None = setting(None, "port of the gRPC server; 0 takes a free one", "0 to 65535", "no gRPC")
    AGGREGATOR_PORT: Port | None = setting(
        None,
        "stands in for HTTP_PORT where that is not set, for charts of the Go service; beside HTTP_PORT, and where it "
        "is a URL that Kubernetes puts there (tcp://…), it is not looked at",
        "0 to 65535",
        "not set",
    )
    HTTP_HOST: str = setting("0.0.0.0", "address that the HTTP server listens on", "an IP address or host name")  # noqa: S104 - what the contract says
    GRPC_HOST: str = setting("0.0.0.0", "address that the gRPC server listens on", "an IP address or host name")  # noqa: S104 - what the contract says
    HTTP_TLS_CERT: CertificatesFile | None = setting(None, _CERT.format("HTTP"), _PEM, "no TLS")
    HTTP_TLS_KEY: KeyFile | None = setting(None, _KEY, _PEM, "no TLS")
    HTTP_TLS_CLIENT_CA: CertificatesFile | None = setting(None, _CLIENT_CA.format("HTTP"), _PEM, "clients need none")
    GRPC_TLS_CERT: CertificatesFile | None = setting(None, _CERT.format("gRPC"), _PEM, "no TLS")
    GRPC_TLS_KEY: KeyFile | None = setting(None, _KEY, _PEM, "no TLS")
    GRPC_TLS_CLIENT_CA: CertificatesFile | None = setting(None, _CLIENT_CA.format("gRPC"), _PEM, "clients need none")
    MAX_CONNECTIONS: ManyCount = setting(
        10_000,
        "connections that each server has at once, if the process may open as many files; more are refused",
        "1 to 1000000",
    )
    TRUSTED_PROXIES: Annotated[Words, AfterValidator(_networks)] = setting(
        (),
        "proxies whose X-Forwarded-For is believed",
        "addresses and networks, such as 10.0.0.0/8, with commas or spaces between them",
        "none",
    )
    CORS_ORIGINS: Annotated[Words, AfterValidator(_origins)] = setting(
        (),
        "web pages of which origins may ask from a browser; * for all",
        "origins, such as https://dashboard.example, with commas or spaces between them",
        "none",
    )
    LAYOUT: Literal["1.2.5", "2025"] = setting(
        "1.2.5", "layout of the JSON that a request without ?layout= gets", "1.2.5 or 2025"
    )
    GRACE: Seconds = setting(
        20.0, "seconds that calls under way get to finish after SIGTERM", "seconds, more than 0, at most 86400"
    )

    @property
    def http_port(self) -> int | None:
        """The port of the HTTP server, None for no such server."""
        return ports.http_port(self.HTTP_PORT, self.GRPC_PORT, self.AGGREGATOR_PORT)

    @property
    def trusted_proxies(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """The networks of TRUSTED_PROXIES."""
        return tuple(ip_network(word) for word in self.TRUSTED_PROXIES)

    @property
    def http_tls(self) -> CertificateFiles | None:
        """The files of the HTTP server, None for no TLS."""
        return _files(self.HTTP_TLS_CERT, self.HTTP_TLS_KEY, self.HTTP_TLS_CLIENT_CA)

    @property
    def grpc_tls(self) -> CertificateFiles | None:
        """The files of the gRPC server, None for no TLS."""
        return _files(self.GRPC_TLS_CERT, self.GRPC_TLS_KEY, self.GRPC_TLS_CLIENT_CA)

    def contradictions(self) -> Iterator[str]:
        """Yield what ports, and files for TLS, have against each other."""
        yield from super().contradictions()
        if self.http_port and self.http_port == self.GRPC_PORT:
            yield f"GRPC_PORT: is {self.GRPC_PORT}, the port of HTTP, too; expected: a port of its own"
        yield from self._tls_without_server()
        yield from _tls_contradictions("HTTP", self.HTTP_TLS_CERT, self.HTTP_TLS_KEY, self.HTTP_TLS_CLIENT_CA)
        yield from _tls_contradictions("GRPC", self.GRPC_TLS_CERT, self.GRPC_TLS_KEY, self.GRPC_TLS_CLIENT_CA)

    def _tls_without_server(self) -> Iterator[str]:
        """Yield files of a server that does not run: whoever names them takes it for one that does."""
        ports = {"HTTP": self.http_port, "GRPC": self.GRPC_PORT}
        for server in (name for name, port in ports.items() if port is None):
            for kind in ("CERT", "KEY", "CLIENT_CA"):
                if getattr(self, f"{server}_TLS_{kind}") is not None:
                    yield f"{server}_TLS_{kind}: is set, but there is no such server; expected: {server}_PORT beside it"


def _files(cert: str | None, key: str | None, client_ca: str | None) -> CertificateFiles | None:
    return CertificateFiles(cert, key, client_ca) if cert is not None and key is not None else None


def _tls_contradictions(server: str, cert: str | None, key: str | None, client_ca: str | None) -> Iterator[str]:
    files = _files(cert, key, client_ca)
    if files is not None:
        try:
            certificates.read(files)
        except CertificateError as error:
            yield f"{server}_TLS_KEY: {error}; expected: {_KEY}"
        return
    if cert is not None:
        yield f"{server}_TLS_KEY: is not set beside {server}_TLS_CERT; expected: {_PEM}"
    elif key is not None or client_ca is not None:
        beside = "KEY" if key is not None else "CLIENT_CA"
        yield f"{server}_TLS_CERT: is not set beside {server}_TLS_{beside}; expected: {_PEM}"
