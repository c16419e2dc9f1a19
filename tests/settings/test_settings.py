"""Loading settings from an environment."""

import base64
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from aggregator.errors import SettingsError
from aggregator.models.builder.build import DEFAULT_CLUSTER
from aggregator.models.catalog.default_catalog import TelemetryFamily
from aggregator.querier.prometheus.client import UpstreamAddress
from aggregator.settings.gateway import Settings
from aggregator.settings.settings import describe_settings, load_settings
from tests.support.certificate_authority import CertificateAuthority, write_certificate_files

ADDRESS_EXPECTATION = "URLs that begin with http:// or https://, or replay:FILE"
ADDRESS = {"PROMETHEUS_ADDRESS": "http://prometheus:9090"}
FLOAT_SETTINGS = ("REFRESH_INTERVAL", "REFRESH_TIMEOUT", "QUERY_TIMEOUT", "MAX_STALE", "GRACE")
INTEGER_SETTINGS = ("QUERY_CONCURRENCY", "MAX_ANSWER_BYTES", "HTTP_PORT", "GRPC_PORT", "AGGREGATOR_PORT")
# Long enough not to be part of a message by chance.
SECRET = "hunter2-hunter2"


@cache
def generate_rsa_public_key(bits: int) -> PublicKeyTypes:
    """Return an RSA public key."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits).public_key()


def encode_der(key: PublicKeyTypes) -> str:
    """Return a public key as Keycloak displays it: base64 of DER."""
    return base64.b64encode(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


def encode_pem(key: PublicKeyTypes) -> str:
    """Return a public key as PEM."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def list_problems(environment: dict[str, str]) -> list[str]:
    """Return the problems of an environment."""
    with pytest.raises(SettingsError) as caught:
        load_settings(environment, Settings)
    assert str(caught.value) == "\n".join(caught.value.problems)
    return caught.value.problems


def test_the_address_alone_is_enough() -> None:
    """All settings but PROMETHEUS_ADDRESS have a default."""
    settings = load_settings(ADDRESS, Settings)
    assert (settings.http_port, settings.GRPC_PORT, settings.LAYOUT, settings.KEY) == (8080, None, "1.2.5", None)
    assert (settings.REFRESH_INTERVAL, settings.MAX_STALE, settings.LOG_LEVEL) == (10.0, 300.0, "info")
    assert settings.CLUSTER_NAME == DEFAULT_CLUSTER


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("CLUSTER_LABELS", "datacenter, cluster", ("datacenter", "cluster")),
        ("TELEMETRY", "docker,Kubernetes", (TelemetryFamily.KUBERNETES, TelemetryFamily.DOCKER)),
    ],
)
def test_lists_of_labels_and_families(name: str, text: str, value: tuple[str, ...]) -> None:
    """Labels stay in their order, because the first one counts; families are in the order of the catalog."""
    assert getattr(load_settings(ADDRESS | {name: text}, Settings), name) == value


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("CLUSTER_LABELS", "a-b", "contains a-b, which is not the name of a label"),
        ("CLUSTER_LABELS", "x) or vector(1)", "contains x), which is not the name of a label"),
        ("TELEMETRY", "swarm", "contains swarm, which is not a telemetry family"),
        ("TELEMETRY", ",", "is an empty list"),
    ],
)
def test_invalid_labels_and_families_are_refused(name: str, text: str, problem: str) -> None:
    """The problem names the setting and the entry, so no text of a setting that is not a label enters PromQL."""
    (line,) = list_problems(ADDRESS | {name: text})
    assert line.startswith(f"{name}: {problem}; expected: ")


def test_the_address_is_required() -> None:
    """A missing PROMETHEUS_ADDRESS is a problem."""
    expected = f"PROMETHEUS_ADDRESS: is not set; expected: {ADDRESS_EXPECTATION}"
    assert list_problems({}) == [expected]
    assert list_problems({"PROMETHEUS_ADDRESS": "  "}) == [expected]


def test_a_value_that_is_not_utf8_is_one_problem() -> None:
    """Bytes that are not UTF-8 are a problem of that variable only."""
    assert list_problems({"PROMETHEUS_ADDRESS": "http://u:\udcff@h"}) == [
        f"PROMETHEUS_ADDRESS: is not UTF-8 text; expected: {ADDRESS_EXPECTATION}"
    ]
    assert list_problems(ADDRESS | {"CLUSTER_NAME": "\udcff"}) == ["CLUSTER_NAME: is not UTF-8 text; expected: a name"]


