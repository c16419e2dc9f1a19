"""The shipped recording of the demo, and recordings of large fleets."""

from pathlib import Path

from aggregator.querier.recording.replay import RecordingReader
from benchmarks.fleet_recording import record_fleet
from demo.recording import MAX_RECORDING_BYTES, SHIPPED_RECORDING, build_recording, is_current
from demo.simulated_source import SOURCE_NAME
from tests.demo.replay import replay_snapshots


def test_the_shipped_recording_answers_every_row() -> None:
    """It is small, answers each row of the catalog, and has five clusters and no gaps."""
    assert SHIPPED_RECORDING.stat().st_size <= MAX_RECORDING_BYTES
    assert is_current(), "run `make generate`"
    snapshot = replay_snapshots(SHIPPED_RECORDING, 1)[0]
    assert (len(snapshot.topology.clusters), len(snapshot.topology.nodes), snapshot.gaps) == (5, 10, ())


def test_the_shipped_recording_can_be_reproduced(tmp_path: Path) -> None:
    """Building it again gives the same responses: it does not depend on the machine or the time."""
    (tmp_path / "again").write_bytes(build_recording())
    with RecordingReader(str(tmp_path / "again")) as rebuilt, RecordingReader(str(SHIPPED_RECORDING)) as shipped:
        assert rebuilt.timestamps == shipped.timestamps
        for number in range(len(rebuilt.timestamps)):
            lines = [answer.promql for answer, _ in rebuilt.iterate_responses(number)]
            assert lines == [answer.promql for answer, _ in shipped.iterate_responses(number)]
            for promql in lines:
                assert rebuilt.read_body(number, (SOURCE_NAME, promql), 10**7) == shipped.read_body(
                    number, (SOURCE_NAME, promql), 10**7
                )


def test_a_recorded_fleet_is_complete(tmp_path: Path) -> None:
    """The recording of a large fleet has the requested numbers of nodes and pods, and no gaps."""
    record_fleet(40, tmp_path / "fleet", refreshes=1, pods_per_node=3)
    snapshot = replay_snapshots(tmp_path / "fleet", 1)[0]
    # The Docker host's containers are pods, too.
    assert (len(snapshot.topology.nodes), len(snapshot.topology.pods), snapshot.gaps) == (40, 40 * 3 + 3, ())
