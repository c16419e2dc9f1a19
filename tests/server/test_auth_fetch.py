"""Fetching from an issuer over a real network: every answer that is no good ends soon, and in a named reason."""

import datetime as dt
import ipaddress
import itertools
import socket
import ssl
import threading
import time
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
from aggregator.server.key_fetch import Fetching
from tests.querier.peer import Peer, Request, peer

SOON = 0.3
Script = Callable[[socket.socket, Request, Peer], None]


def saying(answer: bytes, *, closes: bool = True) -> Script:
    """Return a script that sends these bytes, and closes or keeps the connection."""

    def script(connection: socket.socket, _request: Request, running: Peer) -> None:
        connection.sendall(answer)
        if closes:
            connection.shutdown(socket.SHUT_RDWR)
        else:
            running.stopping.wait(10)

    return script


def ok(body: bytes, *headers: str) -> bytes:
    """Return an answer of status 200."""
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


GOOD = {
    "with a length": ok(b"{}", "Connection: keep-alive"),
    "in chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("answer", GOOD.values(), ids=GOOD.keys())
async def test_an_answer_is_its_body(answer: bytes) -> None:
    """An answer ends where it says, whether the connection is closed or not."""
    with peer(saying(answer, closes=False)) as issuer:
        assert await Fetching().get(f"{issuer.url}/realms/x?y=z") == b"{}"
        (request,) = issuer.requests
    assert request.path == "/realms/x"
    assert request.headers["host"] == f"127.0.0.1:{issuer.port}"
    assert "authorization" not in request.headers


async def test_an_answer_may_end_by_closing() -> None:
    """An answer that does not tell its length ends with the connection."""
    with peer(saying(b"HTTP/1.0 200 OK\r\n\r\n{}")) as issuer:
        assert await Fetching().get(issuer.url) == b"{}"


BAD = {
    "not found": (b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}", "status"),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", "status"),
    "broken": (b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", "status"),
    "moved": (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n", "redirect"),
    "half": (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}", "broke off"),
    "half a header": (b"HTTP/1.1 200 OK\r\nContent-Le", "broke off"),
    "nothing": (b"", "broke off"),
    "no HTTP": (b"SSH-2.0-OpenSSH_9.2\r\n", "no HTTP"),
    "TLS": (b"\x15\x03\x01\x00\x02\x02\x28", "no HTTP"),
    "too large": (ok(b"x" * 2**20), "too large"),
    "an endless header": (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200_000, "too large"),
}


@pytest.mark.parametrize(("answer", "reason"), BAD.values(), ids=BAD.keys())
async def test_a_bad_answer_has_a_reason(answer: bytes, reason: str) -> None:
    """An answer that is not a whole 200 of at most a megabyte is none."""
    with peer(saying(answer)) as issuer, pytest.raises(KeySetError) as refused:
        await Fetching().get(issuer.url)
    # httptools gives up on a header that is too long before we do.
    assert refused.value.reason in ({reason, "no HTTP"} if "header" in reason else {reason})


async def test_a_redirect_is_not_followed() -> None:
    """An issuer that redirects makes no connection elsewhere."""
    with socket.create_server(("127.0.0.1", 0)) as trap:
        where = f"http://127.0.0.1:{trap.getsockname()[1]}/"
        moved = f"HTTP/1.1 301 Moved\r\nLocation: {where}\r\nContent-Length: 0\r\n\r\n".encode()
        with peer(saying(moved)) as issuer, pytest.raises(KeySetError):
            await Fetching().get(issuer.url)
        trap.setblocking(False)
        with pytest.raises(BlockingIOError):
            trap.accept()


def trickle(connection: socket.socket, _request: Request, running: Peer) -> None:
    """Send a byte of an endless answer whenever nobody says stop."""
    for piece in itertools.chain(b"HTTP/1.1 200 OK\r\n\r\n", itertools.repeat(32)):
        connection.sendall(bytes([piece]))
        if running.stopping.wait(0.01):
            return


@pytest.mark.parametrize("script", [saying(b"", closes=False), trickle], ids=["silent", "trickling"])
async def test_all_of_it_has_one_time_limit(script: Script) -> None:
    """An issuer that says nothing, or a byte at a time, is given up after the time for the whole exchange."""
    with peer(script) as issuer:
        before = time.monotonic()
        with pytest.raises(KeySetError, match=r"^too slow$"):
            await Fetching(within_seconds=SOON).get(issuer.url)
        assert SOON <= time.monotonic() - before < SOON + 5


async def test_a_listener_that_accepts_nothing() -> None:
    """A handshake that never comes is given up after the same time."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"https://127.0.0.1:{listener.getsockname()[1]}/"
        with pytest.raises(KeySetError, match=r"^too slow$"):
            await Fetching(within_seconds=SOON).get(url)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "http://no-such-host.invalid/", "http://" + "a" * 70 + "/"])
async def test_an_issuer_that_is_not_there(url: str) -> None:
    """A refused connection and a name that nobody knows are told as such."""
    with pytest.raises(KeySetError, match=r"^unreachable$"):
        await Fetching().get(url)


# --- TLS


def _certificate(folder: Path, name: str) -> Path:
    """Write a self-signed certificate for 127.0.0.1 with its key into one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    made = (
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
    path.write_bytes(made.public_bytes(Encoding.PEM) + secret)
    return path


@contextmanager
def tls_issuer(certificate: Path) -> Iterator[str]:
    """Answer every request with {} over TLS; give the URL."""
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
                        connection.sendall(ok(b"{}"))
                except OSError:
                    accepted.close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"https://127.0.0.1:{listener.getsockname()[1]}/certs"
        finally:
            stopping.set()
            thread.join()


async def test_the_issuers_certificate_is_checked(tmp_path: Path) -> None:
    """A certificate counts only if the file of believed ones has it, or without the file the system."""
    mine, others = _certificate(tmp_path, "mine"), _certificate(tmp_path, "others")
    with tls_issuer(mine) as url:
        assert await Fetching(str(mine)).get(url) == b"{}"
        for believed in (str(others), None):
            with pytest.raises(KeySetError, match=r"^certificate$"):
                await Fetching(believed).get(url)
        with pytest.raises(KeySetError, match=r"^certificate$"):
            await Fetching(str(mine)).get(url.replace("127.0.0.1", "localhost"))
