"""Large answers in pieces."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.errors import MalformedError
from aggregator.querier.decode import decoder
from aggregator.querier.pieces import pieces

LABELS = ("pod", "metric")
# What would look like a seam, were it not inside a string.
TRICKY = ['},{"metric":', '"},{"metric":{', '\\"},{"metric":', "]}", '"result":[', "\\", "ü"]
TEXTS = st.lists(st.sampled_from(TRICKY) | st.text(st.characters(exclude_categories=["Cs"]), max_size=3)).map("".join)
SAMPLES = st.fixed_dictionaries(
    {"metric": st.dictionaries(st.sampled_from([*LABELS, "other"]), TEXTS), "value": st.tuples(st.just(1.5), TEXTS)}
)


def written(samples: list[Any], **beside: Any) -> bytes:
    """Return an answer as Prometheus writes it."""
    document = {"status": "success", "data": {"resultType": "vector", "result": samples}, **beside}
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def outcome(body: bytes, piece_bytes: int) -> str:
    """Return what a body decodes to, or the error, as text: each decoder has types of its own."""
    try:
        return repr(decoder(LABELS, piece_bytes)(body))
    except MalformedError as error:
        return str(error)


@given(st.lists(SAMPLES, max_size=12), st.lists(TEXTS, max_size=2), st.integers(1, 200))
def test_an_answer_in_pieces_decodes_as_it_does_whole(samples: list[Any], warnings: list[str], size: int) -> None:
    """Whatever is in labels and values, neither a sample nor a warning is lost, changed or moved."""
    body = written(samples, warnings=warnings)
    assert outcome(body, size) == outcome(body, len(body) + 1)


@given(st.lists(SAMPLES, min_size=3, max_size=8), st.integers(1, 100), st.data())
def test_a_damaged_answer_fails_as_it_does_whole(samples: list[Any], size: int, data: st.DataObject) -> None:
    """A cut or changed body gives the same samples or the same error text, in pieces or not."""
    body = bytearray(written(samples))
    at = data.draw(st.integers(0, len(body) - 1))
    body[at : at + data.draw(st.integers(1, 5))] = data.draw(st.binary(max_size=3))
    assert outcome(bytes(body), size) == outcome(bytes(body), len(body) + 1)


@pytest.mark.parametrize(
    "sample",
    [
        {"metric": {}, "value": [1, "1"], "more": [{"a": 1}, {"metric": 2}]},
        {"metric": {}, "value": [1, "1"], "more": {"a": {"b": 1}, "c": [{}, {"metric": {}, "value": [1, "1"]}]}},
    ],
)
def test_a_seam_inside_a_sample_is_none(sample: dict[str, Any]) -> None:
    """What only looks like a seam leads to the decoding of the whole."""
    body = written([sample] * 3)
    assert outcome(body, 1) == outcome(body, len(body) + 1)


def test_pieces_are_about_as_large_as_asked() -> None:
    """No piece but the last is shorter than asked, nor longer by more than one sample."""
    sample = {"metric": {"pod": "a" * 50}, "value": [1, "1"]}
    body = written([sample] * 1000)
    made = list(pieces(body, 1000))
    assert len(made) > 50
    assert all(1000 <= len(piece) <= 1000 + len(written([sample])) for piece in made[:-1])


def test_a_small_answer_is_not_copied() -> None:
    """It comes as it is."""
    body = written([])
    assert next(pieces(body)) is body
