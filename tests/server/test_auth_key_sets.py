"""Key sets: which of their keys are taken, and which answers are none."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.errors import KeySetError
from aggregator.server.keys import key_set
from aggregator.settings.access import RSA_ALGORITHMS
from tests.server.issuing import ALGORITHMS, ISSUER, SigningKey, curve_key, jwks, rsa_key
from tests.server.tokens import ABSENT

FIRST, SECOND = rsa_key("first"), rsa_key("second")
CURVE = curve_key("curve")


def test_keys_are_taken_by_their_ids() -> None:
    """Of a key set each key that can verify is taken under its id, for the algorithm that it names."""
    found = key_set(jwks(FIRST.jwk(), CURVE.jwk(), SECOND.jwk(alg=ABSENT, use=ABSENT)), ALGORITHMS, ISSUER)
    assert {kid: sorted(key.by_algorithm) for kid, key in found.items()} == {
        "first": ["RS256"],
        "curve": ["ES256"],
        "second": sorted(RSA_ALGORITHMS),
    }
    assert {key.issuer for key in found.values()} == {ISSUER}


def told(member: object) -> str:
    """Return what a member of a key set says, without its long parts, which are random."""
    if not isinstance(member, dict):
        return json.dumps(member)
    return json.dumps({name: value for name, value in member.items() if len(str(value)) < 40})


@pytest.mark.parametrize(
    "member",
    [
        FIRST.jwk(use="enc"),
        FIRST.jwk(use="enc", alg="RSA-OAEP"),
        FIRST.jwk(alg="RSA-OAEP"),
        FIRST.jwk(alg="PS256"),
        FIRST.jwk(alg="HS256"),
        FIRST.jwk(alg=None),
        FIRST.jwk(kty="oct", k="c2VjcmV0"),
        FIRST.jwk(kty="OKP"),
        FIRST.jwk(kid=ABSENT),
        FIRST.jwk(kid=""),
        FIRST.jwk(kid=7),
        FIRST.jwk(n=ABSENT),
        FIRST.jwk(n=7),
        FIRST.jwk(n="é"),
        FIRST.jwk(e="AQ"),
        FIRST.jwk(e="A" * 400),
        FIRST.jwk(n="_" * 4000),
        rsa_key("short", bits=1024).jwk(),
        CURVE.jwk(crv="P-384"),
        CURVE.jwk(crv="secp256k1"),
        CURVE.jwk(alg="ES384"),
        CURVE.jwk(y=CURVE.jwk()["x"]),
        CURVE.jwk(x="A" * 4000),
        CURVE.jwk(alg="RS256"),
        *(None, [], "key", 7, {}),
    ],
    ids=lambda member: told(member)[-60:],
)
def test_keys_that_cannot_verify_are_passed_over(member: object) -> None:
    """A key of another use, kind, curve or length, or without an id, is not taken; the others of its set are."""
    assert key_set(jwks(member, SECOND.jwk()), ALGORITHMS, None).keys() == {"second"}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not JSON"),
        (b"<!DOCTYPE html><title>Sign in</title>", "not JSON"),
        (b"[" * 200_000, "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"null", "no key set"),
        (b"[]", "no key set"),
        (b'{"keys":{}}', "no key set"),
        (b'{"error":"x"}', "no key set"),
        (jwks(FIRST.jwk(), SECOND.jwk(kid="first")), "duplicate kid"),
        (jwks(FIRST.jwk(), CURVE.jwk(kid="first")), "duplicate kid"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_is_no_key_set_is_refused_whole(body: bytes, reason: str) -> None:
    """HTML, other JSON and sets with an id twice are no key sets."""
    with pytest.raises(KeySetError) as refused:
        key_set(body, ALGORITHMS, None)
    assert refused.value.reason == reason


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=4,
)


@given(
    changes=st.dictionaries(st.sampled_from(["kid", "use", "alg", "kty", "n", "e", "crv", "x", "y", "d"]), _json),
    key=st.sampled_from([FIRST, CURVE]),
)
def test_any_member_is_taken_or_passed_over(changes: dict[str, Any], key: SigningKey) -> None:
    """Whatever a key set holds, it is read, or refused as none."""
    assert key_set(jwks(key.jwk(**changes)), ALGORITHMS, None).keys() <= {str(changes.get("kid", key.kid))}
