"""The keys that tokens are verified with: one that is set, or those that an issuer publishes, by `kid`."""

import asyncio
import base64
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from aggregator.errors import AccessError, KeySetError, TokenRefusedError
from aggregator.server.tokens import PublicKey, VerifyingKey, verifying_key

SHORTEST_RSA_BITS = 2048
# Longer ones would only make verification slow.
LONGEST_RSA_BITS = 16_384
_CURVES: Mapping[str, Callable[[], ec.EllipticCurve]] = {
    "P-256": ec.SECP256R1,
    "P-384": ec.SECP384R1,
    "P-521": ec.SECP521R1,
}


class Keys(Protocol):
    """Where the guard finds keys."""

    @property
    def generation(self) -> int:
        """A number that changes when the keys do: what was verified before has to be verified anew."""

    def find(self, kid: str | None, token: bytes) -> Sequence[VerifyingKey]:
        """Return the keys that a token which names this id may mean."""

    async def learn(self, kid: str | None, token: bytes) -> None:
        """Look for a key that is not known, if that is allowed now."""

    def why_unknown(self, token: bytes) -> AccessError:
        """Return what to answer to a token whose key is not known."""

    def why_hopeless(self, kid: str | None, token: bytes) -> AccessError | None:
        """Return what to answer to a token whose key is not known and cannot be learned now, None to any other."""

    def require(self) -> None:
        """Raise KeysMissingError as long as no token at all could be judged."""

    async def run(self) -> None:
        """Keep the keys current for ever."""


class StaticKeys:
    """The one RSA key that a setting holds as PEM: every token means it, whatever id it names."""

    generation = 0

    def __init__(self, public_key_pem: str, algorithms: Iterable[str]) -> None:
        key = load_pem_public_key(public_key_pem.encode())
        if not isinstance(key, rsa.RSAPublicKey):
            raise KeySetError("no RSA key")
        self._keys = (verifying_key(key, algorithms),)

    def find(self, _kid: str | None, _token: bytes) -> Sequence[VerifyingKey]:
        """Return the key."""
        return self._keys

    async def learn(self, kid: str | None, token: bytes) -> None:
        """Do nothing."""

    def why_unknown(self, _token: bytes) -> AccessError:
        """Return a refusal; it is not asked for, since the key is always known."""
        return TokenRefusedError("unknown key")

    def why_hopeless(self, _kid: str | None, _token: bytes) -> AccessError | None:
        """Return None: the key is always known."""
        return None

    def require(self) -> None:
        """Do nothing: the key is there."""

    async def run(self) -> None:
        """Do nothing, for ever: the key does not change."""
        await asyncio.Event().wait()


def key_set(body: bytes, algorithms: Sequence[str], issuer: str | None) -> dict[str, VerifyingKey]:
    """Return the keys of a JSON Web Key Set that can verify tokens of these algorithms, by their ids.

    Keys of other kinds and uses, too short ones and those without an id are passed over. Raises KeySetError where
    it is no key set, and where two of the keys have the same id.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise KeySetError("not JSON") from None
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise KeySetError("no key set")
    found: dict[str, VerifyingKey] = {}
    for member in listed:
        key = _usable(member, algorithms, issuer) if isinstance(member, dict) else None
        if key is not None:
            if member["kid"] in found:
                raise KeySetError("duplicate kid")
            found[member["kid"]] = key
    return found


def _usable(member: Mapping[str, Any], algorithms: Sequence[str], issuer: str | None) -> VerifyingKey | None:
    kid = member.get("kid")
    if not isinstance(kid, str) or not kid or member.get("use", "sig") != "sig":
        return None
    try:
        key = _public_key(member)
    except (KeyError, ValueError, TypeError, OverflowError):
        return None
    if key is None:
        return None
    # A key that names its algorithm is for that one alone.
    made = verifying_key(key, [name for name in algorithms if member.get("alg", name) == name], issuer)
    return made if made.by_algorithm else None


def _public_key(member: Mapping[str, Any]) -> PublicKey | None:
    if member.get("kty") == "RSA":
        modulus, exponent = _number(member["n"]), _number(member["e"])
        fits = SHORTEST_RSA_BITS <= modulus.bit_length() <= LONGEST_RSA_BITS and exponent.bit_length() <= 64
        return rsa.RSAPublicNumbers(exponent, modulus).public_key() if fits else None
    if member.get("kty") == "EC":
        numbers = ec.EllipticCurvePublicNumbers(_number(member["x"]), _number(member["y"]), _CURVES[member["crv"]]())
        return numbers.public_key()
    return None


def _number(text: str) -> int:
    return int.from_bytes(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), "big")
