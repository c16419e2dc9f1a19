"""A real Prometheus on this machine: find or download it, write its data, start it, stop it.

A download comes from the package manager of the system and is unpacked into a cache folder; nothing is installed.
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

from demo.cache import find_cache_folder
from demo.debian_packages import PackageError, obtain_packages

READY_TIMEOUT_SECONDS = 30.0

INSTALL_INSTRUCTIONS = """\
no Prometheus server was found. Do one of the following:
  - install it, so that `prometheus` and `promtool` are on PATH (Debian and Ubuntu: apt-get install prometheus)
  - unpack a release archive of Prometheus and set PROMETHEUS_HOME=/path/to/folder
  - use a running Prometheus, without the demo: PROMETHEUS_ADDRESS=http://host:9090 make run"""


class PrometheusMissingError(Exception):
    """There is no Prometheus on this machine, and it cannot be downloaded; the text says what to do."""


@dataclass(frozen=True)
class PrometheusBinaries:
    """The paths of both programs."""

    prometheus: Path
    promtool: Path


def obtain_prometheus(report: Callable[[str], None] = lambda _text: None) -> PrometheusBinaries:
    """Return the programs from PROMETHEUS_HOME, PATH, the cache, or the package manager, in that order."""
    home = os.environ.get("PROMETHEUS_HOME")
    if home:
        if (Path(home) / "prometheus").exists() and (Path(home) / "promtool").exists():
            return PrometheusBinaries(Path(home) / "prometheus", Path(home) / "promtool")
        raise PrometheusMissingError(f"PROMETHEUS_HOME={home} does not contain prometheus and promtool")
    on_path = shutil.which("prometheus"), shutil.which("promtool")
    if on_path[0] and on_path[1]:
        return PrometheusBinaries(Path(on_path[0]), Path(on_path[1]))
    cache = find_cache_folder() / "prometheus"
    cached = PrometheusBinaries(cache / "usr/bin/prometheus", cache / "usr/bin/promtool")
    if not cached.promtool.exists():
        report("downloading Prometheus with apt-get (once; it is cached)")
        try:
            obtain_packages(cache, ["prometheus"], report)
        except PackageError:
            raise PrometheusMissingError(INSTALL_INSTRUCTIONS) from None
    return cached


