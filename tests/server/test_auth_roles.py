"""What the claims of a token open: audience, authorized party, roles, and the clusters that roles show."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.errors import NotAllowedError, TokenRefusedError
from aggregator.grants import EVERYTHING, Grant
from aggregator.server.roles import Policy, has_role
from aggregator.settings.roles import Role, cluster_roles, role
from tests.server.tokens import ABSENT, claims

ROLES = cluster_roles("reader=edge-*; dash:viewer=edge-a,factory; admin=*")


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
    """With AUDIENCE a token has to name one of them, as a text or in a list; one without `aud` is refused."""
    policy = Policy(audience=("topology", "other"))
    if passes:
        assert policy.grant(claims(aud=aud), None) is EVERYTHING
    else:
        with pytest.raises(TokenRefusedError, match=r"^audience$"):
            policy.grant(claims(aud=aud), None)


@pytest.mark.parametrize("azp", ["stranger", ABSENT, None, ["shell"], {"shell": 1}], ids=str)
def test_the_authorized_party(azp: Any) -> None:
    """With AUTHORIZED_PARTY only tokens that one of these clients asked for pass."""
    policy = Policy(authorized_parties=("shell", "dash"))
    assert policy.grant(claims(azp="shell"), None) is EVERYTHING
    with pytest.raises(TokenRefusedError, match=r"^authorized party$"):
        policy.grant(claims(azp=azp), None)


def holding(realm: Any = ABSENT, clients: Any = ABSENT) -> dict[str, Any]:
    """Return claims with these roles of the realm and of clients."""
    return claims(
        realm_access=ABSENT if realm is ABSENT else {"roles": realm},
        resource_access=ABSENT if clients is ABSENT else clients,
    )


def called(value: Any) -> str:
    """Return what a parameter is called, in each process the same: by roles, not by the time, and in order."""
    match value:
        case dict():
            return str({name: part for name, part in value.items() if "roles" in name or "access" in name})
        case Grant(patterns=patterns):
            return str(sorted(patterns or "*"))
        case set():
            return str(sorted(value))
    return str(value)


@pytest.mark.parametrize(
    ("held", "asked", "expected"),
    [
        (holding(["reader"]), "reader", True),
        (holding(["READER", "reade"]), "reader", False),
        (holding(), "reader", False),
        (holding("reader"), "reader", False),
        (holding({"reader": 1}), "reader", False),
        (holding([["reader"], None, 7]), "reader", False),
        (holding(clients={"dash": {"roles": ["reader"]}}), "reader", False),
        (holding(clients={"dash": {"roles": ["reader"]}}), "dash:reader", True),
        (holding(clients={"other": {"roles": ["reader"]}}), "dash:reader", False),
        (holding(["reader", "dash:reader"]), "dash:reader", False),
        (holding(["dash:reader"]), ":dash:reader", True),
        (holding(clients={"https://dash": {"roles": ["reader"]}}), "https://dash:reader", True),
        (holding(clients=[{"roles": ["reader"]}]), "dash:reader", False),
        (holding(clients={"dash": ["reader"]}), "dash:reader", False),
        ({"roles": ["reader"], "scope": "reader", "groups": ["reader"]}, "reader", False),
    ],
    ids=called,
)
def test_roles(held: dict[str, Any], asked: str, expected: bool) -> None:
    """A role is one of the realm or of the client that is named, and stands where Keycloak writes it."""
    assert has_role(held, role(asked)) is expected


def test_a_required_role() -> None:
    """Without the role a token that holds is not allowed; with it everything is shown."""
    policy = Policy(required_role=role("reader"))
    assert policy.grant(holding(["x", "reader"]), None) is EVERYTHING
    with pytest.raises(NotAllowedError):
        policy.grant(holding(["x"]), None)


@pytest.mark.parametrize(
    ("held", "grant"),
    [
        (holding(["reader"]), Grant(frozenset({"edge-*"}))),
        (holding(clients={"dash": {"roles": ["viewer"]}}), Grant(frozenset({"edge-a", "factory"}))),
        (
            holding(["reader"], {"dash": {"roles": ["viewer"]}}),
            Grant(frozenset({"edge-*", "edge-a", "factory"})),
        ),
        (holding(["admin", "reader"]), EVERYTHING),
    ],
    ids=called,
)
def test_roles_show_clusters(held: dict[str, Any], grant: Grant) -> None:
    """A token sees what any of its roles shows; the pattern * alone shows everything."""
    assert Policy(cluster_roles=dict(ROLES)).grant(held, None) == grant


def test_no_role_for_any_cluster() -> None:
    """Where roles show clusters, a token with none of them is not allowed, also with the required role."""
    policy = Policy(required_role=role("x"), cluster_roles=dict(ROLES))
    with pytest.raises(NotAllowedError):
        policy.grant(holding(["x", "viewer"]), None)


@pytest.mark.parametrize(
    ("patterns", "names", "shown"),
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
    ids=called,
)
def test_patterns(patterns: set[str], names: tuple[str | None, ...], shown: bool) -> None:
    """Patterns are those of a shell, compared with whole names, capitals and all."""
    assert Grant(frozenset(patterns)).shows(*names) is shown


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["roles", "dash", "x"]), inner),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(["realm_access", "resource_access", "aud", "azp", "iss", "typ"]), _json))
def test_any_claims_open_something_or_are_refused(odd: dict[str, Any]) -> None:
    """Whatever the claims hold, they open something, or are refused or not allowed; none of these opens a cluster."""
    policy = Policy(("a-b",), ("c-d",), role("dash:admin-x"), {Role("never-there"): ("*",)})
    with pytest.raises((TokenRefusedError, NotAllowedError)):
        policy.grant(odd, "issuer-x")
