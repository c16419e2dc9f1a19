"""The parts of the stack beside Prometheus, the gateway and the agents: how each is started, and when it is ready."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from demo.gateway import LOOPBACK, get_http
from demo.processes import PROJECT, ManagedProcess, run_process
from demo.stack.packages import ServerPrograms, StackPrograms, give_folder
from demo.stack.ports import StackPorts
from demo.stack.postgres import PostgresAccount

START_TIMEOUT_SECONDS = 60.0
APACHE_CONTENT = PROJECT / "demo" / "example_service" / "apache"
BLACKBOX_CONFIG = PROJECT / "deploy" / "monitoring" / "blackbox.yaml"
# What our processes need of the environment of the caller.
_INHERITED_NAMES = ("PATH", "HOME", "PYTHONPATH", "LD_LIBRARY_PATH")


@dataclass(frozen=True)
class ServiceStarter:
    """Starts processes that log into `folder` and answer HTTP when they are ready."""

    folder: Path

    @contextlib.contextmanager
    def run(
        self, name: str, command: Sequence[str], environ: Mapping[str, str], port: int, path: str = "/"
    ) -> Iterator[ManagedProcess]:
        """Run a process while the block runs; yield when a request for `path` succeeds."""
        log_path = self.folder / f"{name.replace(' ', '-').lower()}.log"
        with run_process(name, command, environ, log_path) as process:
            _wait_until_ready(process, port, path)
            yield process


def run_example_service(
    starter: ServiceStarter, ports: StackPorts, account: PostgresAccount
) -> contextlib.AbstractContextManager[ManagedProcess]:
    """Run the example service, whose endpoints can be broken."""
    settings = {
        "REST_API_HOST": LOOPBACK,
        "REST_API_PORT": str(ports.rest_api),
        "POSTGRES_HOST": LOOPBACK,
        "POSTGRES_PORT": str(ports.postgres),
        "POSTGRES_DB": account.database,
        "POSTGRES_USER": account.user,
        "POSTGRES_PASSWORD": account.password,
        "EXAMPLE_FAULTS": "on",
    }
    command = [sys.executable, "-m", "demo.example_service"]
    return starter.run("example service", command, inherit_environment() | settings, ports.rest_api)


@contextlib.contextmanager
def run_load(folder: Path, ports: StackPorts) -> Iterator[ManagedProcess]:
    """Run the requests to the example service."""
    command = [sys.executable, "-m", "demo.example_service.load", f"http://{LOOPBACK}:{ports.rest_api}"]
    with run_process("load", command, inherit_environment(), folder / "load.log") as process:
        yield process


@contextlib.contextmanager
def run_apache(
    folder: Path, programs: ServerPrograms, ports: StackPorts, run_as: str | None
) -> Iterator[ManagedProcess]:
    """Run Apache in front of the example service; `run_as` can read its folder."""
    (folder / "run").mkdir(parents=True)
    # The user may not be able to read the checkout.
    content = shutil.copytree(APACHE_CONTENT, folder / "content")
    give_folder(folder / "run", run_as)
    environ = programs.environment | {
        "APACHE_HOST": LOOPBACK,
        "APACHE_PORT": str(ports.apache),
        "APACHE_STATUS_PORT": str(ports.apache_status),
        "APACHE_CONTENT": str(content),
        "APACHE_RUN": str(folder / "run"),
        "REST_API_ADDRESS": f"{LOOPBACK}:{ports.rest_api}",
    }
    command = [
        *(str(programs.apache), "-D", "FOREGROUND"),
        *("-d", str(programs.apache_root), "-f", str(content / "httpd.conf")),
    ]
    with run_process("Apache", command, environ, folder / "apache.log", run_as) as process:
        _wait_until_ready(process, ports.apache, "/")
        yield process


@contextlib.contextmanager
def run_exporters(
    starter: ServiceStarter, programs: StackPrograms, ports: StackPorts, account: PostgresAccount
) -> Iterator[list[ManagedProcess]]:
    """Run the exporters of the host, of Apache, of PostgreSQL, and of probes."""
    status_url = f"http://{LOOPBACK}:{ports.apache_status}/server-status?auto"
    database_url = f"postgresql://{LOOPBACK}:{ports.postgres}/{account.database}?sslmode=disable"
    with contextlib.ExitStack() as stack:

        def run(package: str, port: int, options: Sequence[str] = (), **variables: str) -> ManagedProcess:
            program = str(programs.find_exporter(package))
            command = [program, f"{_find_address_option(program)}={LOOPBACK}:{port}", *options]
            return stack.enter_context(
                starter.run(package, command, inherit_environment() | variables, port, "/metrics")
            )

        yield [
            run("prometheus-node-exporter", ports.node_exporter, ["--no-collector.systemd"]),
            run("prometheus-blackbox-exporter", ports.blackbox_exporter, [f"--config.file={BLACKBOX_CONFIG}"]),
            run("prometheus-apache-exporter", ports.apache_exporter, [f"--scrape_uri={status_url}"]),
            run(
                "prometheus-postgres-exporter",
                ports.postgres_exporter,
                DATA_SOURCE_URI=database_url.removeprefix("postgresql://"),
                DATA_SOURCE_USER=account.user,
                DATA_SOURCE_PASS=account.password,
            ),
        ]


def _find_address_option(program: str) -> str:
    """Return the option for the address: exporters of Apache before version 1 have another one."""
    completed = subprocess.run([program, "--help"], capture_output=True, text=True, check=False)
    older = "--telemetry.address"
    return older if older in completed.stdout + completed.stderr else "--web.listen-address"


def run_alertmanager(
    starter: ServiceStarter, command: Sequence[str], port: int, smtp_settings: Mapping[str, str]
) -> contextlib.AbstractContextManager[ManagedProcess]:
    """Run Alertmanager with the routes and mails of deploy/monitoring."""
    folder = starter.folder / "alertmanager"
    folder.mkdir()
    template = PROJECT / "deploy" / "monitoring" / "alertmanager.yaml"
    arguments = [
        *("sh", str(template.with_name("start-alertmanager.sh")), str(template), str(folder), *command),
        *(f"--storage.path={folder / 'data'}", "--cluster.listen-address="),
        *(f"--web.listen-address={LOOPBACK}:{port}", f"--web.external-url=http://{LOOPBACK}:{port}"),
    ]
    return starter.run("Alertmanager", arguments, smtp_settings, port, "/-/ready")


def inherit_environment() -> dict[str, str]:
    """Return what our processes need of the environment of the caller; its settings are for other processes."""
    return {name: os.environ[name] for name in _INHERITED_NAMES if name in os.environ}


def _wait_until_ready(process: ManagedProcess, port: int, path: str) -> None:
    url = f"http://{LOOPBACK}:{port}"
    process.wait_until(lambda: get_http(url, path)[0] == 200, f"answer of {url}{path}", START_TIMEOUT_SECONDS)
