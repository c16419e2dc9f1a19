"""Settings of authentication and authorization: keys, issuers, claims, roles."""

import base64
import binascii
import contextlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
    load_pem_public_key,
)
from cryptography.x509 import load_der_x509_certificate
from pydantic import AfterValidator, SecretStr

from aggregator.settings import types
from aggregator.settings.types import (
    DURATION_EXPECTED,
    CaFile,
    NameList,
    PositiveSeconds,
    SettingsGroup,
    define_setting,
    parse_text,
    quote_value,
    validate_each,
)

MIN_RSA_KEY_BITS = 2048
RSA_ALGORITHMS = ("RS256", "RS384", "RS512")
EC_ALGORITHMS = ("ES256", "ES384", "ES512")
# Reasons by the prefix of the algorithm name.
_UNSUPPORTED_ALGORITHM_REASONS = {
    "PS": "not supported by python-jose, which verifies the tokens",
    "ED": "not supported by python-jose, which verifies the tokens",
    "HS": "symmetric, so that anyone with the public key could forge tokens",
    "NO": "not a signature",
}
_OTHER_KEY_FORMATS: tuple[tuple[str, Callable[[bytes], object], str], ...] = (
    (
        "PRIVATE KEY",
        lambda der: load_der_private_key(der, None),
        "a private key, which must stay in the realm",
    ),
    ("CERTIFICATE", load_der_x509_certificate, "a certificate instead of the public key in it"),
)


@dataclass(frozen=True)
class Role:
    """A realm role, or a client role of Keycloak."""

    name: str
    client: str | None = None

    def __str__(self) -> str:
        return f"{self.client or ''}:{self.name}" if self.client or ":" in self.name else self.name


def parse_role(text: str) -> Role:
    """Return the role of a text; raise ValueError if it is invalid.

    `name` is a realm role, `client:name` a client role; the part after the last colon is the role. `:name:with:colons`
    is a realm role whose name contains colons.
    """
    if text.startswith(":"):
        return _check_role(Role(text[1:].strip()), text)
    client, colon, name = text.rpartition(":")
    return _check_role(Role(name.strip(), client.strip() if colon else None), text)


def _check_role(role: Role, text: str) -> Role:
    if not role.name or role.client == "":
        raise ValueError(f"has no role name in {quote_value(text)}")
    return role


def parse_cluster_roles(text: str) -> tuple[tuple[Role, tuple[str, ...]], ...]:
    """Return the cluster patterns of each role in `role=glob,glob; client:role=glob`."""
    patterns_by_role: dict[Role, tuple[str, ...]] = {}
    for entry in filter(None, (part.strip() for part in text.split(";"))):
        name, equals, globs = entry.partition("=")
        patterns = tuple(glob.strip() for glob in globs.split(","))
        if not equals or not all(patterns):
            raise ValueError(f"has no cluster pattern, or an empty one, for {quote_value(name.strip())}")
        role = parse_role(name.strip())
        if role in patterns_by_role:
            raise ValueError(f"names {quote_value(str(role))} twice")
        patterns_by_role[role] = patterns
    if not patterns_by_role:
        raise ValueError("has no role")
    return tuple(patterns_by_role.items())


def _parse_public_key(secret: SecretStr) -> SecretStr:
    """Check the public key of a realm and return it as PEM."""
    text = secret.get_secret_value().strip()
    try:
        if text.startswith("-----"):
            key = load_pem_public_key(text.encode())
        else:
            key = load_der_public_key(base64.b64decode(re.sub(r"\s", "", text), validate=True))
    except (ValueError, UnsupportedAlgorithm, binascii.Error):
        raise ValueError(f"is {_describe_wrong_key(text)}") from None
    if not isinstance(key, RSAPublicKey):
        raise ValueError("is not an RSA key")  # noqa: TRY004 - pydantic collects ValueErrors
    if key.key_size < MIN_RSA_KEY_BITS:
        raise ValueError(f"is an RSA key of {key.key_size} bits, less than {MIN_RSA_KEY_BITS}")
    return SecretStr(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())


