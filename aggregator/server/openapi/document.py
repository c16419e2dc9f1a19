"""The OpenAPI document: schemas from the protobuf descriptors, and descriptions of the operations."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from fastapi import Path
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from starlette.responses import Response

from aggregator.errors import KeysUnavailableError, PermissionDeniedError, RequestError, UnauthenticatedError
from aggregator.lookup.fields import ObjectKind, get_descriptor, list_descriptor_fields, list_filter_field_names
from aggregator.lookup.filter_parser import MAX_REQUIREMENTS
from aggregator.lookup.instants import INSTANT_PATTERN, TIME_PARAMETER
from aggregator.lookup.request import Resource
from aggregator.pb.aggregator.v1 import topology_pb2 as pb
from aggregator.refresh.past import build_no_data_error
from aggregator.server.http.documents import LAYOUTS, WAIT_PATTERN, parse_wait_seconds, validate_layout
from aggregator.server.http.responses import (
    API_V1_PATH,
    PROBLEM_CONTENT_TYPE,
    PROBLEM_TYPE_BASE_URL,
    PROBLEM_TYPES,
    RESERVED_PATHS,
    build_problem,
    build_unknown_parameter_error,
)
from aggregator.server.openapi import candidates, diff, graph, search, summary, watch
from aggregator.server.openapi.examples import (
    COMMON_PROBLEM_EXAMPLES,
    EXAMPLE_NAMES,
    FILTER_LANGUAGE_DESCRIPTION,
    LEGACY_EXAMPLE,
    NO_KEYS_SCENARIO,
    NO_ROLE_SCENARIO,
    NO_TOKEN_SCENARIO,
    NO_TOPOLOGY_MESSAGE,
    NO_TOPOLOGY_SCENARIO,
    QUALITY_EXAMPLE,
    RESPONSE_EXAMPLES,
    TIME_EXAMPLES,
    OpenApiExamples,
    build_example,
    build_no_data_example,
    build_problem_examples,
)
from aggregator.server.openapi.schemas import build_object_schema
from aggregator.server.status import get_error_message
from aggregator.views.legacy_1_2_5 import LegacyDocument
from aggregator.views.legacy_2025 import LegacyDocument2025
from aggregator.views.v1_format import is_map_field, is_timestamp_field, render_quality_json

Schema = dict[str, Any]

# The prefix distinguishes the v1 model from the legacy layouts, which also have a Node.
_V1_PREFIX = "v1."

_SCHEMAS_BY_TYPE = {
    FieldDescriptor.TYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.TYPE_DOUBLE: {"type": "number"},
    FieldDescriptor.TYPE_INT32: {"type": "integer"},
    FieldDescriptor.TYPE_UINT32: {"type": "integer"},
    FieldDescriptor.TYPE_STRING: {"type": "string"},
    FieldDescriptor.TYPE_INT64: {
        "type": "string",
        "pattern": "^-?[0-9]{1,19}$",
        "description": "An integer, as a string because JSON numbers cannot hold every int64.",
    },
}


OpenApiObject = dict[str, Any]

Responses = dict[int | str, dict[str, Any]]
Problems = Mapping[int, OpenApiExamples]

PATH_NOT_FOUND_MESSAGE = "no such path; see /docs"

# Every path that the document does not list. Concrete paths take precedence.
CATCH_ALL_PATH = "/{path}"

LOOKUP_TAG = "lookup"
EVENT_STREAM = "text/event-stream"

WAIT_DESCRIPTION = (
    "With If-None-Match: how long to wait for a change of this response, such as `30s` or `500ms`, at most `60s`. The "
    "response is the new one as soon as it differs, else 304. A wait ends with 401 when the token expires."
)

TIME_DESCRIPTION = (
    "The topology as it was at this time: RFC 3339, Unix seconds, or a duration before now such as `-1h30m`. Fractions "
    "of a second are cut off. Empty: the current topology. It cannot be combined with `wait`."
)

LABELS_DESCRIPTION = "A label selector in the Kubernetes syntax, for the labels of nodes."

CONTINUE_DESCRIPTION = (
    "The `continueToken` of the previous page; empty for the first page. All pages show the topology of the first one. "
    "It is kept for a minute after each page, if it is not too large. After that the response is 410: start again with "
    "the first page."
)

_OPTIONAL_TOKEN: list[OpenApiObject] = [{}, {"token": []}]

_CHALLENGE_HEADERS = {
    "WWW-Authenticate": {"description": "Bearer, and the error code of RFC 6750", "schema": {"type": "string"}}
}

_RETRY_AFTER_HEADERS = {
    "Retry-After": {"description": "Seconds after which to try again", "schema": {"type": "integer"}}
}

_ERROR_HEADERS: Mapping[int, OpenApiObject] = {
    401: _CHALLENGE_HEADERS,
    403: _CHALLENGE_HEADERS,
    429: _RETRY_AFTER_HEADERS,
    503: _RETRY_AFTER_HEADERS,
}

_SNAPSHOT_HEADERS = {
    "ETag": {
        "description": (
            "Identifies the content: it changes only if the objects and fields of this response do. It is weak for "
            "lists, because it does not cover their `version`."
        ),
        "schema": {"type": "string"},
    },
    "X-Topology-Version": {"description": "The same for the same content", "schema": {"type": "string"}},
    "Age": {"description": "Seconds since the oldest query result in it was requested", "schema": {"type": "integer"}},
    "X-Topology-Time": {
        "description": "The time at which the queries were evaluated, in whole seconds",
        "schema": {"type": "string", "format": "date-time"},
    },
    "X-Topology-Complete": {
        "description": (
            "`false` if measured data is missing or old: a query failed, an old result is used, the upstream warned, "
            "samples were left out, or clusters or nodes disappeared. `/api/v1/quality` has the details."
        ),
        "schema": {"type": "string", "enum": ["true", "false"]},
    },
}

_STATIC_HEADERS = {
    "ETag": {
        "description": "Identifies the content, which changes only with the version of the program",
        "schema": {"type": "string"},
    }
}

_NOT_MODIFIED = {"description": "The response is still the one that If-None-Match names"}

_CACHE_CONTROL_PARAMETER = {
    "name": "Cache-Control",
    "in": "header",
    "required": False,
    "description": "`no-cache` waits for a refresh, if the last one ended long enough ago.",
    "schema": {"type": "string"},
    "example": "no-cache",
}

_IF_NONE_MATCH_PARAMETER = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "The ETag of a known response. If that has not changed since, the response is 304.",
    "schema": {"type": "string"},
    "example": '"0f8c2f1f1c2b4d52a9f7a7f0b3c6d9e1-1.2.5"',
}

# What FastAPI adds to the description of a request whose response depends on the snapshot, or on nothing.
_SNAPSHOT_REQUEST = {"security": _OPTIONAL_TOKEN, "parameters": [_CACHE_CONTROL_PARAMETER, _IF_NONE_MATCH_PARAMETER]}
_STATIC_REQUEST = {"security": _OPTIONAL_TOKEN, "parameters": [_IF_NONE_MATCH_PARAMETER]}

_READY_SCHEMA = {"type": "object", "properties": {"status": {"type": "string"}}, "required": ["status"]}


def build_schemas() -> dict[str, Schema]:
    """Return all schemas by name."""
    schemas: dict[str, Schema] = {}
    _add_message(schemas, get_descriptor(pb.Topology), _V1_PREFIX)
    for kind in ObjectKind:
        _add_message(schemas, get_descriptor(kind.list_response_type), _V1_PREFIX)
    _add_message(schemas, get_descriptor(pb.Quality), "")
    for message in (pb.FindCandidatesRequest, pb.FindCandidatesResponse):
        _add_message(schemas, get_descriptor(message), _V1_PREFIX)
    candidates.restrict_request_schemas(schemas, _V1_PREFIX)
    return {
        **schemas,
        **graph.build_graph_schemas(),
        **summary.build_summary_schemas(),
        **search.build_search_schemas(),
        **diff.build_diff_schemas(_V1_PREFIX),
        **_build_legacy_schemas(),
        "Error": {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]},
        "Problem": _build_problem_schema(),
    }


def _build_legacy_schemas() -> dict[str, Schema]:
    """Return the schemas of both legacy layouts. Their published names lack the prefix that the classes have."""
    _, schemas = msgspec.json.schema_components(
        [LegacyDocument, LegacyDocument2025], ref_template="#/components/schemas/{name}"
    )
    text = re.sub(r'"(#/components/schemas/)?Legacy(\w+)"', r'"\1\2"', json.dumps(schemas))
    published_schemas: dict[str, Schema] = json.loads(text)
    return published_schemas


def reference_schema(name: str) -> Schema:
    """Return a reference to a schema."""
    return {"$ref": f"#/components/schemas/{name}"}


def reference_resource(resource: Resource) -> Schema:
    """Return a reference to the schema of the response to a lookup."""
    message_type = (
        resource.message_type if resource.is_single or resource.kind is None else resource.kind.list_response_type
    )
    return reference_schema(_V1_PREFIX + message_type.DESCRIPTOR.name)


def _add_message(schemas: dict[str, Schema], message: Descriptor, prefix: str) -> None:
    """Add the schema of a message and of the messages in it."""
    name = prefix + message.name
    if name in schemas:
        return
    schemas[name] = {"title": message.name, "type": "object"}
    properties = {
        field.json_name: _build_field_schema(schemas, field, prefix) for field in list_descriptor_fields(message)
    }
    schemas[name] |= build_object_schema(message.name, properties, required=())


def _build_field_schema(schemas: dict[str, Schema], field: FieldDescriptor, prefix: str) -> Schema:
    if is_map_field(field):
        assert field.message_type is not None  # noqa: S101 - maps are messages
        value = field.message_type.fields_by_name["value"]
        return {"type": "object", "additionalProperties": _build_field_schema(schemas, value, prefix)}
    item_schema = _build_value_schema(schemas, field, prefix)
    return {"type": "array", "items": item_schema} if field.is_repeated else item_schema


def _build_value_schema(schemas: dict[str, Schema], field: FieldDescriptor, prefix: str) -> Schema:
    if is_timestamp_field(field):
        return {"type": "string", "format": "date-time"}
    if field.message_type is not None:
        _add_message(schemas, field.message_type, prefix)
        return reference_schema(prefix + field.message_type.name)
    if field.enum_type is not None:
        return {"type": "string", "enum": [value.name for value in field.enum_type.values]}
    return dict(_SCHEMAS_BY_TYPE[field.type])


def _build_problem_schema() -> Schema:
    texts = {"type": "array", "items": {"type": "string"}}
    properties = {
        "type": {"type": "string", "enum": [PROBLEM_TYPE_BASE_URL + kind for kind, _ in PROBLEM_TYPES.values()]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "parameter": {"type": "string"},
        "allowed": texts,
        "nearest": texts,
        "version": {"type": "string"},
    }
    required = ("type", "title", "status", "detail")
    return build_object_schema("Problem", properties, required, "A problem document, RFC 9457.")


# --- parameters of lookups


def describe_name(name: str, description: str) -> Any:
    """Return the declaration of a name in a path."""
    return Path(
        description=f"{description}. Percent-encoded, it can contain any character: write a slash as `%2F`.",
        openapi_examples={name: {"value": EXAMPLE_NAMES[name]}},
    )


def describe_filter(kind: ObjectKind) -> str:
    """Return the description of `filter`."""
    names = ", ".join(f"`{name}`" for name in list_filter_field_names(kind))
    return (
        f"Up to {MAX_REQUIREMENTS} comma-separated requirements on the {kind.value}, in the filter language of the tag "
        f"`{LOOKUP_TAG}`. Fields: {names}."
    )


def describe_fields(resource: Resource) -> str:
    """Return the description of `fields`."""
    names = ", ".join(f"`{each.name}`" for each in list_descriptor_fields(get_descriptor(resource.message_type)))
    return (
        "The fields to return: comma-separated paths as in FieldMask, with the names of the .proto file or of JSON: "
        f"{names}. A path can continue into nested objects: `interfaces.addresses.ip`. The default is all fields."
    )


def describe_depth(resource: Resource) -> str:
    """Return the description of `depth`."""
    levels = {1: "1: clusters only", 2: "2: also nodes and pods, without their children", 3: "3: everything"}
    default = "1, or 3 with `fields`" if resource is Resource.CLUSTERS else "3"
    described = "; ".join(levels[each] for each in resource.supported_depths)
    return f"How many levels to return: {described}. The default is {default}."


# --- operations of FastAPI routes


def describe_lookup(path: str, resource: Resource, parameters: Sequence[str], summary: str) -> dict[str, Any]:
    """Return the arguments of FastAPI's decorator for a lookup at a path below /api/v1."""
    content = {"schema": reference_resource(resource), "example": RESPONSE_EXAMPLES[resource]}
    problems = build_problem_examples(path, resource, parameters)
    name = "_".join(segment.strip("{}") for segment in path.split("/"))
    return {
        "tags": [LOOKUP_TAG],
        "summary": summary,
        "operation_id": f"v1_{name}",
        "response_class": Response,
        "responses": _describe_snapshot_responses(summary, content, problems),
        "openapi_extra": _SNAPSHOT_REQUEST,
    }


