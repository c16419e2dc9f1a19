"""The gateway without descriptors, with too many clients, and with invalid certificates."""

import contextlib
import re
import resource
import signal
import socket
import time
from functools import partial
from pathlib import Path

import grpc
import psutil
import pytest

from demo.prometheus import find_free_port
from tests.integration.gateway_process import (
    UNREACHABLE_URL,
    GatewayProcess,
    run_gateway,
    run_to_completion,
    wait_until,
)
from tests.server.test_tls import (
    add_client_certificate,
    build_client_context,
    call_over_tls,
    get_certificate_name,
    request_over_https,
)
from tests.support.certificate_authority import DAY, CertificateAuthority, write_certificate_files
from tests.support.grpc_client import call_method
from tests.support.http_client import send_request
from tests.support.unusable_files import UNUSABLE_FILES

DESCRIPTOR_LIMIT = 64
CERTIFICATE_REJECTED_EVENT = "new certificate is invalid, keeping the last one"

pytestmark = pytest.mark.concurrent


def is_serving(gateway: GatewayProcess) -> bool:
    """Return whether both servers respond to a new client."""
    try:
        return (
            send_request(gateway.http_port, "/healthz").status == 200
            and call_method(gateway.grpc_port).code is grpc.StatusCode.UNAVAILABLE
        )
    except OSError:
        return False


def measure_cpu_seconds(gateway: GatewayProcess) -> float:
    """Return the CPU time that the process has used."""
    times = psutil.Process(gateway.process.pid).cpu_times()
    return float(times.user + times.system)


@pytest.mark.parametrize("server", ["http", "grpc"])
def test_servers_pause_without_descriptors(tmp_path: Path, server: str) -> None:
    """When clients use all 64 descriptors, the log stays short and the process idle; later it serves again."""
    with run_gateway(tmp_path, PROMETHEUS_ADDRESS=UNREACHABLE_URL, REFRESH_INTERVAL="60") as gateway:
        wait_until(lambda: is_serving(gateway), "both servers respond")
        # Lowered after the start, because the connection limit is derived from it at startup.
        limit = (DESCRIPTOR_LIMIT, DESCRIPTOR_LIMIT)
        psutil.Process(gateway.process.pid).rlimit(resource.RLIMIT_NOFILE, limit)
        port = gateway.http_port if server == "http" else gateway.grpc_port
        with contextlib.ExitStack() as stack:
            for _ in range(200):
                stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5))
            wait_until(
                lambda: psutil.Process(gateway.process.pid).num_fds() >= DESCRIPTOR_LIMIT - 1, "all descriptors in use"
            )
            before, measure_until = measure_cpu_seconds(gateway), time.monotonic() + 2
            wait_until(lambda: time.monotonic() > measure_until, "two seconds without descriptors")
            assert measure_cpu_seconds(gateway) - before < 0.5
        wait_until(lambda: is_serving(gateway), "both servers respond again")
        pauses = gateway.find_events("cannot accept connections, pausing")
        # HTTP may be probed before gRPC has closed its last connections, and lack a descriptor once.
        assert len(pauses) in ({1} if server == "http" else {0, 1})
        assert len(gateway.read_log_entries()) < 20


def test_the_connection_limit_depends_on_the_descriptor_limit(tmp_path: Path) -> None:
    """With a limit of 64 descriptors, both servers accept only as many connections as leave free descriptors."""
    with run_gateway(
        tmp_path, prefix=("prlimit", "--nofile=64:64"), PROMETHEUS_ADDRESS=UNREACHABLE_URL, MAX_CONNECTIONS="10000"
    ) as gateway:
        wait_until(lambda: is_serving(gateway), "both servers respond")
        with contextlib.ExitStack() as stack:
            for port in (gateway.http_port, gateway.grpc_port) * 100:
                stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5))
            assert psutil.Process(gateway.process.pid).num_fds() < DESCRIPTOR_LIMIT
        wait_until(lambda: is_serving(gateway), "both servers respond again")
        assert gateway.find_events("connection limit reduced")[0]["max_connections"] == 8
        assert gateway.find_events("connection limit reached, refusing connections")
        assert not gateway.find_events("cannot accept connections, pausing")


def was_closed(connection: socket.socket) -> bool:
    """Return whether the server has closed a connection; discard what it has sent."""
    connection.setblocking(False)
    try:
        while connection.recv(65536):
            pass
    except BlockingIOError:
        return False
    except ConnectionError:
        pass
    return True


def is_any_closed(connections: list[socket.socket]) -> bool:
    """Return whether the server has closed one of these connections."""
    return any(map(was_closed, connections))


