"""The minutes before the demo: what rates need to be right from the start."""

import pytest

from demo.fleet import Fleet, exposition
from demo.history import COUNTERS, past

NOON = 1_795_176_000.0
FLEET = Fleet.of(nodes=10, since_seconds=NOON)


def read(text: str) -> dict[str, float]:
    """Return value by series of the lines that are no comments."""
    lines = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return {series: float(value) for series, value in lines}


@pytest.mark.parametrize("after_seconds", [0, 100])
def test_scraped_samples_continue_the_same_series(after_seconds: float) -> None:
    """The past has the same counters, by all their labels, as a scrape at its end, whether or not a node is away."""
    moments = past(FLEET, NOON + after_seconds)
    scraped = {series for series in read(exposition(FLEET, NOON + after_seconds)) if series.startswith(COUNTERS)}
    assert all(set(read(moment.text)) == scraped for moment in moments)


def test_the_past_never_exceeds_the_present() -> None:
    """Every counter grows from moment to moment and on to the scrape."""
    moments = [read(moment.text) for moment in past(FLEET, NOON)]
    moments.append(read(exposition(FLEET, NOON)))
    for series in moments[0]:
        shown = [moment[series] for moment in moments]
        assert shown == sorted(shown), series


def test_it_fills_the_window_of_a_rate() -> None:
    """The past reaches back more than five minutes and ends before the scrape."""
    times = [moment.at_seconds for moment in past(FLEET, NOON)]
    assert times == sorted(times)
    assert NOON - times[0] > 300
    assert times[-1] < NOON
