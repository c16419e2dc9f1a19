"""Tokens with real signatures: as a Keycloak realm makes them, and parts of those that attackers make."""

import base64
import functools
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

Signer = Callable[[bytes], bytes]


class _Absent:
    """Says what it is: tests are called by it, in each process the same."""

    def __repr__(self) -> str:
        return "absent"


# A claim or header with this value is left out.
ABSENT = _Absent()
HASHES: dict[str, HashAlgorithm] = {"RS256": SHA256(), "RS384": SHA384(), "RS512": SHA512()}


def encoded(part: bytes) -> str:
    """Return base64url without padding."""
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def assembled(header: bytes, payload: bytes, sign: Signer) -> str:
    """Return a token of these very bytes."""
    signed = f"{encoded(header)}.{encoded(payload)}"
    return f"{signed}.{encoded(sign(signed.encode()))}"


def rs(key: rsa.RSAPrivateKey, hash_: HashAlgorithm | None = None) -> Signer:
    """Return a signer as of RS256 and its sisters."""
    return lambda data: key.sign(data, padding.PKCS1v15(), hash_ or SHA256())


def ps256(key: rsa.RSAPrivateKey) -> Signer:
    """Return a signer as of PS256."""
    return lambda data: key.sign(data, padding.PSS(padding.MGF1(SHA256()), 32), SHA256())


def es(key: ec.EllipticCurvePrivateKey, algorithm: str = "ES256") -> Signer:
    """Return a signer as of ES256 and its sisters."""
    size = (key.key_size + 7) // 8

    def sign(data: bytes) -> bytes:
        first, second = decode_dss_signature(key.sign(data, ec.ECDSA(HASHES[f"RS{algorithm[2:]}"])))
        return first.to_bytes(size, "big") + second.to_bytes(size, "big")

    return sign


def hs256(secret: bytes) -> Signer:
    """Return a signer as of HS256."""
    return lambda data: hmac.new(secret, data, hashlib.sha256).digest()


def unsigned(_data: bytes) -> bytes:
    """Sign with nothing."""
    return b""


def claims(now: float | None = None, **changes: Any) -> dict[str, Any]:
    """Return the claims of a Keycloak access token that is good for five minutes, with changes."""
    at = int(time.time() if now is None else now)
    usual = {
        "exp": at + 300,
        "iat": at,
        "jti": "5b1c1d0e-7c3a-4a53-a8bd-000000000001",
        "iss": "https://iam.example.org/realms/icos",
        "aud": "account",
        "sub": "f3b9d6a2-0000-4d5c-9f30-000000000002",
        "typ": "Bearer",
        "azp": "shell",
        "realm_access": {"roles": ["offline_access", "default-roles-icos"]},
        "email": "somebody@claims.example.org",
    }
    return {name: value for name, value in (usual | changes).items() if value is not ABSENT}


@dataclass(frozen=True)
class Realm:
    """A realm: its key, what the setting KEY holds of it, and the tokens that it signs."""

    key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))

    @functools.cached_property
    def der(self) -> bytes:
        """The public key as DER."""
        return self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    @functools.cached_property
    def pem(self) -> bytes:
        """The public key as PEM."""
        return self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    @property
    def setting(self) -> str:
        """The public key as Keycloak's console shows it, base64 of DER."""
        return base64.b64encode(self.der).decode()

    def header(self, **changes: Any) -> bytes:
        """Return the header that Keycloak writes, with changes."""
        usual = {"alg": "RS256", "typ": "JWT", "kid": "qTb0Vu7nHk"}
        return json.dumps({name: value for name, value in (usual | changes).items() if value is not ABSENT}).encode()

    def token(self, now: float | None = None, **changes: Any) -> str:
        """Return a token that holds, or one with changed claims."""
        return assembled(self.header(), json.dumps(claims(now, **changes)).encode(), rs(self.key))

    def headed(self, sign: Signer | None = None, **changes: Any) -> str:
        """Return a token with good claims, a changed header, and this signature (else the realm's own)."""
        return assembled(self.header(**changes), json.dumps(claims()).encode(), sign or rs(self.key))

    def with_claim_text(self, name: str, text: str) -> str:
        """Return a signed token in whose payload a claim's value is this text, be it JSON or not."""
        marked: dict[str, Any] = {name: "?"}
        payload = json.dumps(claims(**marked)).replace(f'"{name}": "?"', f'"{name}": {text}')
        return assembled(self.header(), payload.encode(), rs(self.key))
