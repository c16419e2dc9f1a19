"""The OpenAPI document: committed, whole, and true of what the server answers."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
import yaml

from aggregator.errors import NoTopologyError
from aggregator.server import api_v1, http_api
from aggregator.server.readiness import Readiness
from tests.server.exchange import Answer, ask
from tests.server.serving import Ports
from tests.server.source import CommandedSource

COMMITTED = Path(__file__).parents[2] / "docs" / "openapi.yaml"
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

each_operation = pytest.mark.parametrize(("path", "method"), OPERATIONS)


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


def questions() -> Iterator[tuple[str, str]]:
    """Yield each path of /api/v1 with each example of each parameter in its query."""
    for path in V1_PATHS:
        for parameter in DOCUMENT["paths"][path]["get"].get("parameters", ()):
            examples = [example["value"] for example in parameter.get("examples", {}).values()]
            for value in examples if parameter["in"] == "query" else []:
                yield path, f"{filled(path, 'get')}?{urlencode({parameter['name']: value})}"


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


def test_the_server_answers_the_committed_document(guarded: Ports) -> None:
    """/openapi.json is docs/openapi.yaml, and is read without a token."""
    answer = ask(guarded.http, "/openapi.json")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    assert answer.json() == yaml.safe_load(COMMITTED.read_text(encoding="utf-8"))


@each_operation
def test_each_operation_answers_as_documented(source: CommandedSource, ports: Ports, path: str, method: str) -> None:
    """With a topology every documented operation is answered with 200 and what its schema promises."""
    assert source.failure is None
    answer = ask(ports.http, filled(path, method), method.upper())
    assert answer.status == 200
    assert_documented(answer, path, method)


@each_operation
def test_each_operation_is_unavailable_as_documented(
    source: CommandedSource, ports: Ports, path: str, method: str
) -> None:
    """Without a topology every documented operation answers as documented, too."""
    source.failure = NoTopologyError("no topology yet: query oldest_sample: connection refused")
    answer = ask(ports.http, filled(path, method), method.upper())
    assert answer.status == (200 if path in ("/healthz", "/metrics", "/api/v1/quality") else 503)
    assert_documented(answer, path, method)


@each_operation
def test_each_operation_says_whether_it_needs_a_token(guarded: Ports, path: str, method: str) -> None:
    """Without a token exactly the operations that document a 401 answer one."""
    answer = ask(guarded.http, filled(path, method), method.upper())
    operation = DOCUMENT["paths"][path][method]
    assert (
        (answer.status == 401) is ("401" in operation["responses"]) is ({"token": []} in operation.get("security", []))
    )
    assert_documented(answer, path, method)


@pytest.mark.parametrize("method", ["get", "head", "post"])
@pytest.mark.parametrize("layout", ["1.2.5", "2025", "3000"])
def test_each_layout_answers_as_documented(ports: Ports, method: str, layout: str) -> None:
    """Both layouts have their schema, and an unknown one its error."""
    answer = ask(ports.http, f"/?layout={layout}", method.upper())
    assert answer.status == (400 if layout == "3000" else 200)
    assert_documented(answer, "/", method)


def test_the_examples_are_as_the_schemas_say() -> None:
    """Every example in the document holds against the schema beside it."""
    examples = [
        (content["example"], content["schema"])
        for methods in DOCUMENT["paths"].values()
        for operation in methods.values()
        for response in operation["responses"].values()
        for content in response.get("content", {}).values()
        if "example" in content and "schema" in content
    ]
    assert examples
    for example, schema in examples:
        assert list(faults(example, schema)) == []


def test_every_reference_leads_somewhere() -> None:
    """All references of the document resolve, and every schema of it is used."""
    used = set()

    def visit(part: Any) -> None:
        if isinstance(part, dict):
            if "$ref" in part:
                assert resolved(part)
                used.add(part["$ref"].rpartition("/")[2])
            for member in part.values():
                visit(member)
        elif isinstance(part, list):
            for member in part:
                visit(member)

    visit(DOCUMENT)
    assert used == set(DOCUMENT["components"]["schemas"])


def test_operations_have_names_of_their_own() -> None:
    """Each operation has an id, which generated clients make their method names of."""
    names = [DOCUMENT["paths"][path][method]["operationId"] for path, method in OPERATIONS]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(("path", "question"), list(questions()))
def test_every_example_of_a_parameter_is_answered(ports: Ports, path: str, question: str) -> None:
    """Each example of each parameter is answered with 200 and what the schema promises."""
    answer = ask(ports.http, question)
    assert (answer.status, answer.body[:200] if answer.status != 200 else b"") == (200, b"")
    assert_documented(answer, path, "get")


@pytest.mark.parametrize("path", V1_PATHS)
def test_every_parameter_of_an_operation_is_documented(path: str) -> None:
    """What may be said at a path, and what is told there of it, is the same."""
    resource = api_v1.PATHS[path.removeprefix("/api/v1/")]
    told = {each["name"] for each in DOCUMENT["paths"][path]["get"]["parameters"] if each["in"] == "query"}
    assert told == {*resource.parameters, "wait"}


@pytest.mark.parametrize(
    ("path", "question", "status"),
    [
        ("/api/v1/nodes", "/api/v1/nodes?filter=free_memory%3E1", 400),
        ("/api/v1/clusters/{cluster}", "/api/v1/clusters/icos-cluster-b", 404),
        ("/api/v1/clusters/{cluster}/nodes", "/api/v1/clusters/icos-cluster-b/nodes", 404),
    ],
)
def test_every_problem_is_documented(ports: Ports, path: str, question: str, status: int) -> None:
    """The examples of problems are what is answered."""
    answer = ask(ports.http, question)
    assert answer.status == status
    assert_documented(answer, path, "get")
    example = DOCUMENT["paths"][path]["get"]["responses"][str(status)]["content"]["application/problem+json"]["example"]
    assert {**example, "detail": "", "nearest": [], "allowed": []} == {
        **answer.json(),
        "detail": "",
        "nearest": [],
        "allowed": [],
    }
