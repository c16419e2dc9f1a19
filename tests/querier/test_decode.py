"""From the bytes of an answer to samples."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.errors import MalformedError, TooSlowError
from aggregator.querier.decode import LABEL_CHARACTERS, Answer, decoder

VALID = b'{"status":"success","data":{"resultType":"vector","result":[{"metric":{"node":"a"},"value":[1.5,"2"]}]}}'

# Lone surrogates cannot be in JSON that was UTF-8 once.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
LABELS = st.dictionaries(st.sampled_from(["node", "class", "pod", "k8s_cluster_uid"]), TEXT)
VECTORS = st.lists(st.tuples(LABELS, st.floats(0, 1e11), TEXT), max_size=4)


def answer_of(result: object, result_type: str = "vector", status: str = "success") -> bytes:
    """Return the JSON of an answer."""
    return json.dumps({"status": status, "data": {"resultType": result_type, "result": result}}).encode()


@given(vector=VECTORS, ascii_only=st.booleans())
def test_a_vector_comes_back_as_it_was(vector: list[tuple[dict[str, str], float, str]], ascii_only: bool) -> None:
    """The wanted labels, time and value of each series are decoded in their order, a missing label as empty."""
    series = [{"metric": labels, "value": [at, value]} for labels, at, value in vector]
    document = {"status": "success", "data": {"resultType": "vector", "result": series}}
    read = decoder(("node", "class"))(json.dumps(document, ensure_ascii=ascii_only).encode()).samples
    assert [(sample.metric.node, sample.metric.class_, sample.value.time, sample.value.text) for sample in read] == [
        (labels.get("node", ""), labels.get("class", ""), at, value) for labels, at, value in vector
    ]


@given(vector=VECTORS)
def test_all_labels_come_where_a_query_asks_for_all(vector: list[tuple[dict[str, str], float, str]]) -> None:
    """Without a list of labels each sample has the labels that its series has."""
    read = decoder(None)(answer_of([{"metric": labels, "value": [at, value]} for labels, at, value in vector])).samples
    assert [sample.metric for sample in read] == [labels for labels, _, _ in vector]


@given(body=st.binary() | st.text().map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_no_bytes_break_it(body: bytes) -> None:
    """Any bytes are an answer or are malformed."""
    is_answer_or_malformed(body)


@given(start=st.integers(0, len(VALID)), length=st.integers(0, 20), patch=st.binary(max_size=20))
def test_no_damage_breaks_it(start: int, length: int, patch: bytes) -> None:
    """A good answer with any part of it replaced is an answer or is malformed."""
    is_answer_or_malformed(VALID[:start] + patch + VALID[start + length :])


@given(
    document=st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["status", "data", "resultType", "result", "metric", "value", "warnings"]), inner
            )
        ),
        max_leaves=12,
    )
)
def test_no_json_breaks_it(document: object) -> None:
    """Any JSON with the right names in wrong places is an answer or is malformed."""
    is_answer_or_malformed(json.dumps(document).encode())


def is_answer_or_malformed(body: bytes) -> None:
    """Fail on anything but an answer or MalformedError."""
    for labels in (("node",), None):
        with contextlib.suppress(MalformedError):
            assert isinstance(decoder(labels)(body), Answer)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(answer_of([1, "2"], "scalar"), id="scalar"),
        pytest.param(answer_of([1, "2"], "string"), id="string"),
        pytest.param(answer_of([{"metric": {}, "values": [[1, "2"]]}], "matrix"), id="matrix"),
        pytest.param(answer_of([{"metric": {}, "histogram": [1, {"count": "2"}]}]), id="native histogram"),
        pytest.param(answer_of(None), id="null result"),
        pytest.param(b'{"status":"success","data":null}', id="null data"),
        pytest.param(answer_of([], status="error"), id="error with status 200"),
        pytest.param(answer_of([{"metric": {}, "value": [1, 2]}]), id="value as number"),
        pytest.param(answer_of([{"metric": {"node": 1}, "value": [1, "2"]}]), id="label as number"),
        pytest.param(b"<html>not found</html>", id="HTML"),
        pytest.param(b"", id="nothing"),
        pytest.param(VALID[:-5], id="truncated"),
        pytest.param(b"\xef\xbb\xbf" + VALID, id="byte order mark"),
        pytest.param(VALID.replace(b'"a"', b'"\xff"'), id="invalid UTF-8"),
        pytest.param(VALID.replace(b'"a"', b'"\\ud800"'), id="lone surrogate"),
        pytest.param(b'{"status":' + b"[" * 100_000, id="nested without end"),
    ],
)
def test_what_is_no_instant_vector_is_malformed(body: bytes) -> None:
    """Whatever stands at the address in Prometheus' place is told by the beginning of what it said."""
    with pytest.raises(MalformedError, match="the answer begins with"):
        decoder(("node",))(body)


def test_the_reason_holds_little_of_the_answer() -> None:
    """The text of the error stays short however long the answer is."""
    with pytest.raises(MalformedError) as caught:
        decoder(("node",))(b"<" * 1_000_000)
    assert len(str(caught.value)) < 300


