"""The fleets that the demo can show, by the value of FLEET: their scrape targets, rules and history."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

from demo.agents import build_agent_scrape_configs
from demo.fleet import SimulatedFleet, render_exposition
from demo.history import generate_history, generate_target_history
from demo.plain.docker import create_docker_hosts
from demo.plain.kubernetes import RECORDING_RULES, create_clusters
from demo.prometheus import ScrapedExposition
from demo.targets import METRICS_PATH, ScrapeTarget


class FleetName(StrEnum):
    """The values of FLEET."""

    MIXED = "mixed"
    ICOS = "icos"
    KUBERNETES = "kubernetes"
    DOCKER = "docker"


class FleetNameError(Exception):
    """FLEET is not the name of a fleet; the text is one line that lists the names."""


@dataclass(frozen=True)
class DemoFleet:
    """What a demo shows: simulated ICOS telemetry, exporters without ICOS labels, or both; and agents beside them."""

    icos: SimulatedFleet | None = None
    plain_targets: tuple[ScrapeTarget, ...] = ()
    recording_rules: str = ""
    has_agents: bool = False

    @property
    def targets(self) -> tuple[ScrapeTarget, ...]:
        """All scrape targets."""
        if self.icos is None:
            return self.plain_targets
        return (ScrapeTarget(METRICS_PATH, {}, partial(render_exposition, self.icos)), *self.plain_targets)

    def generate_history(self, until_seconds: float) -> list[ScrapedExposition]:
        """Return what Prometheus would have stored in the last minutes, as far as rates need it."""
        plain = generate_target_history(self.plain_targets, until_seconds)
        if self.icos is None:
            return plain
        return [
            ScrapedExposition(f"{icos.text}\n{other.text}", icos.at_seconds)
            for icos, other in zip(generate_history(self.icos, until_seconds), plain, strict=True)
        ]


def parse_fleet_name(environ: Mapping[str, str]) -> FleetName:
    """Return the fleet that FLEET names, or the default one; raise FleetNameError if there is none of that name."""
    text = environ.get("FLEET") or FleetName.MIXED
    try:
        return FleetName(text)
    except ValueError:
        raise FleetNameError(f"FLEET must be one of {', '.join(FleetName)}, got {text}") from None


def create_fleet(name: FleetName, since_seconds: float) -> DemoFleet:
    """Return a fleet that has run since some time before `since_seconds`."""
    return _CREATORS[name](since_seconds)


def _create_icos_fleet(since_seconds: float) -> DemoFleet:
    return DemoFleet(SimulatedFleet.generate(since_seconds=since_seconds))


def _create_kubernetes_fleet(since_seconds: float) -> DemoFleet:
    targets = [target for cluster in create_clusters(since_seconds) for target in cluster.list_targets()]
    return DemoFleet(plain_targets=tuple(targets), recording_rules=RECORDING_RULES)


def _create_docker_fleet(since_seconds: float) -> DemoFleet:
    targets = [target for host in create_docker_hosts(since_seconds) for target in host.list_targets()]
    return DemoFleet(plain_targets=tuple(targets), has_agents=True)


def _create_mixed_fleet(since_seconds: float) -> DemoFleet:
    """Return the ICOS fleet, the Kubernetes cluster whose series have a label, and Docker hosts."""
    labeled_cluster, _ = create_clusters(since_seconds)
    targets = (*labeled_cluster.list_targets(), *_create_docker_fleet(since_seconds).plain_targets)
    return DemoFleet(_create_icos_fleet(since_seconds).icos, targets, RECORDING_RULES, has_agents=True)


_CREATORS: Mapping[FleetName, Callable[[float], DemoFleet]] = {
    FleetName.MIXED: _create_mixed_fleet,
    FleetName.ICOS: _create_icos_fleet,
    FleetName.KUBERNETES: _create_kubernetes_fleet,
    FleetName.DOCKER: _create_docker_fleet,
}


def build_fleet_config(
    targets: Sequence[ScrapeTarget],
    address: str,
    rule_file: Path,
    interval_seconds: int,
    scrape_server: str | None = None,
) -> str:
    """Return a Prometheus configuration that scrapes all targets at one address, host:port, and evaluates rules.

    With the address of a scrape server, it also scrapes the agents of that.
    """
    interval = f"{interval_seconds}s"
    config = {
        "global": {"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval},
        "rule_files": [str(rule_file)],
        "scrape_configs": [
            *_build_scrape_configs(targets, address),
            *(build_agent_scrape_configs(scrape_server) if scrape_server is not None else []),
        ],
    }
    # JSON is YAML.
    return json.dumps(config)


def _build_scrape_configs(targets: Sequence[ScrapeTarget], address: str) -> Iterator[dict[str, Any]]:
    for job_name, honor_labels in (("fleet", True), ("fleet-without-honor-labels", False)):
        yield {
            "job_name": job_name,
            "honor_labels": honor_labels,
            "static_configs": [
                {"targets": [address], "labels": {"__metrics_path__": target.path, **target.labels}}
                for target in targets
                if target.honor_labels is honor_labels
            ],
        }
