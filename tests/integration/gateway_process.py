"""Runs the gateway as a process and reads its log."""

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

from tests.integration import leak_detection

ROOT = Path(__file__).parents[2]
# Only failing tests wait this long. A heavily overloaded machine has needed 30 s for a start.
START_TIMEOUT_SECONDS = 60.0
# A port on which no server listens.
UNREACHABLE_URL = "http://127.0.0.1:9"
GATEWAY_COMMAND = (sys.executable, "-m", "aggregator")

Found = TypeVar("Found")


def wait_until(probe: Callable[[], Found], description: str, timeout_seconds: float = START_TIMEOUT_SECONDS) -> Found:
    """Return the first true result of `probe`; fail with the description after the timeout."""
    end = time.monotonic() + timeout_seconds
    while not (value := probe()):
        if time.monotonic() > end:
            raise AssertionError(f"not within {timeout_seconds:g} s: {description}")
        time.sleep(0.02)
    return value


def build_environment(settings: dict[str, str]) -> dict[str, str]:
    """Return an environment with these settings and none of the calling process."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "HTTP_HOST": "127.0.0.1",
        "GRPC_HOST": "127.0.0.1",
    } | settings


def run_to_completion(*arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    """Run the program until it ends; fail if its output contains secrets."""
    completed = subprocess.run(
        [*GATEWAY_COMMAND, *arguments],
        env=build_environment(settings),
        capture_output=True,
        text=True,
        timeout=START_TIMEOUT_SECONDS,
        check=False,
    )
    assert not leak_detection.find_leaks(completed.stdout + completed.stderr, settings)
    return completed


@dataclass(frozen=True)
class GatewayProcess:
    """A gateway process, running or ended, and its log."""

    process: "subprocess.Popen[bytes]"
    log_path: Path

    @property
    def log(self) -> str:
        """The complete log so far."""
        return self.log_path.read_text(encoding="utf-8")

    def read_log_entries(self) -> list[dict[str, Any]]:
        """Return the log entries; fail on a line that is not JSON."""
        return [json.loads(line) for line in self.log.splitlines(keepends=True) if line.endswith("\n")]

    def find_events(self, event: str) -> list[dict[str, Any]]:
        """Return the log entries of one event."""
        return [line for line in self.read_log_entries() if line["event"] == event]

    @property
    def http_port(self) -> int:
        """The port of the HTTP server."""
        return self._find_port("http")

    @property
    def agent_port(self) -> int:
        """The port of an agent."""
        return self._find_port("agent")

    @property
    def grpc_port(self) -> int:
        """The port of the gRPC server."""
        return self._find_port("grpc")

    def wait_for_exit(self, timeout_seconds: float) -> int:
        """Return the exit code; fail if the process still runs after the timeout."""
        try:
            return self.process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {timeout_seconds:g} s: {self.log[-2000:]}") from None

    def _find_port(self, server: str) -> int:
        def find_listening_port() -> int:
            if self.process.poll() is not None:
                raise AssertionError(f"the gateway exited with {self.process.returncode}: {self.log}")
            return next((line["port"] for line in self.find_events("listening") if line["server"] == server), 0)

        return wait_until(find_listening_port, f"{server} listens", START_TIMEOUT_SECONDS)


@contextmanager
def run_gateway(folder: Path, prefix: Sequence[str] = (), **settings: str) -> Iterator[GatewayProcess]:
    """Run the gateway with these settings while the block runs; by default both servers use free ports.

    `prefix` is a command that runs the gateway, such as nohup. At the end, a secret or a traceback in the log fails
    the test.
    """
    effective_settings = {"HTTP_PORT": "0", "GRPC_PORT": "0", "REFRESH_INTERVAL": "0.2"} | settings
    log_path = folder / "gateway.log"
    with _start_process(effective_settings, log_path, prefix) as gateway:
        yield gateway
    leaks = leak_detection.find_leaks(gateway.log, effective_settings)
    assert not leaks, f"the log of the gateway contains {', '.join(leaks)}"


@contextmanager
def run_agent(folder: Path, *arguments: str, **settings: str) -> Iterator[GatewayProcess]:
    """Run an agent with these settings while the block runs, by default on a free port and without an Engine.

    At the end, a secret or a traceback in the log fails the test.
    """
    defaults = {"HOME": str(folder), "DOCKER_HOST": f"unix://{folder}/none.sock", "AGENT_PORT": "0"}
    log_path = folder / "agent.log"
    with _start_process(defaults | settings, log_path, arguments=("agent", *arguments), folder=folder) as process:
        yield process
    leaks = leak_detection.find_leaks(process.log, settings)
    assert not leaks, f"the log of the agent contains {', '.join(leaks)}"


@contextmanager
def _start_process(
    settings: dict[str, str],
    log_path: Path,
    prefix: Sequence[str] = (),
    arguments: Sequence[str] = (),
    folder: Path | None = None,
) -> Iterator[GatewayProcess]:
    with (
        log_path.open("wb") as log,
        subprocess.Popen(
            [*prefix, *GATEWAY_COMMAND, *arguments],
            cwd=folder,
            env=build_environment(settings),
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
        ) as process,
    ):
        try:
            yield GatewayProcess(process, log_path)
        finally:
            if process.poll() is None:
                process.kill()
