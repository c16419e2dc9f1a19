"""The search for candidates: which nodes a workload fits on, best first, and why it does not fit on the others."""

from collections import Counter
from collections.abc import Sequence
from itertools import chain, islice

import msgspec

from aggregator.errors import VersionMismatchError
from aggregator.lookup.candidates.checks import Check, Rejection, compile_checks, compile_distance, list_untolerated
from aggregator.lookup.candidates.node_facts import CandidateIndex, NodeFacts
from aggregator.lookup.candidates.ranking import CriterionScores, FittingNode, RankedNode, rank_nodes
from aggregator.lookup.candidates.request import DEFAULT_LIMIT, DEFAULT_REJECTED_LIMIT, validate_request
from aggregator.lookup.candidates.scheduling import list_effective_tolerations
from aggregator.pb.aggregator.v1 import topology_pb2 as pb

MAX_REASONS_PER_NODE = 16
VERSION_MISMATCH_MESSAGE = "if_version: the topology has another version"


class Candidate(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A node on which the workload fits, as Candidate of the proto."""

    id: str
    cluster: str
    node: str
    score: float
    scores: CriterionScores
    free_cpu_cores: float | None
    free_cpu_source: int
    free_memory_bytes: int | None
    free_memory_source: int
    free_pods: int | None
    distance_km: float | None
    is_ready: bool | None
    avoided_taints: int


class RejectedNode(msgspec.Struct, frozen=True, gc=False):
    """A node on which the workload does not fit, as RejectedNode of the proto."""

    id: str
    cluster: str
    node: str
    reasons: tuple[Rejection, ...]


class ReasonCount(msgspec.Struct, frozen=True, gc=False):
    """How many nodes a reason excludes."""

    reason: int
    nodes: int


class CandidateTotals(msgspec.Struct, frozen=True, gc=False):
    """Numbers of nodes, also of those that the response does not list."""

    nodes: int
    candidates: int
    rejected: int
    reasons: tuple[ReasonCount, ...]


class CandidateResult(msgspec.Struct, frozen=True, gc=False):
    """The result of a search, as FindCandidatesResponse of the proto."""

    version: str
    candidates: tuple[Candidate, ...]
    rejected: tuple[RejectedNode, ...]
    totals: CandidateTotals


# A node, and the reasons against it.
_Rejected = tuple[NodeFacts, list[int]]


def find_candidates(index: CandidateIndex, request: pb.FindCandidatesRequest) -> CandidateResult:
    """Return the candidates for a workload; raise a RequestError if the request is invalid or for another version."""
    validate_request(request)
    version = index.topology.version
    if request.if_version and request.if_version != version:
        raise VersionMismatchError(VERSION_MISMATCH_MESSAGE, parameter="if_version", version=version)
    checks, compute_distance = tuple(compile_checks(index, request)), compile_distance(request)
    reason_finders = [check.find_reasons for check in checks]
    tolerations = list_effective_tolerations(request)
    fitting: list[FittingNode] = []
    rejected: list[_Rejected] = []
    for facts in index.nodes:
        reasons: list[int] = []
        for find_reasons in reason_finders:
            reasons += find_reasons(facts)
        if reasons:
            rejected.append((facts, reasons))
        else:
            avoided_taints = list_untolerated(facts.taints, tolerations, are_preferences=True) if facts.taints else ()
            fitting.append(FittingNode(facts, compute_distance(facts), len(avoided_taints)))
    ranked = rank_nodes(fitting, request, request.limit or DEFAULT_LIMIT)
    rejected_limit = request.rejected_limit if request.HasField("rejected_limit") else DEFAULT_REJECTED_LIMIT
    return CandidateResult(
        version,
        tuple(map(_build_candidate, ranked)),
        tuple(_explain(facts, checks) for facts, _ in sorted(rejected, key=_count_reasons)[:rejected_limit]),
        CandidateTotals(len(index.nodes), len(fitting), len(rejected), _sum_up_reasons(rejected)),
    )


def _count_reasons(rejected: _Rejected) -> int:
    _, reasons = rejected
    return len(reasons)


def _sum_up_reasons(rejected: Sequence[_Rejected]) -> tuple[ReasonCount, ...]:
    counts = Counter(chain.from_iterable(set(reasons) for _, reasons in rejected))
    return tuple(ReasonCount(reason, counts[reason]) for reason in sorted(counts))


def _explain(facts: NodeFacts, checks: Sequence[Check]) -> RejectedNode:
    reasons = islice((reason for check in checks for reason in check.explain(facts)), MAX_REASONS_PER_NODE)
    return RejectedNode(facts.node.id, facts.node.cluster, facts.node.key, tuple(reasons))


def _build_candidate(ranked: RankedNode) -> Candidate:
    facts, distance_km, avoided_taints = ranked.fitting
    return Candidate(
        id=facts.node.id,
        cluster=facts.node.cluster,
        node=facts.node.key,
        score=ranked.score,
        scores=ranked.scores,
        free_cpu_cores=facts.free_cpu_cores,
        free_cpu_source=facts.free_cpu_source,
        free_memory_bytes=facts.free_memory_bytes,
        free_memory_source=facts.free_memory_source,
        free_pods=facts.free_pods,
        distance_km=distance_km,
        is_ready=facts.is_ready,
        avoided_taints=avoided_taints,
    )
