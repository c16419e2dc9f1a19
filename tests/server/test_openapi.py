"""The OpenAPI document: committed, whole, and true of what the server answers."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from aggregator.errors import NoTopologyError
from aggregator.server import api_v1
from aggregator.server.http_front import METRICS_PATH, OPEN_PATHS
from aggregator.snapshot import Snapshot
from tests.server.described import DOCUMENT, OPERATIONS, V1_PATHS, assert_documented, filled, resolved
from tests.server.exchange import ask
from tests.server.judging import static_guard
from tests.server.serving import Manner, Ports, serving
from tests.server.source import CommandedSource

COMMITTED = Path(__file__).parents[2] / "docs" / "openapi.yaml"

each_operation = pytest.mark.parametrize(("path", "method"), OPERATIONS)


@pytest.fixture
def source(source: CommandedSource, demo: Sequence[Snapshot]) -> CommandedSource:
    """The open servers show the demo, which has what the examples name."""
    source.shown = demo[0]
    return source


@pytest.fixture(scope="module")
def refusing(public_key: str) -> Iterator[Ports]:
    """Servers that let nobody pass without a token, as with CLUSTER_ROLES."""
    manner = Manner(open_paths=OPEN_PATHS - {METRICS_PATH})
    with serving(CommandedSource(), static_guard(public_key), manner=manner) as ports:
        yield ports


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
def test_each_operation_says_whether_it_needs_a_token(refusing: Ports, path: str, method: str) -> None:
    """Without a token exactly the operations that document a 401 answer one."""
    answer = ask(refusing.http, filled(path, method), method.upper())
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


@pytest.mark.parametrize("path", V1_PATHS)
def test_every_parameter_of_an_operation_is_documented(path: str) -> None:
    """What may be said at a path, and what is told there of it, is the same."""
    resource = api_v1.PATHS[path.removeprefix("/api/v1/")]
    told = {each["name"] for each in DOCUMENT["paths"][path]["get"]["parameters"] if each["in"] == "query"}
    assert told == {*resource.parameters, "wait"}
