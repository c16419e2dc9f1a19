"""Keys of issuers: which are taken, when they are fetched, and which tokens they let pass."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from aggregator.errors import AccessError, KeysMissingError, TokenRefusedError
from aggregator.server.auth import Guard, Rules, TokenGuard
from aggregator.server.issuers import DISCOVERY, MOST_WAITING, Issuer, IssuerKeys, KeyPace, Place
from aggregator.settings.access import CURVE_ALGORITHMS
from tests.server.issuing import (
    ALGORITHMS,
    ISSUER,
    OTHER_ISSUER,
    Publisher,
    SigningKey,
    curve_key,
    issuer_keys,
    jwks,
    rsa_key,
)
from tests.server.test_auth import Hands
from tests.server.tokens import ABSENT, assembled, claims, hs256, ps256, rs

FIRST, SECOND = rsa_key("first"), rsa_key("second")
CURVE = curve_key("curve")


def guard_of(keys: IssuerKeys) -> TokenGuard:
    """Return a guard that takes all algorithms that can be had."""
    return TokenGuard(keys, Rules(ALGORITHMS))


async def verdict(guard: Guard, token: str) -> str:
    """Return "passed", or the reason of the refusal."""
    try:
        await guard.admit([f"Bearer {token}".encode()])
    except AccessError as refused:
        return refused.reason
    return "passed"


async def eventually(look: Callable[[], object], within_seconds: float = 10.0) -> None:
    """Let the loop run until `look` returns something true."""
    async with asyncio.timeout(within_seconds):
        while not look():  # noqa: ASYNC110 - it waits for a state, of whatever
            await asyncio.sleep(0)


# --- tokens of an issuer


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_algorithms_of_issuers(algorithm: str) -> None:
    """A token signed by a published key passes with each algorithm that can be had."""
    key = curve_key("k", algorithm) if algorithm in CURVE_ALGORITHMS else rsa_key("k", algorithm)
    publisher = Publisher()
    publisher.publish(ISSUER, key)
    assert await verdict(guard_of(issuer_keys(publisher)), key.token()) == "passed"


def _resigned(sign: Callable[[bytes], bytes], **header: Any) -> str:
    head = json.dumps({"alg": "RS256", "typ": "JWT", "kid": "first", **header}).encode()
    return assembled(head, json.dumps(claims(iss=ISSUER)).encode(), sign)


_PUBLIC = json.dumps(FIRST.jwk()).encode()
BAD = {
    "another issuer": FIRST.token(iss=OTHER_ISSUER),
    "no issuer": FIRST.token(iss=ABSENT),
    "an issuer that is a list": FIRST.token(iss=[ISSUER]),
    "the issuer with a slash": FIRST.token(iss=f"{ISSUER}/"),
    "an unknown key": rsa_key("third").token(),
    "no kid": FIRST.token({"kid": ABSENT}),
    "a kid of another type": FIRST.token({"kid": ["first"]}),
    "an empty kid": FIRST.token({"kid": ""}),
    "the kid of another key": FIRST.token({"kid": "curve"}),
    "a key that is not the kid's": SECOND.token({"kid": "first"}),
    "RS512 with a key for RS256": SigningKey("first", FIRST.private, "RS512").token(),
    "ES256 named, RSA key": FIRST.token({"alg": "ES256"}),
    "RS256 named, EC key": CURVE.token({"alg": "RS256"}),
    "ES256 with another curve": curve_key("curve", "ES384").token({"alg": "ES256"}),
    "HS256 with the public key": _resigned(hs256(_PUBLIC), alg="HS256"),
    "HS256 by the curve": _resigned(hs256(_PUBLIC), alg="HS256", kid="curve"),
    "none": _resigned(lambda _data: b"x", alg="none"),
    "an ID token": FIRST.token(typ="ID"),
    "expired": FIRST.token(exp=1),
    "jku": SECOND.token({"jku": f"{OTHER_ISSUER}/certs"}),
    "jwk": SECOND.token({"jwk": SECOND.jwk(), "kid": "first"}),
}


@pytest.mark.parametrize("token", BAD.values(), ids=BAD.keys())
async def test_a_bad_token_of_an_issuer(token: str) -> None:
    """A token that no published key has signed for its own issuer is refused, and nothing else is asked for it."""
    publisher = Publisher()
    publisher.publish(ISSUER, FIRST, CURVE)
    publisher.publish(OTHER_ISSUER, SECOND)
    guard = guard_of(issuer_keys(publisher))
    assert await verdict(guard, FIRST.token()) == "passed"
    with pytest.raises(TokenRefusedError):
        await guard.admit([f"Bearer {token}".encode()])
    assert not any(url.startswith(OTHER_ISSUER) for url in publisher.asked)


async def test_each_issuer_speaks_for_itself() -> None:
    """With several issuers each one's tokens pass by its own keys only, also where they use the same id."""
    mine, others = rsa_key("same"), rsa_key("same")
    publisher = Publisher()
    publisher.publish(ISSUER, mine, FIRST)
    publisher.publish(OTHER_ISSUER, others, SECOND)
    guard = guard_of(issuer_keys(publisher, ISSUER, OTHER_ISSUER))
    assert await verdict(guard, FIRST.token()) == "passed"
    assert await verdict(guard, SECOND.token(iss=OTHER_ISSUER)) == "passed"
    assert await verdict(guard, mine.token()) == "passed"
    assert await verdict(guard, others.token(iss=OTHER_ISSUER)) == "passed"
    assert await verdict(guard, others.token()) == "signature"
    assert await verdict(guard, mine.token(iss=OTHER_ISSUER)) == "signature"
    assert await verdict(guard, SECOND.token()) == "unknown key"
    assert await verdict(guard, SECOND.token(iss="http://elsewhere")) == "issuer"


