"""The JSON layout of the Go service 1.2.5: the same paths, types, key order and bytes.

The field names, including misspelled ones, are the contract of that service. A value is omitted if it is zero, so
clients cannot distinguish 0 from unknown. Fields that no telemetry fills (API addresses, service level agreements,
place names) are always empty objects.
"""

from collections.abc import Mapping
from typing import TypeVar

from msgspec import UNSET, Struct, UnsetType

from aggregator.models import topology as model
from aggregator.models.topology import Topology
from aggregator.views import json_encoding

DEVICE_STATES = {-1: "detached", 0: "busy", 1: "available"}

_Value = TypeVar("_Value")


class LegacyEmpty(Struct, frozen=True, gc=False):
    """An object of the contract that is always empty."""


class LegacyTimestamp(Struct, frozen=True, gc=False):
    """Unix time of the oldest data, and its age in seconds when this response was rendered."""

    oldestTimestamp: float | UnsetType = UNSET
    timeSinceOldest: float | UnsetType = UNSET


class LegacyController(Struct, frozen=True, gc=False):
    """A controller that the telemetry names."""

    name: str
    location: LegacyEmpty = LegacyEmpty()
    serviceLevelAgreement: LegacyEmpty = LegacyEmpty()
    API: LegacyEmpty = LegacyEmpty()


class LegacyLocation(Struct, frozen=True, gc=False):
    """The position of a node, in degrees."""

    latitude: float | UnsetType = UNSET
    longitude: float | UnsetType = UNSET


class LegacyStorage(Struct, frozen=True, gc=False):
    """A file system: its block device, type, and size in bytes."""

    name: str | UnsetType = UNSET
    type: str | UnsetType = UNSET
    capacity: float | UnsetType = UNSET


class LegacyAvailableStorage(Struct, frozen=True, gc=False):
    """The root file system: its block device, and the available bytes."""

    name: str | UnsetType = UNSET
    free: float | UnsetType = UNSET


class LegacyStaticMetrics(Struct, frozen=True, gc=False):
    """Static properties of a node: frequencies in Hz, memory in bytes."""

    cpuArchitecture: str | UnsetType = UNSET
    cpuCores: int | UnsetType = UNSET
    cpuMaxFrequency: int | UnsetType = UNSET
    gpuCores: float | UnsetType = UNSET
    gpuMaxFrequency: str | UnsetType = UNSET
    gpuRAMMemory: str | UnsetType = UNSET
    RAMMemory: int | UnsetType = UNSET
    storage: list[LegacyStorage] | UnsetType = UNSET


class LegacyDynamicMetrics(Struct, frozen=True, gc=False):
    """Current values of a node, in seconds, Hz, degrees Celsius, joules and bytes."""

    upTime: float | UnsetType = UNSET
    cpuFrequency: str | UnsetType = UNSET
    cpuTemperature: float | UnsetType = UNSET
    cpuEnergyConsumption: float | UnsetType = UNSET
    gpuFrequency: str | UnsetType = UNSET
    gpuTemperature: float | UnsetType = UNSET
    gpuEnergyConsumption: float | UnsetType = UNSET
    freeRAM: int | UnsetType = UNSET
    availableStorage: LegacyAvailableStorage = LegacyAvailableStorage()


class LegacyInterface(Struct, frozen=True, gc=False):
    """A network interface: speed and traffic in bytes per second, the subnet mask as prefix length."""

    name: str | UnsetType = UNSET
    type: str | UnsetType = UNSET
    speed: int | UnsetType = UNSET
    ip: str | UnsetType = UNSET
    status: str | UnsetType = UNSET
    subnetMask: str | UnsetType = UNSET
    ingressUssage: str | UnsetType = UNSET
    engressUssage: str | UnsetType = UNSET


class LegacyDevice(Struct, frozen=True, gc=False):
    """A peripheral. `status`: detached, busy, available or unknown."""

    name: str | UnsetType = UNSET
    type: str | UnsetType = UNSET
    status: str | UnsetType = UNSET
    path: str | UnsetType = UNSET


class LegacyContainer(Struct, frozen=True, gc=False):
    """A container. `node` is the machine ID of its host, memory is in bytes, CPU usage in cores."""

    name: str | UnsetType = UNSET
    ip: str | UnsetType = UNSET
    node: str | UnsetType = UNSET
    containerMemory: str | UnsetType = UNSET
    cpuUsage: float | UnsetType = UNSET


class LegacyPod(Struct, frozen=True, gc=False):
    """A pod. `status` is its phase."""

    name: str | UnsetType = UNSET
    ip: str | UnsetType = UNSET
    status: str | UnsetType = UNSET
    numberOfContainers: int | UnsetType = UNSET
    numberOfApps: int | UnsetType = UNSET
    container: dict[str, LegacyContainer] | UnsetType = UNSET


