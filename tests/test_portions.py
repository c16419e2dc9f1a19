"""Portions: a list made a part at a time is the list."""

import weakref

import pytest

from aggregator.portions import AT_ONCE, let_go, let_go_all, listed, portions, turns


@pytest.mark.parametrize("length", [0, 1, AT_ONCE - 1, AT_ONCE, AT_ONCE + 1, 3 * AT_ONCE])
def test_nothing_is_lost(length: int) -> None:
    """All values are there, in their order, whether or not they fill the last portion."""
    expected = [str(number) for number in range(length)]
    assert listed(map(str, range(length))) == expected
    assert [text for turn in turns(map(str, range(length)), length) for text in turn] == expected


def test_no_portion_is_larger_than_asked_for() -> None:
    """Portions are full but for the last, and none is empty."""
    assert list(portions(range(7), 3)) == [[0, 1, 2], [3, 4, 5], [6]]


class Thing:
    """What can be told to be gone."""


def test_what_is_let_go_is_freed() -> None:
    """Nothing is left of a list or a mapping, however long it was, and nothing of what only they held."""
    things, by_name = ([Thing() for _ in range(2 * AT_ONCE + 1)] for _ in range(2))
    mapping = {(name, str(name)): thing for name, thing in enumerate(by_name)}
    gone = [weakref.ref(thing) for thing in (*things, *by_name)]
    del by_name
    let_go(things)
    let_go_all(mapping)
    assert (things, mapping) == ([], {})
    assert not any(thing() for thing in gone)
