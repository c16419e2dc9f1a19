"""Arbitrary upstream responses are decoded or rejected, and any decoded samples build a topology."""

import json
from collections.abc import Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from aggregator.errors import MalformedResponseError
from aggregator.models.catalog.row import Row
from aggregator.models.sample import Sample
from aggregator.pb.etim import server_pb2 as pb
from aggregator.querier.prometheus.decode import create_decoder
from aggregator.refresh.snapshot import list_build_gaps
from aggregator.views.renderers import RENDERERS
from tests.fuzz.fuzz_settings import fuzz_examples
from tests.support.catalog import CATALOG
from tests.support.parity_cases import CASE_NAMES, load_recorded_responses
from tests.support.samples import build_from_samples

NOW_SECONDS = 1795208200.0
ROWS = {row.name: row for row in CATALOG}
# Responses of a real Prometheus.
RECORDED_BODIES = [
    (name, json.dumps(answer["answer"]).encode())
    for case in CASE_NAMES
    for name, answer in load_recorded_responses(case).items()
]

# Few values, so that series refer to the same nodes and clusters, and contradict each other.
WORDS = st.sampled_from(
    ["", "a", "b", "08c66cd5-0000-4336", "x" * 300, "ocm", "nuvla", "k8s", "0", "1", "-1", " a\n", "default"]
)
VALUES = st.sampled_from(
    [
        "0",
        "1",
        "2",
        "-1",
        "1.5",
        "1e30",
        "1e400",
        "-0",
        "NaN",
        "+Inf",
        "-Inf",
        "",
        "x",
        "1_0",
        "٣",
        " 1",
        "0x1",
        "9" * 400,
    ]
)
LABEL_TEXT = WORDS | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
POINTS = st.tuples(st.floats(0, 2e9) | st.just(NOW_SECONDS), VALUES)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
JSON_TOKENS = [
    "status",
    "success",
    "error",
    "data",
    "resultType",
    "vector",
    "matrix",
    "result",
    "metric",
    "value",
    "warnings",
]
JSON_LIKE_VALUES = st.recursive(
    st.sampled_from(JSON_TOKENS) | st.none() | st.integers() | st.just([1.0, "1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(JSON_TOKENS), inner, max_size=5),
    max_leaves=12,
)


def is_decodable(row: Row, body: bytes) -> bool:
    """Return whether the decoder of a row accepts the bytes; fail on errors other than MalformedResponseError."""
    try:
        response = create_decoder(row.expression.labels)(body)
    except MalformedResponseError as error:
        reason = str(error)
    else:
        assert all(type(sample.value.text) is str for sample in response.samples)
        return True
    # The reason is logged and sent to clients, therefore it must be short.
    assert 0 < len(reason) < 1_000
    return False


@fuzz_examples(150)
@given(st.sampled_from(CATALOG), st.binary(max_size=200))
def test_arbitrary_bytes_are_rejected(row: Row, body: bytes) -> None:
    """Arbitrary bytes are rejected."""
    assert not is_decodable(row, body)


@fuzz_examples(150)
@given(st.sampled_from(CATALOG), JSON | JSON_LIKE_VALUES)
def test_arbitrary_json_is_decoded_or_rejected(row: Row, document: Any) -> None:
    """Arbitrary JSON, including JSON with the keys of query responses, raises no unexpected error."""
    is_decodable(row, json.dumps(document).encode("utf-8", "surrogatepass"))


@fuzz_examples(200)
@given(st.sampled_from(RECORDED_BODIES), st.data())
def test_a_changed_response_is_decoded_or_rejected(recorded: tuple[str, bytes], data: st.DataObject) -> None:
    """A real response with changed bytes raises no unexpected error."""
    name, body = recorded
    changed = bytearray(body)
    for _ in range(data.draw(st.integers(1, 4))):
        offset = data.draw(st.integers(0, len(changed)))
        changed[offset : offset + data.draw(st.integers(0, 3))] = data.draw(
            st.binary(max_size=3) | st.sampled_from([b"[", b"{", b'"', b"\\ud800", b"null", b"1e999", b"\x00", b"\xff"])
        )
    is_decodable(ROWS[name], bytes(changed))


def row_series(row: Row) -> st.SearchStrategy[list[tuple[dict[str, str], tuple[float, str]]]]:
    """Return a strategy for the series of a row, with arbitrary label values."""
    labels = (
        row.expression.labels
        if row.expression.labels is not None
        else ("label_a", "label_", "icos_host_id", "nodename")
    )
    return st.lists(
        st.tuples(st.dictionaries(st.sampled_from(labels), LABEL_TEXT), POINTS)
        if labels
        else st.tuples(st.just({}), POINTS),
        max_size=3,
    )


@st.composite
def random_fleets(draw: st.DrawFn) -> dict[str, list[Any]]:
    """Return series of some rows, including all rows that create clusters and nodes."""
    vital = [row for row in CATALOG if row.vital]
    others = draw(st.lists(st.sampled_from(CATALOG), max_size=12, unique_by=lambda row: row.name))
    return {row.name: draw(row_series(row)) for row in {row.name: row for row in [*vital, *others]}.values()}


def decode_fleet(fleet: Mapping[str, list[Any]]) -> dict[str, list[Sample]]:
    """Return the samples that the decoders of the rows return."""
    samples_by_row = {}
    for name, series in fleet.items():
        result = [{"metric": labels, "value": [at, text]} for labels, (at, text) in series]
        document = {"status": "success", "data": {"resultType": "vector", "result": result}}
        samples_by_row[name] = create_decoder(ROWS[name].expression.labels)(json.dumps(document).encode()).samples
    return samples_by_row


@fuzz_examples(50)
@given(random_fleets())
def test_arbitrary_samples_build_a_topology(fleet: dict[str, list[Any]]) -> None:
    """Arbitrary samples build a topology, gaps are counted, and all views can be parsed."""
    topology, stats = build_from_samples(decode_fleet(fleet))
    assert all(str(gap) and gap.count > 0 for gap in list_build_gaps(stats))
    for layout in ("1.2.5", "2025"):
        clusters = json.loads(RENDERERS[layout](topology, NOW_SECONDS))["cluster"]
        assert bool(clusters) == bool(topology.clusters)
    assert len(pb.InfrastructureModel.FromString(RENDERERS["etim"](topology, NOW_SECONDS)).nodes) == len(topology.nodes)


def test_deep_nesting_is_rejected() -> None:
    """A hundred thousand nested brackets are rejected without a crash."""
    for body in (b"[" * 100_000, b'{"a":' * 100_000, b'{"status":"success","data":' + b"[" * 100_000):
        assert not is_decodable(CATALOG[0], body)
