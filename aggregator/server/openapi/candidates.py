"""The description of POST /api/v1/candidates: the schema of its request with all limits, and examples."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from aggregator.errors import RequestError, RequestTooLargeError, VersionMismatchError
from aggregator.lookup.candidates.request import (
    ALLOWED_WORDS,
    MAX_REPEATED,
    MAX_TEXT_CHARACTERS,
    NUMBER_BOUNDS,
    validate_request,
)
from aggregator.lookup.candidates.scheduling import EQUAL_TOLERATION, EXISTS_TOLERATION
from aggregator.lookup.candidates.search import VERSION_MISMATCH_MESSAGE
from aggregator.lookup.fields import get_descriptor, list_descriptor_fields
from aggregator.lookup.instants import TIME_PARAMETER
from aggregator.pb.aggregator.v1 import topology_pb2 as pb
from aggregator.server.http.json_body import TOO_LARGE_MESSAGE, parse_json_message
from aggregator.server.http.responses import API_V1_PATH, build_problem, build_unknown_parameter_error
from aggregator.server.openapi.examples import (
    COMMON_PROBLEM_EXAMPLES,
    OpenApiExamples,
    build_example,
    build_no_data_example,
)
from aggregator.server.openapi.schemas import build_object_schema
from aggregator.views.v1_format import is_map_field

CANDIDATES_PATH = "/candidates"
TOO_LARGE_SCENARIO = {"too large": "with a body that is too large"}

REQUEST_EXAMPLES: Mapping[str, Any] = {
    "CPU and memory": {"cpuCores": 0.5, "memoryBytes": "268435456"},
    "by scheduling rules": {
        "cpuCores": 0.5,
        "architecture": "amd64",
        "labelExpressions": [{"key": "region", "operator": "In", "values": ["north", "south"]}],
        "tolerations": [{"key": "node-role.kubernetes.io/control-plane", "operator": "Exists"}],
    },
    "near Athens": {
        "near": {"latitude": 37.98, "longitude": 23.73, "maxDistanceKm": 500},
        "ranking": {"distance": 2, "freeMemory": 1},
        "limit": 3,
        "rejectedLimit": 0,
    },
    "one node of each cluster": {"memoryBytes": "268435456", "maxPerCluster": 1, "ranking": {"freeCpu": 1}},
}

RESPONSE_EXAMPLE: Mapping[str, Any] = {
    "version": "9a1f5c1e8d7b4f60a3c2b1d0e9f8a7b6",
    "candidates": [
        {
            "id": "cd613e30-d8f1-4adf-91b7-584a2265b1f5/b2221a58008a05a6c4647159c324c985",
            "cluster": "icos-south",
            "node": "athens-master",
            "score": 0.539,
            "scores": {"freeCpu": 0.662, "freeMemory": 0.416, "spread": 1},
            "freeCpuCores": 3.148,
            "freeCpuSource": "FREE_SOURCE_MEASURED",
            "freeMemoryBytes": "7415291904",
            "freeMemorySource": "FREE_SOURCE_MEASURED",
            "avoidedTaints": 0,
        }
    ],
    "rejected": [
        {
            "id": "08c66cd5-0000-4336-99c8-a71d80fa9b65/k8s-edge",
            "cluster": "icos-north",
            "node": "k8s-edge",
            "reasons": [
                {
                    "reason": "REJECTION_REASON_INSUFFICIENT_CPU",
                    "detail": "needs at least 0.5 free CPU cores, has 0.32",
                    "required": 0.5,
                    "actual": 0.32,
                }
            ],
        }
    ],
    "totals": {
        "nodes": "2",
        "candidates": "1",
        "rejected": "1",
        "reasons": [{"reason": "REJECTION_REASON_INSUFFICIENT_CPU", "nodes": "1"}],
    },
}

_REQUEST_MESSAGES = (pb.FindCandidatesRequest, pb.Near, pb.Ranking, pb.LabelExpression, pb.Toleration)
_UNKNOWN_FIELD_BODY = {"cpuCore": 1}
_INVALID_VALUE_BODY = {"labelExpressions": [{"key": "region", "operator": "Equal", "values": ["south"]}]}
_OTHER_VERSION_BODY = {"ifVersion": "0" * 32}

_TEXT = {"type": "string", "maxLength": MAX_TEXT_CHARACTERS}
_REQUIRED_TEXT = {**_TEXT, "minLength": 1}
_EMPTY_TEXT = {"type": "string", "maxLength": 0}
_INTEGER_TEXT = {"type": "string", "pattern": "^[+-]?[0-9]{1,19}$"}
_TEXTS = {"type": "array", "items": _TEXT, "maxItems": MAX_REPEATED}
# Which properties belong together.
_LABEL_EXPRESSIONS: Sequence[Mapping[str, Any]] = (
    {
        "key": _REQUIRED_TEXT,
        "operator": {"type": "string", "enum": ["In", "NotIn"]},
        "values": {**_TEXTS, "minItems": 1},
    },
    {
        "key": _REQUIRED_TEXT,
        "operator": {"type": "string", "enum": ["Exists", "DoesNotExist"]},
        "values": {**_TEXTS, "maxItems": 0},
    },
    {
        "key": _REQUIRED_TEXT,
        "operator": {"type": "string", "enum": ["Gt", "Lt"]},
        "values": {"type": "array", "items": _INTEGER_TEXT, "minItems": 1, "maxItems": 1},
    },
)
_TOLERATIONS: Sequence[Mapping[str, Any]] = (
    {"key": _TEXT, "operator": {"type": "string", "enum": [EXISTS_TOLERATION]}, "value": _EMPTY_TEXT},
    {"key": _REQUIRED_TEXT, "operator": {"type": "string", "enum": [EQUAL_TOLERATION]}},
    {"key": _REQUIRED_TEXT, "operator": _EMPTY_TEXT},
)


def restrict_request_schemas(schemas: dict[str, Any], prefix: str) -> None:
    """Add the limits of a request to the schemas of its messages."""
    for message in map(get_descriptor, _REQUEST_MESSAGES):
        properties = schemas[f"{prefix}{message.name}"]["properties"]
        for field in list_descriptor_fields(message):
            properties[field.json_name] = _restrict_property(message.name, field, properties[field.json_name])
    schemas[f"{prefix}Near"]["required"] = ["latitude", "longitude"]
    expression, toleration = schemas[f"{prefix}LabelExpression"], schemas[f"{prefix}Toleration"]
    schemas[f"{prefix}LabelExpression"] = _list_alternatives(expression, _LABEL_EXPRESSIONS)
    schemas[f"{prefix}Toleration"] = _list_alternatives(toleration, _TOLERATIONS)


def _restrict_property(message: str, field: FieldDescriptor, schema: dict[str, Any]) -> dict[str, Any]:
    if is_map_field(field):
        names = {"minLength": 1, "maxLength": MAX_TEXT_CHARACTERS}
        return {**schema, "additionalProperties": _TEXT, "propertyNames": names, "maxProperties": MAX_REPEATED}
    if field.is_repeated:
        items = schema["items"] if field.message_type is not None else _TEXT
        return {**schema, "items": items, "maxItems": MAX_REPEATED}
    if field.message_type is not None:
        return schema
    if field.type == FieldDescriptor.TYPE_STRING:
        words = ALLOWED_WORDS.get((message, field.name))
        return {"type": "string", "enum": [*words, ""]} if words else dict(_TEXT)
    low, high = NUMBER_BOUNDS[message, field.name]
    if field.type != FieldDescriptor.TYPE_INT64:
        return {**schema, "minimum": low, "maximum": high}
    sign, digits = "-?" if low < 0 else "", len(str(int(high)))
    as_text = {"type": "string", "pattern": f"^{sign}([0-9]{{1,{digits - 1}}}|{int(high)})$"}
    return {"anyOf": [as_text, {"type": "integer", "minimum": low, "maximum": high}]}


def _list_alternatives(schema: dict[str, Any], alternatives: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a schema of objects that are like one of the alternatives."""
    choices = [
        build_object_schema(
            "",
            {**schema["properties"], **alternative},
            required=[name for name, value in alternative.items() if value.keys() & {"enum", "minLength", "minItems"}],
        )
        for alternative in alternatives
    ]
    return {"title": schema["title"], "anyOf": choices}


