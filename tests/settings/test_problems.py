"""Problems and warnings: conflicts, several problems of one setting, misspelled variables."""

from pathlib import Path

import pytest

from aggregator.settings.gateway import Settings
from aggregator.settings.settings import find_misspelled_variables, load_settings
from tests.settings.test_settings import ADDRESS, encode_der, generate_rsa_public_key, list_problems
from tests.support.certificate_authority import CertificateAuthority, write_certificate_files


def test_conflicts_are_reported_with_invalid_values() -> None:
    """Conflicts are reported together with invalid values, except conflicts that depend on an invalid value."""
    problems = list_problems(
        {"HTTP_PORT": "x", "GRPC_PORT": "8080", "METRICS_PORT": "8080", "KEY": "x", "AUDIENCE": "a"}
        | {"PROMETHEUS_BEARER_TOKEN": "a", "MAX_STALE": "1", "JWKS_URL": "http://h", "KEYS_REFRESH_INTERVAL": "9"}
    )
    assert [line.partition(":")[0] for line in problems] == [
        *("PROMETHEUS_ADDRESS", "KEY", "HTTP_PORT"),
        *("MAX_STALE", "METRICS_PORT"),
    ]
    (line,) = list_problems(ADDRESS | {"KEY_FILE": "/nowhere", "AUDIENCE": "a"})
    assert line.startswith("KEY_FILE: cannot be read")


def test_a_problem_names_the_file_setting(tmp_path: Path) -> None:
    """An invalid value that was read from a file is a problem of the setting that names the file."""
    path = tmp_path / "key"
    path.write_text("no key")
    (line,) = list_problems(ADDRESS | {"KEY_FILE": str(path)})
    assert line.startswith("KEY_FILE: is not a public key; expected: an RSA public key")


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        (
            "PROMETHEUS_ADDRESS",
            "x http://a ftp://b",
            "address 1 of 3 does not begin with http:// or https://; address 3 ",
        ),
        ("TRUSTED_PROXIES", "x 10.0.0.0/8 y", "'x' is not a network; 'y' is not a network; expected: "),
        ("CORS_ORIGINS", "x y", "'x' is not an origin; 'y' is not an origin; expected: "),
        ("ALGORITHMS", "X1,RS256,X2", "has X1: unknown algorithm; has X2: unknown algorithm; expected: "),
        ("ISSUER", "x,http://a:x", "does not begin with http:// or https://; has an invalid port"),
        ("LAYOUT", "2024", "is 2024; expected: 1.2.5 or 2025"),
        ("THANOS", "maybe", "is maybe; expected: auto, on or off"),
        ("PROMETHEUS_BEARER_TOKEN", "a b", "is not a valid token; expected: one word of ASCII characters"),
    ],
)
def test_all_invalid_entries_are_one_problem(name: str, text: str, problem: str) -> None:
    """All invalid entries of a list are reported in one problem."""
    (line,) = list_problems(
        ADDRESS
        | ({"KEY": ""} if name != "ALGORITHMS" else {"KEY": encode_der(generate_rsa_public_key(2048))})
        | {name: text}
    )
    assert line.startswith(f"{name}: {problem}")


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        *(("ISSUR", "ISSUER"), ("CLUSTER_ROLE", "CLUSTER_ROLES"), ("REFRESH_INTERVALL", "REFRESH_INTERVAL")),
        *(("PROMETHEUS_ADRESS", "PROMETHEUS_ADDRESS"), ("JWKS_URI", "JWKS_URL"), ("KEYFILE", "KEY_FILE")),
        *(
            ("http_tls_cert", "HTTP_TLS_CERT"),
            ("REQUIRED_ROLES", "REQUIRED_ROLE"),
            ("AUTHORISED_PARTY", "AUTHORIZED_PARTY"),
        ),
        # These are not secrets, so there is no variant that names a file.
        *(("CLUSTER_ROLES_FILE", "CLUSTER_ROLES"), ("ISSUER_FILE", "ISSUER"), ("key_file", "KEY_FILE")),
    ],
)
def test_a_misspelled_setting_is_found(variable: str, meant: str) -> None:
    """An unknown variable whose name resembles a setting is reported with the setting."""
    assert list(find_misspelled_variables({variable: "x"}, Settings)) == [(variable, meant)]
    assert not list(find_misspelled_variables({variable: " "}, Settings))


