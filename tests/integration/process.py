"""The gateway as a process of its own: started with settings, watched through its log, and ended."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tests.integration import secrets

ROOT = Path(__file__).parents[2]
# Only a test that fails waits as long; a machine with ten times as much to do as it can has needed 30 s for a start.
START_SECONDS = 60.0
# Where nobody listens.
NOWHERE = "http://127.0.0.1:9"
COMMAND = (sys.executable, "-m", "aggregator")

Found = TypeVar("Found")


def until(look: Callable[[], Found], what: str, within_seconds: float = START_SECONDS) -> Found:
    """Return what `look` returns once that is true; fail after the time, naming what was waited for."""
    end = time.monotonic() + within_seconds
    while not (found := look()):
        if time.monotonic() > end:
            raise AssertionError(f"not within {within_seconds:g} s: {what}")
        time.sleep(0.02)
    return found


def environment(settings: dict[str, str]) -> dict[str, str]:
    """Return an environment with these settings and none of the caller's."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "HTTP_HOST": "127.0.0.1",
        "GRPC_HOST": "127.0.0.1",
    } | settings


def ended(*arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    """Run the program until it ends by itself; whatever it says of its settings, it gives no secret away."""
    done = subprocess.run(
        [*COMMAND, *arguments],
        env=environment(settings),
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=False,
    )
    assert not secrets.found_in(done.stdout + done.stderr, settings)
    return done


@dataclass(frozen=True)
class Gateway:
    """A gateway that runs, or has ended, and its log."""

    process: "subprocess.Popen[bytes]"
    log_path: Path

    @property
    def log(self) -> str:
        """Everything that it wrote to stderr so far."""
        return self.log_path.read_text(encoding="utf-8")

    def lines(self) -> list[dict[str, Any]]:
        """Return the log line by line; a line that is no JSON object is an error."""
        return [json.loads(line) for line in self.log.splitlines(keepends=True) if line.endswith("\n")]

    def events(self, event: str) -> list[dict[str, Any]]:
        """Return the lines about one event."""
        return [line for line in self.lines() if line["event"] == event]

    @property
    def http(self) -> int:
        """The port of HTTP."""
        return self._port("http")

    @property
    def grpc(self) -> int:
        """The port of gRPC."""
        return self._port("grpc")

    def exit_code(self, within_seconds: float) -> int:
        """Return how it ended; fail if it has not by then."""
        try:
            return self.process.wait(within_seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {within_seconds:g} s: {self.log[-2000:]}") from None

    def _port(self, server: str) -> int:
        def look() -> int:
            if self.process.poll() is not None:
                raise AssertionError(f"ended with {self.process.returncode}: {self.log}")
            return next((line["port"] for line in self.events("listening") if line["server"] == server), 0)

        return until(look, f"{server} listens", START_SECONDS)


@contextmanager
def running(folder: Path, prefix: Sequence[str] = (), **settings: str) -> Iterator[Gateway]:
    """Run the program with these settings while the block runs; both servers take free ports unless told otherwise.

    `prefix` is a command that runs it in its place. When it has ended its whole log is looked through: a secret
    or a traceback in it fails whoever started it.
    """
    chosen = {"HTTP_PORT": "0", "GRPC_PORT": "0", "REFRESH_INTERVAL": "0.2"} | settings
    log_path = folder / "gateway.log"
    with _started(chosen, log_path, prefix) as gateway:
        yield gateway
    given_away = secrets.found_in(gateway.log, chosen)
    assert not given_away, f"the log of the gateway holds {', '.join(given_away)}"


@contextmanager
def _started(settings: dict[str, str], log_path: Path, prefix: Sequence[str]) -> Iterator[Gateway]:
    with (
        log_path.open("wb") as log,
        subprocess.Popen(
            [*prefix, *COMMAND], env=environment(settings), stdout=log, stderr=log, stdin=subprocess.DEVNULL
        ) as process,
    ):
        try:
            yield Gateway(process, log_path)
        finally:
            if process.poll() is None:
                process.kill()
