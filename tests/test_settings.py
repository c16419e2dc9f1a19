"""Settings from an environment."""

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
from aggregator.models.build import DEFAULT_CLUSTER
from aggregator.querier.client import Address
from aggregator.settings import Settings, described, read
from tests.server.authority import Authority, write

AN_ADDRESS = "a URL that begins with http:// or https://, or several; or replay: and a file"
ADDRESS = {"PROMETHEUS_ADDRESS": "http://prometheus:9090"}
NUMBERS = ("REFRESH_INTERVAL", "REFRESH_TIMEOUT", "QUERY_TIMEOUT", "MAX_STALE", "GRACE")
WHOLE_NUMBERS = ("QUERY_CONCURRENCY", "MAX_ANSWER_BYTES", "HTTP_PORT", "GRPC_PORT", "AGGREGATOR_PORT")
# Long enough not to be part of a message by chance.
SECRET = "hunter2-hunter2"


@cache
def rsa_key(bits: int) -> PublicKeyTypes:
    """Return an RSA public key."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits).public_key()


def der(key: PublicKeyTypes) -> str:
    """Return a public key as Keycloak shows it: base64 of its DER form."""
    return base64.b64encode(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


def pem(key: PublicKeyTypes) -> str:
    """Return a public key as PEM."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def problems(environment: dict[str, str]) -> list[str]:
    """Return what is wrong with an environment."""
    with pytest.raises(SettingsError) as caught:
        read(environment)
    assert str(caught.value) == "\n".join(caught.value.problems)
    return caught.value.problems


def test_the_address_alone_is_enough() -> None:
    """Everything else has a default."""
    settings = read(ADDRESS)
    assert (settings.http_port, settings.GRPC_PORT, settings.LAYOUT, settings.KEY) == (8080, None, "1.2.5", None)
    assert (settings.REFRESH_INTERVAL, settings.MAX_STALE, settings.LOG_LEVEL) == (10.0, 300.0, "info")
    assert settings.CLUSTER_NAME == DEFAULT_CLUSTER


def test_without_an_address_there_is_nothing_to_ask() -> None:
    """The one required variable is named."""
    expected = f"PROMETHEUS_ADDRESS: is not set; expected: {AN_ADDRESS}"
    assert problems({}) == [expected]
    assert problems({"PROMETHEUS_ADDRESS": "  "}) == [expected]


def test_a_value_that_is_no_text_is_refused() -> None:
    """Bytes that are no UTF-8, which could not be sent or printed, are a problem of their variable alone."""
    assert problems({"PROMETHEUS_ADDRESS": "http://u:\udcff@h"}) == [
        f"PROMETHEUS_ADDRESS: is no UTF-8 text; expected: {AN_ADDRESS}"
    ]
    assert problems(ADDRESS | {"CLUSTER_NAME": "\udcff"}) == ["CLUSTER_NAME: is no UTF-8 text; expected: a name"]


def test_all_problems_are_told_together() -> None:
    """Whoever mends the environment sees every bad variable at once, in one line each."""
    told = problems({"HTTP_PORT": "x", "LAYOUT": "2024", "REFRESH_INTERVAL": "0", "LOG_LEVEL": "loud"})
    assert [line.split(":")[0] for line in told] == [
        "PROMETHEUS_ADDRESS",
        "HTTP_PORT",
        "LAYOUT",
        "REFRESH_INTERVAL",
        "LOG_LEVEL",
    ]
    assert all("; expected: " in line for line in told)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://host:9090", Address("http://host:9090")),
        ("http://host:9090/", Address("http://host:9090")),
        ("https://host/thanos/query/", Address("https://host/thanos/query")),
        ("http://user:pass@host", Address("http://host", "user", "pass")),
        ("http://us%40er:p%3Aa%2Fss@host/x", Address("http://host/x", "us@er", "p:a/ss")),
        ("http://user@host", Address("http://host", "user")),
        ("http://user:@host", Address("http://host", "user", "")),
        ("http://[::1]:9090", Address("http://[::1]:9090")),
        ("  http://host  ", Address("http://host")),
    ],
)
def test_the_upstreams_address(text: str, expected: Address) -> None:
    """Slash and credentials are taken off the URL; the credentials are unquoted."""
    host = expected.url.split("/")[2]
    assert read({"PROMETHEUS_ADDRESS": text}).upstreams == (replace(expected, name=host),)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("prometheus:9090", "does not begin with http:// or https://"),
        ("ftp://host", "does not begin with http:// or https://"),
        ("http://", "names no host"),
        ("http://:9090", "names no host"),
        ("http://host/?query=up", "has a query"),
        ("http://host/#x", "has something else than name=… and cluster=… behind its #"),
        ("http://host:99999", "has a port that is no number from 0 to 65535"),
        ("http://host:port", "has a port that is no number from 0 to 65535"),
    ],
)
def test_a_bad_address_is_told(text: str, wrong: str) -> None:
    """What is wrong with a URL is said without repeating it."""
    assert problems({"PROMETHEUS_ADDRESS": text}) == [f"PROMETHEUS_ADDRESS: {wrong}; expected: {AN_ADDRESS}"]


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
    """A server starts where its port is set, HTTP on 8080 where none is; the old chart's variable stands in."""
    settings = read(ADDRESS | ports)
    assert (settings.http_port, settings.GRPC_PORT) == (http, grpc)


