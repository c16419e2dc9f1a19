"""The program before upstreams of all kinds: several of them, with TLS, tokens and headers, and one that hangs."""

import ssl
import time
from pathlib import Path

from demo.prometheus import Moment, holding
from tests.integration import upstream
from tests.integration.process import running, until
from tests.integration.telemetry import fleet
from tests.querier.certificates import Authority
from tests.querier.peer import peer, response, sending
from tests.server.call import call
from tests.server.exchange import ask

EMPTY = b'{"status":"success","data":{"resultType":"vector","result":[]}}'
TOKEN, TENANT = "sw0rdfish-token", "sw0rdfish-tenant"


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
        running(tmp_path, PROMETHEUS_ADDRESS=server.url) as started,
    ):
        failed = until(lambda: started.events("refresh failed"), "the failure is logged")
        assert "its certificate is not accepted: unable to get local issuer certificate" in failed[0]["reason"]
        assert ask(started.http).status == 503
    assert not server.requests


def test_a_source_that_hangs_and_one_that_does_not(tmp_path: Path) -> None:
    """What one source has is served, marked, while another never answers, and is refreshed again and again."""
    with (
        upstream.silent() as (address, _listener),
        holding([Moment(fleet(2), time.time())]) as good,
        running(
            tmp_path,
            PROMETHEUS_ADDRESS=f"http://{address}#name=mute {good}#name=good",
            REFRESH_TIMEOUT="1",
            QUERY_TIMEOUT="1",
        ) as started,
    ):
        until(lambda: len(started.events("refreshed")) >= 3, "refreshed three times", 20)
        answer, reply = ask(started.http), call(started.grpc)
    assert answer.json()["cluster"]["edge-a"]["node"].keys() == {"node-0", "node-1"}
    assert (answer.headers["X-Topology-Complete"], reply.trailing["x-topology-complete"]) == ("false", "false")
    first, *later = started.events("refreshed")
    assert all("source mute: " in gap for line in (first, *later) for gap in line["gaps"])
    assert max(line["took_ms"] for line in later) < first["took_ms"]
