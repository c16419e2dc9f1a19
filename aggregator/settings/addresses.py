"""The addresses of the upstreams, as PROMETHEUS_ADDRESS lists them."""

import re
from collections.abc import Iterator
from urllib.parse import SplitResult, parse_qsl, unquote

from aggregator.querier.client import Address
from aggregator.settings import urls

BETWEEN = re.compile(r"[,\s]+")
MOST_CHARACTERS = 100


def addresses(text: str) -> tuple[Address, ...]:
    """Return each upstream's base URL without its slash, and apart from it credentials, name and cluster label.

    Raises ValueError; its text never repeats a URL, for that may hold a password.
    """
    listed = [url for url in BETWEEN.split(text) if url]
    if any(url.startswith("replay:") for url in listed):
        raise ValueError("has a recording among others; one is replayed alone")
    found = tuple(_numbered(listed))
    if not found:
        raise ValueError("lists none")
    if len({address.name for address in found}) < len(found):
        raise ValueError("lists two upstreams of one name; #name=… at the end of a URL gives it another")
    return found


def _numbered(listed: list[str]) -> Iterator[Address]:
    wrong = []
    for number, url in enumerate(listed, 1):
        try:
            yield _address(url)
        except ValueError as error:
            wrong.append(f"address {number} of {len(listed)} {error}" if len(listed) > 1 else str(error))
    if wrong:
        raise ValueError("; ".join(wrong))


def _address(url: str) -> Address:
    parts = _parts(url)
    beside = _beside(parts.fragment)
    place = parts.netloc.rpartition("@")[2]
    return Address(
        url=f"{parts.scheme}://{place}{parts.path.rstrip('/')}",
        user=unquote(parts.username) if parts.username is not None else None,
        password=unquote(parts.password) if parts.password is not None else None,
        name=beside.get("name", place),
        cluster=beside.get("cluster", ""),
    )


def _parts(url: str) -> SplitResult:
    parts = urls.split(url)
    if "@" in parts.path:
        raise ValueError("has an @ in its path; a / or ? in a password is written %2F or %3F")
    if parts.query:
        raise ValueError("has a query")
    urls.check_port(parts)
    return parts


def _beside(fragment: str) -> dict[str, str]:
    """Return what is told of an upstream behind the # of its URL, which is never sent."""
    pairs = parse_qsl(fragment, keep_blank_values=True)
    beside = dict(pairs)
    if len(beside) < len(pairs) or not beside.keys() <= {"name", "cluster"} or (fragment and not pairs):
        raise ValueError("has something else than name=… and cluster=… behind its #")
    for key, value in pairs:
        # A password with a # in it would end here: nothing that looks like one becomes a name that is told.
        if not value or len(value) > MOST_CHARACTERS or not value.isprintable() or "@" in value:
            raise ValueError(f"has behind its # a {key} that is none")
    return beside
