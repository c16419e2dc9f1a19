"""The routes under /api/v1: lookups of single objects, lists, and the quality of the last refresh."""

from collections.abc import Callable
from typing import Annotated, Any, TypeVar
from urllib.parse import parse_qsl

from fastapi import APIRouter, Depends, Query, Request
from pydantic import AfterValidator, BaseModel, Field, WithJsonSchema, model_validator
from pydantic.json_schema import SkipJsonSchema
from starlette.convertors import Convertor, register_url_convertor
from starlette.responses import Response

from aggregator.errors import BadRequestError
from aggregator.lookup.fields import ObjectKind
from aggregator.lookup.instants import INSTANT_PATTERN
from aggregator.lookup.request import MAX_LIMIT, LookupOptions, Resource
from aggregator.lookup.results import JSON_ENCODER
from aggregator.refresh.snapshot import Snapshot
from aggregator.server.auth.guard import Access
from aggregator.server.http.documents import (
    WAIT_PATTERN,
    DocumentResponder,
    EncodedListCache,
    EntityTag,
    LongPoll,
    RenderedBody,
    RequestPreferences,
    StaticBody,
    encode_once,
    find_past_while_connected,
    parse_preferences,
    parse_wait_seconds,
)
from aggregator.server.http.responses import (
    API_V1_PATH,
    HttpResponse,
    build_unknown_parameter_error,
    decode_segment,
)
from aggregator.server.instants import refuse_wait
from aggregator.server.lookup_service import IndexRequest, LookupRequest, LookupResponse, LookupService
from aggregator.server.openapi import document
from aggregator.server.openapi.examples import (
    FIELDS_EXAMPLES,
    FILTER_EXAMPLES,
    LABEL_SELECTOR_EXAMPLES,
    TIME_EXAMPLES,
)
from aggregator.server.visibility import RenderedQuality, SnapshotProvider, check_quality_access, get_visible_snapshot
from aggregator.util.content_coding import COMPACT_CONTENT_CODINGS, CONTENT_CODINGS, IDENTITY
from aggregator.views import v1_format

_MAX_QUERY_PARAMETERS = 20
_WHOLE_TOPOLOGY = LookupRequest(Resource.TOPOLOGY, (), LookupOptions())


class _SegmentConvertor(Convertor[str]):
    """One segment of a path, which may contain an encoded slash; it is empty for an object without a name."""

    regex = "[^/]*"

    def convert(self, value: str) -> str:
        """Return the name in a segment."""
        return decode_segment(value)

    def to_string(self, value: str) -> str:
        """Return the segment of a name."""
        return value.replace("%", "%25").replace("/", "%2F")


register_url_convertor("segment", _SegmentConvertor())


class LookupResponder:
    """Builds the responses to lookups and lists; the bytes are cached for each topology version."""

    def __init__(self, snapshots: SnapshotProvider, document_responder: DocumentResponder) -> None:
        self._snapshots = snapshots
        self._document_responder = document_responder
        self._lookup_service = LookupService(snapshots, JSON_ENCODER)
        self._encoded_lists = EncodedListCache()

    async def build_response(self, http_request: Request, request: IndexRequest, wait: str, time: str) -> HttpResponse:
        """Return the response to a lookup; raise a RequestError if it is invalid."""
        refuse_wait(time, wait)
        scope, access = http_request.scope, get_access(http_request)
        preferences = parse_preferences(scope["method"], scope["headers"])
        poll = LongPoll(parse_wait_seconds(wait), http_request.receive)
        if time:
            # Before the queries of the instant are sent.
            request.validate()
        found_past = await find_past_while_connected(self._snapshots, access.grant, time, http_request.receive)
        past = None if found_past is None else found_past.snapshot
        if request == _WHOLE_TOPOLOGY:
            return await self._document_responder.build_document_response(
                v1_format.V1_JSON, access, preferences, poll, past
            )
        if preferences.wants_refresh and past is None:
            await self._snapshots.wait_for_refresh()
        found = await self._look_up(access, request, past)

        async def is_changed(current: Snapshot) -> bool:
            nonlocal found
            if current.topology.version == found.snapshot.topology.version:
                found = found._replace(snapshot=current)
            else:
                found = await self._look_up(access, request)
            return not _build_entity_tag(request, found).matches(preferences.if_none_match)

        if _build_entity_tag(request, found).matches(preferences.if_none_match):
            await self._document_responder.wait_for_change(access, poll, is_changed)
        return await self._build_lookup_response(_build_entity_tag(request, found), found, preferences)

    async def check_topology(self, access: Access) -> None:
        """Raise NoTopologyError unless there is a topology."""
        await get_visible_snapshot(self._snapshots, access.grant)

    async def _look_up(self, access: Access, request: IndexRequest, past: Snapshot | None = None) -> LookupResponse:
        request_key = request.cache_key
        cached = self._lookup_service.find_cached(access.grant, request_key, past)
        return cached or await self._lookup_service.look_up(access.grant, request_key, request, past)

    async def _build_lookup_response(
        self, entity_tag: EntityTag, found: LookupResponse, preferences: RequestPreferences
    ) -> HttpResponse:
        """Return the response, compressed if it is a summary, or a complete list, which others request as well."""
        result, body, coding = found.result, found.result.body, IDENTITY
        is_known = entity_tag.matches(preferences.if_none_match)
        if result.is_full_list and not is_known:
            codings = COMPACT_CONTENT_CODINGS if result.is_summary else CONTENT_CODINGS
            body, coding = await self._encoded_lists.encode(
                found.snapshot.rendered_topology, entity_tag.key, body, preferences.coding, codings
            )
        elif result.is_summary and not is_known:
            body, coding = await encode_once(body, preferences.coding)
        rendered = RenderedBody(entity_tag, body, coding)
        return self._document_responder.build_rendered_response(found.snapshot, rendered, preferences.if_none_match)