def test_max_connections_limits_both_servers(tmp_path: Path) -> None:
    """Each server closes connections over MAX_CONNECTIONS, and accepts new ones when others close."""
    with run_gateway(
        tmp_path, PROMETHEUS_ADDRESS=UNREACHABLE_URL, REFRESH_INTERVAL="60", MAX_CONNECTIONS="3"
    ) as gateway:
        for port in (gateway.http_port, gateway.grpc_port):
            wait_until(lambda: is_serving(gateway), "both servers respond")
            with contextlib.ExitStack() as stack:
                # The connection of the check above may still count, so any of the four can be over the limit.
                connections = [
                    stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5)) for _ in range(4)
                ]
                wait_until(partial(is_any_closed, connections), "a connection is closed")
                assert not all(map(was_closed, connections))
        wait_until(lambda: is_serving(gateway), "both servers respond")


def test_certificates_are_reloaded(tmp_path: Path) -> None:
    """The process serves TLS with client certificates, loads new files, and keeps the last valid ones."""
    authority, clients = CertificateAuthority(), CertificateAuthority("clients")
    files = write_certificate_files(tmp_path / "tls", authority.issue("first"), clients.pem)
    pair = clients.issue()
    tls = {f"{server}_TLS_{kind.upper()}": path for server in ("HTTP", "GRPC") for kind, path in vars(files).items()}
    with run_gateway(tmp_path, PROMETHEUS_ADDRESS=UNREACHABLE_URL, REFRESH_INTERVAL="60", **tls) as gateway:
        client = add_client_certificate(
            build_client_context(authority), write_certificate_files(tmp_path / "client", pair)
        )
        assert request_over_https(gateway.http_port, client) == b"HTTP/1.1 200 OK"
        # The call is accepted and fails because there is no topology yet.
        assert call_over_tls(gateway.grpc_port, authority.pem, pair) is grpc.StatusCode.UNAVAILABLE
        assert request_over_https(gateway.http_port, build_client_context(authority)) == b""
        (tmp_path / "tls" / "key.pem").write_bytes(b"truncated")
        wait_until(lambda: len(gateway.find_events(CERTIFICATE_REJECTED_EVENT)) == 2, "both servers reject the files")
        assert request_over_https(gateway.http_port, client) == b"HTTP/1.1 200 OK"
        write_certificate_files(tmp_path / "tls", authority.issue("second"))
        wait_until(lambda: len(gateway.find_events("certificate loaded")) == 2, "both servers load the files")
        assert request_over_https(gateway.http_port, client) == b"HTTP/1.1 200 OK"
        gateway.process.send_signal(signal.SIGTERM)
        assert gateway.wait_for_exit(10) == 0
    assert "BEGIN" not in gateway.log
    assert len(gateway.find_events(CERTIFICATE_REJECTED_EVENT)) == 2


@pytest.mark.parametrize("kind", ["FIFO", "device"])
def test_an_unusable_certificate_file_is_rejected(tmp_path: Path, kind: str) -> None:
    """A FIFO or a device in place of a certificate is a warning; rotation and shutdown continue to work."""
    authority = CertificateAuthority()
    files = write_certificate_files(tmp_path / "tls", authority.issue())
    cert = Path(files.cert)
    tls = {"HTTP_TLS_CERT": files.cert, "HTTP_TLS_KEY": files.key}
    with run_gateway(tmp_path, PROMETHEUS_ADDRESS=UNREACHABLE_URL, REFRESH_INTERVAL="60", **tls) as gateway:
        client = build_client_context(authority)
        assert request_over_https(gateway.http_port, client) == b"HTTP/1.1 200 OK"
        cert.unlink()
        UNUSABLE_FILES[kind][0](cert)
        wait_until(lambda: gateway.find_events(CERTIFICATE_REJECTED_EVENT), "the file is rejected")
        assert "not a regular file" in gateway.find_events(CERTIFICATE_REJECTED_EVENT)[0]["reason"]
        assert request_over_https(gateway.http_port, client) == b"HTTP/1.1 200 OK"
        cert.unlink()
        write_certificate_files(tmp_path / "tls", authority.issue("second"))
        wait_until(lambda: gateway.find_events("certificate loaded"), "the new certificate is loaded")
        cert.unlink()
        UNUSABLE_FILES[kind][0](cert)
        gateway.process.send_signal(signal.SIGTERM)
        assert gateway.wait_for_exit(10) == 0


