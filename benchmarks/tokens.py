"""A realm of our own: a key pair, the public key as the gateway's KEY wants it, and a token that holds for a day."""

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
    """The value for KEY, the same key as an issuer hands it out, and a token that its private key has signed."""

    key: str
    jwk: dict[str, Any]
    token: str


def realm() -> Realm:
    """Return a new realm."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    now = int(time.time())
    # About as long as the tokens that Keycloak gives to a person with some roles.
    claims = {"exp": now + DAY_SECONDS, "iat": now, "typ": "Bearer", "sub": "bench", "roles": ["r" * 10] * 40}
    token = jwt.encode(claims, pem, algorithm="RS256", headers={"kid": KEY_ID})
    shown = {**jwk.construct(pem, "RS256").public_key().to_dict(), "kid": KEY_ID, "use": "sig"}
    return Realm(base64.b64encode(public).decode(), shown, token)
