"""Work on long lists in portions, so that other threads have their turn in between.

A single call of C code goes through a whole list without ever giving up the interpreter: with 60,000 containers that
is 10 to 60 ms, in which no request is answered.
"""

from collections.abc import Iterable, Iterator, MutableMapping
from itertools import islice
from typing import Any, TypeVar

_Value = TypeVar("_Value")

# About a millisecond of the steps that are taken for each sample.
AT_ONCE = 4096


def portions(values: Iterable[_Value], at_once: int = AT_ONCE) -> Iterator[list[_Value]]:
    """Yield the values in lists of at most so many."""
    left = iter(values)
    while portion := list(islice(left, at_once)):
        yield portion


def turns(values: Iterable[_Value], length: int) -> Iterator[Iterator[_Value]]:
    """Yield iterators over so many values, some in each, for who goes through each before it asks for the next."""
    left = iter(values)
    for _ in range(0, length, AT_ONCE):
        yield islice(left, AT_ONCE)


def listed(values: Iterable[_Value]) -> list[_Value]:
    """Return a list of the values, which an iterator such as `map` makes only now."""
    left = iter(values)
    made: list[_Value] = []
    length = -1
    while len(made) > length:
        length = len(made)
        made += islice(left, AT_ONCE)
    return made


def let_go(things: list[Any], at_once: int = AT_ONCE) -> None:
    """Empty a list that holds the last references to what is in it: all at once, that is a long call, too."""
    while things:
        del things[-at_once:]


def let_go_all(mapping: MutableMapping[Any, Any]) -> None:
    """Empty a mapping that holds the last references to its keys and values."""
    held = [list(mapping), list(mapping.values())]
    mapping.clear()
    for things in held:
        let_go(things)
