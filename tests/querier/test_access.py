"""How an upstream lets us in: tokens, headers, certificates, and files that change."""

import contextlib
import datetime as dt
import os
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from aggregator.errors import QueryError, UnreachableError
from aggregator.querier.access import NO_ACCESS, Access, Session
from aggregator.querier.client import Address, Client, Limits
from tests.querier.certificates import Authority, Pair
from tests.querier.peer import peer, response, sending

BODY = b'{"status":"success","data":{"resultType":"vector","result":[]}}'
LIMITS = Limits(query_seconds=5, answer_bytes=100_000, connections=2)

Make = Callable[..., Client]


@pytest.fixture
def make() -> Iterator[Make]:
    """Return a function that makes a client, and close what it made."""
    made: list[Client] = []

    def make_client(url: str, access: Access) -> Client:
        made.append(Client(Address(url), LIMITS, access))
        return made[-1]

    yield make_client
    for client in made:
        client.close()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Return an authority that nobody knows of."""
    return Authority(tmp_path)


def serving(pair: Pair, clients_of: Authority | None = None) -> ssl.SSLContext:
    """Return how a server does TLS: with its certificate, and with clients that an authority vouches for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    if clients_of is not None:
        context.load_verify_locations(clients_of.file)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def failure(client: Client) -> str:
    """Return why an exchange fails."""
    with pytest.raises(QueryError) as caught:
        client.ask("up", 1.0)
    assert isinstance(caught.value, UnreachableError)
    return str(caught.value)


def replace(path: Path, text: str) -> None:
    """Put a new file in the place of an old one, as a mounted secret changes."""
    fresh = path.with_suffix(".new")
    fresh.write_text(text, encoding="utf-8")
    fresh.rename(path)


def test_a_token_is_shown(make: Make) -> None:
    """Each query carries the bearer token."""
    with peer(sending(response(BODY))) as upstream:
        make(upstream.url, Access(token="abc.def")).ask("up", 1.0)
    assert upstream.requests[0].headers["authorization"] == "Bearer abc.def"


def test_a_token_in_a_file_is_read_again(make: Make, tmp_path: Path) -> None:
    """A new token counts from the next query on; while the file holds none, the last one does."""
    path = tmp_path / "token"
    path.write_text("one\n")
    with peer(sending(response(BODY))) as upstream:
        client = make(upstream.url, Access(token_file=str(path)))
        client.ask("up", 1.0)
        replace(path, "two")
        client.ask("up", 1.0)
        for nonsense in ("", "three\r\nX-Other: 1", "drei und vierß"):
            replace(path, nonsense)
            client.ask("up", 1.0)
        path.unlink()
        client.ask("up", 1.0)
        path.write_text("four")
        client.ask("up", 1.0)
    assert [request.headers["authorization"] for request in upstream.requests] == [
        "Bearer one",
        *["Bearer two"] * 5,
        "Bearer four",
    ]


def test_a_file_that_never_held_a_token_asks_nothing(make: Make, tmp_path: Path) -> None:
    """Without any token the upstream is not asked, and the reason is told."""
    with peer(sending(response(BODY))) as upstream:
        client = make(upstream.url, Access(token_file=str(tmp_path / "none")))
        assert failure(client) == "not asked: the file of the bearer token holds none"
    assert not upstream.requests


def test_headers_are_sent(make: Make) -> None:
    """Every query carries the extra headers."""
    with peer(sending(response(BODY))) as upstream:
        make(upstream.url, Access(headers=(("X-Scope-OrgID", "team a"), ("X-Two", "2")))).ask("up", 1.0)
    assert upstream.requests[0].headers.items() >= {"x-scope-orgid": "team a", "x-two": "2"}.items()


