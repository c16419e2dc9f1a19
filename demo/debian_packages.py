"""Programs from the package manager of a Debian or Ubuntu: downloaded as the current user and unpacked in a folder.

Nothing is installed.
"""

import contextlib
import fcntl
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from demo.cache import find_cache_folder

# Every system has the C library, and programs of one release must not load that of another. The compiler of queries and
# Perl are large, and the programs run without them.
_UNUSED_LIBRARIES = ("libc6", "libllvm", "libperl", "libpq-dev")


class PackageError(Exception):
    """The packages cannot be downloaded; the message says why."""


def obtain_packages(folder: Path, packages: Sequence[str], report: Callable[[str], None]) -> None:
    """Download the packages and unpack them in `folder`, which does not exist yet or is replaced."""
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        raise PackageError("no apt-get and dpkg on PATH")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as work:
        error = _download_packages(work, packages)
        if error and update_package_lists(report):
            error = _download_packages(work, packages)
        if error:
            raise PackageError(f"apt-get download {' '.join(packages)}: {error}")
        for archive in Path(work).glob("*.deb"):
            subprocess.run(["dpkg", "-x", str(archive), f"{work}/root"], check=True)
        shutil.rmtree(folder, ignore_errors=True)
        # Another process may have been faster, with the same files; the rename is atomic.
        with contextlib.suppress(OSError):
            (Path(work) / "root").rename(folder)


def obtain_cached_packages(
    name: str, list_packages: Callable[[], Sequence[str]], report: Callable[[str], None]
) -> Path:
    """Return the folder in the cache with the unpacked packages; download them first if it does not exist.

    Raises PackageError if that fails.
    """
    folder = find_cache_folder() / name
    if not folder.is_dir():
        packages = list_packages()
        report(f"downloading {', '.join(packages)} with apt-get (once; they are cached)")
        obtain_packages(folder, packages, report)
    return folder


def build_library_path(root: Path) -> str:
    """Return the LD_LIBRARY_PATH of programs in unpacked packages."""
    return ":".join(sorted(map(str, (*root.glob("usr/lib/*-linux-gnu"), *root.glob("lib/*-linux-gnu")))))


def find_missing_libraries(packages: Sequence[str], report: Callable[[str], None]) -> list[str]:
    """Return the packages with libraries that the packages depend on and that are not installed."""
    if not shutil.which("apt-get"):
        raise PackageError("no apt-get on PATH")
    command = ["apt-get", "install", "--simulate", "--no-install-recommends", *packages]
    completed = subprocess.run(command, capture_output=True, text=True, check=False)
    if completed.returncode != 0 and update_package_lists(report):
        completed = subprocess.run(command, capture_output=True, text=True, check=False)
    if completed.returncode != 0:
        raise PackageError(f"apt-get install --simulate {' '.join(packages)}: {completed.stderr.strip()[-300:]}")
    names = re.findall(r"^Inst (lib\S+)", completed.stdout, re.MULTILINE)
    return [name for name in names if not name.startswith(_UNUSED_LIBRARIES)]


def find_package_version(metapackage: str, report: Callable[[str], None]) -> str:
    """Return the package with a version in its name that a metapackage depends on, such as postgresql-15."""
    if not shutil.which("apt-cache"):
        raise PackageError("no apt-cache on PATH")
    package = _find_dependency_with_version(metapackage)
    if package is None and update_package_lists(report):
        package = _find_dependency_with_version(metapackage)
    if package is None:
        raise PackageError(f"apt-cache depends {metapackage}: no package {metapackage}-VERSION")
    return package


def _find_dependency_with_version(metapackage: str) -> str | None:
    command = ["apt-cache", "depends", "--important", metapackage]
    completed = subprocess.run(command, capture_output=True, text=True, check=False)
    match = re.search(rf"^\s*Depends: ({re.escape(metapackage)}-[\d.]+)$", completed.stdout, re.MULTILINE)
    return match[1] if match else None


def _download_packages(work: str, packages: Sequence[str]) -> str:
    """Return the error message of apt-get, empty after success."""
    command = ["apt-get", "download", "-qq", "-o", "APT::Sandbox::User=root", *packages]
    completed = subprocess.run(command, cwd=work, capture_output=True, text=True, check=False)
    return (completed.stderr.strip()[-300:] or "failed") if completed.returncode != 0 else ""


def update_package_lists(report: Callable[[str], None]) -> bool:
    """Update the lists of the package manager as root; return whether that succeeded.

    One process does so at a time: apt-get fails while another updates the lists.
    """
    if os.geteuid() != 0:
        return False
    report("updating the package lists")
    folder = find_cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "package-lists.lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return subprocess.run(["apt-get", "update", "-qq"], capture_output=True, check=False).returncode == 0
