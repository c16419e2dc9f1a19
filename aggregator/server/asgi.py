"""ASGI as our applications use it: its types, and whole answers."""

import json
from collections.abc import Awaitable, Callable, MutableMapping
from functools import lru_cache
from typing import Any, NamedTuple

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

JSON = (b"content-type", b"application/json")
NO_SNIFFING = (b"x-content-type-options", b"nosniff")
# Every answer is as fresh as it gets; what lies between must not keep it.
NO_CACHE = (b"cache-control", b"no-cache")


class Answer(NamedTuple):
    """A whole answer."""

    status: int
    headers: Headers
    body: bytes


class Prepared(NamedTuple):
    """A whole answer, with its headers both as they are and as lines."""

    status: int
    headers: Headers
    lines: bytes
    body: bytes

    @staticmethod
    def of(status: int, headers: Headers, body: bytes) -> "Prepared":
        """Return what these make."""
        return Prepared(status, headers, header_lines(headers), body)


class WrittenAnswer(NamedTuple):
    """A whole answer, ready to be written behind its status line and what the server says of itself.

    `lines` are its headers, each with its end of line, without the empty line at the end.
    """

    status: int
    lines: bytes
    body: bytes


def header_lines(headers: Headers) -> bytes:
    """Return headers as they are written."""
    return b"".join([b"%s: %s\r\n" % header for header in headers])


async def answer(send: Send, status: int, headers: Headers, body: bytes) -> None:
    """Send a whole answer."""
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def answer_error(send: Send, status: int, text: str, headers: Headers) -> None:
    """Answer in the form of all our errors."""
    await answer(send, *error_answer(status, text, headers))


def error_answer(status: int, text: str, headers: Headers) -> Answer:
    """Return an answer in the form of all our errors."""
    body = _error_body(text)
    return Answer(status, [JSON, (b"content-length", b"%d" % len(body)), NO_SNIFFING, *headers], body)


@lru_cache(maxsize=64)
def _error_body(text: str) -> bytes:
    return json.dumps({"error": text}, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
