"""Creates the frozen topology from placed objects: assigns unique keys and sorts everything by them."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, get_origin, get_type_hints

from msgspec.structs import asdict

from aggregator.models.builder.entities import (
    EMPTY_MAPPING,
    ClusterIdentity,
    ColumnTable,
    DraftEntity,
    EntityRegistry,
)
from aggregator.models.builder.membership import CONTROLLER_UID
from aggregator.models.builder.requests import RequestSums
from aggregator.models.catalog.row import BUILDER_FIELDS, MODEL_TYPES, ChildKind, EntityKind
from aggregator.models.locations import find_location
from aggregator.models.topology import Cluster, Container, Node, Pod, Topology, add_version

NODE_CHILD_KINDS = (
    ChildKind.INTERFACE,
    ChildKind.DEVICE,
    ChildKind.FILESYSTEM,
    ChildKind.SENSOR,
    ChildKind.GPU,
    ChildKind.TAINT,
)
POD_CHILD_KINDS = (ChildKind.CONTAINER, ChildKind.WORKLOAD)
# The fields of a pod that rows fill.
POD_CATALOG_FIELDS = tuple(set(Pod.__struct_fields__) - BUILDER_FIELDS[EntityKind.POD])


# What the ID of a pod consists of.
POD_IDENTITY_FIELDS = frozenset({"uid", "namespace", "name"})

POD_MAPPING_FIELDS = frozenset(
    field for field in POD_CATALOG_FIELDS if get_origin(get_type_hints(Pod)[field]) is Mapping
)


class KeyAllocator:
    """Assigns unique keys."""

    def __init__(self, allocated: Iterable[str] = ()) -> None:
        self._allocated = set(allocated)
        # The next suffix of each name. Without it, each of a million objects with one name would retry all suffixes.
        self._next_suffixes: dict[str, int] = {}

    def allocate(self, candidates: list[str]) -> str:
        """Return the first candidate that is free, or the last one with a number, and mark it as used."""
        key = next((candidate for candidate in candidates if candidate not in self._allocated), None)
        if key is None:
            key = self._add_suffix(candidates[-1])
        self._allocated.add(key)
        return key

    def _add_suffix(self, name: str) -> str:
        suffix = self._next_suffixes.get(name, 2)
        while (key := f"{name}/{suffix}") in self._allocated:
            suffix += 1
        self._next_suffixes[name] = suffix + 1
        return key


@dataclass
class Placement:
    """The objects that have a cluster: clusters by UID, nodes, and pods with their node if it is known."""

    clusters: dict[str, DraftEntity] = field(default_factory=dict)
    nodes: list[DraftEntity] = field(default_factory=list)
    pods: list[tuple[DraftEntity, DraftEntity | None]] = field(default_factory=list)


def get_cluster(member: DraftEntity) -> ClusterIdentity:
    """Return the cluster of a placed node or pod."""
    assert member.cluster is not None  # noqa: S101 - narrows the type: only placed objects are finalized
    return member.cluster


def finalize_topology(placement: Placement, registries: Mapping[EntityKind, EntityRegistry]) -> Topology:
    """Return the topology of the placed objects."""
    cluster_entities = placement.clusters.items()
    cluster_keys = assign_cluster_keys(
        (uid, entity.get_value("type"), entity.get_value("name")) for uid, entity in cluster_entities
    )
    node_keys = _assign_node_keys(placement)
    systems = registries[EntityKind.SYSTEM].by_index
    clusters = _build_clusters(placement, cluster_keys)
    pods = _build_pods(placement, registries[EntityKind.POD], cluster_keys, node_keys)
    return add_version(
        Topology(
            clusters=clusters,
            nodes=_build_nodes(
                placement, registries[EntityKind.NODE], cluster_keys, node_keys, RequestSums(pods.values())
            ),
            pods=pods,
            controllers=collect_controllers(clusters.values()),
            **(systems[0].fields if systems else {}),
        )
    )


def assign_cluster_keys(clusters: Iterable[tuple[str, str, str | None]]) -> dict[str, str]:
    """Return the key of each cluster by its UID, from UID, type and name of the clusters.

    The key is the name, or the UID if the cluster has no name or another cluster has the same one.
    """
    # Of clusters that could get the same key, the first gets it: clusters of an orchestrator come before clusters of a
    # `cluster` label, and in each group clusters without a name come first, because their UID is their only key.
    sorted_clusters = sorted(clusters, key=lambda cluster: (not cluster[1], cluster[2] is not None, cluster[0]))
    allocator = KeyAllocator()
    return {uid: allocator.allocate([uid if name is None else name, uid]) for uid, _type, name in sorted_clusters}


def collect_controllers(clusters: Iterable[Cluster]) -> tuple[str, ...]:
    """Return the names of all controllers of the clusters."""
    return tuple(sorted({name for cluster in clusters for name in cluster.controllers}))


def _assign_node_keys(placement: Placement) -> dict[int, str]:
    """Return the key of each node by its index: its name, or what identifies it if another node has the same name.

    Of several nodes with the same name, a node without a machine ID is keyed by its `node` label if it has one. Its key
    then does not change when another node of that name appears.
    """
    allocators = {uid: KeyAllocator() for uid in placement.clusters}
    name_counts = Counter((get_cluster(node).uid, node.get_value("name")) for node in placement.nodes)
    keys: dict[int, str] = {}
    for node in sorted(placement.nodes, key=_get_node_sort_key):
        cluster, name = get_cluster(node).uid, node.get_value("name")
        names = [name, *(node.get_value(field) for field in ("node_label", "host_id"))]
        if name_counts[cluster, name] > 1 and not node.get_value("host_id"):
            names.reverse()
        candidates = [name for name in names if name] or [node.identity_name]
        keys[node.index] = allocators[cluster].allocate(candidates)
    return keys


def _get_node_sort_key(node: DraftEntity) -> tuple[bool, str]:
    host_id = node.get_value("host_id") or ""
    return (not host_id, host_id or node.identity_name)


def _assign_node_ids(placement: Placement) -> dict[int, str]:
    """Return the ID of each node by its index: its cluster and what identifies it there, whatever other nodes exist."""
    allocator = KeyAllocator()
    return {
        node.index: allocator.allocate([f"{get_cluster(node).uid}/{node.get_value('host_id') or node.identity_name}"])
        for node in sorted(placement.nodes, key=_get_node_sort_key)
    }


def _build_clusters(placement: Placement, keys: dict[str, str]) -> dict[str, Cluster]:
    clusters = {}
    last_seen = _find_clusters_last_seen(placement)
    for uid, entity in sorted(placement.clusters.items(), key=lambda item: keys[item[0]]):
        clusters[keys[uid]] = Cluster(
            key=keys[uid],
            uid=uid,
            cluster_id=entity.get_label("icos_cluster_id") or None,
            agent_id=entity.get_label("icos_agent_id") or None,
            controllers=_find_cluster_controllers(entity),
            last_seen_seconds=last_seen.get(uid),
            **entity.fields,
        )
    return clusters


def _find_clusters_last_seen(placement: Placement) -> dict[str, float]:
    """Return when each cluster was last seen, by its UID, from the times of its nodes."""
    latest: dict[str, float] = {}
    for node in placement.nodes:
        uid = get_cluster(node).uid
        seconds = node.get_value("last_seen_seconds")
        if seconds is not None:
            latest[uid] = max(seconds, latest.get(uid, seconds))
    return latest


def _build_nodes(
    placement: Placement,
    registry: EntityRegistry,
    cluster_keys: dict[str, str],
    node_keys: dict[int, str],
    requests: RequestSums,
) -> dict[tuple[str, str], Node]:
    children = {
        child_kind.value: registry.get_child_table(child_kind).build_children(MODEL_TYPES[child_kind])
        for child_kind in NODE_CHILD_KINDS
    }
    nodes = []
    ids = _assign_node_ids(placement)
    for node in placement.nodes:
        index, cluster, fields = node.index, get_cluster(node), _add_location(node.fields)
        own_children: dict[str, Any] = {
            field: children_by_node[index] for field, children_by_node in children.items() if index in children_by_node
        }
        cluster_key, node_key = cluster_keys[cluster.uid], node_keys[index]
        nodes.append(
            Node(
                cluster=cluster_key,
                key=node_key,
                id=ids[index],
                type=cluster.type,
                **requests.build_node_fields(cluster_key, node_key),
                **own_children,
                **fields,
            )
        )
    nodes.sort(key=lambda node: (node.cluster, node.key))
    return {(node.cluster, node.key): node for node in nodes}


def _add_location(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a node with the location of its position; half a position is removed."""
    latitude, longitude = fields.pop("latitude", None), fields.pop("longitude", None)
    if latitude is None or longitude is None:
        return fields
    location = find_location(latitude, longitude)
    return {
        **fields,
        "latitude": latitude,
        "longitude": longitude,
        **(asdict(location) if location is not None else {}),
    }