async def test_keys_without_discovery() -> None:
    """With the URL of the keys any issuer's tokens pass, or those of the one that is named."""
    publisher = Publisher({"http://keys": jwks(FIRST.jwk())})
    for named, taken in ((None, "passed"), (ISSUER, "passed"), (OTHER_ISSUER, "issuer")):
        issuer = Issuer(Place(named, "http://keys"), ALGORITHMS, publisher.get, KeyPace())
        asyncio_task = asyncio.ensure_future(issuer.run())
        await eventually(lambda issuer=issuer: issuer.keys is not None)  # type: ignore[misc] # a default to bind early
        asyncio_task.cancel()
        assert await verdict(guard_of(IssuerKeys([issuer])), FIRST.token()) == taken
    assert set(publisher.asked) == {"http://keys"}


# --- when keys are fetched


class Rotation:
    """A guard with a clock, and an issuer whose keys a test changes."""

    def __init__(self, **pace: float) -> None:
        self.clock = Hands(1000.0)
        self.publisher = Publisher()
        self.publisher.publish(ISSUER, FIRST)
        self.keys = issuer_keys(self.publisher, pace=KeyPace(**pace, clock=self.clock))
        self.guard = guard_of(self.keys)

    async def verdict(self, key: SigningKey, **changes: Any) -> str:
        """Return what the guard says to a token of that key."""
        return await verdict(self.guard, key.token(**changes))

    async def refresh(self) -> None:
        """Fetch as it is done by age."""
        fetches = self.publisher.fetches
        running = asyncio.ensure_future(self.keys.run())
        await eventually(lambda: self.publisher.fetches > fetches)
        await asyncio.sleep(0)
        running.cancel()
        # Only its pauses are cancelled: the fetch itself ends.
        await asyncio.wait([running, *(task for task in asyncio.all_tasks() if task.get_name() == "keys")])


async def test_a_new_key_is_found_by_its_first_token() -> None:
    """After a rotation the first token with the new key passes: its unknown id causes a fetch."""
    site = Rotation()
    await site.refresh()
    site.publisher.publish(ISSUER, FIRST, SECOND)
    assert await site.verdict(SECOND) == "passed"
    assert await site.verdict(FIRST) == "passed"
    assert site.publisher.fetches == 2


async def test_unknown_ids_cause_one_fetch_in_thirty_seconds() -> None:
    """A thousand tokens with ids that do not exist cause one fetch, and another after the cooldown."""
    site = Rotation()
    await site.refresh()
    stranger = rsa_key("x")
    for number in range(1000):
        assert await verdict(site.guard, stranger.token({"kid": f"k{number}"}) if number < 5 else _unknown(number)) == (
            "unknown key"
        )
    assert site.publisher.fetches == 2
    site.clock.at += 29.9
    assert await site.verdict(stranger) == "unknown key"
    assert site.publisher.fetches == 2
    site.clock.at += 0.2
    assert await site.verdict(stranger) == "unknown key"
    assert site.publisher.fetches == 3


def _unknown(number: int) -> str:
    head = json.dumps({"alg": "RS256", "kid": f"random-{number}"}).encode()
    return assembled(head, json.dumps(claims(iss=ISSUER)).encode(), lambda _data: b"x" * 256)


