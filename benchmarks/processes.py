"""The programs that are measured, each in a process of its own: started, asked for what they used, ended."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from benchmarks.asking import is_there
from demo.children import Child
from demo.ports import Ports
from demo.prometheus import free_port, stop

PROJECT = Path(__file__).resolve().parent.parent
THERE_WITHIN_SECONDS = 180.0
REFRESHED_WITHIN_SECONDS = 600.0
# So long that no refresh falls into a measurement of ready bytes.
NEVER_SECONDS = "80000"
LONG_ENOUGH_SECONDS = "86000"
# Generous, so that a busy machine makes figures worse and not the answer incomplete.
PATIENCE = {"REFRESH_TIMEOUT": "120", "QUERY_TIMEOUT": "60"}


@dataclass(frozen=True)
class Program:
    """A server that runs, and its ports."""

    child: Child
    ports: Ports

    @property
    def url(self) -> str:
        """Where it answers HTTP."""
        return f"http://127.0.0.1:{self.ports.http}"

    @property
    def target(self) -> str:
        """Where it answers gRPC."""
        return f"127.0.0.1:{self.ports.grpc}"

    def cpu_seconds(self) -> float:
        """Return the CPU time that it has used so far."""
        used = psutil.Process(self.child.process.pid).cpu_times()
        return float(used.user + used.system)

    def peak_mebibytes(self) -> float:
        """Return the most memory that it ever had, as the kernel counts it."""
        status = Path(f"/proc/{self.child.process.pid}/status").read_text(encoding="ascii", errors="replace")
        (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 1024

    def refreshes(self) -> list[dict[str, Any]]:
        """Return what the gateway's log says of each refresh so far."""
        lines = self.child.log_path.read_text(encoding="utf-8").splitlines()
        events = [json.loads(line) for line in lines if line.startswith("{")]
        return [event for event in events if event.get("event") == "refreshed"]

    def wait_refreshed(self, times: int) -> None:
        """Wait until the gateway has refreshed that often since its start."""
        self.child.wait_until(lambda: len(self.refreshes()) >= times, "refresh", REFRESHED_WITHIN_SECONDS)


@dataclass(frozen=True)
class Command:
    """What to start, on what core, with which environment beside the ports."""

    name: str
    words: Sequence[str]
    environ: Mapping[str, str] = field(default_factory=dict)


@contextlib.contextmanager
def running(command: Command, token: str = "") -> Iterator[Program]:
    """Run a program while the block runs; give it once it answers `/` with 200."""
    ports = Ports(free_port(), free_port())
    where = {"HTTP_PORT": str(ports.http), "GRPC_PORT": str(ports.grpc)}
    with tempfile.TemporaryDirectory(prefix="aggregator-benchmarks-") as work:
        log_path = Path(work) / "log"
        with (
            log_path.open("wb") as log,
            subprocess.Popen(
                command.words,
                cwd=PROJECT,
                env={**os.environ, **where, **command.environ},
                stdout=log,
                stderr=log,
                start_new_session=True,
            ) as process,
        ):
            try:
                child = Child(command.name, process, log_path)
                child.wait_until(lambda: is_there(ports.http, token), "answer", THERE_WITHIN_SECONDS)
                yield Program(child, ports)
            finally:
                stop(process)


def gateway(prometheus_url: str, *, core: Sequence[str] = (), **settings: str) -> Command:
    """Return the command of the real gateway, which refreshes once and then never, unless `settings` say otherwise."""
    return _gateway("aggregator", prometheus_url, core, settings)


def restless(prometheus_url: str) -> Command:
    """Return the command of the gateway that refreshes without pause."""
    return _gateway("benchmarks.restless", prometheus_url, (), {"REFRESH_INTERVAL": "0.001"})


def _gateway(module: str, prometheus_url: str, core: Sequence[str], settings: Mapping[str, str]) -> Command:
    quiet = {"REFRESH_INTERVAL": NEVER_SECONDS, "MAX_STALE": LONG_ENOUGH_SECONDS, "LOG_FORMAT": "json", **PATIENCE}
    environ = {"PROMETHEUS_ADDRESS": prometheus_url, "HTTP_HOST": "127.0.0.1", "GRPC_HOST": "127.0.0.1"}
    return Command("the gateway", [*core, sys.executable, "-m", module], {**environ, **quiet, **settings})


def peer(path: Path, prometheus_url: str, core: Sequence[str] = ()) -> Command:
    """Return the command of the Go service."""
    return Command("the Go service", [*core, str(path)], {"PROMETHEUS_ADDRESS": prometheus_url})


def bare(body: Path, core: Sequence[str] = ()) -> Command:
    """Return the command of the bare servers, whose HTTP and gRPC answer with what two files hold."""
    return Command("the bare server", [*core, sys.executable, "-m", "benchmarks.bare", str(body)])


def said_by(module: str, *arguments: str, core: Sequence[str] = ()) -> dict[str, Any]:
    """Run a module of this package to its end; return the JSON object that it printed."""
    command = [*core, sys.executable, "-m", f"benchmarks.{module}", *arguments]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"benchmarks.{module} ended with {done.returncode}: {done.stderr[-2000:]}")
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said
