"""Parsing the v1 document of a gateway."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.cli.show.fetch import InvalidDocumentError, parse_v1_topology
from aggregator.models.topology import Topology
from aggregator.views.v1_format import render_v1_json
from tests.support import parity_cases
from tests.support.scenarios import build_scenario, read_scenario


@pytest.mark.parametrize("case", parity_cases.CASE_NAMES)
def test_a_parsed_document_renders_the_same(case: str) -> None:
    """A parsed document renders as the same document, byte for byte."""
    document = render_v1_json(parity_cases.build_case_topology(case), 0.0)
    assert render_v1_json(parse_v1_topology(document), 0.0) == document


def test_containers_of_several_docker_hosts_may_have_one_name() -> None:
    """Pods of one name and namespace remain separate."""
    topology, _ = build_scenario(read_scenario("shapes/18-docker-hosts"))
    parsed = parse_v1_topology(render_v1_json(topology, 0.0))
    assert [pod.name for pod in parsed.pods.values()] == [pod.name for pod in topology.pods.values()]
    assert sum(pod.name == "web" for pod in parsed.pods.values()) == 2


def test_an_empty_document_is_an_empty_topology() -> None:
    """A document without objects is an empty topology."""
    assert parse_v1_topology(b"{}") == Topology()


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"<html>",
        b"[]",
        b"\xff",
        b'{"clusters":1}',
        b'{"clusters":[1]}',
        b'{"clusters":[{}]}',
        b'{"clusters":[{"name":"a","id":"b","nodes":[{"name":"n","cluster":"a","cpuCores":"many"}]}]}',
        b'{"clusters":[{"name":"a","id":"b","lastSeenTime":"yesterday"}]}',
        b'{"clusters":[{"name":"a","id":"b","pods":[{"cluster":"a"}]}]}',
        b'{"clusters":[{"name":"a","id":"b","nodes":[{"name":"n","cluster":"another"}]}]}',
        b'{"clusters":[{"name":"a","id":"b","pods":[{"name":"p","cluster":"another"}]}]}',
        b'{"x":' + b"[" * 100_000,
        b'{"clusters":[{"name":"a","id":"b","nodes":[{"name":"n","cluster":"a","cpuUsagePercent":"NaN"}]}]}',
        b'{"clusters":[{"name":"a","id":"b","nodes":[{"name":"n","cluster":"a","temperatureCelsius":"Infinity"}]}]}',
        b'{"clusters":[{"name":"a","id":"b","nodes":[{"name":"n","cluster":"a","memoryBytes":"'
        + b"9" * 400
        + b'"}]}]}',
        b'{"clusters":[{"name":"a","id":"b","nodes":[{"name":"n","cluster":"a","vulnerabilities":{"x":"1e999"}}]}]}',
    ],
    ids=lambda document: document[-40:].decode("latin-1"),
)
def test_any_other_document_is_invalid(document: bytes) -> None:
    """A document that no gateway writes is an InvalidDocumentError."""
    with pytest.raises(InvalidDocumentError):
        parse_v1_topology(document)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=5) | st.integers(-5, 5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["clusters", "nodes", "pods", "name", "id", "cluster", "labels"]), inner)
    ),
    max_leaves=20,
)


@given(JSON)
def test_any_json_is_parsed_or_invalid(document: object) -> None:
    """No JSON raises any other error."""
    try:
        parse_v1_topology(msgspec.json.encode(document))
    except InvalidDocumentError:
        return
