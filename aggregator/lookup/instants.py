"""Instants: the times that requests name to read the topology as it was."""

import re
from datetime import UTC, datetime
from functools import lru_cache

from aggregator.errors import BadRequestError
from aggregator.lookup.filter import parse_relative_time_ms, parse_timestamp_ms

TIME_PARAMETER = "time"
# A time as in RFC 3339, Unix seconds, or a duration as in PromQL before now; for the OpenAPI document.
INSTANT_PATTERN = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})"
    r"|[0-9]{1,12}([.][0-9]{1,9})?"
    r"|-([0-9]{1,9}(y|w|d|h|m|s|ms))+"
)
_UNIX_PATTERN = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,9})?")
_FORMS = "such as 2026-11-20T14:00:00Z, Unix seconds, or a duration before now such as -1h"
_MAX_UNIX_SECONDS = 253_402_300_799  # the end of the year 9999


def parse_instant(text: str, now_seconds: float, parameter: str = TIME_PARAMETER) -> int:
    """Return the instant in a request as Unix time, in whole seconds; raise BadRequestError if it is not one.

    Relative instants count back from `now_seconds`.
    """
    seconds = _parse_seconds(text, now_seconds)
    if seconds is None:
        # In a query string, `+` means a space.
        hint = "; percent-encode + as %2B" if _parse_seconds(text.replace(" ", "+"), now_seconds) is not None else ""
        raise BadRequestError(f"{parameter} must be a time {_FORMS}, got {text[:80]!r}{hint}", parameter=parameter)
    if not 0 <= seconds <= _MAX_UNIX_SECONDS:
        raise BadRequestError(
            f"{parameter} must be between the years 1970 and 9999, got {text[:80]!r}", parameter=parameter
        )
    return int(seconds)


@lru_cache(maxsize=256)
def format_instant(at_seconds: float) -> str:
    """Return an instant in the format of RFC 3339, in whole seconds."""
    return datetime.fromtimestamp(int(at_seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _parse_seconds(text: str, now_seconds: float) -> float | None:
    if _UNIX_PATTERN.fullmatch(text):
        return float(text)
    relative_ms = parse_relative_time_ms(text)
    if relative_ms is not None:
        return now_seconds + relative_ms / 1000
    timestamp_ms = parse_timestamp_ms(text)
    return None if timestamp_ms is None else timestamp_ms / 1000
