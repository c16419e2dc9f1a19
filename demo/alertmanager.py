"""A real Alertmanager on this machine: find or download it, start it, stop it."""

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from demo.cache import find_cache_folder
from demo.debian_packages import PackageError, obtain_packages
from demo.processes import PROJECT, ManagedProcess, run_process
from demo.prometheus import find_free_port, is_ready

START_TIMEOUT_SECONDS = 30.0
MONITORING_DIR = PROJECT / "deploy" / "monitoring"
CONFIG_TEMPLATE = MONITORING_DIR / "alertmanager.yaml"
START_SCRIPT = MONITORING_DIR / "start-alertmanager.sh"
PACKAGE = "prometheus-alertmanager"
# The program of Debian reads its templates from this folder, even if the package is unpacked elsewhere. In the copy
# that runs here, the path is the working directory. It must have the same length.
_TEMPLATE_FOLDER = b"/usr/share/prometheus/alertmanager"
_WORKING_DIRECTORY = b".".ljust(len(_TEMPLATE_FOLDER), b"/")

INSTALL_INSTRUCTIONS = """\
no Alertmanager was found. Do one of the following:
  - install it, so that `prometheus-alertmanager` or `alertmanager` is on PATH (Debian and Ubuntu: apt-get install
    prometheus-alertmanager)
  - unpack a release archive of Alertmanager and add its folder to PATH"""


class AlertmanagerMissingError(Exception):
    """There is no Alertmanager on this machine, and it cannot be downloaded; the text says what to do."""


@dataclass(frozen=True)
class AlertmanagerServer:
    """A running Alertmanager."""

    url: str
    process: ManagedProcess


def obtain_alertmanager(report: Callable[[str], None] = lambda _text: None) -> list[str]:
    """Return the command that starts Alertmanager from PATH, the cache, or the package manager, in that order.

    Paths in its arguments must be absolute: the command may change the working directory.
    """
    for name in (PACKAGE, "alertmanager"):
        if on_path := shutil.which(name):
            return [on_path]
    folder = find_cache_folder() / "alertmanager"
    program = folder / "usr/bin/alertmanager"
    if not program.exists():
        report("downloading Alertmanager with apt-get (once; it is cached)")
        try:
            obtain_packages(folder, [PACKAGE], report)
        except PackageError as error:
            raise AlertmanagerMissingError(f"{INSTALL_INSTRUCTIONS}\n({error})") from None
        _write_program(folder / "usr/bin" / PACKAGE, program)
    return ["env", "-C", str(folder / "usr/share/prometheus/alertmanager"), str(program)]


def _write_program(source: Path, target: Path) -> None:
    """Write a copy of the program that reads its templates from the working directory."""
    content, count = re.subn(re.escape(_TEMPLATE_FOLDER) + rb"(?!/)", _WORKING_DIRECTORY, source.read_bytes())
    if count > 1:
        raise AlertmanagerMissingError(f"{source} has {count} paths of templates, expected one\n{INSTALL_INSTRUCTIONS}")
    with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as file:
        file.write(content)
    Path(file.name).chmod(0o755)
    Path(file.name).rename(target)


@contextlib.contextmanager
def run_alertmanager(
    folder: Path, template: Path, mail_settings: Mapping[str, str], port: int | None = None, flags: Sequence[str] = ()
) -> Iterator[AlertmanagerServer]:
    """Run Alertmanager on 127.0.0.1 with its files in `folder`; yield when it is ready.

    start-alertmanager.sh fills the settings into the template of the configuration. `flags` are added to the command
    line.
    """
    listen_port = port or find_free_port()
    absolute_folder = folder.resolve()
    command = [
        *("sh", str(START_SCRIPT), str(template.resolve()), str(absolute_folder)),
        *obtain_alertmanager(),
        f"--storage.path={absolute_folder / 'alertmanager'}",
        f"--web.listen-address=127.0.0.1:{listen_port}",
        "--cluster.listen-address=",
        *flags,
    ]
    environ = {**os.environ, **mail_settings}
    with run_process("alertmanager", command, environ, folder / "alertmanager.log") as process:
        process.wait_until(lambda: is_ready(listen_port), "answer of /-/ready", START_TIMEOUT_SECONDS)
        yield AlertmanagerServer(f"http://127.0.0.1:{listen_port}", process)
