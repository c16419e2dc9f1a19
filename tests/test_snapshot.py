"""A snapshot: its bytes are made once, and it knows what is missing."""

import sys
import threading
import weakref

import pytest

from aggregator.documents import Documents, Form
from aggregator.models.tally import Tally
from aggregator.models.topology import Pod, Topology
from aggregator.snapshot import FREED_AT_ONCE, Gap, GapKind, Snapshot, gaps_of, let_go

WAIT_SECONDS = 10.0


class View:
    """A view that counts how often it renders."""

    def __init__(self) -> None:
        self.rendered = 0

    def __call__(self, _topology: Topology, now_seconds: float) -> bytes:
        """Render."""
        self.rendered += 1
        return b"at %d" % now_seconds


def snapshot(view: View, *gaps: Gap) -> Snapshot:
    """Return a snapshot with one view."""
    return Snapshot(Documents(Topology(), 100.0, {"v": view}), gaps, taken_at=5.0, oldest_at=5.0)


def test_bytes_are_made_at_first_need_and_once() -> None:
    """The second to ask gets the same object as the first."""
    view = View()
    made = snapshot(view)
    assert made.documents.ready(Form("v")) is None
    assert made.body("v") == b"at 100"
    assert made.body("v") is made.body("v")
    assert made.documents.ready(Form("v")) is not None
    assert view.rendered == 1


def test_many_at_once_share_one_rendering() -> None:
    """Threads that ask at the same time wait for one rendering."""
    view = View()
    made = snapshot(view)
    together = threading.Barrier(8)
    bodies: list[bytes] = []

    def ask() -> None:
        together.wait(WAIT_SECONDS)
        bodies.append(made.body("v"))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_SECONDS)
    assert bodies == [b"at 100"] * 8
    assert view.rendered == 1


def test_a_view_that_breaks_is_tried_again() -> None:
    """A rendering that failed is not remembered as done."""
    failures = [RuntimeError("broken")]

    def view(_topology: Topology, _now_seconds: float) -> bytes:
        if failures:
            raise failures.pop()
        return b"fine"

    made = Snapshot(Documents(Topology(), 0.0, {"v": view}), (), 0.0, 0.0)
    with pytest.raises(RuntimeError, match="broken"):
        made.body("v")
    assert made.body("v") == b"fine"


def test_a_kept_snapshot_is_the_same_data_marked_and_rendered_anew() -> None:
    """When a refresh fails, ages inside documents go on, the data's own age too, and the reason is told."""
    made = snapshot(View())
    made.body("v")
    reason = Gap(GapKind.FAILED, "refresh", "connection refused")
    kept = made.kept([reason], now_seconds=130.0)
    assert kept.topology is made.topology
    assert kept.taken_at == made.taken_at
    assert kept.gaps == (reason,)
    assert not kept.is_complete
    assert kept.body("v") == b"at 130"
    assert made.body("v") == b"at 100"


@pytest.mark.parametrize("kind", GapKind)
def test_what_makes_a_snapshot_incomplete(kind: GapKind) -> None:
    """Missing data does; contradictions and remarks do not."""
    made = snapshot(View(), Gap(kind, "row", "detail"))
    assert made.is_complete is (kind in (GapKind.CONFLICT, GapKind.REMARK))


def test_a_gap_reads_as_a_sentence() -> None:
    """A gap tells row, kind, detail, and the count where there are several."""
    assert str(Gap(GapKind.FAILED, "uptime", "HTTP 503: x")) == "uptime: query failed: HTTP 503: x"
    assert str(Gap(GapKind.DROPPED, "uptime", "out of range", 7)).endswith("out of range (7)")


def test_every_count_of_the_builder_is_a_gap() -> None:
    """What was unplaced, dropped or contradicted is told by row, reason and count; what was skipped is not."""
    tally = Tally()
    tally.placed["a"] = 9
    tally.unplaced["a", "nobody's"] = 1
    tally.dropped["b", "out of range"] = 2
    tally.conflicts["c", "architecture"] = 3
    tally.skipped["nodes"] = 4
    assert gaps_of(tally) == [
        Gap(GapKind.UNPLACED, "a", "nobody's", 1),
        Gap(GapKind.DROPPED, "b", "out of range", 2),
        Gap(GapKind.CONFLICT, "c", "architecture", 3),
    ]


def test_a_topology_that_is_shown_again_is_another_edition() -> None:
    """After a refresh that failed, ages in documents are newer, so their bytes are not those of before."""
    made = snapshot(View())
    kept = made.kept((), 130.0)
    assert (made.body("v"), kept.body("v")) == (b"at 100", b"at 130")
    assert made.documents.tag(Form("v")) != kept.documents.tag(Form("v"))
    assert made.topology is kept.topology


def test_documents_without_ages_stay_the_same() -> None:
    """What tells no ages is not made again when a topology is shown again, and keeps its tag."""
    view = View()
    made = Snapshot(Documents(Topology(), 100.0, {"etim": view}), (), 0.0, 0.0)
    made.body("etim")
    kept = made.kept((), 130.0)
    assert kept.body("etim") is made.body("etim")
    assert view.rendered == 1
    assert made.documents.tag(Form("etim")) == kept.documents.tag(Form("etim"))


def test_a_snapshot_that_is_let_go_is_freed() -> None:
    """What nobody else looks at is gone, with all of its pods and its bytes, when it was let go."""
    pods = {("c", str(number)): Pod(cluster="c", key=str(number), name="x") for number in range(2 * FREED_AT_ONCE + 1)}
    retired = [Snapshot(Documents(Topology(pods=pods), 0.0, {"v": View()}), (), 0.0, 0.0)]
    retired[0].body("v")
    first, ended = pods["c", "0"], weakref.ref(retired[0])
    del pods
    let_go(retired)
    assert ended() is None
    # The name here, and the argument of the function that counts.
    assert sys.getrefcount(first) == 2


def test_a_snapshot_that_is_let_go_stays_for_others() -> None:
    """Who still looks at a snapshot that was let go sees all of it."""
    pods = {("c", "p"): Pod(cluster="c", key="p", name="p")}
    made = Snapshot(Documents(Topology(pods=pods), 0.0, {"v": View()}), (), 0.0, 0.0)
    made.body("v")
    let_go([made])
    assert made.topology.pods == {("c", "p"): Pod(cluster="c", key="p", name="p")}
    assert made.documents.ready(Form("v")) is not None
