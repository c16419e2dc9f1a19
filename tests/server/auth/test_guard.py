"""Which tokens are accepted, over HTTP, over gRPC and by the guard itself."""

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
from hypothesis import given
from hypothesis import strategies as st

from aggregator.errors import UnauthenticatedError
from aggregator.server.auth.guard import TOKEN_DIGEST_BYTES, Guard
from aggregator.server.auth.jwt import LEEWAY_SECONDS, MAX_TOKEN_BYTES
from tests.fuzz.fuzz_settings import fuzz_examples
from tests.server.auth.forged_tokens import FORGERIES, TokenForgery
from tests.server.auth.guards import accepts_token, authorize_sync, build_static_guard
from tests.server.auth.signed_tokens import (
    ABSENT,
    HASHES_BY_ALGORITHM,
    FakeRealm,
    assemble_token,
    build_claims,
    build_rs_signer,
)
from tests.server.running_servers import ServerPorts
from tests.support.grpc_client import call_method
from tests.support.http_client import send_request

PASSED, REFUSED, TOO_LONG = "passed", "refused", "refused for its length"
RequestFunction = Callable[[ServerPorts, Sequence[str]], str]


def authorize_over_http(ports: ServerPorts, authorization: Sequence[str | bytes]) -> str:
    """Return the result of these Authorization headers over HTTP; a rejection is compared exactly."""
    answer = send_request(ports.http, headers=[("Authorization", value) for value in authorization])
    if answer.status == 200:
        return PASSED
    if answer.status in (400, 431) and sum(map(len, authorization)) > 32 * 1024:
        return TOO_LONG
    assert answer.status == 401
    assert answer.body == b'{"error":"not authorized"}\n'
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="aggregator"')
    return REFUSED


def authorize_over_grpc(ports: ServerPorts, authorization: Sequence[str]) -> str:
    """Return the result of these authorization entries over gRPC; the text of a rejection is compared."""
    reply = call_method(ports.grpc, metadata=[("authorization", value) for value in authorization])
    if reply.code is grpc.StatusCode.OK:
        return PASSED
    if reply.code is grpc.StatusCode.RESOURCE_EXHAUSTED and sum(map(len, authorization)) > 32 * 1024:
        return TOO_LONG
    assert (reply.code, reply.details, reply.body) == (grpc.StatusCode.UNAUTHENTICATED, "not authorized", b"")
    return REFUSED


both_transports = pytest.mark.parametrize("over", [authorize_over_http, authorize_over_grpc], ids=["http", "grpc"])
each_forgery = pytest.mark.parametrize("forge", [pytest.param(forge, id=name) for name, forge in FORGERIES.items()])


@pytest.fixture(scope="module")
def guard(public_key: str) -> Guard:
    """A guard for the tokens of the realm, with the real clock."""
    return build_static_guard(public_key)


@both_transports
def test_a_valid_token_is_accepted(realm: FakeRealm, guarded: ServerPorts, over: RequestFunction) -> None:
    """A valid access token of the realm is accepted."""
    assert over(guarded, [f"Bearer {realm.issue_token()}"]) == PASSED


@both_transports
@each_forgery
def test_an_invalid_token_is_rejected(
    realm: FakeRealm, guarded: ServerPorts, over: RequestFunction, forge: TokenForgery
) -> None:
    """Forged, altered, expired and malformed tokens are all rejected in the same way."""
    token = forge(realm)
    expected = (REFUSED,) if len(token) < 32 * 1024 else (REFUSED, TOO_LONG)
    assert over(guarded, [f"Bearer {token}"]) in expected


@each_forgery
def test_the_guard_raises_unauthenticated(realm: FakeRealm, guard: Guard, forge: TokenForgery) -> None:
    """An invalid token raises UnauthenticatedError and no other error."""
    with pytest.raises(UnauthenticatedError):
        authorize_sync(guard, [f"Bearer {forge(realm)}".encode()])


