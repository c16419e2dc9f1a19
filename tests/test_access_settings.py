"""The settings that tell how an upstream lets us in."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from aggregator.errors import SettingsError
from aggregator.querier.access import Access
from aggregator.settings import Settings, read
from tests.querier.certificates import Authority, Pair

SECRET = "hunter2-hunter2"
ADDRESS = {"PROMETHEUS_ADDRESS": "http://prometheus:9090"}


def settings(**environment: str) -> Settings:
    """Return the settings of an environment with an address."""
    return read(ADDRESS | environment)


def refusal(**environment: str) -> str:
    """Return the one thing that is said against an environment, which never repeats a secret."""
    with pytest.raises(SettingsError) as caught:
        settings(**environment)
    assert SECRET not in str(caught.value)
    (line,) = caught.value.problems
    return line


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    """Return a client certificate."""
    return Authority(tmp_path).pair("client")


def test_without_settings_nothing_is_shown() -> None:
    """Nobody is shown anything by default, Thanos is found out, and partial answers are served."""
    found = settings()
    assert (found.access, found.THANOS, found.PARTIAL_RESPONSE) == (Access(), "auto", "serve")


def test_a_token_is_taken_and_hidden() -> None:
    """The token is there, and in nothing that a log might show."""
    found = settings(PROMETHEUS_BEARER_TOKEN=SECRET)
    assert found.access == Access(token=SECRET)
    assert SECRET not in repr(found) + repr(found.access) + found.model_dump_json()


def test_a_token_file_is_named(tmp_path: Path) -> None:
    """The file stays named, so that it can be read again."""
    path = tmp_path / "token"
    path.write_text(f"{SECRET}\n")
    assert settings(PROMETHEUS_BEARER_TOKEN_FILE=str(path)).access == Access(token_file=str(path))
    path.write_text(f"{SECRET} and more")
    assert "holds no token" in refusal(PROMETHEUS_BEARER_TOKEN_FILE=str(path))
    assert "cannot be read" in refusal(PROMETHEUS_BEARER_TOKEN_FILE=str(tmp_path / "none"))


def test_a_bad_token_is_refused() -> None:
    """What would break a header is no token."""
    for token in (f"{SECRET} x", f"{SECRET}\r\nX: 1", f"{SECRET}ß"):
        assert refusal(PROMETHEUS_BEARER_TOKEN=token).startswith("PROMETHEUS_BEARER_TOKEN: is no token")


def test_one_way_to_be_let_in(tmp_path: Path) -> None:
    """A token in two places, or beside a user in any of the addresses, is refused."""
    path = tmp_path / "token"
    path.write_text(SECRET)
    both = refusal(PROMETHEUS_BEARER_TOKEN=SECRET, PROMETHEUS_BEARER_TOKEN_FILE=str(path))
    assert both.startswith("PROMETHEUS_BEARER_TOKEN_FILE: is set beside PROMETHEUS_BEARER_TOKEN;")
    user = {"PROMETHEUS_ADDRESS": f"http://a http://user:{SECRET}@b"}
    for name, value in (("PROMETHEUS_BEARER_TOKEN", SECRET), ("PROMETHEUS_BEARER_TOKEN_FILE", str(path))):
        assert refusal(**user, **{name: value}).startswith(f"{name}: is set beside a user in PROMETHEUS_ADDRESS;")


def test_headers_are_read() -> None:
    """Pairs stand between commas, values are percent-encoded, and none is in what a log might show."""
    found = settings(PROMETHEUS_HEADERS=f"X-Scope-OrgID=team%20a%2Cb, THANOS-TENANT={SECRET}=")
    assert found.access.headers == (("X-Scope-OrgID", "team a,b"), ("THANOS-TENANT", f"{SECRET}="))
    assert SECRET not in repr(found) + repr(found.access)


def test_headers_may_stand_in_a_file(tmp_path: Path) -> None:
    """As every secret, they can be given in a file."""
    path = tmp_path / "headers"
    path.write_text("X-Tenant=a\n")
    assert settings(PROMETHEUS_HEADERS_FILE=str(path)).access.headers == (("X-Tenant", "a"),)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        (f"X-Tenant={SECRET}%0d%0aHost: x", "entry 1 has no value that a header can have"),
        (f"X-Tenant={SECRET}%0", "entry 1 has no value that a header can have"),
        (f"X-Tenant={SECRET}%C3%9F", "entry 1 has no value that a header can have"),
        (f"X-Tenant=%20{SECRET}", "entry 1 has no value that a header can have"),
        ("X-Tenant=", "entry 1 has no value that a header can have"),
        (f"a=b,X Tenant={SECRET}", "entry 2 has no name that a header can have"),
        (f"X-Tenant: {SECRET}", "entry 1 has no name that a header can have"),
        ("a=b,", "entry 2 has no name that a header can have"),
        (f"host={SECRET}", "entry 1 is a header that is not to be set here"),
        ("Content-Length=3", "entry 1 is a header that is not to be set here"),
        (f"AUTHORIZATION={SECRET}", "entry 1 is a header that is not to be set here"),
        (f"a={SECRET},A=2", "has a header twice"),
    ],
)
def test_bad_headers_are_refused(text: str, wrong: str) -> None:
    """What would break the exchange, or has a setting of its own, is told by its number."""
    if text.endswith("%0"):
        text = text.removesuffix("%0") + "%00"
    assert refusal(PROMETHEUS_HEADERS=text).startswith(f"PROMETHEUS_HEADERS: {wrong}")


def test_certificates_are_named(tmp_path: Path, pair: Pair) -> None:
    """Authority, client certificate and key are files that can be used."""
    found = settings(
        PROMETHEUS_CA_FILE=str(tmp_path / "authority.pem"),
        PROMETHEUS_CLIENT_CERT_FILE=str(pair.certificate),
        PROMETHEUS_CLIENT_KEY_FILE=str(pair.key),
    )
    assert found.access.tls_files == (str(tmp_path / "authority.pem"), str(pair.certificate), str(pair.key))


def test_files_that_are_none_are_refused(tmp_path: Path, pair: Pair) -> None:
    """No certificate, half a pair, another's key, and an encrypted key are told before anything is asked."""
    (tmp_path / "text").write_text("hello")
    assert "holds no certificates" in refusal(PROMETHEUS_CA_FILE=str(tmp_path / "text"))
    assert "is set alone" in refusal(PROMETHEUS_CLIENT_CERT_FILE=str(pair.certificate))
    assert "is set alone" in refusal(PROMETHEUS_CLIENT_KEY_FILE=str(pair.key))
    other = Authority(tmp_path, "second").pair("other")
    encrypted = tmp_path / "encrypted.key"
    key = load_pem_private_key(pair.key.read_bytes(), None)
    encrypted.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(SECRET.encode()))
    )
    for path in (other.key, encrypted, tmp_path / "text"):
        problem = refusal(PROMETHEUS_CLIENT_CERT_FILE=str(pair.certificate), PROMETHEUS_CLIENT_KEY_FILE=str(path))
        assert problem.startswith("PROMETHEUS_CLIENT_KEY_FILE: is no key of the certificate")
