"""When the keys of issuers are fetched, and which tokens they verify."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from aggregator.errors import AccessError, KeysUnavailableError, UnauthenticatedError
from aggregator.server.auth.guard import AccessPolicy, Guard, TokenGuard
from aggregator.server.auth.jwks import (
    DISCOVERY_PATH,
    MAX_WAITING_REQUESTS,
    IssuerKeyCache,
    JwksEndpoint,
    JwksKeySource,
    KeyRefreshPolicy,
)
from aggregator.settings.auth import EC_ALGORITHMS
from tests.server.auth.fake_issuers import (
    ALGORITHMS,
    ISSUER,
    OTHER_ISSUER,
    JwksPublisher,
    SigningKey,
    build_issuer_keys,
    build_jwks,
    generate_ec_key,
    generate_rsa_key,
)
from tests.server.auth.signed_tokens import (
    ABSENT,
    assemble_token,
    build_claims,
    build_hs256_signer,
    build_ps256_signer,
    build_rs_signer,
)
from tests.server.auth.test_guard import SettableClock

FIRST, SECOND = generate_rsa_key("first"), generate_rsa_key("second")
CURVE = generate_ec_key("curve")


def build_guard(keys: JwksKeySource) -> TokenGuard:
    """Return a guard that accepts all supported algorithms."""
    return TokenGuard(keys, AccessPolicy(algorithms=ALGORITHMS))


async def get_verdict(guard: Guard, token: str) -> str:
    """Return "passed", or the reason of the rejection."""
    try:
        await guard.authorize([f"Bearer {token}".encode()])
    except AccessError as refused:
        return refused.reason
    return "passed"


async def wait_until(condition: Callable[[], object], timeout_seconds: float = 10.0) -> None:
    """Run the event loop until the condition is true."""
    async with asyncio.timeout(timeout_seconds):
        while not condition():  # noqa: ASYNC110 - it waits for a state, of whatever
            await asyncio.sleep(0)


# --- tokens of an issuer


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_algorithms_of_issuers(algorithm: str) -> None:
    """A token with a published key is accepted with each supported algorithm."""
    key = generate_ec_key("k", algorithm) if algorithm in EC_ALGORITHMS else generate_rsa_key("k", algorithm)
    publisher = JwksPublisher()
    publisher.publish(ISSUER, key)
    assert await get_verdict(build_guard(build_issuer_keys(publisher)), key.issue_token()) == "passed"


def _resign(sign: Callable[[bytes], bytes], **header: Any) -> str:
    head = json.dumps({"alg": "RS256", "typ": "JWT", "kid": "first", **header}).encode()
    return assemble_token(head, json.dumps(build_claims(iss=ISSUER)).encode(), sign)


_PUBLIC = json.dumps(FIRST.to_jwk()).encode()
INVALID_TOKENS = {
    "another issuer": FIRST.issue_token(iss=OTHER_ISSUER),
    "no issuer": FIRST.issue_token(iss=ABSENT),
    "an issuer that is a list": FIRST.issue_token(iss=[ISSUER]),
    "the issuer with a slash": FIRST.issue_token(iss=f"{ISSUER}/"),
    "an unknown key": generate_rsa_key("third").issue_token(),
    "no kid": FIRST.issue_token({"kid": ABSENT}),
    "a kid of another type": FIRST.issue_token({"kid": ["first"]}),
    "an empty kid": FIRST.issue_token({"kid": ""}),
    "the kid of another key": FIRST.issue_token({"kid": "curve"}),
    "a key that is not the kid's": SECOND.issue_token({"kid": "first"}),
    "RS512 with a key for RS256": SigningKey("first", FIRST.private_key, "RS512").issue_token(),
    "ES256 named, RSA key": FIRST.issue_token({"alg": "ES256"}),
    "RS256 named, EC key": CURVE.issue_token({"alg": "RS256"}),
    "ES256 with another curve": generate_ec_key("curve", "ES384").issue_token({"alg": "ES256"}),
    "HS256 with the public key": _resign(build_hs256_signer(_PUBLIC), alg="HS256"),
    "HS256 by the curve": _resign(build_hs256_signer(_PUBLIC), alg="HS256", kid="curve"),
    "none": _resign(lambda _data: b"x", alg="none"),
    "an ID token": FIRST.issue_token(typ="ID"),
    "expired": FIRST.issue_token(exp=1),
    "jku": SECOND.issue_token({"jku": f"{OTHER_ISSUER}/certs"}),
    "jwk": SECOND.issue_token({"jwk": SECOND.to_jwk(), "kid": "first"}),
}


@pytest.mark.parametrize("token", INVALID_TOKENS.values(), ids=INVALID_TOKENS.keys())
async def test_an_invalid_token_of_an_issuer(token: str) -> None:
    """A token that no key of its own issuer signed is rejected, and causes no request to another issuer."""
    publisher = JwksPublisher()
    publisher.publish(ISSUER, FIRST, CURVE)
    publisher.publish(OTHER_ISSUER, SECOND)
    guard = build_guard(build_issuer_keys(publisher))
    assert await get_verdict(guard, FIRST.issue_token()) == "passed"
    with pytest.raises(UnauthenticatedError):
        await guard.authorize([f"Bearer {token}".encode()])
    assert not any(url.startswith(OTHER_ISSUER) for url in publisher.fetched_urls)


async def test_keys_verify_tokens_of_their_issuer_only() -> None:
    """With several issuers, each key verifies only tokens of its own issuer, also with equal key IDs."""
    mine, others = generate_rsa_key("same"), generate_rsa_key("same")
    publisher = JwksPublisher()
    publisher.publish(ISSUER, mine, FIRST)
    publisher.publish(OTHER_ISSUER, others, SECOND)
    guard = build_guard(build_issuer_keys(publisher, ISSUER, OTHER_ISSUER))
    assert await get_verdict(guard, FIRST.issue_token()) == "passed"
    assert await get_verdict(guard, SECOND.issue_token(iss=OTHER_ISSUER)) == "passed"
    assert await get_verdict(guard, mine.issue_token()) == "passed"
    assert await get_verdict(guard, others.issue_token(iss=OTHER_ISSUER)) == "passed"
    assert await get_verdict(guard, others.issue_token()) == "signature"
    assert await get_verdict(guard, mine.issue_token(iss=OTHER_ISSUER)) == "signature"
    assert await get_verdict(guard, SECOND.issue_token()) == "unknown key"
    assert await get_verdict(guard, SECOND.issue_token(iss="http://elsewhere")) == "issuer"


async def test_keys_without_discovery() -> None:
    """With JWKS_URL, tokens of any issuer are accepted, or only those of ISSUER if it is set."""
    publisher = JwksPublisher({"http://keys": build_jwks(FIRST.to_jwk())})
    for issuer_setting, expected in ((None, "passed"), (ISSUER, "passed"), (OTHER_ISSUER, "issuer")):
        issuer = IssuerKeyCache(
            JwksEndpoint(issuer_setting, "http://keys"), ALGORITHMS, publisher.get, KeyRefreshPolicy()
        )
        asyncio_task = asyncio.ensure_future(issuer.run())
        await wait_until(lambda issuer=issuer: issuer.keys is not None)  # type: ignore[misc] # a default to bind early
        asyncio_task.cancel()
        assert await get_verdict(build_guard(JwksKeySource([issuer])), FIRST.issue_token()) == expected
    assert set(publisher.fetched_urls) == {"http://keys"}


# --- when keys are fetched


class RotatingIssuer:
    """A guard with a clock, and an issuer whose keys a test changes."""

    def __init__(self, **pace: float) -> None:
        self.clock = SettableClock(1000.0)
        self.publisher = JwksPublisher()
        self.publisher.publish(ISSUER, FIRST)
        self.keys = build_issuer_keys(self.publisher, schedule=KeyRefreshPolicy(**pace, clock=self.clock))
        self.guard = build_guard(self.keys)

    async def get_verdict(self, key: SigningKey, **changes: Any) -> str:
        """Return the decision of the guard about a token with this key."""
        return await get_verdict(self.guard, key.issue_token(**changes))

    async def refresh(self) -> None:
        """Run one periodic fetch."""
        fetches = self.publisher.discovery_count
        running = asyncio.ensure_future(self.keys.run())
        await wait_until(lambda: self.publisher.discovery_count > fetches)
        await asyncio.sleep(0)
        running.cancel()
        # Only its pauses are cancelled: the fetch itself ends.
        await asyncio.wait([running, *(task for task in asyncio.all_tasks() if task.get_name() == "keys")])


async def test_a_new_key_is_found_by_its_first_token() -> None:
    """The first token with a new key is accepted: its unknown ID causes a fetch."""
    site = RotatingIssuer()
    await site.refresh()
    site.publisher.publish(ISSUER, FIRST, SECOND)
    assert await site.get_verdict(SECOND) == "passed"
    assert await site.get_verdict(FIRST) == "passed"
    assert site.publisher.discovery_count == 2


async def test_unknown_ids_cause_one_fetch_in_thirty_seconds() -> None:
    """A thousand tokens with unknown key IDs cause one fetch, and one more after the cooldown."""
    site = RotatingIssuer()
    await site.refresh()
    foreign_key = generate_rsa_key("x")
    for number in range(1000):
        assert await get_verdict(
            site.guard,
            foreign_key.issue_token({"kid": f"k{number}"}) if number < 5 else _issue_unknown_key_token(number),
        ) == ("unknown key")
    assert site.publisher.discovery_count == 2
    site.clock.now_seconds += 29.9
    assert await site.get_verdict(foreign_key) == "unknown key"
    assert site.publisher.discovery_count == 2
    site.clock.now_seconds += 0.2
    assert await site.get_verdict(foreign_key) == "unknown key"
    assert site.publisher.discovery_count == 3


def _issue_unknown_key_token(number: int) -> str:
    head = json.dumps({"alg": "RS256", "kid": f"random-{number}"}).encode()
    return assemble_token(head, json.dumps(build_claims(iss=ISSUER)).encode(), lambda _data: b"x" * 256)


async def test_a_token_of_another_issuer_causes_no_fetch() -> None:
    """An unknown key ID in a token of another issuer, and a token without a key ID, cause no fetch."""
    site = RotatingIssuer()
    await site.refresh()
    foreign_key = generate_rsa_key("x")
    assert await site.get_verdict(foreign_key, iss=OTHER_ISSUER) == "unknown key"
    assert await get_verdict(site.guard, foreign_key.issue_token({"kid": ABSENT})) == "unknown key"
    assert site.publisher.discovery_count == 1


async def test_callers_share_one_fetch() -> None:
    """Concurrent requests with a new key share one fetch; a cancelled request does not cancel it."""
    site = RotatingIssuer()
    await site.refresh()
    site.publisher.publish(ISSUER, SECOND)
    site.publisher.release_event = asyncio.Event()
    callers = [asyncio.ensure_future(site.get_verdict(SECOND, jti=str(number))) for number in range(20)]
    await wait_until(lambda: site.publisher.discovery_count == 2)
    callers[0].cancel()
    site.publisher.release_event.set()
    assert await asyncio.gather(*callers[1:]) == ["passed"] * 19
    assert site.publisher.discovery_count == 2


async def test_waiting_requests_are_limited() -> None:
    """During a fetch, a limited number of requests wait for it; further ones are rejected at once."""
    site = RotatingIssuer()
    await site.refresh()
    site.publisher.release_event = asyncio.Event()
    token = f"Bearer {_issue_unknown_key_token(1)}".encode()
    waiting = [asyncio.ensure_future(site.guard.authorize([token])) for _ in range(MAX_WAITING_REQUESTS)]
    await wait_until(lambda: site.publisher.discovery_count == 2)
    assert await get_verdict(site.guard, _issue_unknown_key_token(2)) == "unknown key"
    assert not any(caller.done() for caller in waiting)
    site.publisher.release_event.set()
    assert {type(result) for result in await asyncio.gather(*waiting, return_exceptions=True)} == {UnauthenticatedError}


async def test_a_removed_key_stops_verifying() -> None:
    """After the next fetch a removed key verifies nothing, not even a cached token."""
    site = RotatingIssuer()
    token = FIRST.issue_token()
    assert await get_verdict(site.guard, token) == "passed"
    site.publisher.publish(ISSUER, SECOND)
    assert await get_verdict(site.guard, token) == "passed"
    await site.refresh()
    assert await get_verdict(site.guard, token) == "unknown key"
    assert await site.get_verdict(SECOND) == "passed"


async def test_an_empty_key_set_is_used() -> None:
    """After an empty key set, no token is accepted."""
    site = RotatingIssuer()
    assert await site.get_verdict(FIRST) == "passed"
    site.publisher.publish(ISSUER)
    await site.refresh()
    assert await site.get_verdict(FIRST) == "unknown key"


@pytest.mark.parametrize(
    "body",
    [b"<html>", b"{}"],
    ids=["no JSON", "no key set"],
)
async def test_the_last_keys_remain_in_use(body: bytes) -> None:
    """While the issuer is unavailable or returns no key set, the last keys remain in use."""
    site = RotatingIssuer()
    assert await site.get_verdict(FIRST) == "passed"
    site.publisher.documents[f"{ISSUER}/certs"] = body
    await site.refresh()
    assert await site.get_verdict(FIRST, jti="2") == "passed"
    site.publisher.failure_reason = "unreachable"
    await site.refresh()
    assert await site.get_verdict(FIRST, jti="3") == "passed"
    assert await site.get_verdict(SECOND) == "unknown key"


async def test_tokens_cannot_be_verified_without_keys() -> None:
    """While the keys were never fetched, tokens get KeysUnavailableError instead of a rejection."""
    site = RotatingIssuer()
    site.publisher.failure_reason = "unreachable"
    with pytest.raises(KeysUnavailableError):
        site.keys.ensure_keys_available()
    with pytest.raises(KeysUnavailableError) as missing:
        await site.guard.authorize([f"Bearer {FIRST.issue_token()}".encode()])
    assert missing.value.retry_after_seconds > 0
    assert await site.get_verdict(FIRST, iss=OTHER_ISSUER) == "unknown key"
    with pytest.raises(UnauthenticatedError):
        await site.guard.authorize([b"Bearer a.b.c"])
    with pytest.raises(UnauthenticatedError):
        await site.guard.authorize([])
    site.publisher.failure_reason = None
    await site.refresh()
    site.keys.ensure_keys_available()
    assert await site.get_verdict(FIRST) == "passed"


async def test_one_unavailable_issuer_of_two() -> None:
    """While one of two issuers is unavailable, tokens of the other are verified, and the process is ready."""
    publisher = JwksPublisher()
    publisher.publish(ISSUER, FIRST)
    publisher.documents[OTHER_ISSUER + DISCOVERY_PATH] = b"<html>"
    keys = build_issuer_keys(publisher, ISSUER, OTHER_ISSUER)
    guard = build_guard(keys)
    assert await get_verdict(guard, FIRST.issue_token()) == "passed"
    assert await get_verdict(guard, SECOND.issue_token()) == "unknown key"
    assert await get_verdict(guard, SECOND.issue_token(iss=OTHER_ISSUER)) == "keys missing"
    keys.ensure_keys_available()


async def test_ambiguous_key_ids_are_logged() -> None:
    """An ID of different keys is logged once and refused; tokens of other keys of the issuer are accepted."""
    publisher = JwksPublisher()
    publisher.publish(ISSUER, FIRST, SECOND)
    publisher.documents[f"{ISSUER}/certs"] = build_jwks(
        FIRST.to_jwk(), FIRST.to_jwk(alg="RS512"), SECOND.to_jwk(), FIRST.to_jwk(kid=SECOND.kid)
    )
    guard = build_guard(build_issuer_keys(publisher))
    with capture_logs() as logged:
        assert await get_verdict(guard, FIRST.issue_token()) == "passed"
        assert await get_verdict(guard, SECOND.issue_token()) == "unknown key"
    (warning,) = (line for line in logged if line["log_level"] == "warning")
    assert (warning["event"], warning["issuer"], warning["key_ids"]) == ("key IDs ignored", ISSUER, [SECOND.kid])


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (b"<html>", "not JSON"),
        (b"[]", "different issuer"),
        (b"{}", "different issuer"),
        (json.dumps({"issuer": OTHER_ISSUER, "jwks_uri": f"{ISSUER}/certs"}).encode(), "different issuer"),
        (json.dumps({"issuer": f"{ISSUER}/", "jwks_uri": f"{ISSUER}/certs"}).encode(), "different issuer"),
        *(
            (json.dumps({"issuer": ISSUER, "jwks_uri": url}).encode(), "no key set URL")
            for url in (None, 7, "", "/certs", "http://iam.example.org/certs", "file:///etc/passwd", "https://a:b/c")
        ),
        (json.dumps({"issuer": ISSUER, "jwks_uri": "https://h/a b\r\nX: y"}).encode(), "no key set URL"),
    ],
    ids=lambda value: str(value)[-50:],
)
async def test_invalid_discovery_documents(document: bytes, reason: str) -> None:
    """A discovery document must name its own issuer and a key set URL that is as secure as the issuer's."""
    counted: list[None] = []
    publisher = JwksPublisher()
    publisher.publish(ISSUER, FIRST)
    publisher.documents[ISSUER + DISCOVERY_PATH] = document
    issuer = IssuerKeyCache(
        JwksEndpoint(ISSUER), ALGORITHMS, publisher.get, KeyRefreshPolicy(), lambda: counted.append(None)
    )
    with capture_logs() as logged:
        await issuer.refetch()
    assert issuer.keys is None
    assert [line["reason"] for line in logged] == [reason]
    assert ("issuer_in_document" in logged[0]) is (reason == "different issuer")
    assert len(counted) == 1
    assert publisher.fetched_urls == [ISSUER + DISCOVERY_PATH]


