"""Both servers with TLS: whom they show themselves as, whom they let in, and how that changes while they run."""

import contextlib
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import grpc
import psutil
import pytest
import structlog
from cryptography import x509

from aggregator.certificates import CertificateFiles
from aggregator.server.grpc_limits import GrpcTransport
from aggregator.server.http_server import HttpTransport
from aggregator.server.tls import Rotation
from aggregator.views import BY_NAME, etim
from tests.integration.process import until
from tests.server.authority import DAY, Authority, write
from tests.server.call import CONNECT_TO_QUERIER
from tests.server.serving import Manner, Ports, serving
from tests.server.source import TOPOLOGY, CommandedSource, snapshot

LOOK_SECONDS = 0.05
SECONDS = 10.0
ASK = b"HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(scope="module")
def authority() -> Authority:
    """Who signs the servers' certificates."""
    return Authority()


@contextlib.contextmanager
def secured(files: CertificateFiles, handshake_seconds: float = 10.0) -> Iterator[Ports]:
    """Run both servers with an identity that is looked after often."""
    manner = Manner(
        HttpTransport(rotation=Rotation("http", files, LOOK_SECONDS), handshake_seconds=handshake_seconds),
        GrpcTransport(rotation=Rotation("grpc", files, LOOK_SECONDS), handshake_seconds=handshake_seconds),
    )
    with serving(CommandedSource(), None, manner=manner) as ports:
        yield ports


def believing(authority: Authority) -> ssl.SSLContext:
    """Return a client's context that believes one authority."""
    return ssl.create_default_context(cadata=authority.pem.decode())


def bearing(context: ssl.SSLContext, files: CertificateFiles) -> ssl.SSLContext:
    """Give a client's context a certificate of its own."""
    context.load_cert_chain(files.cert, files.key)
    return context


@contextlib.contextmanager
def connected(port: int, context: ssl.SSLContext, session: ssl.SSLSession | None = None) -> Iterator[ssl.SSLSocket]:
    """Connect to a server, or resume a session with it."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1", session=session) as made,
    ):
        yield made


def said(connection: socket.socket) -> bytes:
    """Return the first line of the answer to a request; nothing where there is none."""
    try:
        connection.sendall(ASK)
        return connection.recv(65536).partition(b"\r\n")[0]
    except (ConnectionError, ssl.SSLError):
        return b""


def over_https(port: int, context: ssl.SSLContext) -> bytes:
    """Return the first line of an answer on a connection of its own, nothing where there is none."""
    try:
        with connected(port, context) as connection:
            return said(connection)
    except (ConnectionError, ssl.SSLError):
        return b""


def over_grpc(port: int, ca: bytes, pair: tuple[bytes, bytes] | None = None) -> bytes | grpc.StatusCode:
    """Return the answer of one call, or the code that it ended with."""
    cert, key = pair or (None, None)
    credentials = grpc.ssl_channel_credentials(ca, key, cert)
    options = [("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1)]
    with grpc.secure_channel(f"127.0.0.1:{port}", credentials, options) as opened:
        ask: grpc.UnaryUnaryMultiCallable[bytes, bytes] = opened.unary_unary(CONNECT_TO_QUERIER)
        try:
            return ask(b"", timeout=SECONDS)
        except grpc.RpcError as error:
            return error.code()


def shown(port: int) -> str:
    """Return the name in the certificate that a server shows."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2", "http/1.1"])
    with connected(port, context) as connection:
        found = x509.load_der_x509_certificate(connection.getpeercert(binary_form=True) or b"")
    return str(found.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value)


def test_both_speak_tls(authority: Authority, tmp_path: Path) -> None:
    """With certificates both servers answer over TLS, each with its protocol chosen by ALPN."""
    with secured(write(tmp_path, authority.pair())) as ports:
        context = believing(authority)
        context.set_alpn_protocols(["h2", "http/1.1"])
        with connected(ports.http, context) as connection:
            assert connection.selected_alpn_protocol() == "http/1.1"
            assert said(connection) == b"HTTP/1.1 200 OK"
        with connected(ports.grpc, context) as connection:
            assert connection.selected_alpn_protocol() == "h2"
        assert over_grpc(ports.grpc, authority.pem) == etim.render(TOPOLOGY, 0)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=str)
def test_new_protocols_are_spoken(authority: Authority, tmp_path: Path, version: ssl.TLSVersion) -> None:
    """TLS 1.2 and 1.3 are spoken by both."""
    with secured(write(tmp_path, authority.pair())) as ports:
        for port in (ports.http, ports.grpc):
            context = believing(authority)
            context.set_alpn_protocols(["h2", "http/1.1"])
            context.minimum_version = context.maximum_version = version
            with connected(port, context) as connection:
                assert connection.version() == version.name.replace("_", ".")


