"""One Go service and one of ours on the same address, behind which one Prometheus after the other holds a fleet.

Both services live through many fleets: a Python start for each of them would take longer than all the rest.
"""

import contextlib
import http.client
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from demo.prometheus import PrometheusBinaries, find_free_port, obtain_prometheus, run_prometheus, stop_process
from tests.parity import etim
from tests.parity.fleet_telemetry import FleetTelemetry, build_series, build_telemetry

READY_TIMEOUT_SECONDS = 30.0
# A refresh that took long, on a busy machine, is followed by a longer pause.
FRESH_TIMEOUT_SECONDS = 60.0
# Only a request with `no-cache` refreshes our answer, so that it never mixes one fleet with the next.
REFRESH_SECONDS = "300"
MAX_STALE_SECONDS = "900"


class ServiceError(Exception):
    """A service did not start, or did not answer about the fleet that Prometheus holds."""


@dataclass(frozen=True)
class ComparedService:
    """A running service."""

    process: subprocess.Popen[bytes]
    http_port: int
    grpc_port: int

    def fetch_topology(self) -> tuple[int, bytes]:
        """Return status and body of the topology, a fresh one; 0 where there was no answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=10)
        with contextlib.closing(connection):
            try:
                connection.request("GET", "/", headers={"Cache-Control": "no-cache"})
                answer = connection.getresponse()
                return answer.status, answer.read()
            except (OSError, http.client.HTTPException):
                return 0, b""

    def fetch_nodes(self) -> list[etim.EtimNode]:
        """Return what it answers over gRPC."""
        return etim.fetch_nodes(self.grpc_port)


@dataclass
class ComparisonLane:
    """A place for one fleet at a time; several lanes run side by side."""

    go_command: list[str]
    gateway_command: list[str]
    folder: Path
    prometheus_port: int = field(default_factory=find_free_port)
    binaries: PrometheusBinaries = field(default_factory=obtain_prometheus)

    @contextlib.contextmanager
    def run_prometheus(self, fleet: FleetTelemetry) -> Iterator[float]:
        """Run Prometheus with the fleet while the block runs; give the time of its samples."""
        at_seconds = round(time.time(), 3)
        with tempfile.TemporaryDirectory(dir=self.folder) as work:
            source, data = Path(work) / "fleet.om", Path(work) / "data"
            source.write_text(fleet.format_openmetrics(at_seconds), encoding="utf-8", newline="\n")
            command = [str(self.binaries.promtool), "tsdb", "create-blocks-from", "openmetrics", str(source), str(data)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise ServiceError(f"promtool refused the fleet: {done.stderr.strip()[-500:]}")
            with run_prometheus(Path(work), port=self.prometheus_port, binaries=self.binaries):
                yield at_seconds

    @contextlib.contextmanager
    def run_services(self) -> Iterator[tuple[ComparedService, ComparedService]]:
        """Run both services while the block runs; give the Go service and ours."""
        nothing = build_telemetry([build_series("up", {"job": "nothing"})])
        with contextlib.ExitStack() as stack:
            with self.run_prometheus(nothing):
                go = stack.enter_context(self._run_service("go", self.go_command))
                ours = stack.enter_context(self._run_service("ours", self.gateway_command))
            yield go, ours

    @contextlib.contextmanager
    def _run_service(self, name: str, command: list[str]) -> Iterator[ComparedService]:
        http_port, grpc_port = find_free_port(), find_free_port()
        environment = {
            **{key: value for key, value in os.environ.items() if key not in ("KEY", "AGGREGATOR_PORT")},
            "PROMETHEUS_ADDRESS": f"http://127.0.0.1:{self.prometheus_port}",
            "HTTP_PORT": str(http_port),
            "GRPC_PORT": str(grpc_port),
            "REFRESH_INTERVAL": REFRESH_SECONDS,
            "MAX_STALE": MAX_STALE_SECONDS,
        }
        log_path = self.folder / f"{name}-{self.prometheus_port}.log"
        with (
            log_path.open("wb") as log,
            subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True) as process,
        ):
            try:
                _wait_until_ready(http_port, process, log_path)
                yield ComparedService(process, http_port, grpc_port)
            finally:
                stop_process(process)


def fetch_fresh_topology(server: ComparedService, at_seconds: float) -> bytes:
    """Return the topology of our service once it speaks of samples of this time; it refreshes at most once a second."""
    end = time.monotonic() + FRESH_TIMEOUT_SECONDS
    status, body = 0, b""
    while time.monotonic() < end:
        status, body = server.fetch_topology()
        if status == 200 and _parse_oldest_timestamp(body) == at_seconds:
            return body
        time.sleep(0.05)
    raise ServiceError(f"ours gave no answer about these samples ({at_seconds}): status {status}, {body[:200]!r}")


def _parse_oldest_timestamp(body: bytes) -> float | None:
    with contextlib.suppress(ValueError, KeyError, TypeError):
        return float(json.loads(body)["timestamp"]["oldestTimestamp"])
    return None


def _wait_until_ready(port: int, process: subprocess.Popen[bytes], log_path: Path) -> None:
    """Wait until /readyz answers 200; the Go service answers so on every path."""
    end = time.monotonic() + READY_TIMEOUT_SECONDS
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return
        time.sleep(0.05)
    log = log_path.read_text(errors="replace")[-1500:]
    raise ServiceError(f"{process.args!r} did not become ready on port {port}: {log}")
