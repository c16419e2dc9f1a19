"""The OpenAPI document, and how to hold an answer against it."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from aggregator.server import http_api
from aggregator.server.readiness import Readiness
from tests.server.exchange import Answer

DOCUMENT: dict[str, Any] = http_api.create(Readiness(bool)).openapi()
OPERATIONS = [(path, method) for path, methods in DOCUMENT["paths"].items() for method in methods]
V1_PATHS = [path for path in DOCUMENT["paths"] if path.startswith("/api/v1/") and path != "/api/v1/quality"]
KINDS: dict[str, Any] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "array": list,
    "object": dict,
}


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    """Return what a schema's reference leads to, or the schema."""
    while "$ref" in schema:
        place: Any = DOCUMENT
        for step in schema["$ref"].removeprefix("#/").split("/"):
            place = place[step]
        schema = place
    return schema


def faults(value: Any, schema: dict[str, Any], at: str = "") -> Iterator[str]:
    """Yield where a value is not as its schema has it; a member that no schema names is a fault, too."""
    schema = resolved(schema)
    if "oneOf" in schema or "anyOf" in schema:
        found = [list(faults(value, choice, at)) for choice in schema.get("oneOf") or schema["anyOf"]]
        yield from [] if any(not one for one in found) else found[0]
        return
    kind = schema.get("type")
    if kind is None:
        return
    if not isinstance(value, KINDS[kind]) or (isinstance(value, bool) and kind != "boolean"):
        yield f"{at}: is no {kind}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{at}: is none of {schema['enum']}"
    if "pattern" in schema and not re.search(schema["pattern"], value):
        yield f"{at}: {value} is not like {schema['pattern']}"
    if kind == "array":
        for number, member in enumerate(value):
            yield from faults(member, schema.get("items", {}), f"{at}[{number}]")
    if kind == "object":
        yield from (f"{at}: has no {name}" for name in schema.get("required", []) if name not in value)
        for name, member in value.items():
            inner = schema.get("properties", {}).get(name) or schema.get("additionalProperties")
            if isinstance(inner, dict):
                yield from faults(member, inner, f"{at}/{name}")
            else:
                yield f"{at}: has a {name} that is not documented"


def filled(path: str, method: str) -> str:
    """Return a path with the examples of the names in it."""
    for parameter in DOCUMENT["paths"][path][method].get("parameters", []):
        if parameter["in"] == "path":
            path = path.replace(f"{{{parameter['name']}}}", quote(parameter["example"], safe=""))
    return path


def assert_documented(answer: Answer, path: str, method: str) -> None:
    """Fail unless status, headers, type and body of an answer are as the operation documents them."""
    responses = DOCUMENT["paths"][path][method]["responses"]
    assert str(answer.status) in responses
    response = responses[str(answer.status)]
    assert set(map(str.lower, response.get("headers", {}))) <= set(map(str.lower, answer.headers))
    if method == "head":
        return
    kind = answer.headers["Content-Type"].partition(";")[0]
    assert kind in response["content"]
    if kind.endswith("json"):
        assert list(faults(answer.json(), response["content"][kind].get("schema", {}))) == []
