"""A real Prometheus on this machine: found or fetched, given data, started, asked whether it is ready, ended.

Fetched means: from the system's package manager, unpacked into a cache folder of this project, nothing installed.
"""

import contextlib
import http.client
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

READY_WITHIN_SECONDS = 30.0

CHOICES = """\
a Prometheus server is needed and none was found. Any one of these helps:
  - install it so that `prometheus` and `promtool` are on PATH (Debian and Ubuntu: apt-get install prometheus)
  - unpack a release archive of Prometheus and name its folder: PROMETHEUS_HOME=/path/to/folder
  - use one that runs already, without the demo: PROMETHEUS_ADDRESS=http://host:9090 make run"""


class PrometheusMissingError(Exception):
    """There is no Prometheus on this machine and it could not be fetched; the text says what to do."""


@dataclass(frozen=True)
class Binaries:
    """Where the two programs are."""

    prometheus: Path
    promtool: Path


def obtain(tell: Callable[[str], None] = lambda _text: None) -> Binaries:
    """Return the programs from PROMETHEUS_HOME, PATH, the cache, or the package manager, in that order."""
    home = os.environ.get("PROMETHEUS_HOME")
    if home:
        if (Path(home) / "prometheus").exists() and (Path(home) / "promtool").exists():
            return Binaries(Path(home) / "prometheus", Path(home) / "promtool")
        raise PrometheusMissingError(f"PROMETHEUS_HOME={home} holds no prometheus and promtool")
    on_path = shutil.which("prometheus"), shutil.which("promtool")
    if on_path[0] and on_path[1]:
        return Binaries(Path(on_path[0]), Path(on_path[1]))
    cache = _cache_folder()
    cached = Binaries(cache / "usr/bin/prometheus", cache / "usr/bin/promtool")
    if not cached.promtool.exists():
        _fetch(cache, tell)
    return cached


def _cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "aggregator" / "prometheus"


def _fetch(cache: Path, tell: Callable[[str], None]) -> None:
    """Download Debian's package as whoever we are and unpack it into the cache; nothing is installed."""
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        raise PrometheusMissingError(CHOICES)
    tell("fetching Prometheus with apt-get (once; it is kept in the cache)")
    cache.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache.parent) as work:
        if not _download(work) and not (_update_lists(tell) and _download(work)):
            raise PrometheusMissingError(CHOICES)
        (package,) = Path(work).glob("prometheus_*.deb")
        subprocess.run(["dpkg", "-x", str(package), f"{work}/root"], check=True)
        # A folder that is not whole is of no use to anyone.
        if not (cache / "usr/bin/promtool").exists():
            shutil.rmtree(cache, ignore_errors=True)
        # A second process may have been faster: both hold the same files, and the rename is whole or nothing.
        with contextlib.suppress(OSError):
            (Path(work) / "root").rename(cache)


def _download(work: str) -> bool:
    command = ["apt-get", "download", "-qq", "-o", "APT::Sandbox::User=root", "prometheus"]
    return subprocess.run(command, cwd=work, capture_output=True, check=False).returncode == 0


def _update_lists(tell: Callable[[str], None]) -> bool:
    if os.geteuid() != 0:
        return False
    tell("reading the package lists")
    return subprocess.run(["apt-get", "update", "-qq"], capture_output=True, check=False).returncode == 0


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def scrape_config(targets: list[str], interval_seconds: int = 1) -> str:
    """Return a configuration that scrapes `targets` (host:port) and believes their labels."""
    listed = ", ".join(f"'{target}'" for target in targets)
    return (
        f"global: {{scrape_interval: {interval_seconds}s, scrape_timeout: {interval_seconds}s}}\n"
        f"scrape_configs: [{{job_name: fleet, honor_labels: true, static_configs: [{{targets: [{listed}]}}]}}]\n"
    )


@dataclass(frozen=True)
class Moment:
    """What a scrape at one point in time showed, as exposition text without timestamps."""

    text: str
    at_seconds: float


