"""Settings of the scrape server."""

from collections.abc import Iterator
from ipaddress import ip_network
from typing import Annotated, Literal

from pydantic import AfterValidator, SecretStr

from aggregator.settings import types
from aggregator.settings.auth import TokenSettings
from aggregator.settings.connections import NETWORKS_EXPECTED, ConnectionSettings, IpNetworks, Networks
from aggregator.settings.logs import LogSettings
from aggregator.settings.pods import PodSettings
from aggregator.settings.tls import (
    KEY_DESCRIPTION,
    PEM_EXPECTED,
    build_certificate_files,
    describe_certificate,
    describe_client_ca,
    find_tls_conflicts,
)
from aggregator.settings.types import (
    DURATION_EXPECTED,
    DURATION_OR_ZERO_EXPECTED,
    LONG_DURATION_EXPECTED,
    CaFile,
    ConnectionLimit,
    CountLimit,
    LongSeconds,
    NonNegativeSeconds,
    PemCertificateFile,
    PemKeyFile,
    PositiveSeconds,
    SettingsGroup,
    SizeBytes,
    define_setting,
    parse_text,
    quote_value,
)
from aggregator.util.files import CertificateFiles

DEFAULT_SCRAPE_PORT = 5000
_TOKEN_EXPECTED = "printable ASCII characters without spaces"  # noqa: S105 - a description
# Settings of an older program that are accepted, but change nothing.
_UNUSED_NAMES = ("CLIENT_WORKERS", "SERVER_WORKERS")


def parse_ports(text: str) -> tuple[int, ...]:
    """Return the ports of a list; raise ValueError if one is invalid or there is none."""
    ports = []
    for word in types.split_words(text):
        if not (word.isascii() and word.isdigit() and len(word) <= 5 and int(word) <= 65535):
            raise ValueError(f"has {quote_value(word)}, not a port")
        ports.append(int(word))
    if not ports:
        raise ValueError("is an empty list")
    return tuple(dict.fromkeys(ports))