def describe_candidates() -> dict[str, Any]:
    """Return the arguments of FastAPI's decorator for the search for candidates."""
    ok = {
        "description": "The candidates, best first, and why other nodes are rejected",
        "headers": {name: header for name, header in _SNAPSHOT_HEADERS.items() if name != "ETag"},
        "content": {
            "application/json": {
                "schema": reference_schema(f"{_V1_PREFIX}FindCandidatesResponse"),
                "example": candidates.RESPONSE_EXAMPLE,
            }
        },
    }
    body = {
        "schema": reference_schema(f"{_V1_PREFIX}FindCandidatesRequest"),
        "examples": {name: {"value": value} for name, value in candidates.REQUEST_EXAMPLES.items()},
    }
    problems = candidates.PROBLEM_EXAMPLES
    return {
        "tags": ["candidates"],
        "summary": "The nodes on which a workload fits",
        "operation_id": "v1_candidates",
        "response_class": Response,
        "responses": {
            200: ok,
            **{status: _describe_problem(status, problems[status]) for status in sorted(problems)},
        },
        "openapi_extra": {
            "security": _OPTIONAL_TOKEN,
            "parameters": [_CACHE_CONTROL_PARAMETER],
            "requestBody": {
                "description": "What the workload needs. Names may also be those of the proto: `cpu_cores`.",
                "content": {"application/json": body},
            },
        },
    }


