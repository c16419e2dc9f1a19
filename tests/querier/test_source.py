"""How long a refresh may decode."""

import pytest

from aggregator.errors import QueryTimeoutError
from aggregator.querier.source import DECODE_TIMEOUT_RATIO, STORED_DECODE_TIMEOUT_RATIO, RefreshBudget

TIMEOUT_SECONDS = 10.0


class SettableClock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now_seconds = 1000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now_seconds


@pytest.fixture
def clock() -> SettableClock:
    """Return a clock."""
    return SettableClock()


@pytest.fixture
def budget(clock: SettableClock) -> RefreshBudget:
    """Return the budget of a refresh of ten seconds by that clock."""
    return RefreshBudget(TIMEOUT_SECONDS, clock=clock)


def can_decode(budget: RefreshBudget) -> bool:
    """Return whether an answer may still be decoded."""
    try:
        budget.check_decoding()
    except QueryTimeoutError:
        return False
    return True


def test_decoding_ends_at_the_deadline(budget: RefreshBudget, clock: SettableClock) -> None:
    """Without waiting, answers are decoded until the deadline, and stored answers a share of the timeout longer."""
    clock.now_seconds += TIMEOUT_SECONDS - 0.01
    assert can_decode(budget)
    clock.now_seconds += 0.02
    assert not can_decode(budget)
    budget.check_decoding_stored()
    clock.now_seconds += STORED_DECODE_TIMEOUT_RATIO * TIMEOUT_SECONDS
    with pytest.raises(QueryTimeoutError):
        budget.check_decoding_stored()


def test_waiting_leaves_time_to_decode(budget: RefreshBudget, clock: SettableClock) -> None:
    """If the whole timeout was spent on waiting, a share of it remains for decoding, and no more."""
    with budget.pause_decode_deadline():
        clock.now_seconds += TIMEOUT_SECONDS
    clock.now_seconds += DECODE_TIMEOUT_RATIO * TIMEOUT_SECONDS - 0.01
    assert can_decode(budget)
    clock.now_seconds += 0.02
    assert not can_decode(budget)


def test_decoding_can_be_unlimited(clock: SettableClock) -> None:
    """A recorder has no time limit for decoding."""
    budget = RefreshBudget(TIMEOUT_SECONDS, limits_decoding=False, clock=clock)
    clock.now_seconds += 1e9
    assert can_decode(budget)
