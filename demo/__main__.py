"""Run the gateway on a simulated fleet, in one command: [FLEET=NAME] python -m demo.

It starts exporters (a thread), an agent and a scrape server beside Docker hosts, Prometheus and the gateway
(processes), and stops them in reverse order. Without a Prometheus, the gateway replays a recording.
"""

import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from subprocess import CalledProcessError

from aggregator.server.http.ui import is_page_built
from demo import gateway, processes
from demo.agents import RunningAgents, run_agents
from demo.exporter import run_exporter
from demo.fleets import DemoFleet, FleetName, FleetNameError, build_fleet_config, create_fleet, parse_fleet_name
from demo.gateway import GatewayPorts, PortError, find_page, select_ports
from demo.processes import ManagedProcess, ManagedProcessError, supervise_processes
from demo.prometheus import (
    PrometheusBinaries,
    PrometheusMissingError,
    obtain_prometheus,
    run_prometheus_server,
    write_blocks,
)
from demo.recording import PROJECT, SHIPPED_RECORDING

SCRAPE_INTERVAL_SECONDS = 2
FIRST_SCRAPE_TIMEOUT_SECONDS = 30.0
TOPOLOGY_TIMEOUT_SECONDS = 60.0


def main() -> int:
    """Run the demo until a stop signal; return the exit status."""
    try:
        ports = select_ports(os.environ)
        fleet_name = parse_fleet_name(os.environ)
        processes.install_signal_handlers()
        run_demo(ports, fleet_name)
    except processes.StopRequest:
        print_line("stopped")
    # Prometheus raises RuntimeError if it does not become ready; its tools raise the last two.
    except (
        FleetNameError,
        PortError,
        PrometheusMissingError,
        ManagedProcessError,
        RuntimeError,
        ValueError,
        CalledProcessError,
    ) as problem:
        print(f"demo: {problem}", file=sys.stderr, flush=True)
        return 1
    return 0