def describe_summary(kind: ObjectKind, parameters: Sequence[str]) -> dict[str, Any]:
    """Return the arguments of FastAPI's decorator for the summary of a kind."""
    path = summary.SUMMARY_PATHS[kind]
    content = {"schema": reference_schema(summary.name_schema(kind)), "example": summary.build_summary_example(kind)}
    summary_text = f"The {kind.value} as columns"
    examples = build_problem_examples(path[1:], Resource[kind.name], parameters)
    # A summary has no pages.
    problems = {status: problem for status, problem in examples.items() if status != 410}
    return {
        "tags": [summary.SUMMARY_TAG],
        "summary": summary_text,
        "operation_id": f"v1{path.replace('/', '_')}",
        "response_class": Response,
        "responses": _describe_snapshot_responses(summary_text, content, problems),
        "openapi_extra": _SNAPSHOT_REQUEST,
    }


def describe_search(parameters: Sequence[str]) -> dict[str, Any]:
    """Return the arguments of FastAPI's decorator for searches."""
    summary_text = "The objects that contain a text"
    content = {"schema": reference_schema("SearchResult"), "example": search.SEARCH_EXAMPLE}
    problems = search.build_search_problem_examples(parameters)
    return {
        "tags": [search.SEARCH_TAG],
        "summary": summary_text,
        "operation_id": "v1_search",
        "response_class": Response,
        "responses": _describe_snapshot_responses(summary_text, content, problems),
        "openapi_extra": _SNAPSHOT_REQUEST,
    }