class LegacyNode(Struct, frozen=True, gc=False):
    """A node. `uuid` is its machine ID."""

    type: str | UnsetType = UNSET
    uuid: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    location: LegacyLocation = LegacyLocation()
    vulnerabilities: Mapping[str, int] | UnsetType = UNSET
    ScaScore: int | UnsetType = UNSET
    staticMetrics: LegacyStaticMetrics = LegacyStaticMetrics()
    dynamicMetrics: LegacyDynamicMetrics = LegacyDynamicMetrics()
    networkInterfaces: dict[str, LegacyInterface] | UnsetType = UNSET
    devices: dict[str, LegacyDevice] | UnsetType = UNSET


class LegacyCluster(Struct, frozen=True, gc=False):
    """A cluster with its nodes and pods by name."""

    type: str | UnsetType = UNSET
    uuid: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    serviceLevelAgreement: LegacyEmpty = LegacyEmpty()
    API: LegacyEmpty = LegacyEmpty()
    node: dict[str, LegacyNode] | UnsetType = UNSET
    pod: dict[str, LegacyPod] | UnsetType = UNSET


class LegacyDocument(Struct, frozen=True, gc=False):
    """The whole response: clusters by name."""

    timestamp: LegacyTimestamp
    cluster: dict[str, LegacyCluster]
    controller: dict[str, LegacyController] | UnsetType = UNSET


def render_legacy(topology: Topology, now_seconds: float) -> bytes:
    """Return the document. `now_seconds` is the current Unix time, from which ages are computed."""
    return json_encoding.encode_go_json(build_document(topology, now_seconds))


def build_document(topology: Topology, now_seconds: float) -> dict[str, object]:
    """Return the members of the document, in the order of the contract."""
    nodes = topology.group_nodes_by_cluster()
    pods = topology.group_pods_by_cluster()
    return build_top_level(
        topology,
        now_seconds,
        {
            key: LegacyCluster(
                type=omit_empty(cluster.type),
                uuid=omit_empty(cluster.uid),
                name=omit_empty(cluster.name),
                node=json_encoding.chunk_object(
                    (node_key, build_node(node)) for node_key, node in key_nodes(nodes[key])
                )
                if nodes[key]
                else UNSET,
                pod=json_encoding.chunk_object((pod.key, build_pod(pod, topology)) for pod in pods[key])
                if pods[key]
                else UNSET,
            )
            for key, cluster in topology.clusters.items()
        },
    )


def key_nodes(nodes: list[model.Node]) -> list[tuple[str, model.Node]]:
    """Return the nodes of a cluster by their keys, in order.

    On Nuvla the agent's ID replaces the name of the node in its key, if no other node has that key.
    """
    keys = {node.key for node in nodes}
    keyed: dict[str, model.Node] = {}
    for node in nodes:
        agent_id = node.agent_id if node.key == node.name and node.agent_id not in keys else None
        key = agent_id or node.key
        keys.add(key)
        keyed[key] = node
    # Without agents the nodes are in order already.
    return sorted(keyed.items()) if any(node.agent_id for node in nodes) else list(keyed.items())


def build_top_level(topology: Topology, now_seconds: float, clusters: Mapping[str, Struct]) -> dict[str, object]:
    """Return the members of a document of either layout, with these clusters."""
    members: dict[str, object] = {"timestamp": build_timestamp(topology.oldest_sample_seconds, now_seconds)}
    if topology.controllers:
        members["controller"] = {name: LegacyController(name) for name in topology.controllers}
    members["cluster"] = clusters
    return members


def build_timestamp(oldest_seconds: float | None, now_seconds: float) -> LegacyTimestamp:
    """Return the time and the age of the oldest data. The age is never negative, even if clocks differ."""
    if oldest_seconds is None:
        return LegacyTimestamp()
    age_seconds = max(0.0, now_seconds - oldest_seconds)
    return LegacyTimestamp(omit_zero(oldest_seconds), omit_zero(age_seconds))


def build_node(node: model.Node) -> LegacyNode:
    """Return a node without pods."""
    return LegacyNode(
        type=omit_empty(node.type),
        uuid=omit_empty(node.host_id),
        name=omit_empty(node.name),
        location=LegacyLocation(omit_zero(node.reported_latitude), omit_zero(node.reported_longitude)),
        vulnerabilities=dict(sorted(node.vulnerabilities.items())) or UNSET,
        ScaScore=omit_empty(node.sca_score),
        staticMetrics=build_static_metrics(node),
        dynamicMetrics=build_dynamic_metrics(node),
        networkInterfaces={name: build_interface(part) for name, part in node.interfaces.items()} or UNSET,
        devices={name: build_device(part) for name, part in node.devices.items()} or UNSET,
    )


