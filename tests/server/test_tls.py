"""TLS of both servers: handshakes, client certificates and certificate reloading."""

import contextlib
import os
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import grpc
import psutil
import pytest
import structlog
from cryptography import x509

from aggregator.server.grpc.limits import GrpcServerOptions
from aggregator.server.http.server import HttpServerOptions
from aggregator.server.tls import CertificateReloader
from aggregator.util.files import CertificateFiles
from aggregator.views import etim
from aggregator.views.renderers import RENDERERS
from tests.integration.gateway_process import wait_until
from tests.server.running_servers import ServerOptions, ServerPorts, run_servers
from tests.server.snapshot_provider import TOPOLOGY, FakeSnapshotProvider, build_snapshot
from tests.support.certificate_authority import DAY, CertificateAuthority, write_certificate_files
from tests.support.grpc_client import CONNECT_TO_QUERIER_METHOD

RELOAD_INTERVAL_SECONDS = 0.05
WAIT_TIMEOUT_SECONDS = 10.0
HEAD_REQUEST = b"HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(scope="module")
def authority() -> CertificateAuthority:
    """The authority that signs the certificates of the servers."""
    return CertificateAuthority()


@contextlib.contextmanager
def run_tls_servers(files: CertificateFiles, handshake_seconds: float = 10.0) -> Iterator[ServerPorts]:
    """Run both servers with a certificate that is checked for changes often."""
    manner = ServerOptions(
        HttpServerOptions(
            reloader=CertificateReloader("http", files, RELOAD_INTERVAL_SECONDS),
            handshake_timeout_seconds=handshake_seconds,
        ),
        GrpcServerOptions(
            reloader=CertificateReloader("grpc", files, RELOAD_INTERVAL_SECONDS),
            handshake_timeout_seconds=handshake_seconds,
        ),
    )
    with run_servers(FakeSnapshotProvider(), None, options=manner) as ports:
        yield ports


def build_client_context(authority: CertificateAuthority) -> ssl.SSLContext:
    """Return an SSL context for a client that accepts one authority."""
    return ssl.create_default_context(cadata=authority.pem.decode())


def add_client_certificate(context: ssl.SSLContext, files: CertificateFiles) -> ssl.SSLContext:
    """Add a client certificate to an SSL context."""
    context.load_cert_chain(files.cert, files.key)
    return context


@contextlib.contextmanager
def open_tls_connection(
    port: int, context: ssl.SSLContext, session: ssl.SSLSession | None = None
) -> Iterator[ssl.SSLSocket]:
    """Connect to a server, or resume a TLS session with it."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=WAIT_TIMEOUT_SECONDS) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1", session=session) as tcp_socket,
    ):
        yield tcp_socket


def read_status_line(connection: socket.socket) -> bytes:
    """Return the status line of a response, empty without one."""
    try:
        connection.sendall(HEAD_REQUEST)
        return connection.recv(65536).partition(b"\r\n")[0]
    except (ConnectionError, ssl.SSLError):
        return b""


def request_over_https(port: int, context: ssl.SSLContext) -> bytes:
    """Return the status line of a response on a new connection, empty without one."""
    try:
        with open_tls_connection(port, context) as connection:
            return read_status_line(connection)
    except (ConnectionError, ssl.SSLError):
        return b""


def call_over_tls(port: int, ca: bytes, pair: tuple[bytes, bytes] | None = None) -> bytes | grpc.StatusCode:
    """Return the response of a call, or the code with which it ended."""
    cert, key = pair or (None, None)
    credentials = grpc.ssl_channel_credentials(ca, key, cert)
    options = [("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1)]
    with grpc.secure_channel(f"127.0.0.1:{port}", credentials, options) as opened:
        ask: grpc.UnaryUnaryMultiCallable[bytes, bytes] = opened.unary_unary(CONNECT_TO_QUERIER_METHOD)
        try:
            return ask(b"", timeout=WAIT_TIMEOUT_SECONDS)
        except grpc.RpcError as error:
            return error.code()


def get_certificate_name(port: int) -> str:
    """Return the name in the certificate of a server."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2", "http/1.1"])
    with open_tls_connection(port, context) as connection:
        found = x509.load_der_x509_certificate(connection.getpeercert(binary_form=True) or b"")
    return str(found.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value)


