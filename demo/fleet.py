"""A simulated ICOS fleet: the series of all exporters in five clusters, as pure functions of a seed and the time.

Loads change, replicas are replaced, devices come and go, and one node is absent for 40 s of every two minutes.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from demo import host_series, pod_series, pods
from demo.exposition import ExpositionPage
from demo.inventory import SimulatedHost, generate_hosts

MIN_NODES = 10
MAX_PODS_PER_NODE = 200
ABSENCE_PERIOD_SECONDS = 120
PRESENT_SECONDS = 80


@dataclass(frozen=True)
class SimulatedFleet:
    """Hosts of five clusters, and how many pods and containers they run."""

    hosts: tuple[SimulatedHost, ...]
    pod_count: int
    containers_per_pod: int
    seed: int

    @classmethod
    def generate(
        cls,
        nodes: int = 30,
        pods_per_node: int = 8,
        containers_per_pod: int = 2,
        *,
        seed: int = 1,
        since_seconds: float = 0.0,
    ) -> "SimulatedFleet":
        """Return a fleet that has run since some time before `since_seconds`; use it for later times only.

        It has nodes * pods_per_node pods. The Docker host runs none of them, but pods_per_node containers of its own.
        """
        if nodes < MIN_NODES or not 0 <= pods_per_node <= MAX_PODS_PER_NODE:
            raise ValueError(f"a fleet has at least {MIN_NODES} nodes and at most {MAX_PODS_PER_NODE} pods on each")
        fleet_hosts = generate_hosts(random.Random(seed), nodes, since_seconds)
        return cls(fleet_hosts, nodes * pods_per_node, containers_per_pod, seed)

    @property
    def intermittent_host(self) -> SimulatedHost:
        """The host that leaves and returns; never the first of a cluster, whose agent reports the cluster."""
        return next(host for host in self.hosts[3:] if host.cluster_index)

    def list_hosts(self, at_seconds: float) -> tuple[SimulatedHost, ...]:
        """Return the hosts that are present at a time."""
        if at_seconds % ABSENCE_PERIOD_SECONDS < PRESENT_SECONDS:
            return self.hosts
        return tuple(host for host in self.hosts if host is not self.intermittent_host)

    def generate_pods(self, host: SimulatedHost, at_seconds: float) -> Iterator[pods.SimulatedPod]:
        """Yield the pods of one host at a time."""
        if not host.is_kubernetes:
            return iter(())
        shares = len(self.hosts) - 1  # all but the Docker host, which has the last index
        slots = range(self.pod_count * host.fleet_index // shares, self.pod_count * (host.fleet_index + 1) // shares)
        return pods.generate_host_pods(host, slots, self.seed, at_seconds)


def render_exposition(fleet: SimulatedFleet, at_seconds: float) -> str:
    """Return all series at a time, in the exposition format."""
    page = ExpositionPage()
    for host in fleet.list_hosts(at_seconds):
        add_exposition(page, fleet, host, at_seconds)
    return page.render()


def add_exposition(page: ExpositionPage, fleet: SimulatedFleet, host: SimulatedHost, at_seconds: float) -> None:
    """Add all series of one host at a time."""
    if host.cluster_index == 0:
        pod_series.add_orchestrator(page, host)
    host_series.add_host_series(page, host, at_seconds)
    for pod in fleet.generate_pods(host, at_seconds):
        pod_series.add_pod(page, host, pod, fleet.containers_per_pod, at_seconds)
    if not host.is_kubernetes:
        pod_series.add_docker_containers(page, host, fleet.pod_count // len(fleet.hosts), at_seconds)
