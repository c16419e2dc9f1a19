"""Tokens: which pass and which do not, over both transports and at the guard itself."""

import gc
import json
import math
import socket
import time
from collections.abc import Callable, Sequence
from hashlib import blake2b
from types import FunctionType, ModuleType
from typing import Any

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator.errors import TokenRefusedError
from aggregator.server.auth import DIGEST_BYTES, Guard
from aggregator.server.tokens import LEEWAY_SECONDS, LONGEST_TOKEN_BYTES
from tests.server.call import call
from tests.server.exchange import ask
from tests.server.forgeries import FORGERIES, Forgery
from tests.server.judging import holds, judged, static_guard
from tests.server.serving import Ports
from tests.server.tokens import ABSENT, HASHES, Realm, assembled, claims, rs

PASSED, REFUSED, TOO_LONG = "passed", "refused", "refused for its length"
Ask = Callable[[Ports, Sequence[str]], str]


def over_http(ports: Ports, authorization: Sequence[str | bytes]) -> str:
    """Return what HTTP says to these Authorization headers; a refusal is checked to the byte."""
    answer = ask(ports.http, headers=[("Authorization", value) for value in authorization])
    if answer.status == 200:
        return PASSED
    if answer.status in (400, 431) and sum(map(len, authorization)) > 32 * 1024:
        return TOO_LONG
    assert answer.status == 401
    assert answer.body == b'{"error":"not authorized"}\n'
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="aggregator"')
    return REFUSED


def over_grpc(ports: Ports, authorization: Sequence[str]) -> str:
    """Return what gRPC says to these authorization entries; a refusal's text is checked."""
    reply = call(ports.grpc, metadata=[("authorization", value) for value in authorization])
    if reply.code is grpc.StatusCode.OK:
        return PASSED
    if reply.code is grpc.StatusCode.RESOURCE_EXHAUSTED and sum(map(len, authorization)) > 32 * 1024:
        return TOO_LONG
    assert (reply.code, reply.details, reply.body) == (grpc.StatusCode.UNAUTHENTICATED, "not authorized", b"")
    return REFUSED


on_both = pytest.mark.parametrize("over", [over_http, over_grpc], ids=["http", "grpc"])
each_forgery = pytest.mark.parametrize("forge", [pytest.param(forge, id=name) for name, forge in FORGERIES.items()])


@pytest.fixture(scope="module")
def guard(public_key: str) -> Guard:
    """A guard for the realm's tokens, by the real clock."""
    return static_guard(public_key)


@on_both
def test_a_token_of_the_realm_passes(realm: Realm, guarded: Ports, over: Ask) -> None:
    """Whoever holds an access token of the realm is answered."""
    assert over(guarded, [f"Bearer {realm.token()}"]) == PASSED


@on_both
@each_forgery
def test_a_bad_token_is_refused(realm: Realm, guarded: Ports, over: Ask, forge: Forgery) -> None:
    """No forged, altered, expired or odd token passes, and each gets the same refusal."""
    token = forge(realm)
    expected = (REFUSED,) if len(token) < 32 * 1024 else (REFUSED, TOO_LONG)
    assert over(guarded, [f"Bearer {token}"]) in expected


@each_forgery
def test_the_guard_refuses_with_its_own_error(realm: Realm, guard: Guard, forge: Forgery) -> None:
    """A bad token raises TokenRefusedError at the guard, never anything else."""
    with pytest.raises(TokenRefusedError):
        judged(guard, [f"Bearer {forge(realm)}".encode()])


@on_both
@pytest.mark.parametrize(
    "authorization",
    [[], [""], ["Basic dXNlcjpwYXNzd29yZA=="], ["Bearer"], ["Bearer "], ["Digest username=x"], ["null"]],
    ids=str,
)
def test_without_a_token_nobody_passes(guarded: Ports, over: Ask, authorization: list[str]) -> None:
    """No header, an empty one, another scheme and a scheme alone are refused."""
    assert over(guarded, authorization) == REFUSED


@on_both
@pytest.mark.parametrize(
    "spelling", ["bearer {}", "BEARER {}", "bEaReR {}", "Bearer  {}", "Bearer    {}", "Bearer {} "]
)
def test_spellings_that_pass(realm: Realm, guarded: Ports, over: Ask, spelling: str) -> None:
    """The scheme is written in any case and followed by any number of spaces."""
    assert over(guarded, [spelling.format(realm.token())]) == PASSED