def test_both_servers_use_tls(authority: CertificateAuthority, tmp_path: Path) -> None:
    """With certificates, both servers answer over TLS, with the protocol that ALPN selects."""
    with run_tls_servers(write_certificate_files(tmp_path, authority.issue())) as ports:
        context = build_client_context(authority)
        context.set_alpn_protocols(["h2", "http/1.1"])
        with open_tls_connection(ports.http, context) as connection:
            assert connection.selected_alpn_protocol() == "http/1.1"
            assert read_status_line(connection) == b"HTTP/1.1 200 OK"
        with open_tls_connection(ports.grpc, context) as connection:
            assert connection.selected_alpn_protocol() == "h2"
        assert call_over_tls(ports.grpc, authority.pem) == etim.render_etim(TOPOLOGY, 0)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=str)
def test_current_tls_versions_are_accepted(
    authority: CertificateAuthority, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    """Both servers accept TLS 1.2 and 1.3."""
    with run_tls_servers(write_certificate_files(tmp_path, authority.issue())) as ports:
        for port in (ports.http, ports.grpc):
            context = build_client_context(authority)
            context.set_alpn_protocols(["h2", "http/1.1"])
            context.minimum_version = context.maximum_version = version
            with open_tls_connection(port, context) as connection:
                assert connection.version() == version.name.replace("_", ".")


# A hello of TLS 1.0 or 1.1, byte for byte: what this machine's own TLS would refuse to say.
def _build_old_client_hello(minor: int) -> bytes:
    ciphers = bytes.fromhex("c013c014c009c00a002f0035")
    body = bytes([3, minor]) + b"\x11" * 32 + b"\x00" + len(ciphers).to_bytes(2) + ciphers + b"\x01\x00"
    message = b"\x01" + len(body).to_bytes(3) + body
    return b"\x16" + bytes([3, minor]) + len(message).to_bytes(2) + message


@pytest.mark.parametrize("minor", [1, 2], ids=["TLS 1.0", "TLS 1.1"])
def test_old_tls_versions_are_rejected(authority: CertificateAuthority, tmp_path: Path, minor: int) -> None:
    """Both servers reject TLS 1.1 with an alert."""
    with run_tls_servers(write_certificate_files(tmp_path, authority.issue())) as ports:
        for port in (ports.http, ports.grpc):
            with socket.create_connection(("127.0.0.1", port), timeout=WAIT_TIMEOUT_SECONDS) as connection:
                connection.sendall(_build_old_client_hello(minor))
                with contextlib.suppress(ConnectionError):
                    answer = connection.recv(65536)
                    assert answer == b"" or answer[0] == 0x15
                    assert connection.recv(65536) == b""


def test_incomplete_handshakes_time_out(authority: CertificateAuthority, tmp_path: Path) -> None:
    """A client that does not complete the handshake is disconnected in time, and other clients are served."""
    with (
        run_tls_servers(write_certificate_files(tmp_path, authority.issue()), handshake_seconds=0.5) as ports,
        contextlib.ExitStack() as stack,
    ):
        silent = [
            stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=WAIT_TIMEOUT_SECONDS))
            for port in (ports.http, ports.grpc) * 20
        ]
        for connection in silent[::4]:
            connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00")
        assert request_over_https(ports.http, build_client_context(authority)) == b"HTTP/1.1 200 OK"
        assert isinstance(call_over_tls(ports.grpc, authority.pem), bytes)
        for connection in silent:
            with contextlib.suppress(ConnectionError):
                while connection.recv(65536):
                    pass


def test_plain_text_is_disconnected(authority: CertificateAuthority, tmp_path: Path) -> None:
    """A request without TLS to a TLS port is disconnected at once."""
    with run_tls_servers(write_certificate_files(tmp_path, authority.issue())) as ports:
        for port in (ports.http, ports.grpc):
            with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                connection.sendall(HEAD_REQUEST)
                with contextlib.suppress(ConnectionError):
                    while received := connection.recv(65536):
                        assert b"HTTP/1.1" not in received