def describe_watch(parameters: Sequence[str]) -> dict[str, Any]:
    """Return the arguments of FastAPI's decorator for the watch."""
    summary_text = "A snapshot and then changes"
    problems = watch.build_watch_problem_examples(parameters)
    return {
        "tags": [watch.WATCH_TAG],
        "summary": summary_text,
        "operation_id": "v1_watch",
        "response_class": Response,
        "responses": {
            200: {
                "description": f"{summary_text}, as server-sent events; the response has no end",
                "content": {
                    EVENT_STREAM: {
                        "schema": dict(watch.EVENT_SCHEMA),
                        "examples": {name: {"value": dict(event)} for name, event in watch.EVENT_EXAMPLES.items()},
                    }
                },
            },
            **{status: _describe_problem(status, problems[status]) for status in sorted(problems)},
        },
        "openapi_extra": {"security": _OPTIONAL_TOKEN},
    }


def describe_diff(parameters: Sequence[str]) -> dict[str, Any]:
    """Return the arguments of FastAPI's decorator for differences."""
    summary_text = "What changed between two times"
    content = {"schema": reference_schema("Diff"), "example": diff.DIFF_EXAMPLE}
    problems = diff.build_diff_problem_examples(parameters)
    return {
        "tags": [diff.DIFF_TAG],
        "summary": summary_text,
        "operation_id": "v1_diff",
        "response_class": Response,
        "responses": {
            200: {
                "description": summary_text,
                "headers": _SNAPSHOT_HEADERS,
                "content": {"application/json": content},
            },
            304: _NOT_MODIFIED,
            **{status: _describe_problem(status, problems[status]) for status in sorted(problems)},
        },
        "openapi_extra": {
            "security": _OPTIONAL_TOKEN,
            "parameters": [_CACHE_CONTROL_PARAMETER, _IF_NONE_MATCH_PARAMETER],
        },
    }