@pytest.mark.parametrize("spelling", ["Bearer\t{}", "Bearer \t {}", "Bearer {}\t"])
def test_tabs_pass(realm: Realm, guarded: Ports, spelling: str) -> None:
    """HTTP's other white space, the tab, stands for a space."""
    assert over_http(guarded, [spelling.format(realm.token())]) == PASSED


@on_both
@pytest.mark.parametrize(
    "spelling",
    [
        *("Bearer{}", "FooBearer {}", "Bearer {0}, Bearer {0}", "Bearer {0} {0}", "Bearer {0},", "Bearer: {}", "{}"),
        *("JWT {}", "Bearer Bearer {}", "Basic x, Bearer {}", 'Bearer token="{}"'),
    ],
)
def test_spellings_that_do_not_pass(realm: Realm, guarded: Ports, over: Ask, spelling: str) -> None:
    """A good token in a header of any other form is refused."""
    assert over(guarded, [spelling.format(realm.token())]) == REFUSED


@on_both
def test_two_headers_are_refused(realm: Realm, guarded: Ports, over: Ask) -> None:
    """Two Authorization headers are refused, whichever of them holds a good token."""
    good = f"Bearer {realm.token()}"
    for pair in ([good, good], [good, "Bearer x"], ["Bearer x", good], [good, ""]):
        assert over(guarded, pair) == REFUSED


@pytest.mark.parametrize(
    "value", [b"Bearer \xff\xfe\x80", "Bearer ünï.cö.dé".encode(), b"B\xebarer a.b.c", b"Bearer a.b.c\xa0"]
)
def test_bytes_beyond_ascii_are_refused(guarded: Ports, value: bytes) -> None:
    """A header that is no ASCII is refused like any bad token."""
    assert over_http(guarded, [value]) == REFUSED


@pytest.mark.parametrize("name", ["access_token", "token", "authorization", "Authorization", "bearer"])
def test_tokens_elsewhere_are_ignored(realm: Realm, guarded: Ports, name: str) -> None:
    """A good token in the query string, in a cookie, in a form or in another header opens nothing."""
    token = realm.token()
    assert ask(guarded.http, f"/?{name}={token}").status == 401
    assert ask(guarded.http, headers=[("Cookie", f"{name}={token}")]).status == 401
    assert ask(guarded.http, method="POST", body=f"{name}=Bearer {token}".encode()).status == 401
    assert ask(guarded.http, headers=[(f"X-{name}", f"Bearer {token}")]).status == 401
    assert ask(guarded.http, headers=[("Proxy-Authorization", f"Bearer {token}")]).status == 401


@pytest.mark.parametrize("name", ["cookie", "token", "x-authorization", "access_token"])
def test_tokens_in_other_metadata_are_ignored(realm: Realm, guarded: Ports, name: str) -> None:
    """A good token under another name of metadata opens nothing."""
    assert call(guarded.grpc, metadata=[(name, f"Bearer {realm.token()}")]).code is grpc.StatusCode.UNAUTHENTICATED


def test_the_challenge_tells_no_token_from_a_bad_one(guarded: Ports) -> None:
    """Only who sent a token is told that it was invalid, as RFC 6750 has it."""
    assert ask(guarded.http).headers["WWW-Authenticate"] == 'Bearer realm="aggregator"'
    bad = ask(guarded.http, headers=[("Authorization", "Bearer a.b.c")])
    assert bad.headers["WWW-Authenticate"] == 'Bearer realm="aggregator", error="invalid_token"'


@on_both
@pytest.mark.parametrize("algorithm", sorted(HASHES))
def test_algorithms_that_pass(realm: Realm, guarded: Ports, over: Ask, algorithm: str) -> None:
    """RS256, RS384 and RS512 by the realm's key are good."""
    token = realm.headed(rs(realm.key, HASHES[algorithm]), alg=algorithm)
    assert over(guarded, [f"Bearer {token}"]) == PASSED


@on_both
@pytest.mark.parametrize(
    "header",
    [
        {"kid": "unknown"},
        {"kid": 7},
        {"kid": ["x"]},
        {"kid": ABSENT},
        {"typ": ABSENT},
        {"typ": "jwt"},
        {"typ": "at+jwt"},
    ],
    ids=str,
)
def test_headers_that_pass(realm: Realm, guarded: Ports, over: Ask, header: dict[str, Any]) -> None:
    """With one key there is nothing to choose by kid; the kinds of token are JWT, at+jwt and none."""
    assert over(guarded, [f"Bearer {realm.headed(**header)}"]) == PASSED