def _capture(body: Any) -> RequestError:
    """Return the error for an invalid body."""
    try:
        validate_request(parse_json_message(json.dumps(body).encode(), pb.FindCandidatesRequest))
    except RequestError as error:
        return error
    raise AssertionError(body)


def _build_body_example(name: str, error: RequestError, body: Any) -> OpenApiExamples:
    return build_example({name: f"POST {API_V1_PATH}{CANDIDATES_PATH} {json.dumps(body)}"}, build_problem(error))


PROBLEM_EXAMPLES: Mapping[int, OpenApiExamples] = {
    400: {
        **build_example(
            {"unknown parameter": f"POST {API_V1_PATH}{CANDIDATES_PATH}?colour=blue"},
            build_problem(build_unknown_parameter_error("colour", (TIME_PARAMETER,))),
        ),
        **_build_body_example("unknown field", _capture(_UNKNOWN_FIELD_BODY), _UNKNOWN_FIELD_BODY),
        **_build_body_example("invalid value", _capture(_INVALID_VALUE_BODY), _INVALID_VALUE_BODY),
    },
    404: build_no_data_example(f"POST {API_V1_PATH}{CANDIDATES_PATH}"),
    412: _build_body_example(
        "another version",
        VersionMismatchError(VERSION_MISMATCH_MESSAGE, parameter="if_version", version=RESPONSE_EXAMPLE["version"]),
        _OTHER_VERSION_BODY,
    ),
    413: build_example(TOO_LARGE_SCENARIO, build_problem(RequestTooLargeError(TOO_LARGE_MESSAGE))),
    **COMMON_PROBLEM_EXAMPLES,
}