def _build_pods(
    placement: Placement, registry: EntityRegistry, cluster_keys: dict[str, str], node_keys: dict[int, str]
) -> dict[tuple[str, str], Pod]:
    """Return the pods. Of several pods of one name in a cluster, the first by namespace keeps the name as its key.

    Docker containers have no namespace; their ID takes its place.
    """
    get_containers, get_workloads = (
        registry.get_child_table(child_kind).build_children(MODEL_TYPES[child_kind]).get
        for child_kind in POD_CHILD_KINDS
    )
    # Most fields have no column: a fleet has the telemetry of few families.
    columns = {
        field: _get_pod_values(registry.table, field)
        for field in POD_CATALOG_FIELDS
        if field in registry.table.columns or field in POD_IDENTITY_FIELDS
    }
    for part in ("kind", "name"):
        if owners := columns.get(f"owner_{part}"):
            controllers = _get_pod_values(registry.table, f"controller_{part}")
            columns[f"controller_{part}"] = [each or owner for each, owner in zip(controllers, owners, strict=True)]
    pods_by_cluster: dict[str, dict[str, Pod]] = {cluster: {} for cluster in cluster_keys.values()}
    for key, (pod, node) in zip(_assign_pod_keys(placement, registry.table), placement.pods, strict=True):
        index, uid = pod.index, get_cluster(pod).uid
        cluster = cluster_keys[uid]
        own_values = {field: column[index] for field, column in columns.items()}
        containers = get_containers(index, EMPTY_MAPPING)
        if own_values.get("phase") is None and not own_values["namespace"]:
            own_values["phase"] = find_docker_phase(containers.values())
        pods_by_cluster[cluster][key] = Pod(
            cluster=cluster,
            key=key,
            id=own_values["uid"] or "/".join((uid, own_values["namespace"], own_values["name"])),
            node=node_keys.get(node.index) if node is not None else None,
            containers=containers,
            workloads=get_workloads(index, EMPTY_MAPPING),
            **own_values,
        )
    return {
        (cluster, key): pods_by_cluster[cluster][key]
        for cluster in sorted(pods_by_cluster)
        for key in sorted(pods_by_cluster[cluster])
    }


