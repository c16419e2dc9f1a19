"""Runs the scrape server as a process and reads its log."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.integration import leak_detection
from tests.integration.gateway_process import GATEWAY_COMMAND, ROOT, START_TIMEOUT_SECONDS, wait_until


def build_environment(folder: Path, settings: dict[str, str]) -> dict[str, str]:
    """Return an environment with these settings, files in the folder, and nothing of the calling process."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "SCRAPE_HOST": "127.0.0.1",
        "AGENTS_FILE": str(folder / "agents.yaml"),
        "REGISTRY_FILE": str(folder / "registry.sqlite"),
    } | settings


def run_command(folder: Path, *arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    """Run a command until it ends."""
    return subprocess.run(
        [*GATEWAY_COMMAND, *arguments],
        env=build_environment(folder, settings),
        capture_output=True,
        text=True,
        timeout=START_TIMEOUT_SECONDS,
        check=False,
    )


@dataclass(frozen=True)
class ScrapeProcess:
    """A running scrape server."""

    process: "subprocess.Popen[bytes]"
    log_path: Path

    def find_events(self, event: str) -> list[dict[str, Any]]:
        """Return the log entries of one event."""
        lines = self.log_path.read_text(encoding="utf-8").splitlines(keepends=True)
        entries = [json.loads(line) for line in lines if line.endswith("\n")]
        return [entry for entry in entries if entry["event"] == event]

    @property
    def ports(self) -> list[int]:
        """The ports on which the server listens."""

        def list_ports() -> list[int]:
            assert self.process.poll() is None, self.log_path.read_text(encoding="utf-8")
            return [entry["port"] for entry in self.find_events("listening")]

        return wait_until(list_ports, "the scrape server listens")

    def stop(self, signal_number: int) -> int:
        """Send a signal; return the exit code."""
        self.process.send_signal(signal_number)
        return self.process.wait(START_TIMEOUT_SECONDS)


@contextmanager
def run_process(log_path: Path, *arguments: str, environment: dict[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a command while the block runs, and append its output to a file."""
    with (
        log_path.open("ab") as log,
        subprocess.Popen(
            [*GATEWAY_COMMAND, *arguments], env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL
        ) as process,
    ):
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


@contextmanager
def run_scrape_process(folder: Path, *arguments: str, **settings: str) -> Iterator[ScrapeProcess]:
    """Run the scrape server while the block runs, by default on a free port."""
    log_path = folder / "scrape.log"
    environment = build_environment(folder, {"SCRAPE_PORT": "0", **settings})
    with run_process(log_path, "scrape", *arguments, environment=environment) as process:
        yield ScrapeProcess(process, log_path)
    leaks = leak_detection.find_leaks(log_path.read_text(encoding="utf-8"), settings)
    assert not leaks, f"the log of the scrape server contains {', '.join(leaks)}"
