"""Pseudonyms: what is masked is gone, and what belonged together still does."""

import json
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.errors import MalformedError
from aggregator.models.catalog import CATALOG
from aggregator.models.whose import NO_LABEL
from aggregator.querier.decode import decoder
from aggregator.record.command import telling
from aggregator.recording.mask import LEFT_OUT, Mask, together
from tests.samples import body

SALT = b"0123456789abcdef"
LABELS = st.dictionaries(st.sampled_from(["pod", "node", "image", "label_owner"]), st.text(max_size=20), max_size=4)
SERIES = st.lists(st.tuples(LABELS, st.sampled_from(["0", "1.5", "NaN", "+Inf"])), max_size=20)

Found = list[tuple[Mapping[str, str], str]]


def read(answer: bytes) -> Found:
    """Return the labels and the value of each series."""
    samples = decoder(None)(answer).samples
    return [(sample.metric, sample.value.text) for sample in samples]


@given(SERIES)
def test_only_the_values_of_masked_labels_change(series: Found) -> None:
    """Order, values and other labels stay; equal values get equal pseudonyms, different ones different ones."""
    masked = read(Mask(["pod", "node"], SALT).body(body(series)))
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


@given(st.text(min_size=12).filter(lambda text: len(text.strip()) >= 12))
def test_nothing_of_a_masked_value_is_left(value: str) -> None:
    """The bytes of a masked answer do not hold the value, as it is or as JSON writes it."""
    masked = Mask(["pod"], SALT).body(body([({"pod": value}, "1")]))
    for form in (value, json.dumps(value)[1:-1], msgspec.json.encode(value).decode()[1:-1]):
        assert form not in masked.decode()


def test_another_salt_gives_other_pseudonyms() -> None:
    """Pseudonyms of one recording tell nothing of those of another."""
    assert Mask([], SALT).pseudonym("a") != Mask([], b"f" * 16).pseudonym("a")


def test_white_space_around_a_value_does_not_count() -> None:
    """A machine id with the newline of its file gets the same pseudonym as without; nothing stays nothing."""
    mask = Mask([], SALT)
    assert mask.pseudonym("a\n") == mask.pseudonym("a") != mask.pseudonym("b")
    assert mask.pseudonym(" \n") == mask.pseudonym("") == ""


def test_what_is_said_beside_samples_is_counted_and_left_out() -> None:
    """Warnings and remarks may repeat what is masked: how many they were is all that stays."""
    answer = decoder(None)(Mask(["pod"], SALT).body(body([], warnings=["pod secret-1", "b"], infos=["c"])))
    assert answer.warnings == (LEFT_OUT, LEFT_OUT)
    assert answer.remarks == (LEFT_OUT,)


@pytest.mark.parametrize("value", ["pod secret-1", "", "1 ", "0x1f"])
def test_what_is_no_value_is_not_written(value: str) -> None:
    """Where something else stands in the place of a value, it may repeat what is masked: it is not in the file."""
    ((labels, text),) = read(Mask(["pod"], SALT).body(body([({"node": "n"}, value)])))
    assert (labels, text) == ({"node": "n"}, "no number")


@pytest.mark.parametrize("value", ["0", "-1.5", "1.5e+09", "NaN", "+Inf", "-Inf", "1" + "0" * 300])
def test_every_value_of_prometheus_is_written(value: str) -> None:
    """Numbers as Prometheus writes them stay as they are."""
    ((_, text),) = read(Mask(["pod"], SALT).body(body([({}, value)])))
    assert text == value


def test_a_large_answer_is_masked_in_pieces() -> None:
    """An answer of several megabytes, which is read in pieces, has all of its series afterwards."""
    result = [{"metric": {"pod": f"p{number}"}, "value": [1795208200.5, f"{number}"]} for number in range(40_000)]
    whole = {"status": "success", "data": {"resultType": "vector", "result": result}}
    answer = json.dumps(whole, separators=(",", ":")).encode()
    assert len(answer) > 2 * 2**20
    masked = read(Mask(["pod"], SALT).body(answer))
    assert [value for _, value in masked] == [str(number) for number in range(40_000)]
    assert len({labels["pod"] for labels, _ in masked}) == 40_000


@pytest.mark.parametrize("answer", [b"", b"<html>p-secret</html>", b'{"status":"error","error":"p-secret"}', b"[1]"])
def test_what_is_no_answer_is_not_written(answer: bytes) -> None:
    """Bytes in which labels cannot be found are refused, and not repeated."""
    with pytest.raises(MalformedError) as caught:
        Mask(["pod"], SALT).body(answer)
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
def test_labels_that_tell_the_same_are_masked_together(label: str, others: set[str]) -> None:
    """Whoever masks a label masks those under which the same is told: joins hold, and nothing is left beside."""
    assert together([label], telling()) >= {label} | others


def test_every_join_of_the_catalog_survives_any_mask() -> None:
    """Of two labels that a row compares, either both are masked or none."""
    pairs: list[tuple[str, str]] = [
        pair for row in CATALOG for way in row.whose.find for pair in zip(way.labels, way.known_by, strict=True)
    ]
    pairs = [(label, known_by) for label, known_by in pairs if known_by != NO_LABEL]
    every: set[Any] = {label for pair in pairs for label in pair}
    for label in every:
        masked = together([label], telling())
        assert all((left in masked) == (right in masked) for left, right in pairs)