def find_docker_phase(containers: Collection[Container]) -> str | None:
    """Return the phase of a pod that represents a Docker container, None if the state of the container is unknown."""
    for container in containers:
        if container.state == "terminated":
            return None if container.exit_code is None else "Failed" if container.exit_code else "Succeeded"
        if container.state is not None:
            return "Pending" if container.reason == "created" else "Running"
    return None


def _get_pod_values(table: ColumnTable, field: str) -> list[Any]:
    """Return the values of a field of all pods; mappings are sorted, because the digest of the topology needs it."""
    values = table.get_values(Pod, field)
    return (
        [dict(sorted(value.items())) if value else value for value in values] if field in POD_MAPPING_FIELDS else values
    )


def _assign_pod_keys(placement: Placement, table: ColumnTable) -> list[str]:
    """Return each pod's key, in the order of the pods."""
    all_names = table.get_values(Pod, "name")
    names = [(get_cluster(pod).uid, all_names[pod.index]) for pod, _ in placement.pods]
    shared = {name for name, count in Counter(names).items() if count > 1}
    keys = [name for _, name in names]
    names_by_cluster: dict[str, list[str]] = {uid: [] for uid, _ in shared}
    for uid, name in names if shared else ():
        if uid in names_by_cluster:
            names_by_cluster[uid].append(name)
    allocators = {uid: KeyAllocator(pod_names) for uid, pod_names in names_by_cluster.items()}
    seen: set[tuple[str, str]] = set()
    shared_positions = [position for position, name in enumerate(names) if name in shared]
    for position in sorted(shared_positions, key=lambda position: _get_pod_sort_key(placement.pods[position][0])):
        if names[position] in seen:
            namespace, name, uid = _get_pod_sort_key(placement.pods[position][0])
            keys[position] = allocators[names[position][0]].allocate([f"{namespace or uid}/{name}"])
        seen.add(names[position])
    return keys


def _get_pod_sort_key(pod: DraftEntity) -> tuple[str, str, str]:
    return (pod.get_value("namespace") or "", pod.get_value("name") or "", pod.get_value("uid") or "")


def _find_cluster_controllers(cluster: DraftEntity) -> tuple[str, ...]:
    names = {getattr(label_set, "icos_controller_id", "") for label_set in cluster.label_sets}
    return tuple(sorted(names.difference(("", CONTROLLER_UID))))
