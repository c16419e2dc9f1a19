"""Whether a token holds: the one file that touches python-jose, behind one small interface.

Two published weaknesses of python-jose have no fixed release. Neither can be reached from here: the key is
a Key object made for one algorithm each, never text, and the algorithm is one that we chose before any
verification. docs/decisions/0004-python-jose.md has the recipe and why each step is there.
"""

import base64
import binascii
import hashlib
import json
import math
import re
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from jose import jwk, jwt
from jose.backends.base import Key

from aggregator.errors import TokenRefusedError

ALGORITHMS = ("RS256", "RS384", "RS512")
LONGEST_TOKEN_BYTES = 16 * 1024
LEEWAY_SECONDS = 30
REMEMBERED_TOKENS = 10_000

_SHAPE = re.compile(rb"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_HEADER = re.compile(rb"[Bb][Ee][Aa][Rr][Ee][Rr][ \t]+(\S+)[ \t]*")
_TOKEN_TYPES = ("jwt", "at+jwt")

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


class Guard(Protocol):
    """Decides whether a caller may pass, by the values of its Authorization headers."""

    def check(self, authorization: Sequence[bytes]) -> None:
        """Return if the caller may pass; raise an AccessError if not."""


class RealmKeyGuard:
    """Lets pass whoever holds a token that the Keycloak realm signed with the key of this public key."""

    def __init__(
        self, public_key_pem: str, clock: Callable[[], float] = time.time, remembered: int = REMEMBERED_TOKENS
    ) -> None:
        self._keys: dict[str, Key] = {name: jwk.construct(public_key_pem, name) for name in ALGORITHMS}
        self._clock = clock
        self._remembered = remembered
        self._until: dict[bytes, float] = {}

    def check(self, authorization: Sequence[bytes]) -> None:
        """Return if there is exactly one Authorization header and it bears a token that holds."""
        token = _bearer_token(authorization)
        digest = hashlib.sha256(token).digest()
        if self._until.get(digest, -math.inf) > self._clock():
            return
        self._remember(digest, self._verified_until(token))

    def _verified_until(self, token: bytes) -> float:
        """Return when the token stops to hold, in seconds since the epoch; raise if it does not hold now."""
        algorithm = _algorithm(token)
        try:
            claims = jwt.decode(token.decode("ascii"), self._keys[algorithm], algorithms=[algorithm], options=_OPTIONS)
        except Exception as error:
            # TypeError, OverflowError, RecursionError and JWKError are seen to escape beside JWTError.
            raise TokenRefusedError("signature") from error
        return _time_limit(claims, self._clock())

    def _remember(self, digest: bytes, until: float) -> None:
        while len(self._until) >= self._remembered:
            del self._until[next(iter(self._until))]
        self._until[digest] = until


def _bearer_token(authorization: Sequence[bytes]) -> bytes:
    if not authorization:
        raise TokenRefusedError("no token")
    if len(authorization) > 1:
        raise TokenRefusedError("several authorization headers")
    # A little longer than the longest token: the scheme and white space.
    if len(authorization[0]) > LONGEST_TOKEN_BYTES + 64:
        raise TokenRefusedError("too long")
    borne = _HEADER.fullmatch(authorization[0])
    if borne is None:
        raise TokenRefusedError("no bearer token")
    if len(borne[1]) > LONGEST_TOKEN_BYTES:
        raise TokenRefusedError("too long")
    if not _SHAPE.fullmatch(borne[1]):
        raise TokenRefusedError("not the shape of a token")
    return borne[1]


def _algorithm(token: bytes) -> str:
    """Return the algorithm that the token's header names, if it is one of ours; no other member can choose a key."""
    header = _json(token.partition(b".")[0])
    if not isinstance(header, dict):
        raise TokenRefusedError("header")
    algorithm, kind = header.get("alg"), header.get("typ", "JWT")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise TokenRefusedError("algorithm")
    if "crit" in header or not isinstance(kind, str) or kind.lower() not in _TOKEN_TYPES:
        raise TokenRefusedError("header")
    return algorithm


def _json(part: bytes) -> Any:
    try:
        return json.loads(base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        return None


def _time_limit(claims: Any, now: float) -> float:
    """Return when the claims stop to hold; raise if they do not hold now or are no access token's."""
    if not isinstance(claims, dict):
        raise TokenRefusedError("claims")
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


def _moment(claims: dict[str, Any], name: str, default: float | None) -> float:
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