def _check_token(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("has a character that a header cannot have")
    return secret


Token = Annotated[SecretStr, AfterValidator(_check_token)]


class ListenSettings(ConnectionSettings):
    """Where the scrape server listens."""

    SCRAPE_PORT: Annotated[tuple[int, ...], parse_text(parse_ports)] = define_setting(
        (DEFAULT_SCRAPE_PORT,),
        "ports of the scrape server, all with the same content; 0: any free port",
        "0 to 65535, several separated by commas",
        str(DEFAULT_SCRAPE_PORT),
    )
    SCRAPE_HOST: str = define_setting("0.0.0.0", "listen address of the scrape server", "an IP address or host name")  # noqa: S104 - agents are on other hosts
    SCRAPE_TLS_CERT: PemCertificateFile | None = define_setting(
        None, describe_certificate("scrape"), PEM_EXPECTED, "no TLS"
    )
    SCRAPE_TLS_KEY: PemKeyFile | None = define_setting(None, KEY_DESCRIPTION, PEM_EXPECTED, "no TLS")
    SCRAPE_TLS_CLIENT_CA: PemCertificateFile | None = define_setting(
        None, describe_client_ca("the scrape server"), PEM_EXPECTED, "no client certificates required"
    )

    @property
    def tls(self) -> CertificateFiles | None:
        """The certificate files, None without TLS."""
        return build_certificate_files(self.SCRAPE_TLS_CERT, self.SCRAPE_TLS_KEY, self.SCRAPE_TLS_CLIENT_CA)

    def find_conflicts(self) -> Iterator[str]:
        """Yield TLS files that do not belong together."""
        yield from super().find_conflicts()
        yield from find_tls_conflicts("SCRAPE", self.SCRAPE_TLS_CERT, self.SCRAPE_TLS_KEY, self.SCRAPE_TLS_CLIENT_CA)


class RegistrySettings(SettingsGroup):
    """Who registers, and for how long."""

    AGENTS_FILE: str = define_setting(
        "aggregator_config.yaml",
        "list of agents: a YAML file with the key server-ips. Agents add themselves with POST /add-agent",
        "path of a file",
    )
    REGISTRY_FILE: str = define_setting(
        "registry.sqlite", "file with registered nodes and their tokens", "path of a file"
    )
    CLUSTER_NAME: str = define_setting("default", "cluster of hosts that report no label `cluster`", "a name")
    MIN_TTL: LongSeconds = define_setting(10.0, "shortest ttl of a report", LONG_DURATION_EXPECTED)
    MAX_TTL: LongSeconds = define_setting(3600.0, "longest ttl of a report", LONG_DURATION_EXPECTED)
    DEFAULT_TTL: LongSeconds = define_setting(120.0, "ttl of a report that has none", LONG_DURATION_EXPECTED)
    FORGET_AFTER: LongSeconds = define_setting(
        604_800.0, "how long a node may be silent before it is removed from the registry", LONG_DURATION_EXPECTED, "7d"
    )
    DISCOVERY_SECRET: Token | None = define_setting(
        None,
        "secret that agents send in X-Auth-Node; a node with a token of its own needs that instead",
        _TOKEN_EXPECTED,
        "none",
    )
    REGISTER_FROM: Networks = define_setting(
        (),
        "networks from which agents register without a secret",
        NETWORKS_EXPECTED,
        "private and loopback addresses if there is neither a secret nor a token, otherwise none",
    )

    @property
    def register_networks(self) -> IpNetworks:
        """The networks of REGISTER_FROM."""
        return tuple(map(ip_network, self.REGISTER_FROM))

    def find_conflicts(self) -> Iterator[str]:
        """Yield limits that exclude each other, or a default ttl that is not in the range."""
        yield from super().find_conflicts()
        if self.MIN_TTL > self.MAX_TTL:
            yield f"MIN_TTL: is {self.MIN_TTL:g} s; expected: at most MAX_TTL, {self.MAX_TTL:g} s"
        elif not self.MIN_TTL <= self.DEFAULT_TTL <= self.MAX_TTL:
            yield (
                f"DEFAULT_TTL: is {self.DEFAULT_TTL:g} s; "
                f"expected: a duration from MIN_TTL, {self.MIN_TTL:g} s, to MAX_TTL, {self.MAX_TTL:g} s"
            )


class TargetSettings(SettingsGroup):
    """How targets are scraped, and who may read the result."""

    SCRAPE_TIMEOUT: PositiveSeconds = define_setting(
        10.0, "time for an answer to a scraper that sends no X-Prometheus-Scrape-Timeout-Seconds", DURATION_EXPECTED
    )
    SCRAPE_CONCURRENCY: ConnectionLimit = define_setting(
        256, "maximum number of targets that are scraped at the same time", "1 to 1000000"
    )
    SCRAPE_REUSE: NonNegativeSeconds = define_setting(
        1.0,
        "how long an answer is reused for equal requests, such as those of the other Prometheus of a pair",
        DURATION_OR_ZERO_EXPECTED,
    )
    MAX_PAGE_BYTES: SizeBytes = define_setting(
        16 * 1024 * 1024, "maximum size of the page of one target, unpacked", "bytes, at least 1024", "16 MiB"
    )
    MAX_PAGE_SAMPLES: CountLimit = define_setting(
        100_000, "maximum number of samples on the page of one target", "1 to 100000000"
    )
    SCRAPE_ALLOW: Networks = define_setting(
        (),
        "networks that may be targets although they are loopback, link-local, multicast or those of cloud metadata",
        NETWORKS_EXPECTED,
        "none but what the list of agents names",
    )
    SCRAPE_TOKEN: Token | None = define_setting(
        None,
        "token that readers send, as a bearer token or as the password of basic authentication",
        _TOKEN_EXPECTED,
        "anyone may read",
    )
    AGENTS_TOKEN: Token | None = define_setting(
        None, "token that the server sends to the agents of the list, and to no others", _TOKEN_EXPECTED, "none"
    )
    AGENTS_CA_FILE: CaFile | None = define_setting(
        None,
        "trusted CA certificates of agents with TLS, instead of those of the system",
        "path of a PEM file with certificates",
        "those of the system",
    )
    AGENT_COMMANDS: Literal["on", "off"] = define_setting(
        "off", "on: POST /command starts and stops containers through the agents; requires SCRAPE_TOKEN", "on or off"
    )
    LEGACY_METRICS: Literal["on", "off"] = define_setting(
        "on", "off: /metrics has no metrics of the old aggregator (server_*, container_status, …)", "on or off"
    )
    LEGACY_PERCENT_SCALE: Literal["1", "100"] = define_setting(
        "100",
        "factor of container_cpu_percent and container_mem_percent. 100: whole hundredths of a percent, as the old "
        "aggregator; 1: percent, as its document says",
        "1 or 100",
    )

    @property
    def allowed_networks(self) -> IpNetworks:
        """The networks of SCRAPE_ALLOW."""
        return tuple(map(ip_network, self.SCRAPE_ALLOW))

    def find_conflicts(self) -> Iterator[str]:
        """Yield commands that anyone could send."""
        yield from super().find_conflicts()
        # Any reader may send commands, so readers must be known by a secret that is made for this server.
        if self.AGENT_COMMANDS == "on" and self.SCRAPE_TOKEN is None:
            yield "AGENT_COMMANDS: is on, but anyone could send commands; expected: SCRAPE_TOKEN as well"


class ScrapeSettings(LogSettings, TokenSettings, PodSettings, TargetSettings, RegistrySettings, ListenSettings):
    """All settings of the scrape server; pydantic lists the fields of the last group first."""

    CLIENT_WORKERS: CountLimit | None = define_setting(
        None, "accepted from installations of the old Kubernetes aggregator; has no effect", "a number", "none"
    )
    SERVER_WORKERS: CountLimit | None = define_setting(
        None, "accepted from installations of the old Kubernetes aggregator; has no effect", "a number", "none"
    )

    def find_warnings(self) -> Iterator[str]:
        """Yield the settings that have no effect."""
        yield from super().find_warnings()
        for name in _UNUSED_NAMES:
            if name in self.model_fields_set:
                yield f"{name} has no effect: one process handles all requests concurrently"
