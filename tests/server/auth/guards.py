"""Guards for tests, and their decision about one token."""

import asyncio
import time
from collections.abc import Callable, Sequence

from aggregator.errors import UnauthenticatedError
from aggregator.server.auth.guard import MAX_CACHED_TOKENS, Access, Guard, TokenGuard
from aggregator.server.auth.jwks import StaticKeySource
from aggregator.settings.auth import RSA_ALGORITHMS


def build_static_guard(
    public_key_pem: str, clock: Callable[[], float] = time.time, cache_size: int = MAX_CACHED_TOKENS
) -> TokenGuard:
    """Return a guard for the tokens of one static key, like the setting KEY."""
    return TokenGuard(StaticKeySource(public_key_pem, RSA_ALGORITHMS), clock=clock, max_cached_tokens=cache_size)


def authorize_sync(guard: Guard, authorization: Sequence[bytes]) -> Access:
    """Return the access that Authorization headers give; raise what the guard raises."""
    return asyncio.run(guard.authorize(authorization))


def accepts_token(guard: Guard, token: str) -> bool:
    """Return whether a guard accepts a token."""
    try:
        authorize_sync(guard, [f"Bearer {token}".encode()])
    except UnauthenticatedError:
        return False
    return True
