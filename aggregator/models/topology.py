"""The topology: an immutable description of a multi-cluster system at one instant.

An unknown value is None, never 0. Units are in the names of fields. Objects are stored flat, by key; the views build
the tree that clients see. `make check` compares the fields with the messages in proto/aggregator/v1/topology.proto.

Structs use `gc=False` because no value contains a reference cycle. With `omit_defaults=True`, a field without a value
does not enter the topology version: a new field in the model leaves the versions of existing data unchanged.
"""

import hashlib
import ipaddress
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import TypeVar

import msgspec

from aggregator import __version__
from aggregator.util.runtime import iter_chunks

# Mappings in nodes are in the order of the query results, which may differ between replicas.
_SORTED_ENCODER = msgspec.msgpack.Encoder(order="deterministic")
# Mappings in pods are already sorted. Sorting them again would be slow, because pods are the most numerous objects.
_PLAIN_ENCODER = msgspec.msgpack.Encoder()
_DIGEST_BYTES = 16
# No link is as fast.
SPEED_LIMIT_BYTES_PER_SECOND = 10**12
# Encoding this many pods with their containers takes about a millisecond.
_OBJECTS_PER_CHUNK = 500


class Interface(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A network interface of a node. `addresses` maps each IP address to its prefix length, such as "24".

    `reported_speed_bytes_per_second` and `is_reported_up` are what node_exporter reports even if the driver does not
    know it; only the formats of the Go service show them.
    """

    name: str
    duplex: str | None = None
    reported_speed_bytes_per_second: int | None = None
    addresses: Mapping[str, str] = {}
    is_reported_up: bool | None = None
    receive_bytes_per_second: float | None = None
    transmit_bytes_per_second: float | None = None
    operational_state: str | None = None
    mac_address: str | None = None
    mtu_bytes: int | None = None

    @property
    def speed_bytes_per_second(self) -> int | None:
        """The speed of the link, None if the driver does not know it: it reports -1, 0 or 2^32-1 Mbit/s then."""
        speed = self.reported_speed_bytes_per_second
        return speed if speed is not None and 0 < speed < SPEED_LIMIT_BYTES_PER_SECOND else None

    @property
    def is_up(self) -> bool | None:
        """Whether it is up, None if its driver has no state: node_exporter reports those, such as `lo`, as down."""
        return None if self.operational_state == "unknown" else self.is_reported_up

    @property
    def ip(self) -> str | None:
        """The address that is most likely reachable: a global IPv4 address, else a global IPv6 address, else any."""
        return min(self.addresses, key=_rank_address) if self.addresses else None


class Device(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A peripheral of a node, found by device discovery. `state` is -1 (detached), 0 (busy) or 1 (available)."""

    name: str
    state: int | None = None
    path: str | None = None

    @property
    def is_attached(self) -> bool:
        """Whether the device is connected, in use or not."""
        return self.state in (0, 1)


class Filesystem(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A mounted file system of a node, named after its block device.

    `root_available_bytes` is the space on the root file system that processes without root privileges can use.
    """

    name: str
    fstype: str | None = None
    size_bytes: float | None = None
    root_available_bytes: float | None = None


class Sensor(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A temperature sensor of a node: type and zone of a thermal zone, or chip and sensor of a hardware monitor."""

    name: str
    temperature_celsius: float | None = None


class Gpu(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A GPU of a node, named by its ID, or an instance of a GPU that MIG divides, named by both IDs.

    Memory and utilization are those of the instance. Temperature, frequency, power and energy are those of the GPU.
    """

    name: str
    model: str | None = None
    mig_profile: str | None = None
    memory_bytes: int | None = None
    used_memory_bytes: int | None = None
    utilization_percent: float | None = None
    temperature_celsius: float | None = None
    frequency_hertz: int | None = None
    power_watts: float | None = None
    energy_joules: float | None = None


class Taint(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A taint of a node: pods that do not tolerate it are kept away. `name` is the key with the effect."""

    name: str
    key: str | None = None
    value: str | None = None
    effect: str | None = None


class Node(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A host: a Kubernetes node, a Docker host, or another host with telemetry.

    `name` is the host name. `key` is made from it, unique in its cluster, and published as `name`; `name` is published
    as `hostname`. `id` is unique among all nodes. `host_id` is the machine ID. `node_label` is the value of the label
    `node` of its series, if they have one. `type` is the type of the orchestrator: "ocm", "nuvla", or "" if unknown.
    `agent_id` is the ID of the Nuvla agent whose host has the name of the node. `labels` are the Kubernetes labels of
    the node. `engine` is the container runtime. `sca_score` is the result of the security configuration assessment, in
    percent. `memory_bytes` is the memory size as Kubernetes reports it, otherwise as the host does; `host_memory_bytes`
    is always the size that the host reports. `latitude` and `longitude` are a position, in range and both known;
    `city`, `country`, `country_name` and `continent` are derived from it. `reported_latitude` and `reported_longitude`
    are finite numbers as reported, for the formats of the Go service. `gone_since_seconds` is set if no series describe
    the node any longer: it has its last known values for a while. `is_reporting` is False if the agent of a registered
    node does not report any longer.

    What pods can use of a Kubernetes node is `allocatable_…`; `requested_…` is the sum of the requests of its pods.
    `pod_count` and the sums exclude pods that are Succeeded or Failed. `conditions` maps each condition, such as
    "Ready", to "true", "false" or "unknown", and `alerts` each firing alert to its severity.
    """

    cluster: str
    key: str
    id: str = ""
    type: str = ""
    host_id: str | None = None
    agent_id: str | None = None
    node_label: str | None = None
    name: str | None = None
    architecture: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    reported_latitude: float | None = None
    reported_longitude: float | None = None
    city: str | None = None
    country: str | None = None
    country_name: str | None = None
    continent: str | None = None
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
    operating_system: str | None = None
    kernel_version: str | None = None
    cpu_model: str | None = None
    power_watts: float | None = None
    sensors: Mapping[str, Sensor] = {}
    gpus: Mapping[str, Gpu] = {}
    last_seen_seconds: float | None = None
    gone_since_seconds: float | None = None
    is_reporting: bool | None = None
    allocatable_cpu_cores: float | None = None
    allocatable_memory_bytes: int | None = None
    allocatable_pods: int | None = None
    allocatable_gpus: int | None = None
    pod_capacity: int | None = None
    requested_cpu_cores: float | None = None
    requested_memory_bytes: int | None = None
    pod_count: int | None = None
    is_unschedulable: bool | None = None
    conditions: Mapping[str, str] = {}
    taints: Mapping[str, Taint] = {}
    kubelet_version: str | None = None
    os_image: str | None = None
    internal_ip: str | None = None
    system_uuid: str | None = None
    provider_id: str | None = None
    created_seconds: float | None = None
    annotations: Mapping[str, str] = {}
    alerts: Mapping[str, str] = {}

    @property
    def is_only_registered(self) -> bool:
        """Whether nothing is known of the node but that it is registered at a scrape server, and its alerts."""
        return self.is_reporting is not None and self == Node(
            cluster=self.cluster,
            key=self.key,
            id=self.id,
            type=self.type,
            node_label=self.node_label,
            last_seen_seconds=self.last_seen_seconds,
            is_reporting=self.is_reporting,
            pod_count=self.pod_count,
            alerts=self.alerts,
        )

    @property
    def is_silent(self) -> bool:
        """Whether the node does not report, and no other series describe it."""
        return self.is_reporting is False and self.is_only_registered

    @property
    def used_memory_bytes(self) -> int | None:
        """Memory that is not available to new programs: the `used` column of `free`."""
        if self.host_memory_bytes is None or self.available_memory_bytes is None:
            return None
        return self.host_memory_bytes - self.available_memory_bytes

    @property
    def memory_usage_percent(self) -> float | None:
        """Used memory as a percentage of the memory of the host."""
        used = self.used_memory_bytes
        return 100 * used / self.host_memory_bytes if used is not None and self.host_memory_bytes else None

    @property
    def available_cpu_cores(self) -> float | None:
        """Number of idle cores, on average over the last five minutes."""
        if self.cpu_cores is None or self.cpu_usage_percent is None:
            return None
        return self.cpu_cores * (1 - self.cpu_usage_percent / 100)


class Container(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A container of a pod.

    `state` is "waiting", "running" or "terminated", `reason` why it is waiting or terminated, such as
    "CrashLoopBackOff", or the state of a Docker container, such as "paused". `health` is "starting", "healthy" or
    "unhealthy", if there is a health check. An init container with the `restart_policy` "Always" is a sidecar.
    """

    name: str
    cpu_usage_cores: float | None = None
    memory_bytes: int | None = None
    image: str | None = None
    last_seen_seconds: float | None = None
    image_digest: str | None = None
    container_id: str | None = None
    restart_count: int | None = None
    is_ready: bool | None = None
    state: str | None = None
    reason: str | None = None
    last_termination_reason: str | None = None
    start_seconds: float | None = None
    cpu_request_cores: float | None = None
    memory_request_bytes: int | None = None
    cpu_limit_cores: float | None = None
    memory_limit_bytes: int | None = None
    is_init: bool | None = None
    restart_policy: str | None = None
    health: str | None = None
    exit_code: int | None = None
    oom_kill_count: int | None = None


class Workload(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """An application that a pod belongs to."""

    instance: str
    app: str | None = None
    component: str | None = None


class Pod(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A Kubernetes pod, or a Docker container represented as a pod with one container.

    `key` is the name of the pod, made unique in its cluster with the namespace. `id` is unique among all pods. `node`
    is the key of its node, if known. `owner_kind` and `owner_name` are the object that created it, `controller_kind`
    and `controller_name` the object behind that one, such as the Deployment behind a ReplicaSet, otherwise the owner.
    `volumes` maps the name of each volume with a persistent volume claim to that claim, `services` each service that
    selects the pod to whether the service sends requests to it, `alerts` each firing alert to its severity.
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
    owner_kind: str | None = None
    owner_name: str | None = None
    controller_kind: str | None = None
    controller_name: str | None = None
    start_seconds: float | None = None
    created_seconds: float | None = None
    is_ready: bool | None = None
    reason: str | None = None
    priority_class: str | None = None
    qos_class: str | None = None
    uses_host_network: bool | None = None
    host_ip: str | None = None
    labels: Mapping[str, str] = {}
    annotations: Mapping[str, str] = {}
    volumes: Mapping[str, str] = {}
    services: Mapping[str, bool] = {}
    alerts: Mapping[str, str] = {}
    receive_bytes_per_second: float | None = None
    transmit_bytes_per_second: float | None = None


class Cluster(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A Kubernetes cluster, a NuvlaEdge, or the hosts that share a cluster label or a source.

    `key` is the name of the cluster, made unique, or its UID if it has no name; it is published as `name`. `uid`, which
    is published as `id`, identifies the cluster: the UID of the Kubernetes cluster, the name of the NuvlaEdge, or what
    the cluster label, the source or the setting CLUSTER_NAME says. `cluster_id` and `agent_id` are the labels
    `icos_cluster_id` and `icos_agent_id` of its series, `controllers` the ICOS controllers that its telemetry names.
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
    """A whole system at one instant. Every mapping is sorted by its keys.

    The keys of nodes and pods are pairs: the key of the cluster and their own key. `last_seen_seconds` of an object is
    the Unix time of the latest sample of the series that identify it; a cluster has the latest time of its nodes.
    `oldest_sample_seconds` is the Unix time of the last sample of the scrape target that has been silent for longest.
    `version` is equal on all replicas that have the same content.
    """

    clusters: Mapping[str, Cluster] = {}
    nodes: Mapping[tuple[str, str], Node] = {}
    pods: Mapping[tuple[str, str], Pod] = {}
    controllers: tuple[str, ...] = ()
    oldest_sample_seconds: float | None = None
    version: str = ""

    @property
    def gone_node_count(self) -> int:
        """The number of nodes that are shown although they are gone."""
        return sum(node.gone_since_seconds is not None for node in self.nodes.values())

    def drop_absent_nodes(self) -> "Topology":
        """Return the topology without nodes that are gone or silent, for views that cannot say so.

        The version is the same.
        """
        nodes = {
            identity: node
            for identity, node in self.nodes.items()
            if node.gone_since_seconds is None and not node.is_silent
        }
        if len(nodes) == len(self.nodes):
            return self
        clusters_with_nodes = {node.cluster for node in nodes.values()}
        clusters = {key: cluster for key, cluster in self.clusters.items() if key in clusters_with_nodes}
        return msgspec.structs.replace(self, clusters=clusters, nodes=nodes)

    def add_gone_nodes(self, clusters: Iterable[Cluster], nodes: Iterable[tuple[str, Node]]) -> "Topology":
        """Return the topology with nodes that are gone, by the UID of their cluster, and clusters that have no others.

        A gone node is omitted if another node now has its key.
        """
        known_uids = {cluster.uid for cluster in self.clusters.values()}
        all_clusters = {**self.clusters} | {
            cluster.key: cluster
            for cluster in clusters
            if cluster.key not in self.clusters and cluster.uid not in known_uids
        }
        keys = {cluster.uid: cluster.key for cluster in all_clusters.values()}
        gone = {
            (keys[uid], node.key): msgspec.structs.replace(node, cluster=keys[uid])
            for uid, node in nodes
            if uid in keys and (keys[uid], node.key) not in self.nodes
        }
        if not gone:
            return self
        return add_version(
            msgspec.structs.replace(
                self,
                clusters={key: all_clusters[key] for key in sorted(all_clusters)},
                nodes=dict(sorted({**self.nodes, **gone}.items())),
            )
        )

    def group_nodes_by_cluster(self) -> dict[str, list[Node]]:
        """Return the nodes of each cluster, in the order of their keys."""
        return _group_by_cluster(self.clusters, iter(self.nodes.values()))

    def group_pods_by_cluster(self) -> dict[str, list[Pod]]:
        """Return the pods of each cluster, in the order of their keys."""
        return _group_by_cluster(self.clusters, iter(self.pods.values()))


# Every view ranks the same addresses after each refresh; parsing an address takes about 10 µs.
@lru_cache(maxsize=2**15)
def _rank_address(text: str) -> tuple[int, int, str]:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return (2, 0, text)
    is_local = address.is_link_local or address.is_loopback
    return (int(is_local), address.version, text)


_Member = TypeVar("_Member", Node, Pod)


def _group_by_cluster(clusters: Mapping[str, Cluster], members: Iterator[_Member]) -> dict[str, list[_Member]]:
    grouped: dict[str, list[_Member]] = {key: [] for key in clusters}
    for member in members:
        grouped[member.cluster].append(member)
    return grouped


def add_version(topology: Topology) -> Topology:
    """Return the topology with its version.

    The times of samples are content: they change with each scrape, not with each refresh. The digest includes the
    version of the program, because another release may render the same content differently. Fields without a value are
    not included.
    """
    digest = hashlib.blake2b(__version__.encode(), digest_size=_DIGEST_BYTES)
    for section, encoder in (
        (topology.clusters, _SORTED_ENCODER),
        (topology.nodes, _SORTED_ENCODER),
        (topology.pods, _PLAIN_ENCODER),
    ):
        for encoded_chunk in _encode_chunks(section.values(), encoder):
            digest.update(encoded_chunk)
    digest.update(_SORTED_ENCODER.encode((topology.controllers, topology.oldest_sample_seconds)))
    return msgspec.structs.replace(topology, version=digest.hexdigest())


def _encode_chunks(values: Collection[object], encoder: msgspec.msgpack.Encoder) -> Iterator[memoryview]:
    """Yield the encoded list of the values in pieces."""
    yield memoryview(_encode_array_header(len(values)))
    for chunk in iter_chunks(values, _OBJECTS_PER_CHUNK):
        yield memoryview(encoder.encode(chunk))[len(_encode_array_header(len(chunk))) :]


def _encode_array_header(length: int) -> bytes:
    """Return the MessagePack header of an array of this length: an encoded array of None, without its items."""
    encoded = _PLAIN_ENCODER.encode([None] * length)
    return encoded[: len(encoded) - length]
