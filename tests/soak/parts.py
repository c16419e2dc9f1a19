"""Processes that are killed, suspended and started again, and the times at which each was down."""

import http.client
import math
import os
import random
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.integration.gateway_process import wait_until
from tests.support.http_client import HOST, send_request

MEBIBYTE = 2**20
# Of the faults; the others kill a part.
SUSPENDED_SHARE = 1 / 3
# Below the ports of outgoing connections, which could take the port of a part that is down.
_FIRST_PORT, _LAST_PORT = 20_000, 32_000
_port_numbers = random.Random()  # noqa: S311 - two runs at the same time should not try the same ports


def reserve_port() -> int:
    """Return a free TCP port that no outgoing connection uses."""
    while True:
        port = _port_numbers.randint(_FIRST_PORT, _LAST_PORT)
        try:
            socket.create_server((HOST, port)).close()
        except OSError:
            continue
        return port


@dataclass
class OutageLog:
    """The intervals in which something was down, in Unix time; the last one may not have ended."""

    intervals: list[tuple[float, float]] = field(default_factory=list)

    def begin(self) -> None:
        """Record that it is down from now on."""
        if not self.is_down:
            self.intervals.append((time.time(), math.inf))

    def end(self, seen_after: float = math.inf) -> None:
        """Record that it is available; a client that began to ask at `seen_after` saw this."""
        if self.is_down and self.intervals[-1][0] < seen_after:
            self.intervals[-1] = (self.intervals[-1][0], time.time())

    @property
    def is_down(self) -> bool:
        """Whether it is down now."""
        return bool(self.intervals) and self.intervals[-1][1] == math.inf

    def overlaps(self, start: float, end: float) -> bool:
        """Return whether it was down at any time from start to end."""
        return any(begin <= end and start <= until for begin, until in reversed(self.intervals))


@dataclass(frozen=True)
class ResourceUse:
    """The memory and the descriptors of a process; `generation` counts its starts."""

    generation: int
    resident_mebibytes: float
    descriptors: int


@dataclass
class Part:
    """A program with its process; `probe` returns whether it answers. Several parts may be of one kind."""

    kind: str
    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    probe: Callable[[], bool]
    outages: OutageLog = field(default_factory=OutageLog)
    generation: int = 0
    _process: "subprocess.Popen[bytes] | None" = None

    @property
    def log_path(self) -> Path:
        """The log of all its processes."""
        return self.folder / f"{self.name}.log"

    def start(self) -> None:
        """Start the process, and return when it answers."""
        self.outages.begin()
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                self.command,
                cwd=self.folder,
                env=self.environment,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                # Ctrl-C reaches only the soak test, which then ends all processes.
                start_new_session=True,
            )
        wait_until(self._answers, f"{self.name} answers")
        self.generation += 1
        self.outages.end()

    def kill(self) -> None:
        """Kill the process."""
        if self._process is not None:
            self.outages.begin()
            self._process.kill()
            self._process.wait()

    @contextmanager
    def suspend(self) -> Iterator[None]:
        """Suspend the process while the block runs: its connections stay, but nothing answers."""
        assert self._process is not None
        self.outages.begin()
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)
            wait_until(self._answers, f"{self.name} answers again")
            self.outages.end()

    def describe_end(self) -> str:
        """Return the exit code of a process that ended by itself, "" while it runs."""
        code = self._process.poll() if self._process is not None else None
        return "" if code is None or self.outages.is_down else f"exit code {code}"

    def measure(self) -> ResourceUse | None:
        """Return what the process uses, None while it is down."""
        if self._process is None or self.outages.is_down:
            return None
        generation, process = self.generation, psutil.Process(self._process.pid)
        try:
            return ResourceUse(generation, process.memory_info().rss / MEBIBYTE, process.num_fds())
        except psutil.Error:
            return None

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise AssertionError(f"{self.name} ended: {self.log_path.read_text(encoding='utf-8')[-1000:]}")
        return self.probe()


def probe_http(port: int, path: str) -> bool:
    """Return whether a server returns 200."""
    try:
        return send_request(port, path).status == 200
    except (OSError, http.client.HTTPException):
        return False


def probe_socket(path: Path) -> bool:
    """Return whether a Unix socket accepts connections."""
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(os.fspath(path))
        except OSError:
            return False
    return True


@contextmanager
def run_parts(parts: Sequence[Part]) -> Iterator[None]:
    """Run all parts while the block runs."""
    try:
        for part in parts:
            part.start()
        yield
    finally:
        for part in reversed(parts):
            part.kill()


@dataclass(frozen=True)
class FaultTimes:
    """How long a part runs between two faults, and how long a fault takes, in seconds."""

    pause: tuple[float, float]
    fault: tuple[float, float]


def inject_faults(
    parts: Sequence[Part],
    times: FaultTimes,
    rng: random.Random,
    stop_event: threading.Event,
    record: Callable[[str], None],
) -> None:
    """Kill or suspend one part after the other until the event is set."""
    while not stop_event.wait(rng.uniform(*times.pause)):
        part, fault_seconds = rng.choice(parts), rng.uniform(*times.fault)
        if rng.random() < SUSPENDED_SHARE:
            record(f"{part.kind} suspended")
            with part.suspend():
                stop_event.wait(fault_seconds)
        else:
            record(f"{part.kind} killed")
            part.kill()
            stop_event.wait(fault_seconds)
            part.start()
