"""The JSON of the Go service 1.2.5: the same paths, types, order of keys and bytes.

The field names, misspellings included, are that service's contract. A value counts as set only if it is not
zero: its clients cannot tell 0 from unknown. Fields that no telemetry fills (addresses of APIs, service
levels, names of places) stay the empty objects that they always were.
"""

from collections.abc import Mapping
from typing import TypeVar

from msgspec import UNSET, Struct, UnsetType

from aggregator.models import topology as model
from aggregator.models.topology import Topology
from aggregator.views import framed, gojson

DEVICE_STATES = {-1: "detached", 0: "busy", 1: "available"}

_Value = TypeVar("_Value")


class Empty(Struct, frozen=True, gc=False):
    """An object of the contract that nothing fills."""


class Timestamp(Struct, frozen=True, gc=False):
    """When the data was measured, in seconds since the epoch, and how old it was when this answer was made."""

    oldestTimestamp: float | UnsetType = UNSET
    timeSinceOldest: float | UnsetType = UNSET


class Controller(Struct, frozen=True, gc=False):
    """A controller that the telemetry names."""

    name: str
    location: Empty = Empty()
    serviceLevelAgreement: Empty = Empty()
    API: Empty = Empty()


class Location(Struct, frozen=True, gc=False):
    """Where a node stands, in degrees."""

    latitude: float | UnsetType = UNSET
    longitude: float | UnsetType = UNSET


class Storage(Struct, frozen=True, gc=False):
    """A file system: its block device, kind, and size in bytes."""

    name: str | UnsetType = UNSET
    type: str | UnsetType = UNSET
    capacity: float | UnsetType = UNSET


class AvailableStorage(Struct, frozen=True, gc=False):
    """The root file system: its block device, and the bytes that are free on it."""

    name: str | UnsetType = UNSET
    free: float | UnsetType = UNSET


class StaticMetrics(Struct, frozen=True, gc=False):
    """What a node is made of: frequencies in Hz, memory in bytes."""

    cpuArchitecture: str | UnsetType = UNSET
    cpuCores: int | UnsetType = UNSET
    cpuMaxFrequency: int | UnsetType = UNSET
    gpuCores: float | UnsetType = UNSET
    gpuMaxFrequency: str | UnsetType = UNSET
    gpuRAMMemory: str | UnsetType = UNSET
    RAMMemory: int | UnsetType = UNSET
    storage: list[Storage] | UnsetType = UNSET


class DynamicMetrics(Struct, frozen=True, gc=False):
    """How a node is: seconds, Hz, degrees Celsius, joules, bytes."""

    upTime: float | UnsetType = UNSET
    cpuFrequency: str | UnsetType = UNSET
    cpuTemperature: float | UnsetType = UNSET
    cpuEnergyConsumption: float | UnsetType = UNSET
    gpuFrequency: str | UnsetType = UNSET
    gpuTemperature: float | UnsetType = UNSET
    gpuEnergyConsumption: float | UnsetType = UNSET
    freeRAM: int | UnsetType = UNSET
    availableStorage: AvailableStorage = AvailableStorage()


class Interface(Struct, frozen=True, gc=False):
    """A network interface: speed and traffic in bytes a second, the mask as the length of its prefix."""

    name: str | UnsetType = UNSET
    type: str | UnsetType = UNSET
    speed: int | UnsetType = UNSET
    ip: str | UnsetType = UNSET
    status: str | UnsetType = UNSET
    subnetMask: str | UnsetType = UNSET
    ingressUssage: str | UnsetType = UNSET
    engressUssage: str | UnsetType = UNSET


class Device(Struct, frozen=True, gc=False):
    """A peripheral. `status`: detached, busy, available or unknown."""

    name: str | UnsetType = UNSET
    type: str | UnsetType = UNSET
    status: str | UnsetType = UNSET
    path: str | UnsetType = UNSET


class Container(Struct, frozen=True, gc=False):
    """A container: `node` is its host's machine id, memory in bytes, CPU usage in cores."""

    name: str | UnsetType = UNSET
    ip: str | UnsetType = UNSET
    node: str | UnsetType = UNSET
    containerMemory: str | UnsetType = UNSET
    cpuUsage: float | UnsetType = UNSET