def test_the_reason_holds_little_of_what_is_in_the_answer() -> None:
    """It stays short also where it repeats a word that was not expected."""
    with pytest.raises(MalformedError) as caught:
        decoder(("node",))(VALID.replace(b"success", b"x" * 1_000_000))
    assert len(str(caught.value)) < 500


LENGTHS = st.sampled_from([0, 1, LABEL_CHARACTERS, LABEL_CHARACTERS + 1, 3 * LABEL_CHARACTERS])


@given(st.lists(st.fixed_dictionaries({"node": LENGTHS, "other": LENGTHS}), max_size=8), st.integers(1, 3000))
def test_samples_with_a_label_that_is_too_long_are_left_out(series: list[dict[str, int]], piece_bytes: int) -> None:
    """They are counted, the others stay as they are; a label that is not asked for may be of any length."""
    body = answer_of([{"metric": {name: "ü" * each[name] for name in each}, "value": [1, "2"]} for each in series])
    body = body.replace(b", ", b",").replace(b": ", b":")
    asked = decoder(("node",), piece_bytes)(body)
    known = [each["node"] for each in series if each["node"] <= LABEL_CHARACTERS]
    assert [len(sample.metric.node) for sample in asked.samples] == known
    assert asked.left_out == len(series) - len(known)
    all_of_them = decoder(None, piece_bytes)(body)
    bearable = [each for each in series if max(each.values()) <= LABEL_CHARACTERS]
    assert [len(sample.metric["other"]) for sample in all_of_them.samples] == [each["other"] for each in bearable]
    assert all_of_them.left_out == len(series) - len(bearable)


def test_a_check_ends_the_work_between_two_pieces() -> None:
    """It is called before each piece, and what it raises is what becomes of the answer."""
    calls: list[Any] = []

    def check() -> None:
        calls.append(None)
        if len(calls) == 3:
            raise TooSlowError("over")

    body = answer_of([{"metric": {"node": "a"}, "value": [1, "2"]}] * 100).replace(b", ", b",").replace(b": ", b":")
    with pytest.raises(TooSlowError):
        decoder(("node",), 100)(body, check=check)
    assert len(calls) == 3


def test_what_the_upstream_says_beside_is_kept_apart() -> None:
    """Warnings mean missing data, remarks do not: they are two lists."""
    body = VALID[:-1] + b',"warnings":["store a is down"],"infos":["metric might not be a counter"]}'
    answer = decoder(("node",))(body)
    assert answer.warnings == ("store a is down",)
    assert answer.remarks == ("metric might not be a counter",)


@pytest.mark.parametrize(
    ("said", "texts"),
    [
        pytest.param("null", (), id="null"),
        pytest.param("[]", (), id="none"),
        pytest.param('""', (), id="empty"),
        pytest.param('"store a is down"', ("store a is down",), id="one text"),
        pytest.param('["a", null, 7, {"b": [1]}]', ("a", "7", '{"b":[1]}'), id="all sorts"),
        pytest.param('{"store": "down"}', ('{"store":"down"}',), id="an object"),
        pytest.param("true", ("true",), id="a flag"),
        pytest.param('"' + "x" * 1000 + '"', ("x" * 300 + "…",), id="long"),
        pytest.param(json.dumps(["a"] * 1000), (*["a"] * 5, "and 995 more"), id="many"),
    ],
)
@pytest.mark.parametrize("where", ["warnings", "infos"])
def test_what_is_said_beside_may_have_any_shape(where: str, said: str, texts: tuple[str, ...]) -> None:
    """Whatever stands for warnings becomes a few short texts and costs no sample."""
    answer = decoder(("node",))(VALID[:-1] + f',"{where}":{said}}}'.encode())
    assert [sample.metric.node for sample in answer.samples] == ["a"]
    assert (answer.warnings if where == "warnings" else answer.remarks) == texts


def test_a_cluster_stands_in_for_a_label_that_lacks() -> None:
    """Series without a cluster label get the one that is given, those with one keep theirs."""
    body = answer_of([{"metric": {}, "value": [1, "2"]}, {"metric": {"cluster": "oslo"}, "value": [1, "2"]}])
    assert [sample.metric.cluster for sample in decoder(("cluster",))(body, "rome").samples] == ["rome", "oslo"]
    assert [sample.metric["cluster"] for sample in decoder(None)(body, "rome").samples] == ["rome", "oslo"]
    assert [sample.metric.cluster for sample in decoder(("cluster",))(body).samples] == ["", "oslo"]
    assert not hasattr(decoder(("node",))(body, "rome").samples[0].metric, "cluster")


def test_what_is_not_known_is_ignored() -> None:
    """Fields that a newer Prometheus adds do no harm."""
    body = VALID.replace(b'"resultType"', b'"stats":{"samples":[1]},"resultType"')
    assert [sample.metric.node for sample in decoder(("node",))(body).samples] == ["a"]
