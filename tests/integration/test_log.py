"""The log contains no secrets and has two formats."""

import json
import signal
from pathlib import Path

import grpc
import pytest

from tests.integration.gateway_process import run_gateway, wait_until
from tests.server.auth.signed_tokens import FakeRealm
from tests.support.grpc_client import call_method
from tests.support.http_client import send_raw, send_request

pytestmark = pytest.mark.concurrent


def test_the_log_contains_no_secrets(prometheus_url: str, realm: FakeRealm, tmp_path: Path) -> None:
    """A complete run at debug level, with valid and invalid tokens, logs only JSON and no secrets."""
    url = prometheus_url.replace("//", "//scraper:sw0rdfish@")
    with run_gateway(
        tmp_path, PROMETHEUS_ADDRESS=url, KEY=realm.key_setting, LOG_LEVEL="debug", REFRESH_INTERVAL="60"
    ) as gateway:
        valid_token, invalid_token = realm.issue_token(), FakeRealm().issue_token()
        authorization = [("Authorization", f"Bearer {valid_token}")]
        wait_until(lambda: send_request(gateway.http_port, headers=authorization).status == 200, "served")
        for value in (invalid_token, f"{valid_token}.x", "eyJ.eyJ.eyJ", f"{valid_token} {valid_token}"):
            assert send_request(gateway.http_port, headers=[("Authorization", f"Bearer {value}")]).status == 401
            assert (
                call_method(gateway.grpc_port, metadata=[("authorization", f"Bearer {value}")]).code.name
                == "UNAUTHENTICATED"
            )
        assert send_request(gateway.http_port, f"/?access_token={valid_token}").status == 401
        send_raw(gateway.http_port, f"GET /\xff{valid_token} HTTP/1.1\r\n\r\n".encode("latin-1"))
        send_raw(
            gateway.http_port,
            f"GET /{valid_token} HTTP/1.1\r\nUpgrade: websocket\r\nConnection: upgrade, close\r\n\r\n".encode(),
        )
        assert (
            call_method(gateway.grpc_port, metadata=[("authorization", f"Bearer {valid_token}")]).code
            is grpc.StatusCode.OK
        )
        assert (
            call_method(gateway.grpc_port, "/x.Y/Z", [("authorization", f"Bearer {valid_token}")]).code.name
            == "UNIMPLEMENTED"
        )
        gateway.process.send_signal(signal.SIGTERM)
        assert gateway.wait_for_exit(10) == 0
    for secret in (
        "eyJ",
        realm.key_setting[40:80],
        "BEGIN",
        "sw0rdfish",
        "c2NyYXBlcjpzdzByZGZpc2g",
        "claims.example.org",
    ):
        assert secret not in gateway.log
    assert all({"event", "level", "timestamp"} <= line.keys() for line in gateway.read_log_entries())
    assert {line["level"] for line in gateway.read_log_entries()} <= {"debug", "info", "warning"}
    assert gateway.find_events("request refused")


def test_unauthenticated_grpc_causes_a_warning(prometheus_url: str, realm: FakeRealm, tmp_path: Path) -> None:
    """GRPC_AUTH=off with KEY disables tokens for gRPC only and logs a warning."""
    with run_gateway(tmp_path, PROMETHEUS_ADDRESS=prometheus_url, KEY=realm.pem.decode(), GRPC_AUTH="off") as gateway:
        wait_until(lambda: call_method(gateway.grpc_port).code is grpc.StatusCode.OK, "a gRPC response without a token")
        assert send_request(gateway.http_port).status == 401
        warnings = [line["event"] for line in gateway.read_log_entries() if line["level"] == "warning"]
    assert warnings == ["grpc requires no tokens"]


def test_the_text_log_format(prometheus_url: str, tmp_path: Path) -> None:
    """LOG_FORMAT=text writes plain text, without colours if there is no terminal."""
    with run_gateway(tmp_path, PROMETHEUS_ADDRESS=prometheus_url, LOG_FORMAT="text") as gateway:
        wait_until(lambda: "refresh succeeded" in gateway.log, "a refresh is logged")
        assert "\x1b" not in gateway.log
        with pytest.raises(json.JSONDecodeError):
            json.loads(gateway.log.splitlines()[0])
