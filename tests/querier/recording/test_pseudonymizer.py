"""Pseudonyms: masked values are gone, and series still match."""

import json
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.cli.record import iter_label_aliases
from aggregator.errors import MalformedResponseError
from aggregator.querier.prometheus.decode import create_decoder
from aggregator.querier.recording.pseudonyms import OMITTED_MESSAGE, Pseudonymizer, expand_labels
from tests.support.catalog import CATALOG
from tests.support.samples import encode_response

SALT = b"0123456789abcdef"
LABELS = st.dictionaries(st.sampled_from(["pod", "node", "image", "label_owner"]), st.text(max_size=20), max_size=4)
SERIES = st.lists(st.tuples(LABELS, st.sampled_from(["0", "1.5", "NaN", "+Inf"])), max_size=20)

LabeledValues = list[tuple[Mapping[str, str], str]]


def decode_series(answer: bytes) -> LabeledValues:
    """Return the labels and the value of each series."""
    samples = create_decoder(None)(answer).samples
    return [(sample.labels, sample.value.text) for sample in samples]


@given(SERIES)
def test_only_the_values_of_masked_labels_change(series: LabeledValues) -> None:
    """Order, values and other labels stay; equal values get equal pseudonyms, different ones different ones."""
    masked = decode_series(Pseudonymizer(["pod", "node"], SALT).pseudonymize_body(encode_response(series)))
    assert len(masked) == len(series)
    pseudonyms: dict[str, str] = {}
    for (before, value), (after, value_after) in zip(series, masked, strict=True):
        assert (before.keys(), value) == (after.keys(), value_after)
        for label, text in before.items():
            if label in ("pod", "node"):
                assert pseudonyms.setdefault(text.strip(), after[label]) == after[label]
            else:
                assert after[label] == text
    assert len(set(pseudonyms.values())) == len(pseudonyms)


@pytest.mark.parametrize("extra", [b',"isPartial":true', b""], ids=["partial", "whole"])
def test_the_partial_flag_is_recorded(extra: bytes) -> None:
    """A recorded response is as partial as the original."""
    body = encode_response([({"pod": "a"}, "1")])[:-1] + extra + b"}"
    masked = Pseudonymizer(["pod"], SALT).pseudonymize_body(body)
    assert create_decoder(None)(masked).warnings == create_decoder(None)(body).warnings


def test_a_null_result_is_recorded_as_empty() -> None:
    """The recording of a response without samples can be replayed, also if its result is null."""
    body = b'{"status":"success","data":{"resultType":"","result":null}}'
    assert decode_series(Pseudonymizer([], SALT).pseudonymize_body(body)) == []


@given(st.text(min_size=12).filter(lambda text: len(text.strip()) >= 12))
def test_nothing_of_a_masked_value_is_left(value: str) -> None:
    """A masked body does not contain the value, plain or escaped."""
    masked = Pseudonymizer(["pod"], SALT).pseudonymize_body(encode_response([({"pod": value}, "1")]))
    for form in (value, json.dumps(value)[1:-1], msgspec.json.encode(value).decode()[1:-1]):
        assert form not in masked.decode()


def test_another_salt_gives_other_pseudonyms() -> None:
    """Two recordings have different pseudonyms for a value."""
    assert Pseudonymizer([], SALT).pseudonymize("a") != Pseudonymizer([], b"f" * 16).pseudonymize("a")


def test_white_space_around_a_value_does_not_count() -> None:
    """Surrounding whitespace does not change a pseudonym; the empty value stays empty."""
    mask = Pseudonymizer([], SALT)
    assert mask.pseudonymize("a\n") == mask.pseudonymize("a") != mask.pseudonymize("b")
    assert mask.pseudonymize(" \n") == mask.pseudonymize("") == ""