def describe_fields_of_filters(kind: ObjectKind) -> dict[str, Any]:
    """Return the arguments of FastAPI's decorator for the fields that filters of a kind can name."""
    path = search.FIELDS_PATHS[kind]
    content = {"schema": reference_schema("FilterFields"), "example": search.build_fields_example(kind)}
    problems = search.build_fields_problem_examples(kind)
    return {
        "tags": [search.FIELDS_TAG],
        "summary": f"The fields that a filter of {kind.value} can name",
        "description": "They change only with the version of the program.",
        "operation_id": f"v1{path.replace('/', '_')}",
        "response_class": Response,
        "responses": _describe_static_responses("The fields", content, problems),
        "openapi_extra": _STATIC_REQUEST,
    }


def describe_graph(path: str, parameters: Sequence[str], summary: str) -> dict[str, Any]:
    """Return the arguments of FastAPI's decorator for a graph at a path below /api/v1."""
    content = {"schema": reference_schema("Graph"), "example": graph.RESPONSE_EXAMPLE}
    problems = {
        **graph.build_graph_problem_examples(path, parameters),
        404: graph.build_cluster_problem_examples(path),
    }
    return {
        **_describe_graph_operation(path, summary),
        "responses": _describe_snapshot_responses(summary, content, problems),
        "openapi_extra": _SNAPSHOT_REQUEST,
    }


def describe_graph_fields(parameters: Sequence[str]) -> dict[str, Any]:
    """Return the arguments of FastAPI's decorator for the fields of a graph."""
    summary = "The fields of the graph"
    content = {"schema": reference_schema("GraphFields"), "example": graph.FIELDS_EXAMPLE}
    examples = graph.build_graph_problem_examples(graph.FIELDS_PATH, parameters)
    problems = {status: examples[status] for status in (400, 401, 403)}
    return {
        **_describe_graph_operation(graph.FIELDS_PATH, summary),
        "responses": _describe_static_responses(summary, content, problems),
        "openapi_extra": _STATIC_REQUEST,
    }


