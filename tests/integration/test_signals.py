"""Signals during startup and shutdown, and files that change during startup."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.gateway_process import build_environment, run_gateway, wait_until
from tests.support.certificate_authority import CertificateAuthority, write_certificate_files
from tests.support.http_client import send_request

UNREACHABLE_URL = "http://127.0.0.1:9"


def test_repeated_signals_do_not_interrupt_shutdown(tmp_path: Path) -> None:
    """Signals repeated until the process ends do not prevent an orderly exit with 0."""
    with run_gateway(tmp_path, PROMETHEUS_ADDRESS=UNREACHABLE_URL, REFRESH_INTERVAL="60") as gateway:
        wait_until(lambda: send_request(gateway.http_port, "/healthz").status == 200, "HTTP is serving")

        def signal_and_poll() -> bool:
            for number in (signal.SIGTERM, signal.SIGINT):
                gateway.process.send_signal(number)
            return gateway.process.poll() is not None

        wait_until(signal_and_poll, "the process ends")
        assert gateway.process.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=lambda number: number.name)
def test_a_signal_ends_startup(number: signal.Signals) -> None:
    """A signal during the imports ends the program at once with 0 and without output."""
    code = (
        "import os, signal, sys; from aggregator.app import signals; signals.exit_on_signal();"
        f"os.kill(os.getpid(), {int(number)}); import aggregator.cli.main; sys.exit(9)"
    )
    completed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (completed.returncode, completed.stdout, completed.stderr) == (0, "", "")


def test_nohup_ignores_a_closed_terminal(tmp_path: Path) -> None:
    """With nohup, SIGHUP does not end the program."""
    with run_gateway(tmp_path, prefix=["nohup"], PROMETHEUS_ADDRESS=UNREACHABLE_URL) as gateway:
        wait_until(lambda: send_request(gateway.http_port, "/healthz").status == 200, "HTTP is serving")
        refreshes = len(gateway.find_events("refresh failed"))
        gateway.process.send_signal(signal.SIGHUP)
        wait_until(lambda: len(gateway.find_events("refresh failed")) >= refreshes + 5, "more refreshes")
        assert not gateway.find_events("stopping")
        gateway.process.send_signal(signal.SIGTERM)
        assert gateway.wait_for_exit(10) == 0


def test_a_key_that_changes_during_startup_is_reported(tmp_path: Path) -> None:
    """A TLS key that becomes invalid during startup makes the start fail with 1 and one line that names the file."""
    files = write_certificate_files(tmp_path, CertificateAuthority().issue())
    code = (
        "import os, pathlib; from aggregator.cli import main; from aggregator.settings import gateway, settings;"
        "loaded = settings.load_settings(os.environ, gateway.Settings);"
        "pathlib.Path(os.environ['HTTP_TLS_KEY']).write_bytes(b'-----BEGIN'); main.serve(loaded)"
    )
    environment = {
        "PROMETHEUS_ADDRESS": UNREACHABLE_URL,
        "HTTP_PORT": "0",
        "HTTP_TLS_CERT": files.cert,
        "HTTP_TLS_KEY": files.key,
    }
    completed = subprocess.run(
        [sys.executable, "-c", code], env=build_environment(environment), capture_output=True, text=True, check=False
    )
    lines = [line for line in completed.stderr.splitlines() if not line.startswith("{")]
    assert (completed.returncode, lines) == (1, [f"{files.key}: contains no PEM private key"])
