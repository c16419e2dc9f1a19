"""Decoding of response bodies into samples."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.errors import MalformedResponseError, QueryTimeoutError
from aggregator.querier.prometheus.decode import MAX_LABEL_CHARACTERS, create_decoder
from aggregator.querier.source import RowSamples

VALID_BODY = b'{"status":"success","data":{"resultType":"vector","result":[{"metric":{"node":"a"},"value":[1.5,"2"]}]}}'

# Lone surrogates cannot be in JSON that was UTF-8 once.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
LABELS = st.dictionaries(st.sampled_from(["node", "class", "pod", "k8s_cluster_uid"]), TEXT)
VECTORS = st.lists(st.tuples(LABELS, st.floats(0, 1e11), TEXT), max_size=4)


def encode_result(result: object, result_type: str = "vector", status: str = "success") -> bytes:
    """Return the JSON of a response."""
    return json.dumps({"status": status, "data": {"resultType": result_type, "result": result}}).encode()


@given(vector=VECTORS, ascii_only=st.booleans())
def test_a_vector_is_decoded(vector: list[tuple[dict[str, str], float, str]], ascii_only: bool) -> None:
    """Series are decoded in their order, with the wanted labels, time and value; a missing label is empty."""
    series = [{"metric": labels, "value": [at, value]} for labels, at, value in vector]
    document = {"status": "success", "data": {"resultType": "vector", "result": series}}
    read = create_decoder(("node", "class"))(json.dumps(document, ensure_ascii=ascii_only).encode()).samples
    assert [(sample.labels.node, sample.labels.class_, sample.value.time, sample.value.text) for sample in read] == [
        (labels.get("node", ""), labels.get("class", ""), at, value) for labels, at, value in vector
    ]


@given(vector=VECTORS)
def test_a_query_can_keep_all_labels(vector: list[tuple[dict[str, str], float, str]]) -> None:
    """Without a list of labels each sample has all labels of its series."""
    read = create_decoder(None)(
        encode_result([{"metric": labels, "value": [at, value]} for labels, at, value in vector])
    ).samples
    assert [sample.labels for sample in read] == [labels for labels, _, _ in vector]


@given(body=st.binary() | st.text().map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_no_bytes_break_it(body: bytes) -> None:
    """Any bytes are an answer or a malformed response."""
    assert_decodes_or_malformed(body)


@given(start=st.integers(0, len(VALID_BODY)), length=st.integers(0, 20), patch=st.binary(max_size=20))
def test_no_damage_breaks_it(start: int, length: int, patch: bytes) -> None:
    """A valid response with any part replaced is an answer or a malformed response."""
    assert_decodes_or_malformed(VALID_BODY[:start] + patch + VALID_BODY[start + length :])


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
    """Any JSON with known keys in wrong places is an answer or a malformed response."""
    assert_decodes_or_malformed(json.dumps(document).encode())


def assert_decodes_or_malformed(body: bytes) -> None:
    """Fail on anything but an answer or MalformedResponseError."""
    for labels in (("node",), None):
        with contextlib.suppress(MalformedResponseError):
            assert isinstance(create_decoder(labels)(body), RowSamples)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(encode_result([1, "2"], "scalar"), id="scalar"),
        pytest.param(encode_result([1, "2"], "string"), id="string"),
        pytest.param(encode_result([{"metric": {}, "values": [[1, "2"]]}], "matrix"), id="matrix"),
        pytest.param(encode_result([{"metric": {}, "histogram": [1, {"count": "2"}]}]), id="native histogram"),
        pytest.param(encode_result(None, "matrix"), id="null matrix"),
        pytest.param(b'{"status":"success","data":null}', id="null data"),
        pytest.param(encode_result([], status="error"), id="error with status 200"),
        pytest.param(encode_result([{"metric": {}, "value": [1, 2]}]), id="value as number"),
        pytest.param(encode_result([{"metric": {"node": 1}, "value": [1, "2"]}]), id="label as number"),
        pytest.param(b"<html>not found</html>", id="HTML"),
        pytest.param(b"", id="nothing"),
        pytest.param(VALID_BODY[:-5], id="truncated"),
        pytest.param(b"\xef\xbb\xbf" + VALID_BODY, id="byte order mark"),
        pytest.param(VALID_BODY.replace(b'"a"', b'"\xff"'), id="invalid UTF-8"),
        pytest.param(VALID_BODY.replace(b'"a"', b'"\\ud800"'), id="lone surrogate"),
        pytest.param(b'{"status":' + b"[" * 100_000, id="nested without end"),
    ],
)
def test_what_is_no_instant_vector_is_malformed(body: bytes) -> None:
    """The error for anything that is not an instant vector quotes the beginning of the body."""
    with pytest.raises(MalformedResponseError, match="the response starts with"):
        create_decoder(("node",))(body)


def test_the_error_for_a_long_body_is_short() -> None:
    """The error for a long body is short."""
    with pytest.raises(MalformedResponseError) as caught:
        create_decoder(("node",))(b"<" * 1_000_000)
    assert len(str(caught.value)) < 300


def test_the_error_for_a_long_value_is_short() -> None:
    """The error is short even if it quotes an unexpected value."""
    with pytest.raises(MalformedResponseError) as caught:
        create_decoder(("node",))(VALID_BODY.replace(b"success", b"x" * 1_000_000))
    assert len(str(caught.value)) < 500


LENGTHS = st.sampled_from([0, 1, MAX_LABEL_CHARACTERS, MAX_LABEL_CHARACTERS + 1, 3 * MAX_LABEL_CHARACTERS])


@given(st.lists(st.fixed_dictionaries({"node": LENGTHS, "other": LENGTHS}), max_size=8), st.integers(1, 3000))
def test_samples_with_long_labels_are_dropped(series: list[dict[str, int]], piece_bytes: int) -> None:
    """Samples with long labels are dropped and counted; labels that are not read may have any length."""
    body = encode_result([{"metric": {name: "ü" * each[name] for name in each}, "value": [1, "2"]} for each in series])
    body = body.replace(b", ", b",").replace(b": ", b":")
    asked = create_decoder(("node",), piece_bytes)(body)
    known = [each["node"] for each in series if each["node"] <= MAX_LABEL_CHARACTERS]
    assert [len(sample.labels.node) for sample in asked.samples] == known
    assert asked.dropped_samples == len(series) - len(known)
    all_of_them = create_decoder(None, piece_bytes)(body)
    bearable = [each for each in series if max(each.values()) <= MAX_LABEL_CHARACTERS]
    assert [len(sample.labels["other"]) for sample in all_of_them.samples] == [each["other"] for each in bearable]
    assert all_of_them.dropped_samples == len(series) - len(bearable)


def test_a_check_ends_decoding_between_chunks() -> None:
    """The check is called before each chunk, and what it raises ends the decoding."""
    calls: list[Any] = []

    def check_deadline() -> None:
        calls.append(None)
        if len(calls) == 3:
            raise QueryTimeoutError("over")

    body = encode_result([{"metric": {"node": "a"}, "value": [1, "2"]}] * 100).replace(b", ", b",").replace(b": ", b":")
    with pytest.raises(QueryTimeoutError):
        create_decoder(("node",), 100)(body, check_deadline=check_deadline)
    assert len(calls) == 3


def test_warnings_and_infos_are_separate() -> None:
    """Warnings and infos are separate lists."""
    body = VALID_BODY[:-1] + b',"warnings":["store a is down"],"infos":["metric might not be a counter"]}'
    answer = create_decoder(("node",))(body)
    assert answer.warnings == ("store a is down",)
    assert answer.remarks == ("metric might not be a counter",)


@pytest.mark.parametrize(
    ("messages_json", "texts"),
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
def test_messages_may_have_any_shape(where: str, messages_json: str, texts: tuple[str, ...]) -> None:
    """Warnings of any shape become a few short texts, and no sample is lost."""
    answer = create_decoder(("node",))(VALID_BODY[:-1] + f',"{where}":{messages_json}}}'.encode())
    assert [sample.labels.node for sample in answer.samples] == ["a"]
    assert (answer.warnings if where == "warnings" else answer.remarks) == texts


def test_the_default_cluster_replaces_a_missing_label() -> None:
    """Series without a cluster label get the default, others keep theirs."""
    body = encode_result([{"metric": {}, "value": [1, "2"]}, {"metric": {"cluster": "oslo"}, "value": [1, "2"]}])
    assert [sample.labels.cluster for sample in create_decoder(("cluster",))(body, "rome").samples] == ["rome", "oslo"]
    assert [sample.labels["cluster"] for sample in create_decoder(None)(body, "rome").samples] == ["rome", "oslo"]
    assert [sample.labels.cluster for sample in create_decoder(("cluster",))(body).samples] == ["", "oslo"]
    assert not hasattr(create_decoder(("node",))(body, "rome").samples[0].labels, "cluster")


def test_unknown_fields_are_ignored() -> None:
    """Unknown fields of newer versions are ignored."""
    body = VALID_BODY.replace(b'"resultType"', b'"stats":{"samples":[1]},"resultType"')
    assert [sample.labels.node for sample in create_decoder(("node",))(body).samples] == ["a"]
