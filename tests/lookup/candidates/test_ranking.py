"""The order of candidates and their scores."""

from random import Random
from typing import Any

import pytest

from aggregator.models.topology import Node
from aggregator.pb.aggregator.v1 import topology_pb2 as pb
from tests.lookup.candidates.fleets import build_node, build_taints, search

NEAR = pb.Near(latitude=0, longitude=0)
# One degree of longitude at the equator in km.
DEGREE_KM = 111.195


def rank(*nodes: Node, **request: Any) -> list[str]:
    """Return the names of the candidates, best first."""
    return [candidate.node for candidate in search(*nodes, **request).candidates]


def build_near_node(key: str, longitude: float | None, **fields: Any) -> Node:
    """Return a node on the equator, or without a position."""
    return build_node(key=key, latitude=None if longitude is None else 0.0, longitude=longitude, **fields)


def test_the_formula() -> None:
    """Each criterion is the value that docs/candidates.md gives, and the score their weighted mean."""
    node = build_near_node("n", 1.0, sca_score=80, power_watts=300.0)
    weights = {"free_cpu": 1, "free_memory": 2, "security": 3, "distance": 4, "energy": 5, "spread": 6}
    (candidate,) = search(
        node, cpu_cores=1, memory_bytes=4 * 2**30, near=NEAR, ranking=pb.Ranking(**weights)
    ).candidates
    scores = candidate.scores
    assert candidate.distance_km == pytest.approx(DEGREE_KM, abs=0.001)
    assert (scores.free_cpu, scores.free_memory, scores.security, scores.energy, scores.spread) == (
        *((3 - 1) / 4, (12 - 4) / 16, 0.8),
        *(100 / (100 + 300), 1),
    )
    assert scores.distance == pytest.approx(100 / (100 + DEGREE_KM), abs=1e-5)
    expected = sum(weight * getattr(scores, name) for name, weight in weights.items()) / 21
    assert candidate.score == pytest.approx(expected, abs=1e-5)


def test_the_default_prefers_nodes_with_free_resources() -> None:
    """Without weights, free CPU and free memory count alike."""
    nodes = [build_node(key=f"n{requested}", requested_cpu_cores=requested) for requested in (3.0, 1.0, 2.0)]
    assert rank(*nodes) == ["n1.0", "n2.0", "n3.0"]


def test_the_default_prefers_near_nodes() -> None:
    """With a position, the distance counts as well; nodes without a position come last."""
    nodes = [build_near_node("far", 9.0), build_near_node("unknown", None), build_near_node("near", 1.0)]
    assert rank(*nodes, near=NEAR) == ["near", "far", "unknown"]
    (_, _, unknown) = search(*nodes, near=NEAR).candidates
    assert (unknown.scores.distance, unknown.distance_km) == (None, None)


def test_other_weights_replace_the_default() -> None:
    """With weights, only the criteria that they name count."""
    nodes = [build_node(key="free", sca_score=10), build_node(key="secure", sca_score=90, requested_cpu_cores=3.0)]
    assert rank(*nodes) == ["free", "secure"]
    assert rank(*nodes, ranking=pb.Ranking(security=1)) == ["secure", "free"]


def test_taints_that_ask_for_avoidance_lower_the_rank() -> None:
    """A node with PreferNoSchedule comes after one without, unless the workload tolerates the taint."""
    nodes = [build_node(key="tainted", taints=build_taints("a:PreferNoSchedule")), build_node(key="z")]
    assert rank(*nodes) == ["z", "tainted"]
    assert rank(*nodes, tolerations=[pb.Toleration(key="a", operator="Exists")]) == ["tainted", "z"]
    (best, second) = search(*nodes).candidates
    assert (best.avoided_taints, second.avoided_taints) == (0, 1)
    assert second.score == pytest.approx(best.score / 2)


def test_equal_nodes_are_ordered_by_id() -> None:
    """Nodes with equal scores are ordered by their ID, in whatever order the topology has them."""
    nodes = [build_node(cluster=cluster, key=key) for cluster in "ba" for key in ("y", "x")]
    expected = ["a/x", "a/y", "b/x", "b/y"]
    assert [candidate.id for candidate in search(*nodes).candidates] == expected
    assert [candidate.id for candidate in search(*reversed(nodes)).candidates] == expected


def test_without_any_weight_ids_decide() -> None:
    """If all weights are 0, all scores are 0."""
    nodes = [build_node(key="b"), build_node(key="a", requested_cpu_cores=3.0)]
    for ranking in (pb.Ranking(), pb.Ranking(free_cpu=0)):
        candidates = search(*nodes, ranking=ranking).candidates
        assert [(each.node, each.score) for each in candidates] == [("a", 0), ("b", 0)]


def test_spread_takes_clusters_in_turn() -> None:
    """With a high weight of the spread, the best nodes of all clusters come first."""
    nodes = [build_node(cluster=cluster, key=f"{cluster}{number}") for cluster in "ab" for number in range(3)]
    assert rank(*nodes) == ["a0", "a1", "a2", "b0", "b1", "b2"]
    spread = search(*nodes, ranking=pb.Ranking(free_cpu=1, spread=2)).candidates
    assert [candidate.node for candidate in spread] == ["a0", "b0", "a1", "b1", "a2", "b2"]
    assert [candidate.scores.spread for candidate in spread] == [1, 1, 0.5, 0.5, 0.333333, 0.333333]


def test_the_candidates_of_a_cluster_are_limited() -> None:
    """`max_per_cluster` limits the results of each cluster, not the number of nodes that fit."""
    nodes = [build_node(cluster=cluster, key=f"{cluster}{number}") for cluster in "ab" for number in range(3)]
    result = search(*nodes, max_per_cluster=1)
    assert [candidate.node for candidate in result.candidates] == ["a0", "b0"]
    assert result.totals.candidates == 6


@pytest.mark.parametrize("seed", range(20))
def test_a_greedy_choice_has_the_same_order(seed: int) -> None:
    """The order is the one of choosing the best remaining node again and again, in a random fleet."""
    rng = Random(seed)  # noqa: S311 - invented nodes need no secrecy
    nodes = [
        build_node(
            cluster=rng.choice("abc"),
            key=f"n{number}",
            requested_cpu_cores=rng.choice([0.0, 1.0, 2.0, 4.0]),
            taints=build_taints(*rng.choice([(), ("a:PreferNoSchedule",)])),
        )
        for number in range(12)
    ]
    weights = {"free_cpu": rng.choice([0.5, 1, 3]), "spread": rng.choice([0, 1, 5])}
    chosen: list[Node] = []
    remaining = list(nodes)
    while remaining:

        def compute_score(node: Node) -> float:
            free = (4 - (node.requested_cpu_cores or 0)) / 4 / (1 + len(node.taints))
            spread = 1 / (1 + sum(other.cluster == node.cluster for other in chosen))
            return round((weights["free_cpu"] * free + weights["spread"] * spread) / sum(weights.values()), 6)

        best = min(remaining, key=lambda node: (-compute_score(node), node.id))
        chosen.append(best)
        remaining.remove(best)
    assert rank(*nodes, limit=50, ranking=pb.Ranking(**weights)) == [node.key for node in chosen]