@pytest.mark.parametrize("variable", ["HTTP_PORT", "AGGREGATOR_PORT"])
def test_two_servers_need_two_ports(variable: str) -> None:
    """One port for both is refused before anything listens."""
    assert problems(ADDRESS | {variable: "80", "GRPC_PORT": "80"}) == [
        "GRPC_PORT: is 80, the port of HTTP, too; expected: a port of its own"
    ]


@pytest.mark.parametrize("name", [*NUMBERS, *WHOLE_NUMBERS])
@pytest.mark.parametrize("text", ["-1", "ten", "1_000", "٣", "1e999", "nan"])
def test_a_number_is_a_number_in_its_range(name: str, text: str) -> None:
    """What a person would not read as a number in range is refused."""
    (line,) = problems(ADDRESS | {name: text})
    assert line.startswith(f"{name}: ")


@pytest.mark.parametrize("text", ["OFF", "Off", " off "])
def test_words_are_read_in_any_case(text: str) -> None:
    """Words that people type are taken in capitals, too."""
    assert read(ADDRESS | {"GRPC_AUTH": text}).GRPC_AUTH == "off"
    assert read(ADDRESS | {"LOG_LEVEL": "WARNING"}).LOG_LEVEL == "warning"


def test_other_variables_are_not_ours() -> None:
    """An environment holds a lot that is none of our business."""
    assert read(ADDRESS | {"PATH": "/bin", "http_port": "x"}) == read(ADDRESS)


def test_the_key_is_taken_as_keycloak_shows_it_and_as_pem() -> None:
    """Base64 of the DER form, with line breaks or without, and PEM are one key."""
    key = rsa_key(2048)
    wrapped = "\n".join([der(key)[:64], der(key)[64:]])
    keys = {read(ADDRESS | {"KEY": text}).KEY for text in (der(key), wrapped, pem(key), f"  {pem(key)}\n")}
    assert {found.get_secret_value() for found in keys if found} == {pem(key)}


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("x", "is no public key"),
        ("käse", "is no public key"),
        ("-----BEGIN PUBLIC KEY-----", "is no public key"),
        (der(ec.generate_private_key(ec.SECP256R1()).public_key()), "is no RSA key"),
        (der(rsa_key(1024)), "is an RSA key of 1024 bits; at least 2048 are needed"),
    ],
)
def test_a_bad_key_is_told_and_not_repeated(text: str, wrong: str) -> None:
    """What is wrong with a key is said; the key is not."""
    (line,) = problems(ADDRESS | {"KEY": text})
    assert line.startswith(f"KEY: {wrong}; expected: an RSA public key")
    assert len(text) < 5 or text not in line


def test_printed_settings_hide_secrets() -> None:
    """Neither the password nor the key is in what a log might show."""
    settings = read({"PROMETHEUS_ADDRESS": f"http://user:{SECRET}@host", "KEY": der(rsa_key(2048))})
    for shown in (repr(settings), str(settings), settings.model_dump_json()):
        assert SECRET not in shown
        assert "PUBLIC KEY" not in shown
        assert der(rsa_key(2048)) not in shown


def test_settings_do_not_change() -> None:
    """What was read stays."""
    settings = read(ADDRESS)
    with pytest.raises(ValidationError):
        settings.HTTP_PORT = 1


def test_every_setting_is_described() -> None:
    """Each has a default, what is accepted and a sentence, for the page and the help."""
    lines = list(described())
    assert [name for name, *_ in lines] == list(Settings.model_fields)
    assert all(part for line in lines for part in line)
    assert {name: default for name, default, *_ in lines}.items() >= {
        "PROMETHEUS_ADDRESS": "required",
        "REFRESH_INTERVAL": "10",
        "LAYOUT": "1.2.5",
    }.items()


