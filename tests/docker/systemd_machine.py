"""A systemd that is the first process of a copy of this machine, inside of tests/kubernetes/isolate.sh."""

import contextlib
import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from demo.processes import PROJECT
from tests.integration.gateway_process import wait_until
from tools.parts.debian import obtain_podman, obtain_systemd

BOOT_SCRIPT = Path(__file__).with_name("boot_systemd.sh")
BOOT_TIMEOUT_SECONDS = 60.0
COMMAND_TIMEOUT_SECONDS = 60.0
AGGREGATOR = ("/opt/aggregator/bin/python", "-m", "aggregator")
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_NAMESPACES = ("--mount", "--pid", "--ipc", "--uts", "--cgroup", "--root", "--wd")


@dataclass(frozen=True)
class SystemdMachine:
    """The machine; `pid` is its systemd."""

    pid: int

    def find(self, path: str) -> Path:
        """Return a path of the machine as this process sees it."""
        return Path(f"/proc/{self.pid}/root{path}")

    def run(self, *command: str, user: str = "root", variables: Mapping[str, str] | None = None) -> str:
        """Return the output of a command; raise AssertionError with its errors if it fails."""
        completed = self._run(command, user, variables or {})
        assert completed.returncode == 0, f"{' '.join(command)}: {completed.stdout}{completed.stderr}"
        return completed.stdout

    def succeeds(self, *command: str) -> bool:
        """Return whether a command succeeds."""
        return self._run(command, "root", {}).returncode == 0

    def install_agent(self, *flags: str, **settings: str) -> str:
        """Install the agent as a service with these settings."""
        return self.run(*AGGREGATOR, "agent", *flags, "install", variables=settings)

    def uninstall_agent(self) -> str:
        """Remove the service."""
        return self.run(*AGGREGATOR, "agent", "uninstall")

    def show(self, unit: str, name: str) -> str:
        """Return a property of a unit."""
        return self.run("systemctl", "show", "--value", f"--property={name}", unit).strip()

    def read_log(self, unit: str) -> str:
        """Return what the service of a unit has logged."""
        self.run("journalctl", "--sync")
        return self.run("journalctl", "--no-pager", "--output=cat", f"--unit={unit}")

    def _run(
        self, command: tuple[str, ...], user: str, variables: Mapping[str, str]
    ) -> "subprocess.CompletedProcess[str]":
        enter = ["nsenter", f"--target={self.pid}", *_NAMESPACES]
        switch = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups"] if user != "root" else []
        environment = [f"{name}={value}" for name, value in {"PATH": _PATH, **variables}.items()]
        return subprocess.run(
            [*enter, *switch, "env", "--ignore-environment", *environment, *command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_SECONDS,
            check=False,
        )


@contextmanager
def boot_machine(folder: Path, docker_socket: str = "") -> Iterator[SystemdMachine]:
    """Boot a machine with systemd and Podman; a Docker Engine has its usual socket there."""
    assert "CGROUP" in os.environ, "run this with tests/kubernetes/isolate.sh"
    command = [
        *(str(BOOT_SCRIPT), str(folder), sys.base_prefix, sysconfig.get_path("purelib"), str(PROJECT), docker_socket),
        *map(str, (obtain_systemd(), obtain_podman())),
    ]
    log_path = folder / "systemd.log"
    with log_path.open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def find_booted() -> list[SystemdMachine]:
        assert process.poll() is None, log_path.read_text(encoding="utf-8")[-1000:]
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="ascii").split()
        return [machine for machine in map(SystemdMachine, map(int, children)) if _is_booted(machine)]

    try:
        yield wait_until(find_booted, "a running systemd", BOOT_TIMEOUT_SECONDS)[0]
    finally:
        # systemd does not end on SIGTERM.
        process.kill()
        process.wait()


def _is_booted(machine: SystemdMachine) -> bool:
    with contextlib.suppress(OSError):
        program = Path(f"/proc/{machine.pid}/exe").readlink().name
        return program == "systemd" and machine.succeeds("systemctl", "is-system-running", "--quiet")
    return False