def test_all_problems_are_reported_together() -> None:
    """All invalid variables are reported together, one line each."""
    problems = list_problems({"HTTP_PORT": "x", "LAYOUT": "2024", "REFRESH_INTERVAL": "0", "LOG_LEVEL": "loud"})
    assert [line.split(":")[0] for line in problems] == [
        "PROMETHEUS_ADDRESS",
        "HTTP_PORT",
        "LAYOUT",
        "REFRESH_INTERVAL",
        "LOG_LEVEL",
    ]
    assert all("; expected: " in line for line in problems)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://host:9090", UpstreamAddress("http://host:9090")),
        ("http://host:9090/", UpstreamAddress("http://host:9090")),
        ("https://host/thanos/query/", UpstreamAddress("https://host/thanos/query")),
        ("http://user:pass@host", UpstreamAddress("http://host", "user", "pass")),
        ("http://us%40er:p%3Aa%2Fss@host/x", UpstreamAddress("http://host/x", "us@er", "p:a/ss")),
        ("http://user@host", UpstreamAddress("http://host", "user")),
        ("http://user:@host", UpstreamAddress("http://host", "user", "")),
        ("http://[::1]:9090", UpstreamAddress("http://[::1]:9090")),
        ("  http://host  ", UpstreamAddress("http://host")),
    ],
)
def test_an_address_has_url_and_credentials(text: str, expected: UpstreamAddress) -> None:
    """The base URL has no trailing slash and no credentials; the credentials are percent-decoded."""
    host = expected.url.split("/")[2]
    assert load_settings({"PROMETHEUS_ADDRESS": text}, Settings).upstreams == (replace(expected, name=host),)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("prometheus:9090", "does not begin with http:// or https://"),
        ("ftp://host", "does not begin with http:// or https://"),
        ("http://", "has no host"),
        ("http://:9090", "has no host"),
        ("http://host/?query=up", "has a query string"),
        ("http://host/#x", "has an option after # other than name=… and cluster=…"),
        ("http://host:99999", "has an invalid port"),
        ("http://host:port", "has an invalid port"),
    ],
)
def test_an_invalid_address_is_a_problem(text: str, problem: str) -> None:
    """The problem of a URL does not contain the URL."""
    assert list_problems({"PROMETHEUS_ADDRESS": text}) == [
        f"PROMETHEUS_ADDRESS: {problem}; expected: {ADDRESS_EXPECTATION}"
    ]


@pytest.mark.parametrize(
    ("ports", "http", "grpc"),
    [
        ({}, 8080, None),
        ({"HTTP_PORT": "80"}, 80, None),
        ({"GRPC_PORT": "81"}, None, 81),
        ({"HTTP_PORT": "80", "GRPC_PORT": "81"}, 80, 81),
        ({"AGGREGATOR_PORT": "82"}, 82, None),
        ({"AGGREGATOR_PORT": "82", "GRPC_PORT": "81"}, 82, 81),
        ({"AGGREGATOR_PORT": "82", "HTTP_PORT": "80"}, 80, None),
        ({"HTTP_PORT": "0", "GRPC_PORT": "0"}, 0, 0),
        ({"HTTP_PORT": "", "AGGREGATOR_PORT": "82"}, 82, None),
        ({"AGGREGATOR_PORT": "tcp://10.0.0.1:8080"}, 8080, None),
        ({"AGGREGATOR_PORT": "tcp://10.0.0.1:8080", "GRPC_PORT": "81"}, None, 81),
        ({"AGGREGATOR_PORT": "tcp://10.0.0.1:8080", "HTTP_PORT": "80"}, 80, None),
        ({"AGGREGATOR_PORT": "x", "HTTP_PORT": "80"}, 80, None),
    ],
)
def test_which_servers_start_on_which_port(ports: dict[str, str], http: int | None, grpc: int | None) -> None:
    """A server runs if its port is set, HTTP on 8080 if none is; AGGREGATOR_PORT replaces HTTP_PORT."""
    settings = load_settings(ADDRESS | ports, Settings)
    assert (settings.http_port, settings.GRPC_PORT) == (http, grpc)


