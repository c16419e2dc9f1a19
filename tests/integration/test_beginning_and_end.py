"""How the program begins and ends: signals at any time, and files that change while it starts."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.process import environment, running, until
from tests.server.authority import Authority, write
from tests.server.exchange import ask

NOWHERE = "http://127.0.0.1:9"


def test_signals_without_end_change_nothing(tmp_path: Path) -> None:
    """Whoever signals again and again, until the process is gone, gets the same orderly end with 0."""
    with running(tmp_path, PROMETHEUS_ADDRESS=NOWHERE, REFRESH_INTERVAL="60") as started:
        until(lambda: ask(started.http, "/healthz").status == 200, "it serves")

        def is_over() -> bool:
            for number in (signal.SIGTERM, signal.SIGINT):
                started.process.send_signal(number)
            return started.process.poll() is not None

        until(is_over, "it ends")
        assert started.process.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=lambda it: it.name)
def test_a_signal_ends_the_start(number: signal.Signals) -> None:
    """While the program is imported a signal ends it at once with 0 and without a word."""
    code = (
        "import os, signal, sys; from aggregator import stopping; stopping.leave_when_told();"
        f"os.kill(os.getpid(), {int(number)}); import aggregator.start; sys.exit(9)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_closed_terminal_does_not_end_what_was_told_to_stay(tmp_path: Path) -> None:
    """Run by nohup, the program stays when its terminal is closed."""
    with running(tmp_path, prefix=["nohup"], PROMETHEUS_ADDRESS=NOWHERE) as started:
        until(lambda: ask(started.http, "/healthz").status == 200, "it serves")
        refreshes = len(started.events("refresh failed"))
        started.process.send_signal(signal.SIGHUP)
        until(lambda: len(started.events("refresh failed")) >= refreshes + 5, "it goes on")
        assert not started.events("stopping")
        started.process.send_signal(signal.SIGTERM)
        assert started.exit_code(10) == 0


def test_a_certificate_that_changes_at_the_start_is_one_line(tmp_path: Path) -> None:
    """A file for TLS that is half written when the servers are made ends the start with 1 and one line naming it."""
    files = write(tmp_path, Authority().pair())
    code = (
        "import os, pathlib; from aggregator import settings, start; chosen = settings.read(os.environ);"
        "pathlib.Path(os.environ['HTTP_TLS_KEY']).write_bytes(b'-----BEGIN'); start.serve(chosen)"
    )
    chosen = {"PROMETHEUS_ADDRESS": NOWHERE, "HTTP_PORT": "0", "HTTP_TLS_CERT": files.cert, "HTTP_TLS_KEY": files.key}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(chosen), capture_output=True, text=True, check=False
    )
    lines = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    assert (done.returncode, lines) == (1, [f"{files.key}: holds no private key in PEM form"])
