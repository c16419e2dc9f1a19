"""Fetching over a real network: every response is bounded, every request ends at its deadline or when aborted."""

import gzip
import itertools
import socket
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from aggregator.errors import HttpError, HttpErrorKind
from aggregator.util.http_client import MAX_ERROR_BODY_BYTES, HttpClient
from tests.support.certificate_authority import CertificateAuthority
from tests.support.scripted_server import (
    ReceivedRequest,
    ResponseScript,
    ScriptedServer,
    build_closing_script,
    build_http_response,
    build_sending_script,
    drip_response,
    run_scripted_server,
    stall_response,
)

SHORT_DEADLINE_SECONDS = 0.2
LONG_DEADLINE_SECONDS = 60.0
MAX_RESPONSE_BYTES = 1000


def build_client(
    deadline_seconds: float = LONG_DEADLINE_SECONDS, ssl_context: ssl.SSLContext | None = None
) -> HttpClient:
    """Return a client that accepts bodies of at most MAX_RESPONSE_BYTES."""
    return HttpClient(deadline_seconds=deadline_seconds, max_response_bytes=MAX_RESPONSE_BYTES, ssl_context=ssl_context)


def get_error_kind(client: HttpClient, url: str) -> HttpErrorKind:
    """Return why a URL cannot be fetched."""
    with client, pytest.raises(HttpError) as caught:
        client.get(url)
    return caught.value.kind


def test_a_response_has_status_headers_and_body() -> None:
    """A response is returned whatever its status is, with the headers under case-insensitive names."""
    with (
        run_scripted_server(build_sending_script(build_http_response(b"no", "503 Busy", "Retry-After: 7"))) as server,
        build_client() as client,
    ):
        response = client.get(f"{server.url}/path?a=b", {"Authorization": "Bearer x"})
        (request,) = server.requests
    assert (response.status, response.body, response.headers["retry-after"]) == (503, b"no", "7")
    assert (request.path, request.parameters, request.headers["authorization"]) == ("/path", {"a": ["b"]}, "Bearer x")
    assert request.headers["user-agent"].startswith("aggregator/")


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\n{}",
        build_http_response(gzip.compress(b"{}", mtime=0), "200 OK", "Content-Encoding: gzip"),
    ],
    ids=["chunked", "until the connection closes", "gzip"],
)
def test_the_body_is_decoded(data: bytes) -> None:
    """Transfer and content codings are removed from the body."""
    with run_scripted_server(build_closing_script(data)) as server, build_client() as client:
        assert client.get(server.url).body == b"{}"


def test_a_redirect_is_returned_and_not_followed() -> None:
    """A redirect causes no second request."""
    script = build_sending_script(build_http_response(b"", "302 Found", "Location: /elsewhere"))
    with run_scripted_server(script) as server, build_client() as client:
        assert client.get(server.url).status == 302
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    "data",
    [
        build_http_response(b"x" * (MAX_RESPONSE_BYTES + 1)),
        build_http_response(
            gzip.compress(b"x" * (MAX_RESPONSE_BYTES + 1), mtime=0), "200 OK", "Content-Encoding: gzip"
        ),
    ],
    ids=["plain", "compressed"],
)
def test_the_decoded_body_is_bounded(data: bytes) -> None:
    """A body that is one byte too large after decompression is an error."""
    with run_scripted_server(build_sending_script(data)) as server:
        assert get_error_kind(build_client(), server.url) is HttpErrorKind.TOO_LARGE


def test_the_body_of_an_error_is_truncated() -> None:
    """Only the beginning of a long error body is read."""
    data = build_http_response(b"x" * (MAX_ERROR_BODY_BYTES * 2), "500 Oops")
    client = HttpClient(deadline_seconds=LONG_DEADLINE_SECONDS, max_response_bytes=2**30)
    with run_scripted_server(build_sending_script(data)) as server, client:
        assert client.get(server.url).body == b"x" * MAX_ERROR_BODY_BYTES


MALFORMED_RESPONSES = {
    "other protocol": (b"SSH-2.0-OpenSSH_9.2\r\n", HttpErrorKind.NOT_HTTP),
    "TLS alert": (b"\x15\x03\x01\x00\x02\x02\x28\r\n", HttpErrorKind.NOT_HTTP),
    "endless headers": (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000, HttpErrorKind.NOT_HTTP),
    "nothing": (b"", HttpErrorKind.BROKEN),
    "half a body": (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}", HttpErrorKind.BROKEN),
}


@pytest.mark.parametrize(("data", "kind"), MALFORMED_RESPONSES.values(), ids=MALFORMED_RESPONSES.keys())
def test_a_malformed_response_is_an_error(data: bytes, kind: HttpErrorKind) -> None:
    """Bytes that are not a complete HTTP response are an error of a named kind."""
    with run_scripted_server(build_closing_script(data)) as server:
        assert get_error_kind(build_client(), server.url) is kind


