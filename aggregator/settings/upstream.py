"""Settings of the upstreams and of the refreshes: addresses, credentials, replay, timeouts and limits."""

import re
import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import SplitResult, parse_qsl, unquote

from pydantic import AfterValidator, SecretStr

from aggregator.errors import RecordingError
from aggregator.models.catalog.default_catalog import ALL_FAMILIES, TelemetryFamily
from aggregator.models.catalog.row import DEFAULT_CLUSTER_LABELS
from aggregator.querier.prometheus.client import UpstreamAddress
from aggregator.querier.prometheus.credentials import BEARER_TOKEN_PATTERN, UpstreamCredentials, read_token_file
from aggregator.querier.recording.replay import RecordingReader
from aggregator.settings import types
from aggregator.settings.types import (
    DURATION_EXPECTED,
    DURATION_OR_ZERO_EXPECTED,
    EXPECTED_SEPARATOR,
    CaFile,
    ConcurrencyLimit,
    NonNegativeSeconds,
    PositiveSeconds,
    ReadableFile,
    SettingsGroup,
    SizeBytes,
    WordList,
    define_setting,
    parse_text,
)

MAX_OPTION_CHARACTERS = 100
HEADER_NAME_PATTERN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
HEADER_VALUE_PATTERN = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")
# Set by the HTTP client, or by a setting of their own.
RESERVED_HEADERS = frozenset(
    (
        "accept-encoding",
        "authorization",
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)
LABEL_NAME_PATTERN = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]{0,99}", re.ASCII)
PARAMETER_NAME_PATTERN = re.compile(r"[A-Za-z0-9_.\[\]-]+")
# Set by the client, or by THANOS and PARTIAL_RESPONSE.
RESERVED_PARAMETERS = frozenset(("query", "time", "timeout", "dedup", "partial_response", "max_source_resolution"))
REPLAY_PREFIX = "replay:"
MAX_REPLAY_SPEED = 1_000_000.0
_SPEED_PATTERN = re.compile(r"speed=([0-9]{1,7}(?:\.[0-9]{1,6})?|max)", re.ASCII)


def parse_addresses(text: str) -> tuple[UpstreamAddress, ...]:
    """Return the upstreams of a list of URLs: base URL without trailing slash, credentials, name, cluster label.

    Raises ValueError, whose text never contains a URL, because that may contain a password.
    """
    address_texts = types.split_words(text)
    if any(url.startswith(REPLAY_PREFIX) for url in address_texts):
        raise ValueError("lists a recording and other addresses; a recording must be the only address")
    parsed_addresses = tuple(_parse_each_address(address_texts))
    if not parsed_addresses:
        raise ValueError("lists no upstream")
    if len({address.name for address in parsed_addresses}) < len(parsed_addresses):
        raise ValueError("lists two upstreams with the same name; add #name=… to one of the URLs")
    return parsed_addresses


def _parse_each_address(address_texts: Sequence[str]) -> Iterator[UpstreamAddress]:
    problems = []
    for number, url in enumerate(address_texts, 1):
        try:
            yield _parse_address(url)
        except ValueError as error:
            problems.append(
                f"address {number} of {len(address_texts)} {error}" if len(address_texts) > 1 else str(error)
            )
    if problems:
        raise ValueError("; ".join(problems))


def _parse_address(url: str) -> UpstreamAddress:
    parts = _split_address(url)
    options = _parse_fragment_options(parts.fragment)
    host_and_port = parts.netloc.rpartition("@")[2]
    return UpstreamAddress(
        url=f"{parts.scheme}://{host_and_port}{parts.path.rstrip('/')}",
        user=unquote(parts.username) if parts.username is not None else None,
        password=unquote(parts.password) if parts.password is not None else None,
        name=options.get("name", host_and_port),
        cluster=options.get("cluster", ""),
    )


def _split_address(url: str) -> SplitResult:
    parts = types.split_http_url(url)
    if "@" in parts.path:
        raise ValueError("has an @ in its path; write / and ? in a password as %2F and %3F")
    if parts.query:
        raise ValueError("has a query string")
    types.check_url_port(parts)
    return parts


