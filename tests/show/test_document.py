"""From the v1 document back to the model."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.models.topology import Topology
from aggregator.show.document import NoDocumentError, topology_of
from aggregator.views.v1 import render_json
from tests import cases


@pytest.mark.parametrize("case", cases.NAMES)
def test_a_document_that_is_read_shows_the_same_again(case: str) -> None:
    """What is read of a v1 document renders as the same document, to the byte."""
    document = render_json(cases.topology(case), 0.0)
    assert render_json(topology_of(document), 0.0) == document


def test_an_empty_document_is_an_empty_topology() -> None:
    """Nothing told is nothing there."""
    assert topology_of(b"{}") == Topology()


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
def test_what_is_no_document_is_refused(document: bytes) -> None:
    """Anything that is not as a gateway writes it is one error."""
    with pytest.raises(NoDocumentError):
        topology_of(document)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=5) | st.integers(-5, 5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["clusters", "nodes", "pods", "name", "id", "cluster", "labels"]), inner)
    ),
    max_leaves=20,
)


@given(JSON)
def test_any_json_is_read_or_refused(document: object) -> None:
    """No JSON, however it is nested, breaks the reader in another way."""
    try:
        topology_of(msgspec.json.encode(document))
    except NoDocumentError:
        return
