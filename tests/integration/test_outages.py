"""The program before an upstream that is away, comes back, lets nobody in, or leads elsewhere."""

import base64
import contextlib
import json
import time
from pathlib import Path
from urllib.parse import quote

import grpc
import pytest
from grpc_health.v1 import health_pb2

from aggregator.models.catalog import CATALOG
from demo import prometheus
from demo.prometheus import Moment, blocks, free_port, obtain
from tests.integration import upstream
from tests.integration.load import load
from tests.integration.process import running, until
from tests.integration.telemetry import FEW, fleet
from tests.server.call import call, channel, health
from tests.server.exchange import Answer, ask
from tests.server.tokens import Realm

pytestmark = pytest.mark.beside


def test_it_waits_for_a_prometheus_that_is_not_there_yet(tmp_path: Path) -> None:
    """With Prometheus down at the start the gateway lives and says so everywhere, and is ready once it appears."""
    port = free_port()
    with running(tmp_path, PROMETHEUS_ADDRESS=f"http://127.0.0.1:{port}/") as started:
        reason = "no topology yet: query oldest_sample: connection refused"
        until(lambda: ask(started.http).json().get("error") == reason, "the failure is told")
        assert ask(started.http, "/healthz").status == 200
        ready = ask(started.http, "/readyz")
        assert (ready.status, ready.json()) == (503, {"error": reason})
        answer = ask(started.http, "/aggregator")
        assert (answer.status, answer.json()) == (503, {"error": reason})
        assert int(answer.headers["Retry-After"]) >= 1
        reply = call(started.grpc)
        assert (reply.code, reply.details) == (grpc.StatusCode.UNAVAILABLE, reason)
        with channel(started.grpc) as opened:
            assert health(opened) == health_pb2.HealthCheckResponse.NOT_SERVING
            blocks(obtain(), tmp_path / "data", [Moment(fleet(FEW), time.time())])
            with prometheus.running(tmp_path, port=port):
                until(lambda: ask(started.http, "/readyz").status == 200, "ready after Prometheus appeared")
                assert ask(started.http).json()["cluster"]["edge-a"]["node"].keys() == {"node-0", "node-1"}
                assert call(started.grpc).code is grpc.StatusCode.OK
                until(lambda: health(opened) == health_pb2.HealthCheckResponse.SERVING, "healthy")


def test_an_outage_under_load(tmp_path: Path) -> None:
    """While Prometheus is away all get the last topology, marked, until MAX_STALE, then errors, and it recovers."""
    port, max_stale = free_port(), 3
    blocks(obtain(), tmp_path / "data", [Moment(fleet(FEW), time.time())])
    with contextlib.ExitStack() as running_prometheus:
        running_prometheus.enter_context(prometheus.running(tmp_path, port=port))
        with running(tmp_path, PROMETHEUS_ADDRESS=f"http://127.0.0.1:{port}", MAX_STALE=str(max_stale)) as started:
            until(lambda: ask(started.http, "/readyz").status == 200, "ready")
            with load(started, 4, 2) as clients:
                until(lambda: clients.sees("OK", complete=True), "both complete")
                stopped_at = time.monotonic()
                running_prometheus.close()
                until(lambda: clients.sees("OK", complete=False), "both marked", max_stale)
                until(lambda: clients.sees("UNAVAILABLE", complete=False), "both unavailable", max_stale + 3)
                with prometheus.running(tmp_path, port=port):
                    back_at = time.monotonic()
                    until(lambda: clients.sees("OK", complete=True), "both complete again")
                    assert ask(started.http, "/readyz").status == 200
            assert started.process.poll() is None
    told = sorted(clients.told, key=lambda one: one.at)
    assert {one.outcome for one in told} == {"OK", "UNAVAILABLE"}
    for protocol in ("http", "grpc"):
        mine = [one for one in told if one.by == protocol]
        assert all(one.complete for one in mine if one.at < stopped_at)
        refused = [one.at for one in mine if one.outcome == "UNAVAILABLE"]
        # The last refresh before the end may have begun a little earlier than the end.
        assert refused[0] - stopped_at > max_stale - 1.5
        # The last refresh may have been half answered: then older answers stand in, and the age is theirs.
        assert max(one.age for one in mine if one.outcome == "OK") in (max_stale - 1, max_stale)
        between = [one.outcome for one in mine if refused[0] <= one.at < back_at]
        assert set(between) == {"UNAVAILABLE"}
    assert started.events("refresh failed")


