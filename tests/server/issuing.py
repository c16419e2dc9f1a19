"""Issuers without a network: keys with ids, the documents that publish them, and the tokens that they sign."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from aggregator.errors import KeySetError
from aggregator.server.issuers import DISCOVERY, Issuer, IssuerKeys, KeyPace, Place
from aggregator.settings.access import CURVE_ALGORITHMS, RSA_ALGORITHMS
from tests.server.tokens import ABSENT, HASHES, assembled, claims, encoded, es, rs

ISSUER = "https://iam.example.org/realms/icos"
OTHER_ISSUER = "https://iam.example.org/realms/other"
ALGORITHMS = (*RSA_ALGORITHMS, *CURVE_ALGORITHMS)
_CURVES: Mapping[str, ec.EllipticCurve] = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}
_CURVE_NAMES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}


@dataclass(frozen=True)
class SigningKey:
    """A key pair of an issuer, for one algorithm, under an id."""

    kid: str
    private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
    algorithm: str = "RS256"

    def jwk(self, **changes: Any) -> dict[str, Any]:
        """Return the public key as a JSON Web Key, with changes."""
        usual = {"kid": self.kid, "use": "sig", "alg": self.algorithm, **self._numbers()}
        return {name: value for name, value in (usual | changes).items() if value is not ABSENT}

    def token(self, header: Mapping[str, Any] | None = None, **changes: Any) -> str:
        """Return a token that holds, or one with changed header and claims."""
        usual = {"alg": self.algorithm, "typ": "JWT", "kid": self.kid, **(header or {})}
        head = json.dumps({name: value for name, value in usual.items() if value is not ABSENT}).encode()
        payload = json.dumps(claims(**{"iss": ISSUER, **changes})).encode()
        if isinstance(self.private, rsa.RSAPrivateKey):
            return assembled(head, payload, rs(self.private, HASHES[self.algorithm]))
        return assembled(head, payload, es(self.private, self.algorithm))

    def _numbers(self) -> dict[str, str]:
        if isinstance(self.private, rsa.RSAPrivateKey):
            public = self.private.public_key().public_numbers()
            return {"kty": "RSA", "n": _text(public.n), "e": _text(public.e)}
        point = self.private.public_key().public_numbers()
        size = (self.private.key_size + 7) // 8
        curve = _CURVE_NAMES[self.algorithm]
        return {"kty": "EC", "crv": curve, "x": _text(point.x, size), "y": _text(point.y, size)}


def rsa_key(kid: str, algorithm: str = "RS256", bits: int = 2048) -> SigningKey:
    """Return a new RSA key."""
    return SigningKey(kid, rsa.generate_private_key(65537, bits), algorithm)


def curve_key(kid: str, algorithm: str = "ES256") -> SigningKey:
    """Return a new key on the algorithm's curve."""
    return SigningKey(kid, ec.generate_private_key(_CURVES[algorithm]), algorithm)


def _text(number: int, size: int | None = None) -> str:
    return encoded(number.to_bytes(size or (number.bit_length() + 7) // 8, "big"))


def jwks(*members: Any) -> bytes:
    """Return a key set of these members."""
    return json.dumps({"keys": list(members)}).encode()


@dataclass
class Publisher:
    """What can be fetched, by URL; it counts, fails for `reason`, and lets fetches wait at `gate`, as it is told."""

    documents: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    reason: str | None = None
    gate: asyncio.Event | None = None

    def publish(self, issuer: str, *keys: SigningKey) -> None:
        """Show these keys as the issuer's, and no others."""
        where = f"{issuer}/certs"
        self.documents[issuer + DISCOVERY] = json.dumps({"issuer": issuer, "jwks_uri": where}).encode()
        self.documents[where] = jwks(*(key.jwk() for key in keys))

    async def get(self, url: str) -> bytes:
        """Return a document, or fail."""
        self.asked.append(url)
        if self.gate is not None:
            await self.gate.wait()
        if self.reason is not None:
            raise KeySetError(self.reason)
        return self.documents[url]

    @property
    def fetches(self) -> int:
        """How often keys were fetched, or the place where they are was looked up."""
        return len([url for url in self.asked if url.endswith(DISCOVERY)])


def issuer_keys(publisher: Publisher, *issuers: str, pace: KeyPace | None = None) -> IssuerKeys:
    """Return the keys of these issuers, found by discovery; none is fetched yet."""
    places = [Place(issuer) for issuer in issuers or (ISSUER,)]
    return IssuerKeys(Issuer(place, ALGORITHMS, publisher.get, pace or KeyPace()) for place in places)
