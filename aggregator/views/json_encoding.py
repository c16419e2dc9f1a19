"""JSON as Go's encoding/json writes it with tabs, and documents with many members, encoded in chunks.

Clients of the Go service compare the bytes; the rules for escaped characters and floats are in
https://pkg.go.dev/encoding/json. Encoding the document of 60,000 containers in one call would hold the GIL for a tenth
of a second. Between chunks other threads can run, and the objects of a chunk are released before the next is built.
"""

import re
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any, TypeVar, cast

import msgspec

from aggregator.util.runtime import iter_chunks

_Member = TypeVar("_Member")

# Encoding this many pods with their containers takes about a millisecond.
MEMBERS_PER_CHUNK = 250

# Takes the place of the members of an array or object in a skeleton. The byte 0xFE never occurs in UTF-8.
PLACEHOLDER = b'"\xfe"'

NAMED_PLACEHOLDER = PLACEHOLDER + b":0"


_ESCAPES = (
    (b"<", b"\\u003c"),
    (b">", b"\\u003e"),
    (b"&", b"\\u0026"),
    ("\u2028".encode(), b"\\u2028"),
    ("\u2029".encode(), b"\\u2029"),
)

# Replaces spaces that are not indentation. The byte 0xFF never occurs in UTF-8.
_SPACE_SUBSTITUTE = b"\xff"

_HIDE_SPACES = bytes.maketrans(b" ", _SPACE_SUBSTITUTE)

# A placeholder for members, after indentation.
_INDENTED_PLACEHOLDER = PLACEHOLDER + b": 0"

_SPACES_TO_TABS = bytes.maketrans(b" " + _SPACE_SUBSTITUTE, b"\t ")


class ChunkedMembers:
    """At least one member of an array, or pair of an object. Members are built while they are encoded."""

    def __init__(self, members: Iterable[Any], members_per_chunk: int, *, are_named: bool) -> None:
        self._members = members
        self._members_per_chunk = members_per_chunk
        self._are_named = are_named

    def encode_chunks(self) -> Iterator[bytes]:
        """Yield arrays or objects that contain some of the members each."""
        for chunk in iter_chunks(self._members, self._members_per_chunk):
            yield msgspec.json.encode(dict(chunk) if self._are_named else chunk)

    def build_placeholder(self) -> msgspec.Raw:
        """Return the placeholder of the members in a skeleton."""
        return msgspec.Raw(b"{%b}" % NAMED_PLACEHOLDER if self._are_named else b"[%b]" % PLACEHOLDER)


def chunk_object(
    members: Iterable[tuple[str, _Member]], members_per_chunk: int = MEMBERS_PER_CHUNK
) -> dict[str, _Member]:
    """Return an object that `encode_skeleton` encodes in chunks. It needs at least one member, and unique names."""
    return cast("dict[str, _Member]", ChunkedMembers(members, members_per_chunk, are_named=True))


def chunk_array(members: Iterable[_Member], members_per_chunk: int = MEMBERS_PER_CHUNK) -> list[_Member]:
    """Return an array that `encode_skeleton` encodes in chunks. It needs at least one member."""
    return cast("list[_Member]", ChunkedMembers(members, members_per_chunk, are_named=False))


def encode_skeleton(document: Any) -> tuple[bytes, list[ChunkedMembers]]:
    """Return the skeleton of a document, its JSON with placeholders, and the members to insert, in order."""
    chunked_members: list[ChunkedMembers] = []

    def insert_placeholder(value: object) -> msgspec.Raw:
        if not isinstance(value, ChunkedMembers):
            raise NotImplementedError(type(value))
        chunked_members.append(value)
        return value.build_placeholder()

    return msgspec.json.encode(document, enc_hook=insert_placeholder), chunked_members


def encode_go_json(document: Any) -> bytes:
    """Return the document as Go would write it, with mappings in their own order.

    Floats must be converted with `convert_to_go_number`. Objects of `chunk_object` are encoded in chunks.
    """
    compact, chunked_members = encode_skeleton(document)
    current_piece, *rest = _indent_go_json(compact).split(_INDENTED_PLACEHOLDER)
    pieces = [current_piece]
    for members, next_piece in zip(chunked_members, rest, strict=True):
        depth = len(current_piece) - current_piece.rfind(b"\n") - 1
        for chunk in members.encode_chunks():
            pieces += (_indent_members(chunk, depth), b",\n" + b"\t" * depth)
        pieces[-1] = current_piece = next_piece
    return b"".join(pieces)


def _indent_go_json(text: bytes) -> bytes:
    """Return compact JSON in the layout of Go."""
    # These characters occur only in strings, so they can be replaced in the encoded text.
    for character, escape in _ESCAPES:
        if character in text:
            text = text.replace(character, escape)
    # Compact JSON has spaces only in strings. They are replaced until indentation has been converted to tabs.
    indented = msgspec.json.format(text.translate(_HIDE_SPACES), indent=1)
    return indented.replace(b'": ', b'":' + _SPACE_SUBSTITUTE).translate(_SPACES_TO_TABS)


def _indent_members(compact: bytes, depth: int) -> bytes:
    """Return the members of an object in the layout of this depth, from the first name to the last value."""
    bracket_depth = depth - 1
    indented = _indent_go_json(b"[" * bracket_depth + compact + b"]" * bracket_depth)
    # Each bracket is on its own line, one tab deeper than the previous line.
    start = 2 * bracket_depth + bracket_depth * depth // 2
    return indented[start + len(b"{\n") + depth : -start - 2]


def convert_to_go_number(value: float) -> float:
    """Return a value that is encoded as Go writes this float.

    41.0 becomes the int 41. Very small and very large numbers become raw JSON. The declared type is float, so that the
    fields of the documents can be declared as floats.
    """
    magnitude = abs(value)
    if 1e-5 <= magnitude < 1e15:
        return int(value) if value.is_integer() else value
    return cast("float", msgspec.Raw(_format_go_float(value).encode()))


def _format_go_float(value: float) -> str:
    if value == 0:
        return "0"
    if 1e-6 <= abs(value) < 1e21:
        return format_decimal(value)
    return re.sub(r"e-0(\d)$", r"e-\1", repr(value))


def format_decimal(value: float) -> str:
    """Return a number as decimal text without an exponent, for fields that contain numbers as text."""
    digits = repr(value)
    if "e" in digits:
        digits = format(Decimal(digits), "f")
    return digits.removesuffix(".0")
