"""Large responses are decoded in chunks."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.errors import MalformedResponseError
from aggregator.querier.prometheus.decode import create_decoder, split_response

LABELS = ("pod", "metric")
# What would look like a seam, were it not inside a string.
TRICKY_TEXTS = ['},{"metric":', '"},{"metric":{', '\\"},{"metric":', "]}", '"result":[', "\\", "ü"]
TEXTS = st.lists(st.sampled_from(TRICKY_TEXTS) | st.text(st.characters(exclude_categories=["Cs"]), max_size=3)).map(
    "".join
)
SAMPLES = st.fixed_dictionaries(
    {"metric": st.dictionaries(st.sampled_from([*LABELS, "other"]), TEXTS), "value": st.tuples(st.just(1.5), TEXTS)}
)


def encode_samples(samples: list[Any], is_partial: bool | None = None, **beside: Any) -> bytes:
    """Return a response in the format of Prometheus, or with the partial flag of VictoriaMetrics."""
    flag = {} if is_partial is None else {"isPartial": is_partial}
    document = {"status": "success", **flag, "data": {"resultType": "vector", "result": samples}, **beside}
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def describe_outcome(body: bytes, chunk_bytes: int) -> str:
    """Return the answer or the error as text, because each decoder has types of its own."""
    try:
        return repr(create_decoder(LABELS, chunk_bytes)(body))
    except MalformedResponseError as error:
        return str(error)


@given(
    st.lists(SAMPLES, max_size=12),
    st.lists(TEXTS, max_size=2),
    st.sampled_from([None, True, False]),
    st.integers(1, 200),
)
def test_chunks_decode_like_the_whole_body(
    samples: list[Any], warnings: list[str], is_partial: bool | None, size: int
) -> None:
    """No sample or warning is lost, changed or moved, whatever labels and values contain."""
    body = encode_samples(samples, is_partial, warnings=warnings)
    assert describe_outcome(body, size) == describe_outcome(body, len(body) + 1)


@given(st.lists(SAMPLES, min_size=3, max_size=8), st.integers(1, 100), st.data())
def test_a_damaged_body_fails_like_the_whole_body(samples: list[Any], size: int, data: st.DataObject) -> None:
    """A truncated or changed body gives the same samples or the same error, in chunks or whole."""
    body = bytearray(encode_samples(samples))
    at = data.draw(st.integers(0, len(body) - 1))
    body[at : at + data.draw(st.integers(1, 5))] = data.draw(st.binary(max_size=3))
    assert describe_outcome(bytes(body), size) == describe_outcome(bytes(body), len(body) + 1)


@pytest.mark.parametrize(
    "sample",
    [
        {"metric": {}, "value": [1, "1"], "more": [{"a": 1}, {"metric": 2}]},
        {"metric": {}, "value": [1, "1"], "more": {"a": {"b": 1}, "c": [{}, {"metric": {}, "value": [1, "1"]}]}},
    ],
)
def test_a_separator_inside_a_string_does_not_split(sample: dict[str, Any]) -> None:
    """A separator inside a string leads to decoding the body as a whole."""
    body = encode_samples([sample] * 3)
    assert describe_outcome(body, 1) == describe_outcome(body, len(body) + 1)


def test_chunks_have_the_requested_size() -> None:
    """Chunks have the requested size, plus at most one sample; only the last one may be shorter."""
    sample = {"metric": {"pod": "a" * 50}, "value": [1, "1"]}
    body = encode_samples([sample] * 1000)
    made = list(split_response(body, 1000))
    assert len(made) > 50
    assert all(1000 <= len(piece) <= 1000 + len(encode_samples([sample])) for piece in made[:-1])


def test_an_unknown_format_is_not_split() -> None:
    """A body in an unknown format is not split."""
    body = encode_samples([])
    assert next(split_response(body)) is body