class Pod(Struct, frozen=True, gc=False):
    """A pod. `status` is its phase."""

    name: str | UnsetType = UNSET
    ip: str | UnsetType = UNSET
    status: str | UnsetType = UNSET
    numberOfContainers: int | UnsetType = UNSET
    numberOfApps: int | UnsetType = UNSET
    container: dict[str, Container] | UnsetType = UNSET


class Node(Struct, frozen=True, gc=False):
    """A node. `uuid` is its machine id."""

    type: str | UnsetType = UNSET
    uuid: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    location: Location = Location()
    vulnerabilities: Mapping[str, int] | UnsetType = UNSET
    ScaScore: int | UnsetType = UNSET
    staticMetrics: StaticMetrics = StaticMetrics()
    dynamicMetrics: DynamicMetrics = DynamicMetrics()
    networkInterfaces: dict[str, Interface] | UnsetType = UNSET
    devices: dict[str, Device] | UnsetType = UNSET


class Cluster(Struct, frozen=True, gc=False):
    """A cluster with its nodes and pods by name."""

    type: str | UnsetType = UNSET
    uuid: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    serviceLevelAgreement: Empty = Empty()
    API: Empty = Empty()
    node: dict[str, Node] | UnsetType = UNSET
    pod: dict[str, Pod] | UnsetType = UNSET


class Document(Struct, frozen=True, gc=False):
    """The whole answer: clusters by name."""

    timestamp: Timestamp
    cluster: dict[str, Cluster]
    controller: dict[str, Controller] | UnsetType = UNSET


def render(topology: Topology, now_seconds: float) -> bytes:
    """Return the document; `now_seconds` is what ages are counted to."""
    return gojson.encode(document(topology, now_seconds))


def document(topology: Topology, now_seconds: float) -> dict[str, object]:
    """Return the document, its members in the order of the contract."""
    nodes = topology.nodes_by_cluster()
    pods = topology.pods_by_cluster()
    return top_level(
        topology,
        now_seconds,
        {
            key: Cluster(
                type=present(cluster.type),
                uuid=present(cluster.uid),
                name=present(cluster.name),
                node=framed.named((node.key, node_of(node)) for node in nodes[key]) if nodes[key] else UNSET,
                pod=framed.named((pod.key, pod_of(pod, topology)) for pod in pods[key]) if pods[key] else UNSET,
            )
            for key, cluster in topology.clusters.items()
        },
    )


def top_level(topology: Topology, now_seconds: float, clusters: Mapping[str, Struct]) -> dict[str, object]:
    """Return what stands around the clusters, in either layout."""
    members: dict[str, object] = {"timestamp": timestamp(topology.oldest_sample_seconds, now_seconds)}
    if topology.controllers:
        members["controller"] = {name: Controller(name) for name in topology.controllers}
    members["cluster"] = clusters
    return members


def timestamp(oldest_seconds: float | None, now_seconds: float) -> Timestamp:
    """Return the age of the data; clocks that disagree never make it negative."""
    if oldest_seconds is None:
        return Timestamp()
    age_seconds = max(0.0, now_seconds - oldest_seconds)
    return Timestamp(real(oldest_seconds), real(age_seconds))


def node_of(node: model.Node) -> Node:
    """Return a node as the contract has it."""
    return Node(
        type=present(node.type),
        uuid=present(node.host_id),
        name=present(node.name),
        location=Location(real(node.latitude), real(node.longitude)),
        vulnerabilities=dict(sorted(node.vulnerabilities.items())) or UNSET,
        ScaScore=present(node.sca_score),
        staticMetrics=static_metrics(node),
        dynamicMetrics=dynamic_metrics(node),
        networkInterfaces={name: interface_of(part) for name, part in node.interfaces.items()} or UNSET,
        devices={name: device_of(part) for name, part in node.devices.items()} or UNSET,
    )


