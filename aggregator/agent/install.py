"""Installs the agent as a service of systemd, hardened, with its settings in a file that only root can read."""

import grp
import pwd
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from aggregator.agent.report import SECRET_HEADER
from aggregator.errors import AggregatorError
from aggregator.util.client_errors import describe_client_error

UNIT_NAME = "aggregator-agent.service"
UNIT_PATH = f"etc/systemd/system/{UNIT_NAME}"
SETTINGS_PATH = "etc/aggregator-agent.env"
DEFAULT_USER = "aggregator-agent"
SYSTEMCTL_TIMEOUT_SECONDS = 60
REGISTRATION_TIMEOUT_SECONDS = 10.0
_DOCKER_GROUP = "docker"
_USER_PATTERN = re.compile(r"[a-z_][a-z0-9_-]{0,31}", re.ASCII)
# In double quotes of a file for EnvironmentFile=.
_QUOTED_CHARACTERS = re.compile(r'["\\`$]')

_UNIT = """\
[Unit]
Description=Aggregator agent: metrics of this Docker host
Wants=network-online.target
After=network-online.target docker.service

[Service]
ExecStart={python} -m aggregator agent
EnvironmentFile=/{settings_path}
{user}
Restart=always
RestartSec=5
# The socket of the Engine is root on this host; nothing else is needed.
CapabilityBoundingSet=
AmbientCapabilities=
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=read-only
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
PrivateTmp=yes
PrivateDevices=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
MemoryMax=256M
TasksMax=64
UMask=0077

[Install]
WantedBy=multi-user.target
"""


class InstallError(AggregatorError):
    """The service cannot be installed or removed; the text says why."""


@dataclass(frozen=True)
class InstallTarget:
    """Where to install: below a root folder, with the commands of the system unless that is another root."""

    root: Path = Path("/")
    run_command: Callable[[Sequence[str]], None] | None = None

    def find(self, path: str) -> Path:
        """Return a path below the root."""
        return self.root / path

    def run(self, *command: str) -> bool:
        """Run a command of the system if it is installed and the root is its own; return whether it was run."""
        if self.run_command is not None:
            self.run_command(command)
        elif self.root == Path("/") and shutil.which(command[0]):
            _run(command)
        else:
            return False
        return True


def _run(command: Sequence[str]) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=SYSTEMCTL_TIMEOUT_SECONDS)  # noqa: S603 - fixed commands
    except subprocess.CalledProcessError as error:
        raise InstallError(f"{' '.join(command)}: {str(error.stderr).strip()[-300:]}") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InstallError(f"{' '.join(command)}: {error}") from None


def install_service(target: InstallTarget, environment: Mapping[str, str], user: str | None) -> list[str]:
    """Write the unit and its settings, and start it; return lines for people.

    Without a user, systemd makes one for the service alone. Another user is created if it is missing. Raises
    InstallError if the unit exists or something cannot be written.
    """
    if user is not None and not _USER_PATTERN.fullmatch(user):
        raise InstallError(f"{user!r} is not a valid user name")
    unit, settings = target.find(UNIT_PATH), target.find(SETTINGS_PATH)
    if unit.exists():
        raise InstallError(f"{unit} exists; uninstall it first")
    _write_file(settings, render_settings_file(environment), 0o600)
    _write_file(unit, render_unit(user, has_docker_group=_has_group(_DOCKER_GROUP)), 0o644)
    if user not in (None, "root") and not _has_user(str(user)):
        target.run("useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", str(user))
    target.run("systemctl", "daemon-reload")
    is_started = target.run("systemctl", "enable", "--now", UNIT_NAME)
    lines = [f"wrote {unit}", f"wrote {settings}"]
    if is_started:
        return [*lines, f"{UNIT_NAME} is started; journalctl -u {UNIT_NAME} shows its log"]
    return [*lines, f"{UNIT_NAME} is not started; start it with: systemctl enable --now {UNIT_NAME}"]


def uninstall_service(target: InstallTarget) -> list[str]:
    """Stop the service and remove its files; return lines for people. Raises InstallError if there is no unit."""
    unit, settings = target.find(UNIT_PATH), target.find(SETTINGS_PATH)
    if not unit.exists():
        raise InstallError(f"{unit} does not exist")
    target.run("systemctl", "disable", "--now", UNIT_NAME)
    try:
        unit.unlink()
        settings.unlink(missing_ok=True)
    except OSError as error:
        raise InstallError(f"{error.filename}: cannot be removed ({error.strerror})") from None
    target.run("systemctl", "daemon-reload")
    return [f"removed {unit}", f"removed {settings}"]


async def register_agent(address: str, port: int, secret: str | None = None) -> str:
    """Register this agent at an aggregator or a scrape server; return its answer. Raises InstallError if it refuses."""
    headers = {SECRET_HEADER: secret} if secret is not None else {}
    timeout = aiohttp.ClientTimeout(total=REGISTRATION_TIMEOUT_SECONDS)
    base_url = address if "://" in address else f"http://{address}"
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=False) as session,
            session.post(
                f"{base_url}/add-agent", params={"port": str(port)}, headers=headers, allow_redirects=False
            ) as response,
        ):
            text = (await response.text(errors="replace")).strip()[:300]
    except (aiohttp.ClientError, OSError) as error:
        raise InstallError(f"{address}: cannot register: {describe_client_error(error)}") from None
    if response.status != 200:
        raise InstallError(f"{address}: cannot register: HTTP {response.status}: {text}")
    return f"{address}: {text}"


def render_unit(user: str | None, *, has_docker_group: bool) -> str:
    """Return the unit file."""
    lines = [f"User={user or DEFAULT_USER}"]
    if user is None:
        lines.insert(0, "DynamicUser=yes")
    if has_docker_group and user != "root":
        lines.append(f"SupplementaryGroups={_DOCKER_GROUP}")
    return _UNIT.format(python=sys.executable, settings_path=SETTINGS_PATH, user="\n".join(lines))


def render_settings_file(environment: Mapping[str, str]) -> str:
    """Return the file with the settings, quoted as systemd reads it."""
    lines = ["# Settings of the agent; docs/configuration.md lists all. Restart the service after a change."]
    for name, value in sorted(environment.items()):
        escaped = _QUOTED_CHARACTERS.sub(lambda match: "\\" + match[0], value)
        lines.append(f'{name}="{escaped}"')
    return "\n".join(lines) + "\n"


def _write_file(path: Path, text: str, mode: int) -> None:
    """Write a file that never has wider permissions than its mode."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.touch(mode=mode, exist_ok=False)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InstallError(f"{path}: cannot be written ({error.strerror})") from None


def _has_group(name: str) -> bool:
    try:
        grp.getgrnam(name)
    except KeyError:
        return False
    return True


def _has_user(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True
