"""How the process runs while it refreshes: the garbage collector waits until the refresh is over."""

import contextlib
import gc
import weakref
from collections.abc import Iterator

import pytest

from aggregator.process import COLLECT_AFTER, COLLECT_AFTER_WHILE_REFRESHING, collecting_afterwards


class Loop:
    """An object that holds itself: nothing but the garbage collector frees it."""

    def __init__(self) -> None:
        self.myself = self


@pytest.fixture(autouse=True)
def usual() -> Iterator[None]:
    """Have the thresholds of a running gateway, and afterwards those of before."""
    before = gc.get_threshold()
    gc.set_threshold(*COLLECT_AFTER)
    yield
    gc.set_threshold(*before)


def test_garbage_is_collected_when_the_block_is_over() -> None:
    """What became garbage meanwhile is there until the end of the block, however much was made, and gone then."""
    with collecting_afterwards():
        garbage = weakref.ref(Loop())
        kept = [[] for _ in range(2 * COLLECT_AFTER[0])]  # type: ignore[var-annotated] # nothing is ever in them
        assert garbage() is not None
    assert garbage() is None
    assert kept


def test_the_collector_is_as_before_even_if_the_block_breaks() -> None:
    """An error in the block leaves no trace in how often garbage is collected."""
    with contextlib.suppress(RuntimeError), collecting_afterwards():
        assert gc.get_threshold() == (COLLECT_AFTER_WHILE_REFRESHING, *COLLECT_AFTER[1:])
        raise RuntimeError
    assert gc.get_threshold() == COLLECT_AFTER


def test_of_two_blocks_the_first_tells() -> None:
    """A block within another changes nothing, and its end is not the other's."""
    with collecting_afterwards():
        within = gc.get_threshold()
        with collecting_afterwards():
            assert gc.get_threshold() == within
        assert gc.get_threshold() == within
    assert gc.get_threshold() == COLLECT_AFTER


def test_old_garbage_is_collected_after_enough_blocks() -> None:
    """What survived a look at the young ones is looked at again once that was done often enough."""
    old = Loop()
    with collecting_afterwards():
        pass
    garbage = weakref.ref(old)
    del old
    for _ in range(COLLECT_AFTER[1] + 1):
        with collecting_afterwards():
            pass
    assert garbage() is None
