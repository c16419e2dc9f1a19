"""Real Prometheus and Thanos processes on free local ports."""

import contextlib
import http.client
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from demo.prometheus import find_free_port, stop_process
from tests.integration.gateway_process import wait_until
from tools.parts.thanos import ThanosBinaries

NO_GRACE_FLAGS = ("--grpc-grace-period=0s", "--http-grace-period=0s")


@dataclass
class ManagedProcess:
    """A running process, its HTTP port, and the port of its gRPC API if it is a Thanos component."""

    process: "subprocess.Popen[bytes]"
    http_port: int
    grpc_api_port: int = 0

    @property
    def url(self) -> str:
        """The base URL of its HTTP server."""
        return f"http://127.0.0.1:{self.http_port}"

    def kill(self) -> None:
        """End the process with SIGKILL."""
        self.process.kill()
        self.process.wait()

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Suspend the process while the block runs; its connections stay open."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)


@dataclass
class ProcessManager:
    """Starts processes with data in a folder, and stops them."""

    binaries: ThanosBinaries
    folder: Path
    exit_stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def start_prometheus(self, name: str, target: str, port: int = 0) -> ManagedProcess:
        """Start a Prometheus 3 that scrapes a target every second; `name` is its external label `replica`."""
        work = self.folder / name
        work.mkdir(exist_ok=True)
        (work / "prometheus.yml").write_text(
            f"global: {{scrape_interval: 1s, external_labels: {{replica: {name}}}}}\n"
            "scrape_configs: [{job_name: fleet, honor_labels: true, "
            f"static_configs: [{{targets: ['{target}']}}]}}]\n"
        )
        http_port = port or find_free_port()
        command = [
            str(self.binaries.prometheus),
            f"--config.file={work / 'prometheus.yml'}",
            f"--storage.tsdb.path={work / 'data'}",
            f"--web.listen-address=127.0.0.1:{http_port}",
        ]
        return self._wait_until_ready(ManagedProcess(self._start_process(name, command), http_port))

    def start_sidecar(self, name: str, prometheus: ManagedProcess) -> ManagedProcess:
        """Start a Thanos sidecar for a Prometheus."""
        options = [f"--prometheus.url={prometheus.url}", f"--tsdb.path={self.folder / name / 'data'}"]
        return self._start_thanos(f"sidecar-{name}", "sidecar", [*options, "--prometheus.get_config_interval=1s"])

    def start_replica(self, name: str, target: str) -> tuple[ManagedProcess, ManagedProcess]:
        """Start a Prometheus with its sidecar."""
        prometheus = self.start_prometheus(name, target)
        return prometheus, self.start_sidecar(name, prometheus)

    def start_receiver(self, remote_write: int) -> ManagedProcess:
        """Start a Thanos receiver with a port for remote write."""
        hashrings = self.folder / "hashrings.json"
        api, capnproto = find_free_port(), find_free_port()
        hashrings.write_text(f'[{{"endpoints": ["127.0.0.1:{api}"]}}]')
        options = [
            f"--tsdb.path={self.folder / 'receive'}",
            '--label=replica="r"',
            f"--remote-write.address=127.0.0.1:{remote_write}",
            f"--receive.capnproto-address=127.0.0.1:{capnproto}",
            f"--receive.hashrings-file={hashrings}",
            f"--receive.local-endpoint=127.0.0.1:{api}",
        ]
        return self._start_thanos("receive", "receive", options, api)

    def start_store_gateway(self, exposition: str) -> ManagedProcess:
        """Start a Thanos store gateway whose bucket has the samples of an exposition in OpenMetrics with timestamps."""
        samples, blocks, bucket = (self.folder / name for name in ("samples.txt", "blocks", "bucket"))
        samples.write_text(exposition, encoding="utf-8")
        bucket.mkdir()
        storage = f"--objstore.config={{type: FILESYSTEM, config: {{directory: {bucket}}}}}"
        backfill = [str(self.binaries.promtool), "tsdb", "create-blocks-from", "openmetrics", str(samples), str(blocks)]
        upload = [str(self.binaries.thanos), "tools", "bucket", "upload-blocks", f"--path={blocks}", storage]
        for command in (backfill, [*upload, '--label=replica="s"']):
            subprocess.run(command, check=True, capture_output=True, timeout=60)
        return self._start_thanos("store", "store", [storage, f"--data-dir={self.folder / 'store'}"])

    def start_query(
        self, *stores: ManagedProcess, strict: bool = False, labels: Sequence[str] = ("replica",)
    ) -> ManagedProcess:
        """Start a Thanos Query with these stores and replica labels."""
        endpoints = self.folder / "endpoints.yml"
        lines = [f"- address: 127.0.0.1:{store.grpc_api_port}\n  strict: {str(strict).lower()}\n" for store in stores]
        endpoints.write_text("endpoints:\n" + "".join(lines))
        options = [
            f"--endpoint.sd-config-file={endpoints}",
            *(f"--query.replica-label={label}" for label in labels),
            "--endpoint.info-timeout=1s",
            "--store.response-timeout=2s",
        ]
        return self._start_thanos("query", "query", options)

    def start_query_frontend(self, query: ManagedProcess) -> ManagedProcess:
        """Start a Thanos Query Frontend for a Thanos Query."""
        port = find_free_port()
        options = [f"--http-address=127.0.0.1:{port}", f"--query-frontend.downstream-url={query.url}"]
        command = [str(self.binaries.thanos), "query-frontend", *options, "--http-grace-period=0s"]
        return self._wait_until_ready(ManagedProcess(self._start_process("frontend", command), port))

    def _start_thanos(self, name: str, component: str, options: Sequence[str], api: int = 0) -> ManagedProcess:
        http_port, api_port = find_free_port(), api or find_free_port()
        addresses = [f"--http-address=127.0.0.1:{http_port}", f"--grpc-address=127.0.0.1:{api_port}"]
        command = [str(self.binaries.thanos), component, *addresses, *NO_GRACE_FLAGS, *options]
        return self._wait_until_ready(ManagedProcess(self._start_process(name, command), http_port, api_port))

    def _start_process(self, name: str, command: Sequence[str]) -> "subprocess.Popen[bytes]":
        log = self.exit_stack.enter_context((self.folder / f"{name}.log").open("ab"))
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        self.exit_stack.callback(stop_process, process)
        return process

    def _wait_until_ready(self, managed_process: ManagedProcess) -> ManagedProcess:
        def is_ready() -> bool:
            assert managed_process.process.poll() is None, f"exited: {managed_process.process.args!r}"
            return get_status(managed_process.http_port, "/-/ready") == 200

        wait_until(is_ready, "ready", 30)
        return managed_process


def get_status(port: int, path: str) -> int:
    """Return the HTTP status of a path, 0 if the connection fails."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=2)) as connection:
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return 0


@contextmanager
def manage_processes(binaries: ThanosBinaries, folder: Path) -> Iterator[ProcessManager]:
    """Yield a process manager, and stop its processes at the end."""
    manager = ProcessManager(binaries, folder)
    with manager.exit_stack:
        yield manager
