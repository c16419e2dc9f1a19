"""Lookups: the index of a topology, objects, lists and pages from it, and their encoding as JSON or protobuf."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import islice
from typing import Any, NamedTuple

import msgspec

from aggregator.errors import MAX_NAME_CHARACTERS, BadRequestError, NotFoundError, VersionGoneError
from aggregator.lookup.fields import MAX_SUGGESTIONS, ClusterWithMembers, ContainerRef, ObjectKind, suggest_names
from aggregator.lookup.filter import ObjectPredicate
from aggregator.lookup.problems import ObjectHealth, ObjectState, assess_cluster, assess_node, assess_pod
from aggregator.lookup.request import CONTINUE_PARAMETER, ContinueToken, LookupPlan
from aggregator.lookup.search_index import SearchIndex
from aggregator.models.topology import Node, Pod, Topology
from aggregator.views import v1_format, v1_protobuf
from aggregator.views.v1_format import FormatConverters, V1Format

# In a path, for the empty namespace of a pod. It is not a valid name of a namespace.
EMPTY_NAMESPACE_PLACEHOLDER = "-"

# In the error for an unknown name that resembles no other.
MAX_LISTED_NAMES = 10
# As much as the similar names may take.
_MAX_LISTED_CHARACTERS = MAX_SUGGESTIONS * MAX_NAME_CHARACTERS

CLUSTER_NOT_FOUND_MESSAGE = "cluster not found:"
ObjectsEncoder = Callable[[Sequence[Any]], Sequence[bytes]]
VERSION_GONE_MESSAGE = "continue: the topology of this token is no longer available; request the first page again"

_DIGEST_BYTES = 8
_CONTENT_DIGEST_BYTES = 16


class TopologyIndex:
    """Finds and lists the objects of one topology. Mappings and lists are built on first use."""

    def __init__(self, topology: Topology) -> None:
        self.topology = topology
        self._encoded_nodes: dict[str, dict[int, bytes]] = {}
        # Complete summaries, however large they are.
        self.summaries: dict[ObjectKind, LookupResult] = {}

    @property
    def object_count(self) -> int:
        """The number of clusters, nodes and pods."""
        return len(self.topology.clusters) + len(self.topology.nodes) + len(self.topology.pods)

    def get_encoded_nodes(self, encoder_name: str) -> dict[int, bytes]:
        """Return the cache of encoded nodes of one encoder, by `id` of the node, which lives as long as the index."""
        return self._encoded_nodes.setdefault(encoder_name, {})

    def are_most_nodes_encoded(self, encoder_name: str) -> bool:
        """Return whether more than half of the nodes are in the cache of an encoder."""
        return 2 * len(self.get_encoded_nodes(encoder_name)) > len(self.topology.nodes)

    def list_objects(self, kind: ObjectKind, cluster: str | None = None) -> Sequence[Any]:
        """Return all objects of a kind, or the nodes or pods of a cluster; raise NotFoundError for an unknown cluster.

        Clusters are returned as ClusterWithMembers, containers as ContainerRef.
        """
        if cluster is not None:
            cluster_with_members = self.get_cluster(cluster)
            return cluster_with_members.nodes if kind is ObjectKind.NODES else cluster_with_members.pods
        match kind:
            case ObjectKind.CLUSTERS:
                return self._clusters
            case ObjectKind.NODES:
                return self._nodes
            case ObjectKind.PODS:
                return self._pods
            case ObjectKind.CONTAINERS:
                return self._containers

    def get_object(self, kind: ObjectKind, names: Sequence[str]) -> Any:
        """Return the object at a path of names: cluster; cluster and node; or cluster, namespace and pod."""
        if kind is ObjectKind.CLUSTERS:
            return self.get_cluster(*names)
        return self.get_node(*names) if kind is ObjectKind.NODES else self.get_pod(*names)

    def get_cluster(self, name: str) -> ClusterWithMembers:
        """Return a cluster with its nodes and pods."""
        if name not in self.topology.clusters:
            raise _build_not_found_error(
                f"{CLUSTER_NOT_FOUND_MESSAGE} {_quote_name(name)}", name, list(self.topology.clusters)
            )
        return self._clusters_by_name[name]

    def get_node(self, cluster: str, name: str) -> Node:
        """Return a node of a cluster by its name, else by its `node` label, else by its ID.

        A label that several nodes have finds none of them.
        """
        found = self.topology.nodes.get((cluster, name))
        if found is not None:
            return found
        nodes = self.get_cluster(cluster).nodes
        labelled_nodes = [node for node in nodes if name and node.node_label == name]
        matching_nodes = labelled_nodes or [node for node in nodes if name and node.id == name]
        if len(matching_nodes) == 1:
            return matching_nodes[0]
        if matching_nodes:
            raise NotFoundError(
                f"cluster {_quote_name(cluster)} has several nodes with the label {_quote_name(name)}",
                nearest=[node.key for node in matching_nodes[:MAX_SUGGESTIONS]],
            )
        raise _build_not_found_error(
            f"cluster {_quote_name(cluster)} has no node {_quote_name(name)}", name, [node.key for node in nodes]
        )

    def get_pod(self, cluster: str, namespace: str, name: str) -> Pod:
        """Return a pod of a cluster; of several with the same namespace and name, the one that was seen last."""
        found = self._pods_by_name.get((cluster, namespace, name))
        if found is None and namespace == EMPTY_NAMESPACE_PLACEHOLDER:
            found = self._pods_by_name.get((cluster, "", name))
        if found is None:
            raise self._build_pod_not_found_error(cluster, namespace, name)
        return found

    def _build_pod_not_found_error(self, cluster: str, namespace: str, name: str) -> NotFoundError:
        known_names = [
            f"{pod.namespace or EMPTY_NAMESPACE_PLACEHOLDER}/{pod.name}" for pod in self.get_cluster(cluster).pods
        ]
        requested_name = f"{namespace or EMPTY_NAMESPACE_PLACEHOLDER}/{name}"
        return NotFoundError(
            f"cluster {_quote_name(cluster)} has no pod {_quote_name(requested_name)}",
            nearest=suggest_names(requested_name, known_names),
        )

    @cached_property
    def node_states(self) -> Sequence[ObjectState]:
        """The states of all nodes, in the order of their list."""
        return [assess_node(node) for node in self._nodes]

    @cached_property
    def pod_states(self) -> Sequence[ObjectState]:
        """The states of all pods, in the order of their list."""
        return [assess_pod(pod) for pod in self._pods]

    @cached_property
    def cluster_states(self) -> Sequence[ObjectState]:
        """The states of all clusters, in the order of their list."""
        nodes, pods = self.node_health_by_cluster, self.pod_health_by_cluster
        return [assess_cluster(nodes[key], pods[key]) for key in self.topology.clusters]

    @cached_property
    def node_health_by_cluster(self) -> Mapping[str, Mapping[ObjectHealth, int]]:
        """The number of nodes of each cluster by their health."""
        return self._count_by_cluster((node.cluster for node in self._nodes), self.node_states)

    @cached_property
    def pod_health_by_cluster(self) -> Mapping[str, Mapping[ObjectHealth, int]]:
        """The number of pods of each cluster by their health."""
        return self._count_by_cluster((pod.cluster for pod in self._pods), self.pod_states)

    def _count_by_cluster(
        self, clusters: Iterable[str], states: Sequence[ObjectState]
    ) -> Mapping[str, Mapping[ObjectHealth, int]]:
        counts: dict[str, Counter[ObjectHealth]] = {key: Counter() for key in self.topology.clusters}
        for cluster, state in zip(clusters, states, strict=True):
            counts[cluster][state.health] += 1
        return counts

    @cached_property
    def search_index(self) -> SearchIndex:
        """The searched texts of all objects."""
        return SearchIndex(
            zip(self._clusters, self.cluster_states, strict=True),
            zip(self._nodes, self.node_states, strict=True),
            zip(self._pods, self.pod_states, strict=True),
        )

    @cached_property
    def _clusters_by_name(self) -> dict[str, ClusterWithMembers]:
        nodes, pods = self.topology.group_nodes_by_cluster(), self.topology.group_pods_by_cluster()
        return {key: ClusterWithMembers(each, nodes[key], pods[key]) for key, each in self.topology.clusters.items()}

    @cached_property
    def _clusters(self) -> Sequence[ClusterWithMembers]:
        return list(self._clusters_by_name.values())

    @cached_property
    def _nodes(self) -> Sequence[Node]:
        return list(self.topology.nodes.values())

    @cached_property
    def _pods(self) -> Sequence[Pod]:
        return list(self.topology.pods.values())

    @cached_property
    def _containers(self) -> Sequence[ContainerRef]:
        return [ContainerRef(each, pod) for pod in self._pods for each in pod.containers.values()]

    @cached_property
    def _pods_by_name(self) -> dict[tuple[str, str, str], Pod]:
        pods_by_name: dict[tuple[str, str, str], Pod] = {}
        for pod in self._pods:
            name = (pod.cluster, pod.namespace, pod.name)
            if name not in pods_by_name or (pods_by_name[name].last_seen_seconds or 0) < (pod.last_seen_seconds or 0):
                pods_by_name[name] = pod
        return pods_by_name


def check_cluster(name: str, *topologies: Topology) -> None:
    """Raise NotFoundError if none of the topologies has a cluster with this name."""
    if not any(name in topology.clusters for topology in topologies):
        known_names = sorted({key for topology in topologies for key in topology.clusters})
        problem = f"{CLUSTER_NOT_FOUND_MESSAGE} {_quote_name(name)}"
        raise _build_not_found_error(problem, name, known_names, parameter="cluster")


def _build_not_found_error(
    problem: str, name: str, known_names: Sequence[str], *, parameter: str = ""
) -> NotFoundError:
    """Return the error for an unknown name: with similar names, else with all names if they are few."""
    nearest = suggest_names(name, known_names)
    is_short = len(known_names) <= MAX_LISTED_NAMES and sum(map(len, known_names)) <= _MAX_LISTED_CHARACTERS
    allowed = known_names if is_short and not nearest else ()
    return NotFoundError(problem, parameter=parameter, nearest=nearest, allowed=allowed)


def _quote_name(name: str) -> str:
    return repr(name[:MAX_NAME_CHARACTERS])


class EncodedPage(NamedTuple):
    """A list or a page of a list, with encoded objects."""

    kind: ObjectKind
    items: Sequence[bytes]
    version: str
    total: int
    continue_token: str


@dataclass(frozen=True, eq=False)
class ResultEncoder:
    """Encodes lookup results; `encode_node` is the fast path for a node with all fields."""

    name: str
    encode_node: Callable[[Node], bytes]
    converters: FormatConverters
    encode_object: Callable[[Any], bytes]
    encode_page: Callable[[EncodedPage], bytes]


class UnpagedRequest:
    """A request whose response is not a list of objects. It has no pages."""

    continue_token = ""
    is_paged = False
    is_node_list = False


class LookupResult(NamedTuple):
    """The encoded body, a digest of its content, and the etag key that identifies the request.

    The digest of a list or page covers everything but the topology version; a continue token contains that version, so
    it is covered where there is a next page. `is_full_list` is True for a complete list with all fields. `is_summary`
    is True for columns, which are worth compressing well.
    """

    body: bytes
    etag_key: str
    content_digest: str
    has_next_page: bool = False
    is_full_list: bool = False
    is_summary: bool = False


class ResultPage(NamedTuple):
    """A part of a list, the number of objects in the whole list, and the position of the next page or None."""

    items: Sequence[Any]
    total: int
    next_position: int | None


def execute_lookup(
    index: TopologyIndex, plan: LookupPlan, names: Sequence[str], encoder: ResultEncoder
) -> LookupResult:
    """Return the result of a plan; raise NotFoundError for a name that does not exist.

    `names` are the names in the path: of the cluster, of the namespace, of the object. Raises VersionGoneError for a
    token of another topology, and BadRequestError for a token of another list.
    """
    request_digest = compute_request_digest(plan, names)
    kind = plan.resource.kind
    if kind is None:
        encoded = encoder.encode_object(_build_format(plan, encoder).encode_topology(index.topology))
        return LookupResult(encoded, request_digest, compute_content_digest([encoded]))
    encode_objects = _select_objects_encoder(kind, index, plan, encoder)
    if plan.resource.is_single:
        (encoded,) = encode_objects([index.get_object(kind, names)])
        return LookupResult(encoded, request_digest, compute_content_digest([encoded]))
    version = index.topology.version
    if plan.continue_token is not None:
        _validate_continue_token(plan.continue_token, version, request_digest)
    page = _select_page(index.list_objects(kind, *names), plan, plan.build_predicate(index.topology))
    next_token = (
        ""
        if page.next_position is None
        else str(ContinueToken(version, request_digest, page.total, page.next_position))
    )
    encoded_items = encode_objects(page.items)
    start_position = plan.continue_token.next_position if plan.continue_token is not None else 0
    return LookupResult(
        encoder.encode_page(EncodedPage(kind, encoded_items, version, page.total, next_token)),
        f"{request_digest}-{start_position}-{plan.limit or 0}",
        compute_content_digest([*encoded_items, f"{page.total} {next_token}".encode()]),
        has_next_page=bool(next_token),
    )


def _select_page(items: Sequence[Any], plan: LookupPlan, predicate: ObjectPredicate | None) -> ResultPage:
    """Return the requested page of a list.

    Only the first page counts the whole list; the token for the other pages contains the number.
    """
    token = plan.continue_token
    if plan.limit is None and token is None:
        matching_items = items if predicate is None else list(filter(predicate, items))
        return ResultPage(matching_items, len(matching_items), None)
    if token is not None:
        total, remaining_positions = token.total, _find_matching_positions(items, predicate, token.next_position)
    else:
        positions = list(_find_matching_positions(items, predicate, 0))
        total, remaining_positions = len(positions), iter(positions)
    page_positions = list(islice(remaining_positions, plan.limit))
    return ResultPage([items[position] for position in page_positions], total, next(remaining_positions, None))


def compute_request_digest(plan: LookupPlan, names: Sequence[str]) -> str:
    """Return a hash of the requested objects and fields: the same for every spelling of a request and every page."""
    return hashlib.blake2b(repr((plan.parameters_digest, *names)).encode(), digest_size=_DIGEST_BYTES).hexdigest()


def compute_content_digest(parts: Sequence[bytes]) -> str:
    """Return a hash of the encoded objects of a result."""
    digest = hashlib.blake2b(digest_size=_CONTENT_DIGEST_BYTES)
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def _find_matching_positions(items: Sequence[Any], predicate: ObjectPredicate | None, start: int) -> Iterator[int]:
    positions = iter(range(start, len(items)))
    return positions if predicate is None else (position for position in positions if predicate(items[position]))


def _validate_continue_token(token: ContinueToken, version: str, request_digest: str) -> None:
    if token.request_digest != request_digest:
        raise BadRequestError("continue: the token belongs to a different list", parameter=CONTINUE_PARAMETER)
    if token.version != version:
        raise VersionGoneError(VERSION_GONE_MESSAGE, parameter=CONTINUE_PARAMETER)


@lru_cache(maxsize=128)
def _build_format(plan: LookupPlan, encoder: ResultEncoder) -> V1Format:
    """Return the format that converts objects to what the encoder encodes, with the requested fields."""
    return V1Format(encoder.converters, plan.masks_by_message)


def encode_all_nodes(index: TopologyIndex, encoder: ResultEncoder) -> None:
    """Encode all nodes of a topology with all fields, into the cache of the index."""
    _create_cached_node_encoder(index, encoder)(index.list_objects(ObjectKind.NODES))


def _select_objects_encoder(
    kind: ObjectKind, index: TopologyIndex, plan: LookupPlan, encoder: ResultEncoder
) -> ObjectsEncoder:
    """Return a function that encodes objects of a kind."""
    if kind is ObjectKind.NODES and plan.mask is None:
        return _create_cached_node_encoder(index, encoder)
    object_format, encode_object = _build_format(plan, encoder), encoder.encode_object
    if kind is ObjectKind.PODS:
        return lambda pods: [encode_object(object_format.encode_pod(pod)) for pod in pods]
    if kind is ObjectKind.CLUSTERS:
        return lambda clusters: [encode_object(object_format.encode_cluster(*members)) for members in clusters]
    if kind is ObjectKind.CONTAINERS:
        return lambda containers: [
            encode_object(object_format.encode_container(*reference)) for reference in containers
        ]
    return lambda nodes: [encode_object(object_format.encode_node(node)) for node in nodes]


def _create_cached_node_encoder(index: TopologyIndex, encoder: ResultEncoder) -> ObjectsEncoder:
    """Return a function that encodes each node once: nodes are few, large and often requested."""
    encoded_nodes = index.get_encoded_nodes(encoder.name)

    def encode_and_cache_node(node: Node) -> bytes:
        body = encoded_nodes[id(node)] = encoder.encode_node(node)
        return body

    return lambda nodes: [encoded_nodes.get(id(node)) or encode_and_cache_node(node) for node in nodes]


class _PageMetadata(msgspec.Struct, omit_defaults=True, rename="camel"):
    """The members of a page beside its objects; empty ones are omitted, as in proto3 JSON."""

    version: str = ""
    total_count: int | None = None
    continue_token: str = ""


def _encode_json_page(page: EncodedPage) -> bytes:
    metadata = msgspec.json.encode(_PageMetadata(page.version, page.total, page.continue_token))
    if not page.items:
        return metadata
    # One join: a list may have megabytes, and copying it costs more than encoding its metadata.
    chunks = list(page.items)
    chunks[0] = b'{"%s":[%s' % (page.kind.value.encode(), chunks[0])
    chunks[-1] += b"]," + metadata[1:]
    return b",".join(chunks)


def _encode_protobuf_page(page: EncodedPage) -> bytes:
    """Return the serialized list response: its objects, then its other fields."""
    message_type = page.kind.list_response_type
    items = v1_protobuf.LengthDelimitedField(message_type, page.kind.value).list_pieces(page.items)
    metadata = message_type(version=page.version, total_count=page.total, continue_token=page.continue_token)
    return b"".join((*items, v1_protobuf.serialize_message(metadata)))


def _encode_json_node(node: Node) -> bytes:
    return msgspec.json.encode(v1_format.JSON_FORMAT.encode_node(node))


JSON_ENCODER = ResultEncoder(
    "json", _encode_json_node, v1_format.JSON_CONVERTERS, msgspec.json.encode, _encode_json_page
)

PROTOBUF_ENCODER = ResultEncoder(
    "protobuf",
    v1_protobuf.serialize_node,
    v1_protobuf.MESSAGE_CONVERTERS,
    v1_protobuf.serialize_message,
    _encode_protobuf_page,
)
