"""The gateway with upstreams that use TLS, tokens and headers, and with several sources."""

import ssl
from pathlib import Path
from typing import Any

import pytest

from tests.integration import misbehaving_upstreams
from tests.integration.gateway_process import run_gateway, wait_until
from tests.support.certificate_authority import FileCertificateAuthority
from tests.support.grpc_client import call_method
from tests.support.http_client import send_request
from tests.support.scripted_server import build_http_response, build_sending_script, run_scripted_server

EMPTY_RESPONSE = b'{"status":"success","data":{"resultType":"vector","result":[]}}'
TOKEN, TENANT, PARAMETER = "sw0rdfish-token", "sw0rdfish-tenant", "sw0rdfish-parameter"

pytestmark = pytest.mark.concurrent


def test_upstream_requests_carry_token_and_headers_over_tls(tmp_path: Path) -> None:
    """Every request has token, headers and parameters over TLS with a client certificate; no secret is logged."""
    authority = FileCertificateAuthority(tmp_path)
    server_pair, client_pair = authority.issue("server"), authority.issue("client")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(server_pair.certificate, server_pair.key)
    tls.load_verify_locations(authority.certificate_file)
    tls.verify_mode = ssl.CERT_REQUIRED
    token = tmp_path / "token"
    token.write_text(TOKEN)
    settings = {
        "PROMETHEUS_BEARER_TOKEN_FILE": str(token),
        "PROMETHEUS_HEADERS": f"X-Scope-OrgID={TENANT}",
        "PROMETHEUS_QUERY_PARAMETERS": f"extra_label=team={PARAMETER},extra_label=a=b",
        "PROMETHEUS_CA_FILE": str(authority.certificate_file),
        "PROMETHEUS_CLIENT_CERT_FILE": str(client_pair.certificate),
        "PROMETHEUS_CLIENT_KEY_FILE": str(client_pair.key),
        "LOG_LEVEL": "debug",
    }
    with (
        run_scripted_server(build_sending_script(build_http_response(EMPTY_RESPONSE)), tls=tls) as server,
        run_gateway(tmp_path, PROMETHEUS_ADDRESS=server.url, **settings) as gateway,
    ):
        wait_until(lambda: send_request(gateway.http_port, "/readyz").status == 200, "ready")
        token.write_text("another-token")
        wait_until(
            lambda: server.requests[-1].headers["authorization"] == "Bearer another-token",
            "a request with the new token",
        )
        response = send_request(gateway.http_port)
    assert server.requests[0].headers["authorization"] == f"Bearer {TOKEN}"
    assert all(request.headers["x-scope-orgid"] == TENANT for request in server.requests)
    assert all(request.parameters["extra_label"] == [f"team={PARAMETER}", "a=b"] for request in server.requests)
    for text in (gateway.log, response.body.decode(), str(response.headers)):
        assert "sw0rdfish" not in text


def test_an_untrusted_certificate_authority_is_reported(tmp_path: Path) -> None:
    """Without the certificate authority of the upstream there is no topology, and the reason is logged."""
    server_pair = FileCertificateAuthority(tmp_path).issue("server")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(server_pair.certificate, server_pair.key)
    with (
        run_scripted_server(build_sending_script(build_http_response(EMPTY_RESPONSE)), tls=tls) as server,
        run_gateway(tmp_path, PROMETHEUS_ADDRESS=server.url, REFRESH_INTERVAL="60") as gateway,
    ):
        failures = wait_until(lambda: gateway.find_events("refresh failed"), "the failure is logged")
        assert "certificate not accepted: unable to get local issuer certificate" in failures[0]["reason"]
        assert send_request(gateway.http_port).status == 503
    assert not server.requests


def test_a_hanging_source_does_not_block_the_other_source(prometheus_url: str, tmp_path: Path) -> None:
    """While one source never responds, the other one is served as incomplete and refreshed regularly."""
    with (
        misbehaving_upstreams.run_silent_upstream() as (address, _listener),
        run_gateway(
            tmp_path,
            PROMETHEUS_ADDRESS=f"http://{address}#name=silent {prometheus_url}#name=good",
            REFRESH_TIMEOUT="1",
            QUERY_TIMEOUT="1",
        ) as gateway,
    ):
        # On a busy machine the other source may be too slow once.
        wait_until(
            lambda: has_only_silent_source_gap(gateway.find_events("refresh succeeded")[2:]),
            "a third refresh in which only one source is missing",
        )
        response, reply = send_request(gateway.http_port), call_method(gateway.grpc_port)
    assert response.json()["cluster"]["edge-a"]["node"].keys() == {"node-0", "node-1"}
    assert (response.headers["X-Topology-Complete"], reply.trailing_metadata["x-topology-complete"]) == (
        "false",
        "false",
    )
    first, *later = gateway.find_events("refresh succeeded")
    assert all(any("source silent: " in gap for gap in line["gaps"]) for line in (first, *later))
    assert min(line["duration_ms"] for line in later) < first["duration_ms"]


def has_only_silent_source_gap(refreshed: list[dict[str, Any]]) -> bool:
    """Return whether the silent source is the only gap of one of these refreshes."""
    return any(all("source silent: " in gap for gap in line["gaps"]) for line in refreshed)
