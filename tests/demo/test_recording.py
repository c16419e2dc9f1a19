"""The recording that the demo falls back on, and recordings of fleets of any size."""

from pathlib import Path

from aggregator.recording.tape import Tape
from benchmarks.fleet_recording import write
from demo.answers import SOURCE
from demo.recording import MOST_BYTES, SHIPPED, is_current, made
from tests.demo.replayed import replayed


def test_the_shipped_recording_answers_all_that_is_asked() -> None:
    """It is small, has an answer to each row of the catalog, and shows five clusters without a gap."""
    assert SHIPPED.stat().st_size <= MOST_BYTES
    assert is_current(), "run `make generate`"
    shown = replayed(SHIPPED, 1)[0]
    assert (len(shown.topology.clusters), len(shown.topology.nodes), shown.gaps) == (5, 10, ())


def test_the_shipped_recording_is_what_its_maker_makes(tmp_path: Path) -> None:
    """Made again it has the same answers: nothing in it is of the machine or the time that it was made on."""
    (tmp_path / "again").write_bytes(made())
    with Tape(str(tmp_path / "again")) as again, Tape(str(SHIPPED)) as shipped:
        assert again.moments == shipped.moments
        for number in range(len(again.moments)):
            lines = [answer.promql for answer, _ in again.answers(number)]
            assert lines == [answer.promql for answer, _ in shipped.answers(number)]
            for promql in lines:
                assert again.body(number, (SOURCE, promql), 10**7) == shipped.body(number, (SOURCE, promql), 10**7)


def test_a_fleet_is_recorded_host_by_host(tmp_path: Path) -> None:
    """However large a fleet is, its recording shows as many nodes and pods as were asked for, without a gap."""
    write(40, tmp_path / "fleet", refreshes=1, pods_per_node=3)
    shown = replayed(tmp_path / "fleet", 1)[0]
    # The Docker host's containers are pods, too.
    assert (len(shown.topology.nodes), len(shown.topology.pods), shown.gaps) == (40, 40 * 3 + 3, ())