def blocks(binaries: Binaries, storage: Path, moments: list[Moment]) -> None:
    """Write the moments into `storage` as TSDB blocks, so that a server started on it has the data at once."""
    storage.mkdir(parents=True, exist_ok=True)
    source = storage.parent / "moments.om"
    source.write_text(openmetrics(moments), encoding="utf-8")
    command = [str(binaries.promtool), "tsdb", "create-blocks-from", "openmetrics", str(source), str(storage)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ValueError(f"promtool refused the exposition: {done.stderr.strip()[-500:]}")


def openmetrics(moments: list[Moment]) -> str:
    """Return the moments as OpenMetrics text: one block of lines a metric, a timestamp on each line."""
    families: dict[str, list[str]] = {}
    for moment in moments:
        for line in moment.text.split("\n"):
            if not line or line.startswith("#"):
                continue
            name = line.split("{", 1)[0].split(" ", 1)[0]
            families.setdefault(name, []).append(f"{line} {moment.at_seconds:.3f}")
    parts = [f"# TYPE {name} gauge\n" + "\n".join(lines) for name, lines in families.items()]
    return "\n".join([*parts, "# EOF\n"])


@dataclass(frozen=True)
class Server:
    """A Prometheus that runs: its base URL, its process and where its log goes."""

    url: str
    process: subprocess.Popen[bytes]
    log_path: Path


@contextlib.contextmanager
def running(
    folder: Path,
    config: str = "",
    port: int | None = None,
    binaries: Binaries | None = None,
    flags: Sequence[str] = (),
) -> Iterator[str]:
    """Run Prometheus on `folder`/data while the block runs; give its base URL once it is ready.

    Without `config` it scrapes nothing; `flags` are further ones of its command line. Raises RuntimeError with the
    end of its log if it does not become ready.
    """
    with started(folder, config, port, binaries, flags) as server:
        yield server.url


@contextlib.contextmanager
def started(
    folder: Path,
    config: str = "",
    port: int | None = None,
    binaries: Binaries | None = None,
    flags: Sequence[str] = (),
) -> Iterator[Server]:
    """Do the same as `running`, for those who watch over the process: give all that is known of it."""
    found = binaries or obtain()
    listen = port or free_port()
    (folder / "prometheus.yml").write_text(config or "scrape_configs: []\n")
    log_path = folder / "prometheus.log"
    command = [
        str(found.prometheus),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{listen}",
        "--storage.tsdb.retention.time=10y",
        "--log.level=warn",
        *flags,
    ]
    with (
        log_path.open("wb") as log,
        subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True) as process,
    ):
        try:
            wait_until_ready(listen, process, log_path)
            yield Server(f"http://127.0.0.1:{listen}", process, log_path)
        finally:
            stop(process)


@contextlib.contextmanager
def holding(moments: list[Moment], binaries: Binaries | None = None) -> Iterator[str]:
    """Run a Prometheus that holds `moments` and scrapes nothing; give its base URL."""
    found = binaries or obtain()
    with tempfile.TemporaryDirectory(prefix="aggregator-prometheus-") as work:
        blocks(found, Path(work) / "data", moments)
        with running(Path(work), binaries=found) as url:
            yield url


def wait_until_ready(port: int, server: subprocess.Popen[bytes], log_path: Path) -> None:
    """Wait until `/-/ready` answers 200."""
    end = time.monotonic() + READY_WITHIN_SECONDS
    while time.monotonic() < end:
        if server.poll() is not None:
            break
        if _is_ready(port):
            return
        time.sleep(0.02)
    raise RuntimeError(f"Prometheus on port {port} did not become ready: {log_path.read_text()[-1000:]}")


def _is_ready(port: int) -> bool:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=1)) as connection:
        try:
            connection.request("GET", "/-/ready")
            with connection.getresponse() as answer:
                return answer.status == 200
        except (OSError, http.client.HTTPException):
            return False


def stop(server: subprocess.Popen[bytes]) -> None:
    """End a process that we started: politely, then by force after five seconds."""
    if server.poll() is None:
        server.terminate()
        try:
            server.wait(timeout=5)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


if __name__ == "__main__":
    try:
        print(obtain(print).prometheus)
    except PrometheusMissingError as missing:
        sys.exit(str(missing))
