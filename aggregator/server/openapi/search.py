"""The description of GET /api/v1/search and of GET /api/v1/fields/{kind}: schemas, parameters and examples."""

from collections.abc import Mapping, Sequence
from typing import Any

from aggregator.errors import RequestError
from aggregator.lookup.fields import (
    FieldType,
    FilterField,
    ObjectKind,
    find_filter_field,
    list_filter_field_names,
)
from aggregator.lookup.filter import BOOLEAN_LITERALS, list_operators
from aggregator.lookup.problems import ObjectHealth
from aggregator.lookup.request import check_limit
from aggregator.lookup.search import (
    DEFAULT_SEARCH_LIMIT,
    MAX_QUERY_CHARACTERS,
    MAX_SEARCH_LIMIT,
    SEARCHED_KINDS,
)
from aggregator.server.http.responses import API_V1_PATH, build_problem, build_unknown_parameter_error
from aggregator.server.openapi.examples import (
    COMMON_PROBLEM_EXAMPLES,
    OpenApiExamples,
    build_example,
    build_no_data_example,
)
from aggregator.server.openapi.schemas import build_object_schema

SEARCH_TAG = "search"
SEARCH_PATH = "/search"
FIELDS_TAG = "fields"
FIELDS_PATHS: Mapping[ObjectKind, str] = {kind: f"/fields/{kind.value}" for kind in ObjectKind}

QUERY_DESCRIPTION = (
    f"The text to find, up to {MAX_QUERY_CHARACTERS} characters, in upper or lower case. An empty text finds nothing."
)
QUERY_EXAMPLES = ("athens", "telemetry-agent-cdn6r", "region=south")
LIMIT_DESCRIPTION = (
    f"The maximum number of matches in the response. The default is {DEFAULT_SEARCH_LIMIT}. `totalCount` counts all."
)

SEARCH_EXAMPLE: Mapping[str, Any] = {
    "version": "9a1f5c1e8d7b4f60a3c2b1d0e9f8a7b6",
    "totalCount": 1,
    "matches": [
        {
            "kind": "node",
            "cluster": "icos-south",
            "namespace": "",
            "name": "athens-master",
            "field": "name",
            "value": "athens-master",
            "health": "ok",
        }
    ],
}

_KEY_PLACEHOLDER = "KEY"
_FIELDS_IN_EXAMPLE = 3


def build_search_problem_examples(parameters: Sequence[str]) -> Mapping[int, OpenApiExamples]:
    """Return the examples of all problems of a search, by status."""
    line = f"GET {API_V1_PATH}{SEARCH_PATH}"
    unknown_parameter: RequestError = build_unknown_parameter_error("colour", parameters)
    return {
        400: {
            **build_example({"unknown parameter": f"{line}?colour=blue"}, build_problem(unknown_parameter)),
            **build_example({"invalid limit": f"{line}?limit=0"}, build_problem(_capture_limit_error())),
        },
        404: build_no_data_example(line),
        **COMMON_PROBLEM_EXAMPLES,
    }


def _capture_limit_error() -> RequestError:
    try:
        check_limit(0, MAX_SEARCH_LIMIT)
    except RequestError as error:
        return error
    raise AssertionError("limit=0")


def build_fields_problem_examples(kind: ObjectKind) -> Mapping[int, OpenApiExamples]:
    """Return the examples of all problems with the fields of a kind, by status."""
    line = f"GET {API_V1_PATH}{FIELDS_PATHS[kind]}?colour=blue"
    unknown_parameter = build_example(
        {"unknown parameter": line}, build_problem(build_unknown_parameter_error("colour", ()))
    )
    return {400: unknown_parameter, 401: COMMON_PROBLEM_EXAMPLES[401], 403: COMMON_PROBLEM_EXAMPLES[403]}


# --- fields of filters


def describe_filter_fields(kind: ObjectKind) -> dict[str, Any]:
    """Return the fields that a filter of a kind can name."""
    return {"kind": kind.value, "fields": [_describe_field(kind, name) for name in list_filter_field_names(kind)]}


def _describe_field(kind: ObjectKind, listed_name: str) -> dict[str, Any]:
    field = find_filter_field(kind, listed_name)
    assert field is not None  # noqa: S101 - listed names name a field
    name, _, placeholder = listed_name.rpartition(".")
    is_map = placeholder == _KEY_PLACEHOLDER
    return {
        "name": name if is_map else listed_name,
        "type": field.field_type.name.lower(),
        "isRepeated": field.is_repeated,
        "isMap": is_map,
        "ignoresCase": field.ignores_case,
        "values": _list_values(field),
        "operators": list_operators(field.field_type),
    }


def _list_values(field: FilterField) -> list[str]:
    return list(BOOLEAN_LITERALS if field.field_type is FieldType.BOOLEAN else field.known_values)


def build_fields_example(kind: ObjectKind) -> dict[str, Any]:
    """Return the first fields of a kind."""
    described = describe_filter_fields(kind)
    return {**described, "fields": described["fields"][:_FIELDS_IN_EXAMPLE]}


# --- schemas


def build_search_schemas() -> dict[str, Any]:
    """Return the schemas of both paths by name."""
    text: Mapping[str, Any] = {"type": "string"}
    texts: Mapping[str, Any] = {"type": "array", "items": text}
    match = {
        "kind": {**text, "enum": [kind.singular_name for kind in SEARCHED_KINDS]},
        "cluster": {**text, "description": "The name of the cluster; for a cluster, its own name."},
        "namespace": {**text, "description": "The namespace of a pod; empty for a Docker container and other kinds."},
        "name": text,
        "field": {**text, "description": "The field that matches, by its name in filters, or `problems`."},
        "value": {**text, "description": "The value of this field that matches."},
        "health": {**text, "enum": [each.value for each in ObjectHealth]},
    }
    field = {
        "name": {**text, "description": "The name; a key follows it after a dot if it is a map."},
        "type": {**text, "enum": [each.name.lower() for each in FieldType]},
        "isRepeated": {"type": "boolean", "description": "Whether it can have several values."},
        "isMap": {"type": "boolean", "description": "Whether it has keys. Without a key, the keys are the values."},
        "ignoresCase": {"type": "boolean"},
        "values": {**texts, "description": "All values that it can have, if they are known."},
        "operators": {**texts, "description": "The operators that apply; `!` precedes the name."},
    }
    return {
        "SearchResult": build_object_schema(
            "SearchResult",
            {
                "version": text,
                "totalCount": {"type": "integer", "description": "The number of objects that match."},
                "matches": {"type": "array", "items": {"$ref": "#/components/schemas/SearchMatch"}},
            },
        ),
        "SearchMatch": build_object_schema("SearchMatch", match),
        "FilterFields": build_object_schema(
            "FilterFields",
            {
                "kind": {**text, "enum": [kind.value for kind in ObjectKind]},
                "fields": {"type": "array", "items": {"$ref": "#/components/schemas/FilterField"}},
            },
        ),
        "FilterField": build_object_schema("FilterField", field),
    }
