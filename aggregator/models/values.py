"""From the text of a sample or label to a value of the topology.

Each function returns None where the text says "nothing known", and raises ValueError, with a constant
reason, where it says something that cannot be kept; the builder counts those by reason.
"""

import math
from collections.abc import Callable, Iterable
from typing import Any

from aggregator.portions import portions

Converter = Callable[[str], object]

NOT_FINITE = "not a finite number"
OUT_OF_RANGE = "out of range"
NOT_A_NUMBER = "not a number"

# The first second of the year 10000, which protobuf's Timestamp does not have.
END_OF_TIME_SECONDS = 253402300800

_INT64 = 2**63

# What Go calls an architecture (GOARCH) and what `uname -m` calls it, where the two differ and one means the other.
_UNAME_NAMES = {"amd64": "x86_64", "arm64": "aarch64"}


def real(text: str) -> float:
    """Return a finite number."""
    try:
        number = float(text)
    except ValueError:
        raise ValueError(NOT_A_NUMBER) from None
    if not math.isfinite(number):
        raise ValueError(NOT_FINITE)
    return number


def moment(text: str) -> float:
    """Return seconds since the epoch, of a time that a calendar has."""
    seconds = real(text)
    if not 0 <= seconds < END_OF_TIME_SECONDS:
        raise ValueError(OUT_OF_RANGE)
    return seconds


def whole(text: str) -> int:
    """Return the whole part of a number that fits into 64 bits."""
    number = real(text)
    if not -_INT64 <= number < _INT64:
        raise ValueError(OUT_OF_RANGE)
    return int(number)


def amount(text: str) -> int:
    """Return the whole part of a number of which there cannot be less than none: bytes, hertz."""
    number = whole(text)
    if number < 0:
        raise ValueError(OUT_OF_RANGE)
    return number


def count(text: str) -> float:
    """Return an amount with its fraction."""
    number = real(text)
    if not 0 <= number < _INT64:
        raise ValueError(OUT_OF_RANGE)
    return number


def flag(text: str) -> bool:
    """Return whether a 0/1 gauge says yes; of a fraction counts the whole part."""
    return int(real(text)) == 1


def text(raw: str) -> str:
    """Return the text as it is, also if it is empty."""
    return raw


def word(text: str) -> str | None:
    """Return the text, None if it is empty."""
    return text or None


def trimmed(text: str) -> str | None:
    """Return the text without white space around it: machine ids come with the newline of /etc/machine-id."""
    return text.strip() or None


def architecture(text: str) -> str | None:
    """Return the architecture as `uname -m` names it, from what Go names it."""
    return _UNAME_NAMES.get(text, text) or None


def degrees(text: str) -> float | None:
    """Return a latitude or longitude; 0 is what hosts without a position say."""
    if text != text.strip() or "_" in text or not text.isascii():
        raise ValueError(NOT_A_NUMBER)
    return (real(text) or None) if text else None


def all_converted(convert: Converter, texts: list[str]) -> list[Any] | None:
    """Return what the converter makes of each text; None if it refuses any.

    For the converters of numbers, of which there are most, a list is gone through a step at a time.
    """
    at_once = _AT_ONCE.get(convert)
    values: list[Any] = []
    try:
        for portion in portions(texts):
            values += map(convert, portion) if at_once is None else at_once(portion)
    except ValueError:
        return None
    return values


def _reals(texts: Iterable[str]) -> list[float]:
    numbers = list(map(float, texts))
    if not all(map(math.isfinite, numbers)):
        raise ValueError(NOT_FINITE)
    return numbers


def _moments(texts: Iterable[str]) -> list[float]:
    return _between(0, END_OF_TIME_SECONDS, _reals(texts))


def _wholes(texts: Iterable[str]) -> list[int]:
    return list(map(int, _between(-_INT64, _INT64, _reals(texts))))


def _amounts(texts: Iterable[str]) -> list[int]:
    numbers = _wholes(texts)
    if min(numbers) < 0:
        raise ValueError(OUT_OF_RANGE)
    return numbers


def _counts(texts: Iterable[str]) -> list[float]:
    return _between(0, _INT64, _reals(texts))


def _between(least: float, end: float, numbers: list[float]) -> list[float]:
    if min(numbers) < least or max(numbers) >= end:
        raise ValueError(OUT_OF_RANGE)
    return numbers


_AT_ONCE: dict[Converter, Callable[[list[str]], list[Any]]] = {
    real: _reals,
    moment: _moments,
    whole: _wholes,
    amount: _amounts,
    count: _counts,
}
