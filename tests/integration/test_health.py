"""The image's health check, against real gateways with every kind of door."""

import contextlib
import http.client
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from aggregator import health
from aggregator.certificates import CertificateFiles
from demo.prometheus import free_port
from tests.integration import upstream
from tests.integration.process import Gateway, environment, running, until
from tests.server.authority import Authority, write

NOWHERE = "http://127.0.0.1:9"


def named(server: str, files: CertificateFiles) -> dict[str, str]:
    """Return the settings that give a server these files."""
    client_ca = {f"{server}_TLS_CLIENT_CA": files.client_ca} if files.client_ca else {}
    return {f"{server}_TLS_CERT": files.cert, f"{server}_TLS_KEY": files.key} | client_ca


def doors(server: str, kind: str, folder: Path) -> dict[str, str]:
    """Return the settings of a gateway that has this server alone."""
    ports = {"HTTP_PORT": "", "GRPC_PORT": ""} | {f"{server}_PORT": str(free_port())}
    if kind == "plain":
        return ports
    authority = Authority()
    return ports | named(server, write(folder / "tls", authority.pair(), authority.pem if kind == "mutual" else None))


@contextlib.contextmanager
def hanging(gateway: Gateway) -> Iterator[None]:
    """Keep a gateway from doing anything while the block runs."""
    gateway.process.send_signal(signal.SIGSTOP)
    try:
        # One of its threads may go on for a moment, and greet.
        threads = Path(f"/proc/{gateway.process.pid}/task")
        until(lambda: all(_is_stopped(thread) for thread in threads.iterdir()), "all threads are stopped")
        yield
    finally:
        gateway.process.send_signal(signal.SIGCONT)


def _is_stopped(thread: Path) -> bool:
    return (thread / "stat").read_text().rpartition(")")[2].split()[0] == "T"


@pytest.mark.parametrize("server", ["HTTP", "GRPC"])
@pytest.mark.parametrize("kind", ["plain", "tls", "mutual"])
def test_a_gateway_that_lives_is_healthy_whatever_its_door(tmp_path: Path, server: str, kind: str) -> None:
    """HTTP or gRPC, plain, with TLS, or only for clients with a certificate: it is healthy until it hangs or ends."""
    chosen = doors(server, kind, tmp_path)
    with running(tmp_path, PROMETHEUS_ADDRESS=NOWHERE, **chosen) as started:
        assert started.http if server == "HTTP" else started.grpc
        health.check(environment(chosen))
        with hanging(started), pytest.raises(TimeoutError):
            health.check(environment(chosen), timeout_seconds=0.3)
    with pytest.raises(ConnectionRefusedError):
        health.check(environment(chosen))


def test_another_who_answers_is_not_the_gateway() -> None:
    """A status other than 200 is no health."""
    with (
        upstream.answering(404, b"", {}) as (address, _asked),
        pytest.raises(http.client.HTTPException, match="404"),
    ):
        health.check({"HTTP_HOST": "127.0.0.1", "HTTP_PORT": address.rpartition(":")[2]})


def test_the_check_is_a_program() -> None:
    """As a program it ends with 1 and one line where nobody listens, whatever Kubernetes puts into AGGREGATOR_PORT."""
    port = str(free_port())
    done = subprocess.run(
        [sys.executable, "-m", "aggregator.health"],
        env=environment({"HTTP_PORT": port, "AGGREGATOR_PORT": "tcp://10.0.0.1:8080"}),
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("ConnectionRefusedError: ")
    assert len(done.stderr.splitlines()) == 1