@on_both
@pytest.mark.parametrize(
    "changes",
    [{"aud": ABSENT}, {"aud": ["a", "b"]}, {"iss": 7}, {"sub": None}, {"typ": ABSENT}, {"nbf": 0}, {"at_hash": "x"}],
    ids=str,
)
def test_claims_that_pass(realm: Realm, guarded: Ports, over: Ask, changes: dict[str, Any]) -> None:
    """Claims that no setting asks for do not matter."""
    assert over(guarded, [f"Bearer {realm.token(**changes)}"]) == PASSED


@on_both
def test_the_longest_token_passes(realm: Realm, guarded: Ports, over: Ask) -> None:
    """A token of just under 16 KiB, as one with hundreds of roles is, passes."""
    token = realm.token(pad="x" * 11_500)
    assert LONGEST_TOKEN_BYTES - 400 < len(token) <= LONGEST_TOKEN_BYTES
    assert over(guarded, [f"Bearer {token}"]) == PASSED


def test_a_token_is_at_most_16_kib(realm: Realm, guard: Guard) -> None:
    """The longest signed token of at most 16,384 bytes passes, and the shortest that is longer does not."""
    lengths = {pad: len(realm.token(pad="x" * pad)) for pad in range(11_560, 11_660)}
    longest = max(pad for pad, length in lengths.items() if length <= LONGEST_TOKEN_BYTES)
    assert LONGEST_TOKEN_BYTES < lengths[longest + 1] < LONGEST_TOKEN_BYTES + 3
    assert holds(guard, realm.token(pad="x" * longest))
    assert not holds(guard, realm.token(pad="x" * (longest + 1)))


def test_a_token_that_names_a_place_makes_no_connection(realm: Realm, guarded: Ports) -> None:
    """Nobody is asked for keys at jku or x5u, whatever the signature is."""
    with socket.create_server(("127.0.0.1", 0)) as trap:
        url = f"http://127.0.0.1:{trap.getsockname()[1]}/keys"
        stranger = rs(Realm().key)
        for sign in (stranger, rs(realm.key)):
            for name in ("jku", "x5u"):
                token = realm.headed(sign, **{name: url}, kid=url)
                for over in (over_http, over_grpc):
                    assert over(guarded, [f"Bearer {token}"]) == (REFUSED if sign is stranger else PASSED)
        trap.setblocking(False)
        with pytest.raises(BlockingIOError):
            trap.accept()


class Hands:
    """A clock that stands where it is put."""

    def __init__(self, at: float) -> None:
        self.at = at

    def __call__(self) -> float:
        """Return where it stands."""
        return self.at


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("exp", 1000 - LEEWAY_SECONDS + 1, True),
        ("exp", 1000 - LEEWAY_SECONDS, False),
        ("exp", 1000.5, True),
        ("exp", 1e300, True),
        ("nbf", 1000 + LEEWAY_SECONDS, True),
        ("nbf", 1000 + LEEWAY_SECONDS + 1, False),
        ("iat", 1000 + LEEWAY_SECONDS, True),
        ("iat", 1000 + LEEWAY_SECONDS + 1, False),
        ("iat", ABSENT, True),
    ],
)
def test_clocks_may_differ_by_the_leeway(realm: Realm, public_key: str, name: str, value: Any, expected: bool) -> None:
    """Times are compared with a leeway of 30 s, to the second."""
    assert holds(static_guard(public_key, Hands(1000.0)), realm.token(1000, **{name: value})) is expected


def test_a_verified_token_is_remembered_until_it_expires(realm: Realm, public_key: str) -> None:
    """What passed once is not verified again before it expires, and is refused from then on."""
    clock = Hands(1500.0)
    guard = static_guard(public_key, clock)
    token = realm.token(1400, nbf=1400, exp=2000)
    assert holds(guard, token)
    # Verified now, it would be refused as not yet valid: only a memory lets it pass.
    clock.at = 900.0
    assert holds(guard, token)
    assert not holds(static_guard(public_key, clock), token)
    clock.at = 2000.0 + LEEWAY_SECONDS - 0.5
    assert holds(guard, token)
    clock.at = 2000.0 + LEEWAY_SECONDS
    assert not holds(guard, token)


def test_a_refusal_is_not_remembered(realm: Realm, public_key: str) -> None:
    """A token that came too early passes when its time has come."""
    clock = Hands(900.0)
    guard = static_guard(public_key, clock)
    token = realm.token(1400)
    assert not holds(guard, token)
    clock.at = 1400.0
    assert holds(guard, token)


