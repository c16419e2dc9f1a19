"""Changes: the objects that were added, removed or changed between two topologies, matched by cluster and ID.

`FIELD_CLASSES` splits the fields of the model. Structure is what exists, where, and in which state. Measurements are
what changes with nearly every scrape, such as usage.

Objects are compared with `==`, which is exact, and which msgspec implements in C.
"""

from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter
from typing import Any, Literal, NamedTuple

import msgspec

from aggregator.models.topology import (
    Cluster,
    Container,
    Device,
    Filesystem,
    Gpu,
    Interface,
    Node,
    Pod,
    Sensor,
    Taint,
    Topology,
    Workload,
)

ChangeKind = Literal["clusters", "nodes", "pods"]
CHANGE_KINDS: tuple[ChangeKind, ...] = ("clusters", "nodes", "pods")


class FieldClasses(NamedTuple):
    """The fields and properties of a class of the model that are structure, and those that are measurements."""

    structure: frozenset[str]
    measurements: frozenset[str] = frozenset()


def _split(structure: str, measurements: str = "") -> FieldClasses:
    return FieldClasses(frozenset(structure.split()), frozenset(measurements.split()))


FIELD_CLASSES: Mapping[type[msgspec.Struct], FieldClasses] = {
    Topology: _split("clusters nodes pods controllers version", "oldest_sample_seconds"),
    Cluster: _split("key uid type name cluster_id agent_id is_linked controllers", "last_seen_seconds"),
    Node: _split(
        """
        cluster key id type host_id agent_id node_label name architecture latitude longitude reported_latitude
        reported_longitude city country country_name continent engine labels sca_score vulnerabilities cpu_cores
        cpu_max_frequency_hertz memory_bytes host_memory_bytes gpu_count gpu_max_frequency_hertz gpu_memory_bytes
        interfaces devices filesystems operating_system kernel_version cpu_model sensors gpus gone_since_seconds
        is_reporting allocatable_cpu_cores allocatable_memory_bytes allocatable_pods allocatable_gpus pod_capacity
        requested_cpu_cores requested_memory_bytes pod_count is_unschedulable conditions taints kubelet_version os_image
        internal_ip system_uuid provider_id created_seconds annotations alerts
        """,
        """
        cpu_frequency_hertz cpu_usage_percent cpu_usage_predicted_percent available_cpu_cores free_memory_bytes
        available_memory_bytes used_memory_bytes memory_usage_percent memory_usage_predicted_percent temperature_celsius
        energy_joules power_watts uptime_seconds gpu_frequency_hertz gpu_temperature_celsius gpu_energy_joules
        last_seen_seconds
        """,
    ),
    Interface: _split(
        """
        name duplex reported_speed_bytes_per_second speed_bytes_per_second addresses ip is_reported_up is_up
        operational_state mac_address mtu_bytes
        """,
        "receive_bytes_per_second transmit_bytes_per_second",
    ),
    Device: _split("name state path"),
    Filesystem: _split("name fstype size_bytes", "root_available_bytes"),
    Sensor: _split("name", "temperature_celsius"),
    Gpu: _split(
        "name model mig_profile memory_bytes",
        "used_memory_bytes utilization_percent temperature_celsius frequency_hertz power_watts energy_joules",
    ),
    Taint: _split("name key value effect"),
    Pod: _split(
        """
        cluster key id name namespace uid node ip phase containers workloads owner_kind owner_name controller_kind
        controller_name start_seconds created_seconds is_ready reason priority_class qos_class uses_host_network host_ip
        labels annotations volumes services alerts
        """,
        "last_seen_seconds receive_bytes_per_second transmit_bytes_per_second",
    ),
    Container: _split(
        """
        name image image_digest container_id restart_count is_ready state reason last_termination_reason start_seconds
        cpu_request_cores memory_request_bytes cpu_limit_cores memory_limit_bytes is_init restart_policy health
        exit_code oom_kill_count
        """,
        "cpu_usage_cores memory_bytes last_seen_seconds",
    ),
    Workload: _split("instance app component"),
}

# The fields whose values are parts with measurements of their own.
_PARTS_WITH_MEASUREMENTS: Mapping[type[msgspec.Struct], Mapping[str, type[msgspec.Struct]]] = {
    Node: {"interfaces": Interface, "filesystems": Filesystem, "sensors": Sensor, "gpus": Gpu},
    Pod: {"containers": Container},
}


class ObjectChange(msgspec.Struct, frozen=True, gc=False):
    """An object that was added (`before` is None), removed (`after` is None) or changed."""

    kind: ChangeKind
    id: str
    before: Any
    after: Any

    @property
    def is_structural(self) -> bool:
        """Whether not only measurements differ."""
        return self.before is None or self.after is None or not has_equal_structure(self.before, self.after)