@both_transports
@pytest.mark.parametrize(
    "authorization",
    [[], [""], ["Basic dXNlcjpwYXNzd29yZA=="], ["Bearer"], ["Bearer "], ["Digest username=x"], ["null"]],
    ids=str,
)
def test_a_missing_token_is_rejected(guarded: ServerPorts, over: RequestFunction, authorization: list[str]) -> None:
    """A missing or empty header, another scheme and a scheme without a token are rejected."""
    assert over(guarded, authorization) == REFUSED


@both_transports
@pytest.mark.parametrize(
    "spelling", ["bearer {}", "BEARER {}", "bEaReR {}", "Bearer  {}", "Bearer    {}", "Bearer {} "]
)
def test_accepted_spellings(realm: FakeRealm, guarded: ServerPorts, over: RequestFunction, spelling: str) -> None:
    """The scheme may have any case and be followed by several spaces."""
    assert over(guarded, [spelling.format(realm.issue_token())]) == PASSED


@pytest.mark.parametrize("spelling", ["Bearer\t{}", "Bearer \t {}", "Bearer {}\t"])
def test_tabs_are_accepted(realm: FakeRealm, guarded: ServerPorts, spelling: str) -> None:
    """A tab is accepted in place of a space."""
    assert authorize_over_http(guarded, [spelling.format(realm.issue_token())]) == PASSED


@both_transports
@pytest.mark.parametrize(
    "spelling",
    [
        *("Bearer{}", "FooBearer {}", "Bearer {0}, Bearer {0}", "Bearer {0} {0}", "Bearer {0},", "Bearer: {}", "{}"),
        *("JWT {}", "Bearer Bearer {}", "Basic x, Bearer {}", 'Bearer token="{}"'),
    ],
)
def test_rejected_spellings(realm: FakeRealm, guarded: ServerPorts, over: RequestFunction, spelling: str) -> None:
    """A valid token in a header of any other form is rejected."""
    assert over(guarded, [spelling.format(realm.issue_token())]) == REFUSED


@both_transports
def test_two_headers_are_rejected(realm: FakeRealm, guarded: ServerPorts, over: RequestFunction) -> None:
    """Two Authorization headers are rejected, whichever contains a valid token."""
    good = f"Bearer {realm.issue_token()}"
    for pair in ([good, good], [good, "Bearer x"], ["Bearer x", good], [good, ""]):
        assert over(guarded, pair) == REFUSED


@pytest.mark.parametrize(
    "value", [b"Bearer \xff\xfe\x80", "Bearer ünï.cö.dé".encode(), b"B\xebarer a.b.c", b"Bearer a.b.c\xa0"]
)
def test_non_ascii_bytes_are_rejected(guarded: ServerPorts, value: bytes) -> None:
    """A header that is not ASCII is rejected like any invalid token."""
    assert authorize_over_http(guarded, [value]) == REFUSED


@pytest.mark.parametrize("name", ["access_token", "token", "authorization", "Authorization", "bearer"])
def test_tokens_elsewhere_are_ignored(realm: FakeRealm, guarded: ServerPorts, name: str) -> None:
    """A valid token in the query string, a cookie, a form or another header is ignored."""
    token = realm.issue_token()
    assert send_request(guarded.http, f"/?{name}={token}").status == 401
    assert send_request(guarded.http, headers=[("Cookie", f"{name}={token}")]).status == 401
    assert send_request(guarded.http, method="POST", body=f"{name}=Bearer {token}".encode()).status == 401
    assert send_request(guarded.http, headers=[(f"X-{name}", f"Bearer {token}")]).status == 401
    assert send_request(guarded.http, headers=[("Proxy-Authorization", f"Bearer {token}")]).status == 401


