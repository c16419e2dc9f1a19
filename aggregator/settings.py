"""All settings: read once from an environment that is passed in, checked together, frozen.

docs/configuration.md and `aggregator --help` are printed from the fields below.
"""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal
from urllib.parse import unquote, urlsplit

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
    load_pem_public_key,
)
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from aggregator.errors import SettingsError
from aggregator.querier.client import Address

SHORTEST_KEY_BITS = 2048
DEFAULT_HTTP_PORT = 8080


def _address(text: str) -> str:
    """Check a base URL; the text of an error never repeats it, for it may hold a password."""
    try:
        parts = urlsplit(text)
    except ValueError:
        raise ValueError("is no URL") from None
    if parts.scheme not in ("http", "https"):
        raise ValueError("does not begin with http:// or https://")
    if not parts.hostname:
        raise ValueError("names no host")
    if "@" in parts.path:
        raise ValueError("has an @ in its path; a / or ? in a password is written %2F or %3F")
    if parts.query or parts.fragment:
        raise ValueError("has a query or a fragment")
    try:
        _ = parts.port
    except ValueError:
        raise ValueError("its port is no number from 0 to 65535") from None
    return text


def _public_key(secret: SecretStr) -> SecretStr:
    """Check a realm's public key and return it as PEM text."""
    text = secret.get_secret_value().strip()
    try:
        if text.startswith("-----"):
            key = load_pem_public_key(text.encode())
        else:
            key = load_der_public_key(base64.b64decode(re.sub(r"\s", "", text), validate=True))
    except (ValueError, UnsupportedAlgorithm, binascii.Error):
        raise ValueError("is no public key") from None
    if not isinstance(key, RSAPublicKey):
        raise ValueError("is no RSA key")  # noqa: TRY004 - pydantic collects ValueErrors
    if key.key_size < SHORTEST_KEY_BITS:
        raise ValueError(f"is an RSA key of {key.key_size} bits; at least {SHORTEST_KEY_BITS} are needed")
    return SecretStr(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())


def _plain_number(value: object) -> object:
    """Refuse digits that Python takes for a number and a person would not: 1_000, ٣."""
    if isinstance(value, str) and (not value.strip().isascii() or "_" in value):
        raise ValueError("is no number")
    return value


Port = Annotated[int, BeforeValidator(_plain_number), Field(ge=0, le=65535)]
Seconds = Annotated[float, BeforeValidator(_plain_number), Field(gt=0, le=86400, allow_inf_nan=False)]
Count = Annotated[int, BeforeValidator(_plain_number), Field(ge=1, le=100)]
Bytes = Annotated[int, BeforeValidator(_plain_number), Field(ge=1024)]


def _setting(default: Any, meaning: str, expected: str, shown: str = "") -> Any:
    """Return a field: what it is for, what is accepted, and the default as a person reads it, where not obvious."""
    return Field(default, description=meaning, json_schema_extra={"expected": expected, "shown": shown})


