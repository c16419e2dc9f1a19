"""The requirements of a request as checks on nodes.

A requirement becomes a check only if the request has it. A check returns why a node does not meet it. A value that the
telemetry lacks never meets a requirement.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from fnmatch import fnmatchcase
from typing import NamedTuple

import msgspec

from aggregator.errors import MAX_NAME_CHARACTERS
from aggregator.lookup.candidates.node_facts import CPU_DIGITS, CandidateIndex, NodeFacts
from aggregator.lookup.candidates.scheduling import (
    NOT_READY_TAINT,
    PREFER_NO_SCHEDULE,
    UNREACHABLE_TAINT,
    UNSCHEDULABLE_TAINT,
    compile_label_expression,
    describe_label_expression,
    find_label,
    is_tolerated,
    list_effective_tolerations,
)
from aggregator.models.locations import compute_distance_km
from aggregator.models.topology import Taint
from aggregator.pb.aggregator.v1 import topology_pb2 as pb

_AVAILABLE, _BUSY, _DETACHED = 1, 0, -1
_DEVICE_STATES: Mapping[int | None, str] = {_BUSY: "busy", _DETACHED: "detached"}
_DISTANCE_DIGITS = 3
# The spelling of Kubernetes, for the names that `uname -m` prints.
_ARCHITECTURE_ALIASES = {"amd64": "x86_64", "arm64": "aarch64"}
_REASONS_BY_TAINT = {
    UNSCHEDULABLE_TAINT: pb.REJECTION_REASON_CORDONED,
    NOT_READY_TAINT: pb.REJECTION_REASON_NOT_READY,
    UNREACHABLE_TAINT: pb.REJECTION_REASON_NOT_READY,
}


class Rejection(msgspec.Struct, frozen=True, gc=False):
    """Why a workload does not fit on a node, as Rejection of the proto; `reason` is a RejectionReason."""

    reason: int
    detail: str
    required: float | None = None
    actual: float | None = None


class Check(NamedTuple):
    """A requirement: `find_reasons` returns the reasons for which a node does not meet it, `explain` describes them.

    Nearly all rejected nodes are only counted, so that texts are built for those in the response alone.
    """

    find_reasons: Callable[[NodeFacts], Sequence[int]]
    explain: Callable[[NodeFacts], Sequence[Rejection]]


def compile_checks(index: CandidateIndex, request: pb.FindCandidatesRequest) -> Iterator[Check]:
    """Yield the checks of a request."""
    if request.clusters:
        yield _check_word(pb.REJECTION_REASON_CLUSTER, "cluster", request.clusters, lambda facts: facts.node.cluster)
    if request.cluster_types:
        types = [each.casefold() for each in request.cluster_types]
        yield _check_word(
            pb.REJECTION_REASON_CLUSTER_TYPE, "cluster type", types, lambda facts: facts.cluster_type or "unknown"
        )
    yield _ABSENCE_CHECK
    yield _check_taints(request)
    for key, value in sorted(request.node_selector.items()):
        yield _check_label(pb.LabelExpression(key=key, operator="In", values=[value]))
    yield from map(_check_label, request.label_expressions)
    if request.architecture:
        name = request.architecture.casefold()
        yield _check_optional_word(
            "architecture",
            (pb.REJECTION_REASON_ARCHITECTURE, pb.REJECTION_REASON_UNKNOWN_ARCHITECTURE),
            [_ARCHITECTURE_ALIASES.get(name, name)],
            lambda facts: facts.node.architecture,
        )
    yield from _compile_amount_checks(request)
    for pattern in request.devices:
        yield _check_device(pattern, frozenset(name for name in index.device_names if fnmatchcase(name, pattern)))
    yield from _compile_location_checks(request)
    yield from _compile_security_checks(request)
    if request.HasField("max_power_watts"):
        yield _check_maximum(
            "watts",
            (pb.REJECTION_REASON_POWER, pb.REJECTION_REASON_UNKNOWN_POWER),
            request.max_power_watts,
            lambda facts: facts.node.power_watts,
        )


def _compile_amount_checks(request: pb.FindCandidatesRequest) -> Iterator[Check]:
    if request.cpu_cores:
        yield _check_minimum(
            "free CPU cores",
            (pb.REJECTION_REASON_INSUFFICIENT_CPU, pb.REJECTION_REASON_UNKNOWN_CPU),
            # Rounded as what is free, so that a request of all that is shown as free fits.
            round(request.cpu_cores, CPU_DIGITS),
            lambda facts: facts.free_cpu_cores,
        )
    if request.memory_bytes:
        yield _check_minimum(
            "free memory bytes",
            (pb.REJECTION_REASON_INSUFFICIENT_MEMORY, pb.REJECTION_REASON_UNKNOWN_MEMORY),
            request.memory_bytes,
            lambda facts: facts.free_memory_bytes,
        )
    if request.gpu_count:
        yield _check_minimum(
            "GPUs",
            (pb.REJECTION_REASON_INSUFFICIENT_GPUS, pb.REJECTION_REASON_UNKNOWN_GPUS),
            request.gpu_count,
            lambda facts: facts.gpu_count,
        )
    yield _PODS_CHECK


def _compile_location_checks(request: pb.FindCandidatesRequest) -> Iterator[Check]:
    unknown = pb.REJECTION_REASON_UNKNOWN_LOCATION
    if request.countries:
        yield _check_optional_word(
            "country", (pb.REJECTION_REASON_COUNTRY, unknown), request.countries, lambda facts: facts.node.country
        )
    if request.continents:
        yield _check_optional_word(
            "continent",
            (pb.REJECTION_REASON_CONTINENT, unknown),
            request.continents,
            lambda facts: facts.node.continent,
        )
    if request.near.HasField("max_distance_km"):
        yield _check_maximum(
            "km of distance",
            (pb.REJECTION_REASON_DISTANCE, unknown),
            request.near.max_distance_km,
            compile_distance(request),
        )


def _compile_security_checks(request: pb.FindCandidatesRequest) -> Iterator[Check]:
    if request.HasField("min_security_score"):
        yield _check_minimum(
            "percent of the security score",
            (pb.REJECTION_REASON_SECURITY_SCORE, pb.REJECTION_REASON_UNKNOWN_SECURITY_SCORE),
            request.min_security_score,
            lambda facts: facts.node.sca_score,
        )
    if request.HasField("max_critical_vulnerabilities"):
        yield _check_maximum(
            "critical vulnerabilities",
            (pb.REJECTION_REASON_VULNERABILITIES, pb.REJECTION_REASON_UNKNOWN_VULNERABILITIES),
            request.max_critical_vulnerabilities,
            lambda facts: facts.critical_vulnerabilities,
        )


_ValueGetter = Callable[[NodeFacts], float | None]
# The reason if a value is not enough, and if it is unknown.
_Reasons = tuple[int, int]


def _check_minimum(subject: str, reasons: _Reasons, required: float, get_value: _ValueGetter) -> Check:
    insufficient, unknown = ((reason,) for reason in reasons)

    def find_reasons(facts: NodeFacts) -> Sequence[int]:
        actual = get_value(facts)
        if actual is None:
            return unknown
        return () if actual >= required else insufficient

    return _explain_amount(find_reasons, get_value, f"at least {required:.15g} {subject}", required)


def _check_maximum(subject: str, reasons: _Reasons, required: float, get_value: _ValueGetter) -> Check:
    insufficient, unknown = ((reason,) for reason in reasons)

    def find_reasons(facts: NodeFacts) -> Sequence[int]:
        actual = get_value(facts)
        if actual is None:
            return unknown
        return () if actual <= required else insufficient

    return _explain_amount(find_reasons, get_value, f"at most {required:.15g} {subject}", required)


def _explain_amount(
    find_reasons: Callable[[NodeFacts], Sequence[int]], get_value: _ValueGetter, needed: str, required: float
) -> Check:
    def explain(facts: NodeFacts) -> Sequence[Rejection]:
        actual = get_value(facts)
        found = "unknown for this node" if actual is None else f"has {actual:.15g}"
        return [Rejection(reason, f"needs {needed}, {found}", required, actual) for reason in find_reasons(facts)]

    return Check(find_reasons, explain)


_GONE = (pb.REJECTION_REASON_GONE,)


def _find_absence(facts: NodeFacts) -> Sequence[int]:
    return _GONE if facts.node.gone_since_seconds is not None or facts.node.is_silent else ()


def _explain_absence(facts: NodeFacts) -> Sequence[Rejection]:
    if not _find_absence(facts):
        return ()
    is_silent = facts.node.gone_since_seconds is None
    text = "its agent does not report any longer" if is_silent else "no series describe this node any longer"
    return [Rejection(pb.REJECTION_REASON_GONE, text)]


_ABSENCE_CHECK = Check(_find_absence, _explain_absence)


def _find_pod_reasons(facts: NodeFacts) -> Sequence[int]:
    """Return why a node cannot run one more pod. A host without a limit can."""
    if facts.node.allocatable_pods is None or facts.free_pods:
        return ()
    return (pb.REJECTION_REASON_UNKNOWN_PODS if facts.free_pods is None else pb.REJECTION_REASON_INSUFFICIENT_PODS,)


def _explain_pods(facts: NodeFacts) -> Sequence[Rejection]:
    limit, count = facts.node.allocatable_pods, facts.node.pod_count
    found = "an unknown number" if count is None else f"{count}"
    return [
        Rejection(reason, f"can run {limit} pods, runs {found}", 1, facts.free_pods)
        for reason in _find_pod_reasons(facts)
    ]


_PODS_CHECK = Check(_find_pod_reasons, _explain_pods)


def _check_word(reason: int, subject: str, words: Iterable[str], get_word: Callable[[NodeFacts], str]) -> Check:
    allowed, rejected = frozenset(words), (reason,)
    return Check(
        lambda facts: () if get_word(facts) in allowed else rejected,
        lambda facts: (
            () if (word := get_word(facts)) in allowed else [Rejection(reason, f"the {subject} is {_clip(word)}")]
        ),
    )


def _check_optional_word(
    subject: str, reasons: _Reasons, words: Iterable[str], get_word: Callable[[NodeFacts], str | None]
) -> Check:
    """Return the check of a word that may be unknown. The comparison ignores the case."""
    allowed = frozenset(each.casefold() for each in words)
    mismatch, unknown = ((reason,) for reason in reasons)

    def find_reasons(facts: NodeFacts) -> Sequence[int]:
        word = get_word(facts)
        if not word:
            return unknown
        return () if word.casefold() in allowed else mismatch

    def explain(facts: NodeFacts) -> Sequence[Rejection]:
        text = f"the {subject} is {_clip(get_word(facts) or 'unknown')}"
        return [Rejection(reason, text) for reason in find_reasons(facts)]

    return Check(find_reasons, explain)


def _check_taints(request: pb.FindCandidatesRequest) -> Check:
    tolerations = list_effective_tolerations(request)

    def find_reasons(facts: NodeFacts) -> Sequence[int]:
        # Most nodes have no taints.
        return [_get_taint_reason(taint) for taint in list_taints(facts)] if facts.taints else ()

    def explain(facts: NodeFacts) -> Sequence[Rejection]:
        return [
            Rejection(_get_taint_reason(taint), f"taint {_describe_taint(taint)} is not tolerated")
            for taint in list_taints(facts)
        ]

    def list_taints(facts: NodeFacts) -> Sequence[Taint]:
        return list_untolerated(facts.taints, tolerations, are_preferences=False)

    return Check(find_reasons, explain)


def _get_taint_reason(taint: Taint) -> int:
    return _REASONS_BY_TAINT.get(taint.key or "", pb.REJECTION_REASON_UNTOLERATED_TAINT)


def list_untolerated(
    taints: Sequence[Taint], tolerations: Sequence[pb.Toleration], *, are_preferences: bool
) -> Sequence[Taint]:
    """Return the taints with, or without, the effect PreferNoSchedule that no toleration matches."""
    return [
        taint
        for taint in taints
        if (taint.effect == PREFER_NO_SCHEDULE) is are_preferences and not is_tolerated(taint, tolerations)
    ]


def _describe_taint(taint: Taint) -> str:
    """Return a taint as kubectl writes it."""
    return _clip(f"{taint.key}={taint.value}:{taint.effect}" if taint.value else f"{taint.key}:{taint.effect}")


def _check_label(expression: pb.LabelExpression) -> Check:
    matches, key = compile_label_expression(expression), expression.key
    mismatch = (pb.REJECTION_REASON_LABEL_MISMATCH,)

    def explain(facts: NodeFacts) -> Sequence[Rejection]:
        if matches(facts.node.labels):
            return ()
        actual = find_label(facts.node.labels, key)
        found = "is absent" if actual is None else f"is {_clip(actual)!r}"
        text = f"needs label {_clip(describe_label_expression(expression))}, but {_clip(key)} {found}"
        return [Rejection(pb.REJECTION_REASON_LABEL_MISMATCH, text)]

    return Check(lambda facts: () if matches(facts.node.labels) else mismatch, explain)


def _check_device(pattern: str, names: frozenset[str]) -> Check:
    def find_states(facts: NodeFacts) -> Set[int | None]:
        return {device.state for name, device in facts.node.devices.items() if name in names}

    def find_reasons(facts: NodeFacts) -> Sequence[int]:
        states = find_states(facts)
        if _AVAILABLE in states:
            return ()
        is_known = states <= _DEVICE_STATES.keys()
        return (pb.REJECTION_REASON_DEVICE if is_known else pb.REJECTION_REASON_UNKNOWN_DEVICE_STATE,)

    def explain(facts: NodeFacts) -> Sequence[Rejection]:
        states = sorted({_DEVICE_STATES.get(state, "unknown") for state in find_states(facts)})
        found = f"the state of device {_clip(pattern)} is {' or '.join(states)}"
        text = found if states else f"there is no device {_clip(pattern)}"
        return [Rejection(reason, text) for reason in find_reasons(facts)]

    return Check(find_reasons, explain)


def compile_distance(request: pb.FindCandidatesRequest) -> _ValueGetter:
    """Return a function for the distance of a node in km, None without a position."""
    if not request.HasField("near"):
        return lambda _facts: None
    latitude, longitude = request.near.latitude, request.near.longitude

    def compute_distance(facts: NodeFacts) -> float | None:
        node = facts.node
        if node.latitude is None or node.longitude is None:
            return None
        return round(compute_distance_km(latitude, longitude, node.latitude, node.longitude), _DISTANCE_DIGITS)

    return compute_distance


def _clip(text: str) -> str:
    return text[:MAX_NAME_CHARACTERS]
