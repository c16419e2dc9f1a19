"""Portions: a list made a part at a time is the list."""

import pytest

from aggregator.portions import AT_ONCE, listed, portions, turns


@pytest.mark.parametrize("length", [0, 1, AT_ONCE - 1, AT_ONCE, AT_ONCE + 1, 3 * AT_ONCE])
def test_nothing_is_lost(length: int) -> None:
    """All values are there, in their order, whether or not they fill the last portion."""
    expected = [str(number) for number in range(length)]
    assert listed(map(str, range(length))) == expected
    assert [text for turn in turns(map(str, range(length)), length) for text in turn] == expected


def test_no_portion_is_larger_than_asked_for() -> None:
    """Portions are full but for the last, and none is empty."""
    assert list(portions(range(7), 3)) == [[0, 1, 2], [3, 4, 5], [6]]
