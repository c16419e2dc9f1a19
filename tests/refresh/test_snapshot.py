"""Snapshots: documents are rendered once, restricted copies are shared and bounded, gaps are known."""

import sys
import threading
import weakref

import pytest

from aggregator.models.builder.merge import BuildStats
from aggregator.models.grant import UNRESTRICTED, Grant
from aggregator.models.topology import Cluster, Node, Pod, Topology
from aggregator.refresh.snapshot import (
    OBJECTS_FREED_PER_CHUNK,
    DocumentFormat,
    Gap,
    GapKind,
    RenderedTopology,
    Snapshot,
    free_snapshots,
    list_build_gaps,
)

WAIT_SECONDS = 10.0


class CountingView:
    """A view that counts how often it is rendered."""

    def __init__(self) -> None:
        self.rendered = 0

    def __call__(self, _topology: Topology, now_seconds: float) -> bytes:
        """Render."""
        self.rendered += 1
        return b"at %d" % now_seconds


def build_view_snapshot(view: CountingView, *gaps: Gap) -> Snapshot:
    """Return a snapshot with one view."""
    return Snapshot(
        RenderedTopology(Topology(), 100.0, {"v": view}),
        gaps,
        created_at=5.0,
        oldest_response_at=5.0,
        evaluated_at_seconds=100.0,
    )


def test_a_document_is_rendered_once() -> None:
    """A document is rendered on first use; later requests get the same object."""
    view = CountingView()
    snapshot = build_view_snapshot(view)
    assert snapshot.rendered_topology.find_body(DocumentFormat("v")) is None
    assert snapshot.get_body("v") == b"at 100"
    assert snapshot.get_body("v") is snapshot.get_body("v")
    assert snapshot.rendered_topology.find_body(DocumentFormat("v")) is not None
    assert view.rendered == 1


def test_concurrent_requests_share_one_rendering() -> None:
    """Threads that request a document at the same time wait for one rendering."""
    view = CountingView()
    snapshot = build_view_snapshot(view)
    together = threading.Barrier(8)
    bodies: list[bytes] = []

    def ask() -> None:
        together.wait(WAIT_SECONDS)
        bodies.append(snapshot.get_body("v"))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_SECONDS)
    assert bodies == [b"at 100"] * 8
    assert view.rendered == 1


def test_a_failed_rendering_is_repeated() -> None:
    """A rendering that raised is not cached."""
    failures = [RuntimeError("broken")]

    def view(_topology: Topology, _now_seconds: float) -> bytes:
        if failures:
            raise failures.pop()
        return b"fine"

    snapshot = Snapshot(RenderedTopology(Topology(), 0.0, {"v": view}), (), 0.0, 0.0, 0.0)
    with pytest.raises(RuntimeError, match="broken"):
        snapshot.get_body("v")
    assert snapshot.get_body("v") == b"fine"


def test_a_stale_snapshot_has_current_ages_and_a_reason() -> None:
    """After a failed refresh the topology is the same, with ages computed again and the reason as a gap."""
    snapshot = build_view_snapshot(CountingView())
    snapshot.get_body("v")
    reason = Gap(GapKind.FAILED, "refresh", "connection refused")
    stale = snapshot.copy_as_stale([reason], now_seconds=130.0)
    assert stale.topology is snapshot.topology
    assert stale.created_at == snapshot.created_at
    assert stale.gaps == (reason,)
    assert not stale.is_complete
    assert stale.get_body("v") == b"at 130"
    assert snapshot.get_body("v") == b"at 100"


@pytest.mark.parametrize("kind", GapKind)
def test_gap_kinds_that_make_a_snapshot_incomplete(kind: GapKind) -> None:
    """Missing data makes a snapshot incomplete; conflicts and infos do not."""
    snapshot = build_view_snapshot(CountingView(), Gap(kind, "row", "detail"))
    assert snapshot.is_complete is (kind in (GapKind.CONFLICT, GapKind.REMARK))


def test_the_text_of_a_gap() -> None:
    """The text of a gap has the row, the kind, the detail, and the count if it is more than one."""
    assert str(Gap(GapKind.FAILED, "uptime", "HTTP 503: x")) == "uptime: query failed: HTTP 503: x"
    assert str(Gap(GapKind.DROPPED, "uptime", "out of range", 7)).endswith("out of range (7)")


def test_build_stats_become_gaps() -> None:
    """Unplaced, dropped and conflicting samples are gaps by row and reason; skipped samples are not."""
    tally = BuildStats()
    tally.placed_samples["a"] = 9
    tally.unplaced["a", "nobody's"] = 1
    tally.dropped["b", "out of range"] = 2
    tally.conflicts["c", "architecture"] = 3
    tally.skipped["nodes"] = 4
    assert list_build_gaps(tally) == [
        Gap(GapKind.UNPLACED, "a", "nobody's", 1),
        Gap(GapKind.DROPPED, "b", "out of range", 2),
        Gap(GapKind.CONFLICT, "c", "architecture", 3),
    ]


def test_stale_documents_with_ages_have_another_version() -> None:
    """Documents with ages have other bytes and another version after a failed refresh."""
    snapshot = build_view_snapshot(CountingView())
    stale = snapshot.copy_as_stale((), 130.0)
    assert (snapshot.get_body("v"), stale.get_body("v")) == (b"at 100", b"at 130")
    assert snapshot.rendered_topology.get_version("v") != stale.rendered_topology.get_version("v")
    assert snapshot.topology is stale.topology


