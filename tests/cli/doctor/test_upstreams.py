"""Probes of upstreams: product, version, clock, and the reason of a failure."""

import contextlib
import json
import socket
import time
from collections.abc import Iterator, Mapping

import pytest

from aggregator.cli.doctor import probes
from aggregator.cli.doctor.report import Finding, UpstreamStatus
from aggregator.observability.redaction import REDACTED, Redactor
from aggregator.querier.prometheus.client import PrometheusClient, QueryLimits, UpstreamAddress
from aggregator.settings import settings
from aggregator.settings.gateway import Settings
from tests.support.scripted_server import (
    ReceivedRequest,
    ScriptedServer,
    build_http_response,
    build_sending_script,
    run_scripted_server,
    stall_response,
)

BUILD_INFO_PATH, STORES_PATH = "/api/v1/status/buildinfo", "/api/v1/stores"
NOT_FOUND = build_http_response(b"404 page not found", "404 Not Found")


def build_body(data: object) -> bytes:
    """Return the body of a successful response."""
    return json.dumps({"status": "success", "data": data}).encode()


def build_clock_body() -> bytes:
    """Return the response to vector(time())."""
    now = time.time()
    return build_body({"resultType": "vector", "result": [{"metric": {}, "value": [now, str(now)]}]})


@contextlib.contextmanager
def run_upstream(pages: Mapping[str, bytes]) -> Iterator[str]:
    """Run an upstream that responds to queries and has these pages; yield its URL."""

    def script(connection: socket.socket, request: ReceivedRequest, _running: ScriptedServer) -> None:
        reply = (
            build_http_response(build_clock_body())
            if request.path == "/api/v1/query"
            else pages.get(request.path, NOT_FOUND)
        )
        connection.sendall(reply)

    with run_scripted_server(script) as server:
        yield server.url


def inspect_upstream(url: str, *known: str) -> tuple[UpstreamStatus, list[Finding]]:
    """Return product, version and problem codes of the upstream at a URL."""
    limits, redactor = QueryLimits(5.0, 2**20, 1), Redactor(known)
    return probes.probe_upstream(
        UpstreamAddress(url, name="it"), lambda address: PrometheusClient(address, limits, redactor=redactor)
    )


@pytest.mark.parametrize(
    ("pages", "kind", "version"),
    [
        (
            {BUILD_INFO_PATH: build_http_response(build_body({"version": "2.42.0", "revision": "x"}))},
            "Prometheus",
            "2.42.0",
        ),
        ({BUILD_INFO_PATH: build_http_response(build_body({"version": "3.1.0"}))}, "Prometheus", "3.1.0"),
        (
            {
                BUILD_INFO_PATH: build_http_response(build_body({"version": "0.37.2"})),
                STORES_PATH: build_http_response(build_body({"sidecar": []})),
            },
            "Thanos",
            "0.37.2",
        ),
        ({STORES_PATH: build_http_response(build_body({}))}, "Thanos", ""),
        (
            {BUILD_INFO_PATH: build_http_response(build_body({"version": "2.15.0", "application": "Grafana Mimir"}))},
            "Grafana Mimir",
            "2.15.0",
        ),
        (
            {
                BUILD_INFO_PATH: build_http_response(
                    build_body({"version": "2.24.0"}), "200 OK", "X-Server-Hostname: vm-0"
                )
            },
            "VictoriaMetrics",
            "",
        ),
        ({BUILD_INFO_PATH: build_http_response(b"<html>")}, "unknown product with a PromQL API", ""),
        ({}, "unknown product with a PromQL API", ""),
    ],
)
def test_each_is_told_by_what_it_answers(pages: Mapping[str, bytes], kind: str, version: str) -> None:
    """Prometheus, Thanos and compatible products are identified; an unknown product can be used, too."""
    with run_upstream(pages) as url:
        status, findings = inspect_upstream(url)
    assert (status.kind, status.version, findings) == (kind, version, [])
    assert status.is_reachable


def test_what_it_calls_itself_is_short_and_no_secret() -> None:
    """Secrets in product and version are redacted, and both are truncated."""
    secret = "hunter2-hunter2"
    pages = {
        BUILD_INFO_PATH: build_http_response(
            build_body({"application": f"it {secret}", "version": "2" * 95 + secret + "3" * 1000})
        )
    }
    with run_upstream(pages) as url:
        status, _ = inspect_upstream(url, secret)
    assert (status.kind, status.version) == (f"it {REDACTED}", "2" * 95 + REDACTED + "…")


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (build_http_response(b"", "401 Unauthorized"), "needs-credentials"),
        (build_http_response(b"", "403 Forbidden"), "not-allowed"),
        (build_http_response(b"", "503 Service Unavailable"), "refuses"),
        (build_http_response(b"", "404 Not Found"), "wrong-path"),
        (build_http_response(b"<html>log in</html>"), "wrong-path"),
        (build_http_response(build_body({"resultType": "vector", "result": []})), "wrong-path"),
        (
            build_http_response(build_body({"resultType": "vector", "result": [{"metric": {}, "value": [1, "noon"]}]})),
            "wrong-path",
        ),
        (build_http_response(b"", "302 Found", "Location: http://127.0.0.2:9/"), "unreachable"),
    ],
)
def test_each_failure_has_a_code(answer: bytes, code: str) -> None:
    """Each reason of a failure has its own code."""
    with run_scripted_server(build_sending_script(answer)) as server:
        status, findings = inspect_upstream(server.url)
    assert not status.is_reachable
    assert [finding.code for finding in findings] == [code]


def test_an_upstream_that_never_responds() -> None:
    """An upstream that never responds and one that refuses connections have different codes."""
    with run_scripted_server(stall_response) as server:
        _, (finding,) = inspect_upstream(server.url)
    assert finding.code == "no-answer"


def test_probes_send_credentials_and_findings_hide_them() -> None:
    """Every probe sends the credentials of queries, and no finding contains them."""
    with run_scripted_server(build_sending_script(NOT_FOUND)) as server:
        config = settings.load_settings(
            {"PROMETHEUS_ADDRESS": f"http://ops:sw0rdfish@127.0.0.1:{server.port}/x"}, Settings
        )
        (address,) = config.upstreams
        status, findings = probes.probe_upstream(
            address, lambda each: PrometheusClient(each, QueryLimits(5.0, 2**20, 1))
        )
    assert all(request.headers["authorization"].startswith("Basic ") for request in server.requests)
    assert "sw0rdfish" not in f"{status} {findings}"