class QualityResponder:
    """Builds the responses with the quality of the last refresh, or of a past instant."""

    def __init__(
        self, snapshots: SnapshotProvider, quality: RenderedQuality, document_responder: DocumentResponder
    ) -> None:
        self._snapshots = snapshots
        self._quality = quality
        self._document_responder = document_responder

    async def build_response(self, http_request: Request, time: str) -> HttpResponse:
        """Return the response; raise PermissionDeniedError for a caller who may not see all clusters."""
        grant = get_access(http_request).grant
        check_quality_access(grant)
        past = await find_past_while_connected(self._snapshots, grant, time, http_request.receive)
        body = await self._quality.render_for(grant, None if past is None else past.quality)
        preferences = parse_preferences(http_request.scope["method"], http_request.scope["headers"])
        return await self._document_responder.build_unversioned_response(body, preferences.coding)


def _build_entity_tag(request: IndexRequest, found: LookupResponse) -> EntityTag:
    return EntityTag(found.result.content_digest, found.result.etag_key, is_weak=request.has_version)


def build_static_response(request: Request, static_body: StaticBody) -> HttpResponse:
    """Return a response that is equal for all callers, or 304 if the client has it."""
    documents: DocumentResponder = request.app.state.services.documents
    return documents.build_static_response(
        static_body, parse_preferences(request.scope["method"], request.scope["headers"])
    )


# --- dependencies


def get_access(request: Request) -> Access:
    """Return the access that the authentication middleware stored."""
    access: Access = request.state.access
    return access


async def check_query_string(request: Request) -> None:
    """Refuse a query string that FastAPI would read in part: repeated, too many or undecodable parameters."""
    query_string = request.scope["query_string"]
    if not query_string:
        return
    try:
        pairs = parse_qsl(
            query_string.decode(), keep_blank_values=True, errors="strict", max_num_fields=_MAX_QUERY_PARAMETERS
        )
    except UnicodeDecodeError:
        raise BadRequestError("query parameters must be UTF-8") from None
    except ValueError:
        raise BadRequestError(f"a request can have at most {_MAX_QUERY_PARAMETERS} query parameters") from None
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise BadRequestError(f"{name[:80]} must be given only once", parameter=name)


ClusterName = Annotated[str, document.describe_name("cluster", "The name of the cluster")]
NodeName = Annotated[
    str, document.describe_name("node", "The name of the node in its cluster, else its `node` label, else its ID")
]
PodNamespace = Annotated[
    str, document.describe_name("namespace", "The namespace of the pod; `-` for a Docker container, which has none")
]
PodName = Annotated[str, document.describe_name("pod", "The name of the pod")]


# --- query parameters


def _check_wait(text: str) -> str:
    parse_wait_seconds(text)
    return text


# LookupPlan checks the bounds, with the same messages over gRPC.
_Depth = Annotated[int, WithJsonSchema({"type": "integer", "enum": [1, 2, 3]})] | SkipJsonSchema[None]
# Nodes and pods are on the second level.
_ObjectDepth = Annotated[int, WithJsonSchema({"type": "integer", "enum": [2, 3]})] | SkipJsonSchema[None]
_Limit = Annotated[int, WithJsonSchema({"type": "integer", "minimum": 1, "maximum": MAX_LIMIT})] | SkipJsonSchema[None]


Wait = Annotated[
    str,
    AfterValidator(_check_wait),
    WithJsonSchema({"type": "string", "pattern": f"^({WAIT_PATTERN})?$", "examples": ["1s"]}),
]