@pytest.mark.parametrize("kind", ["FIFO", "device", "directory", "link loop", "large file"])
def test_settings_with_unusable_files_prevent_startup(tmp_path: Path, kind: str) -> None:
    """The gateway does not start, and reports each setting whose file is not a small regular file."""
    UNUSABLE_FILES[kind][0](tmp_path / "file")
    names = ("HTTP_TLS_CERT", "KEY_FILE", "PROMETHEUS_BEARER_TOKEN_FILE", "PROMETHEUS_CA_FILE")
    completed = run_to_completion(PROMETHEUS_ADDRESS=UNREACHABLE_URL, **dict.fromkeys(names, str(tmp_path / "file")))
    assert completed.returncode == 2
    assert {line.split(":")[0] for line in completed.stderr.splitlines()} == set(names)


def test_certificate_expiry_is_a_metric(tmp_path: Path) -> None:
    """A gauge contains the expiry of the current certificate of each server with TLS."""
    authority = CertificateAuthority()
    files = write_certificate_files(tmp_path / "tls", authority.issue(lifetime=20 * DAY))
    tls = {"HTTP_TLS_CERT": files.cert, "HTTP_TLS_KEY": files.key, "METRICS_HOST": "127.0.0.1"}
    port = find_free_port()
    with run_gateway(tmp_path, PROMETHEUS_ADDRESS=UNREACHABLE_URL, METRICS_PORT=str(port), **tls) as gateway:
        assert gateway.http_port
        wait_until(lambda: is_accepting(port), "the metrics server")
        assert list(read_certificate_days_left(port)) == ["http"]
        assert 19.9 < read_certificate_days_left(port)["http"] < 20
        write_certificate_files(tmp_path / "tls", authority.issue(lifetime=60 * DAY))
        wait_until(lambda: read_certificate_days_left(port)["http"] > 59, "the expiry of the new certificate")


def is_accepting(port: int) -> bool:
    """Return whether a server accepts connections on a port."""
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0


def read_certificate_days_left(port: int) -> dict[str, float]:
    """Return the days until the certificate of each server expires."""
    text = send_request(port, "/metrics").body.decode()
    samples = re.findall(
        r'^aggregator_certificate_expiry_timestamp_seconds\{server="(\w+)"\} (\S+)$', text, re.MULTILINE
    )
    return {server: (float(expiry) - time.time()) / DAY.total_seconds() for server, expiry in samples}


def test_failed_handshakes_are_not_logged(tmp_path: Path) -> None:
    """Failed handshakes and plain text on TLS ports are not logged."""
    authority = CertificateAuthority()
    files = write_certificate_files(tmp_path / "tls", authority.issue())
    tls = {
        "HTTP_TLS_CERT": files.cert,
        "HTTP_TLS_KEY": files.key,
        "GRPC_TLS_CERT": files.cert,
        "GRPC_TLS_KEY": files.key,
    }
    with run_gateway(tmp_path, PROMETHEUS_ADDRESS=UNREACHABLE_URL, REFRESH_INTERVAL="60", **tls) as gateway:
        wait_until(lambda: gateway.find_events("refresh failed"), "the first refresh")
        before = gateway.log
        for port in (gateway.http_port, gateway.grpc_port) * 20:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
                with contextlib.suppress(ConnectionError):
                    connection.recv(65536)
        assert request_over_https(gateway.http_port, build_client_context(CertificateAuthority())) == b""
        assert call_over_tls(gateway.grpc_port, CertificateAuthority().pem) is grpc.StatusCode.UNAVAILABLE
        assert get_certificate_name(gateway.http_port) == "server"
        assert gateway.log == before


def test_invalid_certificates_prevent_startup(tmp_path: Path) -> None:
    """All problems of TLS files are reported together, by setting, and the exit code is 2."""
    authority = CertificateAuthority()
    cert, key = authority.issue()
    valid, invalid = (
        write_certificate_files(tmp_path / "good", (cert, key)),
        write_certificate_files(tmp_path / "other", (b"no PEM", b"not a key")),
    )
    completed = run_to_completion(
        PROMETHEUS_ADDRESS=UNREACHABLE_URL,
        HTTP_TLS_CERT=invalid.cert,
        HTTP_TLS_KEY=invalid.key,
        HTTP_TLS_CLIENT_CA=str(tmp_path / "none.pem"),
        GRPC_TLS_CERT=valid.key,
    )
    assert completed.returncode == 2
    problems = dict(line.split(": ", 1) for line in completed.stderr.splitlines())
    assert problems == {
        "HTTP_TLS_CERT": f"{invalid.cert}: contains no PEM certificate; expected: path of a PEM file",
        "HTTP_TLS_KEY": f"{invalid.key}: contains no PEM private key; expected: path of a PEM file",
        "HTTP_TLS_CLIENT_CA": "cannot be read (No such file or directory); expected: path of a PEM file",
        "GRPC_TLS_CERT": f"{valid.key}: contains no PEM certificate; expected: path of a PEM file",
    }
