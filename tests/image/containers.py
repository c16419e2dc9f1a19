"""Containers of the image under test, by way of the docker command, and the way from inside them to this machine."""

import contextlib
import http.client
import json
import socket
import socketserver
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# As a careful operator runs it.
HARDENED = ["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
# The image's own health check, only asked more often and believed at once, so that nobody waits for it.
IMPATIENT = ["--health-interval", "1s", "--health-retries", "1"]
GRACE_SECONDS = 25
FOLDER = "/files"
HTTP_PORT, GRPC_PORT = 8080, 8181


def docker(*arguments: str, stdin: str | None = None) -> str:
    """Return what a docker command prints; raise RuntimeError with its complaint if it refuses."""
    command = ["docker", *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"docker {arguments[0]}: {done.stderr.strip()[-500:]}")
    return done.stdout.strip()


@dataclass(frozen=True)
class Answer:
    """What the gateway answered over HTTP."""

    status: int
    body: bytes


@dataclass(frozen=True)
class Container:
    """One running container."""

    name: str

    def state(self) -> dict[str, Any]:
        """Return Docker's word on it: Running, ExitCode, Health."""
        found: dict[str, Any] = json.loads(docker("inspect", "--format", "{{json .State}}", self.name))
        return found

    def health(self) -> str:
        """Return starting, healthy or unhealthy; what else the state is once it has ended."""
        state = self.state()
        return str(state["Health"]["Status"] if state["Running"] else state["Status"])

    def published(self, port: int) -> int:
        """Return the port of 127.0.0.1 that leads to `port` inside."""
        return int(docker("port", self.name, f"{port}/tcp").splitlines()[0].rpartition(":")[2])

    def get(self, path: str) -> Answer | None:
        """Ask the gateway over HTTP; None while nothing answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.published(HTTP_PORT), timeout=5)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return Answer(response.status, response.read())
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def run_inside(self, source: str) -> dict[str, Any]:
        """Run a program with the image's own Python and return the JSON that it prints."""
        told: dict[str, Any] = json.loads(docker("exec", "--interactive", self.name, "python", "-", stdin=source))
        return told

    @contextlib.contextmanager
    def hanging(self) -> Iterator[None]:
        """Keep its process from doing anything while the block runs."""
        docker("kill", "--signal", "STOP", self.name)
        yield
        docker("kill", "--signal", "CONT", self.name)

    def stop(self) -> float:
        """Stop it as an orchestrator does, SIGTERM first; return how many seconds it took."""
        before = time.monotonic()
        docker("stop", "--time", str(GRACE_SECONDS), self.name)
        return time.monotonic() - before

    def logs(self) -> str:
        """Return the end of what it logged."""
        done = subprocess.run(
            ["docker", "logs", "--tail", "15", self.name], capture_output=True, text=True, check=False
        )
        return (done.stdout + done.stderr)[-3000:]


@contextlib.contextmanager
def running(
    image: str, network: str, name: str, environment: dict[str, str], folder: Path | None = None
) -> Iterator[Container]:
    """Run the image, hardened, as its own user, its ports published on 127.0.0.1; remove the container afterwards.

    What is in `folder` can be read in FOLDER inside.
    """
    container = Container(f"{network}-{name}")
    settings = [part for key, value in environment.items() for part in ("--env", f"{key}={value}")]
    ports = ["--publish", f"127.0.0.1::{HTTP_PORT}", "--publish", f"127.0.0.1::{GRPC_PORT}"]
    files = ["--volume", f"{folder}:{FOLDER}:ro"] if folder is not None else []
    place = ["--name", container.name, "--label", network, "--network", network]
    try:
        docker("run", "--detach", *place, *ports, *files, *HARDENED, *IMPATIENT, *settings, image)
        yield container
    finally:
        with contextlib.suppress(RuntimeError):
            docker("rm", "--force", "--volumes", container.name)


def wait(until: Callable[[], bool], within_seconds: float) -> float | None:
    """Return after how many seconds `until` held, or None if it did not in time."""
    before = time.monotonic()
    while time.monotonic() - before < within_seconds:
        if until():
            return time.monotonic() - before
        time.sleep(0.1)
    return None


class _ToThisMachine(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    to: tuple[str, int]


class _Connection(socketserver.BaseRequestHandler):
    server: _ToThisMachine
    request: socket.socket

    def handle(self) -> None:
        with socket.create_connection(self.server.to) as there:
            back = threading.Thread(target=_copy, args=(there, self.request), daemon=True)
            back.start()
            _copy(self.request, there)
            back.join()


def _copy(source: socket.socket, to: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            to.sendall(data)
    with contextlib.suppress(OSError):
        to.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def reachable_from(network: str, port: int) -> Iterator[str]:
    """Let containers of `network`, and nobody else, reach `port` of 127.0.0.1; give the base URL for them.

    Needs a daemon on this very machine: the network's gateway is an address of it.
    """
    gateway = docker("network", "inspect", "--format", "{{(index .IPAM.Config 0).Gateway}}", network)
    with _ToThisMachine((gateway, 0), _Connection) as server:
        server.to = ("127.0.0.1", port)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield f"http://{gateway}:{server.server_address[1]}"
        finally:
            server.shutdown()