Time = Annotated[
    str,
    WithJsonSchema({"type": "string", "pattern": f"^({INSTANT_PATTERN})?$", "examples": list(TIME_EXAMPLES)}),
]
TIME_FIELD: Any = Field("", description=document.TIME_DESCRIPTION)


class QueryParameters(BaseModel):
    """The query parameters of a path. A parameter that the model does not have is an error."""

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown(cls, values: dict[str, Any]) -> dict[str, Any]:
        allowed = cls.list_names()
        for name in values:
            if name not in allowed:
                raise build_unknown_parameter_error(name, allowed)
        return values

    @classmethod
    def list_names(cls) -> list[str]:
        """Return the names of the parameters."""
        return [field.alias or name for name, field in cls.model_fields.items()]


class _LookupParameters(QueryParameters):
    """The query parameters of every lookup."""

    fields: str = ""
    wait: Wait = Field("", description=document.WAIT_DESCRIPTION)
    time: Time = TIME_FIELD

    def to_lookup_options(self) -> LookupOptions:
        """Return the request, as gRPC makes it too."""
        values = self.model_dump(exclude={"fields", "wait", "time"})
        return LookupOptions(**values, fields=tuple(self.fields.split(",")) if self.fields else ())


class _ListParameters(_LookupParameters):
    filter: str = ""
    limit: _Limit = Field(
        None, description="The maximum number of objects. Request the next page with `continue`.", examples=[1, 500]
    )
    continue_token: str = Field(
        "", alias="continue", description=document.CONTINUE_DESCRIPTION, json_schema_extra={"examples": [""]}
    )


def _describe_fields(resource: Resource) -> Any:
    return Field("", description=document.describe_fields(resource), examples=list(FIELDS_EXAMPLES[resource.kind]))


def describe_filter_parameter(kind: ObjectKind) -> Any:
    """Return the declaration of the parameter `filter`."""
    return Field("", description=document.describe_filter(kind), examples=list(FILTER_EXAMPLES[kind]))


def _describe_depth(resource: Resource) -> Any:
    return Field(None, description=document.describe_depth(resource), examples=list(resource.supported_depths))


class TopologyParameters(_LookupParameters):
    """The query parameters of the whole topology."""

    fields: str = _describe_fields(Resource.TOPOLOGY)
    depth: _Depth = _describe_depth(Resource.TOPOLOGY)


class ClusterParameters(_LookupParameters):
    """The query parameters of one cluster."""

    fields: str = _describe_fields(Resource.CLUSTER)
    depth: _Depth = _describe_depth(Resource.CLUSTER)


class NodeParameters(_LookupParameters):
    """The query parameters of one node."""

    fields: str = _describe_fields(Resource.NODE)
    depth: _ObjectDepth = _describe_depth(Resource.NODE)


class PodParameters(_LookupParameters):
    """The query parameters of one pod."""

    fields: str = _describe_fields(Resource.POD)
    depth: _ObjectDepth = _describe_depth(Resource.POD)


class ClusterListParameters(_ListParameters):
    """The query parameters of a list of clusters."""

    filter: str = describe_filter_parameter(ObjectKind.CLUSTERS)
    fields: str = _describe_fields(Resource.CLUSTERS)
    depth: _Depth = _describe_depth(Resource.CLUSTERS)


class NodeListParameters(_ListParameters):
    """The query parameters of a list of nodes."""

    filter: str = describe_filter_parameter(ObjectKind.NODES)
    labels: str = Field("", description=document.LABELS_DESCRIPTION, examples=list(LABEL_SELECTOR_EXAMPLES))
    fields: str = _describe_fields(Resource.NODES)
    depth: _ObjectDepth = _describe_depth(Resource.NODES)


class PodListParameters(_ListParameters):
    """The query parameters of a list of pods."""

    filter: str = describe_filter_parameter(ObjectKind.PODS)
    fields: str = _describe_fields(Resource.PODS)
    depth: _ObjectDepth = _describe_depth(Resource.PODS)


class ContainerListParameters(_ListParameters):
    """The query parameters of a list of containers."""

    filter: str = describe_filter_parameter(ObjectKind.CONTAINERS)
    fields: str = _describe_fields(Resource.CONTAINERS)


async def refuse_parameters(request: Request) -> None:
    """Refuse a request with query parameters."""
    for name in request.query_params:
        raise build_unknown_parameter_error(name, ())


# --- routes

router = APIRouter(prefix=API_V1_PATH, dependencies=[Depends(check_query_string)])
_Endpoint = TypeVar("_Endpoint", bound=Callable[..., Any])


def _route(
    path: str, resource: Resource, parameters: type[_LookupParameters], summary: str
) -> Callable[[_Endpoint], _Endpoint]:
    """Declare a lookup at a path below /api/v1."""
    return router.get(
        "/" + path.replace("}", ":segment}"),
        **document.describe_lookup(path, resource, parameters.list_names(), summary),
    )


