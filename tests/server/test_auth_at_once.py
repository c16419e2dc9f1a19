"""Tokens that are judged at once: as they are otherwise, as long as they hold, and each for itself."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from aggregator.errors import AccessError, TokenRefusedError
from aggregator.grants import EVERYTHING
from aggregator.server.auth import Borne, TokenGuard
from aggregator.server.issuers import IssuerKeys
from tests.server.issuing import ISSUER, OTHER_ISSUER, Publisher, issuer_keys, rsa_key
from tests.server.judging import admitted, static_guard
from tests.server.test_auth import Hands
from tests.server.test_auth_keys import FIRST, SECOND, eventually, guard_of
from tests.server.tokens import Realm, encoded


def refusal(guard: TokenGuard, authorization: Sequence[bytes], borne: Borne | None = None) -> str:
    """Return why Authorization headers are refused at once, "" where they are not."""
    said = guard.admit_at_once(authorization, borne or Borne())
    return said.reason if isinstance(said, AccessError) else ""


async def fetched(keys: IssuerKeys, kid: str) -> None:
    """Let the keys be fetched until there is one of this id."""
    running = asyncio.create_task(keys.run())
    await eventually(lambda: keys.find(kid, b""))
    running.cancel()


async def test_a_token_is_known_again_on_its_connection(realm: Realm, public_key: str) -> None:
    """What opened something on a connection opens it at once again, whatever else the guard has to remember."""
    guard, borne = static_guard(public_key, remembered=1), Borne()
    first, second = ([b"Bearer " + realm.token(jti=word).encode()] for word in ("a", "b"))
    assert guard.admit_at_once(first, borne) is None
    assert await guard.admit(first) == guard.admit_at_once(first, borne) == EVERYTHING
    assert await guard.admit(second) == EVERYTHING, "and has the only place now"
    assert guard.admit_at_once(first, Borne()) is None
    assert guard.admit_at_once(first, borne) == EVERYTHING


async def test_a_connection_says_nothing_of_another_token(realm: Realm, public_key: str) -> None:
    """Another token, and what is none, is judged for itself, and makes the connection forget the one before."""
    guard, borne = static_guard(public_key, remembered=1), Borne()
    first, second = ([b"Bearer " + realm.token(jti=word).encode()] for word in ("a", "b"))
    assert await guard.admit(first) == guard.admit_at_once(first, borne) == EVERYTHING
    assert guard.admit_at_once(second, borne) is None
    assert borne == Borne()
    assert await guard.admit(second) == EVERYTHING
    assert guard.admit_at_once(first, borne) is None
    assert guard.admit_at_once([first[0][:-1]], borne) is None
    for bad in ([], first * 2, [b""], [first[0] + b"="]):
        assert refusal(guard, bad, borne)


async def test_a_token_is_known_until_its_time_is_over(realm: Realm, public_key: str) -> None:
    """A connection does not prolong the time of a token."""
    clock = Hands(1000.0)
    guard, borne = static_guard(public_key, clock=clock), Borne()
    token = [b"Bearer " + realm.token(now=clock.at).encode()]
    assert await guard.admit(token) == guard.admit_at_once(token, borne) == EVERYTHING
    clock.at += 1_000_000
    assert guard.admit_at_once(token, borne) is None
    with pytest.raises(TokenRefusedError, match="expired"):
        await guard.admit(token)


@dataclass(frozen=True)
class Known:
    """A guard that has the issuer's key, and a connection that bore its token before."""

    publisher: Publisher
    keys: IssuerKeys
    guard: TokenGuard
    borne: Borne
    token: list[bytes]


@pytest.fixture
async def known() -> Known:
    """A token that its connection is known by."""
    publisher = Publisher()
    publisher.publish(ISSUER, FIRST)
    keys = issuer_keys(publisher)
    made = Known(publisher, keys, guard_of(keys), Borne(), [f"Bearer {FIRST.token()}".encode()])
    assert await made.guard.admit(made.token) == made.guard.admit_at_once(made.token, made.borne) == EVERYTHING
    return made


