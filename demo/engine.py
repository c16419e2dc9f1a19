"""A simulated Docker Engine, for machines without one: it answers the requests of an agent on a Unix socket."""

import contextlib
import json
import re
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer
from typing import Any

from demo.motion import compute_counter
from demo.plain.cadvisor import RunningContainer
from demo.plain.pods import generate_id
from demo.plain.workloads import ContainerSpec, specify_container

VERSION, API_VERSION = "29.1.2", "1.52"
HOST_CORES = 4
UPTIME_SECONDS = 86_400
CONTAINER_BYTES_PER_SECOND = 4_000
NETWORK_PERIOD_SECONDS = 180
_ZERO_TIME = "0001-01-01T00:00:00Z"
_CONTAINER_PATH_PATTERN = re.compile(r"/containers/(?P<id>[0-9a-f]+)/(?P<part>json|stats)")


@dataclass(frozen=True)
class SimulatedContainer:
    """A container and its state; `health` is "" without a health check."""

    spec: ContainerSpec
    state: str = "running"
    health: str = ""
    restart_count: int = 0
    exit_code: int = 0
    is_oom_killed: bool = False

    @property
    def id(self) -> str:
        """The ID of the container."""
        return generate_id(f"engine/{self.spec.name}")


CONTAINERS = (
    SimulatedContainer(specify_container("display", "registry.example/display:7", 300, 256), health="healthy"),
    SimulatedContainer(specify_container("sensor", "registry.example/sensor:3", 100, 64), health="unhealthy"),
    SimulatedContainer(
        specify_container("player", "registry.example/player:2", 200, 128), restart_count=6, is_oom_killed=True
    ),
    SimulatedContainer(specify_container("backup", "registry.example/backup:1", 100, 64), state="paused"),
    SimulatedContainer(specify_container("update", "registry.example/update:2", 100, 64), state="exited", exit_code=1),
)

HEALTHY_CONTAINERS = tuple(SimulatedContainer(each.spec, health="healthy") for each in CONTAINERS)


@dataclass(frozen=True)
class SimulatedEngine:
    """What the Engine reports at a time, as far as agents read it. It started the containers a day before."""

    started_seconds: float = field(default_factory=lambda: time.time() - UPTIME_SECONDS)
    containers: tuple[SimulatedContainer, ...] = CONTAINERS

    def render(self, path: str, at_seconds: float) -> Any:
        """Return the JSON of a path, None if there is no such path."""
        if path == "/version":
            return {"Version": VERSION, "ApiVersion": API_VERSION, "Components": [{"Name": "Engine"}]}
        resource = path.removeprefix(f"/v{API_VERSION}")
        if resource == "/info":
            return self._describe_engine()
        if resource == "/containers/json":
            return [self._list_container(each) for each in self.containers]
        match = _CONTAINER_PATH_PATTERN.fullmatch(resource)
        container = next((each for each in self.containers if match is not None and each.id == match["id"]), None)
        if match is None or container is None:
            return None
        return self._inspect(container) if match["part"] == "json" else self._measure(container, at_seconds)

    def _describe_engine(self) -> Mapping[str, Any]:
        states = [each.state for each in self.containers]
        return {
            "Name": "simulated-engine",
            "Driver": "overlayfs",
            "CgroupVersion": "2",
            "Images": len({each.spec.image for each in self.containers}),
            "Containers": len(self.containers),
            "ContainersRunning": states.count("running"),
            "Labels": [],
        }

    def _list_container(self, container: SimulatedContainer) -> Mapping[str, Any]:
        return {
            "Id": container.id,
            "Names": [f"/{container.spec.name}"],
            "Image": container.spec.image,
            "ImageID": f"sha256:{generate_id(container.spec.image)}",
            "Labels": {},
            "State": container.state,
            "Created": int(self.started_seconds),
        }

    def _inspect(self, container: SimulatedContainer) -> Mapping[str, Any]:
        started = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.started_seconds))
        state = {"ExitCode": container.exit_code, "OOMKilled": container.is_oom_killed, "StartedAt": started}
        return {
            "State": state | ({"Health": {"Status": container.health}} if container.health else {}),
            "RestartCount": container.restart_count,
            "HostConfig": {"Memory": container.spec.memory_limit_bytes},
        }

    def _measure(self, container: SimulatedContainer, at_seconds: float) -> Mapping[str, Any]:
        if container.state == "exited":
            return {"read": _ZERO_TIME}
        running = RunningContainer(container.id, container.spec, self.started_seconds)
        # The counters of a container that is paused stand still.
        measured_seconds = at_seconds if container.state == "running" else self.started_seconds
        age_seconds = measured_seconds - self.started_seconds
        moved = int(compute_counter(age_seconds, CONTAINER_BYTES_PER_SECOND, NETWORK_PERIOD_SECONDS, running.phase))
        return {
            "read": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at_seconds)),
            "pids_stats": {"current": 1},
            "cpu_stats": {
                "cpu_usage": {"total_usage": int(running.compute_cpu_seconds(measured_seconds) * 1e9)},
                "system_cpu_usage": int(HOST_CORES * (at_seconds - self.started_seconds) * 1e9),
                "online_cpus": HOST_CORES,
            },
            "memory_stats": {
                "usage": running.compute_memory(measured_seconds),
                "limit": container.spec.memory_limit_bytes,
                "stats": {"inactive_file": 0},
            },
            "networks": {"eth0": {"rx_bytes": moved, "tx_bytes": moved // 2}},
        }


class _UnixHttpServer(ThreadingHTTPServer):
    """An HTTP server on a Unix socket, which has neither a host name nor a port."""

    address_family = socket.AF_UNIX
    # An agent requests everything at once, and connections beyond this number are refused.
    request_queue_size = 128

    def server_bind(self) -> None:
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "localhost", 0


@contextlib.contextmanager
def run_simulated_engine(socket_path: Path, engine: SimulatedEngine | None = None) -> Iterator[None]:
    """Serve an Engine, by default one with problems, on a socket while the block runs."""
    stopping = threading.Event()
    with _UnixHttpServer(str(socket_path), _create_handler(engine or SimulatedEngine(), stopping)) as server:  # type: ignore[arg-type] # typeshed knows only addresses of TCP
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stopping.set()
            server.shutdown()
            thread.join()


def _create_handler(engine: SimulatedEngine, stopping: threading.Event) -> type[BaseHTTPRequestHandler]:
    """Return a handler class for http.server, bound to an Engine and the event that ends the stream of events."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            # An agent that disconnects early is not an error.
            with contextlib.suppress(ConnectionError):
                if path == f"/v{API_VERSION}/events":
                    self._send(HTTPStatus.OK)
                    stopping.wait()
                    return
                document = engine.render(path, time.time())
                self._send(HTTPStatus.NOT_FOUND if document is None else HTTPStatus.OK)
                self.wfile.write(json.dumps(document or {"message": f"no such path: {path}"}).encode())

        def _send(self, status: HTTPStatus) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.flush()

        def log_message(self, *_arguments: object) -> None:
            """Do not log: a line for each request would hide the output of the demo."""

    return Handler