def describe_graph_health() -> dict[str, Any]:
    """Return the arguments of FastAPI's decorator for the health of the graph."""
    summary = "Whether there is a graph"
    content = {"schema": _READY_SCHEMA, "example": graph.HEALTH_EXAMPLE}
    unknown_parameter = build_example(
        {"unknown parameter": f"GET {API_V1_PATH}{graph.HEALTH_PATH}?colour=blue"},
        build_problem(build_unknown_parameter_error("colour", ())),
    )
    problems = {400: unknown_parameter, **COMMON_PROBLEM_EXAMPLES}
    return {
        **_describe_graph_operation(graph.HEALTH_PATH, summary),
        "responses": {
            200: {"description": "There is a graph", "content": {"application/json": content}},
            **{status: _describe_problem(status, problems[status]) for status in sorted(problems)},
        },
        "openapi_extra": {"security": _OPTIONAL_TOKEN},
    }


def _describe_snapshot_responses(description: str, content: OpenApiObject, problems: Problems) -> Responses:
    """Return the responses that are made from a snapshot: with its headers, not modified, and problems."""
    return _describe_conditional_responses(description, _SNAPSHOT_HEADERS, content, problems)


def _describe_static_responses(description: str, content: OpenApiObject, problems: Problems) -> Responses:
    """Return the responses with a body that does not change while the process runs."""
    return _describe_conditional_responses(description, _STATIC_HEADERS, content, problems)


def _describe_conditional_responses(
    description: str, headers: OpenApiObject, content: OpenApiObject, problems: Problems
) -> Responses:
    return {
        200: {"description": description, "headers": headers, "content": {"application/json": content}},
        304: _NOT_MODIFIED,
        **{status: _describe_problem(status, problems[status]) for status in sorted(problems)},
    }


def _describe_graph_operation(path: str, summary: str) -> dict[str, Any]:
    return {
        "tags": [graph.GRAPH_TAG],
        "summary": summary,
        "operation_id": f"v1{path.replace('/', '_')}",
        "response_class": Response,
    }


def describe_quality(parameters: Sequence[str]) -> dict[str, Any]:
    """Return the arguments of FastAPI's decorator for the quality."""
    content = {"schema": reference_schema("Quality"), "example": json.loads(render_quality_json(QUALITY_EXAMPLE))}
    unknown_parameter = build_example(
        {"unknown parameter": f"GET {API_V1_PATH}/quality?colour=blue"},
        build_problem(build_unknown_parameter_error("colour", parameters)),
    )
    return {
        "tags": ["quality"],
        "summary": "The result of each query, and what is missing",
        "operation_id": "v1_quality",
        "response_class": Response,
        "responses": {
            200: {"description": "The quality of the refresh", "content": {"application/json": content}},
            400: _describe_problem(400, unknown_parameter),
            401: _describe_problem(401, COMMON_PROBLEM_EXAMPLES[401]),
            403: _describe_problem(403, COMMON_PROBLEM_EXAMPLES[403]),
            404: _describe_problem(404, build_no_data_example(f"GET {API_V1_PATH}/quality")),
            503: _describe_problem(503, build_example(NO_KEYS_SCENARIO, build_problem(KeysUnavailableError("keys")))),
        },
        "openapi_extra": {"security": _OPTIONAL_TOKEN},
    }


def describe_metrics() -> dict[str, Any]:
    """Return the arguments of FastAPI's decorator for the metrics."""
    example = 'aggregator_topology_objects{kind="node"} 200.0\n'
    no_keys = build_example(NO_KEYS_SCENARIO, _build_error_body(KeysUnavailableError("keys")))
    return {
        "tags": ["metrics"],
        "response_class": Response,
        "responses": {
            200: {
                "description": "All metrics",
                "content": {"text/plain": {"schema": {"type": "string"}, "example": example}},
            },
            **_describe_refusals(),
            503: _describe_error("No keys to verify the token", no_keys, _RETRY_AFTER_HEADERS),
        },
        "openapi_extra": {"security": _OPTIONAL_TOKEN},
    }


