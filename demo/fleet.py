"""A simulated fleet: what every exporter in five clusters says at a time, as pure functions of seed and time.

It is alive: loads swing, replicas are replaced, devices come and go, and one node leaves for 40 s of every two minutes.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from demo import host_series, pod_series, pods
from demo.inventory import Host, hosts
from demo.page import Page

SMALLEST = 10
MOST_PODS_PER_NODE = 200
ABSENCE_PERIOD_SECONDS = 120
PRESENT_SECONDS = 80


@dataclass(frozen=True)
class Fleet:
    """Hosts of five clusters, and how many pods and containers they run."""

    hosts: tuple[Host, ...]
    pod_count: int
    containers_per_pod: int
    seed: int

    @classmethod
    def of(
        cls,
        nodes: int = 30,
        pods_per_node: int = 8,
        containers_per_pod: int = 2,
        *,
        seed: int = 1,
        since_seconds: float = 0.0,
    ) -> "Fleet":
        """Return a fleet that has run since some time before `since_seconds`; ask it for later times only.

        It has nodes * pods_per_node pods. The Docker host runs none, so the others share them all; its
        pods_per_node containers come on top.
        """
        if nodes < SMALLEST or not 0 <= pods_per_node <= MOST_PODS_PER_NODE:
            raise ValueError(f"a fleet has at least {SMALLEST} nodes and at most {MOST_PODS_PER_NODE} pods on each")
        drawn = hosts(random.Random(seed), nodes, since_seconds)
        return cls(drawn, nodes * pods_per_node, containers_per_pod, seed)

    @property
    def wanderer(self) -> Host:
        """The host that leaves and returns: never a cluster's first, whose agent speaks for the cluster."""
        return next(host for host in self.hosts[3:] if host.position)

    def hosts_at(self, at_seconds: float) -> tuple[Host, ...]:
        """Return the hosts that are there at a time."""
        if at_seconds % ABSENCE_PERIOD_SECONDS < PRESENT_SECONDS:
            return self.hosts
        return tuple(host for host in self.hosts if host is not self.wanderer)

    def pods_at(self, host: Host, at_seconds: float) -> Iterator[pods.Pod]:
        """Yield the pods of one host at a time."""
        if not host.is_kubernetes:
            return iter(())
        shares = len(self.hosts) - 1  # all but the Docker host, which has the last number
        slots = range(self.pod_count * host.number // shares, self.pod_count * (host.number + 1) // shares)
        return pods.on_host(host, slots, self.seed, at_seconds)


def exposition(fleet: Fleet, at_seconds: float) -> str:
    """Return everything that is exposed at a time, as Prometheus text with # TYPE lines."""
    page = Page()
    for host in fleet.hosts_at(at_seconds):
        expose(page, fleet, host, at_seconds)
    return page.text()


def expose(page: Page, fleet: Fleet, host: Host, at_seconds: float) -> None:
    """Add everything that is exposed at a time on one host of a fleet."""
    if host.position == 0:
        pod_series.orchestrators(page, host)
    host_series.describe(page, host, at_seconds)
    for pod in fleet.pods_at(host, at_seconds):
        pod_series.pod(page, host, pod, fleet.containers_per_pod, at_seconds)
    if not host.is_kubernetes:
        pod_series.docker(page, host, fleet.pod_count // len(fleet.hosts), at_seconds)
