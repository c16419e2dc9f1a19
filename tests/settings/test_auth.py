"""Settings of authentication: values, invalid values, conflicts."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.server.auth.guard import build_access_policy, build_key_source
from aggregator.server.auth.jwks import JwksKeySource, StaticKeySource
from aggregator.settings.auth import Role, parse_cluster_roles, parse_role
from aggregator.settings.gateway import Settings
from aggregator.settings.settings import load_settings
from tests.settings.test_settings import ADDRESS, encode_der, generate_rsa_public_key, list_problems

KEY = {"KEY": encode_der(generate_rsa_public_key(2048))}
ISSUER = {"ISSUER": "https://iam.example.org/realms/icos"}
JWKS = {"JWKS_URL": "http://keycloak:8080/certs"}


def test_settings_of_tokens_are_parsed() -> None:
    """Lists are separated by commas, client and role by a colon."""
    settings = load_settings(
        ADDRESS
        | {
            "ISSUER": "https://a/realms/x, http://b ,",
            "AUDIENCE": "topology, other",
            "AUTHORIZED_PARTY": "shell",
            "REQUIRED_ROLE": "dash:viewer",
            "ALGORITHMS": "ES256,RS256,ES256",
            "CLUSTER_ROLES": "a=edge-*,x; dash:b = y ;",
            "KEYS_REFRESH_INTERVAL": "60",
        },
        Settings,
    )
    assert settings.ISSUER == ("https://a/realms/x", "http://b")
    policy = build_access_policy(settings)
    assert policy.algorithms == ("ES256", "RS256")
    assert policy.audience == ("topology", "other")
    assert policy.authorized_parties == ("shell",)
    assert policy.required_role == Role("viewer", "dash")
    assert policy.cluster_roles == {Role("a"): ("edge-*", "x"), Role("b", "dash"): ("y",)}
    assert isinstance(build_key_source(settings), JwksKeySource)


def test_which_settings_require_tokens() -> None:
    """Tokens are required with KEY, ISSUER or JWKS_URL, and with none of them they are not."""
    assert isinstance(build_key_source(load_settings(ADDRESS | KEY, Settings)), StaticKeySource)
    for given_ in (ISSUER, JWKS, ISSUER | JWKS):
        assert isinstance(build_key_source(load_settings(ADDRESS | given_, Settings)), JwksKeySource)
    assert build_key_source(load_settings(ADDRESS, Settings)) is None


@pytest.mark.parametrize(
    ("environment", "begins"),
    [
        (KEY | ISSUER, "KEY: is set together with ISSUER; "),
        (KEY | JWKS, "KEY: is set together with JWKS_URL; "),
        (JWKS | {"ISSUER": "http://a,http://b"}, "JWKS_URL: is set together with several issuers; "),
        (KEY | {"ALGORITHMS": "RS256,ES256"}, "ALGORITHMS: has an ES algorithm, but KEY is an RSA key; "),
        (ISSUER | {"CLUSTER_ROLES": "a=b", "GRPC_AUTH": "off"}, "GRPC_AUTH: is off, so gRPC would bypass "),
        (KEY | {"UI_CLIENT_ID": "page"}, "UI_CLIENT_ID: is set, but there is no issuer to log in with; "),
        *(({name: "x=y"}, f"{name}: is set, but no tokens") for name in ("AUDIENCE", "REQUIRED_ROLE", "CLUSTER_ROLES")),
        ({"AUTHORIZED_PARTY": "x"}, "AUTHORIZED_PARTY: is set, but no tokens"),
        ({"ALGORITHMS": "RS256"}, "ALGORITHMS: is set, but no tokens"),
        (KEY | {"KEYS_REFRESH_INTERVAL": "9"}, "KEYS_REFRESH_INTERVAL: is set, but no keys are fetched; "),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)
def test_conflicts_and_settings_without_effect(environment: dict[str, str], begins: str) -> None:
    """Two sources of keys, and settings that would be silently ignored, are conflicts."""
    (line,) = list_problems(ADDRESS | environment)
    assert line.startswith(begins)
    assert "; expected: " in line


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("ALGORITHMS", "PS256", "has PS256: not supported by python-jose, which verifies the tokens"),
        ("ALGORITHMS", "RS256,EdDSA", "has EdDSA: not supported by python-jose, which verifies the tokens"),
        ("ALGORITHMS", "HS256", "has HS256: symmetric, so that anyone with the public key could forge tokens"),
        ("ALGORITHMS", "none", "has none: not a signature"),
        ("ALGORITHMS", "rs256", "has rs256: unknown algorithm"),
        ("ALGORITHMS", ",", "is an empty list"),
        ("ISSUER", ",", "is an empty list"),
        ("ISSUER", "iam.example.org", "does not begin with http:// or https://"),
        ("ISSUER", "https://a,ftp://b", "does not begin with http:// or https://"),
        ("ISSUER", "https://a/?x=y", "has a query string"),
        ("ISSUER", "https://user:hunter2@a", "has a user or password; keys are public"),
        ("JWKS_URL", "https://user:hunter2@a", "has a user or password; keys are public"),
        ("JWKS_URL", "https://a:hunter2/", "has an invalid port"),
        ("JWKS_URL", "https://a/#hunter2", "has a fragment or an invalid character"),
        ("JWKS_URL", "https://a/hunter2 x", "has a fragment or an invalid character"),
        ("REQUIRED_ROLE", ":", "has no role name in :"),
        ("REQUIRED_ROLE", "dash:", "has no role name in dash:"),
        ("CLUSTER_ROLES", "a", "has no cluster pattern, or an empty one, for a"),
        ("CLUSTER_ROLES", "a=x,", "has no cluster pattern, or an empty one, for a"),
        ("CLUSTER_ROLES", "=x", "has no role name in an empty entry"),
        ("CLUSTER_ROLES", "a=x;a=y", "names a twice"),
        ("CLUSTER_ROLES", ";", "has no role"),
        ("ISSUER_CA_FILE", "/no/such/file", "cannot be read (No such file or directory)"),
        ("ISSUER_CA_FILE", __file__, "contains no certificates"),
        ("AUDIENCE", ",", "is an empty list"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_reason(name: str, text: str, problem: str) -> None:
    """Each invalid value is reported with the reason, without a password in a URL."""
    beside = {} if name in ("ISSUER", "JWKS_URL") else ISSUER
    (line,) = list_problems(ADDRESS | beside | {name: text})
    assert line.startswith(f"{name}: {problem}; expected: ")
    assert "hunter2" not in line


def test_a_file_without_certificates_is_refused(tmp_path: Path) -> None:
    """A CA file without certificates would trust nobody, and is invalid."""
    empty = tmp_path / "ca.pem"
    empty.touch()
    (line,) = list_problems(ADDRESS | ISSUER | {"ISSUER_CA_FILE": str(empty)})
    assert line.startswith("ISSUER_CA_FILE: contains no certificates; ")


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
def test_roles_have_a_text_form(text: str, expected: Role) -> None:
    """The last colon separates client and role, a leading colon marks a realm role; both forms round-trip."""
    assert parse_role(text) == expected
    assert parse_role(str(expected)) == expected


@given(st.text(st.sampled_from("ab:=;,* "), max_size=12))
def test_any_text_is_roles_or_an_error(text: str) -> None:
    """Any text is parsed to patterns by role, or raises ValueError."""
    try:
        found = parse_cluster_roles(text)
    except ValueError:
        return
    assert found
    assert all(patterns and all(patterns) and name.name for name, patterns in found)