def test_messages_are_counted_and_omitted() -> None:
    """Of warnings and infos only the number is kept: they may quote masked values."""
    answer = create_decoder(None)(
        Pseudonymizer(["pod"], SALT).pseudonymize_body(encode_response([], warnings=["pod secret-1", "b"], infos=["c"]))
    )
    assert answer.warnings == (OMITTED_MESSAGE, OMITTED_MESSAGE)
    assert answer.remarks == (OMITTED_MESSAGE,)


@pytest.mark.parametrize("value", ["pod secret-1", "", "1 ", "0x1f"])
def test_an_invalid_value_is_not_written(value: str) -> None:
    """A value that is not a number is not recorded: it may quote masked values."""
    ((labels, text),) = decode_series(
        Pseudonymizer(["pod"], SALT).pseudonymize_body(encode_response([({"node": "n"}, value)]))
    )
    assert (labels, text) == ({"node": "n"}, "not a number")


@pytest.mark.parametrize("value", ["0", "-1.5", "1.5e+09", "NaN", "+Inf", "-Inf", "1" + "0" * 300])
def test_every_value_of_prometheus_is_written(value: str) -> None:
    """Values that Prometheus writes are unchanged."""
    ((_, text),) = decode_series(Pseudonymizer(["pod"], SALT).pseudonymize_body(encode_response([({}, value)])))
    assert text == value


def test_a_large_body_is_masked_in_chunks() -> None:
    """A large body, which is processed in chunks, keeps all of its series."""
    result = [{"metric": {"pod": f"p{number}"}, "value": [1795208200.5, f"{number}"]} for number in range(40_000)]
    whole = {"status": "success", "data": {"resultType": "vector", "result": result}}
    answer = json.dumps(whole, separators=(",", ":")).encode()
    assert len(answer) > 2 * 2**20
    masked = decode_series(Pseudonymizer(["pod"], SALT).pseudonymize_body(answer))
    assert [value for _, value in masked] == [str(number) for number in range(40_000)]
    assert len({labels["pod"] for labels, _ in masked}) == 40_000


@pytest.mark.parametrize("answer", [b"", b"<html>p-secret</html>", b'{"status":"error","error":"p-secret"}', b"[1]"])
def test_a_malformed_body_is_rejected(answer: bytes) -> None:
    """A malformed body is rejected, and not quoted."""
    with pytest.raises(MalformedResponseError) as caught:
        Pseudonymizer(["pod"], SALT).pseudonymize_body(answer)
    assert "p-secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("label", "others"),
    [
        ("pod", {"k8s_pod_name"}),
        ("uid", {"id", "container_id"}),
        ("nodename", {"agent_hostname", "hostname", "icos_host_name", "k8s_node_name", "node"}),
        ("node", {"hostname", "icos_host_name", "k8s_node_name", "nodename"}),
        ("k8s_cluster_uid", {"icos_cluster_id", "icos_host_name", "uid"}),
        ("icos_cluster_id", {"icos_host_name", "k8s_cluster_uid"}),
        ("container", {"k8s_container_name", "container_name"}),
        ("k8s_container_name", {"container", "container_name"}),
        ("net_host_name", {"agent_ip", "instance", "ip"}),
        ("image", set[str]()),
    ],
)
def test_aliases_are_masked_together(label: str, others: set[str]) -> None:
    """Masking a label masks its aliases as well, so that series still match and nothing is left."""
    assert expand_labels([label], iter_label_aliases(CATALOG)) >= {label} | others


def test_every_join_of_the_catalog_survives_any_mask() -> None:
    """Two labels that a row compares are masked together."""
    pairs: list[tuple[str, str]] = [
        pair
        for row in CATALOG
        for way in row.entity_selector.matches
        for pair in zip(way.labels, way.entity_labels, strict=True)
    ]
    every: set[Any] = {label for pair in pairs for label in pair}
    for label in every:
        masked = expand_labels([label], iter_label_aliases(CATALOG))
        assert all((left in masked) == (right in masked) for left, right in pairs)
