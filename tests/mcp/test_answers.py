"""Answers are bounded in size, and say what they leave out."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.mcp.answers import Answer

LISTS = st.dictionaries(
    st.sampled_from(["nodes", "pods", "matches"]), st.lists(st.text(max_size=40), max_size=30), min_size=1
)


def test_a_small_answer_is_one_line_of_json() -> None:
    """An answer within the limit is the document, without notes."""
    assert Answer({"nodes": [{"name": "a"}], "totalCount": 1}, "ask for less").render() == (
        '{"nodes":[{"name":"a"}],"totalCount":1}'
    )


def test_a_note_says_how_to_ask_for_less() -> None:
    """A list that is cut has a note with the number of its members and the advice."""
    text = Answer({"pods": ["x" * 10] * 9, "nodes": ["y"]}, "narrow with filter=…").render(max_bytes=60)
    assert text == 'pods cut at 2 of 9; narrow with filter=…\n{"pods":["xxxxxxxxxx","xxxxxxxxxx"],"nodes":["y"]}'


def test_members_that_were_never_there_are_counted() -> None:
    """A list of which the gateway returned a part has a note with the total."""
    assert Answer({"pods": [1, 2]}, "narrow", {"pods": 7}).render() == 'pods cut at 2 of 7; narrow\n{"pods":[1,2]}'


def test_a_document_without_lists_is_cut_in_bytes() -> None:
    """A document that remains too large has a note that it is no longer JSON."""
    note, document = Answer({"label": "é" * 50}, "narrow").render(max_bytes=20).split("\n")
    assert note == "cut at 20 of 112 bytes, so it is not valid JSON; narrow"
    assert document == '{"label":"ééééé'


@given(content=LISTS, max_bytes=st.integers(30, 2000))
def test_the_document_never_exceeds_the_limit(content: dict[str, list[str]], max_bytes: int) -> None:
    """Whatever is cut, the document is within the limit, its lists are beginnings, and notes give the totals."""
    *notes, document = Answer(content, "narrow").render(max_bytes).split("\n")
    assert len(document.encode()) <= max_bytes
    if any("bytes" in note for note in notes):
        return
    shown = json.loads(document)
    assert all(content[name][: len(shown[name])] == shown[name] for name in content)
    cut = {name for name in content if len(shown[name]) < len(content[name])}
    assert {note.split(" ")[0] for note in notes} == cut


@pytest.mark.parametrize("max_bytes", [40, 400])
def test_longer_lists_are_cut_first(max_bytes: int) -> None:
    """A short list stays whole beside a long one."""
    document = Answer({"pods": ["x"] * 200, "nodes": ["y"]}, "narrow").render(max_bytes).split("\n")[-1]
    assert json.loads(document)["nodes"] == ["y"]