def test_a_remembered_token_does_not_help_another(realm: Realm, public_key: str) -> None:
    """A token that shares header, payload or signature with a remembered one is verified all the same."""
    guard = static_guard(public_key)
    token = realm.token()
    assert holds(guard, token)
    header, payload, signature = token.split(".")
    other = realm.token(sub="other").split(".")
    for mixed in (
        (header, payload, other[2]),
        (header, other[1], signature),
        (realm.headed(kid="z").split(".")[0], payload, signature),
    ):
        assert not holds(guard, ".".join(mixed))


def test_the_memory_for_tokens_is_bounded() -> None:
    """After as many other tokens as it remembers, the first is forgotten, so that tokens cannot fill the memory."""
    # 1024 bits, which the settings refuse, sign ten times faster; the guard itself takes any.
    small = Realm(rsa.generate_private_key(65537, 1024))  # noqa: S505 - see above
    clock = Hands(1500.0)
    guard = static_guard(small.pem.decode(), clock, remembered=20)
    first = small.token(1400, nbf=1400)
    assert holds(guard, first)
    header = small.header()
    for number in range(20):
        judged(guard, [b"Bearer " + assembled(header, b'{"exp":2000,"n":%d}' % number, rs(small.key)).encode()])
    clock.at = 900.0
    assert not holds(guard, first)


def test_no_token_is_kept(realm: Realm, public_key: str) -> None:
    """Of a token that is remembered, nothing that the guard holds has a part that could be used."""
    guard = static_guard(public_key)
    token = realm.token()
    assert holds(guard, token)
    kept = repr([thing for thing in reachable(vars(guard)) if isinstance(thing, bytes | str)])
    assert repr(blake2b(f"Bearer {token}".encode(), digest_size=DIGEST_BYTES).digest()) in kept
    assert not [part for part in token.split(".") if part in kept]


def reachable(start: object) -> list[object]:
    """Return all values that an object leads to, but for what types and modules hold."""
    found, waiting = {id(start): start}, [start]
    while waiting:
        for thing in gc.get_referents(waiting.pop()):
            if id(thing) not in found and not isinstance(thing, type | ModuleType | FunctionType):
                found[id(thing)] = thing
                waiting.append(thing)
    return list(found.values())


@settings(deadline=None, max_examples=300)
@given(st.lists(st.binary(max_size=200), max_size=3))
def test_any_bytes_are_refused_in_one_way(guard: Guard, authorization: list[bytes]) -> None:
    """Whatever bytes the headers hold, the guard raises TokenRefusedError and nothing else."""
    with pytest.raises(TokenRefusedError):
        judged(guard, authorization)


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=60), st.binary(max_size=60), st.binary(max_size=60))
def test_any_parts_are_refused_in_one_way(guard: Guard, header: bytes, payload: bytes, signature: bytes) -> None:
    """Whatever bytes the parts of a token decode to, the guard raises TokenRefusedError and nothing else."""
    with pytest.raises(TokenRefusedError):
        judged(guard, [f"Bearer {assembled(header, payload, lambda _: signature)}".encode()])


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(deadline=None, max_examples=120)
@given(st.dictionaries(st.sampled_from(["exp", "nbf", "iat", "typ", "aud", "iss", "sub", "jti", "at_hash"]), _json))
def test_any_signed_claims_pass_or_are_refused(guard: Guard, realm: Realm, odd: dict[str, Any]) -> None:
    """Claims of any type, signed by the realm, let pass or raise TokenRefusedError, and never pass once expired."""
    payload = json.dumps(claims() | odd).encode()
    passes = holds(guard, assembled(realm.header(), payload, rs(realm.key)))
    expiry = odd.get("exp", math.inf)
    assert not passes or (not isinstance(expiry, bool) and expiry + LEEWAY_SECONDS > time.time())


@settings(deadline=None, max_examples=120)
@given(
    st.dictionaries(
        st.sampled_from(["alg", "typ", "kid", "crit", "jwk", "x5c", "jku", "zip", "b64", "cty", "enc"]), _json
    )
)
def test_any_signed_header_passes_or_is_refused(guard: Guard, realm: Realm, odd: dict[str, Any]) -> None:
    """Headers of any type, signed by the realm, let pass or raise TokenRefusedError; odd algorithms never pass."""
    token = realm.headed(**odd)
    if holds(guard, token):
        assert "crit" not in odd
        assert odd.get("alg", "RS256") == "RS256"