@pytest.mark.parametrize(
    "variable",
    [
        *(
            "HTTP_PROXY",
            "HTTPS_PROXY",
            "http_proxy",
            "NO_PROXY",
            "PORT",
            "HOST",
            "KEYS",
            "API_KEY",
            "TRACE",
        ),
        *("HOSTNAME", "LOGNAME", "LANG", "PATH", "TERM", "LS_COLORS", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"),
        *("KUBERNETES_PORT", "KUBERNETES_SERVICE_HOST", "AGGREGATOR_PORT_8080_TCP", "AGGREGATOR_SERVICE_HOST"),
        *("AGGREGATOR_SERVICE_PORT", "AGGREGATOR_PORT_8080_TCP_ADDR", "PROMETHEUS_PORT", "PROMETHEUS_SERVICE_HOST"),
        *(
            "OTEL_EXPORTER_OTLP_HEADERS",
            "OTEL_EXPORTER_OTLP_TIMEOUT",
            "OTEL_SERVICE_NAME",
            "GRPC_VERBOSITY",
            "GRPC_TRACE",
        ),
        *(
            "METRICS_PATH",
            "LOG_FILE",
            "LOG_FORMATTER",
            "POD_NAME",
            "NODE_NAME",
            "NAMESPACE",
            "EKS_CLUSTER_NAME",
            "TOKEN",
        ),
        *Settings.model_fields,
        *("KEY_FILE", "PROMETHEUS_ADDRESS_FILE", "PROMETHEUS_BEARER_TOKEN_FILE"),
    ],
)
def test_common_variables_are_not_misspelled_settings(variable: str) -> None:
    """Common variables, and settings, are not reported as misspelled."""
    assert not list(find_misspelled_variables({variable: "x"}, Settings))


def test_a_misspelled_address_is_suggested() -> None:
    """If the required setting is missing, the problem names the misspelled variable."""
    (line,) = list_problems({"PROMETHEUS_ADRESS": "http://host"})
    assert line.startswith("PROMETHEUS_ADDRESS: is not set, but PROMETHEUS_ADRESS is; expected: ")


def test_a_timeout_without_effect_is_a_warning() -> None:
    """QUERY_TIMEOUT above REFRESH_TIMEOUT is valid with a warning; the default causes none."""
    (remark,) = load_settings(ADDRESS | {"QUERY_TIMEOUT": "30"}, Settings).find_warnings()
    assert remark == "QUERY_TIMEOUT is more than REFRESH_TIMEOUT, which ends every query after 10 s"
    assert not list(load_settings(ADDRESS | {"REFRESH_TIMEOUT": "1"}, Settings).find_warnings())


@pytest.mark.parametrize(("server", "other"), [("HTTP", "GRPC"), ("GRPC", "HTTP")])
def test_files_of_a_server_without_a_port_are_problems(tmp_path: Path, server: str, other: str) -> None:
    """TLS files of a server without a port would have no effect, and are problems."""
    files = write_certificate_files(tmp_path / "tls", CertificateAuthority().issue())
    cert, key = f"{server}_TLS_CERT", f"{server}_TLS_KEY"
    assert list_problems(ADDRESS | {f"{other}_PORT": "80", cert: files.cert, key: files.key}) == [
        f"{name}: is set, but the server has no port; expected: {server}_PORT as well" for name in (cert, key)
    ]


def test_private_keys_and_certificates_are_identified() -> None:
    """A private key or a certificate in KEY, as PEM or base64 of DER, is identified and not repeated."""
    certificate, key = CertificateAuthority().issue()
    for pem_text, problem in (
        (certificate, "is a certificate instead of the public key in it"),
        (key, "is a private key, which"),
    ):
        body = "".join(pem_text.decode().splitlines()[1:-1])
        for text in (pem_text.decode(), body):
            (line,) = list_problems(ADDRESS | {"KEY": text})
            assert line.startswith(f"KEY: {problem}")
            assert body[20:40] not in line
