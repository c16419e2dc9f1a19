"""Ids of requests and calls: the caller's own where it is harmless, else one of ours."""

import itertools
import re
import secrets
from collections.abc import Iterable

HEADER = b"x-request-id"
LONGEST = 128
_SANE = re.compile(rb"[A-Za-z0-9._-]{1,%d}" % LONGEST)


def given_id(headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    """Return the id that the headers of an HTTP request give, the first if there are several."""
    for name, value in headers:
        if name == HEADER:
            return bytes(value)
    return None


class RequestIds:
    """Gives each request an id that no other has: a random word of this process, and a number."""

    def __init__(self) -> None:
        self._form = secrets.token_hex(6).encode() + b"-%x"
        self._numbers = itertools.count(1)

    def of(self, given: bytes | None) -> bytes:
        """Return the id that the caller gave, or a new one where it gave none or one that could do harm in a log."""
        if given is not None and _SANE.fullmatch(given):
            return given
        return self._form % next(self._numbers)
