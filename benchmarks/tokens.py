"""A realm of our own: a key pair, the public key as the gateway's KEY wants it, and a token that holds for a day."""

import base64
import json
import time
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from jose import jwk, jwt

DAY_SECONDS = 86_400


@dataclass(frozen=True)
class Realm:
    """The value for KEY, a token that its private key has signed, and the key set that an issuer would publish."""

    key: str
    token: str
    jwks: bytes


def realm(kid: str = "bench") -> Realm:
    """Return a new realm, whose key has this id."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    now = int(time.time())
    # About as long as the tokens that Keycloak gives to a person with some roles.
    claims = {"exp": now + DAY_SECONDS, "iat": now, "typ": "Bearer", "sub": "bench", "roles": ["r" * 10] * 40}
    token = jwt.encode(claims, pem, algorithm="RS256", headers={"kid": kid})
    member = {**jwk.construct(pem, "RS256").public_key().to_dict(), "kid": kid, "use": "sig"}
    return Realm(base64.b64encode(public).decode(), token, json.dumps({"keys": [member]}).encode())
