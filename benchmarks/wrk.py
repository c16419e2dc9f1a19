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

from benchmarks.cpu_affinity import LOAD_CPU, build_taskset_prefix
from demo.cache import find_cache_folder

CONNECTIONS = 16
DEBIAN_PACKAGES = ("wrk", "libluajit-5.1-2")
MISSING_WRK_MESSAGE = "wrk is needed and was not found: put it on PATH (Debian and Ubuntu: apt-get install wrk)"

_RATE_PATTERN = re.compile(r"Requests/sec:\s+([\d.]+)")
_ERROR_PATTERN = re.compile(r"Non-2xx or 3xx responses|Socket errors")


class WrkError(Exception):
    """wrk is missing or reported errors, so its figures are invalid."""


@dataclass(frozen=True)
class WrkRunner:
    """The path of wrk, and of the library that it was unpacked with ("" if it is installed)."""

    path: Path
    library_folder: str = ""

    def measure_requests_per_second(
        self, url: str, seconds: float, token: str = "", headers: Sequence[str] = ()
    ) -> float:
        """Request `url` as fast as it answers."""
        header_lines = [*headers, *([f"Authorization: Bearer {token}"] if token else [])]
        header_arguments = [word for line in header_lines for word in ("-H", line)]
        load_arguments = ["-t1", f"-c{CONNECTIONS}", f"-d{seconds:.0f}s", "--timeout", "30s", *header_arguments, url]
        environ = {**os.environ, "LD_LIBRARY_PATH": self.library_folder} if self.library_folder else None
        command = [*build_taskset_prefix(LOAD_CPU), str(self.path), *load_arguments]
        completed = subprocess.run(command, capture_output=True, text=True, check=False, env=environ)
        rate = _RATE_PATTERN.search(completed.stdout)
        if rate is None or _ERROR_PATTERN.search(completed.stdout):
            raise WrkError(f"wrk {url}: {completed.stdout[-500:]}{completed.stderr[-500:]}")
        return float(rate[1])


def obtain_wrk() -> WrkRunner:
    """Return wrk from PATH, the cache, or Debian's package unpacked into the cache; raise WrkError without one."""
    installed = shutil.which("wrk")
    if installed:
        return WrkRunner(Path(installed))
    cache = find_cache_folder() / "wrk"
    if not (cache / "usr/bin/wrk").exists():
        _download_wrk(cache)
    library = next((cache / "usr/lib").glob("*/libluajit-5.1.so.2"))
    return WrkRunner(cache / "usr/bin/wrk", str(library.parent))


def _download_wrk(cache: Path) -> None:
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        raise WrkError(MISSING_WRK_MESSAGE)
    cache.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache.parent) as work:
        command = ["apt-get", "download", "-qq", "-o", "APT::Sandbox::User=root", *DEBIAN_PACKAGES]
        if subprocess.run(command, cwd=work, capture_output=True, check=False).returncode != 0:
            raise WrkError(MISSING_WRK_MESSAGE)
        for package in Path(work).glob("*.deb"):
            subprocess.run(["dpkg", "-x", str(package), f"{work}/root"], check=True)
        # Another process may have been faster: both have the same files, and the rename is atomic.
        with contextlib.suppress(OSError):
            (Path(work) / "root").rename(cache)
