"""The copy of the objects is what the events say."""

import pytest

from aggregator.cli.gateway import FetchError
from aggregator.cli.watch.stream import DISCONNECT_EVENT, ReceivedEvent
from aggregator.cli.watch.topology_copy import TopologyCopy
from tests.cli.watch.scripted_watch import ADDED_POD, NODE_CHANGE, POD_CHANGE, SNAPSHOT, build_changes

REMOVED = {"type": "REMOVED", "kind": "pods", "id": "p2", "cluster": "icos-south", "name": "web-1"}


def test_changes_are_applied() -> None:
    """Objects are added, changed and removed, and each change has the object before and after."""
    copy = TopologyCopy()
    assert copy.apply(ReceivedEvent(*SNAPSHOT)) is None
    changes = copy.apply(ReceivedEvent(*build_changes("v2", NODE_CHANGE, POD_CHANGE)))
    assert changes is not None
    assert copy.objects["nodes"]["icos-south", "c1/n1"] == {
        "id": "c1/n1",
        "name": "athens-master",
        "cluster": "icos-south",
        "isUnschedulable": True,
        "devices": [{"name": "video0", "state": "DEVICE_STATE_AVAILABLE"}],
    }
    assert changes[0].before == SNAPSHOT[1]["nodes"][0]
    assert (changes[1].before, changes[1].after) == (None, ADDED_POD)
    changes = copy.apply(ReceivedEvent(*build_changes("v3", REMOVED)))
    assert changes is not None
    (removed,) = changes
    assert (removed.before, removed.after, copy.objects["pods"]) == (ADDED_POD, None, {})
    assert copy.properties == {"controllers": ["a"]}


def test_parts_are_applied_together() -> None:
    """Nothing changes before the last part; parts before a lost connection are dropped."""
    copy = TopologyCopy()
    copy.apply(ReceivedEvent(*SNAPSHOT))
    part = ReceivedEvent(*build_changes("v2", POD_CHANGE, remainingCount=1))
    assert copy.apply(part) == []
    assert copy.objects["pods"] == {}
    assert copy.apply(ReceivedEvent(DISCONNECT_EVENT, {})) == []
    assert len(copy.apply(ReceivedEvent(*build_changes("v2", NODE_CHANGE))) or ()) == 1
    assert copy.objects["pods"] == {}
    copy.apply(part)
    assert len(copy.apply(ReceivedEvent(*build_changes("v3", NODE_CHANGE))) or ()) == 2


def test_a_snapshot_replaces_all_objects() -> None:
    """After a restart, only the objects of the new snapshot exist."""
    copy = TopologyCopy()
    copy.apply(ReceivedEvent(*SNAPSHOT))
    assert copy.apply(ReceivedEvent("restart", {"reason": "too old"})) == []
    assert copy.apply(ReceivedEvent("snapshot", {"version": "v9", "pods": [ADDED_POD]})) is None
    assert list(copy.iterate_counts()) == [(0, "cluster"), (0, "node"), (1, "pod")]


@pytest.mark.parametrize("change", [{}, {"type": "ADDED", "kind": "boxes", "id": "x"}, 3, {"kind": [], "id": 1}])
def test_invalid_changes_are_an_error(change: object) -> None:
    """A change that is none is reported, not half applied."""
    with pytest.raises(FetchError, match="an event of the watch is invalid"):
        TopologyCopy().apply(ReceivedEvent("changes", {"changes": [change]}))