def _parse_fragment_options(fragment: str) -> dict[str, str]:
    """Return the options in the fragment of an upstream URL, which is never sent."""
    pairs = parse_qsl(fragment, keep_blank_values=True)
    options = dict(pairs)
    if len(options) < len(pairs) or not options.keys() <= {"name", "cluster"} or (fragment and not pairs):
        raise ValueError("has an option after # other than name=… and cluster=…")
    for key, value in pairs:
        # The rest of a password with a # would end up here: nothing that looks like one becomes a public name.
        if not value or len(value) > MAX_OPTION_CHARACTERS or not value.isprintable() or "@" in value:
            raise ValueError(f"has an invalid {key} after #")
    return options


def parse_headers(text: str) -> tuple[tuple[str, str], ...]:
    """Return the headers of `Name=value,Other=value`, with percent-encoded values, as names and values.

    Raises ValueError, whose text never contains a value, because that may be a secret.
    """
    pairs = tuple(_parse_header_pairs(text))
    if len({name.lower() for name, _ in pairs}) < len(pairs):
        raise ValueError("sets a header twice")
    return pairs


def _parse_header_pairs(text: str) -> Iterator[tuple[str, str]]:
    for number, part in enumerate(text.split(","), 1):
        name, equals, encoded = part.partition("=")
        name, value = name.strip(), unquote(encoded.strip())
        if not equals or not HEADER_NAME_PATTERN.fullmatch(name):
            raise ValueError(f"entry {number} has no valid header name")
        if name.lower() in RESERVED_HEADERS:
            raise ValueError(f"entry {number} is a header that cannot be set here")
        if not HEADER_VALUE_PATTERN.fullmatch(value):
            raise ValueError(f"entry {number} has no valid header value; expected printable ASCII characters")
        yield name, value


def parse_query_parameters(text: str) -> tuple[tuple[str, str], ...]:
    """Return the parameters of `name=value,other=value`, with percent-encoded values. A name may be repeated.

    Raises ValueError, whose text never contains a value, because that may be a secret.
    """
    return tuple(_parse_parameter_pairs(text))


def _parse_parameter_pairs(text: str) -> Iterator[tuple[str, str]]:
    for number, part in enumerate(text.split(","), 1):
        name, equals, encoded = part.partition("=")
        name, value = name.strip(), unquote(encoded.strip())
        if not equals or not PARAMETER_NAME_PATTERN.fullmatch(name):
            raise ValueError(f"entry {number} has no valid parameter name")
        if name in RESERVED_PARAMETERS:
            raise ValueError(f"entry {number} is a parameter that cannot be set here")
        if not value.isprintable():
            raise ValueError(f"entry {number} has no valid parameter value; expected printable characters")
        yield name, value


@dataclass(frozen=True)
class ReplayTarget:
    """A recording in place of upstreams; `speed` is a factor, None: each refresh replays the next recorded one."""

    path: str
    speed: float | None = 1.0


def parse_replay_target(text: str) -> ReplayTarget | None:
    """Return the recording of a `replay:` address, None for upstreams; raise ValueError if it is invalid."""
    if not text.startswith(REPLAY_PREFIX):
        return None
    path, separator, options = text.removeprefix(REPLAY_PREFIX).partition("#")
    if not path:
        raise ValueError("has no file name after replay:")
    return ReplayTarget(path, _parse_replay_speed(options) if separator else 1.0)


def _parse_replay_speed(options: str) -> float | None:
    match = _SPEED_PATTERN.fullmatch(options)
    if match is None:
        raise ValueError("has an invalid option after #; expected #speed= and a number, or #speed=max")
    if match[1] == "max":
        return None
    speed = float(match[1])
    if not 0 < speed <= MAX_REPLAY_SPEED:
        raise ValueError(f"has an invalid speed; expected more than 0, at most {MAX_REPLAY_SPEED:.0f}, or max")
    return speed


