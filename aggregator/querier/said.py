"""What an upstream says beside its samples: for people to read, so few texts and short, whatever it sent."""

import json
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from aggregator.secrets import Secrets

MOST_TEXTS = 5
TEXT_CHARACTERS = 300
# More than what is told of a beginning and the longest secret.
_BEGINNING_BYTES = 2**16
# Of more than that only the beginning is read: a million warnings would take longer than the samples beside them.
READ_BYTES = 16 * 1024

# What decoding raises for bytes that are not the JSON that was expected.
NOT_JSON = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

# Unlike msgspec it can stop behind one value.
_FINDS_END = json.JSONDecoder()
_BEFORE_FIRST = re.compile(r"\s*\[\s*")
_BEFORE_NEXT = re.compile(r"\s*,\s*")


def short(text: str, secrets: Secrets, most: int = TEXT_CHARACTERS) -> str:
    """Return a text without secrets, and with a bound to its length.

    All that an upstream says comes through here or `beginning` before anybody is told: it may repeat what it was sent.
    """
    return secrets.hide(text, most) + ("…" if len(text) > most else "")


def beginning(body: bytes, secrets: Secrets, most: int) -> str:
    """Return so many of the first characters of what came, without secrets."""
    return secrets.hide(body[:_BEGINNING_BYTES].decode("utf-8", "replace"), most)


class _ErrorBody(msgspec.Struct):
    """What Prometheus says in the body of a refusal."""

    error: str
    errorType: str = "error"  # noqa: N815 - Prometheus' name


def reason(body: bytes, phrase: str, secrets: Secrets) -> str:
    """Return why a query was refused: Prometheus' own words, or the phrase of the HTTP status where it said nothing."""
    try:
        said = msgspec.json.decode(body, type=_ErrorBody)
    except NOT_JSON:
        return short(phrase, secrets) or "no reason given"
    return short(f"{said.errorType}: {said.error}", secrets)


def texts(raw: msgspec.Raw, secrets: Secrets) -> tuple[str, ...]:
    """Return the texts that an upstream said, whether it sent a list, one text, nothing, or something else."""
    size = len(memoryview(raw))
    if size > READ_BYTES:
        return _start(bytes(memoryview(raw)[:READ_BYTES]), size, secrets)
    try:
        said = msgspec.json.decode(raw)
    except NOT_JSON:
        return ("something that cannot be read",)
    if said is None:
        return ()
    entries = said if isinstance(said, list) else [said]
    return tuple(_few([entry for entry in entries if entry not in (None, "")], secrets))


def _few(entries: list[Any], secrets: Secrets) -> Iterator[str]:
    for entry in entries[:MOST_TEXTS]:
        yield _told(entry, secrets)
    if len(entries) > MOST_TEXTS:
        yield f"and {len(entries) - MOST_TEXTS} more"


def _told(entry: Any, secrets: Secrets) -> str:
    return short(entry if isinstance(entry, str) else msgspec.json.encode(entry).decode(), secrets)


def _start(start: bytes, size: int, secrets: Secrets) -> tuple[str, ...]:
    """Return the first texts of a list whose JSON begins so, and how long all of it is."""
    first = [_told(entry, secrets) for entry in _first_entries(start.decode("utf-8", "replace"))]
    return (*first, f"and more, {size} bytes in all") if first else (f"{size} bytes, more than are read",)


def _first_entries(start: str) -> Iterator[Any]:
    """Yield the first few entries of a list that is cut off somewhere, as far as they are whole."""
    at = _BEFORE_FIRST.match(start)
    for _ in range(MOST_TEXTS):
        if at is None:
            return
        try:
            _, end = _FINDS_END.raw_decode(start, at.end())
            entry = msgspec.json.decode(start[at.end() : end])
        except (*NOT_JSON, ValueError):
            return
        if entry not in (None, ""):
            yield entry
        at = _BEFORE_NEXT.match(start, end)
