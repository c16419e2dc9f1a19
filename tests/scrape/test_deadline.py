"""How long a scrape and one target may take."""

import pytest

from aggregator.scrape.deadline import HangHistory, compute_fetch_seconds, read_timeout


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("10", 10), ("2.5", 2.5), ("1e9", 600), (None, 7), ("", 7), ("x", 7), ("0", 7), ("-1", 7), ("nan", 7), ("inf", 7)],
)
def test_the_scraper_says_how_long_it_waits(header: str | None, seconds: float) -> None:
    """The header counts if it is a positive number; otherwise the default does."""
    assert read_timeout(header, 7) == seconds


@pytest.mark.parametrize(("timeout", "merge", "seconds"), [(10, 0, 9.5), (2, 0, 1.7), (10, 1.5, 8), (0.1, 0, 0.05)])
def test_the_answer_is_early(timeout: float, merge: float, seconds: float) -> None:
    """Targets have what the scraper waits, less 5 % but at least 0.3 s, less the time of the last merge."""
    assert compute_fetch_seconds(timeout, merge) == pytest.approx(seconds)


def test_a_target_that_hung_three_times_gets_a_second() -> None:
    """After three hangs in a row a target has 1 s, once a minute its whole time, and after an answer always."""
    now = [0.0]
    hangs = HangHistory(lambda: now[0])
    for _ in range(3):
        assert hangs.choose_seconds("a", 9) == 9
        hangs.record("a", is_hanging=True)
    assert (hangs.choose_seconds("a", 9), hangs.choose_seconds("a", 0.5), hangs.choose_seconds("b", 9)) == (1, 0.5, 9)
    now[0] = 60
    assert [hangs.choose_seconds("a", 9) for _ in range(2)] == [9, 1]
    hangs.record("a", is_hanging=False)
    assert hangs.choose_seconds("a", 9) == 9


def test_removed_targets_are_forgotten() -> None:
    """The history has only targets that exist."""
    hangs = HangHistory()
    for _ in range(3):
        hangs.record("a", is_hanging=True)
    hangs.keep_only({"b"})
    assert hangs.choose_seconds("a", 9) == 9