def run_demo(ports: GatewayPorts, fleet_name: FleetName) -> None:
    """Start all parts, print what to open, and supervise the processes until one ends or a signal arrives."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="aggregator-demo-")))
        upstream = start_live_fleet(stack, folder, fleet_name, obtain_prometheus) or use_recorded_fleet()
        with report_step("4/4 gateway: start and first refresh"):
            aggregator = start_gateway(stack, folder, upstream.address, ports)
        has_key = bool(os.environ.get("KEY"))
        print_line(format_instructions(ports, upstream, has_key=has_key, has_page=is_page_built()))
        # The first step of the shutdown: nothing may interrupt the others.
        stack.callback(processes.ignore_stop_signals)
        supervise_processes([aggregator, *upstream.processes])


@dataclass(frozen=True)
class DemoUpstream:
    """The PROMETHEUS_ADDRESS of the gateway, and what runs behind it: nothing if it is a recording."""

    address: str
    processes: tuple[ManagedProcess, ...] = ()
    agents: RunningAgents | None = None
    # What to open of Prometheus.
    page: str = ""


def start_live_fleet(
    stack: contextlib.ExitStack,
    folder: Path,
    fleet_name: FleetName,
    obtain_binaries: Callable[[Callable[[str], None]], PrometheusBinaries],
    environ: Mapping[str, str] = os.environ,
) -> DemoUpstream | None:
    """Start a simulated fleet and a Prometheus that scrapes it; return None if there is no Prometheus."""
    try:
        with report_step("1/4 Prometheus: find or download"):
            binaries = obtain_binaries(print_line)
    except PrometheusMissingError as missing:
        # A folder or a fleet that the user has set must not be ignored.
        if environ.get("PROMETHEUS_HOME") or environ.get("FLEET"):
            raise
        print_line(f"cannot use Prometheus: {missing}")
        return None
    with report_step("2/4 simulated fleet"):
        fleet = create_fleet(fleet_name, since_seconds=int(time.time()))
        address = stack.enter_context(run_exporter(fleet.targets))
        agents = stack.enter_context(run_agents(folder, environ)) if fleet.has_agents else None
    with report_step("3/4 Prometheus: start and first scrape"):
        url, prometheus = start_prometheus(stack, folder, binaries, fleet, ScrapedAddresses(address, agents))
    page = find_page(url, ["/targets", "/classic/targets"], "/api/v1/targets")
    return DemoUpstream(url, (prometheus, *(agents.processes if agents else ())), agents, page)


@dataclass(frozen=True)
class ScrapedAddresses:
    """What Prometheus scrapes: the exporters at one address, host:port, and agents."""

    exporters: str
    agents: RunningAgents | None


def use_recorded_fleet() -> DemoUpstream:
    """Fall back to the recording in this folder, and print that."""
    path = SHIPPED_RECORDING.relative_to(PROJECT)
    print_line(f"the demo uses the recording {path} instead: two minutes of a small fleet, repeated")
    return DemoUpstream(f"replay:{path}")


@contextlib.contextmanager
def report_step(title: str) -> Iterator[None]:
    """Print what is being done, then how long it took."""
    print(f"{title} ... ", end="", flush=True)
    started = time.monotonic()
    try:
        yield
    except BaseException:
        print(flush=True)
        raise
    print_line(f"{time.monotonic() - started:.1f} s")


def start_prometheus(
    stack: contextlib.ExitStack,
    folder: Path,
    binaries: PrometheusBinaries,
    fleet: DemoFleet,
    addresses: ScrapedAddresses,
) -> tuple[str, ManagedProcess]:
    """Start Prometheus with a few minutes of history, and wait for its first scrape of every exporter.

    The first scrape comes after about six seconds: Prometheus discovers its targets after five.
    """
    write_blocks(binaries, folder / "data", fleet.generate_history(time.time()))
    rule_file = folder / "rules.yml"
    rule_file.write_text(fleet.recording_rules, encoding="utf-8")
    agents = addresses.agents
    config = build_fleet_config(
        fleet.targets,
        addresses.exporters,
        rule_file,
        SCRAPE_INTERVAL_SECONDS,
        agents.scrape_address if agents else None,
    )
    server = stack.enter_context(run_prometheus_server(folder, config, binaries=binaries))
    process = ManagedProcess("Prometheus", server.process, server.log_path)
    if agents is not None:
        agents.wait_until_registered()
    count = len(fleet.targets) + (len(agents.processes) if agents is not None else 0)
    process.wait_until(
        lambda: gateway.has_scraped_targets(server.url, count), "first scrape", FIRST_SCRAPE_TIMEOUT_SECONDS
    )
    return server.url, process


def start_gateway(stack: contextlib.ExitStack, folder: Path, address: str, ports: GatewayPorts) -> ManagedProcess:
    """Start the gateway and wait until it serves the topology."""
    environ = gateway.build_environment(os.environ, address, ports)
    process = stack.enter_context(gateway.run_gateway(folder, environ))
    own_url = f"http://127.0.0.1:{ports.http}"
    process.wait_until(lambda: gateway.has_topology(own_url), "topology", TOPOLOGY_TIMEOUT_SECONDS)
    return process


def format_instructions(ports: GatewayPorts, upstream: DemoUpstream, *, has_key: bool, has_page: bool) -> str:
    """Return the URLs and commands to try."""
    page = f"http://localhost:{ports.http}/ui" if has_page else "not built: `make setup` says why"
    token = " -H 'Authorization: Bearer TOKEN'" if has_key else ""
    source = (
        f"Prometheus   {upstream.page}" if upstream.processes else "RECORDED     not live: there is no Prometheus"
    ) + (format_agents(upstream.agents) if upstream.agents else "")
    return f"""
  web page     {page}
  topology     http://localhost:{ports.http}/
  API          http://localhost:{ports.http}/docs
  {source}

  curl -s{token} localhost:{ports.http}/ | head -40
  .venv/bin/aggregator show --url http://localhost:{ports.http}
  .venv/bin/aggregator doctor --url http://localhost:{ports.http}
  .venv/bin/aggregator-etim-client localhost:{ports.grpc}

Ctrl-C stops everything."""


def format_agents(agents: RunningAgents) -> str:
    """Return the lines about the agent and the scrape server."""
    engine = f"the Engine at {agents.engine}" if agents.engine else "a simulated Docker Engine"
    return f"""
  agent        http://{agents.agent_address}/metrics  this machine as the node {agents.node}, with {engine}
  scrape       http://{agents.scrape_address}/metrics  all agents on one page; /api/v1/registrations lists them"""


def print_line(text: str) -> None:
    """Print a line and flush, so that it appears at once in a pipe."""
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
