"""Who may pass: one bearer token, judged once and remembered for as long as it holds."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple, Protocol

from aggregator.errors import NotAllowedError, TokenRefusedError
from aggregator.grants import Grant
from aggregator.server.keys import Keys
from aggregator.server.roles import NOTHING_MORE, Policy
from aggregator.server.tokens import VerifyingKey, bearer_token, read_header, time_limit, verified
from aggregator.settings.access import RSA_ALGORITHMS

REMEMBERED_TOKENS = 10_000
DIGEST_BYTES = 32


class Guard(Protocol):
    """Decides what a caller may see, by the values of its Authorization headers."""

    async def admit(self, authorization: Sequence[bytes]) -> Grant:
        """Return what the caller may see; raise an AccessError if it may not pass."""


class _Remembered(NamedTuple):
    """What a token opens, until when, and of which generation the keys were."""

    until: float
    generation: int
    grant: Grant


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
        self._known: dict[bytes, _Remembered] = {}

    async def admit(self, authorization: Sequence[bytes]) -> Grant:
        """Return what is opened by the one Authorization header that there is, and that bears a token that holds.

        This waits for an issuer only where a token names a key that is not known and the issuer may be asked.
        """
        if len(authorization) != 1:
            raise TokenRefusedError("several authorization headers" if authorization else "no token")
        # By its digest: no token is kept, and however long one is, remembering it takes the same room.
        digest = blake2b(authorization[0], digest_size=DIGEST_BYTES).digest()
        known = self._known.get(digest)
        if known is not None and known.until > self._clock() and known.generation == self._keys.generation:
            return known.grant
        token = bearer_token(authorization[0])
        header = read_header(token, self._rules.algorithms)
        if not self._keys.find(header.kid, token):
            await self._keys.learn(header.kid, token)
        generation, keys = self._keys.generation, self._keys.find(header.kid, token)
        if not keys:
            raise self._keys.why_unknown(token)
        until, grant = self._judged(token, header.algorithm, keys)
        self._remember(digest, _Remembered(until, generation, grant))
        return grant

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

    def _remember(self, digest: bytes, remembered: _Remembered) -> None:
        self._known.pop(digest, None)
        while len(self._known) >= self._rules.remembered:
            del self._known[next(iter(self._known))]
        self._known[digest] = remembered
