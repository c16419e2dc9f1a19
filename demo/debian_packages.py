"""Programs from the package manager of a Debian or Ubuntu: downloaded as the current user and unpacked in a folder.

Nothing is installed.
"""

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path


class PackageError(Exception):
    """The packages cannot be downloaded; the message says why."""


def obtain_packages(folder: Path, packages: Sequence[str], report: Callable[[str], None]) -> None:
    """Download the packages and unpack them in `folder`, which does not exist yet or is replaced."""
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        raise PackageError("no apt-get and dpkg on PATH")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as work:
        error = _download_packages(work, packages)
        if error and _update_package_lists(report):
            error = _download_packages(work, packages)
        if error:
            raise PackageError(f"apt-get download {' '.join(packages)}: {error}")
        for archive in Path(work).glob("*.deb"):
            subprocess.run(["dpkg", "-x", str(archive), f"{work}/root"], check=True)
        shutil.rmtree(folder, ignore_errors=True)
        # Another process may have been faster, with the same files; the rename is atomic.
        with contextlib.suppress(OSError):
            (Path(work) / "root").rename(folder)


def _download_packages(work: str, packages: Sequence[str]) -> str:
    """Return the error message of apt-get, empty after success."""
    command = ["apt-get", "download", "-qq", "-o", "APT::Sandbox::User=root", *packages]
    completed = subprocess.run(command, cwd=work, capture_output=True, text=True, check=False)
    return (completed.stderr.strip()[-300:] or "failed") if completed.returncode != 0 else ""


def _update_package_lists(report: Callable[[str], None]) -> bool:
    if os.geteuid() != 0:
        return False
    report("updating the package lists")
    return subprocess.run(["apt-get", "update", "-qq"], capture_output=True, check=False).returncode == 0
