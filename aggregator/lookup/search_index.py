"""What a search finds: the searched texts of all objects of a topology, prepared once."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from aggregator.lookup.fields import ClusterWithMembers, ObjectKind
from aggregator.lookup.problems import ObjectHealth, ObjectState
from aggregator.models.topology import Cluster, Node, Pod

# Not in a query, so that no match extends over two texts.
_SEPARATOR = "\n"
_HEALTH_ORDER = {ObjectHealth.FAILED: 0, ObjectHealth.WARNING: 1, ObjectHealth.OK: 2, ObjectHealth.UNKNOWN: 2}
_HEALTH_RANKS = max(_HEALTH_ORDER.values()) + 1


class SearchedField(NamedTuple):
    """A field that is searched, by its name in filters: the value to show, and the text that is compared."""

    name: str
    value: str
    text: str


class SearchMatch(NamedTuple):
    """An object that a search has found, and the field that matches."""

    kind: ObjectKind
    item: Any
    name: str
    health: ObjectHealth
    field: SearchedField


class _Entry(NamedTuple):
    kind: ObjectKind
    item: Any
    state: ObjectState
    # Without upper and lower case.
    name: str
    texts: str


class SearchIndex:
    """The searched texts of clusters, nodes and pods, in the order of the lists."""

    def __init__(
        self,
        clusters: Iterable[tuple[ClusterWithMembers, ObjectState]],
        nodes: Iterable[tuple[Node, ObjectState]],
        pods: Iterable[tuple[Pod, ObjectState]],
    ) -> None:
        self._entries = [
            *(_build_entry(ObjectKind.CLUSTERS, members.cluster, state) for members, state in clusters),
            *(_build_entry(ObjectKind.NODES, node, state) for node, state in nodes),
            *(_build_entry(ObjectKind.PODS, pod, state) for pod, state in pods),
        ]

    def find(self, query: str, limit: int) -> tuple[list[SearchMatch], int]:
        """Return the best matches, and the number of all objects that match.

        Objects with exactly this name come first, then names that begin with it, names that contain it, and objects
        with another field that contains it; among equals those that have failed, then those with a warning.
        """
        folded = " ".join(query.split()).casefold()
        if not folded:
            return [], 0
        ranked: list[list[_Entry]] = [[] for _ in range(4 * _HEALTH_RANKS)]
        for entry in self._entries:
            if folded in entry.name:
                rank = 0 if entry.name == folded else 1 if entry.name.startswith(folded) else 2
            elif folded in entry.texts:
                rank = 3
            else:
                continue
            ranked[rank * _HEALTH_RANKS + _HEALTH_ORDER[entry.state.health]].append(entry)
        best: list[_Entry] = []
        for entries in ranked:
            best += entries[: limit - len(best)]
        return [_build_match(entry, folded) for entry in best], sum(map(len, ranked))


def _build_entry(kind: ObjectKind, item: Any, state: ObjectState) -> _Entry:
    texts = _SEPARATOR.join(field.text for field in _list_fields(kind, item, state))
    return _Entry(kind, item, state, _get_name(kind, item).casefold(), texts.casefold())


def _get_name(kind: ObjectKind, item: Any) -> str:
    name: str = item.name if kind is ObjectKind.PODS else item.key
    return name


def _build_match(entry: _Entry, folded: str) -> SearchMatch:
    name = _get_name(entry.kind, entry.item)
    if folded in entry.name:
        field = SearchedField("name", name, name)
    else:
        fields = _list_fields(entry.kind, entry.item, entry.state)
        field = next(each for each in fields if folded in each.text.casefold())
    return SearchMatch(entry.kind, entry.item, name, entry.state.health, field)


def _list_fields(kind: ObjectKind, item: Any, state: ObjectState) -> Iterator[SearchedField]:
    """Yield the searched fields that have a value, without the name."""
    if kind is ObjectKind.CLUSTERS:
        yield from _list_cluster_fields(item)
    elif kind is ObjectKind.NODES:
        yield from _list_node_fields(item)
    else:
        yield from _list_pod_fields(item)
    yield from _list_texts("problems", [state.problems])


def _list_cluster_fields(cluster: Cluster) -> Iterator[SearchedField]:
    yield from _list_texts("id", [cluster.uid])
    yield from _list_texts("controller", cluster.controllers)


def _list_node_fields(node: Node) -> Iterator[SearchedField]:
    yield from _list_texts("id", [node.id])
    yield from _list_texts("host_id", [node.host_id])
    yield from _list_texts("hostname", [node.name])
    yield from _list_texts("internal_ip", [node.internal_ip])
    yield from _list_texts("ip", (ip for interface in node.interfaces.values() for ip in interface.addresses))
    yield from _list_texts("city", [node.city])
    yield from _list_texts("country_name", [node.country_name])
    yield from _list_texts("device", node.devices)
    yield from _list_labels(node.labels.items())


def _list_pod_fields(pod: Pod) -> Iterator[SearchedField]:
    yield from _list_texts("namespace", [pod.namespace])
    yield from _list_texts("id", [pod.id])
    yield from _list_texts("ip", [pod.ip])
    yield from _list_texts("workload", pod.workloads)
    yield from _list_texts("app", (each.app for each in pod.workloads.values()))
    yield from _list_texts("controller_name", [pod.controller_name])
    yield from _list_texts("container", pod.containers)
    yield from _list_texts("image", (each.image for each in pod.containers.values()))
    yield from _list_labels(pod.labels.items())


def _list_texts(name: str, values: Iterable[str | None]) -> Iterator[SearchedField]:
    return (SearchedField(name, value, value) for value in values if value)


def _list_labels(labels: Iterable[tuple[str, str]]) -> Iterator[SearchedField]:
    return (SearchedField(f"label.{key}", value, f"{key}={value}") for key, value in labels)
