"""The topology: what a multi-cluster system is made of, as frozen values, flat by key.

Absent is None, never 0. Units are in the names. Nodes, pods and clusters have the fields of told.py, too, which is
generated. The tree that clients see is a view's work. No value holds
a reference cycle, so the garbage collector is told not to look at them (gc=False).
"""

import ipaddress
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import TypeVar

import msgspec

from aggregator.models.told import ClusterTold, NodeTold, PodTold


class Interface(msgspec.Struct, frozen=True, gc=False):
    """A network interface of a node. `addresses` maps each IP address to the length of its prefix, "24"."""

    name: str
    duplex: str | None = None
    speed_bytes_per_second: int | None = None
    addresses: Mapping[str, str] = {}
    is_up: bool | None = None
    receive_bytes_per_second: float | None = None
    transmit_bytes_per_second: float | None = None

    @property
    def ip(self) -> str | None:
        """The address that others most likely reach it by: a global IPv4 one, else a global IPv6 one, else any."""
        return min(self.addresses, key=_reachability) if self.addresses else None


class Device(msgspec.Struct, frozen=True, gc=False):
    """A peripheral that device discovery found on a node. `state`: -1 detached, 0 busy, 1 available."""

    name: str
    state: int | None = None
    path: str | None = None

    @property
    def is_attached(self) -> bool:
        """Whether the device is there, in use or not."""
        return self.state in (0, 1)


class Filesystem(msgspec.Struct, frozen=True, gc=False):
    """A mounted file system of a node, named by its block device."""

    name: str
    fstype: str | None = None
    size_bytes: float | None = None
    root_available_bytes: float | None = None


class Node(NodeTold, frozen=True, kw_only=True, gc=False):
    """A host: a Kubernetes node, or a Docker host.

    `key` is its name in the cluster, made unique; `id` identifies it among all nodes; `host_id` is its machine id;
    `label` the `node` label of its series, where they carry one. `type` is the orchestrator's: "ocm", "nuvla", or
    "" where none is known.
    """

    cluster: str
    key: str
    id: str = ""
    type: str = ""
    host_id: str | None = None
    label: str | None = None
    name: str | None = None
    architecture: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    engine: str | None = None
    labels: Mapping[str, str] = {}
    sca_score: int | None = None
    vulnerabilities: Mapping[str, int] = {}
    cpu_cores: float | None = None
    cpu_frequency_hertz: float | None = None
    cpu_max_frequency_hertz: int | None = None
    cpu_usage_percent: float | None = None
    cpu_usage_predicted_percent: float | None = None
    memory_bytes: int | None = None
    host_memory_bytes: int | None = None
    free_memory_bytes: int | None = None
    available_memory_bytes: int | None = None
    memory_usage_predicted_percent: float | None = None
    temperature_celsius: float | None = None
    energy_joules: float | None = None
    uptime_seconds: float | None = None
    gpu_count: float | None = None
    gpu_frequency_hertz: int | None = None
    gpu_max_frequency_hertz: int | None = None
    gpu_memory_bytes: int | None = None
    gpu_temperature_celsius: float | None = None
    gpu_energy_joules: float | None = None
    interfaces: Mapping[str, Interface] = {}
    devices: Mapping[str, Device] = {}
    filesystems: Mapping[str, Filesystem] = {}
    last_seen_seconds: float | None = None

    @property
    def used_memory_bytes(self) -> int | None:
        """What is neither free nor quickly freed, as `free` and `top` count it."""
        if self.host_memory_bytes is None or self.available_memory_bytes is None:
            return None
        return self.host_memory_bytes - self.available_memory_bytes

    @property
    def memory_usage_percent(self) -> float | None:
        """Used memory as a share of all of it."""
        used = self.used_memory_bytes
        return 100 * used / self.host_memory_bytes if used is not None and self.host_memory_bytes else None

    @property
    def available_cpu_cores(self) -> float | None:
        """Cores that are idle, on average over the last minutes."""
        if self.cpu_cores is None or self.cpu_usage_percent is None:
            return None
        return self.cpu_cores * (1 - self.cpu_usage_percent / 100)


class Container(msgspec.Struct, frozen=True, gc=False):
    """A container of a pod."""

    name: str
    cpu_usage_cores: float | None = None
    memory_bytes: int | None = None
    image: str | None = None
    last_seen_seconds: float | None = None


class Workload(msgspec.Struct, frozen=True, gc=False):
    """An application of which a pod is a part."""

    instance: str
    app: str | None = None
    component: str | None = None


class Pod(PodTold, frozen=True, kw_only=True, gc=False):
    """A Kubernetes pod, or a Docker container seen as a pod of one container.

    `key` is its name in the cluster, made unique by the namespace; `id` identifies it among all pods; `node` is the
    key of its node, where known.
    """

    cluster: str
    key: str
    id: str = ""
    name: str
    namespace: str = ""
    uid: str = ""
    node: str | None = None
    ip: str | None = None
    phase: str | None = None
    containers: Mapping[str, Container] = {}
    workloads: Mapping[str, Workload] = {}
    last_seen_seconds: float | None = None


class Cluster(ClusterTold, frozen=True, kw_only=True, gc=False):
    """A cluster: a managed cluster of OCM, a NuvlaEdge, or what a `cluster` label names.

    `key` is its name where it has one, made unique; `uid` its identity; `controllers` those that its telemetry names.
    """

    key: str
    uid: str
    type: str = ""
    name: str | None = None
    cluster_id: str | None = None
    agent_id: str | None = None
    is_linked: bool = False
    controllers: tuple[str, ...] = ()
    last_seen_seconds: float | None = None


class Topology(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A whole system at one point in time; every mapping is sorted by its keys.

    Nodes and pods are keyed by cluster key and their own. `last_seen_seconds`, since the epoch, is when a series
    that shows an object last had a sample; a cluster's is that of its nodes. `version` is the same for the same
    content, whoever made it.
    """

    clusters: Mapping[str, Cluster] = {}
    nodes: Mapping[tuple[str, str], Node] = {}
    pods: Mapping[tuple[str, str], Pod] = {}
    controllers: tuple[str, ...] = ()
    oldest_sample_seconds: float | None = None
    version: str = ""

    def nodes_by_cluster(self) -> dict[str, list[Node]]:
        """Return the nodes of each cluster, in the order of their keys."""
        return _by_cluster(self.clusters, iter(self.nodes.values()))

    def pods_by_cluster(self) -> dict[str, list[Pod]]:
        """Return the pods of each cluster, in the order of their keys."""
        return _by_cluster(self.clusters, iter(self.pods.values()))


# Every view asks it of the same addresses after each refresh; reading one takes some 10 µs.
@lru_cache(maxsize=2**15)
def _reachability(text: str) -> tuple[int, int, str]:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return (2, 0, text)
    is_local = address.is_link_local or address.is_loopback
    return (int(is_local), address.version, text)


_Member = TypeVar("_Member", Node, Pod)


def _by_cluster(clusters: Mapping[str, Cluster], members: Iterator[_Member]) -> dict[str, list[_Member]]:
    grouped: dict[str, list[_Member]] = {key: [] for key in clusters}
    for member in members:
        grouped[member.cluster].append(member)
    return grouped
