"""Real Prometheus and Thanos processes of a test, on free ports of this machine, ended with the block that ran them."""

import contextlib
import http.client
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from demo.prometheus import free_port, stop
from tests.integration.process import until
from tools.parts.thanos import Parts

AT_ONCE = ("--grpc-grace-period=0s", "--http-grace-period=0s")


@dataclass
class Program:
    """A process that runs, its port of HTTP and, with Thanos, of its own API."""

    process: "subprocess.Popen[bytes]"
    http: int
    api: int = 0

    @property
    def url(self) -> str:
        """Where it answers over HTTP."""
        return f"http://127.0.0.1:{self.http}"

    def kill(self) -> None:
        """End it as a machine that dies does."""
        self.process.kill()
        self.process.wait()

    @contextmanager
    def hung(self) -> Iterator[None]:
        """Let it do nothing while the block runs; its connections stand."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)


@dataclass
class Programs:
    """Starts programs in a folder and ends them all."""

    parts: Parts
    folder: Path
    ending: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def prometheus(self, name: str, target: str, port: int = 0) -> Program:
        """Start a Prometheus 3 that scrapes a target every second; `name` is its external label `replica`."""
        work = self.folder / name
        work.mkdir(exist_ok=True)
        (work / "prometheus.yml").write_text(
            f"global: {{scrape_interval: 1s, external_labels: {{replica: {name}}}}}\n"
            "scrape_configs: [{job_name: fleet, honor_labels: true, "
            f"static_configs: [{{targets: ['{target}']}}]}}]\n"
        )
        http_port = port or free_port()
        command = [
            str(self.parts.prometheus),
            f"--config.file={work / 'prometheus.yml'}",
            f"--storage.tsdb.path={work / 'data'}",
            f"--web.listen-address=127.0.0.1:{http_port}",
        ]
        return self._ready(Program(self._start(name, command), http_port))

    def sidecar(self, name: str, prometheus: Program) -> Program:
        """Start what shows a Prometheus to Thanos."""
        options = [f"--prometheus.url={prometheus.url}", f"--tsdb.path={self.folder / name / 'data'}"]
        return self._thanos(f"sidecar-{name}", "sidecar", [*options, "--prometheus.get_config_interval=1s"])

    def replica(self, name: str, target: str) -> tuple[Program, Program]:
        """Start a Prometheus with its sidecar."""
        prometheus = self.prometheus(name, target)
        return prometheus, self.sidecar(name, prometheus)

    def receiver(self, remote_write: int) -> Program:
        """Start what is written to from afar, at a port."""
        hashrings = self.folder / "hashrings.json"
        api, capnproto = free_port(), free_port()
        hashrings.write_text(f'[{{"endpoints": ["127.0.0.1:{api}"]}}]')
        options = [
            f"--tsdb.path={self.folder / 'receive'}",
            '--label=replica="r"',
            f"--remote-write.address=127.0.0.1:{remote_write}",
            f"--receive.capnproto-address=127.0.0.1:{capnproto}",
            f"--receive.hashrings-file={hashrings}",
            f"--receive.local-endpoint=127.0.0.1:{api}",
        ]
        return self._thanos("receive", "receive", options, api)

    def query(self, *stores: Program, strict: bool = False, labels: Sequence[str] = ("replica",)) -> Program:
        """Start a Thanos Query of these stores that takes these labels for those of replicas."""
        endpoints = self.folder / "endpoints.yml"
        lines = [f"- address: 127.0.0.1:{store.api}\n  strict: {str(strict).lower()}\n" for store in stores]
        endpoints.write_text("endpoints:\n" + "".join(lines))
        options = [
            f"--endpoint.sd-config-file={endpoints}",
            *(f"--query.replica-label={label}" for label in labels),
            "--endpoint.info-timeout=1s",
            "--store.response-timeout=2s",
        ]
        return self._thanos("query", "query", options)

    def frontend(self, query: Program) -> Program:
        """Start what splits and caches queries before a Thanos Query."""
        port = free_port()
        options = [f"--http-address=127.0.0.1:{port}", f"--query-frontend.downstream-url={query.url}"]
        command = [str(self.parts.thanos), "query-frontend", *options, "--http-grace-period=0s"]
        return self._ready(Program(self._start("frontend", command), port))

    def _thanos(self, name: str, component: str, options: Sequence[str], api: int = 0) -> Program:
        http_port, api_port = free_port(), api or free_port()
        places = [f"--http-address=127.0.0.1:{http_port}", f"--grpc-address=127.0.0.1:{api_port}"]
        command = [str(self.parts.thanos), component, *places, *AT_ONCE, *options]
        return self._ready(Program(self._start(name, command), http_port, api_port))

    def _start(self, name: str, command: Sequence[str]) -> "subprocess.Popen[bytes]":
        log = self.ending.enter_context((self.folder / f"{name}.log").open("ab"))
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        self.ending.callback(stop, process)
        return process

    def _ready(self, program: Program) -> Program:
        def look() -> bool:
            assert program.process.poll() is None, f"ended: {program.process.args!r}"
            return status(program.http, "/-/ready") == 200

        until(look, "ready", 30)
        return program


def status(port: int, path: str) -> int:
    """Return the HTTP status of a path, 0 where nobody answers."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=2)) as connection:
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return 0


@contextmanager
def programs(parts: Parts, folder: Path) -> Iterator[Programs]:
    """Give what starts programs, and end those that were started."""
    made = Programs(parts, folder)
    with made.ending:
        yield made
