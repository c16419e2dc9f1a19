"""JSON as Go writes it, against an independent statement of Go's rules."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.views import gojson

# Surrogates alone are no text: nothing that was UTF-8 once has them.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
GO_ESCAPES = {
    '"': '\\"',
    "\\": "\\\\",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "<": "\\u003c",
    ">": "\\u003e",
    "&": "\\u0026",
    "\u2028": "\\u2028",
    "\u2029": "\\u2029",
}


def go_string(text: str) -> str:
    """Return a string as encoding/json writes it: control characters and what HTML minds are escaped."""
    return '"' + "".join(GO_ESCAPES.get(one, f"\\u{ord(one):04x}" if one < " " else one) for one in text) + '"'


def go_number(value: float) -> str:
    """Return a float as encoding/json writes it.

    The fewest digits that tell it from its neighbours; plain from 1e-6 up to 1e21, else with an exponent,
    which has no leading zero where it is negative.
    """
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    assert isinstance(exponent, int)
    text = "".join(map(str, digits))
    point = len(text) + exponent
    if 1e-6 <= abs(value) < 1e21:
        whole = text[:point].ljust(point, "0") if point > 0 else "0"
        fraction = "0" * -point + text[max(point, 0) :]
        body = f"{whole}.{fraction}" if fraction else whole
    else:
        mantissa = text[0] + ("." + text[1:] if len(text) > 1 else "")
        body = f"{mantissa}e{'+' if point > 0 else '-'}{abs(point - 1)}"
    return "-" * sign + body


def indented(document: object) -> bytes:
    """Return a document as Go indents it, by Python's own encoder."""
    text = json.dumps(document, ensure_ascii=False, indent="\t")
    for character in "<>&\u2028\u2029":
        text = text.replace(character, GO_ESCAPES[character])
    return text.encode()


@given(value=st.floats(allow_nan=False, allow_infinity=False).filter(bool))
def test_numbers_are_written_as_go_writes_them(value: float) -> None:
    """Every finite float has the digits that Go gives it."""
    assert gojson.encode([gojson.number(value)]).decode() == f"[\n\t{go_number(value)}\n]"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (41.0, "41"),
        (0.1, "0.1"),
        (1e-6, "0.000001"),
        (9.5e-7, "9.5e-7"),
        (1e-9, "1e-9"),
        (1e-10, "1e-10"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (1.5e300, "1.5e+300"),
        (123456789.125, "123456789.125"),
        (1795208182.242, "1795208182.242"),
        (0.0, "0"),
    ],
)
def test_numbers_that_go_was_seen_to_write(value: float, expected: str) -> None:
    """The places where the form changes are where Go changes it."""
    assert gojson.encode(gojson.number(value)).decode() == expected


@given(value=st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_is_read_back_as_it_was(value: float) -> None:
    """No digit is lost on the way to a client."""
    assert float(json.loads(gojson.encode(gojson.number(value)))) == value


@given(value=st.floats(allow_nan=False, allow_infinity=False).filter(bool))
def test_numbers_as_text_have_no_exponent(value: float) -> None:
    """Fields that hold numbers as text hold plain decimals, whole ones without a fraction."""
    text = gojson.text(value)
    assert float(text) == value
    assert set(text) <= set("-.0123456789")
    assert not text.endswith(".0")


@given(text=TEXT)
def test_strings_are_escaped_as_go_escapes_them(text: str) -> None:
    """Every string, as value and as key, is written character by character as Go does it."""
    assert gojson.encode({text: text}).decode() == f"{{\n\t{go_string(text)}: {go_string(text)}\n}}"


@given(
    document=st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | TEXT,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
        max_leaves=12,
    )
)
def test_whole_documents_are_indented_as_go_indents_them(document: object) -> None:
    """Any document is indented by tabs, empty lists and objects on one line, and reads back equal."""
    encoded = gojson.encode(document)
    assert encoded == indented(document)
    assert json.loads(encoded) == document


@pytest.mark.parametrize("text", ['": ', "\n\t ", "  ", '{"a": [1, 2]}', "\\\n"])
def test_what_looks_like_layout_inside_strings_stays(text: str) -> None:
    """Spaces and colons in a string are not taken for indentation."""
    assert json.loads(gojson.encode({text: [text]})) == {text: [text]}


def test_a_deep_document_is_indented_to_its_depth() -> None:
    """Forty levels are forty tabs."""
    document: object = 1
    for _ in range(40):
        document = [document]
    assert gojson.encode(document) == indented(document)
