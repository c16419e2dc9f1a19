"""Containers of the tested image through the docker command, and their access to ports of this machine."""

import contextlib
import http.client
import json
import socket
import socketserver
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# The options of a hardened deployment.
HARDENED = ["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
# Runs the health check of the image more often, and reports the first failure, to save time.
FAST_HEALTH_CHECK = ["--health-interval", "1s", "--health-retries", "1"]
GRACE_SECONDS = 25
MOUNT_PATH = "/files"
DATA_PATH = "/data"
HTTP_PORT, GRPC_PORT = 8080, 8181


def run_docker(*arguments: str, stdin: str | None = None) -> str:
    """Return the output of a docker command; raise RuntimeError with its error output if it fails."""
    command = ["docker", *arguments]
    completed = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60, check=False)
    if completed.returncode != 0:
        raise RuntimeError(f"docker {arguments[0]}: {completed.stderr.strip()[-500:]}")
    return completed.stdout.strip()


@dataclass(frozen=True)
class ContainerResponse:
    """An HTTP response of the gateway."""

    status: int
    body: bytes


@dataclass(frozen=True)
class RunningContainer:
    """One running container."""

    name: str

    def inspect_state(self) -> dict[str, Any]:
        """Return the state of the container, with Running, ExitCode and Health."""
        state: dict[str, Any] = json.loads(run_docker("inspect", "--format", "{{json .State}}", self.name))
        return state

    def read_health(self) -> str:
        """Return starting, healthy or unhealthy; after the end of the container its status."""
        state = self.inspect_state()
        return str(state["Health"]["Status"] if state["Running"] else state["Status"])

    def get_published_port(self, port: int) -> int:
        """Return the port on 127.0.0.1 of a published container port."""
        return int(run_docker("port", self.name, f"{port}/tcp").splitlines()[0].rpartition(":")[2])

    def get(self, path: str) -> ContainerResponse | None:
        """Send a GET request to the gateway; return None if the connection fails."""
        connection = http.client.HTTPConnection("127.0.0.1", self.get_published_port(HTTP_PORT), timeout=5)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return ContainerResponse(response.status, response.read())
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def get_address(self) -> str:
        """Return the address of the container in the network of the run."""
        return run_docker("inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", self.name)

    def run_python(self, source: str) -> dict[str, Any]:
        """Run a program with the Python of the container and return the JSON that it prints."""
        output: dict[str, Any] = json.loads(run_docker("exec", "--interactive", self.name, "python", "-", stdin=source))
        return output

    @contextlib.contextmanager
    def pause(self) -> Iterator[None]:
        """Suspend the process of the container while the block runs."""
        run_docker("kill", "--signal", "STOP", self.name)
        yield
        run_docker("kill", "--signal", "CONT", self.name)

    def stop(self) -> float:
        """Stop the container with SIGTERM, after the grace period with SIGKILL; return the seconds that it took."""
        start = time.monotonic()
        run_docker("stop", "--time", str(GRACE_SECONDS), self.name)
        return time.monotonic() - start

    def read_logs(self) -> str:
        """Return the last lines of the log."""
        completed = subprocess.run(
            ["docker", "logs", "--tail", "15", self.name], capture_output=True, text=True, check=False
        )
        return (completed.stdout + completed.stderr)[-3000:]


def run_program(image: str, *arguments: str) -> str:
    """Return the output of the image's program with these arguments."""
    return run_docker("run", "--rm", "--network", "none", *HARDENED, image, *arguments)


@contextlib.contextmanager
def run_container(
    image: str,
    network: str,
    name: str,
    environment: dict[str, str],
    folder: Path | None = None,
    command: Sequence[str] = (),
) -> Iterator[RunningContainer]:
    """Run the image with hardened options and ports published on 127.0.0.1; remove the container afterwards.

    `folder` is mounted read-only at MOUNT_PATH. The user of the image can write to DATA_PATH.
    """
    container = RunningContainer(f"{network}-{name}")
    settings = [part for key, value in environment.items() for part in ("--env", f"{key}={value}")]
    ports = ["--publish", f"127.0.0.1::{HTTP_PORT}", "--publish", f"127.0.0.1::{GRPC_PORT}"]
    files = ["--volume", f"{folder}:{MOUNT_PATH}:ro"] if folder is not None else []
    data = ["--tmpfs", f"{DATA_PATH}:uid=1001,gid=1001"]
    identity_options = ["--name", container.name, "--label", network, "--network", network]
    try:
        run_docker(
            "run",
            "--detach",
            *identity_options,
            *ports,
            *files,
            *data,
            *HARDENED,
            *FAST_HEALTH_CHECK,
            *settings,
            image,
            *command,
        )
        yield container
    finally:
        with contextlib.suppress(RuntimeError):
            run_docker("rm", "--force", "--volumes", container.name)


def wait_until(condition: Callable[[], bool], timeout_seconds: float) -> float | None:
    """Return the seconds until `condition` was true, None after the timeout."""
    start = time.monotonic()
    while time.monotonic() - start < timeout_seconds:
        if condition():
            return time.monotonic() - start
        time.sleep(0.1)
    return None


class _HostForwarder(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    target: tuple[str, int]


class _ForwardedConnection(socketserver.BaseRequestHandler):
    server: _HostForwarder
    request: socket.socket

    def handle(self) -> None:
        with socket.create_connection(self.server.target) as upstream:
            thread = threading.Thread(target=_copy_bytes, args=(upstream, self.request), daemon=True)
            thread.start()
            _copy_bytes(self.request, upstream)
            thread.join()


def _copy_bytes(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def expose_to_network(network: str, port: int) -> Iterator[str]:
    """Forward a port on the gateway address of a Docker network to `port` on 127.0.0.1; yield its base URL.

    Only containers of the network can reach it. The Docker daemon must run on this machine.
    """
    gateway = run_docker("network", "inspect", "--format", "{{(index .IPAM.Config 0).Gateway}}", network)
    with _HostForwarder((gateway, 0), _ForwardedConnection) as server:
        server.target = ("127.0.0.1", port)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield f"http://{gateway}:{server.server_address[1]}"
        finally:
            server.shutdown()