class Settings(BaseModel):
    """Everything that can be set. Printing it shows secrets as stars."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    PROMETHEUS_ADDRESS: Annotated[
        SecretStr, AfterValidator(lambda secret: SecretStr(_address(secret.get_secret_value())))
    ] = _setting(
        ...,
        "base URL of Prometheus or Thanos Query; may end in a slash, have a path, and hold user:password@",
        "a URL that begins with http:// or https://",
    )
    HTTP_PORT: Port | None = _setting(
        None,
        "port of the HTTP server; 0 takes a free one",
        "0 to 65535",
        "8080 if GRPC_PORT is not set either, else no HTTP",
    )
    GRPC_PORT: Port | None = _setting(None, "port of the gRPC server; 0 takes a free one", "0 to 65535", "no gRPC")
    AGGREGATOR_PORT: Port | None = _setting(
        None, "stands in for HTTP_PORT where that is not set, for charts of the Go service", "0 to 65535", "not set"
    )
    HTTP_HOST: str = _setting("0.0.0.0", "address that the HTTP server listens on", "an IP address or host name")  # noqa: S104 - what the contract says
    GRPC_HOST: str = _setting("0.0.0.0", "address that the gRPC server listens on", "an IP address or host name")  # noqa: S104 - what the contract says
    KEY: Annotated[SecretStr, AfterValidator(_public_key)] | None = _setting(
        None,
        "public key of the Keycloak realm; set: HTTP and gRPC answer only to its tokens",
        f"an RSA public key of at least {SHORTEST_KEY_BITS} bits: base64 of its DER form, or PEM",
        "no tokens are asked for",
    )
    GRPC_AUTH: Literal["on", "off"] = _setting(
        "on", "off leaves gRPC open although KEY is set, for old clients without tokens", "on or off"
    )
    LAYOUT: Literal["1.2.5", "2025"] = _setting(
        "1.2.5", "layout of the JSON that a request without ?layout= gets", "1.2.5 or 2025"
    )
    CLUSTER_NAME: str = _setting(
        "default",
        "name of the cluster of hosts whose series have a `node` label but none that tells their cluster",
        "a name",
    )
    REFRESH_INTERVAL: Seconds = _setting(
        10.0, "seconds from the start of one refresh to the next", "seconds, more than 0"
    )
    REFRESH_TIMEOUT: Seconds = _setting(
        10.0, "seconds that all queries of a refresh may take together", "seconds, more than 0"
    )
    QUERY_TIMEOUT: Seconds = _setting(5.0, "seconds that one query may take", "seconds, more than 0")
    MAX_STALE: Seconds = _setting(
        300.0, "seconds for which the last good answer is served while the upstream fails", "seconds, more than 0"
    )
    QUERY_CONCURRENCY: Count = _setting(8, "queries that are under way at once", "1 to 100")
    MAX_ANSWER_BYTES: Bytes = _setting(
        256 * 2**20,
        "bytes that one answer may have; a larger one counts as failed",
        "bytes, at least 1024",
        "268435456 (256 MiB)",
    )
    GRACE: Seconds = _setting(20.0, "seconds that calls under way get to finish after SIGTERM", "seconds, more than 0")
    LOG_LEVEL: Literal["debug", "info", "warning", "error"] = _setting(
        "info", "least urgent messages that are logged", "debug, info, warning or error"
    )
    LOG_FORMAT: Literal["text", "json"] | None = _setting(
        None, "form of the log on stderr", "text or json", "text on a terminal, else json"
    )

    @property
    def http_port(self) -> int | None:
        """The port of the HTTP server, None for no such server."""
        if self.HTTP_PORT is not None:
            return self.HTTP_PORT
        if self.AGGREGATOR_PORT is not None:
            return self.AGGREGATOR_PORT
        return DEFAULT_HTTP_PORT if self.GRPC_PORT is None else None

    @property
    def upstream(self) -> Address:
        """The upstream's base URL without its slash and credentials, and those apart."""
        parts = urlsplit(self.PROMETHEUS_ADDRESS.get_secret_value())
        host = parts.netloc.rpartition("@")[2]
        return Address(
            url=f"{parts.scheme}://{host}{parts.path.rstrip('/')}",
            user=unquote(parts.username) if parts.username is not None else None,
            password=unquote(parts.password) if parts.password is not None else None,
        )


def read(environment: Mapping[str, str]) -> Settings:
    """Return the settings of an environment; raise SettingsError with every problem that it has.

    A variable that is empty counts as not set, as charts write it.
    """
    given = {name: environment[name].strip() for name in Settings.model_fields if environment.get(name, "").strip()}
    for name in ("LOG_LEVEL", "LOG_FORMAT", "GRPC_AUTH"):
        if name in given:
            given[name] = given[name].lower()
    try:
        settings = Settings.model_validate(given)
    except ValidationError as error:
        raise SettingsError(_problems(error)) from None
    problems = []
    if settings.http_port and settings.http_port == settings.GRPC_PORT:
        problems.append(f"GRPC_PORT: is {settings.GRPC_PORT}, the port of HTTP, too; expected: a port of its own")
    if settings.REFRESH_INTERVAL >= settings.MAX_STALE:
        problems.append(f"MAX_STALE: is {settings.MAX_STALE:g}; expected: more than REFRESH_INTERVAL")
    if problems:
        raise SettingsError(problems)
    return settings


def _problems(error: ValidationError) -> list[str]:
    problems: dict[str, str] = {}
    for detail in error.errors(include_url=False, include_input=False):
        name = str(detail["loc"][0])
        wrong = "is not set" if detail["type"] == "missing" else detail["msg"].removeprefix("Value error, ")
        expected = _extra(Settings.model_fields[name])["expected"]
        problems.setdefault(name, f"{name}: {wrong[0].lower()}{wrong[1:]}; expected: {expected}")
    return list(problems.values())


def described() -> Iterator[tuple[str, str, str, str]]:
    """Yield each setting's name, default, accepted values and meaning, as a person reads them."""
    for name, info in Settings.model_fields.items():
        extra = _extra(info)
        yield name, extra["shown"] or _default(info), extra["expected"], info.description or ""


def _extra(info: FieldInfo) -> dict[str, str]:
    return info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}  # type: ignore[return-value] # as `_setting` made it


def _default(info: FieldInfo) -> str:
    if info.default is PydanticUndefined:
        return "required"
    return f"{info.default:g}" if isinstance(info.default, float) else str(info.default)