TEXT = st.text() | st.sampled_from(["0", "1", "-1", "1e3", "80", "on", "text", "2025", "inf", "http://h", "\udcff"])


@given(environment=st.dictionaries(st.sampled_from(sorted(Settings.model_fields)), TEXT))
def test_any_environment_is_settings_or_named_problems(environment: dict[str, str]) -> None:
    """Whatever texts the variables hold, they are settings, or every problem begins with its variable's name."""
    try:
        settings = read(ADDRESS | environment)
    except SettingsError as error:
        told = [line.split(":")[0] for line in error.problems]
        assert told
        assert set(told) <= {*environment, "PROMETHEUS_ADDRESS"}
        assert len(set(told)) == len(told)
    else:
        assert all(address.url.startswith("http") for address in settings.upstreams)


@given(
    before=st.sampled_from(["http://", "ftp://", "//", ""]),
    around=st.tuples(st.text("ab@:/?#% \t", max_size=4), st.text("ab@:/?#% \t", max_size=4)),
    after=st.sampled_from(["@host", "@host:port", "@host:99999", "@host/?a=b", "@", ""]),
)
def test_a_password_is_never_repeated(before: str, around: tuple[str, str], after: str) -> None:
    """However wrong an address with a password is, no problem that is told has the password in it."""
    try:
        shown = repr(read({"PROMETHEUS_ADDRESS": f"{before}user:{around[0]}{SECRET}{around[1]}{after}"}))
    except SettingsError as error:
        shown = str(error)
    assert SECRET not in shown


@given(cut=st.integers(0, 400), patch=st.text(max_size=5))
def test_a_damaged_key_is_never_repeated(cut: int, patch: str) -> None:
    """However wrong a key is, no problem that is told has a part of it."""
    whole = der(rsa_key(2048))
    damaged = whole[:cut] + patch + whole[cut + 3 :]
    try:
        shown = repr(read(ADDRESS | {"KEY": damaged}))
    except SettingsError as error:
        shown = str(error)
    assert not [piece for piece in (whole[:24], whole[-24:], whole[100:124]) if piece in shown]


@pytest.mark.parametrize(
    "address", ["http://user:[hunter2]@host/", "http://user:hunter2℀@host", "http://user:12/hunter2@host"]
)
def test_password_leak(address: str) -> None:
    """No problem that is told, and no URL without credentials, has the password in it."""
    try:
        shown = repr(read({"PROMETHEUS_ADDRESS": address}).upstreams)
    except SettingsError as error:
        shown = str(error)
    assert "hunter2" not in shown


def test_a_topology_outlives_a_refresh() -> None:
    """MAX_STALE has to be longer than REFRESH_INTERVAL, or there would be nothing to show in between."""
    told = "MAX_STALE: is 10; expected: more than REFRESH_INTERVAL, which is 10"
    assert problems(ADDRESS | {"REFRESH_INTERVAL": "10", "MAX_STALE": "10"}) == [told]
    assert problems(ADDRESS | {"MAX_STALE": "10"}) == [told]
    told = "REFRESH_INTERVAL: is 300; expected: less than MAX_STALE, which is 300 unless set"
    assert problems(ADDRESS | {"REFRESH_INTERVAL": "300"}) == [told]


@pytest.mark.parametrize(
    ("name", "text", "wrong"),
    [
        ("HTTP_PORT", "70000", "is 70000; expected: 0 to 65535"),
        ("GRPC_PORT", "-1", "is -1; expected: 0 to 65535"),
        ("HTTP_PORT", "http", "is http, no whole number; expected: 0 to 65535"),
        ("HTTP_PORT", "80.0", "is 80.0, no whole number; expected: 0 to 65535"),
        ("QUERY_CONCURRENCY", "0", "is 0; expected: 1 to 100"),
        ("MAX_CONNECTIONS", "9" * 5000, f"is {'9' * 27}..., no whole number; expected: 1 to 1000000"),
        ("GRACE", "0", "is 0; expected: seconds, more than 0, at most 86400"),
        ("GRACE", "a\nb", "is a\\nb, no number; expected: seconds, more than 0, at most 86400"),
        ("GRACE", "1e9", "is 1e9; expected: seconds, more than 0, at most 86400"),
        ("GRACE", "inf", "is inf, no number; expected: seconds, more than 0, at most 86400"),
    ],
)
def test_a_bad_number_is_told_in_plain_words(name: str, text: str, wrong: str) -> None:
    """What a number is and what it may be stand in one short line."""
    assert problems(ADDRESS | {name: text}) == [f"{name}: {wrong}"]


