"""The examples of the OpenAPI document: tried on the demo, each does what it says."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import pytest

from aggregator.errors import AccessError, KeysMissingError, NotAllowedError, NoTopologyError, TokenRefusedError
from aggregator.grants import Grant
from aggregator.lookup.items import Kind
from aggregator.server.auth import Borne
from aggregator.server.http_front import METRICS_PATH, OPEN_PATHS
from aggregator.server.openapi_refusals import NO_TOPOLOGY
from aggregator.snapshot import Snapshot
from tests.server.described import DOCUMENT, OPERATIONS, V1_PATHS, assert_documented, faults, filled
from tests.server.exchange import Answer, ask
from tests.server.serving import Manner, Ports, serving
from tests.server.source import CommandedSource

LISTS = {path for path in DOCUMENT["paths"] if path.rpartition("/")[2] in {kind.value for kind in Kind}}
# What moves from one refresh to the next, or from one fleet to another.
MOVING = frozenset(
    {
        *("version", "totalCount", "lastSeenTime", "freeMemoryBytes", "cpuUsageCores", "memoryBytes", "state"),
        *("oldestTimestamp", "timeSinceOldest", "freeRAM"),
    }
)


@dataclass
class Refusing:
    """A guard that lets nobody pass, for whatever reason is set."""

    error: AccessError = field(default_factory=lambda: TokenRefusedError("no token"))

    async def admit(self, authorization: Sequence[bytes]) -> Grant:
        """Refuse."""
        raise self.error

    def admit_at_once(self, authorization: Sequence[bytes], borne: Borne) -> AccessError:
        """Refuse."""
        return self.error


# Why nobody passes, by the status that tells it.
REFUSED: Mapping[str, AccessError] = {
    "401": TokenRefusedError("no token"),
    "403": NotAllowedError("role"),
    "503": KeysMissingError("keys"),
}


@pytest.fixture
def source(source: CommandedSource, demo: Sequence[Snapshot]) -> CommandedSource:
    """The open servers show the demo."""
    source.shown = demo[0]
    return source


@pytest.fixture(scope="module")
def refusing(demo: Sequence[Snapshot]) -> Iterator[tuple[Refusing, Ports]]:
    """Servers that show the demo to nobody."""
    guard = Refusing()
    # As with CLUSTER_ROLES.
    manner = Manner(open_paths=OPEN_PATHS - {METRICS_PATH})
    with serving(CommandedSource(shown=demo[0]), guard, manner=manner) as ports:
        yield guard, ports


def examples(place: Mapping[str, Any]) -> list[Any]:
    """Return the examples of a parameter or of a content."""
    several = [example["value"] for example in place.get("examples", {}).values()]
    return several or ([place["example"]] if "example" in place else [])


@dataclass(frozen=True)
class Question:
    """A path, and what is said there by parameters."""

    path: str
    query: Mapping[str, Any]
    headers: tuple[tuple[str, str], ...] = ()

    def ask(self, port: int) -> Answer:
        """Send it."""
        query = f"?{urlencode(self.query)}" if self.query else ""
        return ask(port, filled(self.path, "get") + query, headers=self.headers)


def question(path: str, parameters: Mapping[tuple[str, str], Any]) -> Question:
    """Return what is said by parameters of their places and names."""
    said = {name: value for (place, name), value in parameters.items() if place == "query"}
    headers = tuple((name, value) for (place, name), value in parameters.items() if place == "header")
    return Question(path, said, headers)


def questions() -> Iterator[Question]:
    """Yield each path with each example of each parameter, and with the first of all, which /docs fills in."""
    for path, methods in DOCUMENT["paths"].items():
        parameters = [each for each in methods["get"].get("parameters", ()) if each["in"] != "path"]
        told = {(each["in"], each["name"]): examples(each) for each in parameters}
        yield question(path, {place: values[0] for place, values in told.items()})
        yield from (question(path, {place: value}) for place, values in told.items() for value in values)


@dataclass(frozen=True)
class Refusal:
    """An example of a refusal: where it is, how it comes about, and what is answered."""

    path: str
    method: str
    status: str
    how: str
    example: Any

    def __str__(self) -> str:
        return f"{self.method} {self.path} {self.how}"

    def come_about(self, source: CommandedSource, ports: Ports, refusing: tuple[Refusing, Ports]) -> Answer:
        """Do as the example says."""
        path, method = filled(self.path, self.method), self.method.upper()
        if self.how.startswith(f"{method} "):
            return ask(ports.http, self.how.split()[1], method)
        if self.how.startswith("before the first refresh"):
            source.failure = NoTopologyError(NO_TOPOLOGY)
            return ask(ports.http, path, method)
        guard, refused = refusing
        guard.error = REFUSED[self.status]
        return ask(refused.http, path, method)


def refusals() -> list[Refusal]:
    """Return all examples of refusals."""
    return [
        Refusal(path, method, status, example["summary"], example["value"])
        for path, method, status, response in documented_refusals()
        for content in response.get("content", {}).values()
        for example in content["examples"].values()
    ]


def documented_refusals() -> list[tuple[str, str, str, Any]]:
    """Return path, method, status and description of each answer that is a refusal."""
    return [
        (path, method, status, response)
        for path, method in OPERATIONS
        for status, response in DOCUMENT["paths"][path][method]["responses"].items()
        if status >= "400"
    ]


def unlike(example: Any, answer: Any, at: str = "") -> Iterator[str]:
    """Yield where an example has what an answer has not; what an answer has more is left out of it."""
    if isinstance(example, dict):
        for name, value in example.items():
            if name not in MOVING:
                yield from unlike(value, answer.get(name, f"no {name}"), f"{at}/{name}")
    elif isinstance(example, list):
        known = {identity(each): each for each in answer}
        for each in example:
            yield from unlike(each, known.get(identity(each), {}), f"{at}/{each['name']}")
    elif example != answer:
        yield f"{at}: {example} is {answer}"


def identity(thing: Mapping[str, Any]) -> str:
    """Return what tells a member of a list from the others."""
    return str(thing.get("id") or thing["name"])


@pytest.mark.parametrize("question", list(questions()), ids=str)
def test_every_example_of_a_parameter_works(
    source: CommandedSource, ports: Ports, demo: Sequence[Snapshot], question: Question
) -> None:
    """Whatever the demo shows, each example of each parameter is answered as documented, and no list is empty."""
    for shown in demo:
        source.shown = shown
        answer = question.ask(ports.http)
        assert (answer.status, answer.body[:200] if answer.status != 200 else b"") == (200, b"")
        assert_documented(answer, question.path, "get")
        if question.path in LISTS:
            assert answer.json()["totalCount"]


def test_every_parameter_has_an_example() -> None:
    """Nothing can be said in the API of which no example shows how."""
    told = [each for path, method in OPERATIONS for each in DOCUMENT["paths"][path][method].get("parameters", ())]
    assert told
    assert [each["name"] for each in told if not examples(each)] == []


def test_every_example_of_a_parameter_is_as_its_schema_says() -> None:
    """Each holds against the schema of its parameter: /docs sends nothing that does not."""
    parameters = [each for path, method in OPERATIONS for each in DOCUMENT["paths"][path][method].get("parameters", ())]
    found = [fault for each in parameters for value in examples(each) for fault in faults(value, each["schema"])]
    assert found == []


@pytest.mark.parametrize("refusal", refusals(), ids=str)
def test_every_example_of_a_refusal_is_true(
    source: CommandedSource, ports: Ports, refusing: tuple[Refusing, Ports], refusal: Refusal
) -> None:
    """What comes about as the example says is answered with the very document that the example is."""
    answer = refusal.come_about(source, ports, refusing)
    assert str(answer.status) == refusal.status
    assert_documented(answer, refusal.path, refusal.method)
    if refusal.method != "head":
        assert answer.json() == refusal.example


def test_every_refusal_has_an_example() -> None:
    """Every status that an operation documents from 400 on shows what is answered with it."""
    shown = {(refusal.path, refusal.method, refusal.status) for refusal in refusals()}
    assert shown == {(path, method, status) for path, method, status, _ in documented_refusals()}


@pytest.mark.parametrize("path", ["/", *V1_PATHS])
def test_the_examples_of_answers_are_of_what_the_demo_shows(
    source: CommandedSource, ports: Ports, demo: Sequence[Snapshot], path: str
) -> None:
    """What examples of answers tell of clusters, nodes and pods, but for what moves, is what the demo answers."""
    content = DOCUMENT["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]
    for shown in demo:
        source.shown = shown
        answer = ask(ports.http, filled(path, "get") + ("?depth=3" if path == "/api/v1/clusters" else ""))
        assert list(unlike(content["example"], answer.json())) == []


def test_the_examples_are_as_the_schemas_say() -> None:
    """Every example in the document holds against the schema beside it."""
    shown = [
        (example, content["schema"])
        for path, method in OPERATIONS
        for response in DOCUMENT["paths"][path][method]["responses"].values()
        for content in response.get("content", {}).values()
        for example in examples(content)
        if "schema" in content
    ]
    assert shown
    for example, schema in shown:
        assert list(faults(example, schema)) == []
