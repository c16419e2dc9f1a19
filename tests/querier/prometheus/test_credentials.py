"""Credentials for upstreams: tokens, headers, certificates, and files that change."""

import contextlib
import datetime as dt
import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from aggregator.errors import QueryError, UnreachableError
from aggregator.observability.redaction import PATTERN_REDACTOR
from aggregator.querier.prometheus.client import PrometheusClient, QueryLimits, SameOriginSession, UpstreamAddress
from aggregator.querier.prometheus.credentials import NO_CREDENTIALS, UpstreamCredentials
from tests.support.certificate_authority import FileCertificateAuthority, KeyPairFiles
from tests.support.scripted_server import build_http_response, build_sending_script, run_scripted_server

EMPTY_BODY = b'{"status":"success","data":{"resultType":"vector","result":[]}}'
LIMITS = QueryLimits(query_timeout_seconds=5, max_response_bytes=100_000, max_connections=2)

ClientFactory = Callable[..., PrometheusClient]


@pytest.fixture
def make() -> Iterator[ClientFactory]:
    """Return a function that creates a client, and close what it created."""
    created: list[PrometheusClient] = []

    def make_client(url: str, access: UpstreamCredentials) -> PrometheusClient:
        created.append(PrometheusClient(UpstreamAddress(url), LIMITS, access))
        return created[-1]

    yield make_client
    for client in created:
        client.close()


@pytest.fixture
def authority(tmp_path: Path) -> FileCertificateAuthority:
    """Return a certificate authority that nobody trusts by default."""
    return FileCertificateAuthority(tmp_path)


def build_server_context(
    pair: KeyPairFiles, client_authority: FileCertificateAuthority | None = None
) -> ssl.SSLContext:
    """Return the TLS context of a server: its certificate, and the authority of accepted clients."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    if client_authority is not None:
        context.load_verify_locations(client_authority.certificate_file)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def get_failure(client: PrometheusClient) -> str:
    """Return the error text of a query that fails."""
    with pytest.raises(QueryError) as caught:
        client.query("up", 1.0)
    assert isinstance(caught.value, UnreachableError)
    return str(caught.value)


def replace_file(path: Path, text: str) -> None:
    """Replace a file atomically, like a mounted secret."""
    fresh = path.with_suffix(".new")
    fresh.write_text(text, encoding="utf-8")
    fresh.rename(path)


def test_a_token_is_sent(make: ClientFactory) -> None:
    """Each query has the bearer token."""
    with run_scripted_server(build_sending_script(build_http_response(EMPTY_BODY))) as upstream:
        make(upstream.url, UpstreamCredentials(token="abc.def")).query("up", 1.0)
    assert upstream.requests[0].headers["authorization"] == "Bearer abc.def"


def test_a_token_in_a_file_is_read_again(make: ClientFactory, tmp_path: Path) -> None:
    """A new token is used from the next query on; while the file contains none, the previous one is."""
    path = tmp_path / "token"
    path.write_text("one\n")
    with run_scripted_server(build_sending_script(build_http_response(EMPTY_BODY))) as upstream:
        client = make(upstream.url, UpstreamCredentials(token_file=str(path)))
        client.query("up", 1.0)
        replace_file(path, "two")
        client.query("up", 1.0)
        for nonsense in ("", "three\r\nX-Other: 1", "drei und vierß"):
            replace_file(path, nonsense)
            client.query("up", 1.0)
        path.unlink()
        client.query("up", 1.0)
        path.write_text("four")
        client.query("up", 1.0)
    assert [request.headers["authorization"] for request in upstream.requests] == [
        "Bearer one",
        *["Bearer two"] * 5,
        "Bearer four",
    ]


def test_a_file_without_a_token_prevents_queries(make: ClientFactory, tmp_path: Path) -> None:
    """Without a token no query is sent, and the error says why."""
    with run_scripted_server(build_sending_script(build_http_response(EMPTY_BODY))) as upstream:
        client = make(upstream.url, UpstreamCredentials(token_file=str(tmp_path / "none")))
        assert get_failure(client) == "not sent: the bearer token file contains no token"
    assert not upstream.requests


def test_headers_are_sent(make: ClientFactory) -> None:
    """Each query has the extra headers."""
    with run_scripted_server(build_sending_script(build_http_response(EMPTY_BODY))) as upstream:
        make(upstream.url, UpstreamCredentials(headers=(("X-Scope-OrgID", "team a"), ("X-Two", "2")))).query("up", 1.0)
    assert upstream.requests[0].headers.items() >= {"x-scope-orgid": "team a", "x-two": "2"}.items()


def test_netrc_is_not_read(make: ClientFactory, tmp_path: Path) -> None:
    """Credentials in ~/.netrc are not sent."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password hunter2\n")
    before = os.environ.get("NETRC")
    os.environ["NETRC"] = str(netrc)
    try:
        with run_scripted_server(build_sending_script(build_http_response(EMPTY_BODY))) as upstream:
            make(upstream.url, UpstreamCredentials()).query("up", 1.0)
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
    """Redirects are followed within the origin and, at the default ports, from HTTP to HTTPS; never elsewhere."""
    answered, following = requests.Response(), requests.Request("GET", new).prepare()
    answered.request = requests.Request("GET", old).prepare()
    with (
        contextlib.nullcontext() if is_followed else pytest.raises(UnreachableError),
        SameOriginSession(PATTERN_REDACTOR) as session,
    ):
        session.rebuild_auth(following, answered)


