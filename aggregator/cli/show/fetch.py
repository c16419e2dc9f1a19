"""The topology that `show` displays: collected once from the upstreams, or fetched from a running gateway.

The URL may point to any server, so the v1 JSON is validated completely.
"""

import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import msgspec
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from aggregator.app.sources import build_snapshot_collector, build_upstream_set, compose_catalog_of
from aggregator.cli.gateway import QUALITY_PATH, FetchError, InvalidQualityError, fetch_document, parse_quality
from aggregator.cli.show.gaps import describe_missing_data
from aggregator.cli.watch.topology_copy import TopologyCopy
from aggregator.models import topology as model
from aggregator.models.quality import Quality
from aggregator.models.topology import Topology
from aggregator.observability.redaction import Redactor
from aggregator.pb.aggregator.v1 import topology_pb2 as pb
from aggregator.refresh.collector import ViewSet
from aggregator.settings.gateway import Settings
from aggregator.views import v1_format
from aggregator.views.v1_format import ENUM_NUMBERS, get_attribute_name, is_map_field, is_timestamp_field

TOPOLOGY_PATH = "/api/v1/topology"
MAX_AGE_DIGITS = 12
_DEVICE_STATES = {pb.DeviceState.Name(number): state for state, number in ENUM_NUMBERS["DeviceState"].items()}
_NUMERIC_CPP_TYPES = frozenset(
    {FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_DOUBLE}
)
# Raised while a document that is valid JSON is converted, if it does not have the structure of a topology.
_DECODE_ERRORS = (
    msgspec.MsgspecError,
    UnicodeDecodeError,
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
    OverflowError,
    RecursionError,
)

JsonObject = Mapping[str, Any]


@dataclass(frozen=True)
class FetchedTopology:
    """A topology, its v1 document, where it comes from, how old it is, and a line for each known gap.

    `age_seconds` is None if the topology was just collected.
    """

    topology: Topology
    document: bytes
    missing_data: tuple[str, ...] = ()
    origin: str = ""
    age_seconds: float | None = None


def collect_topology(settings: Settings, redactor: Redactor) -> FetchedTopology:
    """Run one refresh with these settings; raise RefreshFailedError or RecordingError if it gives no topology."""
    upstream_set = build_upstream_set(settings, redactor)
    collector = build_snapshot_collector(
        settings,
        upstream_set,
        compose_catalog_of(settings),
        ViewSet({v1_format.V1_JSON: v1_format.render_v1_json}, ()),
    )
    try:
        snapshot, _failures = collector.collect(time.time(), time.monotonic())
    finally:
        collector.close()
    origin = ", ".join(upstream_set.names) if settings.replay is None else f"the recording {settings.replay.path}"
    return FetchedTopology(
        snapshot.topology,
        snapshot.get_body(v1_format.V1_JSON),
        describe_missing_data(collector.quality or Quality()),
        origin,
    )


def fetch_topology(url: str, token: str) -> FetchedTopology:
    """Fetch the topology from a running gateway; raise FetchError if it does not return one."""
    response = fetch_document(url, TOPOLOGY_PATH, token)
    is_complete = response.headers.get("X-Topology-Complete") != "false"
    try:
        topology = parse_v1_topology(response.body)
    except InvalidDocumentError as error:
        raise FetchError(f"GET {TOPOLOGY_PATH}: {error}") from None
    missing_data = () if is_complete else _fetch_missing_data(url, token)
    return FetchedTopology(topology, response.body, missing_data, url, _parse_age(response.headers.get("Age", "")))


def _parse_age(text: str) -> float | None:
    return float(text) if text.isascii() and text.isdigit() and len(text) <= MAX_AGE_DIGITS else None


def _fetch_missing_data(url: str, token: str) -> tuple[str, ...]:
    """Return the gaps that a gateway reports; if it reports none, a hint at its log.

    The report requires a token for all clusters, and a later refresh may have filled the gaps.
    """
    try:
        missing_data = describe_missing_data(parse_quality(fetch_document(url, QUALITY_PATH, token).body))
    except (FetchError, InvalidQualityError):
        missing_data = ()
    return missing_data or ("the gateway does not say what is missing; see its log",)


class InvalidDocumentError(ValueError):
    """The document is not the v1 JSON of a topology."""


def parse_v1_topology(document: bytes) -> Topology:
    """Return the topology of a v1 document; raise InvalidDocumentError for anything else.

    The document lacks the keys of pods. They are made from names and IDs, because containers of several Docker hosts
    may have the same name.
    """
    try:
        decoded = msgspec.json.decode(document, type=dict[str, Any])
        return _convert_topology(decoded)
    except _DECODE_ERRORS as error:
        raise InvalidDocumentError("the response is not a v1 topology document") from error


