"""The history of versions: which deltas it finds, and its limits."""

from msgspec.structs import replace

from aggregator.models.changes import CHANGE_KINDS, compare_topologies
from aggregator.models.topology import Cluster, Node, Topology, add_version
from aggregator.refresh.history import VersionHistory

NODE = Node(cluster="c", key="n", id="u/n", cpu_cores=4, cpu_usage_percent=10)


def build_topology(*nodes: Node) -> Topology:
    """Return a topology with one cluster and these nodes."""
    clusters = {"c": Cluster(key="c", uid="u")}
    return add_version(Topology(clusters=clusters, nodes={(each.cluster, each.key): each for each in nodes}))


BUSY = [build_topology(replace(NODE, cpu_usage_percent=usage)) for usage in range(6)]
CORDONED = build_topology(replace(NODE, is_unschedulable=True))


def record_all(history: VersionHistory, *topologies: Topology) -> VersionHistory:
    """Record topologies, and return the history."""
    for topology in topologies:
        history.record(topology)
    return history


def test_changes_between_any_two_versions() -> None:
    """The changes of several steps are as those from the first topology to the last."""
    history = record_all(VersionHistory(), *BUSY, CORDONED)
    assert history.find_delta(BUSY[1].version, BUSY[4].version) == compare_topologies(BUSY[1], BUSY[4])
    assert history.find_delta(BUSY[0].version, CORDONED.version) == compare_topologies(BUSY[0], CORDONED)


def test_structure_is_kept_apart() -> None:
    """A delta of structure has no objects whose measurements alone changed."""
    history = record_all(VersionHistory(), BUSY[0], BUSY[1], CORDONED)
    quiet = history.find_delta(BUSY[0].version, BUSY[1].version, is_structure=True)
    assert quiet is not None
    assert not any(map(quiet.get_changes, CHANGE_KINDS))
    structural = history.find_delta(BUSY[0].version, CORDONED.version, is_structure=True)
    assert structural is not None
    assert list(structural.nodes) == [("c", "u/n")]


def test_unknown_versions_are_not_found() -> None:
    """There are no changes since a version that is not known, nor from a newer version to an older one."""
    history = record_all(VersionHistory(), *BUSY[:3])
    assert history.find_delta("0123", BUSY[2].version) is None
    assert history.find_delta(BUSY[0].version, "0123") is None
    assert history.find_delta(BUSY[2].version, BUSY[1].version) is None


def test_a_version_that_recurs_is_found_where_it_was_last() -> None:
    """If a topology returns to an earlier version, the changes since then are found."""
    history = record_all(VersionHistory(), BUSY[0], BUSY[1], BUSY[0], BUSY[2])
    assert history.find_delta(BUSY[1].version, BUSY[2].version) == compare_topologies(BUSY[1], BUSY[2])
    back = history.find_delta(BUSY[0].version, BUSY[2].version)
    assert back == compare_topologies(BUSY[0], BUSY[2])


def test_the_number_of_versions_is_limited() -> None:
    """The oldest versions are forgotten."""
    history = record_all(VersionHistory(max_versions=2), *BUSY)
    assert history.find_delta(BUSY[2].version, BUSY[5].version) is None
    assert history.find_delta(BUSY[3].version, BUSY[5].version) is not None


def test_all_changes_are_limited_in_bytes_before_structure() -> None:
    """Changes of measurements that need too much memory are forgotten, those of structure are kept."""
    history = record_all(VersionHistory(max_bytes=13_000), *BUSY)
    assert history.find_delta(BUSY[2].version, BUSY[5].version) is None
    assert history.find_delta(BUSY[3].version, BUSY[5].version) is not None
    assert history.find_delta(BUSY[0].version, BUSY[5].version, is_structure=True) is not None


def test_the_newest_changes_are_kept_for_watches() -> None:
    """However large they are, the newest changes are kept while there are watches of all changes."""
    history = VersionHistory(max_bytes=1)
    record_all(history, *BUSY[:2])
    assert history.find_delta(BUSY[0].version, BUSY[1].version) is None
    history.full_watch_count = 1
    record_all(history, *BUSY[2:4])
    assert history.find_delta(BUSY[2].version, BUSY[3].version) is not None
    assert history.find_delta(BUSY[1].version, BUSY[3].version) is None


def test_a_cleared_history_begins_again() -> None:
    """After `clear`, earlier versions are not known, and later ones are."""
    history = record_all(VersionHistory(), *BUSY[:2])
    history.clear()
    assert history.find_delta(BUSY[0].version, BUSY[1].version) is None
    record_all(history, *BUSY[1:3])
    assert history.find_delta(BUSY[1].version, BUSY[2].version) is not None
