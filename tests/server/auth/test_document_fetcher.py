"""Fetching the documents of issuers over a real connection: each failure ends in time and has a constant reason."""

import asyncio
import datetime as dt
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from aggregator.errors import KeySetError
from aggregator.server.auth.jwks import MAX_DOCUMENT_BYTES, DocumentFetcher
from tests.support.scripted_server import ReceivedRequest, ScriptedServer, run_scripted_server

SHORT_TIMEOUT_SECONDS = 0.3
ServerScript = Callable[[socket.socket, ReceivedRequest, ScriptedServer], None]


def build_script(answer: bytes, *, closes: bool = True) -> ServerScript:
    """Return a script that sends a response, and closes or keeps the connection."""

    def script(connection: socket.socket, _request: ReceivedRequest, running: ScriptedServer) -> None:
        connection.sendall(answer)
        if closes:
            connection.shutdown(socket.SHUT_RDWR)
        else:
            running.stopping.wait(10)

    return script


def build_ok_response(body: bytes, *headers: str) -> bytes:
    """Return a response with status 200."""
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def test_a_document_is_the_body_of_a_response() -> None:
    """A document is fetched from its URL, without credentials."""
    with run_scripted_server(build_script(build_ok_response(b"{}"), closes=False)) as issuer:
        assert await DocumentFetcher().fetch(f"{issuer.url}/realms/x?y=z") == b"{}"
        (request,) = issuer.requests
    assert request.path == "/realms/x"
    assert "authorization" not in request.headers


INVALID_RESPONSES = {
    "not found": (b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}", "HTTP status 404"),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", "HTTP status 204"),
    "redirect": (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n", "redirect"),
    "truncated": (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}", "connection failed"),
    "empty": (b"", "connection failed"),
    "not HTTP": (b"SSH-2.0-OpenSSH_9.2\r\n", "not HTTP"),
    "too large": (build_ok_response(b"x" * (MAX_DOCUMENT_BYTES + 1)), "response too large"),
}


@pytest.mark.parametrize(("response", "reason"), INVALID_RESPONSES.values(), ids=INVALID_RESPONSES.keys())
async def test_an_unusable_response_has_a_reason(response: bytes, reason: str) -> None:
    """A response that is not a complete 200 of at most 1 MiB fails with a constant reason."""
    with run_scripted_server(build_script(response)) as issuer, pytest.raises(KeySetError) as failure:
        await DocumentFetcher().fetch(issuer.url)
    assert failure.value.reason == reason


async def test_a_redirect_is_not_followed() -> None:
    """An issuer that redirects causes no connection elsewhere."""
    with socket.create_server(("127.0.0.1", 0)) as trap:
        target = f"http://127.0.0.1:{trap.getsockname()[1]}/"
        redirect = f"HTTP/1.1 301 Moved\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n".encode()
        with run_scripted_server(build_script(redirect)) as issuer, pytest.raises(KeySetError):
            await DocumentFetcher().fetch(issuer.url)
        trap.setblocking(False)
        with pytest.raises(BlockingIOError):
            trap.accept()


async def test_a_silent_issuer_times_out() -> None:
    """An issuer that sends nothing, and one that does not complete the handshake, fail after the timeout."""
    fetcher = DocumentFetcher(timeout_seconds=SHORT_TIMEOUT_SECONDS)
    silent = run_scripted_server(build_script(b"", closes=False))
    with silent as issuer, pytest.raises(KeySetError, match=r"^timeout$"):
        await fetcher.fetch(issuer.url)
    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.raises(KeySetError, match=r"^timeout$"):
        await fetcher.fetch(f"https://127.0.0.1:{listener.getsockname()[1]}/")


async def test_a_cancelled_fetch_closes_its_connection() -> None:
    """A fetch that is cancelled at shutdown ends its connection, so that its thread ends, too."""
    closed = threading.Event()

    def wait_for_end(connection: socket.socket, _request: ReceivedRequest, _running: ScriptedServer) -> None:
        if connection.recv(1) == b"":
            closed.set()

    with run_scripted_server(wait_for_end) as issuer:
        fetch = asyncio.ensure_future(DocumentFetcher(timeout_seconds=60.0).fetch(issuer.url))
        while not issuer.requests:  # noqa: ASYNC110 - the server runs on another thread
            await asyncio.sleep(0)
        fetch.cancel()
        with pytest.raises(asyncio.CancelledError):
            await fetch
        assert await asyncio.to_thread(closed.wait, 10)


@pytest.mark.parametrize(
    ("url", "reason"),
    [("http://127.0.0.1:1/", "connection refused"), ("http://no-such-host.invalid/", "unknown host")],
)
async def test_an_unreachable_issuer_has_a_reason(url: str, reason: str) -> None:
    """A refused connection and an unknown host fail with different reasons."""
    with pytest.raises(KeySetError) as failure:
        await DocumentFetcher().fetch(url)
    assert failure.value.reason == reason


# --- TLS


def _write_certificate(folder: Path, name: str) -> Path:
    """Write a self-signed certificate for 127.0.0.1 with its key into one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}.pem"
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(certificate.public_bytes(Encoding.PEM) + secret)
    return path


@contextmanager
def run_tls_issuer(certificate: Path) -> Iterator[str]:
    """Run a TLS server that returns {} to every request; yield its URL."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    stopping = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.05)

        def serve() -> None:
            while not stopping.is_set():
                try:
                    accepted, _ = listener.accept()
                except TimeoutError:
                    continue
                accepted.settimeout(5)
                try:
                    with context.wrap_socket(accepted, server_side=True) as connection:
                        connection.recv(65536)
                        connection.sendall(build_ok_response(b"{}"))
                except OSError:
                    accepted.close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"https://127.0.0.1:{listener.getsockname()[1]}/certs"
        finally:
            stopping.set()
            thread.join()


async def test_the_certificate_of_the_issuer_is_verified(tmp_path: Path) -> None:
    """A certificate is accepted only if the CA file, or the system without one, has its authority."""
    mine, others = _write_certificate(tmp_path, "mine"), _write_certificate(tmp_path, "others")
    with run_tls_issuer(mine) as url:
        assert await DocumentFetcher(str(mine)).fetch(url) == b"{}"
        for ca_file in (str(others), None):
            with pytest.raises(KeySetError, match=r"^certificate not accepted$"):
                await DocumentFetcher(ca_file).fetch(url)
        with pytest.raises(KeySetError, match=r"^certificate not accepted$"):
            await DocumentFetcher(str(mine)).fetch(url.replace("127.0.0.1", "localhost"))


@pytest.mark.parametrize("content", [None, b"not a certificate"], ids=["missing", "invalid"])
async def test_an_unusable_ca_file_has_a_reason(tmp_path: Path, content: bytes | None) -> None:
    """A CA file that is removed or damaged while the program runs is named as the reason."""
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(KeySetError, match=r"^no valid certificates in ISSUER_CA_FILE$"):
        await DocumentFetcher(str(file)).fetch("https://127.0.0.1:9/")
