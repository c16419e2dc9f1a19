"""Startup with valid and invalid settings, arguments and ports."""

import json
import re
import socket
from pathlib import Path

import grpc
import psutil
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from aggregator import __version__
from aggregator.cli import main
from aggregator.errors import PortInUseError, SettingsError
from aggregator.server.http.server import open_listener
from aggregator.settings import settings
from aggregator.settings.gateway import Settings
from demo.prometheus import find_free_port
from tests.integration.gateway_process import (
    UNREACHABLE_URL,
    GatewayProcess,
    run_gateway,
    run_to_completion,
    wait_until,
)
from tests.server.auth.signed_tokens import FakeRealm
from tests.support.grpc_client import call_method
from tests.support.http_client import send_request


def encode_public_key(key: "rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey") -> str:
    """Return a public key as PEM."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


# --- settings


def test_all_invalid_settings_are_reported_together() -> None:
    """With several invalid settings the exit code is 2, and each has one line that names it."""
    invalid = {"HTTP_PORT": "http", "GRPC_PORT": "65536", "REFRESH_INTERVAL": "-1", "LAYOUT": "2026", "KEY": "abc"}
    completed = run_to_completion(**invalid, LOG_LEVEL="loud", GRPC_AUTH="maybe")
    assert (completed.returncode, completed.stdout) == (2, "")
    names = {line.partition(":")[0] for line in completed.stderr.splitlines()}
    assert names == {*invalid, "PROMETHEUS_ADDRESS", "LOG_LEVEL", "GRPC_AUTH"}
    assert len(completed.stderr.splitlines()) == len(names)
    assert all("; expected: " in line for line in completed.stderr.splitlines())


INVALID_KEYS = {
    "not base64": "%%%not base64%%%",
    "not a key": "aGVsbG8gd29ybGQ=",
    "truncated key": FakeRealm().key_setting[:200],
    "1024 bits": encode_public_key(rsa.generate_private_key(65537, 1024).public_key()),  # noqa: S505 - it must be refused
    "elliptic curve": encode_public_key(ec.generate_private_key(ec.SECP256R1()).public_key()),
    "ed25519": encode_public_key(ed25519.Ed25519PrivateKey.generate().public_key()),
}


@pytest.mark.parametrize("key", INVALID_KEYS.values(), ids=INVALID_KEYS.keys())
def test_an_invalid_key_is_reported(key: str) -> None:
    """A KEY that is malformed, too short or of another type is reported in one line that does not contain it."""
    with pytest.raises(SettingsError) as error:
        settings.load_settings({"PROMETHEUS_ADDRESS": UNREACHABLE_URL, "KEY": key}, Settings)
    (line,) = error.value.problems
    assert re.fullmatch(r"KEY: [^\n]+; expected: an RSA public key [^\n]+", line)
    assert key.strip("-\n")[5:25] not in line


def test_an_invalid_key_prevents_startup() -> None:
    """With an invalid KEY the process exits with 2 and one line."""
    completed = run_to_completion(PROMETHEUS_ADDRESS=UNREACHABLE_URL, KEY=INVALID_KEYS["1024 bits"])
    assert (completed.returncode, completed.stdout) == (2, "")
    assert re.fullmatch(r"KEY: is an RSA key of 1024 bits, [^\n]+\n", completed.stderr)


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
def test_an_invalid_address_is_reported_without_its_password(address: str) -> None:
    """An invalid PROMETHEUS_ADDRESS is reported in one line that does not contain its password."""
    with pytest.raises(SettingsError) as error:
        settings.load_settings({"PROMETHEUS_ADDRESS": address}, Settings)
    (line,) = error.value.problems
    assert re.fullmatch(r"PROMETHEUS_ADDRESS: [^\n]+", line)
    assert "sw0rdfish" not in line


def test_startup_logs_the_access_of_each_server(realm: FakeRealm, tmp_path: Path) -> None:
    """Startup warns of misspelled settings without their values, and logs the access control of each server."""
    questionable = {"CLUSTER_ROLE": "sw0rdfish", "QUERY_TIMEOUT": "30", "METRICS_HOST": "127.0.0.1"}
    access = {
        "KEY": realm.key_setting,
        "REQUIRED_ROLE": "viewer",
        "GRPC_AUTH": "off",
        "METRICS_PORT": str(find_free_port()),
    }
    with run_gateway(tmp_path, PROMETHEUS_ADDRESS=UNREACHABLE_URL, **questionable, **access) as gateway:
        assert gateway.grpc_port
        (misspelled,) = gateway.find_events("unknown variable")
        assert (misspelled["variable"], misspelled["did_you_mean"]) == ("CLUSTER_ROLE", "CLUSTER_ROLES")
        assert len(gateway.find_events("setting without effect")) == 1
        access_by_server = {
            line["server"]: (line["tokens"], line["roles"], line["tls"]) for line in gateway.find_events("listening")
        }
        assert access_by_server == {
            "http": (True, True, False),
            "metrics": (False, False, False),
            "grpc": (False, False, False),
        }
        assert "sw0rdfish" not in gateway.log


@pytest.mark.parametrize("has_tokens", [False, True])
def test_a_gateway_open_to_the_network_without_tokens_warns(realm: FakeRealm, *, has_tokens: bool) -> None:
    """Startup warns once, with the settings to change, if other machines can read the topology without a token."""
    # Because its port is in use, the gateway ends before it listens on the network.
    with socket.create_server(("127.0.0.1", 0)) as taken:
        completed = run_to_completion(
            PROMETHEUS_ADDRESS=UNREACHABLE_URL,
            HTTP_HOST="",
            HTTP_PORT=str(taken.getsockname()[1]),
            KEY=realm.key_setting if has_tokens else "",
        )
    lines = [json.loads(line) for line in completed.stderr.splitlines() if line.startswith("{")]
    warnings = [(line["event"], line["advice"]) for line in lines if line["level"] == "warning"]
    expected = ("open to the network", "set ISSUER, JWKS_URL or KEY, or HTTP_HOST=127.0.0.1")
    assert warnings == ([] if has_tokens else [expected])


def test_help_lists_every_setting() -> None:
    """--help lists each setting with its default, and needs no settings."""
    completed = run_to_completion("--help")
    assert (completed.returncode, completed.stderr) == (0, "")
    for name in Settings.model_fields:
        assert f"\n  {name}\n" in completed.stdout
    assert "(default: 20 s)" in completed.stdout


def test_version_prints_the_package_version() -> None:
    """--version prints name and version."""
    completed = run_to_completion("--version")
    assert (completed.returncode, completed.stdout) == (0, f"aggregator {__version__}\n")


@pytest.mark.parametrize("arguments", [["--http-port=1"], ["serve"], [""]], ids=str)
def test_unknown_arguments_are_rejected(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Arguments that are neither a command nor an option end the program with 2."""
    with pytest.raises(SystemExit) as exit_info:
        main.build_parser().parse_args(arguments)
    assert exit_info.value.code == 2
    assert re.search("unrecognized arguments|invalid choice", capsys.readouterr().err)


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
def test_the_http_port_setting(environ: dict[str, str], http: int | None) -> None:
    """The HTTP port is HTTP_PORT, else AGGREGATOR_PORT, else 8080, or none if only GRPC_PORT is set."""
    assert settings.load_settings({"PROMETHEUS_ADDRESS": UNREACHABLE_URL} | environ, Settings).http_port == http


