"""The access policy: audience, authorized party, roles, and the clusters that roles show."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.errors import PermissionDeniedError, UnauthenticatedError
from aggregator.models.grant import UNRESTRICTED, Grant
from aggregator.server.auth.guard import AccessPolicy, has_role
from aggregator.settings.auth import Role, parse_cluster_roles, parse_role
from tests.server.auth.signed_tokens import ABSENT, build_claims

ROLES = parse_cluster_roles("reader=edge-*; dash:viewer=edge-a,factory; admin=*")


@pytest.mark.parametrize(
    ("aud", "passes"),
    [
        ("topology", True),
        ("other", True),
        (["account", "topology"], True),
        ("account", False),
        (ABSENT, False),
        (None, False),
        ([], False),
        (["account"], False),
        ([["topology"]], False),
        ({"topology": 1}, False),
        ("topology other", False),
    ],
    ids=str,
)
def test_the_audience(aud: Any, passes: bool) -> None:
    """With AUDIENCE, `aud` must contain one of the names, as text or in a list; a token without `aud` is rejected."""
    policy = AccessPolicy(audience=("topology", "other"))
    if passes:
        assert policy.derive_grant(build_claims(aud=aud), None) is UNRESTRICTED
    else:
        with pytest.raises(UnauthenticatedError, match=r"^audience$"):
            policy.derive_grant(build_claims(aud=aud), None)


@pytest.mark.parametrize("azp", ["stranger", ABSENT, None, ["shell"], {"shell": 1}], ids=str)
def test_the_authorized_party(azp: Any) -> None:
    """With AUTHORIZED_PARTY, only tokens of these clients are accepted."""
    policy = AccessPolicy(authorized_parties=("shell", "dash"))
    assert policy.derive_grant(build_claims(azp="shell"), None) is UNRESTRICTED
    with pytest.raises(UnauthenticatedError, match=r"^authorized party$"):
        policy.derive_grant(build_claims(azp=azp), None)


@pytest.mark.parametrize(
    ("policy", "claims", "details"),
    [
        (AccessPolicy(), {"iss": "http://b\n"}, {"token_issuer": "http://b\\n", "expected": "http://a"}),
        (
            AccessPolicy(audience=("x", "y")),
            {"iss": "http://a", "aud": ["account", "z"]},
            {"token_audience": "account, z", "expected": "x or y"},
        ),
        (
            AccessPolicy(audience=("x",)),
            {"iss": "http://a", "aud": 10**30},
            {"token_audience": "not text", "expected": "x"},
        ),
        (
            AccessPolicy(authorized_parties=("shell",)),
            {"iss": "http://a", "azp": ABSENT},
            {"token_party": "none", "expected": "shell"},
        ),
    ],
    ids=["issuer", "audience", "audience of another type", "authorized party"],
)
def test_a_rejection_names_what_the_token_has(
    policy: AccessPolicy, claims: dict[str, Any], details: dict[str, str]
) -> None:
    """The log fields of a rejected token have the claim, escaped, and what the settings expect."""
    with pytest.raises(UnauthenticatedError) as caught:
        policy.derive_grant(build_claims(**claims), "http://a")
    assert caught.value.details == details


def build_role_claims(realm: Any = ABSENT, clients: Any = ABSENT) -> dict[str, Any]:
    """Return claims with these roles of the realm and of clients."""
    return build_claims(
        realm_access=ABSENT if realm is ABSENT else {"roles": realm},
        resource_access=ABSENT if clients is ABSENT else clients,
    )


def describe_parameter(value: Any) -> str:
    """Return a test ID that is the same in each process."""
    match value:
        case dict():
            return str({name: part for name, part in value.items() if "roles" in name or "access" in name})
        case Grant(cluster_patterns=patterns):
            return str(sorted(patterns or "*"))
        case set():
            return str(sorted(value))
    return str(value)


@pytest.mark.parametrize(
    ("held", "asked", "expected"),
    [
        (build_role_claims(["reader"]), "reader", True),
        (build_role_claims(["READER", "reade"]), "reader", False),
        (build_role_claims(), "reader", False),
        (build_role_claims("reader"), "reader", False),
        (build_role_claims({"reader": 1}), "reader", False),
        (build_role_claims([["reader"], None, 7]), "reader", False),
        (build_role_claims(clients={"dash": {"roles": ["reader"]}}), "reader", False),
        (build_role_claims(clients={"dash": {"roles": ["reader"]}}), "dash:reader", True),
        (build_role_claims(clients={"other": {"roles": ["reader"]}}), "dash:reader", False),
        (build_role_claims(["reader", "dash:reader"]), "dash:reader", False),
        (build_role_claims(["dash:reader"]), ":dash:reader", True),
        (build_role_claims(clients={"https://dash": {"roles": ["reader"]}}), "https://dash:reader", True),
        (build_role_claims(clients=[{"roles": ["reader"]}]), "dash:reader", False),
        (build_role_claims(clients={"dash": ["reader"]}), "dash:reader", False),
        ({"roles": ["reader"], "scope": "reader", "groups": ["reader"]}, "reader", False),
    ],
    ids=describe_parameter,
)
def test_roles(held: dict[str, Any], asked: str, expected: bool) -> None:
    """A role is found where Keycloak writes it, for the realm or for the named client only."""
    assert has_role(held, parse_role(asked)) is expected


def test_a_required_role() -> None:
    """With REQUIRED_ROLE, a valid token without the role gets PermissionDeniedError, and others see everything."""
    policy = AccessPolicy(required_role=parse_role("reader"))
    assert policy.derive_grant(build_role_claims(["x", "reader"]), None) is UNRESTRICTED
    with pytest.raises(PermissionDeniedError):
        policy.derive_grant(build_role_claims(["x"]), None)


@pytest.mark.parametrize(
    ("held", "grant"),
    [
        (build_role_claims(["reader"]), Grant(frozenset({"edge-*"}))),
        (build_role_claims(clients={"dash": {"roles": ["viewer"]}}), Grant(frozenset({"edge-a", "factory"}))),
        (
            build_role_claims(["reader"], {"dash": {"roles": ["viewer"]}}),
            Grant(frozenset({"edge-*", "edge-a", "factory"})),
        ),
        (build_role_claims(["admin", "reader"]), UNRESTRICTED),
    ],
    ids=describe_parameter,
)
def test_roles_show_clusters(held: dict[str, Any], grant: Grant) -> None:
    """A token sees the clusters of all its roles; only the pattern * alone shows everything."""
    assert AccessPolicy(cluster_roles=dict(ROLES)).derive_grant(held, None) == grant


def test_no_role_for_any_cluster() -> None:
    """With CLUSTER_ROLES, a token without any of the roles gets PermissionDeniedError, also with the required role."""
    policy = AccessPolicy(required_role=parse_role("x"), cluster_roles=dict(ROLES))
    with pytest.raises(PermissionDeniedError):
        policy.derive_grant(build_role_claims(["x", "viewer"]), None)


@pytest.mark.parametrize(
    ("patterns", "names", "expected"),
    [
        ({"edge-*"}, ("edge-a", None), True),
        ({"edge-*"}, ("Edge-a", "uid"), False),
        ({"08c6*"}, (None, "08c66cd5"), True),
        ({"edge-?"}, ("edge-ab",), False),
        ({"edge-[ab]"}, ("edge-b",), True),
        ({"edge-[!ab]"}, ("edge-b",), False),
        ({"a", "b"}, ("b", "c"), True),
        ({"a"}, ("", None), False),
        ({"a"}, ("a\n", "xa"), False),
        (set(), ("a",), False),
    ],
    ids=describe_parameter,
)
def test_patterns(patterns: set[str], names: tuple[str | None, ...], expected: bool) -> None:
    """Patterns are shell patterns, compared with whole names and case-sensitive."""
    assert Grant(frozenset(patterns)).allows(*names) is expected


_json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["roles", "dash", "x"]), inner),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(["realm_access", "resource_access", "aud", "azp", "iss", "typ"]), _json_values))
def test_any_claims_are_accepted_or_rejected(odd: dict[str, Any]) -> None:
    """Any claims are accepted or rejected with an AccessError, and none of them shows a cluster by accident."""
    policy = AccessPolicy(("a-b",), ("c-d",), parse_role("dash:admin-x"), {Role("never-there"): ("*",)})
    with pytest.raises((UnauthenticatedError, PermissionDeniedError)):
        policy.derive_grant(odd, "issuer-x")