def find_free_port() -> int:
    """Return a TCP port of 127.0.0.1 that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def build_scrape_config(targets: list[str], interval_seconds: int = 1) -> str:
    """Return a configuration that scrapes `targets` (host:port) and keeps their labels."""
    quoted_targets = ", ".join(f"'{target}'" for target in targets)
    return (
        f"global: {{scrape_interval: {interval_seconds}s, scrape_timeout: {interval_seconds}s}}\n"
        "scrape_configs: "
        f"[{{job_name: fleet, honor_labels: true, static_configs: [{{targets: [{quoted_targets}]}}]}}]\n"
    )


@dataclass(frozen=True)
class ScrapedExposition:
    """The result of a scrape at one instant, as exposition text without timestamps."""

    text: str
    at_seconds: float


def write_blocks(binaries: PrometheusBinaries, storage: Path, scrapes: list[ScrapedExposition]) -> None:
    """Write the scrapes into `storage` as TSDB blocks; a server that starts on it has the data at once."""
    storage.mkdir(parents=True, exist_ok=True)
    source = storage.parent / "moments.om"
    source.write_text(render_openmetrics(scrapes), encoding="utf-8")
    command = [str(binaries.promtool), "tsdb", "create-blocks-from", "openmetrics", str(source), str(storage)]
    completed = subprocess.run(command, capture_output=True, text=True, check=False)
    if completed.returncode != 0:
        raise ValueError(f"promtool rejected the exposition: {completed.stderr.strip()[-500:]}")


def render_openmetrics(scrapes: list[ScrapedExposition]) -> str:
    """Return the scrapes as OpenMetrics text, grouped by metric, with a timestamp on each line."""
    families: dict[str, list[str]] = {}
    for scrape in scrapes:
        for line in scrape.text.split("\n"):
            if not line or line.startswith("#"):
                continue
            name = line.split("{", 1)[0].split(" ", 1)[0]
            families.setdefault(name, []).append(f"{line} {scrape.at_seconds:.3f}")
    parts = [f"# TYPE {name} gauge\n" + "\n".join(lines) for name, lines in families.items()]
    return "\n".join([*parts, "# EOF\n"])


@dataclass(frozen=True)
class PrometheusServer:
    """A running Prometheus: its base URL, its process and the path of its log."""

    url: str
    process: subprocess.Popen[bytes]
    log_path: Path


@contextlib.contextmanager
def run_prometheus(
    folder: Path,
    config: str = "",
    port: int | None = None,
    binaries: PrometheusBinaries | None = None,
    flags: Sequence[str] = (),
) -> Iterator[str]:
    """Run Prometheus on `folder`/data while the block runs; yield its base URL when it is ready.

    Without `config` it scrapes nothing; `flags` are added to its command line. Raises RuntimeError with the end of its
    log if it does not become ready.
    """
    with run_prometheus_server(folder, config, port, binaries, flags) as server:
        yield server.url


@contextlib.contextmanager
def run_prometheus_server(
    folder: Path,
    config: str = "",
    port: int | None = None,
    binaries: PrometheusBinaries | None = None,
    flags: Sequence[str] = (),
    host: str = "127.0.0.1",
) -> Iterator[PrometheusServer]:
    """Do the same as `run_prometheus`, but yield the process as well.

    `host` is 127.0.0.1, or 0.0.0.0 for a server that others reach.
    """
    programs = binaries or obtain_prometheus()
    listen_port = port or find_free_port()
    (folder / "prometheus.yml").write_text(config or "scrape_configs: []\n")
    log_path = folder / "prometheus.log"
    command = [
        str(programs.prometheus),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={host}:{listen_port}",
        "--storage.tsdb.retention.time=10y",
        "--log.level=warn",
        *flags,
    ]
    with (
        log_path.open("wb") as log,
        subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True) as process,
    ):
        try:
            wait_until_ready(listen_port, process, log_path)
            yield PrometheusServer(f"http://127.0.0.1:{listen_port}", process, log_path)
        finally:
            stop_process(process)


@contextlib.contextmanager
def run_prometheus_with_data(
    scrapes: list[ScrapedExposition], binaries: PrometheusBinaries | None = None
) -> Iterator[str]:
    """Run a Prometheus that contains these scrapes and scrapes nothing; yield its base URL."""
    programs = binaries or obtain_prometheus()
    with tempfile.TemporaryDirectory(prefix="aggregator-prometheus-") as work:
        write_blocks(programs, Path(work) / "data", scrapes)
        with run_prometheus(Path(work), binaries=programs) as url:
            yield url


def wait_until_ready(port: int, process: subprocess.Popen[bytes], log_path: Path) -> None:
    """Wait until `/-/ready` returns 200."""
    end = time.monotonic() + READY_TIMEOUT_SECONDS
    while time.monotonic() < end:
        if process.poll() is not None:
            break
        if is_ready(port):
            return
        time.sleep(0.02)
    raise RuntimeError(f"Prometheus on port {port} did not become ready: {log_path.read_text()[-1000:]}")


def is_ready(port: int) -> bool:
    """Return whether a program of Prometheus on this port of 127.0.0.1 is ready."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=1)) as connection:
        try:
            connection.request("GET", "/-/ready")
            with connection.getresponse() as response:
                return response.status == 200
        except (OSError, http.client.HTTPException):
            return False


def stop_process(process: subprocess.Popen[bytes]) -> None:
    """Terminate a process; kill it after five seconds."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


if __name__ == "__main__":
    try:
        print(obtain_prometheus(print).prometheus)
    except PrometheusMissingError as missing:
        sys.exit(str(missing))