@pytest.mark.parametrize("name", ["cookie", "token", "x-authorization", "access_token"])
def test_tokens_in_other_metadata_are_ignored(realm: FakeRealm, guarded: ServerPorts, name: str) -> None:
    """A valid token in other metadata is ignored."""
    assert (
        call_method(guarded.grpc, metadata=[(name, f"Bearer {realm.issue_token()}")]).code
        is grpc.StatusCode.UNAUTHENTICATED
    )


def test_the_challenge_distinguishes_missing_and_invalid_tokens(guarded: ServerPorts) -> None:
    """Only a request with a token gets `error="invalid_token"`, as RFC 6750 requires."""
    assert send_request(guarded.http).headers["WWW-Authenticate"] == 'Bearer realm="aggregator"'
    bad = send_request(guarded.http, headers=[("Authorization", "Bearer a.b.c")])
    assert bad.headers["WWW-Authenticate"] == 'Bearer realm="aggregator", error="invalid_token"'


@both_transports
@pytest.mark.parametrize("algorithm", sorted(HASHES_BY_ALGORITHM))
def test_accepted_algorithms(realm: FakeRealm, guarded: ServerPorts, over: RequestFunction, algorithm: str) -> None:
    """RS256, RS384 and RS512 with the key of the realm are accepted."""
    token = realm.issue_token_with_header(build_rs_signer(realm.key, HASHES_BY_ALGORITHM[algorithm]), alg=algorithm)
    assert over(guarded, [f"Bearer {token}"]) == PASSED


@both_transports
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
        {"typ": "AT+JWT"},
        {"typ": "application/at+jwt"},
        {"typ": "Application/JWT"},
    ],
    ids=str,
)
def test_accepted_headers(
    realm: FakeRealm, guarded: ServerPorts, over: RequestFunction, header: dict[str, Any]
) -> None:
    """With a static key, the key ID is ignored; `typ` may be JWT or at+jwt in any spelling, or missing."""
    assert over(guarded, [f"Bearer {realm.issue_token_with_header(**header)}"]) == PASSED


@both_transports
@pytest.mark.parametrize(
    "changes",
    [{"aud": ABSENT}, {"aud": ["a", "b"]}, {"iss": 7}, {"sub": None}, {"typ": ABSENT}, {"nbf": 0}, {"at_hash": "x"}],
    ids=str,
)
def test_claims_without_a_requirement_are_ignored(
    realm: FakeRealm, guarded: ServerPorts, over: RequestFunction, changes: dict[str, Any]
) -> None:
    """Claims that no setting requires do not matter."""
    assert over(guarded, [f"Bearer {realm.issue_token(**changes)}"]) == PASSED


@both_transports
def test_a_long_token_is_accepted(realm: FakeRealm, guarded: ServerPorts, over: RequestFunction) -> None:
    """A token of just under 16 KiB, for example with hundreds of roles, is accepted."""
    token = realm.issue_token(pad="x" * 11_500)
    assert MAX_TOKEN_BYTES - 400 < len(token) <= MAX_TOKEN_BYTES
    assert over(guarded, [f"Bearer {token}"]) == PASSED


def test_a_token_is_at_most_16_kib(realm: FakeRealm, guard: Guard) -> None:
    """The longest token of at most 16,384 bytes is accepted, and the shortest longer one is rejected."""
    lengths = {pad: len(realm.issue_token(pad="x" * pad)) for pad in range(11_560, 11_660)}
    longest = max(pad for pad, length in lengths.items() if length <= MAX_TOKEN_BYTES)
    assert MAX_TOKEN_BYTES < lengths[longest + 1] < MAX_TOKEN_BYTES + 3
    assert accepts_token(guard, realm.issue_token(pad="x" * longest))
    assert not accepts_token(guard, realm.issue_token(pad="x" * (longest + 1)))


