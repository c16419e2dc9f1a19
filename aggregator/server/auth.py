"""Who may pass: one bearer token, judged once and remembered for as long as it holds."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple, Protocol

from aggregator.errors import AccessError, NotAllowedError, TokenRefusedError
from aggregator.grants import Grant
from aggregator.server.keys import Keys
from aggregator.server.roles import NOTHING_MORE, Policy
from aggregator.server.tokens import (
    Header,
    VerifyingKey,
    bearer_token,
    check_shape,
    read_header,
    time_limit,
    verified,
)
from aggregator.settings.access import RSA_ALGORITHMS

REMEMBERED_TOKENS = 10_000
DIGEST_BYTES = 32


class Remembered(NamedTuple):
    """What a token opens, until when, and of which generation the keys were."""

    until: float
    generation: int
    grant: Grant


@dataclass(slots=True)
class Borne:
    """The Authorization header that opened something on a connection last, and what; most likely it comes again."""

    authorization: bytes = b""
    known: Remembered | None = None


class Guard(Protocol):
    """Decides what a caller may see, by the values of its Authorization headers."""

    async def admit(self, authorization: Sequence[bytes]) -> Grant:
        """Return what the caller may see; raise an AccessError if it may not pass."""

    def admit_at_once(self, authorization: Sequence[bytes], borne: Borne) -> Grant | AccessError | None:
        """Return what `admit` returns or raises if that is quickly told, else None.

        Strangers may knock often, and to raise an error costs as much as to read a token.
        """


@dataclass(frozen=True)
class Rules:
    """By what tokens are judged beside keys: algorithms, what is asked of claims, and how many are remembered."""

    algorithms: tuple[str, ...] = RSA_ALGORITHMS
    policy: Policy = NOTHING_MORE
    remembered: int = REMEMBERED_TOKENS


DEFAULT_RULES = Rules()


class TokenGuard:
    """Lets pass whoever holds a token that one of the keys verifies and whose claims are as the policy asks."""

    def __init__(self, keys: Keys, rules: Rules = DEFAULT_RULES, clock: Callable[[], float] = time.time) -> None:
        self._keys = keys
        self._rules = rules
        self._clock = clock
        self._known: dict[bytes, Remembered] = {}

    async def admit(self, authorization: Sequence[bytes]) -> Grant:
        """Return what is opened by the one Authorization header that there is, and that bears a token that holds.

        This waits for an issuer only where a token names a key that is not known and the issuer may be asked.
        """
        value = _the_one(authorization)
        digest = _digest(value)
        known = self._known.get(digest)
        if known is not None and self._holds(known):
            return known.grant
        token, header = self._read(value)
        hopeless = self._why_hopeless(token, header)
        if hopeless is not None:
            raise hopeless
        if not self._keys.find(header.kid, token):
            await self._keys.learn(header.kid, token)
        generation, keys = self._keys.generation, self._keys.find(header.kid, token)
        if not keys:
            raise self._keys.why_unknown(token)
        until, grant = self._judged(token, header.algorithm, keys)
        self._remember(digest, Remembered(until, generation, grant))
        return grant

    def admit_at_once(self, authorization: Sequence[bytes], borne: Borne) -> Grant | AccessError | None:
        """Return what `admit` returns or raises, None where a signature is to be verified or an issuer may be asked."""
        try:
            value = _the_one(authorization)
            known = self._known_again(value, borne)
            return self._why_hopeless(*self._read(value)) if known is None else known.grant
        except AccessError as refused:
            return refused

    def _known_again(self, authorization: bytes, borne: Borne) -> Remembered | None:
        """Return what is known of a header; that its connection bore it before costs next to nothing to see."""
        # Whoever guesses at what another bore through the same proxy has one guess, as it is then forgotten: the time
        # that comparing took tells nothing to go on with.
        if borne.known is not None and authorization == borne.authorization and self._holds(borne.known):
            return borne.known
        borne.authorization, borne.known = b"", None
        known = self._known.get(_digest(authorization))
        if known is None or not self._holds(known):
            return None
        borne.authorization, borne.known = authorization, known
        return known

    def _read(self, authorization: bytes) -> tuple[bytes, Header]:
        """Return the token and its header; raise if they are not as they have to be."""
        token = bearer_token(authorization)
        return token, read_header(token, self._rules.algorithms)

    def _why_hopeless(self, token: bytes, header: Header) -> AccessError | None:
        """Return why it is of no use to look for the token's key, None where it is; raise if it has no shape."""
        hopeless = self._keys.why_hopeless(header.kid, token)
        # Of what is refused in any case the rest need not be looked at: strangers may knock often.
        if not isinstance(hopeless, TokenRefusedError):
            check_shape(token)
        return hopeless

    def _holds(self, known: Remembered) -> bool:
        return known.until > self._clock() and known.generation == self._keys.generation

    def _judged(self, token: bytes, algorithm: str, keys: Sequence[VerifyingKey]) -> tuple[float, Grant]:
        """Return until when the token holds and what it opens, by the first key that it holds under."""
        refusal: TokenRefusedError | NotAllowedError = TokenRefusedError("algorithm")
        for candidate in keys:
            key = candidate.by_algorithm.get(algorithm)
            if key is None:
                continue
            try:
                claims = verified(token, algorithm, key)
                return time_limit(claims, self._clock()), self._rules.policy.grant(claims, candidate.issuer)
            except (TokenRefusedError, NotAllowedError) as error:
                refusal = error
        raise refusal

    def _remember(self, digest: bytes, remembered: Remembered) -> None:
        self._known.pop(digest, None)
        while len(self._known) >= self._rules.remembered:
            del self._known[next(iter(self._known))]
        self._known[digest] = remembered


def _the_one(authorization: Sequence[bytes]) -> bytes:
    """Return the value of the one Authorization header that there has to be."""
    if len(authorization) != 1:
        raise TokenRefusedError("several authorization headers" if authorization else "no token")
    return authorization[0]


def _digest(authorization: bytes) -> bytes:
    """Return what a token is remembered by: it is not kept itself, and takes the same room however long it is."""
    return blake2b(authorization, digest_size=DIGEST_BYTES).digest()
