"""All settings of `aggregator agent`."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, SecretStr

from aggregator.docker.address import EngineAddress, find_default_socket, parse_engine_address
from aggregator.docker.facts import ACTIONS
from aggregator.errors import CertificateError
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
    DURATION_EXPECTED,
    CaFile,
    NameList,
    PemCertificateFile,
    PemKeyFile,
    Port,
    PositiveSeconds,
    SettingsGroup,
    WordList,
    check_url_port,
    define_setting,
    is_loopback,
    quote_value,
    split_http_url,
    validate_each,
)
from aggregator.util.files import CertificateFiles

_TOKEN_PATTERN = re.compile(r"[\x21-\x7e]+", re.ASCII)
_NODE_NAME_PATTERN = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,61}[A-Za-z0-9])?", re.ASCII)
_TOKEN_EXPECTED = "one word of ASCII characters"  # noqa: S105 - what is expected of a token


def _check_engine_address(text: str) -> str:
    parse_engine_address(text)
    return text


def _check_token(secret: SecretStr) -> SecretStr:
    if not _TOKEN_PATTERN.fullmatch(secret.get_secret_value()):
        raise ValueError("is not one word of ASCII characters")
    return secret


def _check_action(word: str) -> None:
    if word not in ACTIONS:
        raise ValueError(f"has {quote_value(word)}")


def _check_node_name(text: str) -> str:
    if not _NODE_NAME_PATTERN.fullmatch(text):
        raise ValueError(f"is {quote_value(text)}")
    return text


def parse_master_url(text: str) -> str:
    """Return the base URL of a master in a list; without a scheme it is http. Raises ValueError if it is invalid."""
    url = text if "://" in text else f"http://{text}"
    parts = split_http_url(url)
    check_url_port(parts)
    if parts.port is None and url != text:
        raise ValueError("has no port")
    if parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError("has more than a scheme, a host and a port")
    return url.rstrip("/")


class EngineSettings(SettingsGroup):
    """The Engine, as the Docker client finds it."""

    DOCKER_HOST: Annotated[str, AfterValidator(_check_engine_address)] | None = define_setting(
        None,
        "address of the Engine: Docker, or Podman with its compatible API",
        "unix:///path, tcp://host:port or host:port",
        "the socket of Docker, otherwise that of Podman",
    )
    DOCKER_TLS_VERIFY: str | None = define_setting(
        None, "any text: requests to a host and port use TLS and verify the Engine", "any text", "no TLS"
    )
    DOCKER_CERT_PATH: str | None = define_setting(
        None, "folder with ca.pem, cert.pem and key.pem for TLS", "path of a folder", "~/.docker"
    )

    @property
    def engine_address(self) -> EngineAddress:
        """The address of the Engine."""
        if self.DOCKER_HOST is None:
            return EngineAddress(socket_path=find_default_socket())
        cert_path = (self.DOCKER_CERT_PATH or str(Path.home() / ".docker")) if self.DOCKER_TLS_VERIFY else None
        return parse_engine_address(self.DOCKER_HOST, cert_path)

    def find_conflicts(self) -> Iterator[str]:
        """Yield TLS files that cannot be used."""
        yield from super().find_conflicts()
        try:
            self.engine_address.build_ssl_context()
        except CertificateError as error:
            yield f"DOCKER_CERT_PATH: {error}; expected: path of a folder, because DOCKER_TLS_VERIFY is set"


class AgentServerSettings(SettingsGroup):
    """The HTTP server of the agent."""

    AGENT_PORT: Port = define_setting(5050, "port of the HTTP server; 0: any free port", "0 to 65535")
    AGENT_HOST: str = define_setting(
        "127.0.0.1",
        "listen address. Other machines can connect only to another address than the default, which requires "
        "AGENT_TOKEN, AGENT_TLS_CLIENT_CA or AGENT_OPEN=yes",
        "an IP address or host name",
    )
    AGENT_TOKEN: Annotated[SecretStr, AfterValidator(_check_token)] | None = define_setting(
        None,
        "token that clients must send as `Authorization: Bearer …`, or as the password of basic authentication",
        _TOKEN_EXPECTED,
        "no token required",
    )
    AGENT_TLS_CERT: PemCertificateFile | None = define_setting(
        None, describe_certificate("HTTP"), PEM_EXPECTED, "no TLS"
    )
    AGENT_TLS_KEY: PemKeyFile | None = define_setting(None, KEY_DESCRIPTION, PEM_EXPECTED, "no TLS")
    AGENT_TLS_CLIENT_CA: PemCertificateFile | None = define_setting(
        None, describe_client_ca("HTTP"), PEM_EXPECTED, "no client certificates required"
    )
    AGENT_OPEN: Literal["yes", "no"] = define_setting(
        "no", "yes: other machines may read everything without a token or certificate", "yes or no"
    )
    AGENT_ACTIONS: Annotated[WordList, validate_each(_check_action)] = define_setting(
        (),
        "what `POST /command/…` may do to containers; requires AGENT_TOKEN",
        f"any of {', '.join(ACTIONS)}, separated by commas or spaces",
        "nothing",
    )

    @property
    def agent_tls(self) -> CertificateFiles | None:
        """The certificate files of the HTTP server, None without TLS."""
        return build_certificate_files(self.AGENT_TLS_CERT, self.AGENT_TLS_KEY, self.AGENT_TLS_CLIENT_CA)

    def find_conflicts(self) -> Iterator[str]:
        """Yield TLS files that do not belong together, and access that is open by mistake."""
        yield from super().find_conflicts()
        yield from find_tls_conflicts("AGENT", self.AGENT_TLS_CERT, self.AGENT_TLS_KEY, self.AGENT_TLS_CLIENT_CA)
        is_restricted = self.AGENT_TOKEN is not None or self.AGENT_TLS_CLIENT_CA is not None
        if not is_loopback(self.AGENT_HOST) and not is_restricted and self.AGENT_OPEN != "yes":
            yield (
                f"AGENT_HOST: is {self.AGENT_HOST}, so that other machines could read everything; "
                "expected: AGENT_TOKEN, AGENT_TLS_CLIENT_CA or AGENT_OPEN=yes as well"
            )
        if self.AGENT_ACTIONS and self.AGENT_TOKEN is None:
            yield "AGENT_ACTIONS: is set, but AGENT_TOKEN is not; expected: AGENT_TOKEN as well"


class CollectionSettings(SettingsGroup):
    """What the agent collects."""

    NODE_NAME: Annotated[str, AfterValidator(_check_node_name)] | None = define_setting(
        None,
        "name of this host in /get-data, in reports and in node_uname_info",
        "letters, digits, hyphens and dots, at most 63",
        "the host name in /get-data, the name of the Engine elsewhere",
    )
    CONTAINER_LABELS: NameList = define_setting(
        (), "labels of containers that become labels of their metrics", "names, separated by commas", "none"
    )
    HOST_METRICS: Literal["on", "off"] = define_setting(
        "on", "off: no metrics of the host (node_*), for hosts with node_exporter", "on or off"
    )
    LEGACY_TEXT: Literal["safe", "verbatim"] = define_setting(
        "safe",
        "texts in /get-data. safe: without quotes, backslashes and line ends, which old aggregators cannot read; "
        "verbatim: unchanged",
        "safe or verbatim",
    )
    COLLECT_TIMEOUT: PositiveSeconds = define_setting(
        4.0, "time for a collection; containers whose numbers are late are left out and counted", DURATION_EXPECTED
    )


class ReportSettings(SettingsGroup):
    """Reports to masters."""

    MASTER: Annotated[WordList, validate_each(parse_master_url)] = define_setting(
        (),
        "masters that get reports, such as a scrape server; independently of each other",
        "host:port or https://host:port, separated by commas or spaces",
        "no reports",
    )
    MASTER_SECRET: Annotated[SecretStr, AfterValidator(_check_token)] | None = define_setting(
        None, "secret of the masters, or the token of this node; sent as X-Auth-Node", _TOKEN_EXPECTED, "none"
    )
    REPORT_INTERVAL: PositiveSeconds = define_setting(
        60.0, "time from the start of a report to the start of the next one", DURATION_EXPECTED
    )
    REPORT_CA_FILE: CaFile | None = define_setting(
        None, "CA certificates for masters with https", "path of a PEM file with certificates", "those of the system"
    )
    PUSH_PAGE: Literal["on", "off"] = define_setting(
        "off",
        "on: each report is followed by the page of metrics, for hosts that cannot be reached from the scrape server",
        "on or off",
    )

    @property
    def master_urls(self) -> tuple[str, ...]:
        """The base URLs of the masters."""
        return tuple(dict.fromkeys(map(parse_master_url, self.MASTER)))

    def find_warnings(self) -> Iterator[str]:
        """Yield settings without effect."""
        yield from super().find_warnings()
        if not self.MASTER:
            for name in sorted(
                {"MASTER_SECRET", "REPORT_INTERVAL", "REPORT_CA_FILE", "PUSH_PAGE"} & self.model_fields_set
            ):
                yield f"{name} has no effect without MASTER"


class AgentSettings(LogSettings, ReportSettings, CollectionSettings, AgentServerSettings, EngineSettings):
    """All settings of the agent; pydantic lists the fields of the last group first."""
