"""The files of all images of the compose file, from programs of this machine: no registry can be needed by a test.

All images have the same files: Python with our packages, and the programs of `make stack`. They differ in what the
images of others declare, such as the entry point and the user.
"""

import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from demo.alertmanager import PACKAGE as ALERTMANAGER_PACKAGE
from demo.alertmanager import obtain_alertmanager
from demo.processes import PROJECT
from demo.prometheus import obtain_prometheus
from demo.stack.packages import obtain_stack_programs
from tests.image.base_image import BaseImage, write_base_image
from tools.parts.docker import find_busybox

LOCK_FILES = ("requirements.lock", "demo/example_service/requirements.lock")
PACKAGES = "usr/local/lib/packages"
EXPORTERS = ("node", "blackbox", "apache", "postgres")
BUSYBOX_COMMANDS = ("wget", "head", "printf", "id", "env", "tr")
USERS = {"root": 0, "www-data": 33, "postgres": 999, "nobody": 65534}
# The folders of volumes, and the user that writes to them.
VOLUME_FOLDERS = {"prometheus": "nobody", "alertmanager": "nobody", "var/lib/postgresql/data": "postgres"}
ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/local/postgresql/bin",
    "LD_LIBRARY_PATH": "/usr/local/lib",
    "PYTHONPATH": f"/{PACKAGES}",
}
# The command of the image, which deploy/hosts.compose.yaml does not replace.
PROMETHEUS_COMMAND = ("--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus")
# What the image of PostgreSQL does with its variables.
POSTGRES_ENTRYPOINT = """#!/bin/sh
set -eu
data=/var/lib/postgresql/data
if [ ! -e $data/PG_VERSION ]; then
    printf '%s' "$POSTGRES_PASSWORD" > /tmp/password
    initdb -D $data --username "$POSTGRES_USER" --pwfile /tmp/password --auth scram-sha-256 --no-locale
    printf 'CREATE DATABASE "%s";\\n' "$POSTGRES_DB" | postgres --single -D $data postgres
    printf 'host all all all scram-sha-256\\n' > $data/pg_hba.conf
fi
exec postgres -D $data -h '*' -k /var/run/postgresql "$@"
"""


@dataclass(frozen=True)
class ImageConfig:
    """What an image declares."""

    entrypoint: tuple[str, ...] = ()
    user: str = "nobody"
    command: tuple[str, ...] = ()

    def render_dockerfile(self, base: str) -> str:
        """Return a Dockerfile without a step that runs something."""
        lines = [f"FROM {base}", f"USER {self.user}"]
        for name, words in (("ENTRYPOINT", self.entrypoint), ("CMD", self.command)):
            if words:
                lines.append(f"{name} {json.dumps(words)}")
        return "\n".join(lines)


# The image of each of these services. Grafana is not to be had as packages.
IMAGE_CONFIGS: Mapping[str, ImageConfig] = {
    "aggregator": ImageConfig(("python", "-m", "aggregator"), "1001:1001"),
    "rest-api": ImageConfig(("python", "-m"), "1001:1001", ("demo.example_service",)),
    "prometheus": ImageConfig(("/bin/prometheus",), command=PROMETHEUS_COMMAND),
    "alertmanager": ImageConfig(("/bin/alertmanager",)),
    "postgres": ImageConfig(("/entrypoint.sh",), "root"),
    "apache": ImageConfig((), "root"),
    **{f"{name}-exporter": ImageConfig((f"/bin/{name}_exporter",)) for name in EXPORTERS},
}