# The key of the cluster, "" for a cluster itself, and the ID of the object. An ID alone is not unique: copies of a
# cluster under another label have pods with the same UIDs.
ObjectKey = tuple[str, str]
ChangesByKey = Mapping[ObjectKey, ObjectChange]


class TopologyProperties(NamedTuple):
    """The fields of a topology that belong to no object."""

    controllers: tuple[str, ...] = ()
    oldest_sample_seconds: float | None = None


class TopologyDelta(msgspec.Struct, frozen=True, kw_only=True):
    """All changes between two versions of a topology, by the keys of the objects."""

    previous_version: str
    version: str
    clusters: ChangesByKey = {}
    nodes: ChangesByKey = {}
    pods: ChangesByKey = {}
    properties_before: TopologyProperties = TopologyProperties()
    properties_after: TopologyProperties = TopologyProperties()

    def get_changes(self, kind: ChangeKind) -> ChangesByKey:
        """Return the changes of the objects of a kind, by their keys."""
        changes: ChangesByKey = getattr(self, kind)
        return changes

    def select_structure(self) -> "TopologyDelta":
        """Return the delta without changes of measurements alone."""
        structural = {
            kind: {key: change for key, change in self.get_changes(kind).items() if change.is_structural}
            for kind in CHANGE_KINDS
        }
        return msgspec.structs.replace(self, **structural)


def compare_topologies(before: Topology, after: Topology) -> TopologyDelta:
    """Return the changes from one topology to another."""
    return TopologyDelta(
        previous_version=before.version,
        version=after.version,
        clusters=_compare_objects("clusters", before.clusters.values(), after.clusters.values()),
        nodes=_compare_objects("nodes", before.nodes.values(), after.nodes.values()),
        pods=_compare_objects("pods", before.pods.values(), after.pods.values()),
        properties_before=get_properties(before),
        properties_after=get_properties(after),
    )


def get_properties(topology: Topology) -> TopologyProperties:
    """Return the fields of a topology that belong to no object."""
    return TopologyProperties(topology.controllers, topology.oldest_sample_seconds)


def combine(first: TopologyDelta, second: TopologyDelta) -> TopologyDelta:
    """Return two deltas in a row as one. An object that ends as it began has not changed."""
    return TopologyDelta(
        previous_version=first.previous_version,
        version=second.version,
        clusters=_combine_changes(first.clusters, second.clusters),
        nodes=_combine_changes(first.nodes, second.nodes),
        pods=_combine_changes(first.pods, second.pods),
        properties_before=first.properties_before,
        properties_after=second.properties_after,
    )


def has_equal_structure(before: msgspec.Struct, after: msgspec.Struct) -> bool:
    """Return whether two objects of one class differ at most in measurements."""
    get_values, parts = _STRUCTURE_GETTERS[type(before)]
    return get_values(before) == get_values(after) and all(
        _have_equal_structure(getattr(before, name), getattr(after, name)) for name in parts
    )


def _have_equal_structure(before: Mapping[str, msgspec.Struct], after: Mapping[str, msgspec.Struct]) -> bool:
    if before == after:
        return True
    return before.keys() == after.keys() and all(has_equal_structure(before[name], after[name]) for name in before)


def _create_structure_getter(struct: type[msgspec.Struct]) -> tuple[Callable[[Any], Any], tuple[str, ...]]:
    """Return a function that gets the structure of an object without its parts, and the names of those parts."""
    parts = tuple(_PARTS_WITH_MEASUREMENTS.get(struct, {}))
    names = [each for each in struct.__struct_fields__ if each in FIELD_CLASSES[struct].structure and each not in parts]
    return attrgetter(*names), parts


_STRUCTURE_GETTERS = {struct: _create_structure_getter(struct) for struct in FIELD_CLASSES}


def get_object_key(item: Cluster | Node | Pod) -> ObjectKey:
    """Return the key by which the changes of an object are matched."""
    return ("", item.uid) if isinstance(item, Cluster) else (item.cluster, item.id)


def _compare_objects(
    kind: ChangeKind, before: Iterable[Cluster | Node | Pod], after: Iterable[Cluster | Node | Pod]
) -> dict[ObjectKey, ObjectChange]:
    remaining = {get_object_key(each): each for each in before}
    changes = {}
    for current in after:
        key = get_object_key(current)
        previous = remaining.pop(key, None)
        if previous is None or previous != current:
            changes[key] = ObjectChange(kind, key[1], previous, current)
    return changes | {key: ObjectChange(kind, key[1], previous, None) for key, previous in remaining.items()}


def _combine_changes(first: ChangesByKey, second: ChangesByKey) -> dict[ObjectKey, ObjectChange]:
    combined = dict(first)
    for key, change in second.items():
        earlier = first.get(key)
        before = change.before if earlier is None else earlier.before
        if before == change.after:
            combined.pop(key, None)
        else:
            combined[key] = ObjectChange(change.kind, change.id, before, change.after)
    return combined
