"""The rules by which the Kubernetes scheduler filters nodes: taints, tolerations and label expressions.

The pages of the Kubernetes documentation that define them are https://kubernetes.io/docs/concepts/scheduling-eviction/
taint-and-toleration/ and https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache

from aggregator.models.topology import Node, Taint
from aggregator.pb.aggregator.v1 import topology_pb2 as pb

NO_SCHEDULE, PREFER_NO_SCHEDULE, NO_EXECUTE = TAINT_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
EQUAL_TOLERATION, EXISTS_TOLERATION = TOLERATION_OPERATORS = ("Equal", "Exists")
LABEL_OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt")

UNSCHEDULABLE_TAINT = "node.kubernetes.io/unschedulable"
NOT_READY_TAINT = "node.kubernetes.io/not-ready"
UNREACHABLE_TAINT = "node.kubernetes.io/unreachable"
MEMORY_PRESSURE_TAINT = "node.kubernetes.io/memory-pressure"

READY_CONDITION = "Ready"
# The taints that Kubernetes adds to a node because of its conditions. kube-state-metrics may show a condition before
# the taint, and may show no taints at all.
_TAINTS_BY_CONDITION: Mapping[tuple[str, str], str] = {
    (READY_CONDITION, "false"): NOT_READY_TAINT,
    (READY_CONDITION, "unknown"): UNREACHABLE_TAINT,
    ("MemoryPressure", "true"): MEMORY_PRESSURE_TAINT,
    ("DiskPressure", "true"): "node.kubernetes.io/disk-pressure",
    ("PIDPressure", "true"): "node.kubernetes.io/pid-pressure",
    ("NetworkUnavailable", "true"): "node.kubernetes.io/network-unavailable",
}

_INTEGER_PATTERN = re.compile(r"[+-]?[0-9]{1,19}")
_INVALID_LABEL_CHARACTER = re.compile("[^a-zA-Z0-9_]")
_WORD_BOUNDARY = re.compile("([a-z0-9])([A-Z])")

LabelPredicate = Callable[[Mapping[str, str]], bool]


def list_taints(node: Node) -> Sequence[Taint]:
    """Return the taints of a node, with those that Kubernetes adds to cordoned nodes and because of conditions."""
    taints = list(node.taints.values())
    if not (taints or node.is_unschedulable or node.conditions):
        return ()
    known_keys = {taint.key for taint in taints}
    implied_keys = [key for condition, key in _TAINTS_BY_CONDITION.items() if condition in node.conditions.items()]
    if node.is_unschedulable:
        implied_keys.append(UNSCHEDULABLE_TAINT)
    taints += [
        Taint(f"{key}:{NO_SCHEDULE}", key=key, effect=NO_SCHEDULE) for key in implied_keys if key not in known_keys
    ]
    return taints


def is_node_ready(node: Node) -> bool | None:
    """Return whether the condition Ready is true, None if it is unknown to the telemetry."""
    status = node.conditions.get(READY_CONDITION)
    return None if status is None else status == "true"


def is_tolerated(taint: Taint, tolerations: Iterable[pb.Toleration]) -> bool:
    """Return whether one of the tolerations matches a taint."""
    return any(_matches_taint(each, taint) for each in tolerations)


def _matches_taint(toleration: pb.Toleration, taint: Taint) -> bool:
    if toleration.effect and toleration.effect != (taint.effect or ""):
        return False
    if toleration.key and toleration.key != (taint.key or ""):
        return False
    return toleration.operator == EXISTS_TOLERATION or toleration.value == (taint.value or "")


def list_effective_tolerations(request: pb.FindCandidatesRequest) -> Sequence[pb.Toleration]:
    """Return the tolerations of a workload, with the one that Kubernetes adds to pods that request CPU or memory."""
    tolerations = list(request.tolerations)
    if request.cpu_cores or request.memory_bytes:
        tolerations.append(pb.Toleration(key=MEMORY_PRESSURE_TAINT, operator=EXISTS_TOLERATION, effect=NO_SCHEDULE))
    return tolerations


def find_label(labels: Mapping[str, str], key: str) -> str | None:
    """Return the value of a label by the key that it has in Kubernetes, or by the key that the node shows.

    Prometheus does not allow `/`, `.` and `-` in label names, so kube-state-metrics shows the label
    `topology.kubernetes.io/zone` as `topology_kubernetes_io_zone`, and `nodeType` as `node_type`.
    """
    value = labels.get(key)
    return labels.get(_convert_label_key(key)) if value is None else value


# The keys of a request, for each node.
@lru_cache(maxsize=256)
def _convert_label_key(key: str) -> str:
    return _WORD_BOUNDARY.sub(r"\1_\2", _INVALID_LABEL_CHARACTER.sub("_", key)).lower()


def compile_label_expression(expression: pb.LabelExpression) -> LabelPredicate:
    """Return a predicate that is true for labels that match a valid expression."""
    key, values = expression.key, frozenset(expression.values)
    match expression.operator:
        case "Exists":
            return lambda labels: find_label(labels, key) is not None
        case "DoesNotExist":
            return lambda labels: find_label(labels, key) is None
        case "In":
            return lambda labels: find_label(labels, key) in values
        case "NotIn":
            return lambda labels: find_label(labels, key) not in values
    (limit,) = map(int, values)
    if expression.operator == "Gt":
        return lambda labels: (number := parse_label_integer(find_label(labels, key))) is not None and number > limit
    return lambda labels: (number := parse_label_integer(find_label(labels, key))) is not None and number < limit


def parse_label_integer(text: str | None) -> int | None:
    """Return the integer that Gt and Lt compare, None for other texts, which match neither."""
    return int(text) if text is not None and _INTEGER_PATTERN.fullmatch(text) else None


def describe_label_expression(expression: pb.LabelExpression) -> str:
    """Return an expression as text."""
    return " ".join(
        (expression.key, expression.operator, *([",".join(expression.values)] if expression.values else ()))
    )
