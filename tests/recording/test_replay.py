"""A recording in place of an upstream: the rest of the program sees what it would have seen then."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.errors import MalformedError, RefusedError, TooSlowError
from aggregator.models.catalog import CATALOG
from aggregator.querier.gather import Gatherer, Source
from aggregator.recording.replay import Pace, Replay
from aggregator.recording.tape import Tape
from aggregator.snapshot import GapKind
from aggregator.take import Plan, Taker, Views
from aggregator.views import BY_NAME
from tests.recording.tapes import FIRST_SECONDS, SOURCE, Said, write
from tests.upstreams import cluster, uptime

WALL_SECONDS = 2_000_000_000.0

Played = Callable[[Path, float | None], Taker]


@pytest.fixture
def play() -> Iterator[Played]:
    """Return a function that makes a taker of a recording, and close what it made."""
    takers: list[Taker] = []
    tapes: list[Tape] = []

    def taker_of(path: Path, speed: float | None) -> Taker:
        tapes.append(Tape(str(path)))
        gatherer = Gatherer(Replay(tapes[-1], SOURCE, 2**20), 4, 60.0, Source(SOURCE))
        takers.append(Taker([gatherer], Plan(CATALOG, 300.0), Views(BY_NAME, ()), Pace(tapes[-1], speed)))
        return takers[-1]

    yield taker_of
    for taker in takers:
        taker.close()
    for tape in tapes:
        tape.close()


def hosts(*names: str) -> Said:
    """Return what is answered about a cluster of some hosts."""
    return cluster(hosts=names)


def test_each_refresh_takes_the_next_one_at_full_speed(tmp_path: Path, play: Played) -> None:
    """With speed=max, refreshes are those of the recording in their order, and then it begins anew."""
    taker = play(write(tmp_path / "a", [hosts("a"), hosts("a", "b"), hosts("b")]), None)
    seen = [len(taker.take(WALL_SECONDS, now)[0].topology.nodes) for now in range(7)]
    assert seen == [1, 2, 1, 1, 2, 1, 1]


def test_refreshes_come_at_their_recorded_distance(tmp_path: Path) -> None:
    """At its own pace a refresh is due when it was; a refresh a little too early or too late changes nothing."""
    with Tape(str(write(tmp_path / "a", [{}, {}, {}]))) as tape:
        pace = Pace(tape, 1.0)
        walls = [0, 1, 9, 10.2, 19.9, 30.1, 39, 49.9, 59.7]
        assert [pace.begin(WALL_SECONDS + wall) - FIRST_SECONDS for wall in walls] == [0, 0, 10, 10, 20, 0, 10, 20, 0]


@given(count=st.integers(1, 6), speed=st.floats(0.01, 100), walls=st.lists(st.floats(0, 1e5), min_size=1, max_size=10))
def test_a_moment_is_always_one_that_was_recorded(
    tmp_path_factory: pytest.TempPathFactory, count: int, speed: float, walls: list[float]
) -> None:
    """Whatever the speed and the time, clocks that are set back included, a refresh is for a recorded moment."""
    with Tape(str(write(tmp_path_factory.mktemp("tape") / "a", [{}] * count, rows=["memory_free"]))) as tape:
        pace = Pace(tape, speed)
        for wall in walls:
            assert pace.begin(WALL_SECONDS + wall) in tape.moments
            assert pace.now(WALL_SECONDS + wall) in tape.moments


def test_a_speed_makes_the_distances_shorter(tmp_path: Path) -> None:
    """At speed 10 a refresh that was ten seconds later comes one second later."""
    with Tape(str(write(tmp_path / "a", [{}, {}, {}]))) as tape:
        pace = Pace(tape, 10.0)
        assert [pace.begin(WALL_SECONDS + wall) - FIRST_SECONDS for wall in (0, 1, 2, 3)] == [0, 10, 20, 0]


def test_ages_are_counted_to_the_recorded_moment(tmp_path: Path, play: Played) -> None:
    """What was fresh when it was recorded is shown as fresh, and as of then: not as years old."""
    taker = play(write(tmp_path / "a", [hosts("a")]), 1.0)
    snapshot, _ = taker.take(time.time(), 0.0)
    assert snapshot.documents.at_seconds == FIRST_SECONDS
    assert taker.timeline.now(time.time()) == FIRST_SECONDS


def test_recorded_errors_are_gaps_and_earlier_answers_stand_in(tmp_path: Path, play: Played) -> None:
    """A refresh whose queries failed is replayed as such: a refused row is missing, a slow one is as it last was."""
    first = {**hosts("n"), "uptime": uptime(5), "memory_free": uptime(7)}
    second = {**hosts("n"), "uptime": TooSlowError("x"), "memory_free": RefusedError(400, "bad_data: y")}
    taker = play(write(tmp_path / "a", [first, second]), None)
    taker.take(WALL_SECONDS, 0.0)
    snapshot, _ = taker.take(WALL_SECONDS, 10.0)
    (node,) = snapshot.topology.nodes.values()
    assert (node.uptime_seconds, node.free_memory_bytes) == (5.0, None)
    assert {(gap.kind, gap.row, gap.detail) for gap in snapshot.gaps} == {
        (GapKind.STALE, "uptime", "10 s old, because x"),
        (GapKind.FAILED, "memory_free", "HTTP 400: bad_data: y"),
    }


def test_a_row_that_was_not_recorded_is_a_gap(tmp_path: Path, play: Played) -> None:
    """A recording of a version with fewer rows shows what it has, and says what it has not."""
    rows = [row.name for row in CATALOG if row.name != "uptime"]
    snapshot, _ = play(write(tmp_path / "a", [hosts("n")], rows=rows), None).take(WALL_SECONDS, 0.0)
    (gap,) = snapshot.gaps
    assert (gap.kind, gap.row) == (GapKind.FAILED, "uptime")
    assert "another version of the program" in gap.detail


def test_a_file_that_changes_while_it_is_replayed_gives_errors(tmp_path: Path) -> None:
    """Where the bytes are not any more what they were at the start, a query fails; nothing else breaks."""
    path = write(tmp_path / "a", [hosts("n")])
    with Tape(str(path)) as tape:
        path.write_bytes(b"\0" * path.stat().st_size)
        with pytest.raises(MalformedError, match="the recording is damaged"):
            Replay(tape, SOURCE, 1000).ask(CATALOG[0].ask.text, FIRST_SECONDS)
