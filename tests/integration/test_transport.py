"""The process on a network that means it ill: without descriptors, with too many clients, with bad certificates."""

import contextlib
import resource
import signal
import socket
import time
from pathlib import Path

import grpc
import psutil
import pytest

from tests.integration.process import NOWHERE, Gateway, ended, running, until
from tests.server.authority import Authority, write
from tests.server.call import call
from tests.server.exchange import ask
from tests.server.test_tls import bearing, believing, over_grpc, over_https, shown

FEW_DESCRIPTORS = 64
NEW_CERTIFICATE = "new certificate not taken, the last stays"

pytestmark = pytest.mark.beside


def is_serving(gateway: Gateway) -> bool:
    """Return whether both servers answer a new client."""
    try:
        return ask(gateway.http, "/healthz").status == 200 and call(gateway.grpc).code is grpc.StatusCode.UNAVAILABLE
    except OSError:
        return False


def cpu_seconds(gateway: Gateway) -> float:
    """Return how long the process has computed."""
    times = psutil.Process(gateway.process.pid).cpu_times()
    return float(times.user + times.system)


@pytest.mark.parametrize("server", ["http", "grpc"])
def test_without_descriptors_it_waits_and_recovers(tmp_path: Path, server: str) -> None:
    """When a flood takes the last of 64 descriptors the log stays short and the process idle; then it serves again."""
    with running(tmp_path, PROMETHEUS_ADDRESS=NOWHERE, REFRESH_INTERVAL="60") as started:
        until(lambda: is_serving(started), "both serve")
        # Lowered only now, so that the bound on connections, which is made from it at the start, does not come first.
        limit = (FEW_DESCRIPTORS, FEW_DESCRIPTORS)
        psutil.Process(started.process.pid).rlimit(resource.RLIMIT_NOFILE, limit)
        port = started.http if server == "http" else started.grpc
        with contextlib.ExitStack() as stack:
            for _ in range(200):
                stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5))
            until(lambda: psutil.Process(started.process.pid).num_fds() >= FEW_DESCRIPTORS - 1, "all are in use")
            before, until_then = cpu_seconds(started), time.monotonic() + 2
            until(lambda: time.monotonic() > until_then, "two seconds of it")
            assert cpu_seconds(started) - before < 0.5
        until(lambda: is_serving(started), "both serve again")
        waiting = started.events("connections have to wait")
        # HTTP is asked while gRPC lets go of the last of its clients, and may find no descriptor once.
        assert len(waiting) in ({1} if server == "http" else {0, 1})
        assert len(started.lines()) < 20


def test_with_few_descriptors_it_takes_few_connections(tmp_path: Path) -> None:
    """Started with 64 descriptors it takes only as many connections as leave it some, on both servers."""
    with running(tmp_path, prefix=("prlimit", "--nofile=64:64"), PROMETHEUS_ADDRESS=NOWHERE) as started:
        until(lambda: is_serving(started), "both serve")
        with contextlib.ExitStack() as stack:
            for port in (started.http, started.grpc) * 100:
                stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5))
            assert psutil.Process(started.process.pid).num_fds() < FEW_DESCRIPTORS
        until(lambda: is_serving(started), "both serve again")
        assert started.events("fewer connections than MAX_CONNECTIONS")[0]["most"] == 8
        assert started.events("too many connections, more are refused")
        assert not started.events("connections have to wait")


def test_the_most_connections_are_a_setting(tmp_path: Path) -> None:
    """MAX_CONNECTIONS bounds both servers: one more is closed, and there is room again when one leaves."""
    with running(tmp_path, PROMETHEUS_ADDRESS=NOWHERE, MAX_CONNECTIONS="3") as started:
        for port in (started.http, started.grpc):
            until(lambda: is_serving(started), "both serve")
            with contextlib.ExitStack() as stack:
                held = [stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5)) for _ in range(3)]
                extra = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5))
                with contextlib.suppress(ConnectionError):
                    while extra.recv(65536):
                        pass
                held[0].settimeout(0.2)
                with contextlib.suppress(TimeoutError):
                    # gRPC greets; HTTP waits to be asked.
                    assert held[0].recv(9) != b""
        until(lambda: is_serving(started), "both serve")