def test_stale_documents_without_ages_are_reused() -> None:
    """Documents without ages keep their bytes and their version after a failed refresh."""
    view = CountingView()
    snapshot = Snapshot(RenderedTopology(Topology(), 100.0, {"etim": view}), (), 0.0, 0.0, 0.0)
    snapshot.get_body("etim")
    stale = snapshot.copy_as_stale((), 130.0)
    assert stale.get_body("etim") is snapshot.get_body("etim")
    assert view.rendered == 1
    assert snapshot.rendered_topology.get_version("etim") == stale.rendered_topology.get_version("etim")


def test_freed_snapshots_are_released() -> None:
    """A freed snapshot and its objects are released if nothing else refers to them."""
    pods = {
        ("c", str(number)): Pod(cluster="c", key=str(number), name="x")
        for number in range(2 * OBJECTS_FREED_PER_CHUNK + 1)
    }
    retired = [Snapshot(RenderedTopology(Topology(pods=pods), 0.0, {"v": CountingView()}), (), 0.0, 0.0, 0.0)]
    retired[0].get_body("v")
    first, reference = pods["c", "0"], weakref.ref(retired[0])
    del pods
    free_snapshots(retired)
    assert reference() is None
    # The name here, and the argument of the function that counts.
    assert sys.getrefcount(first) == 2


def test_freed_snapshots_stay_intact_for_others() -> None:
    """A snapshot that is still referenced stays intact when it is freed."""
    pods = {("c", "p"): Pod(cluster="c", key="p", name="p")}
    snapshot = Snapshot(RenderedTopology(Topology(pods=pods), 0.0, {"v": CountingView()}), (), 0.0, 0.0, 0.0)
    snapshot.get_body("v")
    free_snapshots([snapshot])
    assert snapshot.topology.pods == {("c", "p"): Pod(cluster="c", key="p", name="p")}
    assert snapshot.rendered_topology.find_body(DocumentFormat("v")) is not None


def build_multi_cluster_topology(*names: str, max_restricted_bytes: int = 2**20) -> RenderedTopology:
    """Return a topology of clusters with one node each, in one view whose body has 1000 bytes."""
    topology = Topology(
        clusters={name: Cluster(key=name, uid=f"uid-{name}", name=name) for name in names},
        nodes={(name, "n"): Node(cluster=name, key="n", name="n") for name in names},
    )
    return RenderedTopology(topology, 0.0, {"v": lambda *_of: bytes(1000)}, max_restricted_bytes=max_restricted_bytes)


def test_roles_that_show_the_same_clusters_share_a_copy() -> None:
    """A hundred roles that show two different sets of clusters need two copies, whatever their patterns are."""
    snapshot = Snapshot(build_multi_cluster_topology("a-1", "a-2", "b-1"), (), 0.0, 0.0, 0.0)
    grants = [Grant(frozenset({f"{letter}-*", f"unused-{number}"})) for number in range(50) for letter in "ab"]
    assert len({id(snapshot.restrict(grant).rendered_topology) for grant in grants}) == 2
    for grant in grants:
        found = snapshot.find_restricted(grant)
        assert found is not None
        assert found.rendered_topology is snapshot.restrict(grant).rendered_topology


def test_a_restricted_copy_is_built_on_first_use() -> None:
    """Until then only an unrestricted caller can be served without building one."""
    snapshot = Snapshot(build_multi_cluster_topology("a"), (), 0.0, 0.0, 0.0)
    assert snapshot.find_restricted(Grant(frozenset({"a"}))) is None
    assert snapshot.find_restricted(UNRESTRICTED) is snapshot


def test_grants_that_show_the_same_clusters_may_show_different_gaps() -> None:
    """A cluster that vanished is reported to those who would see it, although they share a copy with others."""
    gone = Gap(GapKind.VANISHED, "clusters", "cluster b", cluster="uid-b", cluster_name="b")
    snapshot = Snapshot(build_multi_cluster_topology("a"), (gone,), 0.0, 0.0, 0.0)
    one, both = snapshot.restrict(Grant(frozenset({"a"}))), snapshot.restrict(Grant(frozenset({"a", "b"})))
    assert one.rendered_topology is both.rendered_topology
    assert (one.is_complete, both.is_complete) == (True, False)


def test_the_least_recently_used_copies_are_evicted() -> None:
    """When copies exceed the limit, the one that was not used for longest is discarded, not the oldest."""
    # A copy occupies 1000 bytes for its body and 200 for its node.
    rendered_topology = build_multi_cluster_topology("a", "b", "c", max_restricted_bytes=3500)
    only_a, only_b, only_c = (frozenset({f"uid-{name}"}) for name in "abc")
    for uids in (only_a, only_b, only_c):
        rendered_topology.restrict(uids)
    for uids in (only_b, only_c, only_a):
        rendered_topology.restrict(uids).get_body("v")
    assert [rendered_topology.find_restricted(uids) is not None for uids in (only_a, only_b, only_c)] == [
        True,
        False,
        True,
    ]


def test_the_copy_in_use_is_kept_whatever_its_size() -> None:
    """A copy that alone exceeds the limit is cached as well: the next request is served from it."""
    rendered_topology = build_multi_cluster_topology("a", "b", max_restricted_bytes=1)
    only_a = frozenset({"uid-a"})
    rendered_topology.restrict(frozenset({"uid-b"})).get_body("v")
    restricted = rendered_topology.restrict(only_a)
    restricted.get_body("v")
    assert rendered_topology.find_restricted(only_a) is restricted
    assert rendered_topology.find_restricted(frozenset({"uid-b"})) is None
