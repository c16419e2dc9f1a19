"""The schedule: the same evaluation times on all replicas, and pauses that lead back to it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.refresh.schedule import PERIOD_RATIOS, NextRefresh, RefreshSchedule

GRID_SECONDS = 1_795_208_200.0
INTERVALS = st.sampled_from([0.05, 0.2, 0.25, 1.0, 2.0, 5.0, 7.5, 10.0, 15.0, 60.0, 299.0, 3600.0])
# A refresh starts a little after its time, because timers are not exact, in parts of the delay.
JITTERS = st.floats(0.0, 0.5)


def create_schedule(interval_seconds: float) -> RefreshSchedule:
    """Return a schedule with this interval, whose topologies do not expire soon."""
    return RefreshSchedule(interval_seconds, 30 * interval_seconds)


@pytest.mark.parametrize(
    ("interval_seconds", "offset_seconds", "planned", "expected"),
    [
        (10.0, 1.0, 0.0, 0.0),
        (10.0, 2.0, 0.0, 0.0),
        # Too late, too early because the clock was set, or not planned: the last whole second.
        (10.0, 2.5, 0.0, 2.0),
        (10.0, 1.5, 10.0, 1.0),
        (10.0, 1.0, None, 1.0),
        (10.0, 11.999, None, 11.0),
        (0.2, 0.02, 0.0, 0.0),
        (0.2, 0.11, None, 0.0),
        (0.2, 0.31, None, 0.2),
    ],
)
def test_evaluation_times(
    interval_seconds: float, offset_seconds: float, planned: float | None, expected: float
) -> None:
    """A refresh that starts in time is evaluated as planned, all others at the last whole second."""
    selected = create_schedule(interval_seconds).select_evaluation_time(
        GRID_SECONDS + offset_seconds, None if planned is None else GRID_SECONDS + planned
    )
    assert selected - GRID_SECONDS == pytest.approx(expected, abs=0.001)


@pytest.mark.parametrize(
    ("offset_seconds", "duration_seconds", "expected"),
    [
        (1.0, 0.5, NextRefresh(10.0, GRID_SECONDS + 10)),
        (4.0, 0.5, NextRefresh(7.0, GRID_SECONDS + 10)),
        # Another refresh in between.
        (8.0, 0.5, NextRefresh(6.5)),
        # Longer periods: 1.5, 2 and 3 times the interval, as multiples on the wall clock.
        (5.0 + 1.0, 3.0, NextRefresh(15.0, GRID_SECONDS + 20)),
        (1.0, 4.0, NextRefresh(20.0, GRID_SECONDS + 20)),
        (1.0, 7.0, NextRefresh(50.0, GRID_SECONDS + 50)),
        # Too long for the schedule.
        (1.0, 8.0, NextRefresh(32.0)),
    ],
)
def test_the_next_refresh(offset_seconds: float, duration_seconds: float, expected: NextRefresh) -> None:
    """It starts a second after a multiple of the period, and after the cooldown."""
    planned = create_schedule(10.0).plan_next(GRID_SECONDS + offset_seconds, duration_seconds, 3 * duration_seconds)
    assert planned == expected


@pytest.mark.parametrize(("max_stale_seconds", "expected"), [(11.0, 10.0), (24.0, 16.0), (25.0, 20.0)])
def test_the_schedule_never_lets_a_topology_expire(max_stale_seconds: float, expected: float) -> None:
    """If a longer period would be too long, the cooldown alone decides."""
    schedule = RefreshSchedule(10.0, max_stale_seconds)
    assert schedule.plan_next(GRID_SECONDS + 1, 0.1, 0.3).distance_seconds == 10.0
    if expected > 10:
        assert schedule.plan_next(GRID_SECONDS + 1, 4.0, 12.0).distance_seconds == expected


@given(INTERVALS, st.floats(0.0, 1e5), st.floats(0.0, 0.24), st.lists(JITTERS, min_size=8, max_size=8))
def test_every_start_leads_to_the_schedule(
    interval_seconds: float, offset_seconds: float, load: float, jitters: list[float]
) -> None:
    """After two refreshes at most, all are evaluated at multiples of the interval, one after the other."""
    schedule = create_schedule(interval_seconds)
    duration_seconds = load * interval_seconds
    start, planned_seconds = GRID_SECONDS + offset_seconds, None
    evaluated: list[float] = []
    for jitter in jitters:
        evaluated.append(schedule.select_evaluation_time(start, planned_seconds))
        planned = schedule.plan_next(start, duration_seconds, 3 * duration_seconds)
        shortest_seconds = 4 * duration_seconds
        assert max(0.49 * interval_seconds, shortest_seconds) <= planned.distance_seconds
        assert planned.distance_seconds <= max(1.11 * interval_seconds, interval_seconds + shortest_seconds)
        start += planned.distance_seconds + jitter * schedule.evaluation_delay_seconds
        planned_seconds = planned.at_seconds
    numbers = [round(seconds / interval_seconds) for seconds in evaluated[3:]]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert evaluated[3:] == [round(number * interval_seconds, 3) for number in numbers]


@given(st.lists(st.floats(0.0, 1e4), min_size=2, max_size=2), st.sampled_from([0.1, 0.3, 0.45, 0.7]))
def test_replicas_ask_for_the_same_instants(offsets: list[float], load: float) -> None:
    """Two replicas whose refreshes take equally long ask for the same instants, also if that is long."""
    schedule = create_schedule(10.0)
    duration_seconds = 10.0 * load
    evaluated: list[set[float]] = []
    for offset in offsets:
        start, planned_seconds, times = GRID_SECONDS + offset, None, set()
        while start < GRID_SECONDS + 11_000:
            if start >= GRID_SECONDS + 10_500:
                times.add(schedule.select_evaluation_time(start, planned_seconds))
            planned = schedule.plan_next(start, duration_seconds, 3 * duration_seconds)
            start, planned_seconds = start + planned.distance_seconds, planned.at_seconds
        evaluated.append(times)
    assert evaluated[0] == evaluated[1]
    assert len(evaluated[0]) >= 500 / (10 * max(PERIOD_RATIOS) + 10) - 1