@pytest.mark.parametrize(
    ("status", "expected"), [(401, "HTTP 401"), (200, "<html>")], ids=["unauthorized", "a page for people"]
)
def test_an_upstream_that_does_not_let_in(tmp_path: Path, status: int, expected: str) -> None:
    """A refusing or wrong upstream is told in the log and in the answer, without the credentials that it was sent."""
    with (
        upstream.answering(status, b"<html>please log in</html>", {}) as (address, asked),
        running(tmp_path, PROMETHEUS_ADDRESS=f"http://scraper:sw0rdfish@{address}/prom/", LOG_LEVEL="debug") as started,
    ):
        reason = until(lambda: started.events("refresh failed"), "the failure is logged")[0]["reason"]
        answer = ask(started.http)
    assert answer.status == 503
    assert reason.startswith("query oldest_sample: ")
    assert expected in reason
    assert answer.json() == {"error": f"no topology yet: {reason}"}
    assert all(one.startswith(("/prom/api/v1/query?", "/prom/api/v1/stores ")) for one in asked)
    assert asked[0].endswith("Basic c2NyYXBlcjpzdzByZGZpc2g=")
    assert_no_password(started.log, answer)


def test_an_upstream_that_repeats_what_it_was_sent(tmp_path: Path) -> None:
    """An upstream whose words hold the password, as written or as sent, tells it to nobody: not the log, no client."""
    password = 'pa"ss\\wörd99'
    sent = base64.b64encode(f"scraper:{password}".encode()).decode()
    body = json.dumps({"error": f"no tenant has {password} or {sent}", "errorType": "x"}).encode()
    with upstream.answering(503, body, {}) as (address, _asked):
        url = f"http://scraper:{quote(password, safe='')}@{address}"
        with running(tmp_path, PROMETHEUS_ADDRESS=url) as started:
            until(lambda: started.events("refresh failed"), "the failure is logged")
            told = [ask(started.http, path).json()["error"] for path in ("/", "/readyz")]
            told.append(call(started.grpc).details)
    assert set(told) == {"no topology yet: query oldest_sample: HTTP 503: x: no tenant has *** or ***"}


def test_strangers_are_not_told_what_the_upstream_said(tmp_path: Path) -> None:
    """Where tokens are asked for, who asks for the readiness without one does not read the upstream's words."""
    body = json.dumps({"error": "tenant edge-7 is away"}).encode()
    with (
        upstream.answering(503, body, {}) as (address, _asked),
        running(tmp_path, PROMETHEUS_ADDRESS=f"http://{address}", KEY=Realm().setting) as started,
    ):
        until(lambda: started.events("refresh failed"), "the failure is logged")
        answer = ask(started.http, "/readyz")
    assert (answer.status, answer.json()) == (503, {"error": "no topology yet"})
    assert "tenant edge-7 is away" in started.events("refresh failed")[0]["reason"]


def assert_no_password(log: str, answer: Answer) -> None:
    """Fail where the log or an answer holds the password, be it as sent or as written."""
    for text in (log, answer.body.decode(), str(answer.headers)):
        assert "sw0rdfish" not in text
        assert "c2NyYXBlcjpzdzByZGZpc2g" not in text


def test_a_redirect_to_another_host_gets_no_password(tmp_path: Path) -> None:
    """A redirect is told in the log; the host that it leads to never sees the credentials."""
    with contextlib.ExitStack() as stack:
        elsewhere, seen = stack.enter_context(upstream.answering(403, b"", {}))
        # Another name for the same machine is another host.
        location = {"Location": f"http://localhost:{elsewhere.partition(':')[2]}/login"}
        address, asked = stack.enter_context(upstream.answering(302, b"", location))
        started = stack.enter_context(running(tmp_path, PROMETHEUS_ADDRESS=f"http://scraper:sw0rdfish@{address}"))
        until(lambda: started.events("refresh failed"), "the failure is logged")
        answer = ask(started.http)
    assert asked
    assert all(one.endswith(" None") for one in seen)
    assert_no_password(started.log, answer)


def test_a_redirect_is_not_a_storm(tmp_path: Path) -> None:
    """An upstream that redirects for ever is asked at most twice for each query and who it is; the log tells of it."""
    with (
        upstream.answering(302, b"", {"Location": "/login"}) as (address, asked),
        running(tmp_path, PROMETHEUS_ADDRESS=f"http://{address}", REFRESH_INTERVAL="60") as started,
    ):
        failed = until(lambda: started.events("refresh failed"), "the failure is logged")
    assert "redirect" in failed[0]["reason"].lower()
    assert len(asked) <= 2 * (len(CATALOG) + 1)


def test_a_password_of_any_letters_works(tmp_path: Path) -> None:
    """A password with letters beyond Latin-1 is sent as UTF-8, as RFC 7617 has it."""
    with (
        upstream.answering(401, b"", {}) as (address, asked),
        running(tmp_path, PROMETHEUS_ADDRESS=f"http://u:p%E2%82%AC@{address}") as started,
    ):
        failed = until(lambda: started.events("refresh failed") or started.events("refresh broke"), "a failure")
    assert failed[0]["event"] == "refresh failed"
    assert asked[0].endswith("Basic dTpw4oKs")
