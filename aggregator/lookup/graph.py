"""The graph of a topology: its objects and what contains them, as Grafana's node graph panel reads it.

The objects of the graph are called vertices here, because a node is a host. Names and types of the fields are those of
the data frames of the panel.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, NamedTuple
from urllib.parse import quote

import msgspec

from aggregator.errors import BadRequestError
from aggregator.lookup.fields import ClusterWithMembers, ContainerRef, ObjectKind
from aggregator.lookup.problems import ObjectHealth, assess_container, assess_node, assess_pod
from aggregator.lookup.request import LookupOptions, LookupPlan, Resource, check_limit, create_lookup_plan
from aggregator.lookup.results import LookupResult, ResultEncoder, TopologyIndex, UnpagedRequest, compute_content_digest
from aggregator.models.topology import Node, Pod

DEFAULT_GRAPH_LIMIT = 1000
# With so many, a response has some megabytes.
MAX_GRAPH_LIMIT = 10_000
DEFAULT_LEVEL = ObjectKind.NODES
LEVELS = tuple(kind.value for kind in ObjectKind)
NOTICE_ID = "notice"

_LEVEL_ORDER = tuple(ObjectKind)
_DIGEST_BYTES = 8

Vertex = dict[str, Any]
# The kind of an object, and the keys that lead to it.
_Identity = tuple[str, ...]


class GraphField(NamedTuple):
    """A field of the data frames: its name, its type, and how the panel shows it."""

    name: str
    type: str = "string"
    label: str = ""
    color: str = ""


_HEALTH_COLORS: Mapping[ObjectHealth, str] = {
    ObjectHealth.OK: "green",
    ObjectHealth.WARNING: "orange",
    ObjectHealth.FAILED: "red",
    ObjectHealth.UNKNOWN: "gray",
}
VERTEX_FIELDS = (
    GraphField("id"),
    GraphField("title"),
    GraphField("subtitle"),
    GraphField("mainstat"),
    GraphField("secondarystat"),
    *(GraphField(f"arc__{each.value}", "number", color=color) for each, color in _HEALTH_COLORS.items()),
    GraphField("detail__kind", label="Kind"),
    GraphField("detail__cluster", label="Cluster"),
    GraphField("detail__node", label="Node"),
    GraphField("detail__problems", label="Problems"),
)
EDGE_FIELDS = (GraphField("id"), GraphField("source"), GraphField("target"))


@dataclass(frozen=True)
class GraphRequest(UnpagedRequest):
    """The parameters of a graph.

    `level` are the smallest objects in it, all of them or those that match `filter` and `labels`. `cluster` is the name
    of the only cluster, "" for all. `limit` is the maximum number of objects in it.
    """

    level: ObjectKind = DEFAULT_LEVEL
    cluster: str = ""
    filter: str = ""
    labels: str = ""
    limit: int = DEFAULT_GRAPH_LIMIT

    @property
    def cache_key(self) -> bytes:
        """What identifies the request in caches."""
        return repr(("graph", self.level.value, self.cluster, self.filter, self.labels, self.limit)).encode()

    @property
    def has_version(self) -> bool:
        """A graph does not contain the topology version, so its entity tag covers all of it."""
        return False

    def execute(self, index: TopologyIndex, _encoder: ResultEncoder) -> LookupResult:
        """Return the graph as JSON; raise a RequestError if the request is invalid or the cluster unknown."""
        plan = self._create_plan()
        body = msgspec.json.encode(_Graph(index, self, plan).build())
        key_text = repr((plan.parameters_digest, self.cluster, self.limit))
        key = hashlib.blake2b(key_text.encode(), digest_size=_DIGEST_BYTES).hexdigest()
        # Clients without parameters request the same graph, so it is worth compressing.
        is_full_list = self == GraphRequest(level=self.level)
        return LookupResult(body, f"graph-{key}", compute_content_digest([body]), is_full_list=is_full_list)

    def validate(self) -> None:
        """Raise BadRequestError if a parameter is invalid."""
        self._create_plan()

    def _create_plan(self) -> LookupPlan:
        """Return the plan of the list of its smallest objects; raise BadRequestError if a parameter is invalid."""
        check_limit(self.limit, MAX_GRAPH_LIMIT)
        if self.labels and self.level is not ObjectKind.NODES:
            raise BadRequestError(
                f"labels needs level={ObjectKind.NODES.value}, got level={self.level.value}", parameter="labels"
            )
        return create_lookup_plan(Resource[self.level.name], LookupOptions(filter=self.filter, labels=self.labels))


def parse_level(text: str) -> ObjectKind:
    """Return the level with a name, the default for an empty one; raise BadRequestError for any other."""
    if text and text not in LEVELS:
        raise BadRequestError(f"unknown level {text[:80]!r}", parameter="level", allowed=LEVELS)
    return ObjectKind(text) if text else DEFAULT_LEVEL


class _Graph:
    """Builds the vertices from the largest objects to the smallest, so that a limit never separates parent and child.

    Vertices are built only up to the limit; objects beyond it are counted.
    """

    def __init__(self, index: TopologyIndex, request: GraphRequest, plan: LookupPlan) -> None:
        self._index = index
        self._request = request
        self._predicate = plan.build_predicate(index.topology)
        self._clusters = [index.get_cluster(request.cluster)] if request.cluster else _list_clusters(index)

    def build(self) -> dict[str, Any]:
        objects = self._select_objects()
        limit = self._request.limit
        vertices, edges = [], []
        for each in islice(chain.from_iterable(objects), limit):
            vertex, parent = self._describe(each)
            vertices.append(vertex)
            if parent:
                edges.append({"id": f"{parent}>{vertex['id']}", "source": parent, "target": vertex["id"]})
        total = sum(map(len, objects))
        if total > limit:
            vertices.append(_build_notice(limit, total))
        return {"nodes": vertices, "edges": edges, "totalCount": total}

    def _select_objects(self) -> list[Sequence[Any]]:
        """Return the objects of each level down to the requested one: all, or those with objects that match."""
        position = _LEVEL_ORDER.index(self._request.level)
        levels: list[Sequence[Any]] = [self._list_objects(kind) for kind in _LEVEL_ORDER[: position + 1]]
        if self._predicate is None:
            return levels
        levels[-1] = list(filter(self._predicate, levels[-1]))
        for upper in range(position - 1, -1, -1):
            # A pod without a node is a child of its cluster.
            parents = {self._find_parent(each) for each in chain.from_iterable(levels[upper + 1 :])}
            levels[upper] = [each for each in levels[upper] if _get_identity(each) in parents]
        return levels

    def _list_objects(self, kind: ObjectKind) -> Sequence[Any]:
        if kind is ObjectKind.CLUSTERS:
            return self._clusters
        if kind is ObjectKind.NODES:
            return [node for cluster in self._clusters for node in cluster.nodes]
        pods = [pod for cluster in self._clusters for pod in cluster.pods]
        if kind is ObjectKind.PODS:
            return pods
        return [ContainerRef(container, pod) for pod in pods for container in pod.containers.values()]

    def _find_parent(self, item: Any) -> _Identity:
        """Return the identity of the object that contains an object, an empty one for a cluster."""
        if isinstance(item, ContainerRef):
            return _get_identity(item.pod)
        if isinstance(item, Pod) and item.node is not None and (item.cluster, item.node) in self._index.topology.nodes:
            return ("node", item.cluster, item.node)
        return ("cluster", item.cluster) if isinstance(item, Pod | Node) else ()

    def _describe(self, item: Any) -> tuple[Vertex, str]:
        """Return the vertex of an object, and the ID of its parent, "" for a cluster."""
        if isinstance(item, ContainerRef):
            vertex = _describe_container(item)
        elif isinstance(item, Pod):
            vertex = _describe_pod(item)
        elif isinstance(item, Node):
            vertex = _describe_node(item)
        else:
            vertex = _describe_cluster(item, self._index.node_health_by_cluster[item.cluster.key])
        return {"id": _build_id(_get_identity(item)), **vertex}, _build_id(self._find_parent(item))


def _list_clusters(index: TopologyIndex) -> Sequence[ClusterWithMembers]:
    clusters: Sequence[ClusterWithMembers] = index.list_objects(ObjectKind.CLUSTERS)
    return clusters


def _get_identity(item: Any) -> _Identity:
    if isinstance(item, ContainerRef):
        return ("container", item.pod.cluster, item.pod.key, item.container.name)
    if isinstance(item, Pod):
        return ("pod", item.cluster, item.key)
    if isinstance(item, Node):
        return ("node", item.cluster, item.key)
    return ("cluster", item.cluster.key)


def _build_id(identity: _Identity) -> str:
    """Return an ID that no other object has, whatever characters the names contain."""
    return "/".join(quote(part, safe="") for part in identity)


def _describe_cluster(members: ClusterWithMembers, counts: Mapping[ObjectHealth, int]) -> Vertex:
    return {
        "title": members.cluster.key,
        "subtitle": members.cluster.type or "cluster",
        "mainstat": _count(len(members.nodes), "node"),
        "secondarystat": _count(len(members.pods), "pod"),
        **_build_arcs(counts),
        "detail__kind": "cluster",
        "detail__cluster": members.cluster.key,
        "detail__node": "",
        "detail__problems": "",
    }


def _describe_node(node: Node) -> Vertex:
    state = assess_node(node)
    return {
        "title": node.key,
        "subtitle": node.city or node.type or "node",
        "mainstat": _format_percent("cpu", node.cpu_usage_percent),
        "secondarystat": _format_percent("mem", node.memory_usage_percent),
        **_build_arcs({state.health: 1}),
        "detail__kind": "node",
        "detail__cluster": node.cluster,
        "detail__node": node.key,
        "detail__problems": state.problems,
    }


def _describe_pod(pod: Pod) -> Vertex:
    state = assess_pod(pod)
    return {
        "title": pod.name,
        "subtitle": pod.namespace or "pod",
        "mainstat": pod.phase or "",
        "secondarystat": _count(len(pod.containers), "container"),
        **_build_arcs({state.health: 1}),
        "detail__kind": "pod",
        "detail__cluster": pod.cluster,
        "detail__node": pod.node or "",
        "detail__problems": state.problems,
    }


def _describe_container(reference: ContainerRef) -> Vertex:
    container, pod = reference
    state = assess_container(container)
    return {
        "title": container.name,
        "subtitle": (container.image or "container").rpartition("/")[2],
        "mainstat": container.state or "",
        "secondarystat": "" if container.memory_bytes is None else f"{container.memory_bytes / 2**20:.0f} MiB",
        **_build_arcs({state.health: 1}),
        "detail__kind": "container",
        "detail__cluster": pod.cluster,
        "detail__node": pod.node or "",
        "detail__problems": state.problems,
    }


def _build_notice(limit: int, total: int) -> Vertex:
    """Return a vertex that tells the viewer that objects are missing: the panel shows nothing else of a response."""
    return {
        "id": NOTICE_ID,
        "title": _count(total - limit, "more object"),
        "subtitle": f"shown: {limit} of {total}",
        "mainstat": "",
        "secondarystat": "",
        **_build_arcs({ObjectHealth.UNKNOWN: 1}),
        "detail__kind": "notice",
        "detail__cluster": "",
        "detail__node": "",
        "detail__problems": "not all objects are shown: use cluster, filter or a larger limit",
    }


def _build_arcs(counts: Mapping[ObjectHealth, int]) -> Vertex:
    """Return the shares of the circle around a vertex, which the panel expects to add up to 1."""
    total = sum(counts.values())
    if not total:
        return _build_arcs({ObjectHealth.UNKNOWN: 1})
    return {f"arc__{each.value}": round(counts.get(each, 0) / total, 4) for each in _HEALTH_COLORS}


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _format_percent(name: str, percent: float | None) -> str:
    return "" if percent is None else f"{name} {percent:.0f} %"
