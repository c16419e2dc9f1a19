"""What a filter compares with: text → numbers, moments, truth. Each returns None for what it does not understand."""

import re
from datetime import UTC, datetime, timedelta
from fractions import Fraction

# Kubernetes' quantities: a decimal number with a suffix, or with an exponent.
_NUMBER = re.compile(
    r"(?P<sign>[+-]?)(?P<digits>[0-9]{1,40}(?:\.[0-9]{0,40})?|\.[0-9]{1,40})"
    r"(?:(?P<suffix>[KMGTPE]i|[numkMGTPE])|[eE](?P<exponent>[+-]?[0-9]{1,3}))?"
)
_SUFFIXES = {
    **{
        suffix: Fraction(1000) ** power
        for power, suffix in zip(range(-3, 7), ("n", "u", "m", "", *"kMGTPE"), strict=True)
    },
    **{f"{suffix}i": Fraction(1024) ** power for power, suffix in enumerate("KMGTPE", start=1)},
}
# All whole numbers up to it are numbers of JSON.
_LARGEST_EXACT = 2**53
NUMBERS = ("5", "-1.5", "1e9", "500m", "4k", "4M", "4G", "4T", "4Ki", "4Mi", "4Gi", "4Ti")

_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOMENTS = ("2026-11-20T20:57:08Z", "2026-11-20T21:57:08.307+01:00")

_TRUTH = {"true": True, "false": False}
TRUTHS = tuple(_TRUTH)


def number(text: str) -> int | float | None:
    """Return a quantity as Kubernetes writes it.

    It is exact where it is written whole. With a point or an exponent it is what JSON would make of it, once numbers
    are so large that not each whole one is a number of JSON.
    """
    matched = _NUMBER.fullmatch(text)
    if matched is None:
        return None
    value = Fraction(matched["digits"]) * _SUFFIXES[matched["suffix"] or ""]
    value *= Fraction(10) ** int(matched["exponent"] or 0)
    if matched["sign"] == "-":
        value = -value
    is_written_whole = matched["exponent"] is None and "." not in matched["digits"]
    if value.denominator == 1 and (is_written_whole or abs(value) <= _LARGEST_EXACT):
        return value.numerator
    try:
        return float(value)
    except OverflowError:
        return value.numerator


def moment(text: str) -> float | None:
    """Return the milliseconds since the epoch of an RFC 3339 time."""
    if not _MOMENT.fullmatch(text):
        return None
    try:
        return (datetime.fromisoformat(text.upper()) - _EPOCH) / timedelta(milliseconds=1)
    except (ValueError, OverflowError):
        return None


def truth(text: str) -> bool | None:
    """Return what is true or false."""
    return _TRUTH.get(text)
