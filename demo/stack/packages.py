"""The programs of the stack: packages of a Debian or Ubuntu, unpacked in a cache folder and not installed."""

import os
import pwd
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from demo.debian_packages import (
    PackageError,
    build_library_path,
    find_missing_libraries,
    find_package_version,
    obtain_cached_packages,
)

MONITORING_PACKAGES = (
    "prometheus-node-exporter",
    "prometheus-blackbox-exporter",
    "prometheus-apache-exporter",
    "prometheus-postgres-exporter",
)
# PostgreSQL refuses to run as root, so root runs both servers as this user.
UNPRIVILEGED_USER = "nobody"


@dataclass(frozen=True)
class ServerPrograms:
    """PostgreSQL and Apache, unpacked in `root`."""

    root: Path

    @property
    def postgres_folder(self) -> Path:
        """The folder of the programs of PostgreSQL."""
        return next(self.root.glob("usr/lib/postgresql/*/bin"))

    @property
    def apache(self) -> Path:
        """The program of Apache."""
        return self.root / "usr/sbin/apache2"

    @property
    def apache_root(self) -> Path:
        """The folder that contains the folder with the modules of Apache."""
        return self.root / "usr/lib/apache2"

    @property
    def environment(self) -> dict[str, str]:
        """The variables that the programs need to find their libraries."""
        return {"LD_LIBRARY_PATH": build_library_path(self.root), "PATH": os.environ.get("PATH", os.defpath)}

    def copy_for(self, user: str | None, folder: Path) -> "ServerPrograms":
        """Return programs that the user can run: for another user a copy in a folder, because root's cache is private.

        The folder must not exist, and the user must be able to reach it. Raises PackageError if files cannot be copied.
        """
        if user is None:
            return self
        try:
            shutil.copytree(self.root, folder, symlinks=True, copy_function=_link_or_copy)
        except shutil.Error as error:
            # It has an entry for each file, usually with the same reason, such as a full disk.
            ((_, _, reason), *_) = error.args[0]
            raise PackageError(f"copy PostgreSQL and Apache for the user {user}: {reason}") from None
        return ServerPrograms(folder)


@dataclass(frozen=True)
class StackPrograms:
    """All programs of the stack but Prometheus and Alertmanager."""

    monitoring: Path
    servers: ServerPrograms

    def find_exporter(self, package: str) -> Path:
        """Return the program of a package of Prometheus, which has the name of the package."""
        return self.monitoring / "usr/bin" / package


def obtain_stack_programs(report: Callable[[str], None] = lambda _text: None) -> StackPrograms:
    """Return the programs from the cache; download them first if necessary. Raises PackageError if that fails."""
    return StackPrograms(
        obtain_cached_packages("stack-monitoring", lambda: MONITORING_PACKAGES, report),
        obtain_server_programs(report),
    )


def obtain_server_programs(report: Callable[[str], None] = lambda _text: None) -> ServerPrograms:
    """Do the same for PostgreSQL and Apache."""
    return ServerPrograms(obtain_cached_packages("stack-servers", lambda: _list_server_packages(report), report))


def find_unprivileged_user() -> str | None:
    """Return the user for the servers if this process runs as root, otherwise None: they run as the current user."""
    return UNPRIVILEGED_USER if os.geteuid() == 0 else None


def give_folder(folder: Path, user: str | None) -> None:
    """Make a folder with all its content that of a user; nothing for None."""
    if user is not None:
        account = pwd.getpwnam(user)
        for path in (folder, *folder.rglob("*")):
            os.chown(path, account.pw_uid, account.pw_gid)


def _list_server_packages(report: Callable[[str], None]) -> list[str]:
    """Return the packages of both servers with the libraries that this machine lacks."""
    postgres = find_package_version("postgresql", report)
    packages = [postgres, postgres.replace("postgresql-", "postgresql-client-"), "apache2-bin"]
    libraries = find_missing_libraries(packages, report)
    return [*packages, *(name for name in libraries if name not in packages)]


def _link_or_copy(source: str, target: str) -> str:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return target
