"""Every example in the OpenAPI document works on the demo."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import pytest

from aggregator.errors import (
    AccessError,
    KeysUnavailableError,
    NoTopologyError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from aggregator.lookup.fields import ObjectKind
from aggregator.refresh.snapshot import Snapshot
from aggregator.server.auth.guard import Access
from aggregator.server.http.json_body import MAX_BODY_BYTES
from aggregator.server.http.responses import METRICS_PATH, PUBLIC_PATHS
from aggregator.server.openapi.candidates import REQUEST_EXAMPLES, RESPONSE_EXAMPLE, TOO_LARGE_SCENARIO
from aggregator.server.openapi.examples import NO_TOPOLOGY_MESSAGE, NO_TOPOLOGY_SCENARIO
from aggregator.server.openapi.watch import TOO_MANY_WATCHES_SCENARIO
from tests.server.openapi.document import (
    FIELDS_PATHS,
    OPENAPI_DOCUMENT,
    OPERATIONS,
    V1_PATHS,
    WATCH_PATH,
    assert_documented_response,
    fill_path,
    find_schema_errors,
    list_examples,
)
from tests.server.running_servers import ServerOptions, ServerPorts, run_servers
from tests.server.snapshot_provider import FakeSnapshotProvider
from tests.support.http_client import ClientResponse, send_request

CANDIDATES_PATH = "/api/v1/candidates"
LIST_PATHS = {
    path
    for path in OPENAPI_DOCUMENT["paths"]
    if path.rpartition("/")[2] in {kind.value for kind in ObjectKind} and path not in FIELDS_PATHS
}
# What moves from one refresh to the next, or from one fleet to another.
VOLATILE_FIELDS = frozenset(
    {
        *("version", "totalCount", "lastSeenTime", "availableMemoryBytes", "cpuUsageCores", "memoryBytes", "state"),
        *("oldestTimestamp", "timeSinceOldest", "freeRAM"),
    }
)


@dataclass
class RefusingGuard:
    """A guard that refuses every request with a given error."""

    error: AccessError = field(default_factory=lambda: UnauthenticatedError("no token"))

    async def authorize(self, authorization: Sequence[bytes]) -> Access:
        """Refuse."""
        raise self.error


# Why nobody passes, by the status that tells it.
ERRORS_BY_STATUS: Mapping[str, AccessError] = {
    "401": UnauthenticatedError("no token"),
    "403": PermissionDeniedError("role"),
    "503": KeysUnavailableError("keys"),
}


@pytest.fixture
def source(source: FakeSnapshotProvider, demo: Sequence[Snapshot]) -> FakeSnapshotProvider:
    """The servers without tokens, with the topology of the demo."""
    source.current_snapshot = demo[0]
    return source


@pytest.fixture(scope="module")
def refusing(demo: Sequence[Snapshot]) -> Iterator[tuple[RefusingGuard, ServerPorts]]:
    """Servers with the demo that refuse every request."""
    guard = RefusingGuard()
    # As with CLUSTER_ROLES.
    manner = ServerOptions(public_paths=PUBLIC_PATHS - {METRICS_PATH})
    with run_servers(FakeSnapshotProvider(current_snapshot=demo[0]), guard, options=manner) as ports:
        yield guard, ports


@dataclass(frozen=True)
class ExampleRequest:
    """A path with parameters."""

    path: str
    query: Mapping[str, Any]
    headers: tuple[tuple[str, str], ...] = ()

    def send(self, port: int) -> ClientResponse:
        """Send it."""
        query = f"?{urlencode(self.query)}" if self.query else ""
        return send_request(port, fill_path(self.path, "get") + query, headers=self.headers)


def build_example_request(path: str, parameters: Mapping[tuple[str, str], Any]) -> ExampleRequest:
    """Return a request with parameters by place and name."""
    query = {name: value for (place, name), value in parameters.items() if place == "query"}
    headers = tuple((name, value) for (place, name), value in parameters.items() if place == "header")
    return ExampleRequest(path, query, headers)


def list_example_requests() -> Iterator[ExampleRequest]:
    """Yield each path with each example of each parameter, and with the first examples of all parameters."""
    for path, methods in OPENAPI_DOCUMENT["paths"].items():
        if "get" not in methods or path == WATCH_PATH:
            continue
        parameters = [each for each in methods["get"].get("parameters", ()) if each["in"] != "path"]
        values_by_parameter = {(each["in"], each["name"]): list_examples(each) for each in parameters}
        first_examples = {place: values[0] for place, values in values_by_parameter.items()}
        # A past topology does not change, so that these two cannot be combined.
        for excluded in (("query", "wait"), ("query", "time")):
            combined = {place: value for place, value in first_examples.items() if place != excluded}
            yield build_example_request(path, combined)
        yield from (
            build_example_request(path, {place: value})
            for place, values in values_by_parameter.items()
            for value in values
        )


@dataclass(frozen=True)
class RefusalExample:
    """An example of an error response: where it occurs, what causes it, and the body."""

    path: str
    method: str
    status: str
    summary: str
    example: Any

    def __str__(self) -> str:
        return f"{self.method} {self.path} {self.summary}"

    def trigger(
        self, source: FakeSnapshotProvider, ports: ServerPorts, refusing: tuple[RefusingGuard, ServerPorts]
    ) -> ClientResponse:
        """Cause the response of the example."""
        path, method = fill_path(self.path, self.method), self.method.upper()
        if self.summary.startswith(f"{method} "):
            _, target, *body = self.summary.split(maxsplit=2)
            return send_request(ports.http, target, method, body=body[0].encode() if body else None)
        if self.summary in TOO_LARGE_SCENARIO.values():
            return send_request(ports.http, path, method, body=b" " * (MAX_BODY_BYTES + 1))
        if self.summary in NO_TOPOLOGY_SCENARIO.values():
            source.failure = NoTopologyError(NO_TOPOLOGY_MESSAGE)
            return send_request(ports.http, path, method)
        if self.summary in TOO_MANY_WATCHES_SCENARIO.values():
            with run_servers(source, None, options=ServerOptions(max_watches=0)) as full:
                return send_request(full.http, path, method)
        guard, refused = refusing
        guard.error = ERRORS_BY_STATUS[self.status]
        return send_request(refused.http, path, method)


def list_refusal_examples() -> list[RefusalExample]:
    """Return all examples of error responses."""
    return [
        RefusalExample(path, method, status, example["summary"], example["value"])
        for path, method, status, response in list_documented_refusals()
        for content in response.get("content", {}).values()
        for example in content["examples"].values()
    ]


def list_documented_refusals() -> list[tuple[str, str, str, Any]]:
    """Return path, method, status and description of each documented error response."""
    return [
        (path, method, status, response)
        for path, method in OPERATIONS
        for status, response in OPENAPI_DOCUMENT["paths"][path][method]["responses"].items()
        if status >= "400"
    ]


def find_example_differences(example: Any, answer: Any, location: str = "") -> Iterator[str]:
    """Yield where an example differs from a response. An example may leave members out."""
    if isinstance(example, dict):
        for name, value in example.items():
            if name not in VOLATILE_FIELDS:
                yield from find_example_differences(value, answer.get(name, f"no {name}"), f"{location}/{name}")
    elif isinstance(example, list):
        known = {get_identity(each): each for each in answer}
        for each in example:
            yield from find_example_differences(
                each, known.get(get_identity(each), {}), f"{location}/{get_identity(each)}"
            )
    elif example != answer:
        yield f"{location}: {example} is {answer}"


def get_identity(thing: Mapping[str, Any]) -> str:
    """Return what identifies a member of a list."""
    return str(thing.get("id") or thing["name"])


@pytest.mark.parametrize("question", list(list_example_requests()), ids=str)
def test_every_example_of_a_parameter_works(
    source: FakeSnapshotProvider, ports: ServerPorts, demo: Sequence[Snapshot], question: ExampleRequest
) -> None:
    """Each example of each parameter gets a documented response, and no list is empty."""
    for shown in demo:
        source.current_snapshot = shown
        answer = question.send(ports.http)
        assert (answer.status, answer.body[:200] if answer.status != 200 else b"") == (200, b"")
        assert_documented_response(answer, question.path, "get")
        if question.path in LIST_PATHS:
            assert answer.json()["totalCount"]


def test_every_parameter_has_an_example() -> None:
    """Every parameter has an example."""
    told = [
        each for path, method in OPERATIONS for each in OPENAPI_DOCUMENT["paths"][path][method].get("parameters", ())
    ]
    assert told
    assert [each["name"] for each in told if not list_examples(each)] == []


def test_every_example_of_a_parameter_matches_its_schema() -> None:
    """Each example of a parameter matches the schema of the parameter."""
    parameters = [
        each for path, method in OPERATIONS for each in OPENAPI_DOCUMENT["paths"][path][method].get("parameters", ())
    ]
    found = [
        fault
        for each in parameters
        for value in list_examples(each)
        for fault in find_schema_errors(value, each["schema"])
    ]
    assert found == []


@pytest.mark.parametrize("refusal", list_refusal_examples(), ids=str)
def test_every_error_example_is_returned(
    source: FakeSnapshotProvider,
    ports: ServerPorts,
    refusing: tuple[RefusingGuard, ServerPorts],
    refusal: RefusalExample,
) -> None:
    """The scenario of each error example results in exactly this body."""
    answer = refusal.trigger(source, ports, refusing)
    assert str(answer.status) == refusal.status
    assert_documented_response(answer, refusal.path, refusal.method)
    if refusal.method != "head":
        # The only member that is not the same each time.
        current = {"version": answer.json()["version"]} if "version" in refusal.example else {}
        assert answer.json() == {**refusal.example, **current}


def test_every_error_has_an_example() -> None:
    """Every documented status from 400 on has an example."""
    shown = {(refusal.path, refusal.method, refusal.status) for refusal in list_refusal_examples()}
    assert shown == {(path, method, status) for path, method, status, _ in list_documented_refusals()}


@pytest.mark.parametrize("path", ["/", *V1_PATHS, "/api/v1/graph"])
def test_response_examples_are_from_the_demo(
    source: FakeSnapshotProvider, ports: ServerPorts, demo: Sequence[Snapshot], path: str
) -> None:
    """The objects in response examples are those of the demo, except for values that change."""
    content = OPENAPI_DOCUMENT["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]
    for shown in demo:
        source.current_snapshot = shown
        answer = send_request(ports.http, fill_path(path, "get") + ("?depth=3" if path == "/api/v1/clusters" else ""))
        assert list(find_example_differences(content["example"], answer.json())) == []


def test_response_examples_match_their_schemas() -> None:
    """Every response example matches its schema."""
    shown = [
        (example, content["schema"])
        for path, method in OPERATIONS
        for response in OPENAPI_DOCUMENT["paths"][path][method]["responses"].values()
        for content in response.get("content", {}).values()
        for example in list_examples(content)
        if "schema" in content
    ]
    assert shown
    for example, schema in shown:
        assert list(find_schema_errors(example, schema)) == []


@pytest.mark.parametrize("name", REQUEST_EXAMPLES)
def test_every_example_of_a_workload_has_candidates(
    source: FakeSnapshotProvider, ports: ServerPorts, demo: Sequence[Snapshot], name: str
) -> None:
    """Each example of a request for candidates matches its schema and finds nodes of the demo."""
    operation = OPENAPI_DOCUMENT["paths"][CANDIDATES_PATH]["post"]
    content = operation["requestBody"]["content"]["application/json"]
    body = content["examples"][name]["value"]
    assert list(find_schema_errors(body, content["schema"])) == []
    for shown in demo:
        source.current_snapshot = shown
        answer = send_request(ports.http, CANDIDATES_PATH, "POST", body=json.dumps(body).encode())
        assert answer.status == 200
        assert_documented_response(answer, CANDIDATES_PATH, "post")
        assert answer.json()["candidates"]


def test_the_example_of_candidates_names_a_node_of_the_demo(demo: Sequence[Snapshot]) -> None:
    """The candidate in the response example is a node of the demo, by its cluster, name and ID."""
    (example,) = RESPONSE_EXAMPLE["candidates"]
    for shown in demo:
        assert shown.topology.nodes[example["cluster"], example["node"]].id == example["id"]
