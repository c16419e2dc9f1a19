"""Fake token issuers without a network: key pairs with IDs, the documents that publish them, and signed tokens."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from aggregator.errors import KeySetError
from aggregator.server.auth.jwks import DISCOVERY_PATH, IssuerKeyCache, JwksEndpoint, JwksKeySource, KeyRefreshPolicy
from aggregator.settings.auth import EC_ALGORITHMS, RSA_ALGORITHMS
from tests.server.auth.signed_tokens import (
    ABSENT,
    HASHES_BY_ALGORITHM,
    assemble_token,
    build_claims,
    build_es_signer,
    build_rs_signer,
    encode_base64url,
)

ISSUER = "https://iam.example.org/realms/icos"
OTHER_ISSUER = "https://iam.example.org/realms/other"
ALGORITHMS = (*RSA_ALGORITHMS, *EC_ALGORITHMS)
_CURVES: Mapping[str, ec.EllipticCurve] = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}
_CURVE_NAMES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}


@dataclass(frozen=True)
class SigningKey:
    """A key pair of an issuer, for one algorithm, with a key ID."""

    kid: str
    private_key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
    algorithm: str = "RS256"

    def to_jwk(self, **changes: Any) -> dict[str, Any]:
        """Return the public key as a JSON Web Key, with changes."""
        defaults = {"kid": self.kid, "use": "sig", "alg": self.algorithm, **self._key_parameters()}
        return {name: value for name, value in (defaults | changes).items() if value is not ABSENT}

    def issue_token(self, header: Mapping[str, Any] | None = None, **changes: Any) -> str:
        """Return a valid token, or one with changed header and claims."""
        defaults = {"alg": self.algorithm, "typ": "JWT", "kid": self.kid, **(header or {})}
        head = json.dumps({name: value for name, value in defaults.items() if value is not ABSENT}).encode()
        payload = json.dumps(build_claims(**{"iss": ISSUER, **changes})).encode()
        if isinstance(self.private_key, rsa.RSAPrivateKey):
            return assemble_token(head, payload, build_rs_signer(self.private_key, HASHES_BY_ALGORITHM[self.algorithm]))
        return assemble_token(head, payload, build_es_signer(self.private_key, self.algorithm))

    def _key_parameters(self) -> dict[str, str]:
        if isinstance(self.private_key, rsa.RSAPrivateKey):
            public = self.private_key.public_key().public_numbers()
            return {"kty": "RSA", "n": _encode_integer(public.n), "e": _encode_integer(public.e)}
        point = self.private_key.public_key().public_numbers()
        size = (self.private_key.key_size + 7) // 8
        curve = _CURVE_NAMES[self.algorithm]
        return {"kty": "EC", "crv": curve, "x": _encode_integer(point.x, size), "y": _encode_integer(point.y, size)}


def generate_rsa_key(kid: str, algorithm: str = "RS256", bits: int = 2048) -> SigningKey:
    """Return a new RSA key pair."""
    return SigningKey(kid, rsa.generate_private_key(65537, bits), algorithm)


def generate_ec_key(kid: str, algorithm: str = "ES256") -> SigningKey:
    """Return a new key pair on the curve of an algorithm."""
    return SigningKey(kid, ec.generate_private_key(_CURVES[algorithm]), algorithm)


def _encode_integer(number: int, size: int | None = None) -> str:
    return encode_base64url(number.to_bytes(size or (number.bit_length() + 7) // 8, "big"))


def build_jwks(*members: Any) -> bytes:
    """Return a key set with these members."""
    return json.dumps({"keys": list(members)}).encode()


@dataclass
class JwksPublisher:
    """Documents by URL; counts fetches, and can fail them (`failure_reason`) or hold them (`release_event`)."""

    documents: dict[str, bytes] = field(default_factory=dict)
    fetched_urls: list[str] = field(default_factory=list)
    failure_reason: str | None = None
    release_event: asyncio.Event | None = None

    def publish(self, issuer: str, *keys: SigningKey) -> None:
        """Publish exactly these keys of an issuer."""
        jwks_url = f"{issuer}/certs"
        self.documents[issuer + DISCOVERY_PATH] = json.dumps({"issuer": issuer, "jwks_uri": jwks_url}).encode()
        self.documents[jwks_url] = build_jwks(*(key.to_jwk() for key in keys))

    async def get(self, url: str) -> bytes:
        """Return a document, or raise KeySetError."""
        self.fetched_urls.append(url)
        if self.release_event is not None:
            await self.release_event.wait()
        if self.failure_reason is not None:
            raise KeySetError(self.failure_reason)
        return self.documents[url]

    @property
    def discovery_count(self) -> int:
        """The number of fetches so far, discovery included."""
        return len([url for url in self.fetched_urls if url.endswith(DISCOVERY_PATH)])


def build_issuer_keys(
    publisher: JwksPublisher, *issuers: str, schedule: KeyRefreshPolicy | None = None
) -> JwksKeySource:
    """Return the key source of these issuers, with discovery; nothing is fetched yet."""
    places = [JwksEndpoint(issuer) for issuer in issuers or (ISSUER,)]
    return JwksKeySource(
        IssuerKeyCache(place, ALGORITHMS, publisher.get, schedule or KeyRefreshPolicy()) for place in places
    )
