"""The program with an issuer: it starts without it, follows it, and ends in time."""

import json
import signal
import socket
from pathlib import Path

import grpc
import pytest

from aggregator.server.issuers import DISCOVERY
from demo.prometheus import free_port
from tests.integration.process import running, until
from tests.querier.peer import Peer, Request, peer
from tests.server.call import call
from tests.server.exchange import ask
from tests.server.issuing import jwks, rsa_key

KEY = rsa_key("k")

pytestmark = pytest.mark.beside


def publish(connection: socket.socket, request: Request, running_: Peer) -> None:
    """Answer as an issuer with one key."""
    body = jwks(KEY.jwk())
    if request.path == DISCOVERY:
        body = json.dumps({"issuer": running_.url, "jwks_uri": f"{running_.url}/certs"}).encode()
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))


def test_an_issuer_that_comes_later(small: str, tmp_path: Path) -> None:
    """With its issuer away the program lives, judges no token and is not ready; once it is there, all is well.

    What it logs names the issuer and the reason, and no token.
    """
    port = free_port()
    issuer = f"http://127.0.0.1:{port}"
    chosen = {"ISSUER": issuer, "CLUSTER_ROLES": "tenant=edge-?; other=x*", "LOG_LEVEL": "debug"}
    with running(tmp_path, PROMETHEUS_ADDRESS=small, **chosen) as started:
        tenant = KEY.token(iss=issuer, realm_access={"roles": ["tenant"]})
        other = KEY.token(iss=issuer, realm_access={"roles": ["other"]})
        bearing = [("Authorization", f"Bearer {tenant}")]
        until(lambda: started.events("keys not fetched"), "the issuer is missed")
        assert ask(started.http, headers=bearing).status == 503
        assert ask(started.http, "/readyz").json() == {"error": "no keys to check tokens with yet"}
        assert ask(started.http).status == 401
        with peer(publish, port):
            until(lambda: ask(started.http, "/readyz").status == 200, "ready")
            assert set(ask(started.http, headers=bearing).json()["cluster"]) == {"edge-a"}
            assert ask(started.http, headers=[("Authorization", f"Bearer {other}")]).json()["cluster"] == {}
            assert len(call(started.grpc, metadata=[("authorization", f"Bearer {tenant}")]).model.nodes) == 2
            assert call(started.grpc).code is grpc.StatusCode.UNAUTHENTICATED
        started.process.send_signal(signal.SIGTERM)
        assert started.exit_code(10) == 0
        assert {line["reason"] for line in started.events("keys not fetched")} == {"unreachable"}
        assert started.events("keys fetched")[0]["issuer"] == issuer
        assert "eyJ" not in started.log
        assert not [line for line in started.lines() if line["level"] == "error"]


def test_metrics_are_for_those_who_see_everything(small: str, tmp_path: Path) -> None:
    """With roles for clusters, /metrics needs a token that shows all of them; a port of its own needs none."""
    chosen = {"CLUSTER_ROLES": "tenant=edge-?; admin=*", "METRICS_PORT": "0", "METRICS_HOST": "127.0.0.1"}
    with peer(publish) as there, running(tmp_path, PROMETHEUS_ADDRESS=small, ISSUER=there.url, **chosen) as started:

        def status(role: str) -> int:
            token = KEY.token(iss=there.url, realm_access={"roles": [role]})
            return ask(started.http, "/metrics", headers=[("Authorization", f"Bearer {token}")]).status

        until(lambda: ask(started.http, "/readyz").status == 200, "ready")
        assert ask(started.http, "/metrics").status == 401
        assert (status("tenant"), status("admin")) == (403, 200)
        (inside,) = [line["port"] for line in started.events("listening") if line["server"] == "metrics"]
        assert b"aggregator_topology_objects" in ask(inside, "/metrics").body
