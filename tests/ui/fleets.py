"""The fleets that the page is tested with."""

import time
from dataclasses import replace

from demo.fleet import SimulatedFleet

SMALL_NODE_COUNT = 2


def generate_small_fleet() -> SimulatedFleet:
    """Return two nodes of one cluster with eight pods, which have run for some time."""
    fleet = SimulatedFleet.generate(since_seconds=int(time.time()))
    return replace(fleet, hosts=fleet.hosts[:SMALL_NODE_COUNT], pod_count=4)


def generate_fleet() -> SimulatedFleet:
    """Return the smallest fleet with all kinds of clusters: ten nodes in five clusters, with 40 pods."""
    return SimulatedFleet.generate(10, 4, since_seconds=int(time.time()))
