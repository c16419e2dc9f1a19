"""What a token says and whether its signature holds: the one file that touches python-jose.

Two published weaknesses of python-jose have no fixed release. Neither can be reached from here: the key is
a Key object made for one algorithm each, never text, and the algorithm is one that we chose before any
verification. docs/decisions/0004-python-jose.md has the recipe and why each step is there.
"""

import binascii
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jose import jwk, jwt
from jose.backends.base import Key

from aggregator.errors import TokenRefusedError

PublicKey = RSAPublicKey | EllipticCurvePublicKey
Claims = Mapping[str, Any]

LONGEST_TOKEN_BYTES = 16 * 1024
LEEWAY_SECONDS = 30
# The curve of each algorithm, by cryptography's name: python-jose takes any curve for each.
_CURVES = {"ES256": "secp256r1", "ES384": "secp384r1", "ES512": "secp521r1"}

_SHAPE = re.compile(rb"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_TOKEN_TYPES = ("jwt", "at+jwt")
_ABSENT = msgspec.Raw()

# Every option that python-jose has. It checks the signature and nothing else: its checks of claims raise
# errors of many kinds on claims of odd types, and ours below are stricter.
_OPTIONS = {
    "verify_signature": True,
    "verify_aud": False,
    "verify_iat": False,
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iss": False,
    "verify_sub": False,
    "verify_jti": False,
    "verify_at_hash": False,
    "require_aud": False,
    "require_iat": False,
    "require_exp": False,
    "require_nbf": False,
    "require_iss": False,
    "require_sub": False,
    "require_jti": False,
    "require_at_hash": False,
    "leeway": 0,
}


class _Nameless(msgspec.Struct):
    """The members of a header that are looked at; others are passed over unread, whatever a stranger says there."""

    alg: str = ""
    typ: str = "JWT"
    crit: msgspec.Raw = _ABSENT


class _Named(_Nameless):
    """Those of nearly all headers: they name a key by a text."""

    kid: str | None = None


class _Claims(msgspec.Struct):
    """The one claim that is looked at before anything is verified."""

    iss: str | None = None


_Said = TypeVar("_Said", _Named, _Nameless, _Claims)
# Made once, as strangers may knock often.
_named_of = msgspec.json.Decoder(_Named).decode
_nameless_of = msgspec.json.Decoder(_Nameless).decode
_claims_of = msgspec.json.Decoder(_Claims).decode
_FROM_URL_SAFE = bytes.maketrans(b"-_", b"+/")


class Header(NamedTuple):
    """What we read of a token's header: its algorithm, one of those that were configured, and which key it names."""

    algorithm: str
    kid: str | None


@dataclass(frozen=True)
class VerifyingKey:
    """A public key, ready for each of its algorithms, and whose tokens it verifies (None: anybody's)."""

    by_algorithm: Mapping[str, Key]
    issuer: str | None = None


def verifying_key(key: PublicKey, algorithms: Iterable[str], issuer: str | None = None) -> VerifyingKey:
    """Return the key for those of the algorithms that fit it."""
    fitting = [name for name in algorithms if _fits(key, name)]
    # Its types leave out that it takes cryptography's own keys.
    made: Any = jwk.construct
    return VerifyingKey({name: made(key, name) for name in fitting}, issuer)


def _fits(key: PublicKey, algorithm: str) -> bool:
    if isinstance(key, RSAPublicKey):
        return algorithm.startswith("RS")
    return key.curve.name == _CURVES.get(algorithm)


def bearer_token(value: bytes) -> bytes:
    """Return the token of three parts that an Authorization header bears; raise if there is none."""
    # A little longer than the longest token: the scheme and white space.
    if len(value) > LONGEST_TOKEN_BYTES + 64:
        raise TokenRefusedError("too long")
    scheme, space, token = value[:6], value[6:7], value[7:].strip(b" \t")
    if scheme.lower() != b"bearer" or space not in (b" ", b"\t"):
        raise TokenRefusedError("no bearer token")
    if len(token) > LONGEST_TOKEN_BYTES:
        raise TokenRefusedError("too long")
    if token.count(b".") != 2:
        raise _shapeless()
    return token


def check_shape(token: bytes) -> None:
    """Raise if the token is not of three parts in the letters of base64url.

    It is to be asked before anything is verified or fetched. What is refused anyhow, by its header, need not be read.
    """
    if not _SHAPE.fullmatch(token):
        raise _shapeless()


def _shapeless() -> TokenRefusedError:
    return TokenRefusedError("not the shape of a token")


def read_header(token: bytes, algorithms: Iterable[str]) -> Header:
    """Return the token's header; of its members only `alg` and `kid` choose anything, and nothing is fetched for it."""
    part = token.partition(b".")[0]
    named = _read(part, _named_of)
    # A key that is set needs no name, and so never minded one that is no text.
    said = named or _read(part, _nameless_of)
    if said is None:
        raise TokenRefusedError("header")
    if said.alg not in algorithms:
        raise TokenRefusedError("algorithm")
    if said.crit is not _ABSENT or said.typ.lower() not in _TOKEN_TYPES:
        raise TokenRefusedError("header")
    return Header(said.alg, None if named is None else named.kid)


def claimed_issuer(token: bytes) -> str | None:
    """Return who the token says it is from; nothing of that is verified."""
    claims = _read(token.split(b".", 2)[1], _claims_of)
    return None if claims is None else claims.iss


def verified(token: bytes, algorithm: str, key: Key) -> Claims:
    """Return the claims of a token whose signature holds under this key."""
    try:
        claims: Any = jwt.decode(token.decode("ascii"), key, algorithms=[algorithm], options=_OPTIONS)
    except Exception:  # noqa: BLE001 - TypeError, OverflowError, RecursionError and JWKError escape beside JWTError
        raise TokenRefusedError("signature") from None
    if not isinstance(claims, dict):
        raise TokenRefusedError("claims")
    return claims


def time_limit(claims: Claims, now: float) -> float:
    """Return when the claims stop to hold, in seconds since the epoch; raise if they do not hold now."""
    # Keycloak signs ID tokens with the same key; they say who somebody is, not what they may do.
    if claims.get("typ", "Bearer") != "Bearer":
        raise TokenRefusedError("not an access token")
    expiry = _moment(claims, "exp", None)
    if expiry + LEEWAY_SECONDS <= now:
        raise TokenRefusedError("expired")
    if _moment(claims, "nbf", 0.0) - LEEWAY_SECONDS > now:
        raise TokenRefusedError("not yet valid")
    if _moment(claims, "iat", 0.0) - LEEWAY_SECONDS > now:
        raise TokenRefusedError("issued in the future")
    return expiry + LEEWAY_SECONDS


def _read(part: bytes, decode: Callable[[bytes], _Said]) -> _Said | None:
    try:
        return decode(binascii.a2b_base64(part.translate(_FROM_URL_SAFE) + b"=" * (-len(part) % 4)))
    except (ValueError, RecursionError, msgspec.MsgspecError):
        return None


def _moment(claims: Claims, name: str, default: float | None) -> float:
    value = claims.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TokenRefusedError(name)
    try:
        moment = float(value)
    except OverflowError:
        raise TokenRefusedError(name) from None
    if not math.isfinite(moment):
        raise TokenRefusedError(name)
    return moment
