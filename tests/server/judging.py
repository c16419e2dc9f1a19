"""Guards made for a test, and what they say to one token, without a server around them."""

import asyncio
import re
import time
from collections.abc import Callable, Sequence

import pytest

from aggregator.errors import AccessError, TokenRefusedError
from aggregator.grants import Grant
from aggregator.server.auth import REMEMBERED_TOKENS, Borne, Guard, Rules, TokenGuard
from aggregator.server.keys import StaticKeys
from aggregator.settings.access import RSA_ALGORITHMS


def static_guard(
    public_key_pem: str, clock: Callable[[], float] = time.time, remembered: int = REMEMBERED_TOKENS
) -> TokenGuard:
    """Return a guard for the tokens of one key, as the setting KEY makes it."""
    return TokenGuard(StaticKeys(public_key_pem, RSA_ALGORITHMS), Rules(remembered=remembered), clock)


def judged(guard: Guard, authorization: Sequence[bytes]) -> Grant:
    """Return what Authorization headers open; raise what the guard raises."""
    return asyncio.run(admitted(guard, authorization))


async def admitted(guard: Guard, authorization: Sequence[bytes]) -> Grant:
    """Do the same in a loop that runs; what the guard says at once has to be the same, too."""
    at_once = guard.admit_at_once(authorization, Borne())
    if isinstance(at_once, AccessError):
        with pytest.raises(type(at_once), match=f"^{re.escape(str(at_once))}$"):
            await guard.admit(authorization)
        raise at_once
    grant = await guard.admit(authorization)
    assert at_once in (None, grant)
    return grant


def holds(guard: Guard, token: str) -> bool:
    """Return whether a guard lets a token pass."""
    try:
        judged(guard, [f"Bearer {token}".encode()])
    except TokenRefusedError:
        return False
    return True
