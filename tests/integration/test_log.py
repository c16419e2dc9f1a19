"""What the program's log tells, and what it never does."""

import json
import signal
from pathlib import Path

import grpc
import pytest

from tests.integration.process import running, until
from tests.server.call import call
from tests.server.exchange import ask, raw
from tests.server.tokens import Realm

pytestmark = pytest.mark.beside


def test_the_log_tells_no_secret(small: str, realm: Realm, tmp_path: Path) -> None:
    """A whole run at debug, with good and bad tokens, logs no secret and only JSON."""
    url = small.replace("//", "//scraper:sw0rdfish@")
    with running(
        tmp_path, PROMETHEUS_ADDRESS=url, KEY=realm.setting, LOG_LEVEL="debug", REFRESH_INTERVAL="60"
    ) as started:
        good, bad = realm.token(), Realm().token()
        bearing = [("Authorization", f"Bearer {good}")]
        until(lambda: ask(started.http, headers=bearing).status == 200, "served")
        for value in (bad, f"{good}.x", "eyJ.eyJ.eyJ", f"{good} {good}"):
            assert ask(started.http, headers=[("Authorization", f"Bearer {value}")]).status == 401
            assert call(started.grpc, metadata=[("authorization", f"Bearer {value}")]).code.name == "UNAUTHENTICATED"
        assert ask(started.http, f"/?access_token={good}").status == 401
        raw(started.http, f"GET /\xff{good} HTTP/1.1\r\n\r\n".encode("latin-1"))
        raw(started.http, f"GET /{good} HTTP/1.1\r\nUpgrade: websocket\r\nConnection: upgrade, close\r\n\r\n".encode())
        assert call(started.grpc, metadata=[("authorization", f"Bearer {good}")]).code is grpc.StatusCode.OK
        assert call(started.grpc, "/x.Y/Z", [("authorization", f"Bearer {good}")]).code.name == "UNIMPLEMENTED"
        started.process.send_signal(signal.SIGTERM)
        assert started.exit_code(10) == 0
    for secret in ("eyJ", realm.setting[40:80], "BEGIN", "sw0rdfish", "c2NyYXBlcjpzdzByZGZpc2g", "claims.example.org"):
        assert secret not in started.log
    assert all({"event", "level", "timestamp"} <= line.keys() for line in started.lines())
    assert {line["level"] for line in started.lines()} <= {"debug", "info", "warning"}
    assert started.events("token refused")


def test_an_open_grpc_is_warned_of(small: str, realm: Realm, tmp_path: Path) -> None:
    """GRPC_AUTH=off with KEY opens gRPC alone, and the log warns of it."""
    with running(tmp_path, PROMETHEUS_ADDRESS=small, KEY=realm.pem.decode(), GRPC_AUTH="off") as started:
        until(lambda: call(started.grpc).code is grpc.StatusCode.OK, "gRPC answers without a token")
        assert ask(started.http).status == 401
        warnings = [line["event"] for line in started.lines() if line["level"] == "warning"]
    assert warnings == ["gRPC is open to callers without tokens, as GRPC_AUTH=off says"]


def test_the_log_can_be_text(small: str, tmp_path: Path) -> None:
    """LOG_FORMAT=text writes lines for people, without colours where there is no terminal."""
    with running(tmp_path, PROMETHEUS_ADDRESS=small, LOG_FORMAT="text") as started:
        until(lambda: "refreshed" in started.log, "a refresh is logged")
        assert "\x1b" not in started.log
        with pytest.raises(json.JSONDecodeError):
            json.loads(started.log.splitlines()[0])
