"""The health check of the image works with all kinds of servers."""

import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from aggregator.cli import healthcheck
from aggregator.errors import HttpError
from aggregator.util.files import CertificateFiles
from demo.prometheus import find_free_port
from tests.integration import misbehaving_upstreams
from tests.integration.gateway_process import GatewayProcess, build_environment, run_gateway, wait_until
from tests.support.certificate_authority import CertificateAuthority, write_certificate_files

UNREACHABLE_URL = "http://127.0.0.1:9"


def build_tls_settings(server: str, files: CertificateFiles) -> dict[str, str]:
    """Return the TLS settings of a server with these files."""
    client_ca = {f"{server}_TLS_CLIENT_CA": files.client_ca} if files.client_ca else {}
    return {f"{server}_TLS_CERT": files.cert, f"{server}_TLS_KEY": files.key} | client_ca


def build_server_settings(server: str, kind: str, folder: Path) -> dict[str, str]:
    """Return the settings of a gateway with only this server."""
    ports = {"HTTP_PORT": "", "GRPC_PORT": ""} | {f"{server}_PORT": str(find_free_port())}
    if kind == "plain":
        return ports
    authority = CertificateAuthority()
    return ports | build_tls_settings(
        server, write_certificate_files(folder / "tls", authority.issue(), authority.pem if kind == "mutual" else None)
    )


@contextlib.contextmanager
def pause_gateway(gateway: GatewayProcess) -> Iterator[None]:
    """Suspend a gateway while the block runs."""
    gateway.process.send_signal(signal.SIGSTOP)
    try:
        # A thread may continue for a moment and respond.
        threads = Path(f"/proc/{gateway.process.pid}/task")
        wait_until(lambda: all(_is_stopped(thread) for thread in threads.iterdir()), "all threads are stopped")
        yield
    finally:
        gateway.process.send_signal(signal.SIGCONT)


def _is_stopped(thread: Path) -> bool:
    return (thread / "stat").read_text().rpartition(")")[2].split()[0] == "T"


@pytest.mark.parametrize("server", ["HTTP", "GRPC"])
@pytest.mark.parametrize("kind", ["plain", "tls", "mutual"])
def test_a_running_gateway_is_healthy(tmp_path: Path, server: str, kind: str) -> None:
    """A gateway with HTTP or gRPC, plain, TLS or mutual TLS, is healthy until it hangs or ends."""
    settings = build_server_settings(server, kind, tmp_path)
    with run_gateway(tmp_path, PROMETHEUS_ADDRESS=UNREACHABLE_URL, **settings) as gateway:
        assert gateway.http_port if server == "HTTP" else gateway.grpc_port
        healthcheck.check_health(build_environment(settings))
        with pause_gateway(gateway), pytest.raises((TimeoutError, HttpError), match=r"timed out|within"):
            healthcheck.check_health(build_environment(settings), timeout_seconds=0.3)
    with pytest.raises((ConnectionRefusedError, HttpError), match="refused"):
        healthcheck.check_health(build_environment(settings))


def test_a_status_other_than_200_is_unhealthy() -> None:
    """A server that responds with another status than 200 is unhealthy."""
    with (
        misbehaving_upstreams.run_fixed_upstream(404, b"", {}) as (address, _requests),
        pytest.raises(healthcheck.UnhealthyError, match="404"),
    ):
        healthcheck.check_health({"HTTP_HOST": "127.0.0.1", "HTTP_PORT": address.rpartition(":")[2]})


def test_the_health_check_is_a_program() -> None:
    """On a closed port the program exits with 1 and one line; AGGREGATOR_PORT of Kubernetes does not matter."""
    port = str(find_free_port())
    completed = subprocess.run(
        [sys.executable, "-m", "aggregator.cli.healthcheck"],
        env=build_environment({"HTTP_PORT": port, "AGGREGATOR_PORT": "tcp://10.0.0.1:8080"}),
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert completed.returncode == 1
    assert completed.stderr == "health check failed: connection refused\n"