READYZ_RESPONSES: Responses = {
    200: {
        "description": "Ready",
        "content": {"application/json": {"schema": _READY_SCHEMA, "example": {"status": "ready"}}},
    },
    503: {
        "description": "No topology, no keys to verify tokens, or shutting down",
        "content": {
            "application/json": {
                "schema": reference_schema("Error"),
                "examples": build_example(NO_TOPOLOGY_SCENARIO, {"error": NO_TOPOLOGY_MESSAGE}),
            }
        },
    },
}


def _describe_problem(status: int, examples: OpenApiExamples) -> OpenApiObject:
    return {
        "description": PROBLEM_TYPES[status][1],
        **_describe_headers(_ERROR_HEADERS.get(status, {})),
        "content": {PROBLEM_CONTENT_TYPE: {"schema": reference_schema("Problem"), "examples": dict(examples)}},
    }


def _describe_error(description: str, examples: OpenApiExamples, headers: OpenApiObject | None = None) -> OpenApiObject:
    return {
        "description": description,
        **_describe_headers(headers or {}),
        "content": {"application/json": {"schema": reference_schema("Error"), "examples": dict(examples)}},
    }


def _describe_headers(headers: Mapping[str, Any]) -> OpenApiObject:
    return {"headers": dict(headers)} if headers else {}


def _describe_refusals() -> Responses:
    return {
        401: _describe_error(
            "The token is missing or invalid",
            build_example(NO_TOKEN_SCENARIO, _build_error_body(UnauthenticatedError("no token"))),
            _CHALLENGE_HEADERS,
        ),
        403: _describe_error(
            "The token is valid, but has no role that grants access",
            build_example(NO_ROLE_SCENARIO, _build_error_body(PermissionDeniedError("role"))),
            _CHALLENGE_HEADERS,
        ),
    }


def _build_error_body(error: Exception) -> dict[str, str]:
    return {"error": get_error_message(error)}


# --- the document


def complete_document(document: OpenApiObject) -> OpenApiObject:
    """Return the document of FastAPI with schemas, security and the legacy topology, which FastAPI does not serve."""
    for operations in document["paths"].values():
        for operation in operations.values():
            _complete_operation(operation)
    document["components"] = {
        "schemas": build_schemas(),
        "securitySchemes": {
            "token": {
                "type": "http",
                "scheme": "bearer",
                "bearerFormat": "JWT",
                "description": (
                    "A Keycloak access token; required only if KEY, ISSUER or JWKS_URL is set. With CLUSTER_ROLES, "
                    "a response contains only the clusters that the roles of the token grant."
                ),
            }
        },
    }
    document["tags"] = [{"name": LOOKUP_TAG, "description": FILTER_LANGUAGE_DESCRIPTION}]
    topology = {method: _build_topology_operation(method) for method in ("get", "head", "post")}
    catch_all = {method: _build_catch_all_operation(method, operation) for method, operation in topology.items()}
    document["paths"] = {"/": topology, **document["paths"], CATCH_ALL_PATH: catch_all}
    document["openapi"] = "3.1.0"
    return document


def _complete_operation(operation: OpenApiObject) -> None:
    """Replace what FastAPI assumes: 422 for invalid parameters, titles of schemas, examples inside of schemas."""
    operation["responses"].pop("422", None)
    for parameter in operation.get("parameters", ()):
        schema = parameter["schema"]
        for redundant in ("title", "description", "default"):
            schema.pop(redundant, None)
        values = schema.pop("examples", ())
        if values:
            name = parameter["name"]
            parameter["examples"] = {f"{name} {number}": {"value": value} for number, value in enumerate(values, 1)}


