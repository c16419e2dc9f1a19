"""Objects that cannot be told apart make a topology incomplete; a newer series of an object replaces an older one."""

import pytest

from aggregator.models.builder.merge import SUPERSEDED_REASON, Contradiction
from aggregator.refresh.snapshot import GapKind, list_build_gaps
from tests.support.scenarios import build_scenario

UNAME = 'node_uname_info{{cluster="rome",node="m",nodename="{name}",machine="x86_64"}} 1{age}\n'
POD = 'kube_pod_info{{cluster="rome",namespace="shop",pod="db-0",uid="{uid}",node="m"}} 1{age}\n'
NODE = UNAME.format(name="m", age="")


@pytest.mark.parametrize(
    ("text", "contradiction"),
    [
        (
            UNAME.format(name="one", age="") + UNAME.format(name="two", age=""),
            Contradiction("nodes_by_uname", "name", "rome", "m", ("one", "two")),
        ),
        (
            NODE + POD.format(uid="u1", age="") + POD.format(uid="u2", age=" @-10s"),
            Contradiction("pods", "uid", "rome", "db-0", ("u1", "u2")),
        ),
    ],
)
def test_two_current_series_are_a_contradiction(text: str, contradiction: Contradiction) -> None:
    """The gap names the object with both values, and the topology is incomplete."""
    _, stats = build_scenario(text)
    assert stats.contradictions == [contradiction]
    (gap,) = [gap for gap in list_build_gaps(stats) if gap.kind is GapKind.CONTRADICTION]
    assert gap.kind.is_missing_data
    assert all(value in gap.detail for value in contradiction.values)


@pytest.mark.parametrize("old_first", [True, False])
def test_a_newer_series_replaces_an_older_one(*, old_first: bool) -> None:
    """A host that was renamed has its new name, although the old one sorts after it, and nothing is contradictory."""
    series = [UNAME.format(name="zz", age=" @-100s"), UNAME.format(name="aa", age="")]
    topology, stats = build_scenario("".join(series if old_first else reversed(series)))
    assert [node.name for node in topology.nodes.values()] == ["aa"]
    assert not stats.contradictions
    assert dict(stats.conflicts) == {("nodes_by_uname", SUPERSEDED_REASON): 1}
