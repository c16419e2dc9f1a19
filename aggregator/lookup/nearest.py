"""The names that are nearest to one that does not exist."""

from collections.abc import Iterable
from difflib import get_close_matches
from itertools import islice

MOST = 3
# Comparing takes some microseconds a name.
MOST_COMPARED = 500
LONGEST = 80
_LIKE = 0.6


def nearest(name: str, names: Iterable[str]) -> tuple[str, ...]:
    """Return the names that are most like one, else those that it is the beginning of; of very many, a part of them."""
    known = list(names)
    if len(known) > MOST_COMPARED:
        known = list(islice(_beginning_like(name, known), MOST_COMPARED))
    by_folded = {each[:LONGEST].casefold(): each for each in reversed(known)}
    folded = name[:LONGEST].casefold()
    found = get_close_matches(folded, by_folded, MOST, _LIKE)
    if not found and folded:
        found = sorted((each for each in by_folded if each.startswith(folded)), key=len)[:MOST]
    return tuple(by_folded[match] for match in found)


def _beginning_like(name: str, names: list[str]) -> Iterable[str]:
    begin = name[:2].casefold()
    return (each for each in names if each[:2].casefold() == begin)
