"""Who may ask."""

import base64
import binascii
import contextlib
import re
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal

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
from pydantic import AfterValidator, BeforeValidator, SecretStr

from aggregator.settings import urls
from aggregator.settings.kinds import AuthoritiesFile, Group, Seconds, check_each, setting, shown
from aggregator.settings.roles import Role, cluster_roles, role

SHORTEST_KEY_BITS = 2048
RSA_ALGORITHMS = ("RS256", "RS384", "RS512")
CURVE_ALGORITHMS = ("ES256", "ES384", "ES512")
# Why an algorithm that exists is not to be had, by how its name begins.
_NOT_TO_BE_HAD = {
    "PS": "python-jose, which verifies the tokens, cannot verify it",
    "ED": "python-jose, which verifies the tokens, cannot verify it",
    "HS": "whoever can verify it can forge it, and public keys are no secrets",
    "NO": "it is no signature",
}

_MISTAKEN: tuple[tuple[str, Callable[[bytes], object], str], ...] = (
    (
        "PRIVATE KEY",
        lambda der: load_der_private_key(der, None),
        "a private key, which nobody but the realm should have",
    ),
    ("CERTIFICATE", load_der_x509_certificate, "a certificate, not the public key in it"),
)


def _public_key(secret: SecretStr) -> SecretStr:
    """Check a realm's public key and return it as PEM text."""
    text = secret.get_secret_value().strip()
    try:
        if text.startswith("-----"):
            key = load_pem_public_key(text.encode())
        else:
            key = load_der_public_key(base64.b64decode(re.sub(r"\s", "", text), validate=True))
    except (ValueError, UnsupportedAlgorithm, binascii.Error):
        raise ValueError(f"is {_what_else(text)}") from None
    if not isinstance(key, RSAPublicKey):
        raise ValueError("is no RSA key")  # noqa: TRY004 - pydantic collects ValueErrors
    if key.key_size < SHORTEST_KEY_BITS:
        raise ValueError(f"is an RSA key of {key.key_size} bits; at least {SHORTEST_KEY_BITS} are needed")
    return SecretStr(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())


def _what_else(text: str) -> str:
    """Return what was taken for a public key, where it is one of the things that lie beside it."""
    armour = text.partition("\n")[0]
    for marker, load, name in _MISTAKEN:
        # That it cannot be read as the one thing is no reason not to try the next.
        with contextlib.suppress(ValueError, TypeError, UnsupportedAlgorithm):
            if not armour.startswith("-----"):
                load(base64.b64decode(re.sub(r"\s", "", text), validate=True))
                return name
            if marker in armour:
                return name
    return "no public key"


def _listed(text: object) -> object:
    """Split what is listed with commas."""
    return tuple(filter(None, (part.strip() for part in text.split(",")))) if isinstance(text, str) else text


def _named(names: tuple[str, ...]) -> tuple[str, ...]:
    if not names:
        raise ValueError("names nothing")
    return tuple(dict.fromkeys(names))


def _algorithms(names: tuple[str, ...]) -> tuple[str, ...]:
    check_each(_algorithm, _named(names))
    return _named(names)


def _algorithm(name: str) -> None:
    if name not in RSA_ALGORITHMS + CURVE_ALGORITHMS:
        reason = _NOT_TO_BE_HAD.get(name[:2].upper())
        raise ValueError(f"has {shown(name)}: {reason or 'no such algorithm exists'}")


def _issuers(urls: tuple[str, ...]) -> tuple[str, ...]:
    check_each(_url, _named(urls))
    return _named(urls)


def _url(text: str) -> str:
    """Check the URL of an issuer or its keys."""
    parts = urls.split(text)
    urls.check_port(parts)
    if "@" in parts.netloc:
        raise ValueError("has a user or password in it; keys are public")
    if parts.fragment or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("has characters that do not belong there")
    return text


def _issuer_without_query(urls: tuple[str, ...]) -> tuple[str, ...]:
    if any("?" in url for url in urls):
        raise ValueError("has a query")
    return urls


def _parsed(parse: Callable[[str], Any]) -> BeforeValidator:
    return BeforeValidator(lambda text: parse(text) if isinstance(text, str) else text)


Names = Annotated[tuple[str, ...], BeforeValidator(_listed), AfterValidator(_named)]