# A hello of TLS 1.0 or 1.1, byte for byte: what this machine's own TLS would refuse to say.
def _old_hello(minor: int) -> bytes:
    ciphers = bytes.fromhex("c013c014c009c00a002f0035")
    body = bytes([3, minor]) + b"\x11" * 32 + b"\x00" + len(ciphers).to_bytes(2) + ciphers + b"\x01\x00"
    message = b"\x01" + len(body).to_bytes(3) + body
    return b"\x16" + bytes([3, minor]) + len(message).to_bytes(2) + message


@pytest.mark.parametrize("minor", [1, 2], ids=["TLS 1.0", "TLS 1.1"])
def test_old_protocols_are_refused(authority: Authority, tmp_path: Path, minor: int) -> None:
    """A client that knows nothing newer than TLS 1.1 is answered with an alert and closed, by both."""
    with secured(write(tmp_path, authority.pair())) as ports:
        for port in (ports.http, ports.grpc):
            with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as connection:
                connection.sendall(_old_hello(minor))
                with contextlib.suppress(ConnectionError):
                    answer = connection.recv(65536)
                    assert answer == b"" or answer[0] == 0x15
                    assert connection.recv(65536) == b""


def test_a_client_without_words_is_closed(authority: Authority, tmp_path: Path) -> None:
    """Who never begins a handshake, or stops within one, is closed when its time is over; others are served."""
    with secured(write(tmp_path, authority.pair()), handshake_seconds=0.5) as ports, contextlib.ExitStack() as stack:
        silent = [
            stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=SECONDS))
            for port in (ports.http, ports.grpc) * 20
        ]
        for connection in silent[::4]:
            connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00")
        assert over_https(ports.http, believing(authority)) == b"HTTP/1.1 200 OK"
        assert isinstance(over_grpc(ports.grpc, authority.pem), bytes)
        for connection in silent:
            with contextlib.suppress(ConnectionError):
                while connection.recv(65536):
                    pass


def test_plain_text_to_tls_does_not_hang(authority: Authority, tmp_path: Path) -> None:
    """A request without TLS to a port with TLS is closed at once."""
    with secured(write(tmp_path, authority.pair())) as ports:
        for port in (ports.http, ports.grpc):
            with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                connection.sendall(ASK)
                with contextlib.suppress(ConnectionError):
                    while received := connection.recv(65536):
                        assert b"HTTP/1.1" not in received


def test_a_new_certificate_is_taken(authority: Authority, tmp_path: Path) -> None:
    """New files are shown to new connections by both, without SNI, too; one that is open stays."""
    with secured(write(tmp_path, authority.pair("old"))) as ports:
        assert shown(ports.http) == shown(ports.grpc) == "old"
        with connected(ports.http, believing(authority)) as open_before:
            assert said(open_before) == b"HTTP/1.1 200 OK"
            write(tmp_path, authority.pair("new"))
            until(lambda: shown(ports.http) == shown(ports.grpc) == "new", "both show the new one")
            assert said(open_before) == b"HTTP/1.1 200 OK"


def test_clients_need_certificates(authority: Authority, tmp_path: Path) -> None:
    """With an authority for clients, a client without a certificate, or with a stranger's, gets no answer."""
    clients, strangers = Authority("clients"), Authority("strangers")
    files = write(tmp_path / "server", authority.pair(), clients.pem)
    good, bad = clients.pair("good"), strangers.pair("bad")
    with secured(files) as ports:
        of_good, of_bad = write(tmp_path / "good", good), write(tmp_path / "bad", bad)
        assert over_https(ports.http, bearing(believing(authority), of_good)) == b"HTTP/1.1 200 OK"
        assert over_https(ports.http, believing(authority)) == b""
        assert over_https(ports.http, bearing(believing(authority), of_bad)) == b""
        assert isinstance(over_grpc(ports.grpc, authority.pem, good), bytes)
        assert over_grpc(ports.grpc, authority.pem) is grpc.StatusCode.UNAVAILABLE
        assert over_grpc(ports.grpc, authority.pem, bad) is grpc.StatusCode.UNAVAILABLE


def test_an_expired_client_is_refused(authority: Authority, tmp_path: Path) -> None:
    """A client whose certificate is over gets no answer."""
    clients = Authority("clients")
    late = clients.pair("late", -DAY)
    with secured(write(tmp_path / "server", authority.pair(), clients.pem)) as ports:
        assert over_https(ports.http, bearing(believing(authority), write(tmp_path / "late", late))) == b""
        assert over_grpc(ports.grpc, authority.pem, late) is grpc.StatusCode.UNAVAILABLE


