"""Which keys of a key set are used, and which documents are not key sets."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.errors import KeySetError
from aggregator.server.auth.jwks import parse_key_set
from aggregator.settings.auth import RSA_ALGORITHMS
from tests.server.auth.fake_issuers import ALGORITHMS, ISSUER, SigningKey, build_jwks, generate_ec_key, generate_rsa_key
from tests.server.auth.signed_tokens import ABSENT

FIRST, SECOND = generate_rsa_key("first"), generate_rsa_key("second")
CURVE = generate_ec_key("curve")


def test_keys_are_found_by_id() -> None:
    """Each key that can verify is found by its ID, for the algorithm that it names."""
    found = parse_key_set(
        build_jwks(FIRST.to_jwk(), CURVE.to_jwk(), SECOND.to_jwk(alg=ABSENT, use=ABSENT)), ALGORITHMS, ISSUER
    ).keys
    assert {kid: sorted(key.by_algorithm) for kid, key in found.items()} == {
        "first": ["RS256"],
        "curve": ["ES256"],
        "second": sorted(RSA_ALGORITHMS),
    }
    assert {key.issuer for key in found.values()} == {ISSUER}


def describe_key(member: object) -> str:
    """Return a member of a key set without its long values, which are random."""
    if not isinstance(member, dict):
        return json.dumps(member)
    return json.dumps({name: value for name, value in member.items() if len(str(value)) < 40})


@pytest.mark.parametrize(
    "member",
    [
        FIRST.to_jwk(use="enc"),
        FIRST.to_jwk(use="enc", alg="RSA-OAEP"),
        FIRST.to_jwk(alg="RSA-OAEP"),
        FIRST.to_jwk(alg="PS256"),
        FIRST.to_jwk(alg="HS256"),
        FIRST.to_jwk(alg=None),
        FIRST.to_jwk(kty="oct", k="c2VjcmV0"),
        FIRST.to_jwk(kty="OKP"),
        FIRST.to_jwk(kid=ABSENT),
        FIRST.to_jwk(kid=""),
        FIRST.to_jwk(kid=7),
        FIRST.to_jwk(n=ABSENT),
        FIRST.to_jwk(n=7),
        FIRST.to_jwk(n="é"),
        FIRST.to_jwk(e="AQ"),
        FIRST.to_jwk(e="A" * 400),
        FIRST.to_jwk(n="_" * 4000),
        generate_rsa_key("short", bits=1024).to_jwk(),
        CURVE.to_jwk(crv="P-384"),
        CURVE.to_jwk(crv="secp256k1"),
        CURVE.to_jwk(alg="ES384"),
        CURVE.to_jwk(y=CURVE.to_jwk()["x"]),
        CURVE.to_jwk(x="A" * 4000),
        CURVE.to_jwk(alg="RS256"),
        *(None, [], "key", 7, {}),
    ],
    ids=lambda member: describe_key(member)[-60:],
)
def test_unsuitable_keys_are_ignored(member: object) -> None:
    """A key with another use, type, curve or size, or without an ID, is ignored; the other keys of the set are used."""
    assert parse_key_set(build_jwks(member, SECOND.to_jwk()), ALGORITHMS, None).keys.keys() == {"second"}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not JSON"),
        (b"<!DOCTYPE html><title>Sign in</title>", "not JSON"),
        (b"[" * 200_000, "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"null", "not a key set"),
        (b"[]", "not a key set"),
        (b'{"keys":{}}', "not a key set"),
        (b'{"error":"x"}', "not a key set"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_other_documents_are_rejected(body: bytes, reason: str) -> None:
    """HTML and other JSON are rejected as a whole."""
    with pytest.raises(KeySetError) as refused:
        parse_key_set(body, ALGORITHMS, None)
    assert refused.value.reason == reason


@pytest.mark.parametrize(
    ("members", "algorithms"),
    [
        ([FIRST.to_jwk(alg=name) for name in ("RS256", "RS384", "RS512")], ["RS256", "RS384", "RS512"]),
        ([FIRST.to_jwk(), FIRST.to_jwk(alg="RSA-OAEP", use="enc"), FIRST.to_jwk(alg="PS256")], ["RS256"]),
        ([FIRST.to_jwk(), FIRST.to_jwk(x5t="a certificate of it")], ["RS256"]),
        ([FIRST.to_jwk(alg="RS512"), FIRST.to_jwk(alg=ABSENT)], ["RS256", "RS384", "RS512"]),
    ],
    ids=["three algorithms", "other uses", "repeated", "one without an algorithm"],
)
def test_equal_keys_are_one_key(members: list[dict[str, Any]], algorithms: list[str]) -> None:
    """Entries with one ID and one key are a key with the algorithms of all of them, in any order."""
    for ordered in (members, members[::-1]):
        found = parse_key_set(build_jwks(*ordered, SECOND.to_jwk()), ALGORITHMS, ISSUER)
        assert (set(found.keys), set(found.ambiguous_ids)) == ({"first", "second"}, set())
        assert sorted(found.keys["first"].by_algorithm) == algorithms


@pytest.mark.parametrize(
    "other",
    [SECOND.to_jwk(kid="first"), SECOND.to_jwk(kid="first", alg="RS512"), CURVE.to_jwk(kid="first")],
    ids=["another key", "another key and algorithm", "another type"],
)
def test_an_id_of_different_keys_is_not_used(other: dict[str, Any]) -> None:
    """An ID that belongs to different keys is ignored in any order; the other keys of the set are used."""
    for members in ([FIRST.to_jwk(), other], [other, FIRST.to_jwk()], [FIRST.to_jwk(), other, FIRST.to_jwk()]):
        found = parse_key_set(build_jwks(*members, SECOND.to_jwk()), ALGORITHMS, ISSUER)
        assert (set(found.keys), set(found.ambiguous_ids)) == ({"second"}, {"first"})


_json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=4,
)


@given(
    changes=st.dictionaries(
        st.sampled_from(["kid", "use", "alg", "kty", "n", "e", "crv", "x", "y", "d"]), _json_values
    ),
    key=st.sampled_from([FIRST, CURVE]),
)
def test_any_member_is_used_or_ignored(changes: dict[str, Any], key: SigningKey) -> None:
    """Any member of a key set is used or ignored."""
    assert parse_key_set(build_jwks(key.to_jwk(**changes)), ALGORITHMS, None).keys.keys() <= {
        str(changes.get("kid", key.kid))
    }