def convert_watched_topology(copy: TopologyCopy) -> Topology:
    """Return the topology of a watch of all objects; raise InvalidDocumentError if the content is invalid."""
    try:
        members: dict[str, dict[str, list[JsonObject]]] = {
            each["name"]: {"nodes": [], "pods": []} for each in copy.objects["clusters"].values()
        }
        for kind in ("nodes", "pods"):
            for each in copy.objects[kind].values():
                members[each["cluster"]][kind].append(each)
        clusters = [{**each, **members[each["name"]]} for each in copy.objects["clusters"].values()]
        return _convert_topology({**copy.properties, "clusters": clusters})
    except _DECODE_ERRORS as error:
        raise InvalidDocumentError("the events are not those of a topology") from error


def _convert_topology(document: JsonObject) -> Topology:
    cluster_documents = document.get("clusters", ())
    clusters = [_convert_object(pb.Cluster, model.Cluster, cluster) for cluster in cluster_documents]
    nodes = [
        _convert_object(pb.Node, model.Node, node) for cluster in cluster_documents for node in cluster.get("nodes", ())
    ]
    pods = [_convert_pod(pod) for cluster in cluster_documents for pod in cluster.get("pods", ())]
    clusters_by_key = {cluster.key: cluster for cluster in clusters}
    if not {member.cluster for member in (*nodes, *pods)} <= clusters_by_key.keys():
        raise ValueError("a node or pod of an unknown cluster")
    topology: Topology = _convert_object(pb.Topology, model.Topology, document)
    return msgspec.structs.replace(
        topology,
        clusters=clusters_by_key,
        nodes={(node.cluster, node.key): node for node in nodes},
        pods={(pod.cluster, pod.key): pod for pod in pods},
    )


# The attributes from which the model computes a field, if that has one value only.
_SOURCE_ATTRIBUTES = {
    ("Interface", "speed_bytes_per_second"): "reported_speed_bytes_per_second",
    ("Interface", "is_up"): "is_reported_up",
}


def _convert_pod(document: JsonObject) -> model.Pod:
    key = "/".join(str(part) for part in (document.get("namespace", ""), document["name"], document.get("id", "")))
    containers = [_convert_object(pb.Container, model.Container, each) for each in document.get("containers", ())]
    pod: model.Pod = _convert_object(pb.Pod, model.Pod, document, key=key)
    return msgspec.structs.replace(pod, containers={each.name: each for each in containers})


def _convert_object(message: type[Message], model_type: Any, document: JsonObject, **overrides: Any) -> Any:
    """Return the model object of the JSON of a message; computed fields are ignored."""
    model_fields = set(model_type.__struct_fields__)
    values: dict[str, Any] = dict(overrides)
    for field in (cast("FieldDescriptor", each) for each in message.DESCRIPTOR.fields):
        name = get_attribute_name(message.DESCRIPTOR.name, field)
        name = _SOURCE_ATTRIBUTES.get((message.DESCRIPTOR.name, name), name)
        if name in model_fields and field.json_name in document and not _is_entity_field(field):
            values[name] = _convert_value(field, document[field.json_name])
    # Protobuf JSON has 64-bit numbers as strings; not strict, msgspec converts them.
    return msgspec.convert(values, model_type, strict=False)


def _is_entity_field(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.name in ("Cluster", "Node", "Pod", "Container")


def _convert_value(field: FieldDescriptor, value: Any) -> Any:
    message_type = field.message_type
    if field.enum_type is not None:
        return _DEVICE_STATES.get(value)
    if message_type is not None and is_map_field(field):
        return {key: _check_scalar(message_type.fields_by_name["value"], value) for key, value in value.items()}
    if message_type is None:
        return _check_scalar(field, value)
    if is_timestamp_field(field):
        return datetime.fromisoformat(value).timestamp()
    if message_type.name == "Address":
        return {each["ip"]: str(each.get("prefixLength", "")) for each in value}
    return _convert_children(message_type.name, value)


def _convert_children(message_name: str, objects: Iterable[JsonObject]) -> dict[str, Any]:
    children = [_convert_object(getattr(pb, message_name), getattr(model, message_name), each) for each in objects]
    return {part.instance if message_name == "Workload" else part.name: part for part in children}


def _check_scalar(field: FieldDescriptor, value: Any) -> Any:
    """Return a value unchanged; raise ValueError for NaN and infinities, which no gateway sends."""
    if field.cpp_type in _NUMERIC_CPP_TYPES and not math.isfinite(float(value)):
        raise ValueError("not a finite number")
    return value