def _describe_wrong_key(text: str) -> str:
    """Return what a text is that is not a public key: users often paste the private key or the certificate."""
    armour = text.partition("\n")[0]
    for marker, load, name in _OTHER_KEY_FORMATS:
        # Failing to parse as one format only rules out that format.
        with contextlib.suppress(ValueError, TypeError, UnsupportedAlgorithm):
            if not armour.startswith("-----"):
                load(base64.b64decode(re.sub(r"\s", "", text), validate=True))
                return name
            if marker in armour:
                return name
    return "not a public key"


def _check_algorithm(name: str) -> None:
    if name not in RSA_ALGORITHMS + EC_ALGORITHMS:
        reason = _UNSUPPORTED_ALGORITHM_REASONS.get(name[:2].upper())
        raise ValueError(f"has {quote_value(name)}: {reason or 'unknown algorithm'}")


def _check_issuer_url(text: str) -> str:
    """Return the URL of an issuer or its keys, if it is valid."""
    parts = types.split_http_url(text)
    types.check_url_port(parts)
    if "@" in parts.netloc:
        raise ValueError("has a user or password; keys are public")
    if parts.fragment or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("has a fragment or an invalid character")
    return text


def _check_no_query(urls: tuple[str, ...]) -> tuple[str, ...]:
    if any("?" in url for url in urls):
        raise ValueError("has a query string")
    return urls


class TokenSettings(SettingsGroup):
    """Tokens: which are accepted."""

    KEY: Annotated[SecretStr, AfterValidator(_parse_public_key)] | None = define_setting(
        None,
        "public key of the Keycloak realm. If set, requests require its tokens",
        f"an RSA public key of at least {MIN_RSA_KEY_BITS} bits, as base64 of DER or as PEM",
        "no tokens required",
    )
    ISSUER: Annotated[NameList, validate_each(_check_issuer_url), AfterValidator(_check_no_query)] | None = (
        define_setting(
            None,
            "accepted issuers, as in the claim `iss`. If set, tokens are required; keys are found by OpenID Connect "
            "discovery and refreshed. Every listed issuer can grant every role",
            "URLs, separated by commas",
            "not set",
        )
    )
    JWKS_URL: Annotated[str, AfterValidator(_check_issuer_url)] | None = define_setting(
        None,
        "URL of the key set (JWKS), in place of discovery. Accepts tokens of any issuer, unless ISSUER names one",
        "a URL that begins with http:// or https://",
        "not set",
    )
    ISSUER_CA_FILE: CaFile | None = define_setting(
        None,
        "trusted CA certificates for fetching keys, instead of those of the system",
        "path of a PEM file with certificates",
        "those of the system",
    )
    KEYS_REFRESH_INTERVAL: PositiveSeconds = define_setting(
        300.0, "time between fetches of the keys of an issuer", DURATION_EXPECTED
    )
    ALGORITHMS: Annotated[NameList, validate_each(_check_algorithm)] = define_setting(
        RSA_ALGORITHMS,
        "accepted signature algorithms",
        f"any of {', '.join(RSA_ALGORITHMS + EC_ALGORITHMS)}, separated by commas; with KEY only RS256 to RS512",
        ",".join(RSA_ALGORITHMS),
    )
    AUDIENCE: NameList | None = define_setting(
        None,
        "accepted audiences: a token must have one of them in `aud`",
        "names, separated by commas",
        "not checked",
    )
    AUTHORIZED_PARTY: NameList | None = define_setting(
        None, "accepted clients: a token must have one of them in `azp`", "names, separated by commas", "not checked"
    )
    REQUIRED_ROLE: Annotated[Role, parse_text(parse_role)] | None = define_setting(
        None,
        "role that a token must have; others get 403 and PERMISSION_DENIED",
        "a realm role, or client:role; write a realm role with a colon in its name as :role",
        "none",
    )
    # Settings that have no effect if no tokens are required.
    TOKEN_RULES: ClassVar[tuple[str, ...]] = ("ALGORITHMS", "AUDIENCE", "AUTHORIZED_PARTY", "REQUIRED_ROLE")

    @property
    def requires_tokens(self) -> bool:
        """Whether requests require tokens."""
        return self.KEY is not None or self._has_issuer

    @property
    def _has_issuer(self) -> bool:
        return self.ISSUER is not None or self.JWKS_URL is not None

    def find_conflicts(self) -> Iterator[str]:
        """Yield conflicts between the settings of tokens."""
        yield from super().find_conflicts()
        if self.KEY is not None and self.ISSUER is not None:
            yield "KEY: is set together with ISSUER; expected: only one of them"
        elif self.KEY is not None and self.JWKS_URL is not None:
            yield "KEY: is set together with JWKS_URL; expected: only one of them"
        if self.JWKS_URL is not None and len(self.ISSUER or ()) > 1:
            yield "JWKS_URL: is set together with several issuers; expected: at most one issuer in ISSUER"
        if self.KEY is not None and any(name in EC_ALGORITHMS for name in self.ALGORITHMS):
            yield "ALGORITHMS: has an ES algorithm, but KEY is an RSA key; expected: RS algorithms with KEY"
        yield from self._find_ineffective()

    def _find_ineffective(self) -> Iterator[str]:
        """Yield settings that would be silently ignored."""
        issuer_settings = ("ISSUER_CA_FILE", "KEYS_REFRESH_INTERVAL")
        if not self._has_issuer:
            for name in sorted(self.model_fields_set.intersection(issuer_settings)):
                yield f"{name}: is set, but no keys are fetched; expected: ISSUER or JWKS_URL as well"
        if not self.requires_tokens:
            for name in sorted(self.model_fields_set.intersection(self.TOKEN_RULES)):
                yield f"{name}: is set, but no tokens are required; expected: KEY, ISSUER or JWKS_URL as well"


