"""Ranking of candidates: criteria from 0 to 1, their weighted mean, and the order in which clusters take turns.

docs/candidates.md has the formula. A score depends on the node, the request and, with the criterion spread, on better
candidates of the same cluster. Scores are rounded, and equal ones are ordered by ID, so that replicas agree.
"""

import heapq
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from operator import itemgetter
from typing import NamedTuple

import msgspec

from aggregator.lookup.candidates.node_facts import NodeFacts
from aggregator.pb.aggregator.v1 import topology_pb2 as pb

# At this distance the criterion is one half, and at this power, too.
HALF_DISTANCE_KM = 100.0
HALF_POWER_WATTS = 100.0

_SCORE_DIGITS = 6
_DEFAULT_WEIGHTS = {"free_cpu": 1.0, "free_memory": 1.0}
_DEFAULT_WEIGHTS_WITH_NEAR = {**_DEFAULT_WEIGHTS, "distance": 1.0}


class CriterionScores(msgspec.Struct, frozen=True, gc=False):
    """The criteria of a candidate, as CriterionScores of the proto; None is unknown."""

    free_cpu: float | None
    free_memory: float | None
    security: float | None
    distance: float | None
    energy: float | None
    spread: float


class FittingNode(NamedTuple):
    """A node that fits, its distance to the requested position, and the number of taints to avoid."""

    facts: NodeFacts
    distance_km: float | None
    avoided_taints: int


class RankedNode(NamedTuple):
    """A node that fits, with its score and criteria."""

    fitting: FittingNode
    score: float
    scores: CriterionScores


# The negative weighted sum of the criteria without the spread, the ID, and the node: the best sorts first.
_WeightedNode = tuple[float, str, FittingNode]
_Criterion = Callable[[FittingNode, pb.FindCandidatesRequest], float | None]


def _score_free_cpu(fitting: FittingNode, request: pb.FindCandidatesRequest) -> float | None:
    facts = fitting.facts
    return _compute_share(facts.free_cpu_cores, request.cpu_cores, facts.total_cpu_cores)


def _score_free_memory(fitting: FittingNode, request: pb.FindCandidatesRequest) -> float | None:
    facts = fitting.facts
    return _compute_share(facts.free_memory_bytes, request.memory_bytes, facts.total_memory_bytes)


def _compute_share(free: float | None, needed: float, total: float | None) -> float | None:
    """Return the share of a resource that is free once the workload is placed."""
    if free is None or not total:
        return None
    share = (free - needed) / total
    return 0.0 if share < 0 else min(share, 1.0)


def _score_security(fitting: FittingNode, _request: pb.FindCandidatesRequest) -> float | None:
    score = fitting.facts.node.sca_score
    return None if score is None else min(max(score / 100, 0.0), 1.0)


def _score_distance(fitting: FittingNode, _request: pb.FindCandidatesRequest) -> float | None:
    distance_km = fitting.distance_km
    return None if distance_km is None else HALF_DISTANCE_KM / (HALF_DISTANCE_KM + distance_km)


def _score_energy(fitting: FittingNode, _request: pb.FindCandidatesRequest) -> float | None:
    watts = fitting.facts.node.power_watts
    return None if watts is None else HALF_POWER_WATTS / (HALF_POWER_WATTS + max(watts, 0.0))


_CRITERIA: Mapping[str, _Criterion] = {
    "free_cpu": _score_free_cpu,
    "free_memory": _score_free_memory,
    "security": _score_security,
    "distance": _score_distance,
    "energy": _score_energy,
}


def rank_nodes(fitting_nodes: Iterable[FittingNode], request: pb.FindCandidatesRequest, limit: int) -> list[RankedNode]:
    """Return the best nodes, at most `limit` and at most `max_per_cluster` of each cluster."""
    weights = _get_weights(request)
    spread_weight, total_weight = weights.get("spread", 0.0), sum(weights.values())
    node_weights = [(_CRITERIA[name], weight) for name, weight in weights.items() if name in _CRITERIA]

    def compute_weighted_sum(fitting: FittingNode) -> float:
        weighted_sum = 0.0
        for criterion, weight in node_weights:
            weighted_sum += weight * (criterion(fitting, request) or 0.0)
        return round(weighted_sum / (1 + fitting.avoided_taints), _SCORE_DIGITS)

    by_cluster: dict[str, list[_WeightedNode]] = defaultdict(list)
    for fitting in fitting_nodes:
        node = fitting.facts.node
        by_cluster[node.cluster].append((-compute_weighted_sum(fitting), node.id, fitting))
    order = _ClusterOrder(spread_weight, total_weight)
    queues = [sorted(nodes, key=itemgetter(0, 1))[: request.max_per_cluster or None] for nodes in by_cluster.values()]
    return [
        RankedNode(fitting, score, _build_scores(fitting, request, rank))
        for fitting, score, rank in islice(order.iter_best(queues), limit)
    ]


def _get_weights(request: pb.FindCandidatesRequest) -> Mapping[str, float]:
    if request.HasField("ranking"):
        return {field.name: weight for field, weight in request.ranking.ListFields()}
    return _DEFAULT_WEIGHTS_WITH_NEAR if request.HasField("near") else _DEFAULT_WEIGHTS


class _ClusterOrder:
    """Merges the nodes of all clusters, best first; each node lowers the rest of its cluster by the spread."""

    def __init__(self, spread_weight: float, total_weight: float) -> None:
        self._spread_weight = spread_weight
        self._total_weight = total_weight

    def iter_best(self, queues: Sequence[Sequence[_WeightedNode]]) -> Iterator[tuple[FittingNode, float, int]]:
        """Yield nodes with their score and the number of better nodes of their cluster.

        `queues` has the nodes of each cluster, best first. The spread lowers them alike, so that it keeps this order.
        """
        heads = [self._build_head(queue, 0, number) for number, queue in enumerate(queues)]
        heapq.heapify(heads)
        while heads:
            negative_score, _, number, rank = heads[0]
            *_, fitting = queues[number][rank]
            yield fitting, -negative_score, rank
            if rank + 1 < len(queues[number]):
                heapq.heapreplace(heads, self._build_head(queues[number], rank + 1, number))
            else:
                heapq.heappop(heads)

    def _build_head(self, queue: Sequence[_WeightedNode], rank: int, number: int) -> tuple[float, str, int, int]:
        """Return the entry of the heap for the best remaining node of a cluster: by score, then by ID."""
        negative_sum, node_id, _ = queue[rank]
        weighted_sum = self._spread_weight * compute_spread(rank) - negative_sum
        # Without any weight, all scores are 0 and the IDs decide.
        score = round(weighted_sum / (self._total_weight or 1.0), _SCORE_DIGITS)
        return (-score, node_id, number, rank)


def compute_spread(rank: int) -> float:
    """Return the criterion spread of a node with this number of better candidates in its cluster."""
    return 1 / (1 + rank)


def _build_scores(fitting: FittingNode, request: pb.FindCandidatesRequest, rank: int) -> CriterionScores:
    values = {name: criterion(fitting, request) for name, criterion in _CRITERIA.items()}
    rounded = {name: None if value is None else round(value, _SCORE_DIGITS) for name, value in values.items()}
    return CriterionScores(spread=round(compute_spread(rank), _SCORE_DIGITS), **rounded)
