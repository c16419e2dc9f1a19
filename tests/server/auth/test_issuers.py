"""Tokens of issuers over HTTP and gRPC, with an issuer that runs and one that is unavailable."""

import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
import structlog

from aggregator.errors import KeysUnavailableError
from aggregator.models.grant import UNRESTRICTED
from aggregator.server.auth.guard import AccessPolicy, TokenGuard
from aggregator.server.auth.jwks import (
    DISCOVERY_PATH,
    DocumentFetcher,
    IssuerKeyCache,
    JwksEndpoint,
    JwksKeySource,
    KeyRefreshPolicy,
)
from aggregator.settings.auth import parse_cluster_roles
from tests.server.auth.fake_issuers import (
    ALGORITHMS,
    ISSUER,
    OTHER_ISSUER,
    JwksPublisher,
    SigningKey,
    build_issuer_keys,
    build_jwks,
    generate_ec_key,
    generate_rsa_key,
)
from tests.server.auth.signed_tokens import ABSENT
from tests.server.auth.test_guard import SettableClock
from tests.server.auth.test_key_rotation import build_guard, get_verdict
from tests.server.running_servers import ServerPorts, run_servers
from tests.server.snapshot_provider import FakeSnapshotProvider
from tests.support.grpc_client import CallResult, call_method
from tests.support.http_client import send_request
from tests.support.scripted_server import ReceivedRequest, ScriptedServer, run_scripted_server

FIRST, CURVE, NEW = generate_rsa_key("first"), generate_ec_key("curve"), generate_rsa_key("new")


class RunningIssuer:
    """An issuer on this machine, its published keys, and servers that accept its tokens."""

    def __init__(self, issuer: ScriptedServer, ports: ServerPorts, published: list[SigningKey]) -> None:
        self.issuer = issuer
        self.ports = ports
        self.published = published

    def request_verdicts(self, token: str) -> tuple[int, grpc.StatusCode]:
        """Return the HTTP status and the gRPC code for a token."""
        call_result = send_request(self.ports.http, headers=[("Authorization", f"Bearer {token}")])
        return call_result.status, call_method(self.ports.grpc, metadata=[("authorization", f"Bearer {token}")]).code


PASSED = (200, grpc.StatusCode.OK)
REFUSED = (401, grpc.StatusCode.UNAUTHENTICATED)


@pytest.fixture
def site() -> Iterator[RunningIssuer]:
    """A running issuer with an RSA key and an EC key."""
    published = [FIRST, CURVE]

    def publish(connection: socket.socket, request: ReceivedRequest, running: ScriptedServer) -> None:
        body = build_jwks(*(key.to_jwk() for key in published))
        if request.path.endswith(DISCOVERY_PATH):
            body = json.dumps({"issuer": running.url, "jwks_uri": f"{running.url}/certs"}).encode()
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    with run_scripted_server(publish) as issuer:
        keys = JwksKeySource(
            [
                IssuerKeyCache(
                    JwksEndpoint(issuer.url), ALGORITHMS, DocumentFetcher().fetch, KeyRefreshPolicy(cooldown_seconds=0)
                )
            ]
        )
        with run_servers(FakeSnapshotProvider(), TokenGuard(keys, AccessPolicy(algorithms=ALGORITHMS))) as ports:
            yield RunningIssuer(issuer, ports, published)


def test_tokens_of_an_issuer(site: RunningIssuer) -> None:
    """Tokens with RSA and EC keys are accepted over both; the keys are found by discovery and fetched once."""
    for key in (FIRST, CURVE, FIRST):
        assert site.request_verdicts(key.issue_token(iss=site.issuer.url)) == PASSED
    assert [request.path for request in site.issuer.requests] == [DISCOVERY_PATH, "/certs"]


@pytest.mark.parametrize("changes", [{"iss": "http://elsewhere"}, {"iss": ABSENT}, {"typ": "ID"}, {"exp": 1}], ids=str)
def test_rejected_tokens_of_an_issuer(site: RunningIssuer, changes: dict[str, Any]) -> None:
    """A token that the issuer signed with another issuer claim, another type or a past expiry is rejected over both."""
    assert site.request_verdicts(FIRST.issue_token(**{"iss": site.issuer.url, **changes})) == REFUSED


def test_rotation_needs_no_restart(site: RunningIssuer) -> None:
    """A token with a new key is accepted at once, and tokens with the old key still are."""
    assert site.request_verdicts(FIRST.issue_token(iss=site.issuer.url)) == PASSED
    site.published.append(NEW)
    assert site.request_verdicts(generate_rsa_key("unknown").issue_token(iss=site.issuer.url)) == REFUSED
    assert site.request_verdicts(NEW.issue_token(iss=site.issuer.url)) == PASSED
    assert site.request_verdicts(FIRST.issue_token(iss=site.issuer.url)) == PASSED


def test_urls_in_a_token_of_an_issuer_cause_no_connection(site: RunningIssuer) -> None:
    """`jku`, `x5u` and `jwk` in a token are ignored; only the configured issuer is asked for keys."""
    with socket.create_server(("127.0.0.1", 0)) as trap:
        url = f"http://127.0.0.1:{trap.getsockname()[1]}/jwks"
        foreign_key = generate_rsa_key("first")
        for header in ({"jku": url}, {"x5u": url}, {"jwk": foreign_key.to_jwk()}, {"kid": url, "jku": url}):
            assert site.request_verdicts(foreign_key.issue_token(header, iss=site.issuer.url)) == REFUSED
            assert site.request_verdicts(foreign_key.issue_token(header, iss=url)) == REFUSED
        trap.setblocking(False)
        with pytest.raises(BlockingIOError):
            trap.accept()