class AccessSettings(Group):
    """Tokens: whose are believed, and what they open."""

    KEY: Annotated[SecretStr, AfterValidator(_public_key)] | None = setting(
        None,
        "public key of the Keycloak realm; set: HTTP and gRPC answer only to its tokens",
        f"an RSA public key of at least {SHORTEST_KEY_BITS} bits: base64 of its DER form, or PEM",
        "no tokens are asked for",
    )
    ISSUER: (
        Annotated[
            tuple[str, ...],
            BeforeValidator(_listed),
            AfterValidator(_issuers),
            AfterValidator(_issuer_without_query),
        ]
        | None
    ) = setting(
        None,
        "issuers whose tokens are taken, as their `iss` has it; their keys are found by OIDC discovery and followed",
        "URLs, divided by commas",
        "not set",
    )
    JWKS_URL: Annotated[str, AfterValidator(_url)] | None = setting(
        None,
        "where the keys of the tokens are, without discovery; tokens of any issuer, or of the one that ISSUER names",
        "a URL that begins with http:// or https://",
        "not set",
    )
    ISSUER_CA_FILE: AuthoritiesFile | None = setting(
        None,
        "certificates that are believed when keys are fetched, instead of the system's",
        "a file of certificates in PEM",
        "the system's",
    )
    KEYS_REFRESH_INTERVAL: Seconds = setting(
        300.0, "seconds from one fetch of an issuer's keys to the next", "seconds, more than 0"
    )
    ALGORITHMS: Annotated[tuple[str, ...], BeforeValidator(_listed), AfterValidator(_algorithms)] = setting(
        RSA_ALGORITHMS,
        "algorithms by which a token may be signed",
        f"any of {' '.join(RSA_ALGORITHMS + CURVE_ALGORITHMS)}, divided by commas; those of ES not with KEY",
        ",".join(RSA_ALGORITHMS),
    )
    AUDIENCE: Names | None = setting(
        None,
        "a token must name one of these in `aud`; one without `aud` is refused",
        "names, divided by commas",
        "not looked at",
    )
    AUTHORIZED_PARTY: Names | None = setting(
        None, "a token must have one of these clients in `azp`", "names, divided by commas", "not looked at"
    )
    REQUIRED_ROLE: Annotated[Role, _parsed(role)] | None = setting(
        None,
        "a token without this role is answered with 403 and PERMISSION_DENIED",
        "a role of the realm, or client:role; a role of the realm with a colon in its name has one more in front",
        "none",
    )
    CLUSTER_ROLES: Annotated[tuple[tuple[Role, tuple[str, ...]], ...], _parsed(cluster_roles)] | None = setting(
        None,
        "which clusters the holder of a role sees, by name or uid; * shows everything, no such role nothing. Set: "
        "/metrics of HTTP, which is open otherwise, wants a token that shows everything, and METRICS_PORT none",
        "role=glob,glob; client:role=glob",
        "every token shows all clusters",
    )
    GRPC_AUTH: Literal["on", "off"] = setting(
        "on", "off leaves gRPC open although tokens are asked for, for old clients without them", "on or off"
    )

    @property
    def asks_for_tokens(self) -> bool:
        """Whether anything says whose tokens are believed."""
        return self.KEY is not None or self._has_issuer

    @property
    def _has_issuer(self) -> bool:
        return self.ISSUER is not None or self.JWKS_URL is not None

    def contradictions(self) -> Iterator[str]:
        """Yield what the settings about tokens have against each other."""
        yield from super().contradictions()
        if self.KEY is not None and self.ISSUER is not None:
            yield "KEY: is set beside ISSUER; expected: one of the two"
        elif self.KEY is not None and self.JWKS_URL is not None:
            yield "KEY: is set beside JWKS_URL; expected: one of the two"
        if self.JWKS_URL is not None and len(self.ISSUER or ()) > 1:
            yield "JWKS_URL: is set beside several in ISSUER; expected: at most one there, whose keys these are"
        if self.KEY is not None and any(name in CURVE_ALGORITHMS for name in self.ALGORITHMS):
            yield "ALGORITHMS: has one of ES, and KEY is an RSA key; expected: algorithms of RS beside KEY"
        if self.CLUSTER_ROLES is not None and self.GRPC_AUTH == "off":
            yield "GRPC_AUTH: is off, and gRPC would show what CLUSTER_ROLES hides; expected: on beside CLUSTER_ROLES"
        yield from self._without_effect()

    def _without_effect(self) -> Iterator[str]:
        """Yield what is set and would be silently ignored."""
        of_issuers = ("ISSUER_CA_FILE", "KEYS_REFRESH_INTERVAL")
        of_tokens = ("ALGORITHMS", "AUDIENCE", "AUTHORIZED_PARTY", "REQUIRED_ROLE", "CLUSTER_ROLES")
        if not self._has_issuer:
            for name in sorted(self.model_fields_set.intersection(of_issuers)):
                yield f"{name}: is set, but no keys are fetched; expected: ISSUER or JWKS_URL beside it"
        if not self.asks_for_tokens:
            for name in sorted(self.model_fields_set.intersection(of_tokens)):
                yield f"{name}: is set, but no tokens are asked for; expected: KEY, ISSUER or JWKS_URL beside it"