def test_urls_in_a_token_cause_no_connection(realm: FakeRealm, guarded: ServerPorts) -> None:
    """A token that names a key URL in `jku` or `x5u` causes no connection to it, whatever its signature is."""
    with socket.create_server(("127.0.0.1", 0)) as trap:
        url = f"http://127.0.0.1:{trap.getsockname()[1]}/keys"
        foreign_signer = build_rs_signer(FakeRealm().key)
        for sign in (foreign_signer, build_rs_signer(realm.key)):
            for name in ("jku", "x5u"):
                token = realm.issue_token_with_header(sign, **{name: url}, kid=url)
                for over in (authorize_over_http, authorize_over_grpc):
                    assert over(guarded, [f"Bearer {token}"]) == (REFUSED if sign is foreign_signer else PASSED)
        trap.setblocking(False)
        with pytest.raises(BlockingIOError):
            trap.accept()


class SettableClock:
    """A clock that a test sets."""

    def __init__(self, at: float) -> None:
        self.now_seconds = at

    def __call__(self) -> float:
        """Return the time that was set."""
        return self.now_seconds


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
def test_clocks_may_differ_by_the_leeway(
    realm: FakeRealm, public_key: str, name: str, value: Any, expected: bool
) -> None:
    """Times are compared with a leeway of 30 s."""
    assert (
        accepts_token(build_static_guard(public_key, SettableClock(1000.0)), realm.issue_token(1000, **{name: value}))
        is expected
    )


def test_a_decision_is_cached_until_the_token_expires(realm: FakeRealm, public_key: str) -> None:
    """An accepted token is not verified again before it expires, and is rejected from then on."""
    clock = SettableClock(1500.0)
    guard = build_static_guard(public_key, clock)
    token = realm.issue_token(1400, nbf=1400, exp=2000)
    assert accepts_token(guard, token)
    # Verified now, it would be refused as not yet valid: only a memory lets it pass.
    clock.now_seconds = 900.0
    assert accepts_token(guard, token)
    assert not accepts_token(build_static_guard(public_key, clock), token)
    clock.now_seconds = 2000.0 + LEEWAY_SECONDS - 0.5
    assert accepts_token(guard, token)
    clock.now_seconds = 2000.0 + LEEWAY_SECONDS
    assert not accepts_token(guard, token)


def test_access_ends_with_the_token(realm: FakeRealm, public_key: str) -> None:
    """The access that a token gives is valid until the token expires, also when the decision is cached."""
    clock = SettableClock(1500.0)
    guard = build_static_guard(public_key, clock)
    authorization = [f"Bearer {realm.issue_token(1400, exp=2000)}".encode()]
    first = authorize_sync(guard, authorization)
    assert first.expires_at - time.monotonic() == pytest.approx(500.0 + LEEWAY_SECONDS, abs=100.0)
    clock.now_seconds = 1999.0
    second = authorize_sync(guard, authorization)
    assert first.expires_at - second.expires_at == pytest.approx(499.0, abs=100.0)


def test_a_rejection_is_not_cached(realm: FakeRealm, public_key: str) -> None:
    """A token that is not valid yet is accepted once it is."""
    clock = SettableClock(900.0)
    guard = build_static_guard(public_key, clock)
    token = realm.issue_token(1400)
    assert not accepts_token(guard, token)
    clock.now_seconds = 1400.0
    assert accepts_token(guard, token)


def test_a_cached_decision_covers_one_token_only(realm: FakeRealm, public_key: str) -> None:
    """A token that shares parts with an accepted one is verified itself."""
    guard = build_static_guard(public_key)
    token = realm.issue_token()
    assert accepts_token(guard, token)
    header, payload, signature = token.split(".")
    other = realm.issue_token(sub="other").split(".")
    for mixed in (
        (header, payload, other[2]),
        (header, other[1], signature),
        (realm.issue_token_with_header(kid="z").split(".")[0], payload, signature),
    ):
        assert not accepts_token(guard, ".".join(mixed))


