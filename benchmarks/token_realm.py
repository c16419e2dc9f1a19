"""A test realm: a key pair, the public key in the form of KEY, and a token valid for a day."""

import base64
import time
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from jose import jwk, jwt

DAY_SECONDS = 86_400
KEY_ID = "benchmark"


@dataclass(frozen=True)
class Realm:
    """The value of KEY, the same key as a JWK, and a token signed with the private key."""

    public_key: str
    jwk: dict[str, Any]
    token: str


def create_realm() -> Realm:
    """Return a new realm."""
    private_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public_der = private_key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    pem = private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    now = int(time.time())
    # About as long as a Keycloak token of a user with some roles.
    claims = {"exp": now + DAY_SECONDS, "iat": now, "typ": "Bearer", "sub": "bench", "roles": ["r" * 10] * 40}
    token = jwt.encode(claims, pem, algorithm="RS256", headers={"kid": KEY_ID})
    public_jwk = {**jwk.construct(pem, "RS256").public_key().to_dict(), "kid": KEY_ID, "use": "sig"}
    return Realm(base64.b64encode(public_der).decode(), public_jwk, token)