def check_replay_file(recording: ReplayTarget) -> None:
    """Raise ValueError unless the file can be replayed, as far as its index shows."""
    try:
        RecordingReader(recording.path).close()
    except RecordingError as error:
        # A file name may contain a comma, so the rest after a comma is not another upstream.
        hint = "; a recording must be the only address" if "," in recording.path else ""
        # Another address after a comma may contain a password.
        name = "the recording" if "@" in recording.path else f"the recording {ascii(recording.path)[1:-1]}"
        raise ValueError(f"{name} {error}{hint}{EXPECTED_SEPARATOR}a file that `aggregator record` wrote") from None


def _check_upstream_addresses(secret: SecretStr) -> SecretStr:
    recording = parse_replay_target(secret.get_secret_value())
    if recording is not None:
        check_replay_file(recording)
    else:
        parse_addresses(secret.get_secret_value())
    return secret


def _check_header_pairs(secret: SecretStr) -> SecretStr:
    parse_headers(secret.get_secret_value())
    return secret


def _check_parameter_pairs(secret: SecretStr) -> SecretStr:
    parse_query_parameters(secret.get_secret_value())
    return secret


def _check_bearer_token(secret: SecretStr) -> SecretStr:
    if not BEARER_TOKEN_PATTERN.fullmatch(secret.get_secret_value()):
        raise ValueError("is not a valid token")
    return secret


def _check_token_file(path: str) -> str:
    read_token_file(Path(path))
    return path


