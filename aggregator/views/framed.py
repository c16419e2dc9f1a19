"""JSON of documents with many members: a frame of all the rest, and those encoded a portion at a time.

In one call the document of 60,000 containers holds the interpreter for a tenth of a second. In portions other threads
have their turn, and a portion's objects are gone before the next one's are made.
"""

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar, cast

import msgspec

from aggregator.portions import portions

_Member = TypeVar("_Member")

# About a millisecond of encoding, where these are pods with their containers.
AT_ONCE = 250
# A byte that UTF-8 never has, as a string: what a frame has instead of values, and of names with theirs.
PLACE = b'"\xfe"'
NAMED_PLACE = PLACE + b":0"


class Several:
    """Members that are made while they are encoded: values, or pairs of name and value; at least one."""

    def __init__(self, members: Iterable[Any], at_once: int, *, are_named: bool) -> None:
        self._members = members
        self._at_once = at_once
        self._are_named = are_named

    def encoded(self) -> Iterator[bytes]:
        """Yield arrays or objects that hold the members, some in each."""
        for portion in portions(self._members, self._at_once):
            yield msgspec.json.encode(dict(portion) if self._are_named else portion)

    def placed(self) -> msgspec.Raw:
        """Return what stands for them in a frame."""
        return msgspec.Raw(b"{%b}" % NAMED_PLACE if self._are_named else b"[%b]" % PLACE)


def named(members: Iterable[tuple[str, _Member]], at_once: int = AT_ONCE) -> dict[str, _Member]:
    """Return an object of members, at least one and no name twice, in a type that only `frame` knows."""
    return cast("dict[str, _Member]", Several(members, at_once, are_named=True))


def array(members: Iterable[_Member], at_once: int = AT_ONCE) -> list[_Member]:
    """Return an array of members, at least one, in a type that only `frame` knows."""
    return cast("list[_Member]", Several(members, at_once, are_named=False))


def frame(document: Any) -> tuple[bytes, list[Several]]:
    """Return a document's JSON with a place wherever several members go, and those."""
    several: list[Several] = []

    def placed(value: object) -> msgspec.Raw:
        if not isinstance(value, Several):
            raise NotImplementedError(type(value))
        several.append(value)
        return value.placed()

    return msgspec.json.encode(document, enc_hook=placed), several
