"""Answers: both ways of writing tell the same, pages are whole, tokens fit what they are of."""

import json
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator.errors import BadRequestError, VersionGoneError
from aggregator.lookup import tokens
from aggregator.lookup.answers import answer
from aggregator.lookup.index import Index
from aggregator.lookup.items import Kind
from aggregator.lookup.plan import Asked, Plan, Resource
from aggregator.lookup.tokens import Token
from aggregator.lookup.wire import JSON, PROTOBUF
from aggregator.models.topology import Topology
from tests.lookup.fleets import topologies
from tests.lookup.test_conditions import requirements
from tests.lookup.test_index import TREE

LISTS = [Resource.CLUSTERS, Resource.NODES, Resource.PODS, Resource.CONTAINERS]
PATHS = {
    Resource.CLUSTERS: ["name", "nodes.devices.name", "pods.containers", "nodes", "lastSeenTime"],
    Resource.NODES: ["name", "interfaces.addresses.ip", "labels", "devices", "free_memory_bytes"],
    Resource.PODS: ["name", "containers.image", "containers", "workloads.app", "id"],
    Resource.CONTAINERS: ["name", "pod", "image", "cpuUsageCores"],
}


@pytest.mark.parametrize("resource", LISTS)
@settings(max_examples=40)
@given(data=st.data())
def test_json_is_the_mapping_of_protobuf(resource: Resource, data: st.DataObject) -> None:
    """Whatever is asked for, of any topology, the JSON is the proto3 JSON mapping of the message."""
    assert resource.kind is not None
    kind: Kind = resource.kind
    index = Index(data.draw(topologies()))
    fields = data.draw(st.lists(st.sampled_from(PATHS[resource]), max_size=2).map(tuple))
    asked = Asked(
        filter=",".join(map(str, data.draw(st.lists(requirements(kind), max_size=1)))),
        fields=fields,
        depth=data.draw(st.sampled_from([None, *resource.depths])),
        limit=data.draw(st.sampled_from([None, 1, 2])),
    )
    plan = Plan(resource, asked)
    message = kind.page.FromString(answer(index, plan, (), PROTOBUF).body)
    assert json.loads(answer(index, plan, (), JSON).body) == json.loads(json_format.MessageToJson(message))


def listed(index: Index, resource: Resource, asked: Asked) -> dict[str, Any]:
    """Return a list as JSON."""
    found: dict[str, Any] = json.loads(answer(index, Plan(resource, asked), (), JSON).body)
    return found


@pytest.mark.parametrize("resource", LISTS)
@settings(max_examples=40)
@given(data=st.data())
def test_pages_have_everything_once(resource: Resource, data: st.DataObject) -> None:
    """All pages together are the list, in its order, each knows how many that is, and none is longer than asked for."""
    assert resource.kind is not None
    index = Index(data.draw(topologies()))
    text = ",".join(map(str, data.draw(st.lists(requirements(resource.kind), max_size=1))))
    whole = listed(index, resource, Asked(filter=text))
    limit, found, token = data.draw(st.integers(1, 4)), [], ""
    while True:
        page = listed(index, resource, Asked(filter=text, limit=limit, continue_token=token))
        assert len(page.get(resource.kind.value, [])) <= limit
        assert page["totalCount"] == whole["totalCount"]
        found += page.get(resource.kind.value, [])
        token = page.get("continueToken", "")
        if not token:
            break
    assert found == whole.get(resource.kind.value, [])


def test_a_token_of_another_list() -> None:
    """A token is of one list: the same objects and fields, however they are asked for."""
    index = Index(TREE)
    token = listed(index, Resource.PODS, Asked(filter="cluster=edge, name!=x", limit=1))["continueToken"]
    again = listed(index, Resource.PODS, Asked(filter="name!=x,cluster==edge", limit=5, continue_token=token))
    assert [pod["name"] for pod in again["pods"]] == ["web-0"]
    for resource, asked in ((Resource.PODS, Asked()), (Resource.NODES, Asked(filter="cluster=edge,name!=x"))):
        with pytest.raises(BadRequestError, match="it is of another list"):
            listed(index, resource, Asked(filter=asked.filter, continue_token=token))


def test_a_token_of_another_topology() -> None:
    """A token of a version that is not looked at says so."""
    token = listed(Index(TREE), Resource.PODS, Asked(limit=1))["continueToken"]
    other = Index(Topology(clusters=TREE.clusters, pods=TREE.pods, version="other"))
    with pytest.raises(VersionGoneError):
        listed(other, Resource.PODS, Asked(limit=1, continue_token=token))


@given(st.builds(Token, st.text(max_size=32), st.text(max_size=16), st.integers(0, 2**20), st.integers(0, 2**20)))
def test_a_token_is_read_back(token: Token) -> None:
    """What a token says is what was written into it, and it needs no quoting in a URL."""
    assert tokens.read(str(token)) == token
    assert set(str(token)) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "!",
        "é",
        "AAAA",
        "A" * 5000,
        str(Token("v", "q", -1, 0)),
        str(Token("v", "q", 0, -1)),
        str(Token("v", "q", 1, 2**31)),
    ],
)
def test_what_is_no_token(text: str) -> None:
    """What no answer told is refused."""
    with pytest.raises(BadRequestError, match="no answer told it"):
        tokens.read(text)


@given(st.text(max_size=60))
def test_any_text_is_a_token_or_refused(text: str) -> None:
    """No text breaks what reads tokens."""
    try:
        tokens.read(text)
    except BadRequestError as error:
        assert error.parameter == "continue"  # noqa: PT017 - either is right