@pytest.mark.parametrize(
    ("issuer", "logged_issuer"),
    [
        (OTHER_ISSUER, OTHER_ISSUER),
        (f"{ISSUER}/", f"{ISSUER}/"),
        ("a\n\x1b[31mb\u2028", "a\\n\\x1b[31mb\\u2028"),
        (["a", "b"], "a, b"),
        ({"a": 1}, "not text"),
        ("x" * 1000, "(1000 characters)"),
        (None, "none"),
    ],
    ids=["other", "slash", "control characters", "a list", "an object", "long", "missing"],
)
async def test_a_different_issuer_is_named(issuer: object, logged_issuer: str) -> None:
    """The log names the configured issuer and, escaped and short, that of the discovery document."""
    publisher = JwksPublisher()
    publisher.documents[ISSUER + DISCOVERY_PATH] = json.dumps({"issuer": issuer}).encode()
    with capture_logs() as logged:
        await IssuerKeyCache(JwksEndpoint(ISSUER), ALGORITHMS, publisher.get, KeyRefreshPolicy()).refetch()
    (line,) = logged
    assert (line["event"], line["reason"]) == ("keys not fetched", "different issuer")
    assert (line["issuer"], line["issuer_in_document"]) == (ISSUER, logged_issuer)


async def test_an_unexpected_error_while_fetching() -> None:
    """An unexpected error during a fetch counts like an unavailable issuer."""
    counted: list[None] = []

    async def broken(_url: str) -> bytes:
        raise RuntimeError("broken")

    issuer = IssuerKeyCache(JwksEndpoint(ISSUER), ALGORITHMS, broken, KeyRefreshPolicy(), lambda: counted.append(None))
    with capture_logs() as logged:
        await issuer.refetch()
    assert logged[-1]["reason"] == "internal error"
    assert len(counted) == 1


