"""How long the answers of a refresh are read."""

from collections.abc import Callable

import pytest

from aggregator.errors import TooSlowError
from aggregator.querier.decode import Answer, decoder
from aggregator.querier.packing import pack
from aggregator.querier.reading import (
    EARLIER_SHARE,
    MAKING_SECONDS,
    PLACING_SECONDS,
    READING_SHARE,
    Reading,
    Way,
)
from aggregator.secrets import NONE_KNOWN, Secrets
from tests.samples import Series, body

DEADLINE_SECONDS = 10.0
ONE: list[Series] = [({"a": "b"}, "1")]


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """Return a clock."""
    return Clock()


@pytest.fixture
def reading(clock: Clock) -> Reading:
    """Return what reads for ten seconds by that clock."""
    return Reading(DEADLINE_SECONDS, clock)


def read(how: Callable[[bytes, Way], Answer], samples: int = 1, *, makes: bool = False) -> int | None:
    """Return how many samples an answer of so many has, None where there is no time for it."""
    try:
        return len(how(pack(body(ONE * samples)), Way(decoder(("a",)), makes=makes)).samples)
    except TooSlowError:
        return None


def test_answers_are_read_until_the_deadline(reading: Reading, clock: Clock) -> None:
    """At the deadline reading ends where nothing was waited for, and a share of it later for earlier answers."""
    clock.now += DEADLINE_SECONDS - 0.01
    assert read(reading.answer) == 1
    clock.now += 0.02
    assert read(reading.answer) is None
    assert read(reading.earlier) == 1
    clock.now += EARLIER_SHARE * DEADLINE_SECONDS
    assert read(reading.earlier) is None


def test_what_came_while_another_was_waited_for_is_read(reading: Reading, clock: Clock) -> None:
    """Where all of the time went by with waiting, there is a share of it for reading, and no more."""
    with reading.waiting():
        clock.now += DEADLINE_SECONDS
    assert read(reading.answer) == 1
    clock.now += READING_SHARE * DEADLINE_SECONDS - 0.01
    assert read(reading.answer) == 1
    clock.now += 0.02
    assert read(reading.answer) is None


def test_the_time_runs_out_between_two_pieces(reading: Reading, clock: Clock) -> None:
    """An answer that takes too long to decode is given up in the midst of it."""

    def slow(
        body: bytes, cluster: str = "", secrets: Secrets = NONE_KNOWN, check: Callable[[], None] = lambda: None
    ) -> Answer:
        assert (body, cluster, secrets) == (b"", "", NONE_KNOWN)
        for _ in range(100):
            check()
            clock.now += 1.0
        return Answer([])

    with pytest.raises(TooSlowError):
        reading.answer(pack(b""), Way(slow))
    assert clock.now == 1000.0 + DEADLINE_SECONDS


def test_an_answer_that_cannot_be_placed_in_time_is_not_begun(reading: Reading, clock: Clock) -> None:
    """What its samples will cost has to fit into what is left."""
    clock.now += DEADLINE_SECONDS - 500 * PLACING_SECONDS
    assert read(reading.answer, 600) is None
    assert read(reading.answer, 400) == 400


def test_time_for_objects_is_set_aside(reading: Reading, clock: Clock) -> None:
    """What the objects of an answer will cost is not there for the answers after it."""
    clock.now += DEADLINE_SECONDS - 1000 * MAKING_SECONDS
    assert read(reading.answer, 1000, makes=True) is None
    assert read(reading.answer, 500, makes=True) == 500
    assert read(reading.answer, 600, makes=True) is None
    clock.now += 600 * MAKING_SECONDS
    assert read(reading.answer) is None


def test_labels_that_are_entries_count_each(reading: Reading, clock: Clock) -> None:
    """A sample with all of its labels costs as many times as it has labels."""
    clock.now += DEADLINE_SECONDS - 500 * PLACING_SECONDS
    many = pack(body([({f"label_{number}": "x" for number in range(600)}, "1")]))
    assert len(reading.earlier(many, Way(decoder(None))).samples) == 1
    with pytest.raises(TooSlowError):
        reading.answer(many, Way(decoder(None)))


def test_without_a_deadline_it_takes_any_time(clock: Clock) -> None:
    """Whoever writes answers down has no deadline."""
    reading = Reading(clock=clock)
    clock.now += 1e9
    assert read(reading.answer) == 1
