"""Run the whole monitoring stack in one command: `make stack`.

It starts PostgreSQL, the example service and Apache, exporters, an agent and a scrape server, Alertmanager, Prometheus
and the gateway as processes, with the rules and scrape jobs of deploy/monitoring, and stops them in reverse order.
"""

import contextlib
import fcntl
import json
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from demo import gateway, processes
from demo.__main__ import print_line, report_step
from demo.agents import RunningAgents, run_agents
from demo.alertmanager import AlertmanagerMissingError, obtain_alertmanager
from demo.cache import find_cache_folder
from demo.debian_packages import PackageError
from demo.gateway import LOOPBACK, GatewayPorts, PortError, find_page, get_http
from demo.processes import ManagedProcess, ManagedProcessError, run_process, supervise_processes
from demo.prometheus import PrometheusBinaries, PrometheusMissingError, obtain_prometheus
from demo.stack import parts
from demo.stack.mail import run_mail_sink
from demo.stack.monitoring import TargetError, build_smtp_settings, has_smtp_server, write_monitoring_files
from demo.stack.packages import StackPrograms, find_unprivileged_user, obtain_stack_programs
from demo.stack.ports import StackPorts, build_target_addresses, select_stack_ports
from demo.stack.postgres import PostgresAccount, PostgresServer

FOLDER_PREFIX = "aggregator-stack-"
TARGETS_TIMEOUT_SECONDS = 60.0
TOPOLOGY_TIMEOUT_SECONDS = 60.0


def main() -> int:
    """Run the stack until a stop signal; return the exit status."""
    try:
        processes.install_signal_handlers()
        run_stack(os.environ)
    except processes.StopRequest:
        print_line("stopped")
    except (
        PortError,
        PackageError,
        PrometheusMissingError,
        AlertmanagerMissingError,
        ManagedProcessError,
        TargetError,
        # Such as a full disk.
        OSError,
    ) as problem:
        print(f"stack: {problem}", file=sys.stderr, flush=True)
        return 1
    return 0


@dataclass(frozen=True)
class StackRun:
    """What the steps of one run share: `stack` stops everything, and files are in `folder`."""

    stack: contextlib.ExitStack
    folder: Path
    ports: StackPorts

    @property
    def starter(self) -> parts.ServiceStarter:
        """Starts processes that log into the folder."""
        return parts.ServiceStarter(self.folder)


def run_stack(environ: Mapping[str, str]) -> None:
    """Start all parts, print what to open, and supervise the processes until one ends or a signal arrives."""
    with contextlib.ExitStack() as stack:
        with hold_start_lock(print_line):
            running = start_parts(stack, select_stack_ports(environ))
        # The first step of the shutdown: nothing may interrupt the others.
        stack.callback(processes.ignore_stop_signals)
        supervise_processes(running)


