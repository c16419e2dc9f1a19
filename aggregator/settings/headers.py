"""Extra headers, as PROMETHEUS_HEADERS lists them."""

import re
from collections.abc import Iterator
from urllib.parse import unquote

NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
VALUE = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")

# What the exchange itself depends on, or what has a setting of its own.
OURS = frozenset(
    (
        "accept-encoding",
        "authorization",
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)


def headers(text: str) -> tuple[tuple[str, str], ...]:
    """Return name and value of each header of `Name=value,Other=value`; values are percent-encoded.

    Raises ValueError; its text names no value, for that may be a secret.
    """
    found = tuple(_pairs(text))
    if len({name.lower() for name, _ in found}) < len(found):
        raise ValueError("has a header twice")
    return found


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    for number, part in enumerate(text.split(","), 1):
        name, equals, encoded = part.partition("=")
        name, value = name.strip(), unquote(encoded.strip())
        if not equals or not NAME.fullmatch(name):
            raise ValueError(f"entry {number} has no name that a header can have")
        if name.lower() in OURS:
            raise ValueError(f"entry {number} is a header that is not to be set here")
        if not VALUE.fullmatch(value):
            raise ValueError(f"entry {number} has no value that a header can have: printable ASCII characters")
        yield name, value
