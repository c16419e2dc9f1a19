"""The OpenAPI document is committed, complete, and true of the server's responses."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from aggregator.errors import NoTopologyError
from aggregator.refresh.snapshot import Snapshot
from aggregator.server.http.responses import METRICS_PATH, PUBLIC_PATHS
from tests.server.auth.guards import build_static_guard
from tests.server.openapi.document import (
    FIELDS_PATHS,
    OPENAPI_DOCUMENT,
    OPERATIONS,
    V1_PATHS,
    WATCH_PATH,
    assert_documented_response,
    fill_path,
    find_resource,
    resolve_schema,
)
from tests.server.running_servers import ServerOptions, ServerPorts, run_servers
from tests.server.snapshot_provider import FakeSnapshotProvider
from tests.support.http_client import send_request

COMMITTED_DOCUMENT = Path(__file__).parents[3] / "docs" / "openapi.yaml"

# Their responses do not depend on the topology.
PATHS_WITHOUT_TOPOLOGY = (
    *("/healthz", "/metrics", "/api/v1/quality", "/api/v1/graph/api/graph/fields"),
    *FIELDS_PATHS,
)

each_operation = pytest.mark.parametrize(("path", "method"), OPERATIONS)


@pytest.fixture
def source(source: FakeSnapshotProvider, demo: Sequence[Snapshot]) -> FakeSnapshotProvider:
    """The servers without tokens, with the topology of the demo, which contains the example names."""
    source.current_snapshot = demo[0]
    return source


@pytest.fixture(scope="module")
def refusing(public_key: str) -> Iterator[ServerPorts]:
    """Servers that require a token, as with CLUSTER_ROLES."""
    manner = ServerOptions(public_paths=PUBLIC_PATHS - {METRICS_PATH})
    with run_servers(FakeSnapshotProvider(), build_static_guard(public_key), options=manner) as ports:
        yield ports


def test_the_server_returns_the_committed_document(guarded: ServerPorts) -> None:
    """/openapi.json equals docs/openapi.yaml and is public."""
    answer = send_request(guarded.http, "/openapi.json")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    assert answer.json() == yaml.safe_load(COMMITTED_DOCUMENT.read_text(encoding="utf-8"))


@pytest.mark.parametrize(("path", "method"), [each for each in OPERATIONS if each != (WATCH_PATH, "get")])
def test_each_operation_responds_as_documented(
    source: FakeSnapshotProvider, ports: ServerPorts, path: str, method: str
) -> None:
    """With a topology every operation gets 200 and a body as its schema says; a watch has no end."""
    assert source.failure is None
    answer = send_request(ports.http, fill_path(path, method), method.upper())
    assert answer.status == 200
    assert_documented_response(answer, path, method)


@each_operation
def test_each_operation_is_unavailable_as_documented(
    source: FakeSnapshotProvider, ports: ServerPorts, path: str, method: str
) -> None:
    """Without a topology every operation responds as documented, too."""
    source.failure = NoTopologyError("no topology yet", "query oldest_sample: connection refused")
    answer = send_request(ports.http, fill_path(path, method), method.upper())
    assert answer.status == (200 if path in PATHS_WITHOUT_TOPOLOGY else 503)
    assert_documented_response(answer, path, method)


@each_operation
def test_each_operation_documents_whether_it_needs_a_token(refusing: ServerPorts, path: str, method: str) -> None:
    """Without a token exactly the operations that document 401 return it."""
    answer = send_request(refusing.http, fill_path(path, method), method.upper())
    operation = OPENAPI_DOCUMENT["paths"][path][method]
    assert (
        (answer.status == 401) is ("401" in operation["responses"]) is ({"token": []} in operation.get("security", []))
    )
    assert_documented_response(answer, path, method)


@pytest.mark.parametrize("method", ["get", "head", "post"])
@pytest.mark.parametrize("layout", ["1.2.5", "2025", "3000"])
def test_each_layout_responds_as_documented(ports: ServerPorts, method: str, layout: str) -> None:
    """Both layouts match their schema, and an unknown one its error."""
    answer = send_request(ports.http, f"/?layout={layout}", method.upper())
    assert answer.status == (400 if layout == "3000" else 200)
    assert_documented_response(answer, "/", method)


def test_every_reference_resolves() -> None:
    """All references resolve, and every schema is used."""
    used = set()

    def visit(part: Any) -> None:
        if isinstance(part, dict):
            if "$ref" in part:
                assert resolve_schema(part)
                used.add(part["$ref"].rpartition("/")[2])
            for member in part.values():
                visit(member)
        elif isinstance(part, list):
            for member in part:
                visit(member)

    visit(OPENAPI_DOCUMENT)
    assert used == set(OPENAPI_DOCUMENT["components"]["schemas"])


def test_schemas_of_the_legacy_layouts_keep_their_published_names() -> None:
    """Generated clients depend on the schema names, so renaming a class does not rename its schema."""
    names = set(OPENAPI_DOCUMENT["components"]["schemas"])
    assert {"Document", "Document2025", "Node", "Node2025", "ForecastedMetrics", "Workload"} <= names
    assert not {name for name in names if name.startswith("Legacy")}


def test_operation_ids_are_unique() -> None:
    """Each operation has its own ID, which generated clients use as method name."""
    names = [OPENAPI_DOCUMENT["paths"][path][method]["operationId"] for path, method in OPERATIONS]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("path", V1_PATHS)
def test_every_parameter_of_an_operation_is_documented(path: str) -> None:
    """The documented query parameters are those of the resource."""
    told = {each["name"] for each in OPENAPI_DOCUMENT["paths"][path]["get"]["parameters"] if each["in"] == "query"}
    assert told == {*find_resource(path).parameters, "wait", "time"}