@pytest.mark.parametrize("variable", ["HTTP_PORT", "AGGREGATOR_PORT"])
def test_two_servers_need_two_ports(variable: str) -> None:
    """The same port for both servers is a problem."""
    assert list_problems(ADDRESS | {variable: "80", "GRPC_PORT": "80"}) == [
        "GRPC_PORT: is 80, which HTTP already uses; expected: another port"
    ]


@pytest.mark.parametrize("name", [*FLOAT_SETTINGS, *INTEGER_SETTINGS])
@pytest.mark.parametrize("text", ["-1", "ten", "1_000", "٣", "1e999", "nan"])
def test_numbers_have_ranges(name: str, text: str) -> None:
    """Numbers out of range, and digits other than ASCII, are problems."""
    (line,) = list_problems(ADDRESS | {name: text})
    assert line.startswith(f"{name}: ")


@pytest.mark.parametrize("text", ["OFF", "Off", " off "])
def test_choices_are_case_insensitive(text: str) -> None:
    """Choices are case-insensitive."""
    assert load_settings(ADDRESS | {"GRPC_AUTH": text}, Settings).GRPC_AUTH == "off"
    assert load_settings(ADDRESS | {"LOG_LEVEL": "WARNING"}, Settings).LOG_LEVEL == "warning"


def test_other_variables_are_ignored() -> None:
    """Unrelated variables are ignored."""
    assert load_settings(ADDRESS | {"PATH": "/bin", "http_port": "x"}, Settings) == load_settings(ADDRESS, Settings)


def test_the_key_is_der_or_pem() -> None:
    """Base64 of DER, with or without line breaks, and PEM give the same key."""
    key = generate_rsa_public_key(2048)
    wrapped = "\n".join([encode_der(key)[:64], encode_der(key)[64:]])
    keys = {
        load_settings(ADDRESS | {"KEY": text}, Settings).KEY
        for text in (encode_der(key), wrapped, encode_pem(key), f"  {encode_pem(key)}\n")
    }
    assert {found.get_secret_value() for found in keys if found} == {encode_pem(key)}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("x", "is not a public key"),
        ("käse", "is not a public key"),
        ("-----BEGIN PUBLIC KEY-----", "is not a public key"),
        (encode_der(ec.generate_private_key(ec.SECP256R1()).public_key()), "is not an RSA key"),
        (encode_der(generate_rsa_public_key(1024)), "is an RSA key of 1024 bits, less than 2048"),
    ],
)
def test_an_invalid_key_is_a_problem_and_not_repeated(text: str, problem: str) -> None:
    """The problem of a key does not contain the key."""
    (line,) = list_problems(ADDRESS | {"KEY": text})
    assert line.startswith(f"KEY: {problem}; expected: an RSA public key")
    assert len(text) < 5 or text not in line


def test_repr_masks_secrets() -> None:
    """The repr of the settings contains no password and no key."""
    settings = load_settings(
        {"PROMETHEUS_ADDRESS": f"http://user:{SECRET}@host", "KEY": encode_der(generate_rsa_public_key(2048))}, Settings
    )
    for output in (repr(settings), str(settings), settings.model_dump_json()):
        assert SECRET not in output
        assert "PUBLIC KEY" not in output
        assert encode_der(generate_rsa_public_key(2048)) not in output


def test_settings_are_frozen() -> None:
    """Settings are frozen."""
    settings = load_settings(ADDRESS, Settings)
    with pytest.raises(ValidationError):
        settings.HTTP_PORT = 1


def test_every_setting_is_described() -> None:
    """Every setting has a default, accepted values and a description."""
    lines = list(describe_settings(Settings))
    assert [name for name, *_ in lines] == list(Settings.model_fields)
    assert all(part for line in lines for part in line)
    assert {name: default for name, default, *_ in lines}.items() >= {
        "PROMETHEUS_ADDRESS": "required",
        "REFRESH_INTERVAL": "10 s",
        "LAYOUT": "1.2.5",
    }.items()


TEXT = st.text() | st.sampled_from(["0", "1", "-1", "1e3", "80", "on", "text", "2025", "inf", "http://h", "\udcff"])


