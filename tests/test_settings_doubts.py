"""What is told of settings that are wrong together, wrong several times, or most likely not meant."""

from pathlib import Path

import pytest

from aggregator.settings import Settings, misspelled_in, read
from tests.server.authority import Authority, write
from tests.test_settings import ADDRESS, der, problems, rsa_key


def test_what_settings_have_against_each_other_is_told_beside_bad_ones() -> None:
    """A bad value hides no problem of others, and none that may be due to it alone is told."""
    told = problems(
        {"HTTP_PORT": "x", "GRPC_PORT": "8080", "METRICS_PORT": "8080", "KEY": "x", "AUDIENCE": "a"}
        | {"PROMETHEUS_BEARER_TOKEN": "a", "MAX_STALE": "1", "JWKS_URL": "http://h", "KEYS_REFRESH_INTERVAL": "9"}
    )
    assert [line.partition(":")[0] for line in told] == [
        *("PROMETHEUS_ADDRESS", "KEY", "HTTP_PORT"),
        *("MAX_STALE", "METRICS_PORT"),
    ]
    (line,) = problems(ADDRESS | {"KEY_FILE": "/nowhere", "AUDIENCE": "a"})
    assert line.startswith("KEY_FILE: cannot be read")


@pytest.mark.parametrize(
    ("name", "text", "wrong"),
    [
        (
            "PROMETHEUS_ADDRESS",
            "x http://a ftp://b",
            "address 1 of 3 does not begin with http:// or https://; address 3 ",
        ),
        ("TRUSTED_PROXIES", "x 10.0.0.0/8 y", "'x' is no network; 'y' is no network; expected: "),
        ("CORS_ORIGINS", "x y", "'x' is no origin; 'y' is no origin; expected: "),
        ("ALGORITHMS", "X1,RS256,X2", "has X1: no such algorithm exists; has X2: no such algorithm exists; expected: "),
        ("ISSUER", "x,http://a:x", "does not begin with http:// or https://; has a port that is no number "),
        ("LAYOUT", "2024", "is 2024; expected: 1.2.5 or 2025"),
        ("THANOS", "maybe", "is maybe; expected: auto, on or off"),
        ("PROMETHEUS_BEARER_TOKEN", "a b", "is no token; expected: one word of ASCII characters"),
    ],
)
def test_everything_that_is_wrong_with_one_is_told_once(name: str, text: str, wrong: str) -> None:
    """Of several bad entries each is told, and what is expected is not said twice."""
    (line,) = problems(ADDRESS | ({"KEY": ""} if name != "ALGORITHMS" else {"KEY": der(rsa_key(2048))}) | {name: text})
    assert line.startswith(f"{name}: {wrong}")


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
    ],
)
def test_a_misspelled_setting_is_found(variable: str, meant: str) -> None:
    """A variable that is nearly named like a setting is most likely meant for it."""
    assert list(misspelled_in({variable: "x"})) == [(variable, meant)]
    assert not list(misspelled_in({variable: " "}))


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
def test_ordinary_variables_are_not_taken_for_settings(variable: str) -> None:
    """What environments hold anyway, and what is a setting, is no misspelled one."""
    assert not list(misspelled_in({variable: "x"}))


def test_a_misspelled_address_is_named() -> None:
    """Where the one required variable is missing, the one that was most likely meant for it is told."""
    (line,) = problems({"PROMETHEUS_ADRESS": "http://host"})
    assert line.startswith("PROMETHEUS_ADDRESS: is not set, but PROMETHEUS_ADRESS is; expected: ")


def test_a_patience_without_effect_is_remarked() -> None:
    """QUERY_TIMEOUT over REFRESH_TIMEOUT is taken, with a remark; its default is not remarked upon."""
    (remark,) = read(ADDRESS | {"QUERY_TIMEOUT": "30"}).remarks()
    assert remark == "QUERY_TIMEOUT is more than REFRESH_TIMEOUT: no query gets more than 10 s"
    assert not list(read(ADDRESS | {"REFRESH_TIMEOUT": "1"}).remarks())


@pytest.mark.parametrize(("server", "other"), [("HTTP", "GRPC"), ("GRPC", "HTTP")])
def test_files_for_a_server_that_does_not_run_are_told(tmp_path: Path, server: str, other: str) -> None:
    """A certificate of a server that has no port would be silently without effect."""
    files = write(tmp_path / "tls", Authority().pair())
    cert, key = f"{server}_TLS_CERT", f"{server}_TLS_KEY"
    assert problems(ADDRESS | {f"{other}_PORT": "80", cert: files.cert, key: files.key}) == [
        f"{name}: is set, but there is no such server; expected: {server}_PORT beside it" for name in (cert, key)
    ]


def test_what_lies_beside_a_public_key_is_named() -> None:
    """A private key and a certificate in KEY are told as such, be they PEM or the base64 of DER, and not repeated."""
    certificate, key = Authority().pair()
    for pem_text, wrong in (
        (certificate, "is a certificate, not the public key in it"),
        (key, "is a private key, which"),
    ):
        body = "".join(pem_text.decode().splitlines()[1:-1])
        for text in (pem_text.decode(), body):
            (line,) = problems(ADDRESS | {"KEY": text})
            assert line.startswith(f"KEY: {wrong}")
            assert body[20:40] not in line
