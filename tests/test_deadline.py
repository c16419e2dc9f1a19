"""What a refresh makes of the answers that there is no time for."""

from collections.abc import Iterator

import pytest

from aggregator.errors import TooSlowError
from aggregator.harvest import TOO_LONG, Harvest, Kept
from aggregator.models.catalog import CATALOG
from aggregator.quality import QueryResult
from aggregator.querier.decode import LABEL_CHARACTERS
from aggregator.querier.gather import Gatherer
from aggregator.querier.packing import pack
from aggregator.querier.reading import EARLIER_SHARE, Reading
from aggregator.snapshot import GapKind
from aggregator.take import Plan, Taker, Views
from tests.samples import body
from tests.upstreams import Upstream, cluster, uptime

DEADLINE_SECONDS = 10.0
ROWS = {row.name: row for row in CATALOG if row.name in ("orchestrators", "nodes_by_uname", "uptime")}
UPTIME = {"uptime": uptime(5)}


class Clock:
    """A clock that the test sets."""

    now = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


@pytest.fixture
def gatherer() -> Iterator[Gatherer]:
    """Return what asks an upstream that shows a cluster and a node of it."""
    made = Gatherer(Upstream(cluster() | UPTIME), 2, 60.0)
    yield made
    made.close()


def harvested(gatherer: Gatherer, clock: Clock, kept: dict[tuple[str, str], Kept]) -> Harvest:
    """Return a harvest that has the deadline by the clock."""
    reading = Reading(DEADLINE_SECONDS, clock)
    gathering = gatherer.gather([row.query for row in ROWS.values()], 1.0, reading=reading)
    return Harvest(tuple(ROWS.values()), [gathering], kept, 100.0, 300.0)


def test_a_row_that_is_not_read_in_time_has_its_last_answer(gatherer: Gatherer) -> None:
    """What came before the deadline but cannot be read is too slow: the last answer stands in, and is kept."""
    clock, last = Clock(), Kept(pack(uptime(4)), 90.0)
    harvest = harvested(gatherer, clock, {("", "uptime"): last})
    assert len(harvest["nodes_by_uname"]) == 1
    clock.now = DEADLINE_SECONDS
    assert [sample.value.text for sample in harvest["uptime"]] == ["4"]
    (gap,) = harvest.gaps
    assert (gap.kind, gap.row) == (GapKind.STALE, "uptime")
    assert "10 s old, because not read: too little is left" in gap.detail
    assert isinstance(harvest.failures["", "uptime"], TooSlowError)
    assert harvest.keep["", "uptime"] is last


def test_a_last_answer_that_cannot_be_read_either_is_kept(gatherer: Gatherer) -> None:
    """When the time for those is over as well, the row failed; its last answer is there for the next refresh."""
    clock, last = Clock(), Kept(pack(uptime(4)), 90.0)
    harvest = harvested(gatherer, clock, {("", "uptime"): last})
    clock.now = (1 + EARLIER_SHARE) * DEADLINE_SECONDS
    with pytest.raises(KeyError):
        harvest["uptime"]
    (gap,) = harvest.gaps
    assert (gap.kind, gap.row) == (GapKind.FAILED, "uptime")
    assert [answer.result for answer in harvest.answers["uptime"]] == [QueryResult.FAILED]
    assert harvest.keep["", "uptime"] is last


def test_samples_that_are_left_out_are_told() -> None:
    """A sample with a label that is too long is counted with the values that cannot be kept; its row's others count."""
    series = [({"icos_host_id": "id-n"}, "5"), ({"icos_host_id": "x" * (LABEL_CHARACTERS + 1)}, "7")]
    upstream = Upstream(cluster() | {"uptime": body(series)})
    taker = Taker([Gatherer(upstream, 2, 60.0)], Plan(CATALOG, 300.0), Views({}, ()))
    snapshot, _ = taker.take(1795208200.0, 0.0)
    assert [node.uptime_seconds for node in snapshot.topology.nodes.values()] == [5.0]
    assert [str(gap) for gap in snapshot.gaps] == [f"uptime: values that cannot be kept: {TOO_LONG}"]
    taker.close()
