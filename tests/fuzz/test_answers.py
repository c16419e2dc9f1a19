"""Upstream answers of any kind: each is an Answer or a MalformedError, and any set of them becomes a topology."""

import json
from collections.abc import Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from aggregator.errors import MalformedError
from aggregator.models.build import build
from aggregator.models.catalog import CATALOG
from aggregator.models.row import Row
from aggregator.pb.etim import server_pb2 as pb
from aggregator.querier.decode import Sample
from aggregator.snapshot import gaps_of
from aggregator.views import BY_NAME
from tests.cases import NAMES, recorded
from tests.fuzz.effort import tries

NOW_SECONDS = 1795208200.0
ROWS = {row.name: row for row in CATALOG}
# Real answers, some of which change a little below.
BODIES = [(name, json.dumps(answer["answer"]).encode()) for case in NAMES for name, answer in recorded(case).items()]

# Few of each, so that series meet: those that name the same node or cluster, and those that contradict each other.
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
WIRE_WORDS = [
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
WIRE = st.recursive(
    st.sampled_from(WIRE_WORDS) | st.none() | st.integers() | st.just([1.0, "1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WIRE_WORDS), inner, max_size=5),
    max_leaves=12,
)


def is_answered(row: Row, body: bytes) -> bool:
    """Return whether a row's decoder finds samples in these bytes; anything but MalformedError is a failure."""
    try:
        answer = row.query.decode(body)
    except MalformedError as error:
        reason = str(error)
    else:
        assert all(type(sample.value.text) is str for sample in answer.samples)
        return True
    # It goes to the log and to clients: short, whatever came.
    assert 0 < len(reason) < 1_000
    return False


@tries(150)
@given(st.sampled_from(CATALOG), st.binary(max_size=200))
def test_any_bytes(row: Row, body: bytes) -> None:
    """Bytes that are no answer are told so."""
    assert not is_answered(row, body)


@tries(150)
@given(st.sampled_from(CATALOG), JSON | WIRE)
def test_any_json(row: Row, document: Any) -> None:
    """So is JSON of any shape, also of words that answers are made of."""
    is_answered(row, json.dumps(document).encode("utf-8", "surrogatepass"))


@tries(200)
@given(st.sampled_from(BODIES), st.data())
def test_a_changed_answer(real: tuple[str, bytes], data: st.DataObject) -> None:
    """A real answer of which bytes are changed, lost or doubled is read or told to be none."""
    name, body = real
    changed = bytearray(body)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(changed)))
        changed[at : at + data.draw(st.integers(0, 3))] = data.draw(
            st.binary(max_size=3) | st.sampled_from([b"[", b"{", b'"', b"\\ud800", b"null", b"1e999", b"\x00", b"\xff"])
        )
    is_answered(ROWS[name], bytes(changed))


def made(row: Row) -> st.SearchStrategy[list[tuple[dict[str, str], tuple[float, str]]]]:
    """Return a strategy for the series of a row, with any text in any of its labels."""
    labels = row.ask.labels if row.ask.labels is not None else ("label_a", "label_", "icos_host_id", "nodename")
    return st.lists(
        st.tuples(st.dictionaries(st.sampled_from(labels), LABEL_TEXT), POINTS)
        if labels
        else st.tuples(st.just({}), POINTS),
        max_size=3,
    )


@st.composite
def fleets(draw: st.DrawFn) -> dict[str, list[Any]]:
    """Return series for some of the rows, among them most often those that make clusters and nodes."""
    vital = [row for row in CATALOG if row.vital]
    others = draw(st.lists(st.sampled_from(CATALOG), max_size=12, unique_by=lambda row: row.name))
    return {row.name: draw(made(row)) for row in {row.name: row for row in [*vital, *others]}.values()}


def decoded(fleet: Mapping[str, list[Any]]) -> dict[str, list[Sample]]:
    """Return the samples as they come out of each row's own decoder."""
    answers = {}
    for name, series in fleet.items():
        result = [{"metric": labels, "value": [at, text]} for labels, (at, text) in series]
        document = {"status": "success", "data": {"resultType": "vector", "result": result}}
        answers[name] = ROWS[name].query.decode(json.dumps(document).encode()).samples
    return answers


@tries(50)
@given(fleets())
def test_any_answers_become_a_topology(fleet: dict[str, list[Any]]) -> None:
    """Whatever the series say, a topology comes of them, gaps are counted, and every view can be read."""
    topology, tally = build(decoded(fleet), CATALOG)
    assert all(str(gap) and gap.count > 0 for gap in gaps_of(tally))
    for layout in ("1.2.5", "2025"):
        clusters = json.loads(BY_NAME[layout](topology, NOW_SECONDS))["cluster"]
        assert bool(clusters) == bool(topology.clusters)
    assert len(pb.InfrastructureModel.FromString(BY_NAME["etim"](topology, NOW_SECONDS)).nodes) == len(topology.nodes)


def test_deep_nesting_is_no_answer() -> None:
    """A hundred thousand brackets end neither the decoder nor the process."""
    for deep in (b"[" * 100_000, b'{"a":' * 100_000, b'{"status":"success","data":' + b"[" * 100_000):
        assert not is_answered(CATALOG[0], deep)
