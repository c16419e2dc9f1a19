"""What an upstream says beside its samples: for people to read, so few texts and short, whatever it sent."""

from collections.abc import Iterator
from typing import Any

import msgspec

MOST_TEXTS = 5
TEXT_CHARACTERS = 300

# What decoding raises for bytes that are not the JSON that was expected.
NOT_JSON = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def short(text: str) -> str:
    """Return a text with a bound to its length."""
    return text if len(text) <= TEXT_CHARACTERS else text[:TEXT_CHARACTERS] + "…"


class _ErrorBody(msgspec.Struct):
    """What Prometheus says in the body of a refusal."""

    error: str
    errorType: str = "error"  # noqa: N815 - Prometheus' name


def reason(body: bytes, phrase: str) -> str:
    """Return why a query was refused: Prometheus' own words, or the phrase of the HTTP status where it said nothing."""
    try:
        said = msgspec.json.decode(body, type=_ErrorBody)
    except NOT_JSON:
        return phrase or "no reason given"
    return short(f"{said.errorType}: {said.error}")


def texts(raw: msgspec.Raw) -> tuple[str, ...]:
    """Return the texts that an upstream said, whether it sent a list, one text, nothing, or something else."""
    try:
        said = msgspec.json.decode(raw)
    except NOT_JSON:
        return ("something that cannot be read",)
    if said is None:
        return ()
    entries = said if isinstance(said, list) else [said]
    return tuple(_few([entry for entry in entries if entry not in (None, "")]))


def _few(entries: list[Any]) -> Iterator[str]:
    for entry in entries[:MOST_TEXTS]:
        yield short(entry if isinstance(entry, str) else msgspec.json.encode(entry).decode())
    if len(entries) > MOST_TEXTS:
        yield f"and {len(entries) - MOST_TEXTS} more"