def _build_topology_operation(method: str) -> OpenApiObject:
    schemas = [reference_schema("Document"), reference_schema("Document2025")]
    # Not oneOf: a document that has no member of one layout alone is valid in both.
    body = {"schema": {"anyOf": schemas}, "example": LEGACY_EXAMPLE}
    content = {} if method == "head" else {"content": {"application/json": body}}
    return {
        "tags": ["topology"],
        "summary": "The whole topology",
        "description": (
            "Clusters with their nodes, pods and containers, in the format of the Go service 1.2.5. "
            "A value that is unknown or zero is left out."
        ),
        "operationId": f"topology_{method}",
        "security": _OPTIONAL_TOKEN,
        "parameters": [
            {
                "name": "layout",
                "in": "query",
                "required": False,
                "description": "The layout; the default is the setting LAYOUT.",
                "schema": {"type": "string", "enum": [*LAYOUTS, ""]},
                "example": LAYOUTS[0],
            },
            _CACHE_CONTROL_PARAMETER,
            _IF_NONE_MATCH_PARAMETER,
            {
                "name": "wait",
                "in": "query",
                "required": False,
                "description": WAIT_DESCRIPTION,
                "schema": {"type": "string", "pattern": f"^({WAIT_PATTERN})?$"},
                "example": "1s",
            },
            {
                "name": TIME_PARAMETER,
                "in": "query",
                "required": False,
                "description": TIME_DESCRIPTION,
                "schema": {"type": "string", "pattern": f"^({INSTANT_PATTERN})?$"},
                "example": TIME_EXAMPLES[0],
            },
        ],
        "responses": {
            "200": {"description": "The topology", "headers": _SNAPSHOT_HEADERS, **content},
            **({} if method == "post" else {"304": _NOT_MODIFIED}),
            **_describe_topology_errors(method),
        },
    }


def _describe_topology_errors(method: str) -> OpenApiObject:
    invalid_examples = {
        **build_example({"invalid layout": f"{method.upper()} /?layout=3000"}, _capture(validate_layout, "3000")),
        **build_example({"invalid wait": f"{method.upper()} /?wait=1h"}, _capture(parse_wait_seconds, "1h")),
    }
    no_data_example = build_example(
        {"no data at this time": f"{method.upper()} /?{TIME_PARAMETER}=0"},
        _build_error_body(build_no_data_error(0, TIME_PARAMETER)),
    )
    unavailable_examples = {
        **build_example(NO_TOPOLOGY_SCENARIO, {"error": NO_TOPOLOGY_MESSAGE}),
        **build_example(NO_KEYS_SCENARIO, _build_error_body(KeysUnavailableError("keys"))),
    }
    return {
        "400": _describe_error("`layout`, `wait` or `time` is invalid", invalid_examples),
        **{str(status): response for status, response in _describe_refusals().items()},
        "404": _describe_error("There are no data at this time", no_data_example),
        "503": _describe_error(
            "No topology is available, or no keys to verify the token", unavailable_examples, _RETRY_AFTER_HEADERS
        ),
    }


def _capture(check: Any, text: str) -> dict[str, str]:
    """Return the error body for an invalid value, from the function that refuses it."""
    try:
        check(text)
    except RequestError as error:
        return _build_error_body(error)
    raise AssertionError(text)


def _build_catch_all_operation(method: str, operation: OpenApiObject) -> OpenApiObject:
    """Return the topology operation on every path that the document does not list."""
    not_found = build_example({"unknown path": f"{method.upper()} /docs/nothing"}, {"error": PATH_NOT_FOUND_MESSAGE})
    reserved = "|".join(each.path.removeprefix("/").replace(".", "[.]") for each in RESERVED_PATHS)
    path = {
        "name": "path",
        "in": "path",
        "required": True,
        "description": "Any path that is not reserved. Below reserved paths, unknown paths get 404.",
        "schema": {"type": "string", "pattern": rf"^(?!({reserved})(/|$))[\s\S]+$"},
        "example": "aggregator",
    }
    return operation | {
        "summary": "The same at any other path",
        "operationId": f"{operation['operationId']}_at_any_path",
        "parameters": [path, *operation["parameters"]],
        "responses": operation["responses"]
        | {"404": _describe_error("This reserved path does not exist, or there are no data at this time", not_found)},
    }