def build_static_metrics(node: model.Node) -> LegacyStaticMetrics:
    """Return the static properties of a node."""
    return LegacyStaticMetrics(
        cpuArchitecture=omit_empty(node.architecture),
        cpuCores=omit_empty(None if node.cpu_cores is None else int(node.cpu_cores)),
        cpuMaxFrequency=omit_empty(node.cpu_max_frequency_hertz),
        gpuCores=omit_zero(node.gpu_count),
        gpuMaxFrequency=omit_zero_text(node.gpu_max_frequency_hertz),
        gpuRAMMemory=omit_zero_text(node.gpu_memory_bytes),
        RAMMemory=omit_empty(node.memory_bytes),
        storage=_build_storage(node) or UNSET,
    )


def _build_storage(node: model.Node) -> list[LegacyStorage]:
    return [
        LegacyStorage(omit_empty(part.name), omit_empty(part.fstype), omit_zero(part.size_bytes))
        for part in node.filesystems.values()
        if part.size_bytes is not None
    ]


def build_dynamic_metrics(node: model.Node) -> LegacyDynamicMetrics:
    """Return the current values of a node."""
    return LegacyDynamicMetrics(
        upTime=omit_zero(node.uptime_seconds),
        cpuFrequency=omit_zero_text(node.cpu_frequency_hertz),
        cpuTemperature=omit_zero(node.temperature_celsius),
        cpuEnergyConsumption=omit_zero(node.energy_joules),
        gpuFrequency=omit_zero_text(node.gpu_frequency_hertz),
        gpuTemperature=omit_zero(node.gpu_temperature_celsius),
        gpuEnergyConsumption=omit_zero(node.gpu_energy_joules),
        freeRAM=omit_empty(node.free_memory_bytes),
        availableStorage=build_available_storage(node),
    )


def build_available_storage(node: model.Node) -> LegacyAvailableStorage:
    """Return the available space on the root file system."""
    for part in node.filesystems.values():
        if part.root_available_bytes is not None:
            return LegacyAvailableStorage(omit_empty(part.name), omit_zero(part.root_available_bytes))
    return LegacyAvailableStorage()


def build_interface(interface: model.Interface) -> LegacyInterface:
    """Return a network interface."""
    ip = interface.ip
    return LegacyInterface(
        name=omit_empty(interface.name),
        type=omit_empty(interface.duplex),
        speed=omit_empty(interface.reported_speed_bytes_per_second),
        ip=omit_empty(ip),
        status=UNSET if interface.is_reported_up is None else "up" if interface.is_reported_up else "down",
        subnetMask=omit_empty(interface.addresses[ip] if ip is not None else None),
        ingressUssage=omit_zero_text(interface.receive_bytes_per_second),
        engressUssage=omit_zero_text(interface.transmit_bytes_per_second),
    )


def build_device(device: model.Device) -> LegacyDevice:
    """Return a device. Its type is its name up to the first underscore."""
    return LegacyDevice(
        name=omit_empty(device.name),
        type=omit_empty(device.name.partition("_")[0]),
        status=UNSET if device.state is None else DEVICE_STATES.get(device.state, "unknown"),
        path=omit_empty(device.path),
    )


def build_pod(pod: model.Pod, topology: Topology) -> LegacyPod:
    """Return a pod with its containers."""
    # Pods and containers are numerous, so calls of omit_empty would take noticeable time.
    return LegacyPod(
        pod.name or UNSET,
        pod.ip or UNSET,
        pod.phase or UNSET,
        count_containers(pod) or UNSET,
        len(pod.workloads) or UNSET,
        build_containers(pod, topology) or UNSET,
    )


def build_containers(pod: model.Pod, topology: Topology) -> dict[str, LegacyContainer]:
    """Return the containers of a pod by name, with the IP address and the node of the pod, without init containers."""
    node = topology.nodes[pod.cluster, pod.node] if pod.node is not None else None
    host_id = node.host_id or UNSET if node else UNSET
    ip = pod.ip or UNSET
    convert = json_encoding.convert_to_go_number
    return {
        name: LegacyContainer(
            name or UNSET,
            ip,
            host_id,
            str(memory) if (memory := container.memory_bytes) else UNSET,
            convert(cores) if (cores := container.cpu_usage_cores) else UNSET,
        )
        for name, container in pod.containers.items()
        if not container.is_init
    }


def count_containers(pod: model.Pod) -> int:
    """Return the number of containers without init containers, which the Go service does not know."""
    return sum(not container.is_init for container in pod.containers.values())


def omit_empty(value: _Value | None) -> _Value | UnsetType:
    """Return the value, UNSET if it is unknown, empty or zero."""
    return value or UNSET


def omit_zero(value: float | None) -> float | UnsetType:
    """Return a number that is encoded as in Go, UNSET if it is unknown or zero."""
    return json_encoding.convert_to_go_number(value) if value else UNSET


def omit_zero_text(value: float | None) -> str | UnsetType:
    """Return a number as decimal text, UNSET if it is unknown or zero."""
    return json_encoding.format_decimal(value) if value else UNSET