@given(environment=st.dictionaries(st.sampled_from(sorted(Settings.model_fields)), TEXT))
def test_any_environment_is_settings_or_problems(environment: dict[str, str]) -> None:
    """For any texts, the result is settings or problems that begin with a variable name."""
    try:
        settings = load_settings(ADDRESS | environment, Settings)
    except SettingsError as error:
        problems = [line.split(":")[0] for line in error.problems]
        assert problems
        assert set(problems) <= {*environment, "PROMETHEUS_ADDRESS"}
        assert len(set(problems)) == len(problems)
    else:
        assert all(address.url.startswith("http") for address in settings.upstreams)


@given(
    before=st.sampled_from(["http://", "ftp://", "//", ""]),
    around=st.tuples(st.text("ab@:/?#% \t", max_size=4), st.text("ab@:/?#% \t", max_size=4)),
    after=st.sampled_from(["@host", "@host:port", "@host:99999", "@host/?a=b", "@", ""]),
)
def test_a_password_is_not_repeated(before: str, around: tuple[str, str], after: str) -> None:
    """No problem of an address contains its password."""
    try:
        output = repr(
            load_settings({"PROMETHEUS_ADDRESS": f"{before}user:{around[0]}{SECRET}{around[1]}{after}"}, Settings)
        )
    except SettingsError as error:
        output = str(error)
    assert SECRET not in output


@given(cut=st.integers(0, 400), patch=st.text(max_size=5))
def test_a_damaged_key_is_not_repeated(cut: int, patch: str) -> None:
    """No problem of a key contains a part of it."""
    whole = encode_der(generate_rsa_public_key(2048))
    damaged = whole[:cut] + patch + whole[cut + 3 :]
    try:
        output = repr(load_settings(ADDRESS | {"KEY": damaged}, Settings))
    except SettingsError as error:
        output = str(error)
    assert not [piece for piece in (whole[:24], whole[-24:], whole[100:124]) if piece in output]


@pytest.mark.parametrize(
    "address", ["http://user:[hunter2]@host/", "http://user:hunter2℀@host", "http://user:12/hunter2@host"]
)
def test_problems_and_urls_contain_no_password(address: str) -> None:
    """No problem, and no base URL, contains the password."""
    try:
        output = repr(load_settings({"PROMETHEUS_ADDRESS": address}, Settings).upstreams)
    except SettingsError as error:
        output = str(error)
    assert "hunter2" not in output


def test_a_topology_outlives_a_refresh() -> None:
    """MAX_STALE must exceed REFRESH_INTERVAL, so that there is always a topology between two refreshes."""
    problems = "MAX_STALE: is 10 s; expected: more than REFRESH_INTERVAL (10 s)"
    assert list_problems(ADDRESS | {"REFRESH_INTERVAL": "10", "MAX_STALE": "10"}) == [problems]
    assert list_problems(ADDRESS | {"MAX_STALE": "10"}) == [problems]
    problems = "REFRESH_INTERVAL: is 300 s; expected: less than MAX_STALE (default 300 s)"
    assert list_problems(ADDRESS | {"REFRESH_INTERVAL": "300"}) == [problems]


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("HTTP_PORT", "70000", "is 70000; expected: 0 to 65535"),
        ("GRPC_PORT", "-1", "is -1; expected: 0 to 65535"),
        ("HTTP_PORT", "http", "is http, not an integer; expected: 0 to 65535"),
        ("HTTP_PORT", "80.0", "is 80.0, not an integer; expected: 0 to 65535"),
        ("QUERY_CONCURRENCY", "0", "is 0; expected: 1 to 100"),
        ("MAX_CONNECTIONS", "9" * 5000, f"is {'9' * 27}..., not an integer; expected: 1 to 1000000"),
        ("GRACE", "0", "is 0; expected: seconds, or a duration such as 500ms, 10s or 2m; 1ms to 24h"),
        (
            "GRACE",
            "a\nb",
            "is a\\nb, not a duration; expected: seconds, or a duration such as 500ms, 10s or 2m; 1ms to 24h",
        ),
        ("GRACE", "0.0009", "is 0.0009; expected: seconds, or a duration such as 500ms, 10s or 2m; 1ms to 24h"),
        ("GRACE", "25h", "is 25h; expected: seconds, or a duration such as 500ms, 10s or 2m; 1ms to 24h"),
        (
            "GRACE",
            "10sec",
            "is 10sec, not a duration; expected: seconds, or a duration such as 500ms, 10s or 2m; 1ms to 24h",
        ),
        (
            "GRACE",
            "-1s",
            "is -1s, not a duration; expected: seconds, or a duration such as 500ms, 10s or 2m; 1ms to 24h",
        ),
        (
            "GRACE",
            "1 s",
            "is 1 s, not a duration; expected: seconds, or a duration such as 500ms, 10s or 2m; 1ms to 24h",
        ),
        (
            "VANISHED_NOTICE",
            "0.1ms",
            "is 0.1ms; expected: seconds, or a duration such as 500ms, 10s or 2m; 0, or 1ms to 24h",
        ),
        ("GRACE", "1e9", "is 1e9; expected: seconds, or a duration such as 500ms, 10s or 2m; 1ms to 24h"),
        (
            "GRACE",
            "inf",
            "is inf, not a duration; expected: seconds, or a duration such as 500ms, 10s or 2m; 1ms to 24h",
        ),
    ],
)
def test_an_invalid_number_is_a_short_problem(name: str, text: str, problem: str) -> None:
    """The problem of a number has the value and the range in one short line."""
    assert list_problems(ADDRESS | {name: text}) == [f"{name}: {problem}"]