async def _respond(
    request: Request, resource: Resource, names: tuple[str, ...], parameters: _LookupParameters
) -> Response:
    lookups: LookupResponder = request.app.state.services.lookups
    return await lookups.build_response(
        request, LookupRequest(resource, names, parameters.to_lookup_options()), parameters.wait, parameters.time
    )


@_route("topology", Resource.TOPOLOGY, TopologyParameters, "The whole topology, v1")
async def get_topology(request: Request, parameters: Annotated[TopologyParameters, Query()]) -> Response:
    """Return all clusters with their nodes, pods and containers."""
    return await _respond(request, Resource.TOPOLOGY, (), parameters)


@_route("clusters", Resource.CLUSTERS, ClusterListParameters, "The clusters")
async def list_clusters(request: Request, parameters: Annotated[ClusterListParameters, Query()]) -> Response:
    """Return the clusters; their nodes and pods only with `depth` or `fields`."""
    return await _respond(request, Resource.CLUSTERS, (), parameters)


@_route("clusters/{cluster}", Resource.CLUSTER, ClusterParameters, "One cluster with its nodes and pods")
async def get_cluster(
    request: Request, cluster: ClusterName, parameters: Annotated[ClusterParameters, Query()]
) -> Response:
    """Return a cluster by its name."""
    return await _respond(request, Resource.CLUSTER, (cluster,), parameters)


@_route("clusters/{cluster}/nodes", Resource.NODES, NodeListParameters, "The nodes of a cluster")
async def list_cluster_nodes(
    request: Request, cluster: ClusterName, parameters: Annotated[NodeListParameters, Query()]
) -> Response:
    """Return the nodes of one cluster."""
    return await _respond(request, Resource.NODES, (cluster,), parameters)


@_route("clusters/{cluster}/nodes/{node}", Resource.NODE, NodeParameters, "One node")
async def get_node(
    request: Request, cluster: ClusterName, node: NodeName, parameters: Annotated[NodeParameters, Query()]
) -> Response:
    """Return a node by the name of its cluster and its own name, label or ID."""
    return await _respond(request, Resource.NODE, (cluster, node), parameters)


@_route("clusters/{cluster}/pods", Resource.PODS, PodListParameters, "The pods of a cluster")
async def list_cluster_pods(
    request: Request, cluster: ClusterName, parameters: Annotated[PodListParameters, Query()]
) -> Response:
    """Return the pods of one cluster."""
    return await _respond(request, Resource.PODS, (cluster,), parameters)


@_route("clusters/{cluster}/pods/{namespace}/{pod}", Resource.POD, PodParameters, "One pod")
async def get_pod(
    request: Request,
    cluster: ClusterName,
    namespace: PodNamespace,
    pod: PodName,
    parameters: Annotated[PodParameters, Query()],
) -> Response:
    """Return a pod by the names of its cluster, its namespace and the pod."""
    return await _respond(request, Resource.POD, (cluster, namespace, pod), parameters)


@_route("nodes", Resource.NODES, NodeListParameters, "The nodes of all clusters")
async def list_nodes(request: Request, parameters: Annotated[NodeListParameters, Query()]) -> Response:
    """Return the nodes of all clusters."""
    return await _respond(request, Resource.NODES, (), parameters)


@_route("pods", Resource.PODS, PodListParameters, "The pods of all clusters")
async def list_pods(request: Request, parameters: Annotated[PodListParameters, Query()]) -> Response:
    """Return the pods of all clusters."""
    return await _respond(request, Resource.PODS, (), parameters)


@_route("containers", Resource.CONTAINERS, ContainerListParameters, "The containers of all pods")
async def list_containers(request: Request, parameters: Annotated[ContainerListParameters, Query()]) -> Response:
    """Return the containers of all pods, each with its pod, node and cluster."""
    return await _respond(request, Resource.CONTAINERS, (), parameters)


class QualityParameters(QueryParameters):
    """The query parameters of the quality."""

    time: Time = TIME_FIELD


@router.get("/quality", **document.describe_quality(QualityParameters.list_names()))
async def get_quality(request: Request, parameters: Annotated[QualityParameters, Query()]) -> Response:
    """Return the result of each query of the last refresh. docs/metrics.md lists the queries.

    It has the results, durations and samples of each query, what was left out, and the fields that no sample fills,
    with the exporters that would fill them. It is available without a topology, too, and explains why there is none.
    It counts the samples of all clusters, so a token that is restricted to some of them gets 403. It is the proto3 JSON
    mapping of the response to aggregator.v1.TopologyService/GetQuality.
    """
    quality: QualityResponder = request.app.state.services.quality
    return await quality.build_response(request, parameters.time)