def drip_headers(connection: socket.socket, _request: ReceivedRequest, running: ScriptedServer) -> None:
    """Send one endless header, byte by byte."""
    for byte in itertools.chain(b"HTTP/1.1 200 OK\r\nX: ", itertools.repeat(32)):
        connection.sendall(bytes([byte]))
        if running.stopping.wait(0.005):
            return


def drip_body_without_length(connection: socket.socket, _request: ReceivedRequest, running: ScriptedServer) -> None:
    """Send a body that ends when the connection ends, byte by byte."""
    connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
    while not running.stopping.wait(0.005):
        connection.sendall(b" ")


SLOW_SCRIPTS = [stall_response, drip_headers, drip_response, drip_body_without_length]


@pytest.mark.parametrize("script", SLOW_SCRIPTS)
def test_the_deadline_covers_everything(script: ResponseScript) -> None:
    """A server that is silent, or sends a byte at a time, is given up at the deadline."""
    with run_scripted_server(script) as server:
        assert get_error_kind(build_client(SHORT_DEADLINE_SECONDS), server.url) is HttpErrorKind.TIMEOUT


def test_the_deadline_covers_the_tls_handshake() -> None:
    """A listener that never answers the TLS handshake is given up at the deadline."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        assert get_error_kind(build_client(SHORT_DEADLINE_SECONDS), url) is HttpErrorKind.TIMEOUT


@pytest.mark.parametrize("script", SLOW_SCRIPTS)
def test_abort_ends_a_request_of_another_thread(script: ResponseScript) -> None:
    """A request that waits fails once another thread aborts the client, and so does every later one."""
    with run_scripted_server(script) as server, ThreadPoolExecutor(1) as executor:
        client = build_client()
        pending = executor.submit(get_error_kind, client, server.url)
        assert server.request_received.wait(LONG_DEADLINE_SECONDS)
        client.abort()
        assert pending.result(LONG_DEADLINE_SECONDS) is HttpErrorKind.ABORTED
        assert get_error_kind(client, server.url) is HttpErrorKind.ABORTED


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("http://127.0.0.1:1/", HttpErrorKind.CONNECTION_REFUSED),
        ("http://no-such-host.invalid/", HttpErrorKind.UNKNOWN_HOST),
        ("http://" + "a" * 70 + "/", HttpErrorKind.INVALID_URL),
        ("ftp://127.0.0.1/", HttpErrorKind.INVALID_URL),
    ],
)
def test_an_unreachable_server_has_a_kind(url: str, kind: HttpErrorKind) -> None:
    """A refused connection, an unknown name and an invalid URL are different errors."""
    assert get_error_kind(build_client(), url) is kind


def test_no_password_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials of ~/.netrc are never sent."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login u password p\n")
    monkeypatch.setenv("NETRC", str(netrc))
    client = HttpClient(deadline_seconds=LONG_DEADLINE_SECONDS, max_response_bytes=10, uses_environment=True)
    with run_scripted_server(build_sending_script(build_http_response(b"{}"))) as server, client:
        client.get(server.url)
        assert "authorization" not in server.requests[0].headers


class TestTls:
    """Certificates."""

    @pytest.fixture
    def authority(self) -> CertificateAuthority:
        """Return the authority of the server's certificate."""
        return CertificateAuthority()

    @pytest.fixture
    def url(self, authority: CertificateAuthority, tmp_path: Path) -> Iterator[str]:
        """Yield the URL of a server with a certificate for 127.0.0.1."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        pair = tmp_path / "pair.pem"
        pair.write_bytes(b"".join(authority.issue(hosts=("127.0.0.1",))))
        context.load_cert_chain(pair)
        with run_scripted_server(build_sending_script(build_http_response(b"{}")), tls=context) as server:
            yield server.url

    def test_the_context_decides(self, authority: CertificateAuthority, url: str) -> None:
        """A certificate is accepted if its authority is in the SSL context and its host is that of the URL."""
        trusting = ssl.create_default_context(cadata=authority.pem.decode())
        with build_client(ssl_context=trusting) as client:
            assert client.get(url).body == b"{}"
        other_host = url.replace("127.0.0.1", "localhost")
        assert get_error_kind(build_client(ssl_context=trusting), other_host) is HttpErrorKind.CERTIFICATE
        other_authority = ssl.create_default_context(cadata=CertificateAuthority("other").pem.decode())
        assert get_error_kind(build_client(ssl_context=other_authority), url) is HttpErrorKind.CERTIFICATE
        assert get_error_kind(build_client(), url) is HttpErrorKind.CERTIFICATE

    def test_a_context_can_accept_everything(self, url: str) -> None:
        """A context without verification accepts every certificate, without a warning."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with build_client(ssl_context=context) as client:
            assert client.get(url).body == b"{}"