@pytest.mark.parametrize(
    ("text", "seconds"), [("5", 5.0), ("0.25", 0.25), (".5", 0.5), ("1e2", 100.0), ("+3.", 3.0), ("86400", 86400.0)]
)
def test_seconds_are_any_decimal_number(text: str, seconds: float) -> None:
    """Seconds may have fractions and exponents."""
    assert seconds == load_settings(ADDRESS | {"GRACE": text}, Settings).GRACE


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10s", 10.0), ("500ms", 0.5), ("2m", 120.0), ("1.5s", 1.5), ("0.5h", 1800.0), ("1d", 86400.0), ("1ms", 0.001)],
)
@pytest.mark.parametrize(
    "name",
    ["GRACE", "KEYS_REFRESH_INTERVAL", "QUERY_TIMEOUT", "REFRESH_TIMEOUT", "VANISHED_NOTICE"],
)
def test_durations_may_have_a_unit(name: str, text: str, seconds: float) -> None:
    """Every duration may have a unit, as in `wait=10s`."""
    settings = load_settings(ADDRESS | {"ISSUER": "https://issuer.example", name: text}, Settings)
    assert getattr(settings, name) == seconds


def test_intervals_may_have_a_unit() -> None:
    """Durations with and without a unit are compared as times."""
    settings = load_settings(ADDRESS | {"REFRESH_INTERVAL": "90s", "MAX_STALE": "2m"}, Settings)
    assert (settings.REFRESH_INTERVAL, settings.MAX_STALE) == (90.0, 120.0)
    assert list_problems(ADDRESS | {"REFRESH_INTERVAL": "2m", "MAX_STALE": "120"}) == [
        "MAX_STALE: is 120 s; expected: more than REFRESH_INTERVAL (120 s)"
    ]


def test_lists_are_separated_by_commas_or_spaces() -> None:
    """Lists may be separated by commas or spaces."""
    settings = load_settings(
        ADDRESS | {"TRUSTED_PROXIES": "10.0.0.0/8, ::1  192.0.2.1", "CORS_ORIGINS": "https://a.example:8443,*"},
        Settings,
    )
    assert [str(one) for one in settings.trusted_proxies] == ["10.0.0.0/8", "::1/128", "192.0.2.1/32"]
    assert settings.CORS_ORIGINS == ("https://a.example:8443", "*")