async def test_a_token_of_nobody_causes_no_fetch() -> None:
    """An unknown id in a token of an issuer that was not configured, or without an id, fetches nothing."""
    site = Rotation()
    await site.refresh()
    stranger = rsa_key("x")
    assert await site.verdict(stranger, iss=OTHER_ISSUER) == "unknown key"
    assert await verdict(site.guard, stranger.token({"kid": ABSENT})) == "unknown key"
    assert site.publisher.fetches == 1


async def test_callers_share_one_fetch() -> None:
    """Many tokens with a new key at once wait for one fetch, and all pass; a caller that leaves takes nobody along."""
    site = Rotation()
    await site.refresh()
    site.publisher.publish(ISSUER, SECOND)
    site.publisher.gate = asyncio.Event()
    callers = [asyncio.ensure_future(site.verdict(SECOND, jti=str(number))) for number in range(20)]
    await eventually(lambda: site.publisher.fetches == 2)
    callers[0].cancel()
    site.publisher.gate.set()
    assert await asyncio.gather(*callers[1:]) == ["passed"] * 19
    assert site.publisher.fetches == 2


async def test_who_waits_is_bounded() -> None:
    """While a fetch is under way only so many requests wait for it; those beyond are answered at once."""
    site = Rotation()
    await site.refresh()
    site.publisher.gate = asyncio.Event()
    token = f"Bearer {_unknown(1)}".encode()
    waiting = [asyncio.ensure_future(site.guard.admit([token])) for _ in range(MOST_WAITING)]
    await eventually(lambda: site.publisher.fetches == 2)
    assert await verdict(site.guard, _unknown(2)) == "unknown key"
    assert not any(caller.done() for caller in waiting)
    site.publisher.gate.set()
    assert {type(said) for said in await asyncio.gather(*waiting, return_exceptions=True)} == {TokenRefusedError}


async def test_a_removed_key_stops_verifying() -> None:
    """After the refresh a key that is gone verifies nothing, not even a token that was remembered."""
    site = Rotation()
    token = FIRST.token()
    assert await verdict(site.guard, token) == "passed"
    site.publisher.publish(ISSUER, SECOND)
    assert await verdict(site.guard, token) == "passed"
    await site.refresh()
    assert await verdict(site.guard, token) == "unknown key"
    assert await site.verdict(SECOND) == "passed"


async def test_an_issuer_without_keys_is_believed() -> None:
    """An empty key set is one: all keys were disabled, and nothing passes any more."""
    site = Rotation()
    assert await site.verdict(FIRST) == "passed"
    site.publisher.publish(ISSUER)
    await site.refresh()
    assert await site.verdict(FIRST) == "unknown key"


@pytest.mark.parametrize(
    "body",
    [b"<html>", jwks(SECOND.jwk(), FIRST.jwk(kid="second")), b"{}"],
    ids=["no JSON", "an id twice", "no key set"],
)
async def test_the_last_good_keys_stay(body: bytes) -> None:
    """While the issuer is away, or answers with anything but keys, the last good keys verify."""
    site = Rotation()
    assert await site.verdict(FIRST) == "passed"
    site.publisher.documents[f"{ISSUER}/certs"] = body
    await site.refresh()
    assert await site.verdict(FIRST, jti="2") == "passed"
    site.publisher.reason = "unreachable"
    await site.refresh()
    assert await site.verdict(FIRST, jti="3") == "passed"
    assert await site.verdict(SECOND) == "unknown key"


async def test_without_keys_nothing_can_be_judged() -> None:
    """An issuer that is away from the start makes its tokens unjudged, not refused, until it is back."""
    site = Rotation()
    site.publisher.reason = "unreachable"
    with pytest.raises(KeysMissingError):
        site.keys.require()
    with pytest.raises(KeysMissingError) as missing:
        await site.guard.admit([f"Bearer {FIRST.token()}".encode()])
    assert missing.value.retry_after_seconds > 0
    assert await site.verdict(FIRST, iss=OTHER_ISSUER) == "unknown key"
    with pytest.raises(TokenRefusedError):
        await site.guard.admit([b"Bearer a.b.c"])
    with pytest.raises(TokenRefusedError):
        await site.guard.admit([])
    site.publisher.reason = None
    await site.refresh()
    site.keys.require()
    assert await site.verdict(FIRST) == "passed"