async def test_fetches_back_off() -> None:
    """After failures the pause is 1, 2, 4, … s, at most the cooldown and the refresh interval."""
    pauses = await _list_backoffs(KeyRefreshPolicy(300.0))
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 300.0]
    assert await _list_backoffs(KeyRefreshPolicy(3.0)) == [1.0, 2.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0]


async def _list_backoffs(pace: KeyRefreshPolicy) -> list[float]:
    publisher = JwksPublisher(failure_reason="unreachable")
    publisher.publish(ISSUER, FIRST)
    pace = KeyRefreshPolicy(pace.refresh_seconds, clock=SettableClock(0.0))
    issuer = IssuerKeyCache(JwksEndpoint(ISSUER), ALGORITHMS, publisher.get, pace)
    pauses = []
    for attempt in range(8):
        publisher.failure_reason = "unreachable" if attempt < 7 else None
        running = asyncio.ensure_future(issuer.run())
        await wait_until(lambda attempt=attempt: publisher.discovery_count > attempt)  # type: ignore[misc] # to bind early
        await _run_pending_tasks()
        running.cancel()
        pauses.append(issuer.fetch_delay_seconds)
    return pauses


async def _run_pending_tasks() -> None:
    """Let the event loop run all pending tasks."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_keys_are_fetched_periodically() -> None:
    """Keys are fetched periodically, also without requests."""
    site = RotatingIssuer(refresh_seconds=0.01)
    running = asyncio.ensure_future(site.keys.run())
    await wait_until(lambda: site.publisher.discovery_count >= 3)
    running.cancel()


@pytest.mark.parametrize("alg", ["PS256", "RS256"])
async def test_ps256_is_rejected(alg: str) -> None:
    """A PS256 signature is rejected, whether the token names PS256 or RS256."""
    publisher = JwksPublisher()
    publisher.publish(ISSUER, FIRST)
    sign = build_ps256_signer(FIRST.private_key)  # type: ignore[arg-type] # an RSA key
    assert await get_verdict(build_guard(build_issuer_keys(publisher)), _resign(sign, alg=alg)) in (
        "algorithm",
        "signature",
    )
    sign_rs = build_rs_signer(FIRST.private_key)  # type: ignore[arg-type] # an RSA key
    assert await get_verdict(build_guard(build_issuer_keys(publisher)), _resign(sign_rs)) == "passed"


async def fetch_keys(keys: JwksKeySource, kid: str) -> None:
    """Fetch keys until there is one with this ID."""
    running = asyncio.create_task(keys.run())
    await wait_until(lambda: keys.find_keys(kid, b""))
    running.cancel()


async def test_a_malformed_token_causes_no_fetch() -> None:
    """A malformed token is rejected without a fetch, even if its issuer could be asked for the key that it names."""
    publisher = JwksPublisher()
    publisher.publish(ISSUER, generate_rsa_key("first"))
    keys = build_issuer_keys(publisher)
    guard = build_guard(keys)
    await fetch_keys(keys, "first")
    for key in (generate_rsa_key("first"), generate_rsa_key("unknown")):
        assert await get_verdict(guard, key.issue_token() + "=") == "not the shape of a token"
    assert publisher.discovery_count == 1


async def test_a_malformed_token_is_rejected_without_keys() -> None:
    """A malformed token gets 401 in any state of the keys, not a request to retry."""
    publisher = JwksPublisher()
    keys = build_issuer_keys(publisher)
    guard, token = build_guard(keys), generate_rsa_key("first").issue_token()
    assert await get_verdict(guard, token + "=") == "not the shape of a token"
    assert await get_verdict(guard, token) == await get_verdict(guard, token) == "keys missing"
    assert await get_verdict(guard, token + "=") == "not the shape of a token"
