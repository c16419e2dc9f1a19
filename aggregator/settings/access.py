"""Who may ask."""

import base64
import binascii
import re
from typing import Annotated, Literal

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
    load_pem_public_key,
)
from pydantic import AfterValidator, SecretStr

from aggregator.settings.kinds import Group, setting

SHORTEST_KEY_BITS = 2048


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


class AccessSettings(Group):
    """Tokens: whose are believed, and what they open."""

    KEY: Annotated[SecretStr, AfterValidator(_public_key)] | None = setting(
        None,
        "public key of the Keycloak realm; set: HTTP and gRPC answer only to its tokens",
        f"an RSA public key of at least {SHORTEST_KEY_BITS} bits: base64 of its DER form, or PEM",
        "no tokens are asked for",
    )
    GRPC_AUTH: Literal["on", "off"] = setting(
        "on", "off leaves gRPC open although KEY is set, for old clients without tokens", "on or off"
    )
