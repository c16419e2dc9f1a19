"""wrk, the load generator: found or fetched, and run for one measurement."""

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cores import LOAD, on_core

CONNECTIONS = 16
PACKAGES = ("wrk", "libluajit-5.1-2")
MISSING = "wrk is needed and was not found: put it on PATH (Debian and Ubuntu: apt-get install wrk)"

_RATE = re.compile(r"Requests/sec:\s+([\d.]+)")
_TROUBLE = re.compile(r"Non-2xx or 3xx responses|Socket errors")


class WrkError(Exception):
    """There is no wrk, or it met errors: its figures would mean nothing."""


@dataclass(frozen=True)
class Wrk:
    """The program, and where the library lies that came with it ("" for one that is installed)."""

    path: Path
    library_folder: str = ""

    def requests_per_second(self, url: str, seconds: float, token: str = "", headers: Sequence[str] = ()) -> float:
        """Ask `url` as fast as it answers."""
        bearing = [*headers, *([f"Authorization: Bearer {token}"] if token else [])]
        header = [word for line in bearing for word in ("-H", line)]
        load = ["-t1", f"-c{CONNECTIONS}", f"-d{seconds:.0f}s", "--timeout", "30s", *header, url]
        environ = {**os.environ, "LD_LIBRARY_PATH": self.library_folder} if self.library_folder else None
        command = [*on_core(LOAD), str(self.path), *load]
        said = subprocess.run(command, capture_output=True, text=True, check=False, env=environ)
        rate = _RATE.search(said.stdout)
        if rate is None or _TROUBLE.search(said.stdout):
            raise WrkError(f"wrk {url}: {said.stdout[-500:]}{said.stderr[-500:]}")
        return float(rate[1])


def obtain() -> Wrk:
    """Return wrk from PATH, the cache, or Debian's package unpacked into the cache; raise WrkError without one."""
    installed = shutil.which("wrk")
    if installed:
        return Wrk(Path(installed))
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    cache = Path(base) / "aggregator" / "wrk"
    if not (cache / "usr/bin/wrk").exists():
        _fetch(cache)
    library = next((cache / "usr/lib").glob("*/libluajit-5.1.so.2"))
    return Wrk(cache / "usr/bin/wrk", str(library.parent))


def _fetch(cache: Path) -> None:
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        raise WrkError(MISSING)
    cache.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache.parent) as work:
        command = ["apt-get", "download", "-qq", "-o", "APT::Sandbox::User=root", *PACKAGES]
        if subprocess.run(command, cwd=work, capture_output=True, check=False).returncode != 0:
            raise WrkError(MISSING)
        for package in Path(work).glob("*.deb"):
            subprocess.run(["dpkg", "-x", str(package), f"{work}/root"], check=True)
        # A second process may have been faster: both hold the same files, and the rename is whole or nothing.
        with contextlib.suppress(OSError):
            (Path(work) / "root").rename(cache)
