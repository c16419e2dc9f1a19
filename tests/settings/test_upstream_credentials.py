"""Settings of the credentials for upstreams."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from aggregator.errors import SettingsError
from aggregator.querier.prometheus.credentials import UpstreamCredentials
from aggregator.settings.gateway import Settings
from aggregator.settings.settings import load_settings
from tests.support.certificate_authority import FileCertificateAuthority, KeyPairFiles

SECRET = "hunter2-hunter2"
ADDRESS = {"PROMETHEUS_ADDRESS": "http://prometheus:9090"}


def read_test_settings(**environment: str) -> Settings:
    """Return the settings of an environment with an address."""
    return load_settings(ADDRESS | environment, Settings)


def read_settings_error(**environment: str) -> str:
    """Return the only problem of an environment; it contains no secret."""
    with pytest.raises(SettingsError) as caught:
        read_test_settings(**environment)
    assert SECRET not in str(caught.value)
    (line,) = caught.value.problems
    return line


@pytest.fixture
def pair(tmp_path: Path) -> KeyPairFiles:
    """Return a client certificate."""
    return FileCertificateAuthority(tmp_path).issue("client")


def test_no_credentials_by_default() -> None:
    """By default there are no credentials, Thanos is detected, and partial responses are served."""
    found = read_test_settings()
    assert (found.credentials, found.THANOS, found.PARTIAL_RESPONSE) == (UpstreamCredentials(), "auto", "serve")


def test_the_token_is_masked() -> None:
    """The token is masked in repr."""
    found = read_test_settings(PROMETHEUS_BEARER_TOKEN=SECRET)
    assert found.credentials == UpstreamCredentials(token=SECRET)
    assert SECRET not in repr(found) + repr(found.credentials) + found.model_dump_json()


def test_the_credentials_name_the_token_file(tmp_path: Path) -> None:
    """The credentials contain the path of the token file, so that it can be reloaded."""
    path = tmp_path / "token"
    path.write_text(f"{SECRET}\n")
    assert read_test_settings(PROMETHEUS_BEARER_TOKEN_FILE=str(path)).credentials == UpstreamCredentials(
        token_file=str(path)
    )
    path.write_text(f"{SECRET} and more")
    assert "contains no token" in read_settings_error(PROMETHEUS_BEARER_TOKEN_FILE=str(path))
    assert "cannot be read" in read_settings_error(PROMETHEUS_BEARER_TOKEN_FILE=str(tmp_path / "none"))


def test_a_bad_token_is_refused() -> None:
    """A token with characters that a header cannot contain is a problem."""
    for token in (f"{SECRET} x", f"{SECRET}\r\nX: 1", f"{SECRET}ß"):
        assert read_settings_error(PROMETHEUS_BEARER_TOKEN=token).startswith(
            "PROMETHEUS_BEARER_TOKEN: is not a valid token"
        )


def test_query_parameters() -> None:
    """Parameters are percent-decoded, may be repeated, and are masked in repr."""
    found = read_test_settings(
        PROMETHEUS_QUERY_PARAMETERS=f"extra_label=team=a%2Cb, extra_label=x=y,key={SECRET},empty="
    )
    assert found.credentials.query_parameters == (
        ("extra_label", "team=a,b"),
        ("extra_label", "x=y"),
        ("key", SECRET),
        ("empty", ""),
    )
    assert SECRET not in repr(found) + repr(found.credentials) + found.model_dump_json()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (f"{SECRET}", "entry 1 has no valid parameter name"),
        (f"a=b,={SECRET}", "entry 2 has no valid parameter name"),
        (f"a b={SECRET}", "entry 1 has no valid parameter name"),
        ("a=b,", "entry 2 has no valid parameter name"),
        (f"a={SECRET}%0A", "entry 1 has no valid parameter value"),
        *(
            (f"a=b,{name}={SECRET}", "entry 2 is a parameter that cannot be set here")
            for name in ("query", "time", "timeout", "dedup", "partial_response", "max_source_resolution")
        ),
    ],
)
def test_invalid_query_parameters(text: str, problem: str) -> None:
    """A problem names the entry, and contains no value."""
    assert read_settings_error(PROMETHEUS_QUERY_PARAMETERS=text).startswith(f"PROMETHEUS_QUERY_PARAMETERS: {problem}")


def test_only_one_kind_of_credentials(tmp_path: Path) -> None:
    """Two tokens, or a token and a user in an address, are a conflict."""
    path = tmp_path / "token"
    path.write_text(SECRET)
    both = read_settings_error(PROMETHEUS_BEARER_TOKEN=SECRET, PROMETHEUS_BEARER_TOKEN_FILE=str(path))
    assert both.startswith("PROMETHEUS_BEARER_TOKEN_FILE: is set together with PROMETHEUS_BEARER_TOKEN;")
    user = {"PROMETHEUS_ADDRESS": f"http://a http://user:{SECRET}@b"}
    for name, value in (("PROMETHEUS_BEARER_TOKEN", SECRET), ("PROMETHEUS_BEARER_TOKEN_FILE", str(path))):
        assert read_settings_error(**user, **{name: value}).startswith(
            f"{name}: is set together with a user in PROMETHEUS_ADDRESS;"
        )


def test_headers_are_parsed() -> None:
    """Headers are separated by commas, values are percent-decoded, and repr masks them."""
    found = read_test_settings(PROMETHEUS_HEADERS=f"X-Scope-OrgID=team%20a%2Cb, THANOS-TENANT={SECRET}=")
    assert found.credentials.headers == (("X-Scope-OrgID", "team a,b"), ("THANOS-TENANT", f"{SECRET}="))
    assert SECRET not in repr(found) + repr(found.credentials)


def test_headers_can_be_in_a_file(tmp_path: Path) -> None:
    """Headers, like every secret, can be given in a file."""
    path = tmp_path / "headers"
    path.write_text("X-Tenant=a\n")
    assert read_test_settings(PROMETHEUS_HEADERS_FILE=str(path)).credentials.headers == (("X-Tenant", "a"),)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (f"X-Tenant={SECRET}%0d%0aHost: x", "entry 1 has no valid header value"),
        (f"X-Tenant={SECRET}%0", "entry 1 has no valid header value"),
        (f"X-Tenant={SECRET}%C3%9F", "entry 1 has no valid header value"),
        (f"X-Tenant=%20{SECRET}", "entry 1 has no valid header value"),
        ("X-Tenant=", "entry 1 has no valid header value"),
        (f"a=b,X Tenant={SECRET}", "entry 2 has no valid header name"),
        (f"X-Tenant: {SECRET}", "entry 1 has no valid header name"),
        ("a=b,", "entry 2 has no valid header name"),
        (f"host={SECRET}", "entry 1 is a header that cannot be set here"),
        ("Content-Length=3", "entry 1 is a header that cannot be set here"),
        (f"AUTHORIZATION={SECRET}", "entry 1 is a header that cannot be set here"),
        (f"a={SECRET},A=2", "sets a header twice"),
    ],
)
def test_bad_headers_are_refused(text: str, problem: str) -> None:
    """Invalid and reserved headers are reported by their number."""
    if text.endswith("%0"):
        text = text.removesuffix("%0") + "%00"
    assert read_settings_error(PROMETHEUS_HEADERS=text).startswith(f"PROMETHEUS_HEADERS: {problem}")


def test_certificates_are_named(tmp_path: Path, pair: KeyPairFiles) -> None:
    """Authority, client certificate and key are accepted if the files are valid."""
    found = read_test_settings(
        PROMETHEUS_CA_FILE=str(tmp_path / "authority.pem"),
        PROMETHEUS_CLIENT_CERT_FILE=str(pair.certificate),
        PROMETHEUS_CLIENT_KEY_FILE=str(pair.key),
    )
    assert found.credentials.tls_files == (str(tmp_path / "authority.pem"), str(pair.certificate), str(pair.key))


def test_invalid_files_are_problems(tmp_path: Path, pair: KeyPairFiles) -> None:
    """A file without a certificate, half a pair, another key and an encrypted key are problems."""
    (tmp_path / "text").write_text("hello")
    assert "contains no certificates" in read_settings_error(PROMETHEUS_CA_FILE=str(tmp_path / "text"))
    assert "is set without" in read_settings_error(PROMETHEUS_CLIENT_CERT_FILE=str(pair.certificate))
    assert "is set without" in read_settings_error(PROMETHEUS_CLIENT_KEY_FILE=str(pair.key))
    other = FileCertificateAuthority(tmp_path, "second").issue("other")
    encrypted = tmp_path / "encrypted.key"
    key = load_pem_private_key(pair.key.read_bytes(), None)
    encrypted.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(SECRET.encode()))
    )
    for path in (other.key, encrypted, tmp_path / "text"):
        problem = read_settings_error(
            PROMETHEUS_CLIENT_CERT_FILE=str(pair.certificate), PROMETHEUS_CLIENT_KEY_FILE=str(path)
        )
        assert problem.startswith("PROMETHEUS_CLIENT_KEY_FILE: is not the key of the certificate")
