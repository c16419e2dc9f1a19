"""The part of the OpenAPI document that tells of /api/v1: made from the descriptors, and from what can be asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from aggregator.lookup.items import Kind, descriptor, fields_of, names
from aggregator.lookup.language import MOST_REQUIREMENTS
from aggregator.lookup.plan import MOST_LIMIT, Resource
from aggregator.pb.aggregator.v1 import topology_pb2 as pb
from aggregator.server import api_v1, openapi_examples
from aggregator.server.openapi_refusals import Examples, refusals
from aggregator.server.problems import API, CONTENT_TYPE, KINDS, TYPES
from aggregator.views.v1_fields import is_map, is_time

TAG = "lookup"

# No pattern: pages like /docs send nothing that is unlike it, and none is as wide as what is understood.
_TEXT = {"type": "string"}
_TIMESTAMP = {"type": "string", "format": "date-time"}
_INT64 = {
    "type": "string",
    "pattern": "^-?[0-9]{1,19}$",
    "description": "A whole number; as text, for JSON's are no int64.",
}
_NAMES = {
    "cluster": "The name of the cluster",
    "node": "The name of the node in its cluster",
    "namespace": "The namespace of the pod; `-` for a Docker container, which has none",
    "pod": "The name of the pod",
}
_SUMMARIES = {
    "topology": "The whole topology, v1",
    "clusters": "The clusters",
    "clusters/{cluster}": "One cluster with what is in it",
    "clusters/{cluster}/nodes": "The nodes of a cluster",
    "clusters/{cluster}/nodes/{node}": "One node",
    "clusters/{cluster}/pods": "The pods of a cluster",
    "clusters/{cluster}/pods/{namespace}/{pod}": "One pod",
    "nodes": "The nodes of all clusters",
    "pods": "The pods of all clusters",
    "containers": "The containers of all pods",
}


@dataclass(frozen=True)
class Common:
    """What is described alike of all that is shown of a snapshot."""

    headers: Mapping[str, Any]
    parameters: Sequence[Mapping[str, Any]]
    not_modified: Mapping[str, Any]
    told_with: Mapping[int, Mapping[str, Any]]


def describe_api(document: dict[str, Any], common: Common) -> None:
    """Add /api/v1 to an OpenAPI document."""
    schemas = document["components"]["schemas"]
    _add_schema(schemas, descriptor(pb.Topology))
    for kind in Kind:
        _add_schema(schemas, descriptor(kind.page))
    schemas["Problem"] = _problem_schema()
    document.setdefault("tags", []).append({"name": TAG, "description": openapi_examples.LANGUAGE})
    for path, resource in api_v1.PATHS.items():
        document["paths"][f"{API}/{path}"] = {"get": _operation(path, resource, common)}


def _operation(path: str, resource: Resource, common: Common) -> dict[str, Any]:
    template = [part.strip("{}") for part in path.split("/") if part.startswith("{")]
    name = "_".join(part.strip("{}") for part in path.split("/"))
    answer = {"schema": _reference(_message(resource)), "example": openapi_examples.ANSWERS[resource]}
    found = {"description": _SUMMARIES[path], "headers": common.headers, "content": {"application/json": answer}}
    return {
        "tags": [TAG],
        "summary": _SUMMARIES[path],
        "operationId": f"v1_{name}",
        "security": [{}, {"token": []}],
        "parameters": [
            *(_path_parameter(part) for part in template),
            *(_query_parameter(parameter, resource) for parameter in resource.parameters),
            *common.parameters,
        ],
        "responses": {"200": found, "304": common.not_modified, **_refusals(path, resource, common)},
    }


def _path_parameter(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": f"{_NAMES[name]}. Any character may be in it, percent-encoded: a slash is `%2F`.",
        "schema": {"type": "string", "minLength": 1},
        "example": openapi_examples.NAMES[name],
    }


def _query_parameter(name: str, resource: Resource) -> dict[str, Any]:
    schema, description, examples = _PARAMETERS[name](resource)
    return {
        "name": name,
        "in": "query",
        "required": False,
        "description": description,
        "schema": schema,
        "examples": {f"{name} {number}": {"value": value} for number, value in enumerate(examples, start=1)},
    }


def _filter(resource: Resource) -> tuple[Any, str, Any]:
    assert resource.kind is not None  # noqa: S101 - only lists have filters
    described = (
        f"What the {resource.kind.value} have to be like: up to {MOST_REQUIREMENTS} requirements with commas between, "
        f"in the language above. Fields: {', '.join(f'`{name}`' for name in names(resource.kind))}."
    )
    return _TEXT, described, openapi_examples.FILTERS[resource.kind]


def _labels(_resource: Resource) -> tuple[Any, str, Any]:
    described = "A label selector in the syntax of Kubernetes, for the labels of nodes."
    return _TEXT, described, openapi_examples.LABELS


def _fields(resource: Resource) -> tuple[Any, str, Any]:
    described = (
        "Which fields to tell: paths with commas between, as FieldMask has them, with the names of the .proto or of "
        f"JSON: {', '.join(f'`{each.name}`' for each in fields_of(descriptor(resource.message)))}. A path may lead on "
        "into what they hold: `interfaces.addresses.ip`. Without it, all."
    )
    return _TEXT, described, openapi_examples.FIELDS[resource.kind]


def _depth(resource: Resource) -> tuple[Any, str, Any]:
    told = {1: "1: clusters alone", 2: "2: nodes and pods, too, without what is in them", 3: "3: everything"}
    default = "1, or 3 with `fields`" if resource is Resource.CLUSTERS else "3"
    described = f"How deep to tell: {'; '.join(told[depth] for depth in resource.depths)}. Without it, {default}."
    return {"type": "integer", "enum": list(resource.depths)}, described, list(resource.depths)


def _limit(_resource: Resource) -> tuple[Any, str, Any]:
    described = "How many to tell at most. What comes after them is asked for with `continue`."
    return {"type": "integer", "minimum": 1, "maximum": MOST_LIMIT}, described, [1, 500]


def _continue(_resource: Resource) -> tuple[Any, str, Any]:
    described = (
        "The `continueToken` of the page before; empty for the first. All pages are of the topology of the first one. "
        "It is kept for a minute after each page, if it is not too large; then it is 410, and begins anew."
    )
    return {"type": "string"}, described, [""]


_PARAMETERS = {
    "filter": _filter,
    "labels": _labels,
    "fields": _fields,
    "depth": _depth,
    "limit": _limit,
    "continue": _continue,
}


def _refusals(path: str, resource: Resource, common: Common) -> dict[str, Any]:
    told = refusals(path, resource)
    return {str(status): refusal(status, told[status], common.told_with.get(status, {})) for status in sorted(told)}


def refusal(status: int, examples: Examples, headers: Mapping[str, Any]) -> dict[str, Any]:
    """Return how an answer with a problem document is described."""
    body = {"schema": _reference("Problem"), "examples": examples}
    described = {"headers": dict(headers)} if headers else {}
    return {"description": KINDS[status][1], **described, "content": {CONTENT_TYPE: body}}


def _message(resource: Resource) -> str:
    if resource.is_one or resource.kind is None:
        return _schema_name(resource.message.DESCRIPTOR.name)
    return _schema_name(resource.kind.page.DESCRIPTOR.name)


def _schema_name(message: str) -> str:
    return f"v1.{message}"


def _reference(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _add_schema(schemas: dict[str, Any], message: Descriptor) -> None:
    """Add the schema of a message, and those of the messages in it."""
    name = _schema_name(message.name)
    if name in schemas:
        return
    schemas[name] = {"title": message.name, "type": "object"}
    properties = {each.json_name: _property(schemas, each) for each in fields_of(message)}
    schemas[name] |= {"properties": properties, "additionalProperties": False}


def _property(schemas: dict[str, Any], own: FieldDescriptor) -> dict[str, Any]:
    if is_map(own):
        assert own.message_type is not None  # noqa: S101 - what a map is
        value = own.message_type.fields_by_name["value"]
        return {"type": "object", "additionalProperties": _property(schemas, value)}
    one = _value(schemas, own)
    return {"type": "array", "items": one} if own.is_repeated else one


def _value(schemas: dict[str, Any], own: FieldDescriptor) -> dict[str, Any]:
    if is_time(own):
        return _TIMESTAMP
    if own.message_type is not None:
        _add_schema(schemas, own.message_type)
        return _reference(_schema_name(own.message_type.name))
    if own.enum_type is not None:
        return {"type": "string", "enum": [value.name for value in own.enum_type.values]}
    return {
        FieldDescriptor.TYPE_INT64: _INT64,
        FieldDescriptor.TYPE_INT32: {"type": "integer"},
        FieldDescriptor.TYPE_DOUBLE: {"type": "number"},
        FieldDescriptor.TYPE_BOOL: {"type": "boolean"},
    }.get(own.type, {"type": "string"})


def _problem_schema() -> dict[str, Any]:
    texts = {"type": "array", "items": {"type": "string"}}
    return {
        "title": "Problem",
        "description": "A problem document, RFC 9457.",
        "type": "object",
        "properties": {
            "type": {"type": "string", "enum": [TYPES + kind for kind, _ in KINDS.values()]},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "parameter": {"type": "string"},
            "allowed": texts,
            "nearest": texts,
        },
        "required": ["type", "title", "status", "detail"],
        "additionalProperties": False,
    }