def test_a_new_authority_is_taken(authority: Authority, tmp_path: Path) -> None:
    """A new authority lets its clients in, and those of the old one no more, not even to resume a session."""
    old, new = Authority("old"), Authority("new")
    of_old, of_new = old.pair(), new.pair()
    with secured(write(tmp_path / "server", authority.pair(), old.pem)) as ports:
        context = bearing(believing(authority), write(tmp_path / "old", of_old))
        with connected(ports.http, context) as connection:
            assert said(connection) == b"HTTP/1.1 200 OK"
            session = connection.session
        assert session is not None
        (tmp_path / "server" / "ca.pem").write_bytes(new.pem)
        newcomer = bearing(believing(authority), write(tmp_path / "new", of_new))
        until(lambda: over_https(ports.http, newcomer) == b"HTTP/1.1 200 OK", "HTTP lets the new client in")
        until(lambda: isinstance(over_grpc(ports.grpc, authority.pem, of_new), bytes), "gRPC lets the new client in")
        assert over_https(ports.http, context) == b""
        assert over_grpc(ports.grpc, authority.pem, of_old) is grpc.StatusCode.UNAVAILABLE
        with contextlib.suppress(ConnectionError, ssl.SSLError), connected(ports.http, context, session) as again:
            assert said(again) == b""


# --- the watch over the files


def test_bad_files_leave_the_last_identity(authority: Authority, tmp_path: Path) -> None:
    """Whatever is wrong with new files, the last good ones stay, and one warning without their content says why."""
    pair = authority.pair()
    rotation = Rotation("http", write(tmp_path, pair))
    first = rotation.current
    for cert, key in ((b"", pair[1]), (pair[0], authority.pair()[1]), (pair[0][:300], pair[1]), (b"\xff", b"\xff")):
        write(tmp_path, (cert, key))
        with structlog.testing.capture_logs() as logged:
            rotation.look()
            assert not logged, "it may still be written"
            rotation.look()
            rotation.look()
        assert [line["event"] for line in logged] == ["new certificate not taken, the last stays"]
        assert "BEGIN" not in str(logged)
        assert rotation.current is first
        write(tmp_path, pair)
        rotation.look()
    (tmp_path / "key.pem").unlink()
    with structlog.testing.capture_logs() as logged:
        rotation.look()
        rotation.look()
    assert logged[0]["reason"] == f"{tmp_path}/key.pem: cannot be read (No such file or directory)"
    write(tmp_path, authority.pair())
    rotation.look()
    assert rotation.current is not first


@pytest.mark.parametrize(
    ("days", "warning"),
    [(30, ""), (10, "certificate expires soon, renew it"), (41, "certificate expired, clients refuse it")],
)
def test_the_age_is_told(authority: Authority, tmp_path: Path, days: int, warning: str) -> None:
    """A certificate in the last tenth of its life is warned of once, and once more when it is over."""
    made = Rotation("grpc", write(tmp_path, authority.pair(life=40 * DAY)))
    shift = {30: 0, 10: 30, 41: 41}[days]
    expires_at = made.current.expires_at
    with structlog.testing.capture_logs() as logged:
        later = Rotation(
            "grpc", write(tmp_path, authority.pair(life=40 * DAY)), clock=lambda: expires_at - (40 - shift) * DAY
        )
        later.look()
    assert [line["event"] for line in logged if line["log_level"] == "warning"] == ([warning] if warning else [])


def test_a_chain_is_sent_whole(authority: Authority, tmp_path: Path) -> None:
    """Certificates that follow the server's own are sent, too."""
    cert, key = authority.pair()
    with (
        secured(write(tmp_path, (cert + authority.pem, key))) as ports,
        connected(ports.http, believing(authority)) as one,
    ):
        chain = one._sslobj.get_unverified_chain()  # type: ignore[attr-defined]  # noqa: SLF001 - public from 3.13 on
        assert [piece.public_bytes().encode() for piece in chain][1] == authority.pem


def test_slow_readers_over_tls_cost_little(authority: Authority, tmp_path: Path) -> None:
    """Thirty clients that do not read their ten megabytes over TLS get them encrypted piece by piece, not whole."""
    large = b"x" * 10_000_000
    source = CommandedSource(shown=snapshot(views={**BY_NAME, "1.2.5": lambda *_of: large}))
    manner = Manner(HttpTransport(rotation=Rotation("http", write(tmp_path, authority.pair()))))
    with serving(source, None, manner=manner) as ports, contextlib.ExitStack() as stack:
        before = 0
        for number in range(31):
            connection = stack.enter_context(connected(ports.http, believing(authority)))
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert connection.recv(15) == b"HTTP/1.1 200 OK"
            before = before or psutil.Process().memory_info().rss
            assert number < 30 or psutil.Process().memory_info().rss - before < 100 * 2**20
        received = 0
        while received < len(large):
            piece = connection.recv(1_000_000)
            assert piece
            received += len(piece)