def test_the_token_cache_is_bounded() -> None:
    """The oldest decision is dropped when the cache is full."""
    # 1024 bits, which the settings refuse, sign ten times faster; the guard itself takes any.
    small = FakeRealm(rsa.generate_private_key(65537, 1024))  # noqa: S505 - see above
    clock = SettableClock(1500.0)
    guard = build_static_guard(small.pem.decode(), clock, cache_size=20)
    first = small.issue_token(1400, nbf=1400)
    assert accepts_token(guard, first)
    header = small.build_header()
    for number in range(20):
        authorize_sync(
            guard,
            [b"Bearer " + assemble_token(header, b'{"exp":2000,"n":%d}' % number, build_rs_signer(small.key)).encode()],
        )
    clock.now_seconds = 900.0
    assert not accepts_token(guard, first)


def test_no_token_is_stored(realm: FakeRealm, public_key: str) -> None:
    """The guard stores no usable part of a token, only its digest."""
    guard = build_static_guard(public_key)
    token = realm.issue_token()
    assert accepts_token(guard, token)
    kept = repr([thing for thing in list_reachable(vars(guard)) if isinstance(thing, bytes | str)])
    assert repr(blake2b(f"Bearer {token}".encode(), digest_size=TOKEN_DIGEST_BYTES).digest()) in kept
    assert not [part for part in token.split(".") if part in kept]


def list_reachable(start: object) -> list[object]:
    """Return all objects that an object refers to, without those of types, modules and functions."""
    found, waiting = {id(start): start}, [start]
    while waiting:
        for thing in gc.get_referents(waiting.pop()):
            if id(thing) not in found and not isinstance(thing, type | ModuleType | FunctionType):
                found[id(thing)] = thing
                waiting.append(thing)
    return list(found.values())


@fuzz_examples(75)
@given(st.lists(st.binary(max_size=200), max_size=3))
def test_any_header_bytes_are_rejected(guard: Guard, authorization: list[bytes]) -> None:
    """Any bytes in the headers raise UnauthenticatedError and no other error."""
    with pytest.raises(UnauthenticatedError):
        authorize_sync(guard, authorization)


@fuzz_examples(75)
@given(st.binary(max_size=60), st.binary(max_size=60), st.binary(max_size=60))
def test_any_token_parts_are_rejected(guard: Guard, header: bytes, payload: bytes, signature: bytes) -> None:
    """Any bytes in the parts of a token raise UnauthenticatedError and no other error."""
    with pytest.raises(UnauthenticatedError):
        authorize_sync(guard, [f"Bearer {assemble_token(header, payload, lambda _: signature)}".encode()])


_json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@fuzz_examples(30)
@given(
    st.dictionaries(st.sampled_from(["exp", "nbf", "iat", "typ", "aud", "iss", "sub", "jti", "at_hash"]), _json_values)
)
def test_any_signed_claims_are_accepted_or_rejected(guard: Guard, realm: FakeRealm, odd: dict[str, Any]) -> None:
    """Signed claims of any type are accepted or raise UnauthenticatedError; expired ones are never accepted."""
    payload = json.dumps(build_claims() | odd).encode()
    passes = accepts_token(guard, assemble_token(realm.build_header(), payload, build_rs_signer(realm.key)))
    expiry = odd.get("exp", math.inf)
    assert not passes or (not isinstance(expiry, bool) and expiry + LEEWAY_SECONDS > time.time())


@fuzz_examples(30)
@given(
    st.dictionaries(
        st.sampled_from(["alg", "typ", "kid", "crit", "jwk", "x5c", "jku", "zip", "b64", "cty", "enc"]), _json_values
    )
)
def test_any_signed_header_is_accepted_or_rejected(guard: Guard, realm: FakeRealm, odd: dict[str, Any]) -> None:
    """Signed headers of any type are accepted or raise UnauthenticatedError; other algorithms are never accepted."""
    token = realm.issue_token_with_header(**odd)
    if accepts_token(guard, token):
        assert "crit" not in odd
        assert odd.get("alg", "RS256") == "RS256"
