"""The history before the start of the demo, which rates need."""

import pytest

from demo.fleet import SimulatedFleet, render_exposition
from demo.history import COUNTER_PREFIXES, generate_history

NOON_SECONDS = 1_795_176_000.0
FLEET = SimulatedFleet.generate(nodes=10, since_seconds=NOON_SECONDS)


def parse_samples(text: str) -> dict[str, float]:
    """Return the values by series, without comments."""
    lines = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return {series: float(value) for series, value in lines}


@pytest.mark.parametrize("after_seconds", [0, 100])
def test_scraped_samples_continue_the_series_of_the_history(after_seconds: float) -> None:
    """The history has the same series of counters as a scrape at its end, whether or not a node is absent."""
    scrapes = generate_history(FLEET, NOON_SECONDS + after_seconds)
    scraped = {
        series
        for series in parse_samples(render_exposition(FLEET, NOON_SECONDS + after_seconds))
        if series.startswith(COUNTER_PREFIXES)
    }
    assert all(set(parse_samples(scrape.text)) == scraped for scrape in scrapes)


def test_counters_grow_until_the_scrape() -> None:
    """Every counter grows from scrape to scrape."""
    scrapes = [parse_samples(scrape.text) for scrape in generate_history(FLEET, NOON_SECONDS)]
    scrapes.append(parse_samples(render_exposition(FLEET, NOON_SECONDS)))
    for series in scrapes[0]:
        values = [scrape[series] for scrape in scrapes]
        assert values == sorted(values), series


def test_the_history_covers_the_window_of_rates() -> None:
    """The history begins more than five minutes before the scrape and ends before it."""
    times = [scrape.at_seconds for scrape in generate_history(FLEET, NOON_SECONDS)]
    assert times == sorted(times)
    assert NOON_SECONDS - times[0] > 300
    assert times[-1] < NOON_SECONDS
