"""Settings about tokens: what is read of them, what is refused, and what contradicts what."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.server.issuers import IssuerKeys
from aggregator.server.keys import StaticKeys
from aggregator.server.trust import keys_of, rules_of
from aggregator.settings import read
from aggregator.settings.roles import Role, cluster_roles, role
from tests.test_settings import ADDRESS, der, problems, rsa_key

KEY = {"KEY": der(rsa_key(2048))}
ISSUER = {"ISSUER": "https://iam.example.org/realms/icos"}
JWKS = {"JWKS_URL": "http://keycloak:8080/certs"}


def test_everything_about_tokens_is_read() -> None:
    """Lists are divided by commas, roles by colons, and what they are used for gets them."""
    settings = read(
        ADDRESS
        | {
            "ISSUER": "https://a/realms/x, http://b ,",
            "AUDIENCE": "topology, other",
            "AUTHORIZED_PARTY": "shell",
            "REQUIRED_ROLE": "dash:viewer",
            "ALGORITHMS": "ES256,RS256,ES256",
            "CLUSTER_ROLES": "a=edge-*,x; dash:b = y ;",
            "KEYS_REFRESH_INTERVAL": "60",
        }
    )
    assert settings.ISSUER == ("https://a/realms/x", "http://b")
    rules = rules_of(settings)
    assert rules.algorithms == ("ES256", "RS256")
    assert rules.policy.audience == ("topology", "other")
    assert rules.policy.authorized_parties == ("shell",)
    assert rules.policy.required_role == Role("viewer", "dash")
    assert rules.policy.cluster_roles == {Role("a"): ("edge-*", "x"), Role("b", "dash"): ("y",)}
    assert isinstance(keys_of(settings), IssuerKeys)


def test_whose_keys() -> None:
    """KEY alone is static, ISSUER and JWKS_URL are followed, and without any nobody is asked for tokens."""
    assert isinstance(keys_of(read(ADDRESS | KEY)), StaticKeys)
    for given_ in (ISSUER, JWKS, ISSUER | JWKS):
        assert isinstance(keys_of(read(ADDRESS | given_)), IssuerKeys)
    assert keys_of(read(ADDRESS)) is None


@pytest.mark.parametrize(
    ("environment", "begins"),
    [
        (KEY | ISSUER, "KEY: is set beside ISSUER; "),
        (KEY | JWKS, "KEY: is set beside JWKS_URL; "),
        (JWKS | {"ISSUER": "http://a,http://b"}, "JWKS_URL: is set beside several in ISSUER; "),
        (KEY | {"ALGORITHMS": "RS256,ES256"}, "ALGORITHMS: has one of ES, and KEY is an RSA key; "),
        (ISSUER | {"CLUSTER_ROLES": "a=b", "GRPC_AUTH": "off"}, "GRPC_AUTH: is off, and gRPC would show "),
        *(({name: "x=y"}, f"{name}: is set, but no tokens") for name in ("AUDIENCE", "REQUIRED_ROLE", "CLUSTER_ROLES")),
        ({"AUTHORIZED_PARTY": "x"}, "AUTHORIZED_PARTY: is set, but no tokens"),
        ({"ALGORITHMS": "RS256"}, "ALGORITHMS: is set, but no tokens"),
        (KEY | {"KEYS_REFRESH_INTERVAL": "9"}, "KEYS_REFRESH_INTERVAL: is set, but no keys are fetched; "),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)
def test_what_contradicts_itself_or_has_no_effect(environment: dict[str, str], begins: str) -> None:
    """Two sources of keys, and settings that would be silently ignored, are refused at the start."""
    (line,) = problems(ADDRESS | environment)
    assert line.startswith(begins)
    assert "; expected: " in line


@pytest.mark.parametrize(
    ("name", "text", "wrong"),
    [
        ("ALGORITHMS", "PS256", "has PS256: python-jose, which verifies the tokens, cannot verify it"),
        ("ALGORITHMS", "RS256,EdDSA", "has EdDSA: python-jose, which verifies the tokens, cannot verify it"),
        ("ALGORITHMS", "HS256", "has HS256: whoever can verify it can forge it, and public keys are no secrets"),
        ("ALGORITHMS", "none", "has none: it is no signature"),
        ("ALGORITHMS", "rs256", "has rs256: no such algorithm exists"),
        ("ALGORITHMS", ",", "names nothing"),
        ("ISSUER", ",", "names nothing"),
        ("ISSUER", "iam.example.org", "does not begin with http:// or https://"),
        ("ISSUER", "https://a,ftp://b", "does not begin with http:// or https://"),
        ("ISSUER", "https://a/?x=y", "has a query"),
        ("ISSUER", "https://user:hunter2@a", "has a user or password in it; keys are public"),
        ("JWKS_URL", "https://user:hunter2@a", "has a user or password in it; keys are public"),
        ("JWKS_URL", "https://a:hunter2/", "has a port that is no number from 0 to 65535"),
        ("JWKS_URL", "https://a/#hunter2", "has characters that do not belong there"),
        ("JWKS_URL", "https://a/hunter2 x", "has characters that do not belong there"),
        ("REQUIRED_ROLE", ":", "names no role in :"),
        ("REQUIRED_ROLE", "dash:", "names no role in dash:"),
        ("CLUSTER_ROLES", "a", "has no cluster, or an empty one, for a"),
        ("CLUSTER_ROLES", "a=x,", "has no cluster, or an empty one, for a"),
        ("CLUSTER_ROLES", "=x", "names no role in an empty place"),
        ("CLUSTER_ROLES", "a=x;a=y", "names a twice"),
        ("CLUSTER_ROLES", ";", "names no role"),
        ("ISSUER_CA_FILE", "/no/such/file", "cannot be read (No such file or directory)"),
        ("ISSUER_CA_FILE", __file__, "holds no certificates"),
        ("AUDIENCE", ",", "names nothing"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_reason(name: str, text: str, wrong: str) -> None:
    """Each bad value is told with what is wrong, and no password in an address is repeated."""
    beside = {} if name in ("ISSUER", "JWKS_URL") else ISSUER
    (line,) = problems(ADDRESS | beside | {name: text})
    assert line.startswith(f"{name}: {wrong}; expected: ")
    assert "hunter2" not in line


def test_a_file_without_certificates_is_refused(tmp_path: Path) -> None:
    """An empty file of believed certificates would believe nobody."""
    empty = tmp_path / "ca.pem"
    empty.touch()
    (line,) = problems(ADDRESS | ISSUER | {"ISSUER_CA_FILE": str(empty)})
    assert line.startswith("ISSUER_CA_FILE: holds no certificates; ")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("reader", Role("reader")),
        ("dash:reader", Role("reader", "dash")),
        ("https://dash.example.org:reader", Role("reader", "https://dash.example.org")),
        (":topology:read", Role("topology:read")),
        ("with space", Role("with space")),
    ],
)
def test_a_role_is_written(text: str, expected: Role) -> None:
    """The last colon divides client and role; a role of the realm with a colon has one in front; both read back."""
    assert role(text) == expected
    assert role(str(expected)) == expected


@given(st.text(st.sampled_from("ab:=;,* "), max_size=12))
def test_any_text_is_roles_or_refused(text: str) -> None:
    """Whatever is written, it is patterns by role, or refused."""
    try:
        found = cluster_roles(text)
    except ValueError:
        return
    assert found
    assert all(patterns and all(patterns) and name.name for name, patterns in found)