class RootFolder:
    """The files of the images, in a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._programs: list[Path] = []

    def write(self) -> None:
        """Write everything."""
        self._add_base()
        self._add_packages()
        self._add_monitoring()
        self._add_servers()
        self._add_libraries()
        self._add_users()

    def _add_base(self) -> None:
        """Add Python, a shell and tools."""
        archive = self.path.with_suffix(".tar")
        with tarfile.open(archive, "w") as tar:
            write_base_image(BaseImage(tar))
        with tarfile.open(archive) as tar:
            tar.extractall(self.path, filter="fully_trusted")  # noqa: S202 - written above
        archive.unlink()
        self._add_program(find_busybox(), "bin/busybox")
        self._add_program(Path(shutil.which("bash") or "/bin/bash"), "bin/bash")
        for name in BUSYBOX_COMMANDS:
            (self.path / "usr/local/bin" / name).symlink_to("/bin/busybox")

    def _add_packages(self) -> None:
        """Add our packages and what they need, from the environment of the tests."""
        names = {
            name
            for lock in LOCK_FILES
            for name in re.findall(r"^([\w.-]+)==", (PROJECT / lock).read_text(encoding="utf-8"), re.MULTILINE)
        }
        for name in sorted(names):
            self._add_distribution(name)
        ignored = shutil.ignore_patterns("__pycache__")
        packages = self.path / PACKAGES
        shutil.copytree(PROJECT / "aggregator", packages / "aggregator", ignore=ignored)
        shutil.copytree(PROJECT / "demo/example_service", packages / "demo/example_service", ignore=ignored)
        shutil.copy(PROJECT / "demo/__init__.py", packages / "demo")
        metadata = packages / "aggregator-0.dist-info/METADATA"
        metadata.parent.mkdir()
        metadata.write_text("Metadata-Version: 2.1\nName: aggregator\nVersion: 0\n", encoding="utf-8")

    def _add_distribution(self, name: str) -> None:
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            # Of another platform.
            return
        for file in distribution.files or []:
            source = Path(str(distribution.locate_file(file)))
            if ".." not in file.parts and source.is_file():
                target = self.path / PACKAGES / file
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, target)

    def _add_monitoring(self) -> None:
        """Add Prometheus, Alertmanager with its templates, and the exporters."""
        programs = obtain_stack_programs()
        self._add_program(obtain_prometheus().prometheus, "bin/prometheus")
        for name in EXPORTERS:
            self._add_program(programs.find_exporter(f"prometheus-{name}-exporter"), f"bin/{name}_exporter")
        # The command is a program with its templates, or `env -C FOLDER PROGRAM`.
        program = Path(obtain_alertmanager()[-1])
        original = program.with_name(ALERTMANAGER_PACKAGE)
        self._add_program(original if original.exists() else program, "bin/alertmanager")
        templates = program.parents[1] / "share/prometheus"
        if templates.is_dir():
            shutil.copytree(templates, self.path / "usr/share/prometheus", symlinks=True)

    def _add_servers(self) -> None:
        """Add PostgreSQL and Apache."""
        servers = obtain_stack_programs().servers
        version_folder = servers.postgres_folder.parent
        shutil.copytree(version_folder, self.path / version_folder.relative_to(servers.root), symlinks=True)
        shutil.copytree(servers.root / "usr/share/postgresql", self.path / "usr/share/postgresql", symlinks=True)
        (self.path / "usr/local/postgresql").symlink_to(f"/{version_folder.relative_to(servers.root)}")
        modules = shutil.copytree(servers.apache_root / "modules", self.path / "usr/local/apache2/modules")
        self._add_program(servers.apache, "usr/local/bin/httpd")
        self._programs += [*version_folder.glob("bin/*"), *version_folder.glob("lib/*.so"), *modules.glob("*.so")]
        entrypoint = self.path / "entrypoint.sh"
        entrypoint.write_text(POSTGRES_ENTRYPOINT, encoding="utf-8")
        entrypoint.chmod(0o755)

    def _add_program(self, source: Path, name: str) -> None:
        target = self.path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
        target.chmod(0o755)
        self._programs.append(source)

    def _add_libraries(self) -> None:
        environment = {**os.environ, **obtain_stack_programs().servers.environment}
        for library in _find_libraries(self._programs, environment):
            target = self.path / "usr/local/lib" / library.name
            if not target.exists():
                shutil.copy(library, target)

    def _add_users(self) -> None:
        etc = self.path / "etc"
        etc.mkdir(exist_ok=True)
        users = "".join(f"{name}:x:{number}:{number}::/:/bin/sh\n" for name, number in USERS.items())
        (etc / "passwd").write_text(users, encoding="utf-8")
        groups = "".join(f"{name}:x:{number}:\n" for name, number in USERS.items())
        (etc / "group").write_text(groups, encoding="utf-8")
        for name, user in VOLUME_FOLDERS.items():
            folder = self.path / name
            folder.mkdir(parents=True)
            os.chown(folder, USERS[user], USERS[user])


def _find_libraries(programs: Iterable[Path], environment: Mapping[str, str]) -> set[Path]:
    completed = subprocess.run(
        ["ldd", *map(str, programs)], env=environment, capture_output=True, text=True, check=False
    )
    return {Path(path) for path in re.findall(r"=> (/\S+) \(0x", completed.stdout)}
