"""JSON Web Tokens: their format, signature and times. This is the only module that uses python-jose.

Two published vulnerabilities of python-jose have no fixed release. Neither can be reached from here: a key is an
object for one algorithm, never text, and the algorithm is checked against the configured ones before any verification.
docs/decisions/0004-python-jose.md has each step and its reason.
"""

import binascii
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey, EllipticCurvePublicNumbers
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers
from jose import jwk, jwt
from jose.backends.base import Key

from aggregator.errors import UnauthenticatedError

PublicKey = RSAPublicKey | EllipticCurvePublicKey
PublicNumbers = RSAPublicNumbers | EllipticCurvePublicNumbers
Claims = Mapping[str, Any]

MAX_TOKEN_BYTES = 16 * 1024
MAX_LOGGED_CLAIM_CHARACTERS = 200
LEEWAY_SECONDS = 30
# The curve of each algorithm, by its name in cryptography: python-jose accepts any curve for each.
_CURVE_NAMES_BY_ALGORITHM = {"ES256": "secp256r1", "ES384": "secp384r1", "ES512": "secp521r1"}

_JWT_PATTERN = re.compile(rb"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_ACCEPTED_TOKEN_TYPES = ("application/jwt", "application/at+jwt")
_MISSING_MEMBER = msgspec.Raw()

# All options of python-jose. It verifies the signature only: its checks of claims raise many types of errors for
# unexpected values, and the checks below are stricter.
_JWT_DECODE_OPTIONS = {
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


class _HeaderWithoutKid(msgspec.Struct):
    """The members of a header that are used. Others are not decoded."""

    alg: str = ""
    typ: str = "JWT"
    crit: msgspec.Raw = _MISSING_MEMBER


class _HeaderWithKid(_HeaderWithoutKid):
    """A header whose key ID, if any, is text, as in nearly all tokens."""

    kid: str | None = None


class _UnverifiedClaims(msgspec.Struct):
    """The only claim that is read before the signature is verified."""

    iss: str | None = None


_TokenPartT = TypeVar("_TokenPartT", _HeaderWithKid, _HeaderWithoutKid, _UnverifiedClaims)
# Created once, because invalid tokens may be frequent.
_decode_header_with_kid = msgspec.json.Decoder(_HeaderWithKid).decode
_decode_header_without_kid = msgspec.json.Decoder(_HeaderWithoutKid).decode
_decode_unverified_claims = msgspec.json.Decoder(_UnverifiedClaims).decode
_BASE64URL_TO_BASE64 = bytes.maketrans(b"-_", b"+/")


class JoseHeader(NamedTuple):
    """The header of a token: its algorithm, which is a configured one, and its key ID."""

    algorithm: str
    kid: str | None


@dataclass(frozen=True)
class VerifyingKey:
    """A public key for each of its algorithms, and the issuer whose tokens it verifies, None for any issuer."""

    by_algorithm: Mapping[str, Key]
    public_numbers: PublicNumbers
    issuer: str | None = None


def build_verifying_key(key: PublicKey, algorithms: Iterable[str], issuer: str | None = None) -> VerifyingKey:
    """Return the key for those of the algorithms that it supports."""
    supported = [name for name in algorithms if _is_algorithm_supported(key, name)]
    # The type stubs leave out that it accepts keys of cryptography.
    construct: Any = jwk.construct
    return VerifyingKey({name: construct(key, name) for name in supported}, key.public_numbers(), issuer)


def _is_algorithm_supported(key: PublicKey, algorithm: str) -> bool:
    if isinstance(key, RSAPublicKey):
        return algorithm.startswith("RS")
    return key.curve.name == _CURVE_NAMES_BY_ALGORITHM.get(algorithm)


def parse_bearer_token(authorization: bytes) -> bytes:
    """Return the token in an Authorization header, three parts of base64url; raise UnauthenticatedError without one."""
    # The longest token, and room for the scheme and white space.
    if len(authorization) > MAX_TOKEN_BYTES + 64:
        raise UnauthenticatedError("too long")
    scheme, space, token = authorization[:6], authorization[6:7], authorization[7:].strip(b" \t")
    if scheme.lower() != b"bearer" or space not in (b" ", b"\t"):
        raise UnauthenticatedError("no bearer token")
    if len(token) > MAX_TOKEN_BYTES:
        raise UnauthenticatedError("too long")
    if not _JWT_PATTERN.fullmatch(token):
        raise UnauthenticatedError("not the shape of a token")
    return token


def parse_token_header(token: bytes, algorithms: Iterable[str]) -> JoseHeader:
    """Return the header of a token; raise UnauthenticatedError if it is invalid or its algorithm is not configured.

    Members that would choose a key in another way, such as `jku` and `jwk`, are ignored.
    """
    part = token.partition(b".")[0]
    header_with_kid = _decode_token_part(part, _decode_header_with_kid)
    # The static key is used for any key ID, also for one that is not text.
    decoded_header = header_with_kid or _decode_token_part(part, _decode_header_without_kid)
    if decoded_header is None:
        raise UnauthenticatedError("header")
    if decoded_header.alg not in algorithms:
        raise UnauthenticatedError("algorithm")
    if decoded_header.crit is not _MISSING_MEMBER or _to_media_type(decoded_header.typ) not in _ACCEPTED_TOKEN_TYPES:
        raise UnauthenticatedError("header")
    return JoseHeader(decoded_header.alg, None if header_with_kid is None else header_with_kid.kid)


def _to_media_type(token_type: str) -> str:
    """Return the media type of `typ`, whose `application/` may be left out (RFC 7515, section 4.1.9)."""
    lowercase = token_type.lower()
    return lowercase if "/" in lowercase else f"application/{lowercase}"


def format_claim(value: Any) -> str:
    """Format a claim, a string or a list of strings, for the log, escaped.

    Long values are omitted, not truncated, because redaction cannot recognize part of a secret.
    """
    if value is None:
        return "none"
    texts = value if isinstance(value, list) else [value]
    if not all(isinstance(text, str) for text in texts):
        return "not text"
    text = ", ".join(texts)
    return ascii(text)[1:-1] if len(text) <= MAX_LOGGED_CLAIM_CHARACTERS else f"({len(text)} characters)"


def read_unverified_issuer(token: bytes) -> str | None:
    """Return the issuer that the token claims, None if it claims none. Nothing is verified."""
    claims = _decode_token_part(token.split(b".", 2)[1], _decode_unverified_claims)
    return None if claims is None else claims.iss


def verify_token_signature(token: bytes, algorithm: str, key: Key) -> Claims:
    """Return the claims of a token; raise UnauthenticatedError if the key does not verify its signature."""
    try:
        claims: Any = jwt.decode(token.decode("ascii"), key, algorithms=[algorithm], options=_JWT_DECODE_OPTIONS)
    except Exception:  # noqa: BLE001 - python-jose also raises TypeError, OverflowError, RecursionError and JWKError
        raise UnauthenticatedError("signature") from None
    if not isinstance(claims, dict):
        raise UnauthenticatedError("claims")
    return claims


def validate_claims(claims: Claims, now_seconds: float) -> float:
    """Return when the token expires, as Unix time with leeway; raise UnauthenticatedError if it is not valid now."""
    # Keycloak signs ID tokens with the same key, but they grant no access.
    if claims.get("typ", "Bearer") != "Bearer":
        raise UnauthenticatedError("not an access token")
    expiry_seconds = _read_time_claim(claims, "exp", None)
    if expiry_seconds + LEEWAY_SECONDS <= now_seconds:
        raise UnauthenticatedError("expired")
    if _read_time_claim(claims, "nbf", 0.0) - LEEWAY_SECONDS > now_seconds:
        raise UnauthenticatedError("not yet valid")
    if _read_time_claim(claims, "iat", 0.0) - LEEWAY_SECONDS > now_seconds:
        raise UnauthenticatedError("issued in the future")
    return expiry_seconds + LEEWAY_SECONDS


def _decode_token_part(part: bytes, decode: Callable[[bytes], _TokenPartT]) -> _TokenPartT | None:
    try:
        return decode(binascii.a2b_base64(part.translate(_BASE64URL_TO_BASE64) + b"=" * (-len(part) % 4)))
    except (ValueError, RecursionError, msgspec.MsgspecError):
        return None


def _read_time_claim(claims: Claims, name: str, default: float | None) -> float:
    value = claims.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UnauthenticatedError(name)
    try:
        timestamp_seconds = float(value)
    except OverflowError:
        raise UnauthenticatedError(name) from None
    if not math.isfinite(timestamp_seconds):
        raise UnauthenticatedError(name)
    return timestamp_seconds