@contextlib.contextmanager
def hold_start_lock(report: Callable[[str], None]) -> Iterator[None]:
    """Hold a lock while the block runs: two stacks that start at the same time would select the same ports."""
    folder = find_cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "stack.lock").open("w", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report("waiting until another stack has started")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def create_run_folder(parent: Path) -> Iterator[Path]:
    """Create the folder of this run, and remove it at the end, and the folders of runs that were killed."""
    for folder in parent.glob(f"{FOLDER_PREFIX}*"):
        # A run holds the lock of its folder.
        with contextlib.suppress(OSError), (folder / "lock").open(encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder)
    with tempfile.TemporaryDirectory(prefix=FOLDER_PREFIX, dir=parent) as name:
        folder = Path(name)
        with (folder / "lock").open("w", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            # Servers that run as another user have their folders in it.
            folder.chmod(0o711)
            yield folder


def start_parts(stack: contextlib.ExitStack, ports: StackPorts) -> list[ManagedProcess]:
    """Start all parts and print what to open; return the processes, which `stack` stops."""
    with report_step("1/5 programs: find or download"):
        programs = obtain_stack_programs(print_line)
        prometheus, alertmanager = obtain_prometheus(print_line), obtain_alertmanager(print_line)
    folder = stack.enter_context(create_run_folder(Path(tempfile.gettempdir())))
    run = StackRun(stack, folder, ports)
    with report_step("2/5 PostgreSQL, example service, Apache and exporters"):
        running = start_services(run, programs)
    with report_step("3/5 agent and scrape server"):
        agents = start_agents(run)
    with report_step("4/5 Alertmanager and Prometheus: start and first scrapes"):
        mail_note = start_alertmanager(run, running, alertmanager)
        running.append(start_prometheus(run, prometheus, agents))
    with report_step("5/5 gateway: first refresh, and all targets"):
        running.append(start_gateway(run))
        wait_for_targets(running[-1], ports)
    print_line(format_instructions(ports, find_pages(ports), mail_note))
    return [*running, *agents.processes]


def start_services(run: StackRun, programs: StackPrograms) -> list[ManagedProcess]:
    """Start the example service with its database, its web server, its load, and all exporters."""
    run_as = find_unprivileged_user()
    servers = programs.servers.copy_for(run_as, run.folder / "programs")
    account = PostgresAccount("border", "border", secrets.token_urlsafe())
    (run.folder / "postgres").mkdir()
    database = PostgresServer(servers, run.folder / "postgres", run.ports.postgres, run_as)
    enter = run.stack.enter_context
    return [
        enter(database.run(account)),
        enter(parts.run_example_service(run.starter, run.ports, account)),
        enter(parts.run_apache(run.folder / "apache", servers, run.ports, run_as)),
        *enter(parts.run_exporters(run.starter, programs, run.ports, account)),
        enter(parts.run_load(run.folder, run.ports)),
    ]


def start_agents(run: StackRun) -> RunningAgents:
    """Start an agent and the scrape server."""
    agents = run.stack.enter_context(run_agents(run.folder, has_problems=False))
    agents.wait_until_registered()
    return agents


def start_alertmanager(run: StackRun, running: list[ManagedProcess], command: list[str]) -> str:
    """Start Alertmanager, and a mail sink unless a setting names an SMTP server; return where mails go."""
    sink_address = None
    mail_note = f"sent by {os.environ.get('GR_SMTP_HOST')}"
    if not has_smtp_server(os.environ):
        mails = run.folder / "mails"
        sink_address = run.stack.enter_context(run_mail_sink(mails, run.ports.mail, print_line))
        mail_note = f"shown here, and stored in {mails} until the stop; GR_SMTP_HOST=HOST:PORT sends them"
    settings = build_smtp_settings(os.environ, sink_address)
    running.append(
        run.stack.enter_context(parts.run_alertmanager(run.starter, command, run.ports.alertmanager, settings))
    )
    return mail_note


def start_prometheus(run: StackRun, binaries: PrometheusBinaries, agents: RunningAgents) -> ManagedProcess:
    """Start Prometheus with the configuration of deploy/monitoring."""
    config = write_monitoring_files(run.folder / "monitoring", build_target_addresses(run.ports, agents.scrape_address))
    port = run.ports.prometheus
    command = [
        str(binaries.prometheus),
        f"--config.file={config}",
        f"--storage.tsdb.path={run.folder / 'prometheus'}",
        f"--web.listen-address={LOOPBACK}:{port}",
        f"--web.external-url=http://{LOOPBACK}:{port}",
        "--log.level=warn",
    ]
    environ = parts.inherit_environment()
    return run.stack.enter_context(run.starter.run("Prometheus", command, environ, port, "/-/ready"))


def start_gateway(run: StackRun) -> ManagedProcess:
    """Start the gateway and wait until it serves the topology."""
    address = f"http://{LOOPBACK}:{run.ports.prometheus}"
    ports = GatewayPorts(run.ports.http, run.ports.grpc)
    environ = parts.inherit_environment() | gateway.build_environment({}, address, ports)
    process = run.stack.enter_context(
        run_process("the gateway", gateway.GATEWAY_COMMAND, environ, run.folder / "gateway.log")
    )
    url = f"http://{LOOPBACK}:{ports.http}"
    process.wait_until(lambda: gateway.has_topology(url), "topology", TOPOLOGY_TIMEOUT_SECONDS)
    return process


def wait_for_targets(process: ManagedProcess, ports: StackPorts) -> None:
    """Wait until Prometheus has scraped every target."""
    url = f"http://{LOOPBACK}:{ports.prometheus}"
    process.wait_until(lambda: not find_missing_targets(url), "scrape of all targets", TARGETS_TIMEOUT_SECONDS)


def find_missing_targets(prometheus_url: str) -> list[str]:
    """Return the targets that are not up, as "job instance: error"."""
    _, text = get_http(prometheus_url, f"/api/v1/targets?state={quote('active')}")
    try:
        targets = json.loads(text)["data"]["activeTargets"]
    except (ValueError, KeyError):
        return ["Prometheus does not answer"]
    if not targets:
        return ["Prometheus has not read its targets"]
    return [
        f"{target['labels']['job']} {target['labels']['instance']}: {target['lastError'] or target['health']}"
        for target in targets
        if target["health"] != "up"
    ]


@dataclass(frozen=True)
class StackPages:
    """What to open of Prometheus and of Alertmanager."""

    prometheus: str
    alertmanager: str


def find_pages(ports: StackPorts) -> StackPages:
    """Return the pages of alerts, or what the APIs have of them."""
    return StackPages(
        find_page(f"http://localhost:{ports.prometheus}", ["/alerts", "/classic/alerts"], "/api/v1/alerts"),
        find_page(f"http://localhost:{ports.alertmanager}", ["/"], "/api/v2/alerts"),
    )


def format_instructions(ports: StackPorts, pages: StackPages, mail_note: str) -> str:
    """Return what to open and what to try."""
    faults = f"http://localhost:{ports.rest_api}/faults/check_flight"
    return f"""
  Prometheus    {pages.prometheus}
  Alertmanager  {pages.alertmanager}
  topology      http://localhost:{ports.http}/ui, API at /docs, gRPC at localhost:{ports.grpc}
  REST API      http://localhost:{ports.rest_api}/docs
  web server    http://localhost:{ports.apache}
  mails         {mail_note}

  Break an endpoint, and wait up to two minutes for the mail:
    curl -X PUT '{faults}?delay_seconds=0.5'
    curl -X PUT '{faults}?status=503'
  Repair it, and wait for the mail that says so:
    curl -X DELETE {faults}

Ctrl-C stops everything."""


if __name__ == "__main__":
    sys.exit(main())