def test_a_changed_certificate_is_loaded(authority: CertificateAuthority, tmp_path: Path) -> None:
    """New connections to both servers get the new certificate, also without SNI; an open connection stays."""
    with run_tls_servers(write_certificate_files(tmp_path, authority.issue("old"))) as ports:
        assert get_certificate_name(ports.http) == get_certificate_name(ports.grpc) == "old"
        with open_tls_connection(ports.http, build_client_context(authority)) as open_before:
            assert read_status_line(open_before) == b"HTTP/1.1 200 OK"
            write_certificate_files(tmp_path, authority.issue("new"))
            wait_until(
                lambda: get_certificate_name(ports.http) == get_certificate_name(ports.grpc) == "new",
                "both show the new one",
            )
            assert read_status_line(open_before) == b"HTTP/1.1 200 OK"


def test_clients_need_certificates(authority: CertificateAuthority, tmp_path: Path) -> None:
    """With a client CA, a client without a certificate, or with one of another CA, gets no response."""
    clients, strangers = CertificateAuthority("clients"), CertificateAuthority("strangers")
    files = write_certificate_files(tmp_path / "server", authority.issue(), clients.pem)
    good, bad = clients.issue("good"), strangers.issue("bad")
    with run_tls_servers(files) as ports:
        of_good, of_bad = (
            write_certificate_files(tmp_path / "good", good),
            write_certificate_files(tmp_path / "bad", bad),
        )
        assert (
            request_over_https(ports.http, add_client_certificate(build_client_context(authority), of_good))
            == b"HTTP/1.1 200 OK"
        )
        assert request_over_https(ports.http, build_client_context(authority)) == b""
        assert request_over_https(ports.http, add_client_certificate(build_client_context(authority), of_bad)) == b""
        assert isinstance(call_over_tls(ports.grpc, authority.pem, good), bytes)
        assert call_over_tls(ports.grpc, authority.pem) is grpc.StatusCode.UNAVAILABLE
        assert call_over_tls(ports.grpc, authority.pem, bad) is grpc.StatusCode.UNAVAILABLE


def test_an_expired_client_certificate_is_rejected(authority: CertificateAuthority, tmp_path: Path) -> None:
    """A client with an expired certificate gets no response."""
    clients = CertificateAuthority("clients")
    late = clients.issue("late", -DAY)
    with run_tls_servers(write_certificate_files(tmp_path / "server", authority.issue(), clients.pem)) as ports:
        assert (
            request_over_https(
                ports.http,
                add_client_certificate(
                    build_client_context(authority), write_certificate_files(tmp_path / "late", late)
                ),
            )
            == b""
        )
        assert call_over_tls(ports.grpc, authority.pem, late) is grpc.StatusCode.UNAVAILABLE


def test_a_changed_client_ca_is_loaded(authority: CertificateAuthority, tmp_path: Path) -> None:
    """A new client CA accepts its clients and no longer those of the old one, not even for a resumed session."""
    old, new = CertificateAuthority("old"), CertificateAuthority("new")
    of_old, of_new = old.issue(), new.issue()
    with run_tls_servers(write_certificate_files(tmp_path / "server", authority.issue(), old.pem)) as ports:
        context = add_client_certificate(
            build_client_context(authority), write_certificate_files(tmp_path / "old", of_old)
        )
        with open_tls_connection(ports.http, context) as connection:
            assert read_status_line(connection) == b"HTTP/1.1 200 OK"
            session = connection.session
        assert session is not None
        (tmp_path / "server" / "ca.pem").write_bytes(new.pem)
        newcomer = add_client_certificate(
            build_client_context(authority), write_certificate_files(tmp_path / "new", of_new)
        )
        wait_until(
            lambda: request_over_https(ports.http, newcomer) == b"HTTP/1.1 200 OK", "HTTP lets the new client in"
        )
        wait_until(
            lambda: isinstance(call_over_tls(ports.grpc, authority.pem, of_new), bytes), "gRPC lets the new client in"
        )
        assert request_over_https(ports.http, context) == b""
        assert call_over_tls(ports.grpc, authority.pem, of_old) is grpc.StatusCode.UNAVAILABLE
        with (
            contextlib.suppress(ConnectionError, ssl.SSLError),
            open_tls_connection(ports.http, context, session) as again,
        ):
            assert read_status_line(again) == b""


# --- the watch over the files