@pytest.mark.parametrize("text", ["proxy", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/8;::1"])
def test_an_invalid_network_is_a_problem(text: str) -> None:
    """An invalid network is quoted."""
    (line,) = list_problems(ADDRESS | {"TRUSTED_PROXIES": text})
    assert line.startswith(f"TRUSTED_PROXIES: {text!r} is not a network; expected: addresses and networks")


@pytest.mark.parametrize(
    "text",
    [
        "dashboard.example",
        "https://a.example/",
        "https://A.example",
        "https://*.example",
        "null",
        "ftp://a",
        "https://",
    ],
)
def test_an_invalid_origin_is_a_problem(text: str) -> None:
    """An origin that no browser sends would never match, and is a problem."""
    (line,) = list_problems(ADDRESS | {"CORS_ORIGINS": text})
    assert line.startswith(f"CORS_ORIGINS: {text!r} is not an origin; expected: origins")


@pytest.mark.parametrize(
    ("variables", "servers"),
    [
        ({}, ("HTTP",)),
        ({"HTTP_PORT": "1", "GRPC_PORT": "2"}, ("HTTP", "GRPC")),
        ({"HTTP_HOST": "::", "HTTP_PORT": "1", "GRPC_HOST": "192.0.2.1", "GRPC_PORT": "2"}, ("HTTP", "GRPC")),
        ({"HTTP_HOST": "localhost", "HTTP_PORT": "1", "GRPC_HOST": "::1", "GRPC_PORT": "2"}, ()),
        ({"HTTP_HOST": "127.0.0.2"}, ()),
        ({"GRPC_PORT": "2"}, ("GRPC",)),
    ],
)
def test_servers_that_other_machines_can_reach(variables: dict[str, str], servers: tuple[str, ...]) -> None:
    """Other machines can reach a server with a port, unless it listens on the loopback interface."""
    assert load_settings(ADDRESS | variables, Settings).network_servers == servers


@pytest.mark.parametrize("server", ["HTTP", "GRPC"])
def test_files_for_tls_belong_together(tmp_path: Path, server: str) -> None:
    """A certificate and its key are both required, must match, and an authority needs both."""
    authority = CertificateAuthority()
    one, other = (
        write_certificate_files(tmp_path / "one", authority.issue(), authority.pem),
        write_certificate_files(tmp_path / "other", authority.issue()),
    )
    cert, key, ca = (f"{server}_TLS_{kind}" for kind in ("CERT", "KEY", "CLIENT_CA"))
    expected = "; expected: path of a PEM file"
    serving = ADDRESS | {f"{server}_PORT": "80"}
    assert list_problems(serving | {cert: one.cert}) == [f"{key}: is not set, but {cert} is{expected}"]
    assert list_problems(serving | {key: one.key}) == [f"{cert}: is not set, but {key} is{expected}"]
    assert list_problems(serving | {ca: one.client_ca or ""}) == [f"{cert}: is not set, but {ca} is{expected}"]
    (line,) = list_problems(serving | {cert: one.cert, key: other.key})
    assert line.startswith(f"{key}: {other.key}: is not the key of the certificate in {one.cert}; expected: ")
    settings = load_settings(serving | {cert: one.cert, key: one.key, ca: one.client_ca or ""}, Settings)
    assert (settings.http_tls if server == "HTTP" else settings.grpc_tls) == one
    # Clients need a certificate.
    assert settings.network_servers == ()


def test_an_encrypted_key_is_a_problem(tmp_path: Path) -> None:
    """An encrypted key is a problem, without its contents."""
    cert, _key = CertificateAuthority().issue()
    locked = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"sw0rdfish")
    )
    files = write_certificate_files(tmp_path / "tls", (cert, locked))
    (line,) = list_problems(ADDRESS | {"HTTP_TLS_CERT": files.cert, "HTTP_TLS_KEY": files.key})
    assert line == f"HTTP_TLS_KEY: {files.key}: the private key is encrypted; expected: path of a PEM file"


def test_a_weak_key_is_a_problem(tmp_path: Path) -> None:
    """A key that is too small for TLS is a problem at startup."""
    weak = rsa.generate_private_key(65537, 1024)  # noqa: S505 - it must be refused
    files = write_certificate_files(tmp_path / "tls", CertificateAuthority().issue(key=weak))
    (line,) = list_problems(ADDRESS | {"HTTP_TLS_CERT": files.cert, "HTTP_TLS_KEY": files.key})
    assert line.startswith(f"HTTP_TLS_KEY: {files.cert}: cannot be used for TLS (EE_KEY_TOO_SMALL); expected: ")