def test_an_unavailable_issuer() -> None:
    """Without keys, a token gets 503 and UNAVAILABLE, and a request without a token gets 401 and UNAUTHENTICATED."""
    keys = JwksKeySource(
        [IssuerKeyCache(JwksEndpoint("http://127.0.0.1:9"), ALGORITHMS, DocumentFetcher().fetch, KeyRefreshPolicy())]
    )
    with run_servers(FakeSnapshotProvider(), TokenGuard(keys, AccessPolicy(algorithms=ALGORITHMS))) as ports:
        token = FIRST.issue_token(iss="http://127.0.0.1:9")
        answer = send_request(ports.http, headers=[("Authorization", f"Bearer {token}")])
        assert (answer.status, answer.json()) == (503, {"error": "no keys to verify tokens yet"})
        assert int(answer.headers["Retry-After"] or 0) >= 1
        assert "WWW-Authenticate" not in answer.headers
        reply = call_method(ports.grpc, metadata=[("authorization", f"Bearer {token}")])
        assert reply == CallResult(grpc.StatusCode.UNAVAILABLE, "no keys to verify tokens yet")
        assert send_request(ports.http).status == 401
        assert call_method(ports.grpc).code is grpc.StatusCode.UNAUTHENTICATED
        assert send_request(ports.http, headers=[("Authorization", "Bearer a.b.c")]).status == 401
        assert send_request(ports.http, "/healthz").status == 200


async def test_a_key_id_of_another_issuer() -> None:
    """A key ID that another issuer uses, too, does not reject a token whose own issuer was never reached: that is 503.

    Once the issuer is reached, the token is accepted, and so is one with a new key that has this ID.
    """
    mine, others, later = generate_rsa_key("same"), generate_rsa_key("same"), generate_rsa_key("new")
    publisher, clock = JwksPublisher(), SettableClock(0.0)
    publisher.publish(ISSUER, mine, NEW)
    guard = build_guard(build_issuer_keys(publisher, ISSUER, OTHER_ISSUER, schedule=KeyRefreshPolicy(clock=clock)))
    assert await get_verdict(guard, mine.issue_token()) == "passed"
    publisher.failure_reason = "unreachable"
    with pytest.raises(KeysUnavailableError):
        await guard.authorize([f"Bearer {others.issue_token(iss=OTHER_ISSUER)}".encode()])
    publisher.failure_reason = None
    publisher.publish(OTHER_ISSUER, others)
    clock.now_seconds += 31
    assert await get_verdict(guard, others.issue_token(iss=OTHER_ISSUER)) == "passed"
    publisher.publish(OTHER_ISSUER, others, later)
    clock.now_seconds += 31
    assert await get_verdict(guard, later.issue_token(iss=OTHER_ISSUER)) == "passed"


async def test_roles_of_all_issuers_count_alike() -> None:
    """A role gives the same access whichever issuer grants it, as docs/security.md says."""
    mine, others = generate_rsa_key("mine"), generate_rsa_key("others")
    publisher = JwksPublisher()
    publisher.publish(ISSUER, mine)
    publisher.publish(OTHER_ISSUER, others)
    policy = AccessPolicy(cluster_roles=dict(parse_cluster_roles("admin=*")), algorithms=ALGORITHMS)
    guard = TokenGuard(build_issuer_keys(publisher, ISSUER, OTHER_ISSUER), policy)
    for key, issuer in ((mine, ISSUER), (others, OTHER_ISSUER)):
        token = key.issue_token(iss=issuer, realm_access={"roles": ["admin"]})
        assert (await guard.authorize([f"Bearer {token}".encode()])).grant == UNRESTRICTED
        without_role = key.issue_token(iss=issuer, realm_access={"roles": []})
        assert await get_verdict(guard, without_role) == "no role for any cluster"


async def test_large_key_sets() -> None:
    """A key set is parsed on another thread, and the log line contains few key IDs, and none of the long ones."""
    publisher, published = JwksPublisher(), [NEW.to_jwk(kid=f"{number:03}" + "x" * 1000) for number in range(100)]
    publisher.documents["http://keys"] = build_jwks(*published)
    readers: set[int] = set()

    class Noting(list[str]):
        """Notes which thread goes through the algorithms, as is done for each key."""

        def __iter__(self) -> Iterator[str]:
            readers.add(threading.get_ident())
            return super().__iter__()

    issuer = IssuerKeyCache(JwksEndpoint(None, "http://keys"), Noting(ALGORITHMS), publisher.get, KeyRefreshPolicy())
    with structlog.testing.capture_logs() as lines:
        await issuer.refetch()
    assert len(issuer.keys or ()) == 100
    assert readers
    assert threading.get_ident() not in readers
    assert lines[0]["count"] == 100
    assert lines[0]["key_ids"][:2] == ["(1003 characters)"] * 2
    assert len(str(lines[0])) < 3000