def test_no_password_is_looked_for_in_netrc(make: Make, tmp_path: Path) -> None:
    """What ~/.netrc holds for the host is not sent."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password hunter2\n")
    before = os.environ.get("NETRC")
    os.environ["NETRC"] = str(netrc)
    try:
        with peer(sending(response(BODY))) as upstream:
            make(upstream.url, Access()).ask("up", 1.0)
    finally:
        os.environ.pop("NETRC")
        os.environ.update({"NETRC": before} if before is not None else {})
    assert "authorization" not in upstream.requests[0].headers


@pytest.mark.parametrize(
    ("old", "new", "is_followed"),
    [
        ("http://a/x", "http://a:80/y", True),
        ("http://a:9090/x", "http://a:9090/y", True),
        ("http://a/x", "https://a/y", True),
        ("http://A/x", "https://a:443/y", True),
        ("https://a/x", "http://a/y", False),
        ("http://a:9090/x", "https://a/y", False),
        ("http://a/x", "http://a:9090/y", False),
        ("http://a/x", "https://b/y", False),
        ("http://a/x", "http://a.b/y", False),
    ],
)
def test_where_redirects_are_followed_to(old: str, new: str, is_followed: bool) -> None:
    """To the server itself and, from the usual port, to TLS on it; never to another, and never away from TLS."""
    answered, following = requests.Response(), requests.Request("GET", new).prepare()
    answered.request = requests.Request("GET", old).prepare()
    with contextlib.nullcontext() if is_followed else pytest.raises(UnreachableError), Session() as session:
        session.rebuild_auth(following, answered)


@pytest.mark.parametrize(
    "location",
    [b"", b"http://[::1/", b"http://\xff\xfe/", b"http://127.0.0.1:99999/", b"http://a:b/", b"http:///x", b"//["],
    ids=repr,
)
def test_a_redirect_to_no_place_is_told(make: Make, location: bytes) -> None:
    """Whatever stands where an upstream should say where it went, the exchange fails as others do."""
    answer = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: %b\r\n\r\n" % location
    with peer(sending(answer)) as upstream:
        assert failure(make(upstream.url, NO_ACCESS)) == "it redirects, and not to a place where a Prometheus answers"


def test_secrets_are_not_printed() -> None:
    """What a log might show has neither token nor header values in it."""
    assert "hunter2" not in repr(Access(token="hunter2", headers=(("X", "hunter2"),)))


class TestTls:
    """Upstreams with TLS."""

    def test_an_authority_of_ones_own_is_trusted(self, make: Make, authority: Authority) -> None:
        """A certificate that the named authority vouches for is accepted."""
        with peer(sending(response(BODY)), tls=serving(authority.pair("server"))) as upstream:
            assert make(upstream.url, Access(ca_file=str(authority.file))).ask("up", 1.0) == BODY

    def test_an_authority_that_is_not_trusted_is_told(self, make: Make, authority: Authority, tmp_path: Path) -> None:
        """Neither the usual authorities nor another one vouch for the certificate, and the reason says so."""
        other = Authority(tmp_path, "other")
        with peer(sending(response(BODY)), tls=serving(authority.pair("server"))) as upstream:
            for access in (Access(), Access(ca_file=str(other.file))):
                assert failure(make(upstream.url, access)) == (
                    "its certificate is not accepted: unable to get local issuer certificate"
                )

    def test_a_certificate_that_has_ended_is_told(self, make: Make, authority: Authority) -> None:
        """A certificate is good until its last day."""
        pair = authority.pair("server", lasts=-dt.timedelta(days=1))
        with peer(sending(response(BODY)), tls=serving(pair)) as upstream:
            reason = failure(make(upstream.url, Access(ca_file=str(authority.file))))
        assert reason == "its certificate is not accepted: certificate has expired"

    @pytest.mark.parametrize("host", ["127.0.0.2", "prometheus.example"])
    def test_a_certificate_of_another_host_is_told(self, make: Make, authority: Authority, host: str) -> None:
        """A certificate is good for the host that it names."""
        with peer(sending(response(BODY)), tls=serving(authority.pair("server", host))) as upstream:
            reason = failure(make(upstream.url, Access(ca_file=str(authority.file))))
        assert reason.startswith("its certificate is not accepted: ")
        assert "127.0.0.1" in reason

    def test_a_client_certificate_is_shown(self, make: Make, authority: Authority) -> None:
        """An upstream that wants one gets it; without it there is no connection."""
        client = authority.pair("client")
        access = Access(ca_file=str(authority.file), certificate_file=str(client.certificate), key_file=str(client.key))
        with peer(sending(response(BODY)), tls=serving(authority.pair("server"), authority)) as upstream:
            assert make(upstream.url, access).ask("up", 1.0) == BODY
            assert failure(make(upstream.url, Access(ca_file=str(authority.file)))).startswith("the connection broke")

    def test_changed_files_count_without_restart(self, make: Make, authority: Authority, tmp_path: Path) -> None:
        """After a change the next query makes a new connection, with what the files hold now."""
        other = Authority(tmp_path, "other")
        trusted = tmp_path / "trusted.pem"
        trusted.write_bytes(authority.file.read_bytes())
        with peer(sending(response(BODY)), tls=serving(authority.pair("server"))) as upstream:
            client = make(upstream.url, Access(ca_file=str(trusted)))
            client.ask("up", 1.0)
            client.ask("up", 1.0)
            assert upstream.connections == 1
            replace(trusted, other.file.read_text())
            assert "not accepted" in failure(client)
            replace(trusted, authority.file.read_text())
            assert client.ask("up", 1.0) == BODY