@pytest.mark.parametrize(
    ("text", "seconds"), [("5", 5.0), ("0.25", 0.25), (".5", 0.5), ("1e2", 100.0), ("+3.", 3.0), ("86400", 86400.0)]
)
def test_seconds_are_any_decimal_number(text: str, seconds: float) -> None:
    """Seconds may have fractions and exponents."""
    assert seconds == read(ADDRESS | {"GRACE": text}).GRACE


def test_lists_are_separated_by_commas_or_spaces() -> None:
    """Proxies and origins are written as people write lists."""
    settings = read(
        ADDRESS | {"TRUSTED_PROXIES": "10.0.0.0/8, ::1  192.0.2.1", "CORS_ORIGINS": "https://a.example:8443,*"}
    )
    assert [str(one) for one in settings.trusted_proxies] == ["10.0.0.0/8", "::1/128", "192.0.2.1/32"]
    assert settings.CORS_ORIGINS == ("https://a.example:8443", "*")


@pytest.mark.parametrize("text", ["proxy", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/8;::1"])
def test_a_bad_network_is_told(text: str) -> None:
    """What is no address or network is named."""
    (line,) = problems(ADDRESS | {"TRUSTED_PROXIES": text})
    assert line.startswith(f"TRUSTED_PROXIES: {text!r} is no network; expected: addresses and networks")


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
def test_a_bad_origin_is_told(text: str) -> None:
    """What no browser sends as an origin would never match, and is refused."""
    (line,) = problems(ADDRESS | {"CORS_ORIGINS": text})
    assert line.startswith(f"CORS_ORIGINS: {text!r} is no origin; expected: origins")


@pytest.mark.parametrize("server", ["HTTP", "GRPC"])
def test_files_for_tls_belong_together(tmp_path: Path, server: str) -> None:
    """A certificate without its key, a key without certificate, another's key, and an authority alone are refused."""
    authority = Authority()
    one, other = write(tmp_path / "one", authority.pair(), authority.pem), write(tmp_path / "other", authority.pair())
    cert, key, ca = (f"{server}_TLS_{kind}" for kind in ("CERT", "KEY", "CLIENT_CA"))
    expected = "; expected: path of a PEM file"
    serving = ADDRESS | {f"{server}_PORT": "80"}
    assert problems(serving | {cert: one.cert}) == [f"{key}: is not set beside {cert}{expected}"]
    assert problems(serving | {key: one.key}) == [f"{cert}: is not set beside {key}{expected}"]
    assert problems(serving | {ca: one.client_ca or ""}) == [f"{cert}: is not set beside {ca}{expected}"]
    (line,) = problems(serving | {cert: one.cert, key: other.key})
    assert line.startswith(f"{key}: {other.key}: is not the key of the certificate in {one.cert}; expected: ")
    settings = read(serving | {cert: one.cert, key: one.key, ca: one.client_ca or ""})
    assert (settings.http_tls if server == "HTTP" else settings.grpc_tls) == one


def test_a_key_with_a_password_is_told(tmp_path: Path) -> None:
    """A key that nobody can open without a password is told as such, without its content."""
    cert, _key = Authority().pair()
    locked = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"sw0rdfish")
    )
    files = write(tmp_path / "tls", (cert, locked))
    (line,) = problems(ADDRESS | {"HTTP_TLS_CERT": files.cert, "HTTP_TLS_KEY": files.key})
    assert line == f"HTTP_TLS_KEY: {files.key}: holds a key that is encrypted; expected: path of a PEM file"


def test_a_weak_certificate_is_told(tmp_path: Path) -> None:
    """A key that TLS of today does not take is told at the start, not at the first connection."""
    weak = rsa.generate_private_key(65537, 1024)  # noqa: S505 - it must be refused
    files = write(tmp_path / "tls", Authority().pair(key=weak))
    (line,) = problems(ADDRESS | {"HTTP_TLS_CERT": files.cert, "HTTP_TLS_KEY": files.key})
    assert line.startswith(f"HTTP_TLS_KEY: {files.cert}: cannot be used by TLS (EE_KEY_TOO_SMALL); expected: ")