def test_invalid_files_keep_the_last_certificate(authority: CertificateAuthority, tmp_path: Path) -> None:
    """While new files are invalid, the last certificate stays in use; one warning has the reason and no content."""
    pair = authority.issue()
    reloader = CertificateReloader("http", write_certificate_files(tmp_path, pair))
    first = reloader.current
    for cert, key in ((b"", pair[1]), (pair[0], authority.issue()[1]), (pair[0][:300], pair[1]), (b"\xff", b"\xff")):
        write_certificate_files(tmp_path, (cert, key))
        with structlog.testing.capture_logs() as logged:
            reloader.reload_if_changed()
            assert not logged, "it may still be written"
            reloader.reload_if_changed()
            reloader.reload_if_changed()
        assert [line["event"] for line in logged] == ["new certificate is invalid, keeping the last one"]
        assert "BEGIN" not in str(logged)
        assert reloader.current is first
        write_certificate_files(tmp_path, pair)
        reloader.reload_if_changed()
    (tmp_path / "key.pem").unlink()
    os.mkfifo(tmp_path / "key.pem")
    with structlog.testing.capture_logs() as logged:
        reloader.reload_if_changed()
        reloader.reload_if_changed()
    assert logged[0]["reason"] == f"{tmp_path}/key.pem: cannot be read (not a regular file)"
    (tmp_path / "key.pem").unlink()
    write_certificate_files(tmp_path, pair)
    reloader.reload_if_changed()
    (tmp_path / "key.pem").unlink()
    with structlog.testing.capture_logs() as logged:
        reloader.reload_if_changed()
        reloader.reload_if_changed()
    assert logged[0]["reason"] == f"{tmp_path}/key.pem: cannot be read (No such file or directory)"
    write_certificate_files(tmp_path, authority.issue())
    reloader.reload_if_changed()
    assert reloader.current is not first


@pytest.mark.parametrize(
    ("days", "warning"),
    [(30, ""), (10, "certificate expires soon"), (41, "certificate has expired")],
)
def test_expiry_is_logged_once(authority: CertificateAuthority, tmp_path: Path, days: int, warning: str) -> None:
    """A certificate in the last tenth of its lifetime causes one warning, and an expired one another."""
    made = CertificateReloader("grpc", write_certificate_files(tmp_path, authority.issue(lifetime=40 * DAY)))
    shift = {30: 0, 10: 30, 41: 41}[days]
    expires_at = made.current.expires_at
    with structlog.testing.capture_logs() as logged:
        later = CertificateReloader(
            "grpc",
            write_certificate_files(tmp_path, authority.issue(lifetime=40 * DAY)),
            clock=lambda: expires_at - (40 - shift) * DAY,
        )
        later.reload_if_changed()
    assert [line["event"] for line in logged if line["log_level"] == "warning"] == ([warning] if warning else [])


def test_intermediate_certificates_are_sent(authority: CertificateAuthority, tmp_path: Path) -> None:
    """Certificates after the server's own are sent, too."""
    cert, key = authority.issue()
    with (
        run_tls_servers(write_certificate_files(tmp_path, (cert + authority.pem, key))) as ports,
        open_tls_connection(ports.http, build_client_context(authority)) as one,
    ):
        chain = one._sslobj.get_unverified_chain()  # type: ignore[attr-defined]  # noqa: SLF001 - public from 3.13 on
        assert [piece.public_bytes().encode() for piece in chain][1] == authority.pem


def test_slow_tls_readers_use_little_memory(authority: CertificateAuthority, tmp_path: Path) -> None:
    """For thirty clients that do not read their ten megabytes, responses are encrypted in pieces, not as a whole."""
    large = b"x" * 10_000_000
    source = FakeSnapshotProvider(current_snapshot=build_snapshot(views={**RENDERERS, "1.2.5": lambda *_of: large}))
    manner = ServerOptions(
        HttpServerOptions(reloader=CertificateReloader("http", write_certificate_files(tmp_path, authority.issue())))
    )
    with run_servers(source, None, options=manner) as ports, contextlib.ExitStack() as stack:
        before = 0
        for number in range(31):
            connection = stack.enter_context(open_tls_connection(ports.http, build_client_context(authority)))
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert connection.recv(15) == b"HTTP/1.1 200 OK"
            before = before or psutil.Process().memory_info().rss
            assert number < 30 or psutil.Process().memory_info().rss - before < 100 * 2**20
        received = 0
        while received < len(large):
            piece = connection.recv(1_000_000)
            assert piece
            received += len(piece)
