"""Signed tokens as Keycloak issues them, and parts for forged ones."""

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

SignFunction = Callable[[bytes], bytes]


class _Absent:
    """A marker for a missing value; its text is constant, because test IDs contain it."""

    def __repr__(self) -> str:
        return "absent"


# A claim or header with this value is left out.
ABSENT = _Absent()
HASHES_BY_ALGORITHM: dict[str, HashAlgorithm] = {"RS256": SHA256(), "RS384": SHA384(), "RS512": SHA512()}


def encode_base64url(part: bytes) -> str:
    """Return base64url without padding."""
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def assemble_token(header: bytes, payload: bytes, sign: SignFunction) -> str:
    """Return a token of these parts."""
    signed = f"{encode_base64url(header)}.{encode_base64url(payload)}"
    return f"{signed}.{encode_base64url(sign(signed.encode()))}"


def build_rs_signer(key: rsa.RSAPrivateKey, hash_: HashAlgorithm | None = None) -> SignFunction:
    """Return a signer for RS256, RS384 or RS512."""
    return lambda data: key.sign(data, padding.PKCS1v15(), hash_ or SHA256())


def build_ps256_signer(key: rsa.RSAPrivateKey) -> SignFunction:
    """Return a signer for PS256."""
    return lambda data: key.sign(data, padding.PSS(padding.MGF1(SHA256()), 32), SHA256())


def build_es_signer(key: ec.EllipticCurvePrivateKey, algorithm: str = "ES256") -> SignFunction:
    """Return a signer for ES256, ES384 or ES512."""
    size = (key.key_size + 7) // 8

    def sign(data: bytes) -> bytes:
        first, second = decode_dss_signature(key.sign(data, ec.ECDSA(HASHES_BY_ALGORITHM[f"RS{algorithm[2:]}"])))
        return first.to_bytes(size, "big") + second.to_bytes(size, "big")

    return sign


def build_hs256_signer(secret: bytes) -> SignFunction:
    """Return a signer for HS256."""
    return lambda data: hmac.new(secret, data, hashlib.sha256).digest()


def sign_nothing(_data: bytes) -> bytes:
    """Return an empty signature."""
    return b""


def build_claims(now: float | None = None, **changes: Any) -> dict[str, Any]:
    """Return the claims of a Keycloak access token that is valid for five minutes, with changes."""
    issued_at_seconds = int(time.time() if now is None else now)
    defaults = {
        "exp": issued_at_seconds + 300,
        "iat": issued_at_seconds,
        "jti": "5b1c1d0e-7c3a-4a53-a8bd-000000000001",
        "iss": "https://iam.example.org/realms/icos",
        "aud": "account",
        "sub": "f3b9d6a2-0000-4d5c-9f30-000000000002",
        "typ": "Bearer",
        "azp": "shell",
        "realm_access": {"roles": ["offline_access", "default-roles-icos"]},
        "email": "somebody@claims.example.org",
    }
    return {name: value for name, value in (defaults | changes).items() if value is not ABSENT}


@dataclass(frozen=True)
class FakeRealm:
    """A Keycloak realm: its key pair and the tokens that it signs."""

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
    def key_setting(self) -> str:
        """The public key as the console of Keycloak shows it, base64 of DER."""
        return base64.b64encode(self.der).decode()

    def build_header(self, **changes: Any) -> bytes:
        """Return the header that Keycloak writes, with changes."""
        defaults = {"alg": "RS256", "typ": "JWT", "kid": "qTb0Vu7nHk"}
        return json.dumps({name: value for name, value in (defaults | changes).items() if value is not ABSENT}).encode()

    def issue_token(self, now: float | None = None, **changes: Any) -> str:
        """Return a valid token, or one with changed claims."""
        return assemble_token(
            self.build_header(), json.dumps(build_claims(now, **changes)).encode(), build_rs_signer(self.key)
        )

    def issue_token_with_header(self, sign: SignFunction | None = None, **changes: Any) -> str:
        """Return a token with valid claims, a changed header, and a signature, by default that of the realm."""
        return assemble_token(
            self.build_header(**changes), json.dumps(build_claims()).encode(), sign or build_rs_signer(self.key)
        )

    def issue_token_with_raw_claim(self, name: str, text: str) -> str:
        """Return a signed token with a claim whose value is this text, valid JSON or not."""
        marked: dict[str, Any] = {name: "?"}
        payload = json.dumps(build_claims(**marked)).replace(f'"{name}": "?"', f'"{name}": {text}')
        return assemble_token(self.build_header(), payload.encode(), build_rs_signer(self.key))
