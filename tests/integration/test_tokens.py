"""The gateway with an issuer of tokens."""

import json
import signal
import socket
from pathlib import Path

import grpc
import pytest

from aggregator.server.auth.jwks import DISCOVERY_PATH
from demo.prometheus import find_free_port
from tests.integration.gateway_process import run_gateway, wait_until
from tests.server.auth.fake_issuers import build_jwks, generate_rsa_key
from tests.support.grpc_client import call_method
from tests.support.http_client import send_request
from tests.support.scripted_server import ReceivedRequest, ScriptedServer, run_scripted_server

KEY = generate_rsa_key("k")

pytestmark = pytest.mark.concurrent


def publish_keys(connection: socket.socket, request: ReceivedRequest, server: ScriptedServer) -> None:
    """Respond as an issuer with one key."""
    body = build_jwks(KEY.to_jwk())
    if request.path == DISCOVERY_PATH:
        body = json.dumps({"issuer": server.url, "jwks_uri": f"{server.url}/certs"}).encode()
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))


def test_the_gateway_waits_for_its_issuer(prometheus_url: str, tmp_path: Path) -> None:
    """While its issuer is down, the gateway is not ready and returns 503; it recovers when the issuer starts.

    The log contains the issuer and the reason, but no token.
    """
    port = find_free_port()
    issuer = f"http://127.0.0.1:{port}"
    settings = {"ISSUER": issuer, "CLUSTER_ROLES": "tenant=edge-?; other=x*", "LOG_LEVEL": "debug"}
    with run_gateway(tmp_path, PROMETHEUS_ADDRESS=prometheus_url, **settings) as gateway:
        tenant_token = KEY.issue_token(iss=issuer, realm_access={"roles": ["tenant"]})
        other_token = KEY.issue_token(iss=issuer, realm_access={"roles": ["other"]})
        authorization = [("Authorization", f"Bearer {tenant_token}")]
        wait_until(lambda: gateway.find_events("keys not fetched"), "a failed fetch of keys")
        assert send_request(gateway.http_port, headers=authorization).status == 503
        assert send_request(gateway.http_port, "/readyz").json() == {"error": "no keys to verify tokens yet"}
        assert send_request(gateway.http_port).status == 401
        with run_scripted_server(publish_keys, port):
            wait_until(lambda: send_request(gateway.http_port, "/readyz").status == 200, "ready")
            assert set(send_request(gateway.http_port, headers=authorization).json()["cluster"]) == {"edge-a"}
            assert (
                send_request(gateway.http_port, headers=[("Authorization", f"Bearer {other_token}")]).json()["cluster"]
                == {}
            )
            assert (
                len(call_method(gateway.grpc_port, metadata=[("authorization", f"Bearer {tenant_token}")]).model.nodes)
                == 2
            )
            assert call_method(gateway.grpc_port).code is grpc.StatusCode.UNAUTHENTICATED
        gateway.process.send_signal(signal.SIGTERM)
        assert gateway.wait_for_exit(10) == 0
        assert {line["reason"] for line in gateway.find_events("keys not fetched")} == {"connection refused"}
        assert gateway.find_events("keys fetched")[0]["issuer"] == issuer
        assert "eyJ" not in gateway.log
        assert not [line for line in gateway.read_log_entries() if line["level"] == "error"]


def test_metrics_need_a_grant_for_all_clusters(prometheus_url: str, tmp_path: Path) -> None:
    """With CLUSTER_ROLES, /metrics needs a token with a grant for all clusters; the metrics port needs none."""
    settings = {"CLUSTER_ROLES": "tenant=edge-?; admin=*", "METRICS_PORT": "0", "METRICS_HOST": "127.0.0.1"}
    with (
        run_scripted_server(publish_keys) as issuer,
        run_gateway(tmp_path, PROMETHEUS_ADDRESS=prometheus_url, ISSUER=issuer.url, **settings) as gateway,
    ):

        def get_status(role: str) -> int:
            token = KEY.issue_token(iss=issuer.url, realm_access={"roles": [role]})
            return send_request(gateway.http_port, "/metrics", headers=[("Authorization", f"Bearer {token}")]).status

        wait_until(lambda: send_request(gateway.http_port, "/readyz").status == 200, "ready")
        assert send_request(gateway.http_port, "/metrics").status == 401
        assert (get_status("tenant"), get_status("admin")) == (403, 200)
        (metrics_port,) = [line["port"] for line in gateway.find_events("listening") if line["server"] == "metrics"]
        assert b"aggregator_topology_objects" in send_request(metrics_port, "/metrics").body