class UpstreamSettings(SettingsGroup):
    """Addresses and credentials of Prometheus or Thanos."""

    PROMETHEUS_ADDRESS: Annotated[SecretStr, AfterValidator(_check_upstream_addresses)] = define_setting(
        ...,
        "base URL of Prometheus or Thanos Query, optionally with a path and user:password@; separate several by "
        "commas. Append #name=…&cluster=… to set the name of an upstream in logs (otherwise host and port) and the "
        "cluster of series without a `cluster` label. replay:FILE replays a recording instead; append #speed=10 to "
        "replay faster, or #speed=max to replay the next recorded refresh in each refresh",
        "URLs that begin with http:// or https://, or replay:FILE",
    )
    PROMETHEUS_BEARER_TOKEN: Annotated[SecretStr, AfterValidator(_check_bearer_token)] | None = define_setting(
        None, "bearer token for all upstreams", "one word of ASCII characters", "none"
    )
    PROMETHEUS_BEARER_TOKEN_FILE: Annotated[ReadableFile, AfterValidator(_check_token_file)] | None = define_setting(
        None,
        "file with the bearer token; reloaded when it changes",
        "path of a file that contains one word of ASCII characters",
        "none",
    )
    PROMETHEUS_HEADERS: Annotated[SecretStr, AfterValidator(_check_header_pairs)] | None = define_setting(
        None,
        "headers for all upstreams, such as a tenant: `X-Scope-OrgID=a,Other=b`, with percent-encoded values",
        "Name=value pairs, separated by commas; no Authorization, no headers of the HTTP connection",
        "none",
    )
    PROMETHEUS_QUERY_PARAMETERS: Annotated[SecretStr, AfterValidator(_check_parameter_pairs)] | None = define_setting(
        None,
        "additional parameters of all requests to upstreams, such as `extra_label=team=a`, with percent-encoded "
        "values; a name may be repeated",
        "name=value pairs, separated by commas; no parameters that the gateway sets, such as query and dedup",
        "none",
    )
    PROMETHEUS_CA_FILE: CaFile | None = define_setting(
        None,
        "trusted CA certificates for upstreams, instead of the default ones; reloaded when the file changes",
        "path of a PEM file with certificates",
        "none",
    )
    PROMETHEUS_CLIENT_CERT_FILE: ReadableFile | None = define_setting(
        None,
        "client certificate for upstreams, followed by intermediate certificates; reloaded when the file changes",
        "path of a PEM file with certificates; requires PROMETHEUS_CLIENT_KEY_FILE",
        "none",
    )
    PROMETHEUS_CLIENT_KEY_FILE: ReadableFile | None = define_setting(
        None, "unencrypted key of the client certificate", "path of a PEM file with a private key", "none"
    )
    THANOS: Literal["auto", "on", "off"] = define_setting(
        "auto",
        "whether queries have the parameters of Thanos: deduplication, raw resolution, partial responses; "
        "auto: if the upstream serves /api/v1/stores as Thanos does",
        "auto, on or off",
    )
    PARTIAL_RESPONSE: Literal["serve", "abort"] = define_setting(
        "serve",
        "serve: serve an incomplete topology, marked as incomplete; abort: discard an incomplete refresh and serve "
        "the last complete topology until MAX_STALE",
        "serve or abort",
    )

    @property
    def upstreams(self) -> tuple[UpstreamAddress, ...]:
        """The listed upstreams; empty if a recording is replayed."""
        return () if self.replay is not None else parse_addresses(self.PROMETHEUS_ADDRESS.get_secret_value())

    @property
    def replay(self) -> ReplayTarget | None:
        """The recording that is replayed, None if upstreams are queried."""
        return parse_replay_target(self.PROMETHEUS_ADDRESS.get_secret_value())

    @property
    def credentials(self) -> UpstreamCredentials:
        """The credentials for all upstreams."""
        return UpstreamCredentials(
            token=self.PROMETHEUS_BEARER_TOKEN.get_secret_value() if self.PROMETHEUS_BEARER_TOKEN else "",
            token_file=self.PROMETHEUS_BEARER_TOKEN_FILE or "",
            headers=parse_headers(self.PROMETHEUS_HEADERS.get_secret_value()) if self.PROMETHEUS_HEADERS else (),
            query_parameters=(
                parse_query_parameters(self.PROMETHEUS_QUERY_PARAMETERS.get_secret_value())
                if self.PROMETHEUS_QUERY_PARAMETERS
                else ()
            ),
            ca_file=self.PROMETHEUS_CA_FILE or "",
            certificate_file=self.PROMETHEUS_CLIENT_CERT_FILE or "",
            key_file=self.PROMETHEUS_CLIENT_KEY_FILE or "",
        )

    def find_conflicts(self) -> Iterator[str]:
        """Yield conflicts between credentials."""
        yield from super().find_conflicts()
        token, file = self.PROMETHEUS_BEARER_TOKEN, self.PROMETHEUS_BEARER_TOKEN_FILE
        if token and file:
            yield "PROMETHEUS_BEARER_TOKEN_FILE: is set together with PROMETHEUS_BEARER_TOKEN; expected: one of them"
        if (token or file) and any(address.user is not None for address in self.upstreams):
            name = "PROMETHEUS_BEARER_TOKEN" + ("" if token else "_FILE")
            yield f"{name}: is set together with a user in PROMETHEUS_ADDRESS; expected: one of them"
        yield from self._find_client_certificate_conflicts()

    def _find_client_certificate_conflicts(self) -> Iterator[str]:
        certificate, key = self.PROMETHEUS_CLIENT_CERT_FILE, self.PROMETHEUS_CLIENT_KEY_FILE
        if certificate and key:
            try:
                # An empty password keeps OpenSSL from prompting for one.
                ssl.create_default_context().load_cert_chain(certificate, key, password="")
            except (OSError, ValueError):
                yield "PROMETHEUS_CLIENT_KEY_FILE: is not the key of the certificate; expected: its key, unencrypted"
        elif certificate:
            yield "PROMETHEUS_CLIENT_CERT_FILE: is set without PROMETHEUS_CLIENT_KEY_FILE; expected: both or neither"
        elif key:
            yield "PROMETHEUS_CLIENT_KEY_FILE: is set without PROMETHEUS_CLIENT_CERT_FILE; expected: both or neither"