@pytest.mark.parametrize(
    "location",
    [b"", b"http://[::1/", b"http://\xff\xfe/", b"http://127.0.0.1:99999/", b"http://a:b/", b"http:///x", b"//["],
    ids=repr,
)
def test_an_invalid_redirect_is_reported(make: ClientFactory, location: bytes) -> None:
    """An invalid Location header is an ordinary error."""
    answer = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: %b\r\n\r\n" % location
    with run_scripted_server(build_sending_script(answer)) as upstream:
        assert (
            get_failure(make(upstream.url, NO_CREDENTIALS)) == "the upstream redirects too often, or to an invalid URL"
        )


def test_secrets_are_not_printed() -> None:
    """The representation of credentials contains neither the token nor header values."""
    assert "hunter2" not in repr(UpstreamCredentials(token="hunter2", headers=(("X", "hunter2"),)))


class TestTls:
    """TLS to upstreams."""

    def test_the_configured_authority_is_trusted(
        self, make: ClientFactory, authority: FileCertificateAuthority
    ) -> None:
        """A certificate of the configured authority is accepted."""
        with run_scripted_server(
            build_sending_script(build_http_response(EMPTY_BODY)), tls=build_server_context(authority.issue("server"))
        ) as upstream:
            assert (
                make(upstream.url, UpstreamCredentials(ca_file=str(authority.certificate_file)))
                .query("up", 1.0)
                .decompress()
                == EMPTY_BODY
            )

    def test_an_unknown_authority_is_reported(
        self, make: ClientFactory, authority: FileCertificateAuthority, tmp_path: Path
    ) -> None:
        """A certificate of an unknown authority is rejected, with the reason."""
        other = FileCertificateAuthority(tmp_path, "other")
        with run_scripted_server(
            build_sending_script(build_http_response(EMPTY_BODY)), tls=build_server_context(authority.issue("server"))
        ) as upstream:
            for access in (UpstreamCredentials(), UpstreamCredentials(ca_file=str(other.certificate_file))):
                assert get_failure(make(upstream.url, access)) == (
                    "certificate not accepted: unable to get local issuer certificate"
                )

    def test_an_expired_certificate_is_reported(self, make: ClientFactory, authority: FileCertificateAuthority) -> None:
        """An expired certificate is rejected."""
        pair = authority.issue("server", lifetime=-dt.timedelta(days=1))
        with run_scripted_server(
            build_sending_script(build_http_response(EMPTY_BODY)), tls=build_server_context(pair)
        ) as upstream:
            reason = get_failure(make(upstream.url, UpstreamCredentials(ca_file=str(authority.certificate_file))))
        assert reason == "certificate not accepted: certificate has expired"

    @pytest.mark.parametrize("host", ["127.0.0.2", "prometheus.example"])
    def test_a_certificate_of_another_host_is_reported(
        self, make: ClientFactory, authority: FileCertificateAuthority, host: str
    ) -> None:
        """A certificate for another host is rejected."""
        with run_scripted_server(
            build_sending_script(build_http_response(EMPTY_BODY)),
            tls=build_server_context(authority.issue("server", host)),
        ) as upstream:
            reason = get_failure(make(upstream.url, UpstreamCredentials(ca_file=str(authority.certificate_file))))
        assert reason.startswith("certificate not accepted: ")
        assert "127.0.0.1" in reason

    def test_a_client_certificate_is_sent(self, make: ClientFactory, authority: FileCertificateAuthority) -> None:
        """The client certificate is sent to an upstream that requires one; without it the connection fails."""
        client = authority.issue("client")
        access = UpstreamCredentials(
            ca_file=str(authority.certificate_file), certificate_file=str(client.certificate), key_file=str(client.key)
        )
        with run_scripted_server(
            build_sending_script(build_http_response(EMPTY_BODY)),
            tls=build_server_context(authority.issue("server"), authority),
        ) as upstream:
            assert make(upstream.url, access).query("up", 1.0).decompress() == EMPTY_BODY
            error = get_failure(make(upstream.url, UpstreamCredentials(ca_file=str(authority.certificate_file))))
            # The server may be gone before its refusal is read.
            assert error.startswith(("TLS handshake refused: the server expects", "connection failed"))

    def test_changed_files_are_used_without_restart(
        self, make: ClientFactory, authority: FileCertificateAuthority, tmp_path: Path
    ) -> None:
        """After a change of the files the next query uses a new connection with their current content."""
        other = FileCertificateAuthority(tmp_path, "other")
        trusted = tmp_path / "trusted.pem"
        trusted.write_bytes(authority.certificate_file.read_bytes())
        with run_scripted_server(
            build_sending_script(build_http_response(EMPTY_BODY)), tls=build_server_context(authority.issue("server"))
        ) as upstream:
            client = make(upstream.url, UpstreamCredentials(ca_file=str(trusted)))
            client.query("up", 1.0)
            client.query("up", 1.0)
            assert upstream.connections == 1
            replace_file(trusted, other.certificate_file.read_text())
            assert "not accepted" in get_failure(client)
            trusted.unlink()
            os.mkfifo(trusted)
            assert get_failure(client) == f"{trusted}: cannot be read (not a regular file)"
            replace_file(trusted, authority.certificate_file.read_text())
            assert client.query("up", 1.0).decompress() == EMPTY_BODY


def test_tls_to_a_plain_port_is_reported(make: ClientFactory) -> None:
    """The error says that a server does not speak TLS."""
    with run_plain_server() as port:
        assert (get_failure(make(f"https://127.0.0.1:{port}", UpstreamCredentials()))).startswith(
            "the port does not use TLS: "
        )


@contextlib.contextmanager
def run_plain_server() -> Iterator[int]:
    """Respond to one connection in plain HTTP, whatever it sends."""

    def answer() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()
