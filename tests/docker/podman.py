"""Podman in a machine with systemd, for root or for another user, as its packages start it: by its socket."""

from tests.docker.engines import EngineApi
from tests.docker.systemd_machine import SystemdMachine

USER = "podman-user"
SOCKET_UNIT = "podman.socket"
# The machine has a temporary file system, on which no other driver works, and no network. Its systemd has no D-Bus, and
# the settings of the kernel cannot be written.
_FILES = {
    "/etc/containers/storage.conf": """\
[storage]
driver = "vfs"
runroot = "/run/containers/storage"
graphroot = "/var/lib/containers/storage"
""",
    "/etc/containers/containers.conf": """\
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
[containers]
default_sysctls = []
""",
    # Without PAM and logind, which make the folder of a user otherwise.
    "/etc/systemd/system/user-runtime-dir@.service": """\
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/install --directory --mode=700 --owner=%i /run/user/%i
""",
    "/etc/systemd/system/user@.service.d/session.conf": """\
[Service]
PAMName=
Environment=XDG_RUNTIME_DIR=/run/user/%i
""",
}


def start_podman(machine: SystemdMachine, *, is_rootless: bool) -> EngineApi:
    """Start the socket of Podman, and make the image with busybox."""
    for path, text in _FILES.items():
        machine.find(path).parent.mkdir(parents=True, exist_ok=True)
        machine.find(path).write_text(text, encoding="utf-8")
    # Podman asks it for the packages of its programs, in each answer about itself: on a busy machine, that takes longer
    # than the agent waits.
    machine.find("/usr/bin/dpkg").unlink(missing_ok=True)
    machine.run("systemctl", "daemon-reload")
    path = _start_user_socket(machine) if is_rootless else _start_system_socket(machine)
    api = EngineApi(str(machine.find(path)))
    api.import_image()
    return api


def _start_system_socket(machine: SystemdMachine) -> str:
    machine.run("systemctl", "start", SOCKET_UNIT)
    return "/run/podman/podman.sock"


def _start_user_socket(machine: SystemdMachine) -> str:
    machine.run("useradd", "--create-home", USER)
    uid = machine.run("id", "--user", USER).strip()
    machine.run("systemctl", "start", f"user@{uid}.service")
    folder = f"/run/user/{uid}"
    machine.run("systemctl", "--user", "start", SOCKET_UNIT, user=USER, variables={"XDG_RUNTIME_DIR": folder})
    return f"{folder}/podman/podman.sock"