class AccessSettings(TokenSettings):
    """Tokens of the gateway, and what they give access to."""

    TOKEN_RULES: ClassVar[tuple[str, ...]] = (*TokenSettings.TOKEN_RULES, "CLUSTER_ROLES")

    CLUSTER_ROLES: Annotated[tuple[tuple[Role, tuple[str, ...]], ...], parse_text(parse_cluster_roles)] | None = (
        define_setting(
            None,
            "clusters that each role may see, as patterns of names or UIDs; * is all clusters. A token without any of "
            "the roles sees nothing. If set, /metrics on HTTP_PORT requires a token that may see all clusters; "
            "METRICS_PORT stays public",
            "role=glob,glob; client:role=glob",
            "every token may see all clusters",
        )
    )
    UI_CLIENT_ID: str | None = define_setting(
        None,
        "public client of the first issuer in ISSUER, with which users of the web page log in. Without it, they paste "
        "a token",
        "the ID of a client",
        "no login",
    )
    GRPC_AUTH: Literal["on", "off"] = define_setting(
        "on", "off: gRPC requires no tokens even if HTTP does, for old clients without tokens", "on or off"
    )

    def find_conflicts(self) -> Iterator[str]:
        """Yield conflicts between the settings of tokens, and a way around the roles."""
        yield from super().find_conflicts()
        if self.CLUSTER_ROLES is not None and self.GRPC_AUTH == "off":
            yield "GRPC_AUTH: is off, so gRPC would bypass CLUSTER_ROLES; expected: on with CLUSTER_ROLES"
        if self.UI_CLIENT_ID is not None and self.ISSUER is None:
            yield "UI_CLIENT_ID: is set, but there is no issuer to log in with; expected: ISSUER as well"