async def test_a_key_that_is_withdrawn_closes_connections_that_know_its_token(known: Known) -> None:
    """When its key is gone, what a connection bore is refused at once."""
    known.publisher.publish(ISSUER, SECOND)
    await fetched(known.keys, "second")
    assert refusal(known.guard, known.token, known.borne) == "unknown key"
    assert known.borne == Borne()


async def test_after_a_change_of_keys_a_connection_knows_its_token_again(known: Known) -> None:
    """Once a token is verified with the keys of now, its connection goes on at once."""
    known.publisher.publish(ISSUER, FIRST, SECOND)
    await fetched(known.keys, "second")
    assert known.guard.admit_at_once(known.token, known.borne) is None
    assert await known.guard.admit(known.token) == EVERYTHING
    assert known.guard.admit_at_once(known.token, known.borne) == EVERYTHING


async def test_strangers_are_refused_at_once_unless_somebody_may_be_asked() -> None:
    """An unknown key is looked for where its issuer may be asked; otherwise a stranger is refused at once."""
    publisher = Publisher()
    publisher.publish(ISSUER, rsa_key("first"))
    keys = issuer_keys(publisher)
    guard, unknown = guard_of(keys), rsa_key("unknown")
    own = [f"Bearer {unknown.token()}".encode()]
    foreign = [f"Bearer {unknown.token(iss=OTHER_ISSUER)}".encode()]
    await fetched(keys, "first")
    for _ in range(3):
        assert refusal(guard, foreign) == "unknown key"
    assert publisher.fetches == 1
    assert guard.admit_at_once(own, Borne()) is None, "its issuer may be asked"
    with pytest.raises(TokenRefusedError, match="unknown key"):
        await guard.admit(own)
    assert publisher.fetches == 2
    assert refusal(guard, own) == "unknown key"


async def test_no_key_is_fetched_for_what_has_not_the_shape_of_a_token() -> None:
    """Somebody's mistyped token is refused at once, even where its issuer may be asked for the key that it names."""
    publisher = Publisher()
    publisher.publish(ISSUER, rsa_key("first"))
    keys = issuer_keys(publisher)
    guard = guard_of(keys)
    await fetched(keys, "first")
    for key in (rsa_key("first"), rsa_key("unknown")):
        assert await reason(guard, key.token() + "=") == "not the shape of a token"
    assert publisher.fetches == 1


async def test_what_has_not_the_shape_of_a_token_is_refused_whoever_is_away() -> None:
    """Who mistyped a token is told so in any state of the keys, not to come back when they are there."""
    publisher = Publisher()
    keys = issuer_keys(publisher)
    guard, token = guard_of(keys), rsa_key("first").token()
    assert await reason(guard, token + "=") == "not the shape of a token", "before anybody was asked"
    assert await reason(guard, token) == await reason(guard, token) == "keys missing"
    assert await reason(guard, token + "=") == "not the shape of a token", "while nobody may be asked"
    publisher.publish(ISSUER, rsa_key("second"))
    await fetched(keys, "second")
    assert await reason(guard, token) == await reason(guard, token + "=") == "unknown key", "which is seen first"


async def reason(guard: TokenGuard, token: str) -> str:
    """Return why a token is refused."""
    with pytest.raises(AccessError) as refused:
        await admitted(guard, [b"Bearer " + token.encode()])
    return refused.value.reason


def test_what_is_not_looked_at_in_a_token_is_not_read(public_key: str) -> None:
    """A header may hold numbers that no number is like: strangers write thousands, and each would take time."""
    header = encoded(b'{"alg":"RS256","kid":1e999,"kid":[' + b"9" * 5000 + b'],"x":[1e999,' + b"9" * 5000 + b"]}")
    assert static_guard(public_key).admit_at_once([f"Bearer {header}.e30.e30".encode()], Borne()) is None