def static_metrics(node: model.Node) -> StaticMetrics:
    """Return what the node is made of."""
    return StaticMetrics(
        cpuArchitecture=present(node.architecture),
        cpuCores=present(None if node.cpu_cores is None else int(node.cpu_cores)),
        cpuMaxFrequency=present(node.cpu_max_frequency_hertz),
        gpuCores=real(node.gpu_count),
        gpuMaxFrequency=as_text(node.gpu_max_frequency_hertz),
        gpuRAMMemory=as_text(node.gpu_memory_bytes),
        RAMMemory=present(node.memory_bytes),
        storage=_storage(node) or UNSET,
    )


def _storage(node: model.Node) -> list[Storage]:
    return [
        Storage(present(part.name), present(part.fstype), real(part.size_bytes))
        for part in node.filesystems.values()
        if part.size_bytes is not None
    ]


def dynamic_metrics(node: model.Node) -> DynamicMetrics:
    """Return how the node is."""
    return DynamicMetrics(
        upTime=real(node.uptime_seconds),
        cpuFrequency=as_text(node.cpu_frequency_hertz),
        cpuTemperature=real(node.temperature_celsius),
        cpuEnergyConsumption=real(node.energy_joules),
        gpuFrequency=as_text(node.gpu_frequency_hertz),
        gpuTemperature=real(node.gpu_temperature_celsius),
        gpuEnergyConsumption=real(node.gpu_energy_joules),
        freeRAM=present(node.free_memory_bytes),
        availableStorage=available_storage(node),
    )


def available_storage(node: model.Node) -> AvailableStorage:
    """Return what is left on the root file system."""
    for part in node.filesystems.values():
        if part.root_available_bytes is not None:
            return AvailableStorage(present(part.name), real(part.root_available_bytes))
    return AvailableStorage()


def interface_of(interface: model.Interface) -> Interface:
    """Return a network interface."""
    ip = interface.ip
    return Interface(
        name=present(interface.name),
        type=present(interface.duplex),
        speed=present(interface.speed_bytes_per_second),
        ip=present(ip),
        status=UNSET if interface.is_up is None else "up" if interface.is_up else "down",
        subnetMask=present(interface.addresses[ip] if ip is not None else None),
        ingressUssage=as_text(interface.receive_bytes_per_second),
        engressUssage=as_text(interface.transmit_bytes_per_second),
    )


def device_of(device: model.Device) -> Device:
    """Return a device; its type is what stands before the first underscore of its name."""
    return Device(
        name=present(device.name),
        type=present(device.name.partition("_")[0]),
        status=UNSET if device.state is None else DEVICE_STATES.get(device.state, "unknown"),
        path=present(device.path),
    )


def pod_of(pod: model.Pod, whole: Topology) -> Pod:
    """Return a pod with its containers, in the layout of 1.2.5."""
    # Of pods and containers there are so many that calls of `present` would be felt.
    return Pod(
        pod.name or UNSET,
        pod.ip or UNSET,
        pod.phase or UNSET,
        len(pod.containers) or UNSET,
        len(pod.workloads) or UNSET,
        containers_of(pod, whole) or UNSET,
    )


def containers_of(pod: model.Pod, whole: Topology) -> dict[str, Container]:
    """Return the containers of a pod by name; address and node are the pod's."""
    node = whole.nodes[pod.cluster, pod.node] if pod.node is not None else None
    host_id = node.host_id or UNSET if node else UNSET
    ip = pod.ip or UNSET
    number = gojson.number
    return {
        name: Container(
            name or UNSET,
            ip,
            host_id,
            str(memory) if (memory := container.memory_bytes) else UNSET,
            number(cores) if (cores := container.cpu_usage_cores) else UNSET,
        )
        for name, container in pod.containers.items()
    }


def present(value: _Value | None) -> _Value | UnsetType:
    """Return the value, or nothing where it is unknown, empty or zero."""
    return value or UNSET


def real(value: float | None) -> float | UnsetType:
    """Return a number that encodes as Go's would, or nothing where it is unknown or zero."""
    return gojson.number(value) if value else UNSET


def as_text(value: float | None) -> str | UnsetType:
    """Return a number as decimal text, or nothing where it is unknown or zero."""
    return gojson.text(value) if value else UNSET