def _check_label_names(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if not LABEL_NAME_PATTERN.fullmatch(name):
            raise ValueError(f"contains {types.quote_value(name)}, which is not the name of a label")
    if not names:
        raise ValueError("is an empty list")
    return tuple(dict.fromkeys(names))


def _parse_families(text: str) -> tuple[TelemetryFamily, ...]:
    names = types.split_words(text.lower())
    for name in names:
        if name not in ALL_FAMILIES:
            raise ValueError(f"contains {types.quote_value(name)}, which is not a telemetry family")
    if not names:
        raise ValueError("is an empty list")
    return tuple(family for family in ALL_FAMILIES if family in names)


class RefreshSettings(SettingsGroup):
    """Schedule of refreshes, and limits of queries."""

    CLUSTER_NAME: str = define_setting(
        "default",
        "cluster of hosts, nodes and pods whose series have no label that names a cluster",
        "a name",
    )
    CLUSTER_LABELS: Annotated[WordList, AfterValidator(_check_label_names)] = define_setting(
        DEFAULT_CLUSTER_LABELS,
        "labels that name the cluster of a series without ICOS labels; the first that the series has is used",
        "names of labels, separated by commas",
        ", ".join(DEFAULT_CLUSTER_LABELS),
    )
    TELEMETRY: Annotated[tuple[TelemetryFamily, ...], parse_text(_parse_families)] = define_setting(
        ALL_FAMILIES,
        "telemetry families to query; hosts are always queried. Fewer families are fewer queries",
        "a list of icos, kubernetes, docker and etim",
        "all",
    )
    REFRESH_INTERVAL: PositiveSeconds = define_setting(
        10.0,
        "time from the start of one scheduled refresh to the start of the next. They query for multiples of it on the "
        "wall clock, as all replicas do; less than MAX_STALE",
        DURATION_EXPECTED,
    )
    REFRESH_TIMEOUT: PositiveSeconds = define_setting(
        10.0,
        "time limit of a refresh: all queries and the decoding of their responses. If a query has no response by "
        "then, decoding the other responses may extend the refresh by up to half of this time",
        DURATION_EXPECTED,
    )
    QUERY_TIMEOUT: PositiveSeconds = define_setting(
        5.0,
        "time limit of one query; REFRESH_TIMEOUT limits all queries",
        DURATION_EXPECTED,
    )
    MAX_STALE: PositiveSeconds = define_setting(
        300.0,
        "how long the last topology is served while refreshes fail; more than REFRESH_INTERVAL",
        DURATION_EXPECTED,
    )
    VANISHED_NOTICE: NonNegativeSeconds = define_setting(
        300.0,
        "how long responses are marked incomplete after a cluster, or at least a tenth of the nodes of a cluster, "
        "disappeared between two refreshes; 0: never",
        DURATION_OR_ZERO_EXPECTED,
    )
    QUERY_CONCURRENCY: ConcurrencyLimit = define_setting(8, "concurrent queries per upstream", "1 to 100")
    MAX_ANSWER_BYTES: SizeBytes = define_setting(
        256 * 2**20,
        "maximum size of a response; a query with a larger one fails",
        "bytes, at least 1024",
        "268435456 (256 MiB)",
    )

    def find_conflicts(self) -> Iterator[str]:
        """Yield conflicts between intervals and limits."""
        yield from super().find_conflicts()
        if self.REFRESH_INTERVAL >= self.MAX_STALE:
            interval, max_stale = f"{self.REFRESH_INTERVAL:g} s", f"{self.MAX_STALE:g} s"
            if "MAX_STALE" in self.model_fields_set:
                yield f"MAX_STALE: is {max_stale}; expected: more than REFRESH_INTERVAL ({interval})"
            else:
                yield f"REFRESH_INTERVAL: is {interval}; expected: less than MAX_STALE (default {max_stale})"

    def find_warnings(self) -> Iterator[str]:
        """Yield a query timeout that has no effect."""
        yield from super().find_warnings()
        if "QUERY_TIMEOUT" in self.model_fields_set and self.QUERY_TIMEOUT > self.REFRESH_TIMEOUT:
            yield f"QUERY_TIMEOUT is more than REFRESH_TIMEOUT, which ends every query after {self.REFRESH_TIMEOUT:g} s"