async def test_one_issuer_away_leaves_the_other() -> None:
    """With one of two issuers away the other's tokens are judged, and readiness is given."""
    publisher = Publisher()
    publisher.publish(ISSUER, FIRST)
    publisher.documents[OTHER_ISSUER + DISCOVERY] = b"<html>"
    keys = issuer_keys(publisher, ISSUER, OTHER_ISSUER)
    guard = guard_of(keys)
    assert await verdict(guard, FIRST.token()) == "passed"
    assert await verdict(guard, SECOND.token()) == "unknown key"
    assert await verdict(guard, SECOND.token(iss=OTHER_ISSUER)) == "keys missing"
    keys.require()


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (b"<html>", "not JSON"),
        (b"[]", "another issuer"),
        (b"{}", "another issuer"),
        (json.dumps({"issuer": OTHER_ISSUER, "jwks_uri": f"{ISSUER}/certs"}).encode(), "another issuer"),
        (json.dumps({"issuer": f"{ISSUER}/", "jwks_uri": f"{ISSUER}/certs"}).encode(), "another issuer"),
        *(
            (json.dumps({"issuer": ISSUER, "jwks_uri": url}).encode(), "no place of keys")
            for url in (None, 7, "", "/certs", "http://iam.example.org/certs", "file:///etc/passwd", "https://a:b/c")
        ),
        (json.dumps({"issuer": ISSUER, "jwks_uri": "https://h/a b\r\nX: y"}).encode(), "no place of keys"),
    ],
    ids=lambda value: str(value)[-50:],
)
async def test_discovery_is_checked(document: bytes, reason: str) -> None:
    """A discovery document counts only if it is the issuer's own and leads to keys no less safely."""
    counted: list[str] = []
    publisher = Publisher()
    publisher.publish(ISSUER, FIRST)
    publisher.documents[ISSUER + DISCOVERY] = document
    issuer = Issuer(Place(ISSUER), ALGORITHMS, publisher.get, KeyPace(), counted.append)
    await issuer.look_again()
    assert issuer.keys is None
    assert counted == [reason]
    assert publisher.asked == [ISSUER + DISCOVERY]


async def test_a_defect_while_fetching_leaves_the_keys() -> None:
    """What breaks in fetching itself is counted like an issuer that is away."""
    counted: list[str] = []

    async def broken(_url: str) -> bytes:
        raise RuntimeError("broken")

    issuer = Issuer(Place(ISSUER), ALGORITHMS, broken, KeyPace(), counted.append)
    await issuer.look_again()
    assert counted == ["internal"]


async def test_pauses_grow_while_the_issuer_is_away() -> None:
    """After failures the next fetch comes after 1, 2, 4 … seconds, never later than by age, and then by age again."""
    pauses = await _pauses(KeyPace(300.0))
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 300.0]
    assert await _pauses(KeyPace(3.0)) == [1.0, 2.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0]


async def _pauses(pace: KeyPace) -> list[float]:
    publisher = Publisher(reason="unreachable")
    publisher.publish(ISSUER, FIRST)
    pace = KeyPace(pace.refresh_seconds, clock=Hands(0.0))
    issuer = Issuer(Place(ISSUER), ALGORITHMS, publisher.get, pace)
    pauses = []
    for attempt in range(8):
        publisher.reason = "unreachable" if attempt < 7 else None
        running = asyncio.ensure_future(issuer.run())
        await eventually(lambda attempt=attempt: publisher.fetches > attempt)  # type: ignore[misc] # to bind early
        await _idle()
        running.cancel()
        pauses.append(issuer.pause_seconds)
    return pauses


async def _idle() -> None:
    """Let all that can run do so."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_keys_are_followed_by_age() -> None:
    """Without any request the keys are fetched again and again, as often as was set."""
    site = Rotation(refresh_seconds=0.01)
    running = asyncio.ensure_future(site.keys.run())
    await eventually(lambda: site.publisher.fetches >= 3)
    running.cancel()


@pytest.mark.parametrize("alg", ["PS256", "RS256"])
async def test_ps256_is_refused(alg: str) -> None:
    """A signature of PS256 is refused, whether the token says so or calls it RS256."""
    publisher = Publisher()
    publisher.publish(ISSUER, FIRST)
    sign = ps256(FIRST.private)  # type: ignore[arg-type] # an RSA key
    assert await verdict(guard_of(issuer_keys(publisher)), _resigned(sign, alg=alg)) in ("algorithm", "signature")
    assert await verdict(guard_of(issuer_keys(publisher)), _resigned(rs(FIRST.private))) == "passed"  # type: ignore[arg-type] # the same
