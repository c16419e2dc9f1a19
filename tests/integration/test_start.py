"""How the program starts, or does not: its settings, its arguments, and the ports that it takes."""

import re
from pathlib import Path

import grpc
import psutil
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from aggregator import __version__, cli, settings
from aggregator.errors import PortInUseError, SettingsError
from aggregator.server.listen import listener
from demo.prometheus import free_port
from tests.integration.process import NOWHERE, Gateway, ended, running, until
from tests.server.call import call
from tests.server.exchange import ask
from tests.server.tokens import Realm


def spki(key: "rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey") -> str:
    """Return a public key as PEM."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


# --- settings


def test_all_bad_settings_are_told_at_once() -> None:
    """With several bad settings the exit code is 2 and each has one line that names it."""
    bad = {"HTTP_PORT": "http", "GRPC_PORT": "65536", "REFRESH_INTERVAL": "-1", "LAYOUT": "2026", "KEY": "abc"}
    done = ended(**bad, LOG_LEVEL="loud", GRPC_AUTH="maybe")
    assert (done.returncode, done.stdout) == (2, "")
    named = {line.partition(":")[0] for line in done.stderr.splitlines()}
    assert named == {*bad, "PROMETHEUS_ADDRESS", "LOG_LEVEL", "GRPC_AUTH"}
    assert len(done.stderr.splitlines()) == len(named)
    assert all("; expected: " in line for line in done.stderr.splitlines())


BAD_KEYS = {
    "no base64": "%%%not base64%%%",
    "no key": "aGVsbG8gd29ybGQ=",
    "half of a key": Realm().setting[:200],
    "1024 bits": spki(rsa.generate_private_key(65537, 1024).public_key()),  # noqa: S505 - it must be refused
    "an elliptic curve": spki(ec.generate_private_key(ec.SECP256R1()).public_key()),
    "ed25519": spki(ed25519.Ed25519PrivateKey.generate().public_key()),
}


@pytest.mark.parametrize("key", BAD_KEYS.values(), ids=BAD_KEYS.keys())
def test_a_bad_key_is_one_line(key: str) -> None:
    """A KEY that is malformed, too short or of another kind is told in one line that names KEY and repeats nothing."""
    with pytest.raises(SettingsError) as refused:
        settings.read({"PROMETHEUS_ADDRESS": NOWHERE, "KEY": key})
    (line,) = refused.value.problems
    assert re.fullmatch(r"KEY: [^\n]+; expected: an RSA public key [^\n]+", line)
    assert key.strip("-\n")[5:25] not in line


def test_a_bad_key_is_no_start() -> None:
    """With a bad KEY the process ends with 2 and that one line."""
    done = ended(PROMETHEUS_ADDRESS=NOWHERE, KEY=BAD_KEYS["1024 bits"])
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"KEY: is an RSA key of 1024 bits; [^\n]+\n", done.stderr)


@pytest.mark.parametrize(
    "address",
    [
        "ftp://user:sw0rdfish@host",
        "http://user:sw0rdfish@",
        "http://user:sw0rdfish@host:99999",
        "http://user:sw0rdfish@host/?x=sw0rdfish",
        "http://user:sw0rdfish@[::1",
        "http://user:[sw0rdfish]@host",
        "http://user:sw0rdfish\u2100@host",
        "sw0rdfish",
    ],
)
def test_a_bad_address_does_not_tell_the_password(address: str) -> None:
    """What is wrong with PROMETHEUS_ADDRESS is told in one line that repeats nothing of it."""
    with pytest.raises(SettingsError) as refused:
        settings.read({"PROMETHEUS_ADDRESS": address})
    (line,) = refused.value.problems
    assert re.fullmatch(r"PROMETHEUS_ADDRESS: [^\n]+", line)
    assert "sw0rdfish" not in line


def test_help_lists_every_setting() -> None:
    """--help names each setting with its default and needs none of them."""
    done = ended("--help")
    assert (done.returncode, done.stderr) == (0, "")
    for name in settings.Settings.model_fields:
        assert f"\n  {name}\n" in done.stdout
    assert "(default: 20)" in done.stdout


def test_version_is_the_packages() -> None:
    """--version prints name and version."""
    done = ended("--version")
    assert (done.returncode, done.stdout) == (0, f"aggregator {__version__}\n")


@pytest.mark.parametrize("arguments", [["--http-port=1"], ["serve"], [""]], ids=str)
def test_arguments_are_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Settings come from the environment alone: any argument ends the process with 2."""
    with pytest.raises(SystemExit) as ending:
        cli.parser().parse_args(arguments)
    assert ending.value.code == 2
    assert "unrecognized arguments" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("environ", "http"),
    [
        ({}, 8080),
        ({"HTTP_PORT": ""}, 8080),
        ({"GRPC_PORT": "8181"}, None),
        ({"AGGREGATOR_PORT": "9000"}, 9000),
        ({"AGGREGATOR_PORT": "9000", "HTTP_PORT": "9001"}, 9001),
        ({"AGGREGATOR_PORT": "9000", "GRPC_PORT": "8181"}, 9000),
    ],
    ids=str,
)
def test_the_port_of_http(environ: dict[str, str], http: int | None) -> None:
    """HTTP_PORT decides, else AGGREGATOR_PORT; without any port it is 8080, with GRPC_PORT alone there is no HTTP."""
    assert settings.read({"PROMETHEUS_ADDRESS": NOWHERE} | environ).http_port == http


