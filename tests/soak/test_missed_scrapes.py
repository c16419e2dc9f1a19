"""The soak test finds scrapes that healthy targets have missed, and excuses others."""

import math

import pytest

from tests.soak.missed_scrapes import WatchedTarget, find_failed_scrapes, get_target_key
from tests.soak.parts import OutageLog


@pytest.mark.parametrize(
    ("samples", "failed", "last"),
    [
        ([(2, 1), (4, 1), (6, 1), (8, 1)], [], 8),
        ([(2, 1), (4, 0), (6, 1), (8, 1)], [4], 8),
        ([(2, 1), (8.1, 1)], [4, 6], 8.1),
        ([(2.1, 1), (4, 1)], [6], 6),
        ([], [2, 4, 6], 6),
    ],
)
def test_failed_and_missing_scrapes_are_found(
    samples: list[tuple[float, float]], failed: list[float], last: float
) -> None:
    """A sample of 0 and a time without a sample are failed scrapes, in the middle and at the end."""
    found, found_last = find_failed_scrapes(samples, 0.0, 9.0)
    assert found == pytest.approx(failed)
    assert found_last == pytest.approx(last)


@pytest.mark.parametrize(
    ("at_seconds", "is_excused"), [(7.9, False), (8.1, True), (12.9, True), (13.1, False), (18.1, True), (99.0, True)]
)
def test_only_outages_near_a_scrape_excuse_it(at_seconds: float, is_excused: bool) -> None:
    """An outage excuses scrapes that it overlaps, with their duration and the time of an answer used again."""
    outages = OutageLog([(10.0, 10.0), (20.0, math.inf)])
    target = WatchedTarget(("all", "a"), [OutageLog(), outages], look_back_seconds=3.0)
    assert target.is_excused(at_seconds) == is_excused


def test_an_outage_ends_only_for_those_that_asked_later() -> None:
    """A client that began to ask before the outage does not end it."""
    outages = OutageLog()
    outages.begin()
    outages.end(seen_after=outages.intervals[0][0] - 1)
    assert outages.is_down
    outages.end()
    assert not outages.is_down


def test_targets_of_the_page_are_found_by_host_name() -> None:
    """On the page of all agents, `instance` is the scrape server."""
    assert get_target_key({"via": "page", "hostname": "h", "instance": "s"}) == ("page", "h")
    assert get_target_key({"via": "all", "hostname": "h", "instance": "a"}) == ("all", "a")
