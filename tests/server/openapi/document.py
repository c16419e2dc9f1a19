"""The OpenAPI document, and how to compare a response with it."""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from aggregator.lookup.request import Resource
from aggregator.server.http.routes import create_api
from tests.support.http_client import ClientResponse

OPENAPI_DOCUMENT: dict[str, Any] = create_api().openapi()
OPERATIONS = [(path, method) for path, methods in OPENAPI_DOCUMENT["paths"].items() for method in methods]
GRAPH_PATHS = [path for path in OPENAPI_DOCUMENT["paths"] if path.startswith("/api/v1/graph")]
SUMMARY_PATHS = [path for path in OPENAPI_DOCUMENT["paths"] if path.startswith("/api/v1/summary/")]
FIELDS_PATHS = [path for path in OPENAPI_DOCUMENT["paths"] if path.startswith("/api/v1/fields/")]
# Its response has no end.
WATCH_PATH = "/api/v1/watch"
DIFF_PATH = "/api/v1/diff"
_OTHER_V1_PATHS = (
    WATCH_PATH,
    DIFF_PATH,
    "/api/v1/quality",
    "/api/v1/search",
    *GRAPH_PATHS,
    *SUMMARY_PATHS,
    *FIELDS_PATHS,
)
# The paths of lookups.
V1_PATHS = [
    path
    for path, methods in OPENAPI_DOCUMENT["paths"].items()
    if path.startswith("/api/v1/") and path not in _OTHER_V1_PATHS and "get" in methods
]
JSON_TYPES: dict[str, Any] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "array": list,
    "object": dict,
    "null": type(None),
}


def resolve_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema that a reference points to."""
    while "$ref" in schema:
        target: Any = OPENAPI_DOCUMENT
        for step in schema["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        schema = target
    return schema


def find_schema_errors(value: Any, schema: dict[str, Any], location: str = "") -> Iterator[str]:
    """Yield where a value violates its schema, or has a member that the schema does not name."""
    schema = resolve_schema(schema)
    if "oneOf" in schema or "anyOf" in schema:
        found = [list(find_schema_errors(value, choice, location)) for choice in schema.get("oneOf") or schema["anyOf"]]
        yield from [] if any(not one for one in found) else found[0]
        return
    json_type = schema.get("type")
    if json_type is None:
        return
    if not isinstance(value, JSON_TYPES[json_type]) or (isinstance(value, bool) and json_type != "boolean"):
        yield f"{location}: is no {json_type}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{location}: is none of {schema['enum']}"
    if "pattern" in schema and not re.search(schema["pattern"], value):
        yield f"{location}: {value} is not like {schema['pattern']}"
    if json_type == "array":
        for number, member in enumerate(value):
            yield from find_schema_errors(member, schema.get("items", {}), f"{location}[{number}]")
    if json_type == "object":
        yield from (f"{location}: has no {name}" for name in schema.get("required", []) if name not in value)
        for name, member in value.items():
            inner = schema.get("properties", {}).get(name) or schema.get("additionalProperties")
            if isinstance(inner, dict):
                yield from find_schema_errors(member, inner, f"{location}/{name}")
            else:
                yield f"{location}: has a {name} that is not documented"


def fill_path(path: str, method: str) -> str:
    """Return a path with example names."""
    for parameter in OPENAPI_DOCUMENT["paths"][path][method].get("parameters", []):
        if parameter["in"] == "path":
            path = path.replace(f"{{{parameter['name']}}}", quote(list_examples(parameter)[0], safe=""))
    return path


def find_resource(path: str) -> Resource:
    """Return the resource at a path of a lookup."""
    return Resource[path.rpartition("/")[2].strip("{}").upper()]


def list_examples(holder: Mapping[str, Any]) -> list[Any]:
    """Return the examples of a parameter or of a content."""
    several = [example["value"] for example in holder.get("examples", {}).values()]
    return several or ([holder["example"]] if "example" in holder else [])


def assert_documented_response(answer: ClientResponse, path: str, method: str) -> None:
    """Fail unless the status, headers, type and body of a response are as documented."""
    responses = OPENAPI_DOCUMENT["paths"][path][method]["responses"]
    assert str(answer.status) in responses
    response = responses[str(answer.status)]
    assert set(map(str.lower, response.get("headers", {}))) <= set(map(str.lower, answer.headers))
    if method == "head":
        return
    media_type = answer.headers["Content-Type"].partition(";")[0]
    assert media_type in response["content"]
    if media_type.endswith("json"):
        assert list(find_schema_errors(answer.json(), response["content"][media_type].get("schema", {}))) == []
