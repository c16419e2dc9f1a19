"""Real Docker Engines, inside of tests/kubernetes/isolate.sh, whose end also ends the containers."""

import contextlib
import io
import json
import os
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from socket import AF_UNIX, SOCK_STREAM, socket
from typing import Any

from demo.prometheus import stop_process
from tests.integration.gateway_process import wait_until
from tools.parts.docker import EnginePrograms, find_busybox

# Podman ignores the tag of an image that it imports.
IMAGE = "localhost/busybox:latest"
START_TIMEOUT_SECONDS = 120.0
_COMMANDS = ("sh", "sleep", "tail", "true", "false")


class _UnixConnection(HTTPConnection):
    """A connection to a socket."""

    def __init__(self, path: str) -> None:
        super().__init__("engine", timeout=START_TIMEOUT_SECONDS)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket instead of the host."""
        self.sock = socket(AF_UNIX, SOCK_STREAM)
        self.sock.settimeout(START_TIMEOUT_SECONDS)
        self.sock.connect(self._path)


class EngineApi:
    """Requests that tests make to an Engine beside the agent."""

    def __init__(self, socket_path: str) -> None:
        self.socket_path = socket_path

    def request(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> bytes:
        """Return the body of a successful response."""
        connection = _UnixConnection(self.socket_path)
        content = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else None
        with contextlib.closing(connection):
            connection.request(method, path, content, {"Content-Type": content_type} if content else {})
            response = connection.getresponse()
            answer = response.read()
        assert response.status < 400, answer
        return answer

    def import_image(self) -> None:
        """Make the image with busybox."""
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            tar.add(find_busybox(), "bin/busybox")
            for name in _COMMANDS:
                link = tarfile.TarInfo(f"bin/{name}")
                link.type, link.linkname = tarfile.SYMTYPE, "busybox"
                tar.addfile(link)
        repository, _, tag = IMAGE.partition(":")
        path = f"/images/create?fromSrc=-&repo={repository}&tag={tag}"
        self.request("POST", path, archive.getvalue(), "application/x-tar")

    def run(self, name: str, *command: str, host: dict[str, Any] | None = None, **options: Any) -> str:
        """Start a container without a network; return its ID."""
        config = {
            "Image": IMAGE,
            "Cmd": command or ("sleep", "100000"),
            "HostConfig": {"NetworkMode": "none", **(host or {})},
            **options,
        }
        container_id = str(json.loads(self.request("POST", f"/containers/create?name={name}", config))["Id"])
        self.request("POST", f"/containers/{container_id}/start")
        return container_id

    def remove_all(self) -> None:
        """Remove all containers."""
        for container in json.loads(self.request("GET", "/containers/json?all=1")):
            self.request("DELETE", f"/containers/{container['Id']}?force=1")


class LiveEngine(EngineApi):
    """A running Docker Engine."""

    def __init__(self, programs: EnginePrograms, folder: Path) -> None:
        super().__init__(str(folder / "docker.sock"))
        self.programs = programs
        self.folder = folder
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the Engine; return when it answers."""
        path = ":".join([*map(str, self.programs.folders), os.environ["PATH"]])
        command = [
            str(self.programs.folders[0] / "dockerd"),
            *("--host", f"unix://{self.socket_path}", "--pidfile", str(self.folder / "dockerd.pid")),
            *("--data-root", str(self.folder / "data"), "--exec-root", str(self.folder / "exec")),
            *("--bridge=none", "--iptables=false", "--ip6tables=false", f"--cgroup-parent={os.environ['CGROUP']}"),
            *self.programs.options,
        ]
        with (self.folder / "dockerd.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, env={**os.environ, **self.programs.environment, "PATH": path}, stdout=log, stderr=log
            )
        wait_until(self._is_ready, f"Docker Engine {self.programs.version}", START_TIMEOUT_SECONDS)

    def stop(self) -> None:
        """Stop the Engine, and with it its containers."""
        if self.process is not None:
            stop_process(self.process)
            self.process = None

    def _is_ready(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError((self.folder / "dockerd.log").read_text(encoding="utf-8")[-3000:])
        try:
            return self.request("GET", "/_ping") == b"OK"
        except OSError:
            return False


@contextmanager
def run_engine(programs: EnginePrograms, folder: Path) -> Iterator[LiveEngine]:
    """Run an Engine with the image of busybox."""
    assert "CGROUP" in os.environ, "run this with tests/kubernetes/isolate.sh"
    engine = LiveEngine(programs, folder)
    try:
        engine.start()
        engine.import_image()
        yield engine
    finally:
        engine.stop()
