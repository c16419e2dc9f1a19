"""A Prometheus that scrapes the demo fleet and our own processes, for the queries of the dashboards."""

import contextlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from demo import gateway
from demo.agents import run_agents
from demo.exporter import run_exporter
from demo.fleets import FleetName, build_fleet_config, create_fleet
from demo.gateway import LOOPBACK, GatewayPorts
from demo.prometheus import PrometheusBinaries, find_free_port, run_prometheus, write_blocks
from tests.integration.gateway_process import wait_until
from tests.monitoring.dashboard_queries import DashboardQuery, PrometheusQueries
from tools.monitoring.dashboards.parts import Dashboard, Telemetry

SCRAPE_INTERVAL_SECONDS = 1
FILL_TIMEOUT_SECONDS = 30.0
POLL_INTERVAL_SECONDS = 0.5
GATEWAY_JOB = "aggregator"
# True after two scrapes of the gateway with a topology, and of an agent and its scrape server that know each other.
READY_EXPRESSION = (
    f'rate(aggregator_refresh_duration_seconds_count{{job="{GATEWAY_JOB}"}}[5m]) > 0'
    " and on () aggregator_topology_objects > 0"
    " and on () rate(aggregator_agent_reports_total[5m]) > 0"
    " and on () sum(aggregator_node_up) > 0"
)


@dataclass(frozen=True)
class MonitoredFleet:
    """A Prometheus with the data of the dashboards, and the URL of the gateway."""

    queries: PrometheusQueries
    gateway_port: int

    def find_empty_queries(self, dashboard: Dashboard) -> list[DashboardQuery]:
        """Return the expressions that stay without a number.

        A host of the demo disappears and returns, and a rate needs two scrapes after that.
        """
        end = time.monotonic() + FILL_TIMEOUT_SECONDS
        while (empty := self.queries.find_empty_queries(dashboard, Telemetry.FLEET)) and time.monotonic() < end:
            time.sleep(POLL_INTERVAL_SECONDS)
        return empty


@contextlib.contextmanager
def run_monitored_fleet(folder: Path, binaries: PrometheusBinaries) -> Iterator[MonitoredFleet]:
    """Run the demo fleet, an agent, a scrape server, a gateway, and a Prometheus that scrapes all of them."""
    fleet = create_fleet(FleetName.MIXED, since_seconds=int(time.time()))
    ports = GatewayPorts(find_free_port(), find_free_port())
    prometheus_port = find_free_port()
    rule_file = folder / "rules.yml"
    rule_file.write_text(fleet.recording_rules, encoding="utf-8")
    write_blocks(binaries, folder / "data", fleet.generate_history(time.time()))
    environ = gateway.build_environment({"REFRESH_INTERVAL": "1"}, f"http://{LOOPBACK}:{prometheus_port}", ports)
    with contextlib.ExitStack() as stack:
        exporters = stack.enter_context(run_exporter(fleet.targets))
        agents = stack.enter_context(run_agents(folder))
        stack.enter_context(gateway.run_gateway(folder, environ))
        config = json.loads(
            build_fleet_config(fleet.targets, exporters, rule_file, SCRAPE_INTERVAL_SECONDS, agents.scrape_address)
        )
        targets = [{"targets": [f"{LOOPBACK}:{ports.http}"]}]
        config["scrape_configs"].append({"job_name": GATEWAY_JOB, "static_configs": targets})
        url = stack.enter_context(run_prometheus(folder, json.dumps(config), prometheus_port, binaries))
        queries = PrometheusQueries(url)
        wait_until(lambda: queries.has_values(READY_EXPRESSION), "two scrapes of everything")
        yield MonitoredFleet(queries, ports.http)
