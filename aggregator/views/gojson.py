"""JSON as Go's encoding/json writes it with a tab as indent: what clients of the Go service compare and diff.

The facts are in https://pkg.go.dev/encoding/json: which characters are escaped, how floats are written.
"""

import re
from decimal import Decimal
from typing import Any, cast

import msgspec

from aggregator.views import framed

_ESCAPES = (
    (b"<", b"\\u003c"),
    (b">", b"\\u003e"),
    (b"&", b"\\u0026"),
    ("\u2028".encode(), b"\\u2028"),
    ("\u2029".encode(), b"\\u2029"),
)
# A byte that UTF-8 never has: it stands in for spaces that are not indentation.
_SPACE = b"\xff"
_HIDE_SPACES = bytes.maketrans(b" ", _SPACE)
# As a place for members is laid out.
_PLACE = framed.PLACE + b": 0"
_SPACES_TO_TABS = bytes.maketrans(b" " + _SPACE, b"\t ")


def encode(document: Any) -> bytes:
    """Return the document as Go would write it; mappings are written in the order they have.

    Floats must have been through `number`. Members that are `framed.named` are written a portion at a time.
    """
    compact, places = framed.frame(document)
    first, *rest = _indented(compact).split(_PLACE)
    pieces = [first]
    for several, after in zip(places, rest, strict=True):
        depth = len(first) - first.rfind(b"\n") - 1
        for portion in several.encoded():
            pieces += (_inside(portion, depth), b",\n" + b"\t" * depth)
        pieces[-1] = first = after
    return b"".join(pieces)


def _indented(text: bytes) -> bytes:
    """Return compact JSON as Go lays it out."""
    # None of these characters has a meaning in JSON outside strings, where it is always a character of its own.
    for character, escape in _ESCAPES:
        if character in text:
            text = text.replace(character, escape)
    # Compact JSON has spaces in strings only. Out of sight, they survive that indentation is turned into tabs.
    indented = msgspec.json.format(text.translate(_HIDE_SPACES), indent=1)
    return indented.replace(b'": ', b'":' + _SPACE).translate(_SPACES_TO_TABS)


def _inside(compact: bytes, depth: int) -> bytes:
    """Return the members of an object, laid out as they are at a depth, from the first name to the last value."""
    around = depth - 1
    laid_out = _indented(b"[" * around + compact + b"]" * around)
    # Each bracket is on a line of its own, which is one tab deeper than the line before.
    start = 2 * around + around * depth // 2
    return laid_out[start + len(b"{\n") + depth : -start - 2]


def number(value: float) -> float:
    """Return a float so that it is encoded as Go writes it.

    41.0 becomes the int 41. Very small and very large numbers become raw JSON, in a type that only the
    encoder looks at: declared a float, so that the fields that hold it can be.
    """
    size = abs(value)
    if 1e-5 <= size < 1e15:
        return int(value) if value.is_integer() else value
    return cast("float", msgspec.Raw(_digits(value).encode()))


def _digits(value: float) -> str:
    if value == 0:
        return "0"
    if 1e-6 <= abs(value) < 1e21:
        return text(value)
    return re.sub(r"e-0(\d)$", r"e-\1", repr(value))


def text(value: float) -> str:
    """Return a number as plain decimal text, without exponent, for the fields that hold numbers as text."""
    shortest = repr(value)
    if "e" in shortest:
        shortest = format(Decimal(shortest), "f")
    return shortest.removesuffix(".0")
