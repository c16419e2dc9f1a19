"""Problem documents (RFC 9457): how everything under /api/v1 says what is wrong, to programs as to persons."""

import json
from collections.abc import Mapping
from typing import Any

from aggregator.errors import RequestError
from aggregator.server.asgi import NO_SNIFFING, Answer, Headers
from aggregator.server.failures import failure_of, text_of

CONTENT_TYPE = "application/problem+json"
# The kinds of problems by their status: the name that `type` ends in, and the title.
KINDS: Mapping[int, tuple[str, str]] = {
    400: ("bad-request", "The request cannot be understood"),
    401: ("not-authorized", "No token, or one that does not hold"),
    403: ("not-allowed", "The token opens nothing here"),
    404: ("not-found", "Nothing has this name"),
    405: ("wrong-method", "It cannot be asked for by this method"),
    410: ("version-gone", "The topology of the first pages is gone"),
    500: ("internal-error", "A defect of the server"),
    503: ("unavailable", "There is no topology to show"),
}
# /docs tells of each.
TYPES = "/docs#"

_HEADERS: Headers = [(b"content-type", CONTENT_TYPE.encode()), NO_SNIFFING, (b"cache-control", b"no-store")]


def problem(error: Exception) -> dict[str, Any]:
    """Return the document of an error."""
    status = failure_of(error).status
    kind, title = KINDS[status]
    document: dict[str, Any] = {"type": TYPES + kind, "title": title, "status": status, "detail": text_of(error)}
    if isinstance(error, RequestError):
        told = {"parameter": error.parameter, "allowed": list(error.allowed), "nearest": list(error.nearest)}
        document |= {name: value for name, value in told.items() if value}
    return document


def problem_answer(error: Exception, headers: Headers) -> Answer:
    """Return an answer with the document of an error."""
    document = problem(error)
    body = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
    length = (b"content-length", b"%d" % len(body))
    return Answer(document["status"], [*_HEADERS, length, *headers], body)


def is_told_as_problem(path: str) -> bool:
    """Return whether what is wrong at a path is told by a problem document."""
    return path == API or path.startswith(API_FOLDER)


API = "/api/v1"
API_FOLDER = f"{API}/"
QUALITY = f"{API}/quality"
