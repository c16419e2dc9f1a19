"""The gateway with an upstream that is unreachable, recovers, rejects requests, or redirects."""

import base64
import contextlib
import json
import time
from pathlib import Path
from urllib.parse import quote

import grpc
import pytest
from grpc_health.v1 import health_pb2

from demo import prometheus
from demo.prometheus import ScrapedExposition, find_free_port, obtain_prometheus, write_blocks
from tests.integration import misbehaving_upstreams
from tests.integration.client_load import run_load
from tests.integration.fleet_exposition import SMALL_NODE_COUNT, build_fleet_exposition
from tests.integration.gateway_process import run_gateway, wait_until
from tests.server.auth.signed_tokens import FakeRealm
from tests.support.catalog import CATALOG
from tests.support.grpc_client import call_method, get_health_status, open_channel
from tests.support.http_client import ClientResponse, send_request

pytestmark = pytest.mark.concurrent


def test_the_gateway_waits_for_prometheus(tmp_path: Path) -> None:
    """Without Prometheus the gateway runs and reports the reason; it becomes ready when Prometheus starts."""
    port = find_free_port()
    with run_gateway(tmp_path, PROMETHEUS_ADDRESS=f"http://127.0.0.1:{port}/") as gateway:
        reason = f"no topology yet: query oldest_sample at 127.0.0.1:{port}: connection refused"
        wait_until(lambda: send_request(gateway.http_port).json().get("error") == reason, "the reason of the failure")
        assert send_request(gateway.http_port, "/healthz").status == 200
        ready = send_request(gateway.http_port, "/readyz")
        assert (ready.status, ready.json()) == (503, {"error": reason})
        response = send_request(gateway.http_port, "/aggregator")
        assert (response.status, response.json()) == (503, {"error": reason})
        assert int(response.headers["Retry-After"]) >= 1
        reply = call_method(gateway.grpc_port)
        assert (reply.code, reply.details) == (grpc.StatusCode.UNAVAILABLE, reason)
        with open_channel(gateway.grpc_port) as channel:
            assert get_health_status(channel) == health_pb2.HealthCheckResponse.NOT_SERVING
            write_blocks(
                obtain_prometheus(),
                tmp_path / "data",
                [ScrapedExposition(build_fleet_exposition(SMALL_NODE_COUNT), time.time())],
            )
            with prometheus.run_prometheus(tmp_path, port=port):
                wait_until(
                    lambda: send_request(gateway.http_port, "/readyz").status == 200, "ready after Prometheus appeared"
                )
                assert send_request(gateway.http_port).json()["cluster"]["edge-a"]["node"].keys() == {
                    "node-0",
                    "node-1",
                }
                assert call_method(gateway.grpc_port).code is grpc.StatusCode.OK
                wait_until(lambda: get_health_status(channel) == health_pb2.HealthCheckResponse.SERVING, "healthy")


def test_an_outage_under_load(tmp_path: Path) -> None:
    """While Prometheus is down, clients get the last topology marked as incomplete until MAX_STALE, then errors."""
    port, max_stale = find_free_port(), 5
    write_blocks(
        obtain_prometheus(),
        tmp_path / "data",
        [ScrapedExposition(build_fleet_exposition(SMALL_NODE_COUNT), time.time())],
    )
    with contextlib.ExitStack() as running_prometheus:
        running_prometheus.enter_context(prometheus.run_prometheus(tmp_path, port=port))
        with run_gateway(tmp_path, PROMETHEUS_ADDRESS=f"http://127.0.0.1:{port}", MAX_STALE=str(max_stale)) as gateway:
            wait_until(lambda: send_request(gateway.http_port, "/readyz").status == 200, "ready")
            with run_load(gateway, 4, 2) as clients:
                wait_until(lambda: clients.has_latest("OK", is_complete=True), "complete responses")
                stopped_at = time.monotonic()
                running_prometheus.close()
                wait_until(lambda: clients.has_latest("OK", is_complete=False), "incomplete responses", max_stale)
                wait_until(
                    lambda: clients.has_latest("UNAVAILABLE", is_complete=False), "unavailable responses", max_stale + 3
                )
                with prometheus.run_prometheus(tmp_path, port=port):
                    restarted_at = time.monotonic()
                    wait_until(lambda: clients.has_latest("OK", is_complete=True), "complete responses again")
                    assert send_request(gateway.http_port, "/readyz").status == 200
            assert gateway.process.poll() is None
    responses = sorted(clients.responses, key=lambda response: response.received_at)
    assert {response.outcome for response in responses} == {"OK", "UNAVAILABLE"}
    for protocol in ("http", "grpc"):
        protocol_responses = [response for response in responses if response.protocol == protocol]
        assert all(response.is_complete for response in protocol_responses if response.received_at < stopped_at)
        unavailable_at = [response.received_at for response in protocol_responses if response.outcome == "UNAVAILABLE"]
        # The last refresh may have begun a little before Prometheus stopped.
        assert unavailable_at[0] - stopped_at > max_stale - 1.5
        # The last refresh may have used cached answers for some rows, whose age is higher.
        assert max(response.age_seconds for response in protocol_responses if response.outcome == "OK") in (
            max_stale - 1,
            max_stale,
        )
        outcomes = [
            response.outcome
            for response in protocol_responses
            if unavailable_at[0] <= response.received_at < restarted_at
        ]
        assert set(outcomes) == {"UNAVAILABLE"}
    assert gateway.find_events("refresh failed")


