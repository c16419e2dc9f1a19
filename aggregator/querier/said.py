"""What an upstream says beside its samples: for people to read, so few texts and short, whatever it sent."""

from collections.abc import Iterator
from typing import Any

import msgspec

from aggregator.secrets import Secrets

MOST_TEXTS = 5
TEXT_CHARACTERS = 300
# More than what is told of a beginning and the longest secret.
_BEGINNING_BYTES = 2**16

# What decoding raises for bytes that are not the JSON that was expected.
NOT_JSON = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


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
        yield short(entry if isinstance(entry, str) else msgspec.json.encode(entry).decode(), secrets)
    if len(entries) > MOST_TEXTS:
        yield f"and {len(entries) - MOST_TEXTS} more"