# --- ports


@pytest.mark.concurrent
def test_grpc_port_alone_starts_only_grpc(tmp_path: Path) -> None:
    """With GRPC_PORT alone, only the gRPC server listens."""
    with run_gateway(tmp_path, PROMETHEUS_ADDRESS=UNREACHABLE_URL, HTTP_PORT="", GRPC_PORT="0") as gateway:
        port = gateway.grpc_port
        wait_until(lambda: call_method(port).code is grpc.StatusCode.UNAVAILABLE, "a gRPC response")
        connections = psutil.Process(gateway.process.pid).net_connections()
        assert {connection.laddr.port for connection in connections if connection.status == psutil.CONN_LISTEN} == {
            port
        }


@pytest.mark.concurrent
def test_aggregator_port_starts_only_http(tmp_path: Path) -> None:
    """With AGGREGATOR_PORT alone, only the HTTP server listens."""
    port = find_free_port()
    environment = {"HTTP_PORT": "", "GRPC_PORT": "", "AGGREGATOR_PORT": str(port)}
    with run_gateway(tmp_path, PROMETHEUS_ADDRESS=UNREACHABLE_URL, **environment) as gateway:
        assert gateway.http_port == port
        assert send_request(port, "/healthz").status == 200
        assert [line["server"] for line in gateway.find_events("listening")] == ["http"]


@pytest.mark.parametrize("setting", ["HTTP_PORT", "GRPC_PORT"])
def test_a_port_in_use_is_reported(gateway: GatewayProcess, setting: str) -> None:
    """On a port of another gateway, the process exits with 1 and one line; the other gateway is not affected."""
    port = str(gateway.http_port if setting == "HTTP_PORT" else gateway.grpc_port)
    completed = run_to_completion(
        PROMETHEUS_ADDRESS=UNREACHABLE_URL, **{"HTTP_PORT": "0", "GRPC_PORT": "0", setting: port}
    )
    assert completed.returncode == 1
    lines = [line for line in completed.stderr.splitlines() if not line.startswith("{")]
    assert lines == [f"{setting}: cannot listen on 127.0.0.1:{port}: the port is in use"]
    assert send_request(gateway.http_port).status == 200
    assert call_method(gateway.grpc_port).code is grpc.StatusCode.OK


@pytest.mark.parametrize("host", ["192.0.2.1", "x" * 70, ".."])
def test_an_unusable_host_is_reported(host: str) -> None:
    """A foreign address or an invalid host name is reported with setting, host and port."""
    with pytest.raises(PortInUseError, match=rf"^HTTP_HOST: cannot listen on {re.escape(host)}:0: [^\n]+$"):
        open_listener("HTTP", host, 0)
