"""The program before upstreams of all kinds: several of them, with TLS, tokens and headers, and one that hangs."""

import ssl
from pathlib import Path
from typing import Any

import pytest

from tests.integration import upstream
from tests.integration.process import running, until
from tests.querier.certificates import Authority
from tests.querier.peer import peer, response, sending
from tests.server.call import call
from tests.server.exchange import ask

EMPTY = b'{"status":"success","data":{"resultType":"vector","result":[]}}'
TOKEN, TENANT = "sw0rdfish-token", "sw0rdfish-tenant"

pytestmark = pytest.mark.beside


def test_tls_token_and_headers(tmp_path: Path) -> None:
    """Every request to the upstream carries token and headers under TLS of its own authority; no secret is told."""
    authority = Authority(tmp_path)
    pair, mine = authority.pair("server"), authority.pair("client")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pair.certificate, pair.key)
    tls.load_verify_locations(authority.file)
    tls.verify_mode = ssl.CERT_REQUIRED
    token = tmp_path / "token"
    token.write_text(TOKEN)
    settings = {
        "PROMETHEUS_BEARER_TOKEN_FILE": str(token),
        "PROMETHEUS_HEADERS": f"X-Scope-OrgID={TENANT}",
        "PROMETHEUS_CA_FILE": str(authority.file),
        "PROMETHEUS_CLIENT_CERT_FILE": str(mine.certificate),
        "PROMETHEUS_CLIENT_KEY_FILE": str(mine.key),
        "LOG_LEVEL": "debug",
    }
    with (
        peer(sending(response(EMPTY)), tls=tls) as server,
        running(tmp_path, PROMETHEUS_ADDRESS=server.url, **settings) as started,
    ):
        until(lambda: ask(started.http, "/readyz").status == 200, "ready")
        token.write_text("another-token")
        until(lambda: server.requests[-1].headers["authorization"] == "Bearer another-token", "the new token is shown")
        answer = ask(started.http)
    assert server.requests[0].headers["authorization"] == f"Bearer {TOKEN}"
    assert all(request.headers["x-scope-orgid"] == TENANT for request in server.requests)
    for text in (started.log, answer.body.decode(), str(answer.headers)):
        assert "sw0rdfish" not in text


def test_an_authority_that_is_not_trusted(tmp_path: Path) -> None:
    """Without the upstream's authority there is no topology, and clients and log are told why."""
    pair = Authority(tmp_path).pair("server")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pair.certificate, pair.key)
    with (
        peer(sending(response(EMPTY)), tls=tls) as server,
        running(tmp_path, PROMETHEUS_ADDRESS=server.url, REFRESH_INTERVAL="60") as started,
    ):
        failed = until(lambda: started.events("refresh failed"), "the failure is logged")
        assert "its certificate is not accepted: unable to get local issuer certificate" in failed[0]["reason"]
        assert ask(started.http).status == 503
    assert not server.requests


def test_a_source_that_hangs_and_one_that_does_not(small: str, tmp_path: Path) -> None:
    """What one source has is served, marked, while another never answers, and is refreshed again and again."""
    with (
        upstream.silent() as (address, _listener),
        running(
            tmp_path,
            PROMETHEUS_ADDRESS=f"http://{address}#name=mute {small}#name=good",
            REFRESH_TIMEOUT="1",
            QUERY_TIMEOUT="1",
        ) as started,
    ):
        # On a machine that is busy the good one, too, may once be too slow.
        until(lambda: has_only_the_mute_as_gap(started.events("refreshed")[2:]), "refreshed three times")
        answer, reply = ask(started.http), call(started.grpc)
    assert answer.json()["cluster"]["edge-a"]["node"].keys() == {"node-0", "node-1"}
    assert (answer.headers["X-Topology-Complete"], reply.trailing["x-topology-complete"]) == ("false", "false")
    first, *later = started.events("refreshed")
    assert all(any("source mute: " in gap for gap in line["gaps"]) for line in (first, *later))
    assert min(line["took_ms"] for line in later) < first["took_ms"]


def has_only_the_mute_as_gap(refreshed: list[dict[str, Any]]) -> bool:
    """Return whether one of these refreshes missed the source that never answers, and nothing else."""
    return any(all("source mute: " in gap for gap in line["gaps"]) for line in refreshed)