# --- ports


@pytest.mark.beside
def test_only_grpc_is_only_grpc(tmp_path: Path) -> None:
    """With GRPC_PORT alone nothing else listens."""
    with running(tmp_path, PROMETHEUS_ADDRESS=NOWHERE, HTTP_PORT="", GRPC_PORT="0") as only:
        port = only.grpc
        until(lambda: call(port).code is grpc.StatusCode.UNAVAILABLE, "gRPC answers")
        connections = psutil.Process(only.process.pid).net_connections()
        assert {one.laddr.port for one in connections if one.status == psutil.CONN_LISTEN} == {port}


@pytest.mark.beside
def test_the_port_of_the_published_chart(tmp_path: Path) -> None:
    """AGGREGATOR_PORT stands in for HTTP_PORT, and no gRPC listens."""
    port = free_port()
    chart = {"HTTP_PORT": "", "GRPC_PORT": "", "AGGREGATOR_PORT": str(port)}
    with running(tmp_path, PROMETHEUS_ADDRESS=NOWHERE, **chart) as started:
        assert started.http == port
        assert ask(port, "/healthz").status == 200
        assert [line["server"] for line in started.events("listening")] == ["http"]


@pytest.mark.parametrize("setting", ["HTTP_PORT", "GRPC_PORT"])
def test_a_taken_port_is_one_line(gateway: Gateway, setting: str) -> None:
    """On a port of another gateway the process ends with 1 and one line with setting and port; the other goes on."""
    port = str(gateway.http if setting == "HTTP_PORT" else gateway.grpc)
    done = ended(PROMETHEUS_ADDRESS=NOWHERE, **{"HTTP_PORT": "0", "GRPC_PORT": "0", setting: port})
    assert done.returncode == 1
    plain = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    assert plain == [f"{setting}: cannot listen on 127.0.0.1:{port}: the port is in use"]
    assert ask(gateway.http).status == 200
    assert call(gateway.grpc).code is grpc.StatusCode.OK


@pytest.mark.parametrize("host", ["192.0.2.1", "x" * 70, ".."])
def test_a_host_that_cannot_be_had_is_one_line(host: str) -> None:
    """A host that is not ours, or no name at all, is told in one line with setting, host and port."""
    with pytest.raises(PortInUseError, match=rf"^HTTP_\w+: cannot listen on {re.escape(host)}:0: [^\n]+$"):
        listener("HTTP", host, 0)