def test_certificates_are_taken_by_the_process(tmp_path: Path) -> None:
    """The process serves TLS with client certificates, takes new files, keeps the good ones, and tells of bad ones."""
    authority, clients = Authority(), Authority("clients")
    files = write(tmp_path / "tls", authority.pair("first"), clients.pem)
    pair = clients.pair()
    tls = {f"{server}_TLS_{kind.upper()}": path for server in ("HTTP", "GRPC") for kind, path in vars(files).items()}
    with running(tmp_path, PROMETHEUS_ADDRESS=NOWHERE, **tls) as started:
        client = bearing(believing(authority), write(tmp_path / "client", pair))
        assert over_https(started.http, client) == b"HTTP/1.1 200 OK"
        # Let in, and told that there is no topology yet.
        assert over_grpc(started.grpc, authority.pem, pair) is grpc.StatusCode.UNAVAILABLE
        assert over_https(started.http, believing(authority)) == b""
        (tmp_path / "tls" / "key.pem").write_bytes(b"half a ke")
        until(lambda: len(started.events(NEW_CERTIFICATE)) == 2, "both tell of it")
        assert over_https(started.http, client) == b"HTTP/1.1 200 OK"
        write(tmp_path / "tls", authority.pair("second"))
        until(lambda: len(started.events("certificate taken")) == 2, "both take it")
        assert over_https(started.http, client) == b"HTTP/1.1 200 OK"
        started.process.send_signal(signal.SIGTERM)
        assert started.exit_code(10) == 0
    assert "BEGIN" not in started.log
    assert len(started.events(NEW_CERTIFICATE)) == 2


def test_a_stranger_cannot_fill_the_log(tmp_path: Path) -> None:
    """Handshakes that fail, plain text to TLS and TLS to plain text write no line to the log."""
    authority = Authority()
    files = write(tmp_path / "tls", authority.pair())
    tls = {
        "HTTP_TLS_CERT": files.cert,
        "HTTP_TLS_KEY": files.key,
        "GRPC_TLS_CERT": files.cert,
        "GRPC_TLS_KEY": files.key,
    }
    with running(tmp_path, PROMETHEUS_ADDRESS=NOWHERE, REFRESH_INTERVAL="60", **tls) as started:
        until(lambda: started.events("refresh failed"), "the first refresh")
        before = started.log
        for port in (started.http, started.grpc) * 20:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
                with contextlib.suppress(ConnectionError):
                    connection.recv(65536)
        assert over_https(started.http, believing(Authority())) == b""
        assert over_grpc(started.grpc, Authority().pem) is grpc.StatusCode.UNAVAILABLE
        assert shown(started.http) == "server"
        assert started.log == before


def test_bad_certificates_are_no_start(tmp_path: Path) -> None:
    """All that is wrong with files for TLS is told at once, by setting, and the exit code is 2."""
    authority = Authority()
    cert, key = authority.pair()
    good, other = write(tmp_path / "good", (cert, key)), write(tmp_path / "other", (b"no PEM", b"no key"))
    done = ended(
        PROMETHEUS_ADDRESS=NOWHERE,
        HTTP_TLS_CERT=other.cert,
        HTTP_TLS_KEY=other.key,
        HTTP_TLS_CLIENT_CA=str(tmp_path / "none.pem"),
        GRPC_TLS_CERT=good.key,
    )
    assert done.returncode == 2
    told = dict(line.split(": ", 1) for line in done.stderr.splitlines())
    assert told == {
        "HTTP_TLS_CERT": f"{other.cert}: holds no certificate in PEM form; expected: path of a PEM file",
        "HTTP_TLS_KEY": f"{other.key}: holds no private key in PEM form; expected: path of a PEM file",
        "HTTP_TLS_CLIENT_CA": "cannot be read (No such file or directory); expected: path of a PEM file",
        "GRPC_TLS_CERT": f"{good.key}: holds no certificate in PEM form; expected: path of a PEM file",
    }