@pytest.mark.parametrize(("status", "expected"), [(401, "HTTP 401"), (200, "<html>")], ids=["unauthorized", "HTML"])
def test_upstream_errors_are_reported_without_credentials(tmp_path: Path, status: int, expected: str) -> None:
    """Upstream errors are reported in the log and to clients, without the credentials."""
    with (
        misbehaving_upstreams.run_fixed_upstream(status, b"<html>please log in</html>", {}) as (address, requests),
        run_gateway(
            tmp_path, PROMETHEUS_ADDRESS=f"http://scraper:sw0rdfish@{address}/prom/", LOG_LEVEL="debug"
        ) as gateway,
    ):
        reason = wait_until(lambda: gateway.find_events("refresh failed"), "the failure is logged")[0]["reason"]
        response = send_request(gateway.http_port)
    assert response.status == 503
    assert reason.startswith(f"query oldest_sample at {address}/prom: ")
    assert expected in reason
    assert response.json() == {"error": f"no topology yet: {reason}"}
    assert all(request.startswith(("/prom/api/v1/query?", "/prom/api/v1/stores ")) for request in requests)
    assert requests[0].endswith("Basic c2NyYXBlcjpzdzByZGZpc2g=")
    assert_no_password(gateway.log, response)


def test_a_reflected_password_is_redacted(tmp_path: Path) -> None:
    """A password in an upstream error, decoded or as sent, appears neither in the log nor in responses."""
    password = 'pa"ss\\wörd99'
    encoded = base64.b64encode(f"scraper:{password}".encode()).decode()
    body = json.dumps({"error": f"no tenant has {password} or {encoded}", "errorType": "x"}).encode()
    with misbehaving_upstreams.run_fixed_upstream(503, body, {}) as (address, _requests):
        expected = f"no topology yet: query oldest_sample at {address}: HTTP 503: x: no tenant has *** or ***"
        url = f"http://scraper:{quote(password, safe='')}@{address}"
        with run_gateway(tmp_path, PROMETHEUS_ADDRESS=url) as gateway:
            wait_until(lambda: gateway.find_events("refresh failed"), "the failure is logged")
            messages = [send_request(gateway.http_port, path).json()["error"] for path in ("/", "/readyz")]
            messages.append(call_method(gateway.grpc_port).details)
    assert set(messages) == {expected}


def test_unauthenticated_readiness_hides_upstream_errors(tmp_path: Path) -> None:
    """With KEY, /readyz without a token does not contain the error of the upstream."""
    body = json.dumps({"error": "tenant edge-7 is away"}).encode()
    with (
        misbehaving_upstreams.run_fixed_upstream(503, body, {}) as (address, _requests),
        run_gateway(tmp_path, PROMETHEUS_ADDRESS=f"http://{address}", KEY=FakeRealm().key_setting) as gateway,
    ):
        wait_until(lambda: gateway.find_events("refresh failed"), "the failure is logged")
        response = send_request(gateway.http_port, "/readyz")
    assert (response.status, response.json()) == (503, {"error": "no topology yet"})
    assert "tenant edge-7 is away" in gateway.find_events("refresh failed")[0]["reason"]


def assert_no_password(log: str, response: ClientResponse) -> None:
    """Fail if the log or a response contains the password, decoded or as sent."""
    for text in (log, response.body.decode(), str(response.headers)):
        assert "sw0rdfish" not in text
        assert "c2NyYXBlcjpzdzByZGZpc2g" not in text


def test_redirects_to_other_hosts_get_no_credentials(tmp_path: Path) -> None:
    """The target host of a redirect does not get the credentials."""
    with contextlib.ExitStack() as stack:
        other_address, redirected_requests = stack.enter_context(misbehaving_upstreams.run_fixed_upstream(403, b"", {}))
        # Another name of the same machine is another host.
        location = {"Location": f"http://localhost:{other_address.partition(':')[2]}/login"}
        address, requests = stack.enter_context(misbehaving_upstreams.run_fixed_upstream(302, b"", location))
        gateway = stack.enter_context(run_gateway(tmp_path, PROMETHEUS_ADDRESS=f"http://scraper:sw0rdfish@{address}"))
        wait_until(lambda: gateway.find_events("refresh failed"), "the failure is logged")
        response = send_request(gateway.http_port)
    assert requests
    assert all(request.endswith(" None") for request in redirected_requests)
    assert_no_password(gateway.log, response)


def test_a_redirect_loop_causes_few_requests(tmp_path: Path) -> None:
    """A redirect loop causes at most two requests per query and is logged."""
    with (
        misbehaving_upstreams.run_fixed_upstream(302, b"", {"Location": "/login"}) as (address, requests),
        run_gateway(tmp_path, PROMETHEUS_ADDRESS=f"http://{address}", REFRESH_INTERVAL="60") as gateway,
    ):
        failures = wait_until(lambda: gateway.find_events("refresh failed"), "the failure is logged")
    assert "redirect" in failures[0]["reason"].lower()
    assert len(requests) <= 2 * (len(CATALOG) + 1)


def test_a_password_is_sent_as_utf_8(tmp_path: Path) -> None:
    """A password with characters beyond Latin-1 is sent as UTF-8 (RFC 7617)."""
    with (
        misbehaving_upstreams.run_fixed_upstream(401, b"", {}) as (address, requests),
        run_gateway(tmp_path, PROMETHEUS_ADDRESS=f"http://u:p%E2%82%AC@{address}") as gateway,
    ):
        failures = wait_until(lambda: gateway.find_events("refresh failed"), "a failure")
    assert failures[0]["event"] == "refresh failed"
    assert requests[0].endswith("Basic dTpw4oKs")
