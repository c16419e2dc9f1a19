"""A recording in place of an upstream."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.errors import MalformedResponseError, QueryTimeoutError, UpstreamStatusError
from aggregator.querier.prometheus.source import PrometheusSource
from aggregator.querier.recording.replay import RecordingReader, ReplayClock, ReplayUpstream
from aggregator.querier.source import SourceInfo
from aggregator.refresh.collector import CollectorConfig, SnapshotCollector, ViewSet
from aggregator.refresh.snapshot import GapKind
from aggregator.views.renderers import RENDERERS
from tests.querier.recording.recordings import FIRST_REFRESH_SECONDS, SOURCE_NAME, RowResponses, write_recording
from tests.support.catalog import CATALOG
from tests.support.fake_upstream import build_cluster_responses, build_uptime_response

WALL_SECONDS = 2_000_000_000.0

CollectorFactory = Callable[[Path, float | None], SnapshotCollector]


@pytest.fixture
def play() -> Iterator[CollectorFactory]:
    """Return a function that creates a collector of a recording, and close what it created."""
    collectors: list[SnapshotCollector] = []
    readers: list[RecordingReader] = []

    def create_collector(path: Path, speed: float | None) -> SnapshotCollector:
        readers.append(RecordingReader(str(path)))
        source = PrometheusSource(ReplayUpstream(readers[-1], SOURCE_NAME, 2**20), 4, SourceInfo(SOURCE_NAME))
        collectors.append(
            SnapshotCollector(
                [source], CollectorConfig(CATALOG, 300.0), ViewSet(RENDERERS, ()), ReplayClock(readers[-1], speed)
            )
        )
        return collectors[-1]

    yield create_collector
    for collector in collectors:
        collector.close()
    for reader in readers:
        reader.close()


def build_host_responses(*names: str) -> RowResponses:
    """Return the responses for a cluster of some hosts."""
    return build_cluster_responses(hosts=names)


def test_full_speed_replays_refresh_by_refresh(tmp_path: Path, play: CollectorFactory) -> None:
    """With speed=max, refreshes follow the order of the recording, and then start again."""
    collector = play(
        write_recording(
            tmp_path / "a", [build_host_responses("a"), build_host_responses("a", "b"), build_host_responses("b")]
        ),
        None,
    )
    seen = [len(collector.collect(WALL_SECONDS, now)[0].topology.nodes) for now in range(7)]
    assert seen == [1, 2, 1, 1, 2, 1, 1]


def test_speed_1_keeps_the_recorded_distances(tmp_path: Path) -> None:
    """At speed 1 a refresh is due at its recorded distance; one that is a little early or late changes nothing."""
    with RecordingReader(str(write_recording(tmp_path / "a", [{}, {}, {}]))) as reader:
        pace = ReplayClock(reader, 1.0)
        walls = [0, 1, 9, 10.2, 19.9, 30.1, 39, 49.9, 59.7]
        assert [pace.begin_refresh(WALL_SECONDS + wall) - FIRST_REFRESH_SECONDS for wall in walls] == [
            0,
            0,
            10,
            10,
            20,
            0,
            10,
            20,
            0,
        ]


@given(count=st.integers(1, 6), speed=st.floats(0.01, 100), walls=st.lists(st.floats(0, 1e5), min_size=1, max_size=10))
def test_an_instant_is_always_a_recorded_one(
    tmp_path_factory: pytest.TempPathFactory, count: int, speed: float, walls: list[float]
) -> None:
    """The instant of a refresh is always a recorded one, whatever the speed, even if the clock is set back."""
    with RecordingReader(
        str(write_recording(tmp_path_factory.mktemp("reader") / "a", [{}] * count, rows=["memory_free"]))
    ) as reader:
        pace = ReplayClock(reader, speed)
        for wall in walls:
            assert pace.begin_refresh(WALL_SECONDS + wall) in reader.timestamps
            assert pace.now(WALL_SECONDS + wall) in reader.timestamps


def test_a_higher_speed_shortens_the_distances(tmp_path: Path) -> None:
    """At speed 10, ten seconds of the recording take one second."""
    with RecordingReader(str(write_recording(tmp_path / "a", [{}, {}, {}]))) as reader:
        pace = ReplayClock(reader, 10.0)
        assert [pace.begin_refresh(WALL_SECONDS + wall) - FIRST_REFRESH_SECONDS for wall in (0, 1, 2, 3)] == [
            0,
            10,
            20,
            0,
        ]


def test_ages_refer_to_the_recorded_instant(tmp_path: Path, play: CollectorFactory) -> None:
    """Ages in the replayed topology are those of the time of the recording."""
    collector = play(write_recording(tmp_path / "a", [build_host_responses("a")]), 1.0)
    snapshot, _ = collector.collect(time.time(), 0.0)
    assert snapshot.rendered_topology.reference_seconds == FIRST_REFRESH_SECONDS
    assert collector.source_clock.now(time.time()) == FIRST_REFRESH_SECONDS


def test_recorded_errors_are_replayed(tmp_path: Path, play: CollectorFactory) -> None:
    """Failed queries are replayed: a rejected row is missing, a row that timed out has its last answer."""
    first = {**build_host_responses("n"), "uptime": build_uptime_response(5), "memory_free": build_uptime_response(7)}
    second = {
        **build_host_responses("n"),
        "uptime": QueryTimeoutError("x"),
        "memory_free": UpstreamStatusError(400, "bad_data: y"),
    }
    collector = play(write_recording(tmp_path / "a", [first, second]), None)
    collector.collect(WALL_SECONDS, 0.0)
    snapshot, _ = collector.collect(WALL_SECONDS, 10.0)
    (node,) = snapshot.topology.nodes.values()
    assert (node.uptime_seconds, node.free_memory_bytes) == (5.0, None)
    assert {(gap.kind, gap.subject, gap.detail) for gap in snapshot.gaps} == {
        (GapKind.STALE, "uptime", "10 s old, because x"),
        (GapKind.FAILED, "memory_free", "HTTP 400: bad_data: y"),
    }


def test_a_row_that_was_not_recorded_is_a_gap(tmp_path: Path, play: CollectorFactory) -> None:
    """A row that was not recorded is a failed query."""
    rows = [row.name for row in CATALOG if row.name != "uptime"]
    snapshot, _ = play(write_recording(tmp_path / "a", [build_host_responses("n")], rows=rows), None).collect(
        WALL_SECONDS, 0.0
    )
    (gap,) = snapshot.gaps
    assert (gap.kind, gap.subject) == (GapKind.FAILED, "uptime")
    assert "another version of this program" in gap.detail


def test_a_query_that_changed_is_answered_by_the_row_of_its_name(tmp_path: Path) -> None:
    """A recording of an earlier version, with other PromQL for a row, answers that row by its name."""
    path = write_recording(tmp_path / "a", [build_host_responses("n")])
    row = next(row for row in CATALOG if row.name == "uptime")
    with RecordingReader(str(path)) as reader:
        upstream = ReplayUpstream(reader, SOURCE_NAME, 10**6, row_names={"changed": "uptime"})
        changed, recorded = (
            upstream.query(promql, FIRST_REFRESH_SECONDS).decompress() for promql in ("changed", row.expression.text)
        )
        assert changed == recorded


def test_a_changed_file_gives_errors(tmp_path: Path) -> None:
    """If the file changes after it was opened, queries fail, and nothing else."""
    path = write_recording(tmp_path / "a", [build_host_responses("n")])
    with RecordingReader(str(path)) as reader:
        path.write_bytes(b"\0" * path.stat().st_size)
        with pytest.raises(MalformedResponseError, match="the recording is damaged"):
            ReplayUpstream(reader, SOURCE_NAME, 1000).query(CATALOG[0].expression.text, FIRST_REFRESH_SECONDS)
