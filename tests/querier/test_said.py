"""What an upstream says beside its samples, however much it is."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.querier.said import MOST_TEXTS, READ_BYTES, TEXT_CHARACTERS, texts
from aggregator.secrets import NONE_KNOWN

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('ab"\\,[]ü'), inner, max_size=3),
    max_leaves=6,
)


def said(document: Any, **form: Any) -> tuple[str, ...]:
    """Return the texts of a document in its JSON."""
    return texts(msgspec.Raw(json.dumps(document, **form).encode()), NONE_KNOWN)


@given(st.lists(JSON, max_size=MOST_TEXTS), st.booleans(), st.sampled_from([None, 1]))
def test_the_first_texts_are_the_same_however_many_follow(
    first: list[Any], ascii_only: bool, indent: int | None
) -> None:
    """A list that is longer than what is read begins as it would if it ended there, and its length is told."""
    long = [*first, *["x" * 100] * READ_BYTES]
    form: dict[str, Any] = {"ensure_ascii": ascii_only, "indent": indent}
    *told, last = said(long, **form)
    beginning = said([*first, *["x" * 100] * (MOST_TEXTS - len(first))], **form)
    assert tuple(told) == beginning
    assert last == f"and more, {len(json.dumps(long, **form).encode())} bytes in all"


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b'"' + b"x" * READ_BYTES + b'"', id="one long text"),
        pytest.param(b'["' + b"x" * READ_BYTES + b'"]', id="a list of one long text"),
        pytest.param(b"[" * READ_BYTES + b"]" * READ_BYTES, id="deep"),
        pytest.param(b'{"a":"' + b"x" * READ_BYTES + b'"}', id="an object"),
        pytest.param(b"[" + b" " * READ_BYTES + b'"a"]', id="white space"),
        pytest.param(b"[" + b"9" * 2 * READ_BYTES + b"]", id="a long number"),
        pytest.param(b'["\\ud800",' + b" " * READ_BYTES + b'"a"]', id="a lone surrogate"),
    ],
)
def test_of_what_has_no_short_beginning_the_size_is_told(raw: bytes) -> None:
    """Whatever the beginning is, reading it ends, and one short text says how large the whole is."""
    assert texts(msgspec.Raw(raw), NONE_KNOWN) == (f"{len(raw)} bytes, more than are read",)


@given(st.binary(max_size=50), st.booleans())
def test_no_bytes_break_it(beginning: bytes, is_long: bool) -> None:
    """Any bytes become few and short texts that can be sent to clients."""
    told = texts(msgspec.Raw(beginning + b" " * READ_BYTES * is_long), NONE_KNOWN)
    assert len(told) <= MOST_TEXTS + 1
    assert all(len(text.encode()) <= 4 * (TEXT_CHARACTERS + 1) for text in told)
