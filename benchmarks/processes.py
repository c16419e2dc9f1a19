"""The measured programs, each in its own process: start, resource usage, end."""

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

from benchmarks.simple_client import is_serving
from demo.gateway import GatewayPorts
from demo.processes import ManagedProcess
from demo.prometheus import find_free_port, stop_process

PROJECT = Path(__file__).resolve().parent.parent
START_TIMEOUT_SECONDS = 180.0
REFRESH_WAIT_SECONDS = 600.0
# So long that no refresh runs during a measurement of cached responses.
IDLE_REFRESH_INTERVAL_SECONDS = "80000"
MAX_STALE_SECONDS = "86000"
# Generous, so that a busy machine makes figures worse instead of the topology incomplete.
GENEROUS_TIMEOUTS = {"REFRESH_TIMEOUT": "120", "QUERY_TIMEOUT": "60"}


@dataclass(frozen=True)
class ServerProcess:
    """A running server and its ports."""

    child: ManagedProcess
    ports: GatewayPorts

    @property
    def url(self) -> str:
        """The host and port of its HTTP server."""
        return f"http://127.0.0.1:{self.ports.http}"

    @property
    def target(self) -> str:
        """The host and port of its gRPC server."""
        return f"127.0.0.1:{self.ports.grpc}"

    def read_cpu_seconds(self) -> float:
        """Return the CPU seconds used so far."""
        used = psutil.Process(self.child.process.pid).cpu_times()
        return float(used.user + used.system)

    def read_peak_memory_mib(self) -> float:
        """Return the peak resident memory as the kernel counts it."""
        status = Path(f"/proc/{self.child.process.pid}/status").read_text(encoding="ascii", errors="replace")
        (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 1024

    def read_refresh_events(self) -> list[dict[str, Any]]:
        """Return the log events of all refreshes so far."""
        lines = self.child.log_path.read_text(encoding="utf-8").splitlines()
        events = [json.loads(line) for line in lines if line.startswith("{")]
        return [event for event in events if event.get("event") == "refresh succeeded"]

    def wait_for_refreshes(self, times: int) -> None:
        """Wait until the gateway has completed that many refreshes."""
        self.child.wait_until(lambda: len(self.read_refresh_events()) >= times, "refresh", REFRESH_WAIT_SECONDS)


@dataclass(frozen=True)
class ServerCommand:
    """The command, its core, and its environment without the ports."""

    name: str
    argv: Sequence[str]
    environ: Mapping[str, str] = field(default_factory=dict)


@contextlib.contextmanager
def run_server(command: ServerCommand, token: str = "") -> Iterator[ServerProcess]:
    """Run a program while the block runs; yield it once it answers `/` with 200."""
    ports = GatewayPorts(find_free_port(), find_free_port())
    port_environ = {"HTTP_PORT": str(ports.http), "GRPC_PORT": str(ports.grpc)}
    with tempfile.TemporaryDirectory(prefix="aggregator-benchmarks-") as work_folder:
        log_path = Path(work_folder) / "log"
        with (
            log_path.open("wb") as log,
            subprocess.Popen(
                command.argv,
                cwd=PROJECT,
                env={**os.environ, **port_environ, **command.environ},
                stdout=log,
                stderr=log,
                start_new_session=True,
            ) as process,
        ):
            try:
                child = ManagedProcess(command.name, process, log_path)
                child.wait_until(lambda: is_serving(ports.http, token), "answer", START_TIMEOUT_SECONDS)
                yield ServerProcess(child, ports)
            finally:
                stop_process(process)


def build_gateway_command(prometheus_url: str, *, cpu_prefix: Sequence[str] = (), **settings: str) -> ServerCommand:
    """Return the command of the gateway, which refreshes once unless `settings` change that."""
    return _build_module_command("aggregator", prometheus_url, cpu_prefix, settings)


def build_no_pause_command(prometheus_url: str) -> ServerCommand:
    """Return the command of the gateway without pauses between refreshes."""
    return _build_module_command("benchmarks.no_pause", prometheus_url, (), {"REFRESH_INTERVAL": "0.001"})


def _build_module_command(
    module: str, prometheus_url: str, cpu_prefix: Sequence[str], settings: Mapping[str, str]
) -> ServerCommand:
    idle_settings = {
        "REFRESH_INTERVAL": IDLE_REFRESH_INTERVAL_SECONDS,
        "MAX_STALE": MAX_STALE_SECONDS,
        "LOG_FORMAT": "json",
        **GENEROUS_TIMEOUTS,
    }
    environ = {"PROMETHEUS_ADDRESS": prometheus_url, "HTTP_HOST": "127.0.0.1", "GRPC_HOST": "127.0.0.1"}
    return ServerCommand(
        "the gateway", [*cpu_prefix, sys.executable, "-m", module], {**environ, **idle_settings, **settings}
    )


def build_go_service_command(path: Path, prometheus_url: str, cpu_prefix: Sequence[str] = ()) -> ServerCommand:
    """Return the command of the Go service."""
    return ServerCommand("the Go service", [*cpu_prefix, str(path)], {"PROMETHEUS_ADDRESS": prometheus_url})


def build_baseline_command(folder: Path, cpu_prefix: Sequence[str] = ()) -> ServerCommand:
    """Return the command of the baseline servers, which return the bytes of two files."""
    return ServerCommand(
        "the baseline server", [*cpu_prefix, sys.executable, "-m", "benchmarks.baseline_server", str(folder)]
    )


def run_benchmark_module(module: str, *arguments: str, cpu_prefix: Sequence[str] = ()) -> dict[str, Any]:
    """Run a module of this package to its end; return the JSON object that it printed."""
    command = [*cpu_prefix, sys.executable, "-m", f"benchmarks.{module}", *arguments]
    completed = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    if completed.returncode != 0:
        raise RuntimeError(f"benchmarks.{module} ended with {completed.returncode}: {completed.stderr[-2000:]}")
    result: dict[str, Any] = json.loads(completed.stdout.splitlines()[-1])
    return result
