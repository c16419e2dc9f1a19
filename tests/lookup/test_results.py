"""Lookup results: JSON and protobuf are equivalent, pages are complete, tokens are validated."""

import json
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from aggregator.errors import BadRequestError, VersionGoneError
from aggregator.lookup import request
from aggregator.lookup.fields import ObjectKind
from aggregator.lookup.request import ContinueToken, LookupOptions, LookupPlan, Resource
from aggregator.lookup.results import JSON_ENCODER, PROTOBUF_ENCODER, TopologyIndex, execute_lookup
from aggregator.models.topology import Node, Topology
from tests.fuzz.fuzz_settings import fuzz_examples
from tests.lookup.test_filter import requirements
from tests.lookup.test_index import SAMPLE_TOPOLOGY
from tests.lookup.topologies import topologies

LIST_RESOURCES = [Resource.CLUSTERS, Resource.NODES, Resource.PODS, Resource.CONTAINERS]
FIELD_PATHS = {
    Resource.CLUSTERS: ["name", "nodes.devices.name", "pods.containers", "nodes", "lastSeenTime"],
    Resource.NODES: ["name", "interfaces.addresses.ip", "labels", "devices", "free_memory_bytes"],
    Resource.PODS: ["name", "containers.image", "containers", "workloads.app", "id"],
    Resource.CONTAINERS: ["name", "pod", "image", "cpuUsageCores"],
}


@pytest.mark.parametrize("resource", LIST_RESOURCES)
@fuzz_examples(10)
@given(data=st.data())
def test_json_is_the_mapping_of_protobuf(resource: Resource, data: st.DataObject) -> None:
    """For any request and topology, the JSON is the proto3 JSON mapping of the protobuf message."""
    assert resource.kind is not None
    kind: ObjectKind = resource.kind
    index = TopologyIndex(data.draw(topologies()))
    fields = data.draw(st.lists(st.sampled_from(FIELD_PATHS[resource]), max_size=2).map(tuple))
    asked = LookupOptions(
        filter=",".join(map(str, data.draw(st.lists(requirements(kind), max_size=1)))),
        fields=fields,
        depth=data.draw(st.sampled_from([None, *resource.supported_depths])),
        limit=data.draw(st.sampled_from([None, 1, 2])),
    )
    plan = LookupPlan(resource, asked)
    message = kind.list_response_type.FromString(execute_lookup(index, plan, (), PROTOBUF_ENCODER).body)
    assert json.loads(execute_lookup(index, plan, (), JSON_ENCODER).body) == json.loads(
        json_format.MessageToJson(message)
    )


def list_objects_json(index: TopologyIndex, resource: Resource, asked: LookupOptions) -> dict[str, Any]:
    """Return a list as JSON."""
    found: dict[str, Any] = json.loads(execute_lookup(index, LookupPlan(resource, asked), (), JSON_ENCODER).body)
    return found


@pytest.mark.parametrize("resource", LIST_RESOURCES)
@fuzz_examples(10)
@given(data=st.data())
def test_pages_contain_each_object_once(resource: Resource, data: st.DataObject) -> None:
    """All pages together are the list in its order, each has the total count, and none exceeds the limit."""
    assert resource.kind is not None
    index = TopologyIndex(data.draw(topologies()))
    text = ",".join(map(str, data.draw(st.lists(requirements(resource.kind), max_size=1))))
    whole = list_objects_json(index, resource, LookupOptions(filter=text))
    limit, found, token = data.draw(st.integers(1, 4)), [], ""
    while True:
        page = list_objects_json(index, resource, LookupOptions(filter=text, limit=limit, continue_token=token))
        assert len(page.get(resource.kind.value, [])) <= limit
        assert page["totalCount"] == whole["totalCount"]
        found += page.get(resource.kind.value, [])
        token = page.get("continueToken", "")
        if not token:
            break
    assert found == whole.get(resource.kind.value, [])


def test_the_order_of_mappings_changes_no_content() -> None:
    """Labels and vulnerabilities in another order, as replicas may have them, make the same bytes and digest."""
    labels, vulnerabilities = {"a": "1", "b": "2"}, {"high": 1, "low": 2}
    nodes = [
        Node(cluster="c", key="n", labels=dict(some_labels), vulnerabilities=dict(some_vulnerabilities))
        for some_labels, some_vulnerabilities in (
            (labels.items(), vulnerabilities.items()),
            (reversed(labels.items()), reversed(vulnerabilities.items())),
        )
    ]
    plan = LookupPlan(Resource.NODES, LookupOptions())
    results = [
        execute_lookup(TopologyIndex(Topology(nodes={("c", "n"): node})), plan, (), JSON_ENCODER) for node in nodes
    ]
    assert results[0] == results[1]


def test_a_token_is_valid_for_one_list() -> None:
    """A token is valid for every spelling of the same list, and for no other list."""
    index = TopologyIndex(SAMPLE_TOPOLOGY)
    token = list_objects_json(index, Resource.PODS, LookupOptions(filter="cluster=edge, name!=x", limit=1))[
        "continueToken"
    ]
    again = list_objects_json(
        index, Resource.PODS, LookupOptions(filter="name!=x,cluster==edge", limit=5, continue_token=token)
    )
    assert [pod["name"] for pod in again["pods"]] == ["web-0"]
    for resource, asked in (
        (Resource.PODS, LookupOptions()),
        (Resource.NODES, LookupOptions(filter="cluster=edge,name!=x")),
    ):
        with pytest.raises(BadRequestError, match="the token belongs to a different list"):
            list_objects_json(index, resource, LookupOptions(filter=asked.filter, continue_token=token))


def test_a_token_of_another_topology() -> None:
    """A token of another topology version is rejected with VersionGoneError."""
    token = list_objects_json(TopologyIndex(SAMPLE_TOPOLOGY), Resource.PODS, LookupOptions(limit=1))["continueToken"]
    other = TopologyIndex(Topology(clusters=SAMPLE_TOPOLOGY.clusters, pods=SAMPLE_TOPOLOGY.pods, version="other"))
    with pytest.raises(VersionGoneError):
        list_objects_json(other, Resource.PODS, LookupOptions(limit=1, continue_token=token))


@given(
    st.builds(ContinueToken, st.text(max_size=32), st.text(max_size=16), st.integers(0, 2**20), st.integers(0, 2**20))
)
def test_a_token_is_parsed_from_its_text(token: ContinueToken) -> None:
    """The text of a token is parsed to the same token, and needs no escaping in a URL."""
    assert request.parse_continue_token(str(token)) == token
    assert set(str(token)) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "!",
        "é",
        "AAAA",
        "A" * 5000,
        str(ContinueToken("v", "q", -1, 0)),
        str(ContinueToken("v", "q", 0, -1)),
        str(ContinueToken("v", "q", 1, 2**31)),
    ],
)
def test_invalid_tokens(text: str) -> None:
    """Text that is not a token of this server is rejected."""
    with pytest.raises(BadRequestError, match="not a token that this server issued"):
        request.parse_continue_token(text)


@given(st.text(max_size=60))
def test_any_text_is_parsed_or_rejected(text: str) -> None:
    """Any text is a token or raises BadRequestError."""
    try:
        request.parse_continue_token(text)
    except BadRequestError as error:
        assert error.parameter == "continue"  # noqa: PT017 - either is right
