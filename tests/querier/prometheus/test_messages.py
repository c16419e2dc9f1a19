"""Warnings and infos of an upstream, of any size."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.observability.redaction import PATTERN_REDACTOR
from aggregator.querier.prometheus.errors import (
    MAX_DECODED_MESSAGES_BYTES,
    MAX_MESSAGE_CHARACTERS,
    MAX_MESSAGES,
    decode_messages,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('ab"\\,[]ü'), inner, max_size=3),
    max_leaves=6,
)


def extract_texts(document: Any, **form: Any) -> tuple[str, ...]:
    """Return the messages in a JSON document."""
    return decode_messages(msgspec.Raw(json.dumps(document, **form).encode()), PATTERN_REDACTOR)


@given(st.lists(JSON, max_size=MAX_MESSAGES), st.booleans(), st.sampled_from([None, 1]))
def test_a_long_list_is_decoded_in_part(first: list[Any], ascii_only: bool, indent: int | None) -> None:
    """A list that is too long is decoded in part: its first messages, and its size."""
    long = [*first, *["x" * 100] * (MAX_DECODED_MESSAGES_BYTES // 100)]
    form: dict[str, Any] = {"ensure_ascii": ascii_only, "indent": indent}
    *messages, last = extract_texts(long, **form)
    beginning = extract_texts([*first, *["x" * 100] * (MAX_MESSAGES - len(first))], **form)
    assert tuple(messages) == beginning
    assert last == f"and more, {len(json.dumps(long, **form).encode())} bytes in all"


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b'"' + b"x" * MAX_DECODED_MESSAGES_BYTES + b'"', id="one long text"),
        pytest.param(b'["' + b"x" * MAX_DECODED_MESSAGES_BYTES + b'"]', id="a list of one long text"),
        pytest.param(b"[" * MAX_DECODED_MESSAGES_BYTES + b"]" * MAX_DECODED_MESSAGES_BYTES, id="deep"),
        pytest.param(b'{"a":"' + b"x" * MAX_DECODED_MESSAGES_BYTES + b'"}', id="an object"),
        pytest.param(b"[" + b" " * MAX_DECODED_MESSAGES_BYTES + b'"a"]', id="white space"),
        pytest.param(b"[" + b"9" * 2 * MAX_DECODED_MESSAGES_BYTES + b"]", id="a long number"),
        pytest.param(b'["\\ud800",' + b" " * MAX_DECODED_MESSAGES_BYTES + b'"a"]', id="a lone surrogate"),
    ],
)
def test_an_undecodable_list_is_reported_by_size(raw: bytes) -> None:
    """If no message can be decoded from the beginning, one text gives the size."""
    assert decode_messages(msgspec.Raw(raw), PATTERN_REDACTOR) == (f"{len(raw)} bytes of messages, too many to decode",)


@given(st.binary(max_size=50), st.booleans())
def test_no_bytes_break_it(beginning: bytes, is_long: bool) -> None:
    """Any bytes become a few short texts that can be sent to clients."""
    messages = decode_messages(msgspec.Raw(beginning + b" " * MAX_DECODED_MESSAGES_BYTES * is_long), PATTERN_REDACTOR)
    assert len(messages) <= MAX_MESSAGES + 1
    assert all(len(text.encode()) <= 4 * (MAX_MESSAGE_CHARACTERS + 1) for text in messages)
