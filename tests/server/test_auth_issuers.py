"""Tokens of issuers over both transports: servers that follow an issuer of a real network, and one that is away."""

import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
import structlog

from aggregator.errors import KeysMissingError
from aggregator.server.auth import Rules, TokenGuard
from aggregator.server.issuers import DISCOVERY, Issuer, IssuerKeys, KeyPace, Place
from aggregator.server.key_fetch import Fetching
from tests.querier.peer import Peer, Request, peer
from tests.server.call import Reply, call
from tests.server.exchange import ask
from tests.server.issuing import (
    ALGORITHMS,
    ISSUER,
    OTHER_ISSUER,
    Publisher,
    SigningKey,
    curve_key,
    issuer_keys,
    jwks,
    rsa_key,
)
from tests.server.serving import Ports, serving
from tests.server.source import CommandedSource
from tests.server.test_auth import Hands
from tests.server.test_auth_keys import guard_of, verdict
from tests.server.tokens import ABSENT

FIRST, CURVE, NEW = rsa_key("first"), curve_key("curve"), rsa_key("new")


class Site:
    """An issuer on this machine, what it publishes, and servers that take its tokens."""

    def __init__(self, issuer: Peer, ports: Ports, published: list[SigningKey]) -> None:
        self.issuer = issuer
        self.ports = ports
        self.published = published

    def verdicts(self, token: str) -> tuple[int, grpc.StatusCode]:
        """Return what HTTP and gRPC say to a token."""
        said = ask(self.ports.http, headers=[("Authorization", f"Bearer {token}")])
        return said.status, call(self.ports.grpc, metadata=[("authorization", f"Bearer {token}")]).code


PASSED = (200, grpc.StatusCode.OK)
REFUSED = (401, grpc.StatusCode.UNAUTHENTICATED)


@pytest.fixture
def site() -> Iterator[Site]:
    """An issuer with an RSA key and one on a curve."""
    published = [FIRST, CURVE]

    def publish(connection: socket.socket, request: Request, running: Peer) -> None:
        body = jwks(*(key.jwk() for key in published))
        if request.path.endswith(DISCOVERY):
            body = json.dumps({"issuer": running.url, "jwks_uri": f"{running.url}/certs"}).encode()
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    with peer(publish) as issuer:
        keys = IssuerKeys([Issuer(Place(issuer.url), ALGORITHMS, Fetching().get, KeyPace(cooldown_seconds=0))])
        with serving(CommandedSource(), TokenGuard(keys, Rules(ALGORITHMS))) as ports:
            yield Site(issuer, ports, published)


def test_tokens_of_an_issuer(site: Site) -> None:
    """Tokens by RSA and by curve pass on both transports; the keys are found by discovery and fetched once."""
    for key in (FIRST, CURVE, FIRST):
        assert site.verdicts(key.token(iss=site.issuer.url)) == PASSED
    assert [request.path for request in site.issuer.requests] == [DISCOVERY, "/certs"]


@pytest.mark.parametrize("changes", [{"iss": "http://elsewhere"}, {"iss": ABSENT}, {"typ": "ID"}, {"exp": 1}], ids=str)
def test_tokens_of_an_issuer_that_do_not_pass(site: Site, changes: dict[str, Any]) -> None:
    """A token that the issuer's key signed with another issuer, of another type or expired, is refused on both."""
    assert site.verdicts(FIRST.token(**{"iss": site.issuer.url, **changes})) == REFUSED


def test_rotation_needs_no_restart(site: Site) -> None:
    """A token of a key that is new passes at once, beside those of the old key."""
    assert site.verdicts(FIRST.token(iss=site.issuer.url)) == PASSED
    site.published.append(NEW)
    assert site.verdicts(rsa_key("unknown").token(iss=site.issuer.url)) == REFUSED
    assert site.verdicts(NEW.token(iss=site.issuer.url)) == PASSED
    assert site.verdicts(FIRST.token(iss=site.issuer.url)) == PASSED


