"""JSON in the notation of Go, compared with an independent implementation of its rules."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.views import json_encoding

# Without surrogates, which UTF-8 cannot encode.
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


def encode_go_string(text: str) -> str:
    """Return a string as encoding/json writes it, with control and HTML characters escaped."""
    return '"' + "".join(GO_ESCAPES.get(one, f"\\u{ord(one):04x}" if one < " " else one) for one in text) + '"'


def encode_go_number(value: float) -> str:
    """Return a float as encoding/json writes it.

    It has the fewest digits that identify it, without an exponent from 1e-6 up to 1e21. A negative exponent has no
    leading zero.
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


def indent_json(document: object) -> bytes:
    """Return a document as Go indents it, encoded with Python's json module."""
    text = json.dumps(document, ensure_ascii=False, indent="\t")
    for character in "<>&\u2028\u2029":
        text = text.replace(character, GO_ESCAPES[character])
    return text.encode()


@given(value=st.floats(allow_nan=False, allow_infinity=False).filter(bool))
def test_numbers_have_the_notation_of_go(value: float) -> None:
    """Every finite float has the digits that Go writes."""
    assert (
        json_encoding.encode_go_json([json_encoding.convert_to_go_number(value)]).decode()
        == f"[\n\t{encode_go_number(value)}\n]"
    )


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
def test_numbers_observed_in_go(value: float, expected: str) -> None:
    """The notation changes at the same magnitudes as in Go."""
    assert json_encoding.encode_go_json(json_encoding.convert_to_go_number(value)).decode() == expected


@given(value=st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_are_lossless(value: float) -> None:
    """Decoding an encoded float returns the same float."""
    assert float(json.loads(json_encoding.encode_go_json(json_encoding.convert_to_go_number(value)))) == value


@given(value=st.floats(allow_nan=False, allow_infinity=False).filter(bool))
def test_numbers_as_text_have_no_exponent(value: float) -> None:
    """Numbers in text fields are plain decimals, integers without a fraction."""
    text = json_encoding.format_decimal(value)
    assert float(text) == value
    assert set(text) <= set("-.0123456789")
    assert not text.endswith(".0")


@given(text=TEXT)
def test_strings_are_escaped_as_in_go(text: str) -> None:
    """Every string, as a value and as a key, is escaped like in Go."""
    assert (
        json_encoding.encode_go_json({text: text}).decode()
        == f"{{\n\t{encode_go_string(text)}: {encode_go_string(text)}\n}}"
    )


@given(
    document=st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | TEXT,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
        max_leaves=12,
    )
)
def test_documents_are_indented_as_in_go(document: object) -> None:
    """Any document is indented with tabs, with empty lists and objects on one line."""
    encoded = json_encoding.encode_go_json(document)
    assert encoded == indent_json(document)
    assert json.loads(encoded) == document


@pytest.mark.parametrize("text", ['": ', "\n\t ", "  ", '{"a": [1, 2]}', "\\\n"])
def test_layout_characters_in_strings_are_kept(text: str) -> None:
    """Spaces and colons in strings are not treated as layout."""
    assert json.loads(json_encoding.encode_go_json({text: [text]})) == {text: [text]}


def test_deep_documents_are_indented() -> None:
    """Forty levels are indented with forty tabs."""
    document: object = 1
    for _ in range(40):
        document = [document]
    assert json_encoding.encode_go_json(document) == indent_json(document)