def test_a_token_that_names_a_place_makes_no_connection_for_an_issuer(site: Site) -> None:
    """jku, x5u and jwk lead nowhere, and the issuer alone is asked."""
    with socket.create_server(("127.0.0.1", 0)) as trap:
        url = f"http://127.0.0.1:{trap.getsockname()[1]}/jwks"
        stranger = rsa_key("first")
        for header in ({"jku": url}, {"x5u": url}, {"jwk": stranger.jwk()}, {"kid": url, "jku": url}):
            assert site.verdicts(stranger.token(header, iss=site.issuer.url)) == REFUSED
            assert site.verdicts(stranger.token(header, iss=url)) == REFUSED
        trap.setblocking(False)
        with pytest.raises(BlockingIOError):
            trap.accept()


def test_an_issuer_that_is_away() -> None:
    """While there are no keys a token is answered with 503 and UNAVAILABLE, and no token with 401, on both."""
    keys = IssuerKeys([Issuer(Place("http://127.0.0.1:9"), ALGORITHMS, Fetching().get, KeyPace())])
    with serving(CommandedSource(), TokenGuard(keys, Rules(ALGORITHMS))) as ports:
        token = FIRST.token(iss="http://127.0.0.1:9")
        answer = ask(ports.http, headers=[("Authorization", f"Bearer {token}")])
        assert (answer.status, answer.json()) == (503, {"error": "the keys to check tokens with are not there yet"})
        assert int(answer.headers["Retry-After"] or 0) >= 1
        assert "WWW-Authenticate" not in answer.headers
        reply = call(ports.grpc, metadata=[("authorization", f"Bearer {token}")])
        assert reply == Reply(grpc.StatusCode.UNAVAILABLE, "the keys to check tokens with are not there yet")
        assert ask(ports.http).status == 401
        assert call(ports.grpc).code is grpc.StatusCode.UNAUTHENTICATED
        assert ask(ports.http, headers=[("Authorization", "Bearer a.b.c")]).status == 401
        assert ask(ports.http, "/healthz").status == 200


async def test_an_id_of_another_issuer_is_no_answer() -> None:
    """An id that another issuer uses, too, does not refuse a token whose own issuer was never heard: that is 503.

    Once it is heard, the token passes, and so does one of a key that takes over that id.
    """
    mine, others, later = rsa_key("same"), rsa_key("same"), rsa_key("new")
    publisher, clock = Publisher(), Hands(0.0)
    publisher.publish(ISSUER, mine, NEW)
    guard = guard_of(issuer_keys(publisher, ISSUER, OTHER_ISSUER, pace=KeyPace(clock=clock)))
    assert await verdict(guard, mine.token()) == "passed"
    publisher.reason = "unreachable"
    with pytest.raises(KeysMissingError):
        await guard.admit([f"Bearer {others.token(iss=OTHER_ISSUER)}".encode()])
    publisher.reason = None
    publisher.publish(OTHER_ISSUER, others)
    clock.at += 31
    assert await verdict(guard, others.token(iss=OTHER_ISSUER)) == "passed"
    publisher.publish(OTHER_ISSUER, others, later)
    clock.at += 31
    assert await verdict(guard, later.token(iss=OTHER_ISSUER)) == "passed"


async def test_many_keys_are_read_aside_and_logged_in_short() -> None:
    """A key set is read on another thread than the loop's, and a line of the log holds few of its ids, none long."""
    publisher, published = Publisher(), [NEW.jwk(kid=f"{number:03}" + "x" * 1000) for number in range(100)]
    publisher.documents["http://keys"] = jwks(*published)
    readers: set[int] = set()

    class Noting(list[str]):
        """Notes which thread goes through the algorithms, as is done for each key."""

        def __iter__(self) -> Iterator[str]:
            readers.add(threading.get_ident())
            return super().__iter__()

    issuer = Issuer(Place(None, "http://keys"), Noting(ALGORITHMS), publisher.get, KeyPace())
    with structlog.testing.capture_logs() as lines:
        await issuer.look_again()
    assert len(issuer.keys or ()) == 100
    assert readers
    assert threading.get_ident() not in readers
    assert lines[0]["number"] == 100
    assert lines[0]["keys"][:2] == ["(1003 characters)"] * 2
    assert len(str(lines[0])) < 3000
