"""Taints, labels, requests and pods count as the Kubernetes scheduler counts them.

The tables contain outcomes that the Kubernetes documentation describes, with the page of each.
"""

from typing import Any, NamedTuple

import pytest

from aggregator.pb.aggregator.v1 import topology_pb2 as pb
from tests.lookup.candidates.fleets import build_node, build_taints, find_reasons

TAINTS_PAGE = "https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/"
AFFINITY_PAGE = "https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/"
RESOURCES_PAGE = "https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/"
NODES_PAGE = "https://kubernetes.io/docs/concepts/architecture/nodes/"

# The three taints of the example on TAINTS_PAGE.
THREE_TAINTS = build_taints("key1=value1:NoSchedule", "key1=value1:NoExecute", "key2=value2:NoSchedule")
EQUAL, EXISTS = "Equal", "Exists"


class Case(NamedTuple):
    """What the documentation says, where, and the same for a node and a request."""

    description: str
    page: str
    node: dict[str, Any]
    request: dict[str, Any]
    reasons: list[str]


def tolerate(key: str = "", operator: str = "", value: str = "", effect: str = "", **more: Any) -> pb.Toleration:
    """Return a toleration."""
    return pb.Toleration(key=key, operator=operator, value=value, effect=effect, **more)


TAINT_CASES = [
    Case(
        "a pod that tolerates key1 cannot be scheduled because of the third taint",
        TAINTS_PAGE,
        {"taints": THREE_TAINTS},
        {
            "tolerations": [
                tolerate("key1", EQUAL, "value1", "NoSchedule"),
                tolerate("key1", EQUAL, "value1", "NoExecute"),
            ]
        },
        ["UNTOLERATED_TAINT"],
    ),
    Case(
        "a toleration without a key and with Exists matches all taints",
        TAINTS_PAGE,
        {"taints": THREE_TAINTS},
        {"tolerations": [tolerate(operator=EXISTS)]},
        [],
    ),
    Case(
        "a toleration without an effect matches all effects of its key",
        TAINTS_PAGE,
        {"taints": build_taints("key1=value1:NoSchedule", "key1=value1:NoExecute")},
        {"tolerations": [tolerate("key1", EQUAL, "value1")]},
        [],
    ),
    Case(
        "the default operator is Equal",
        TAINTS_PAGE,
        {"taints": build_taints("key1=value1:NoSchedule")},
        {"tolerations": [tolerate("key1", value="value1", effect="NoSchedule")]},
        [],
    ),
    Case(
        "Equal compares the value",
        TAINTS_PAGE,
        {"taints": build_taints("key1=value1:NoSchedule")},
        {"tolerations": [tolerate("key1", EQUAL, "value2", "NoSchedule")]},
        ["UNTOLERATED_TAINT"],
    ),
    Case(
        "Exists needs no value",
        TAINTS_PAGE,
        {"taints": build_taints("key1=value1:NoSchedule")},
        {"tolerations": [tolerate("key1", EXISTS, effect="NoSchedule")]},
        [],
    ),
    Case(
        "another effect is not tolerated",
        TAINTS_PAGE,
        {"taints": build_taints("key1=value1:NoExecute")},
        {"tolerations": [tolerate("key1", EXISTS, effect="NoSchedule")]},
        ["UNTOLERATED_TAINT"],
    ),
    Case(
        "PreferNoSchedule is a soft NoSchedule: it excludes nothing",
        TAINTS_PAGE,
        {"taints": build_taints("key1=value1:PreferNoSchedule")},
        {},
        [],
    ),
    Case(
        "a toleration of NoExecute with tolerationSeconds allows the pod on the node",
        TAINTS_PAGE,
        {"taints": build_taints("key1=value1:NoExecute")},
        {"tolerations": [tolerate("key1", EQUAL, "value1", "NoExecute", toleration_seconds=3600)]},
        [],
    ),
    Case(
        "a node that is not ready has the taint not-ready",
        TAINTS_PAGE,
        {"conditions": {"Ready": "false"}},
        {},
        ["NOT_READY"],
    ),
    Case(
        "a node whose condition Ready is unknown has the taint unreachable",
        TAINTS_PAGE,
        {"conditions": {"Ready": "unknown"}},
        {"tolerations": [tolerate("node.kubernetes.io/not-ready", EXISTS)]},
        ["NOT_READY"],
    ),
    Case(
        "a taint of the node controller counts once, with the condition or without it",
        TAINTS_PAGE,
        {
            "conditions": {"Ready": "false"},
            "taints": build_taints("node.kubernetes.io/not-ready:NoSchedule"),
        },
        {},
        ["NOT_READY"],
    ),
    Case(
        "a node that is not ready accepts pods that tolerate it",
        TAINTS_PAGE,
        {"conditions": {"Ready": "false"}},
        {"tolerations": [tolerate("node.kubernetes.io/not-ready", EXISTS)]},
        [],
    ),
    Case(
        "disk pressure, process pressure and a missing network are taints, too",
        TAINTS_PAGE,
        {"conditions": {"DiskPressure": "true", "PIDPressure": "true", "NetworkUnavailable": "true"}},
        {},
        ["UNTOLERATED_TAINT"] * 3,
    ),
    Case(
        "BestEffort pods are not scheduled on nodes with memory pressure",
        TAINTS_PAGE,
        {"conditions": {"MemoryPressure": "true"}},
        {},
        ["UNTOLERATED_TAINT"],
    ),
    Case(
        "Kubernetes adds the toleration of memory pressure to pods of other quality classes",
        TAINTS_PAGE,
        {"conditions": {"MemoryPressure": "true"}},
        {"memory_bytes": 2**30},
        [],
    ),
    Case("a cordoned node accepts no new pods", NODES_PAGE, {"is_unschedulable": True}, {}, ["CORDONED"]),
    Case(
        "pods that tolerate an unschedulable node run on a cordoned node, as those of a DaemonSet",
        NODES_PAGE,
        {"is_unschedulable": True},
        {"tolerations": [tolerate("node.kubernetes.io/unschedulable", EXISTS, effect="NoSchedule")]},
        [],
    ),
    Case(
        "the taint of a cordoned node alone means the same",
        NODES_PAGE,
        {"is_unschedulable": None, "taints": build_taints("node.kubernetes.io/unschedulable:NoSchedule")},
        {},
        ["CORDONED"],
    ),
]

GiB = 2**30
RESOURCE_CASES = [
    Case("the sum of the requests may equal the capacity", RESOURCES_PAGE, {}, {"cpu_cores": 3}, []),
    Case("the sum must not exceed the capacity", RESOURCES_PAGE, {}, {"cpu_cores": 3.001}, ["INSUFFICIENT_CPU"]),
    Case(
        "each resource counts by itself",
        RESOURCES_PAGE,
        {},
        {"cpu_cores": 1, "memory_bytes": 12 * GiB + 1},
        ["INSUFFICIENT_MEMORY"],
    ),
    Case(
        "low usage does not help where requests are high",
        RESOURCES_PAGE,
        {"cpu_usage_percent": 1.0, "requested_cpu_cores": 3.5},
        {"cpu_cores": 1},
        ["INSUFFICIENT_CPU"],
    ),
    Case(
        "high usage does not matter where requests are low",
        RESOURCES_PAGE,
        {"cpu_usage_percent": 99.0},
        {"cpu_cores": 1},
        [],
    ),
    Case("a pod without requests fits on a full node", RESOURCES_PAGE, {"requested_cpu_cores": 4.0}, {}, []),
    Case(
        "a node runs at most its number of pods",
        RESOURCES_PAGE,
        {"pod_count": 110},
        {},
        ["INSUFFICIENT_PODS"],
    ),
    Case("one more pod", RESOURCES_PAGE, {"pod_count": 109}, {}, []),
]


def expect(key: str, operator: str, *values: str) -> dict[str, Any]:
    """Return a request with one label expression."""
    return {"label_expressions": [pb.LabelExpression(key=key, operator=operator, values=values)]}


LABELS = {
    "zone": "a",
    "cores": "16",
    "word": "many",
    "topology_kubernetes_io_zone": "antarctica-east1",
    "node_type": "",
}
MISMATCH = ["LABEL_MISMATCH"]
LABEL_CASES = [
    Case("nodeSelector: each label must be there", AFFINITY_PAGE, {}, {"node_selector": {"zone": "a"}}, []),
    Case("nodeSelector: another value", AFFINITY_PAGE, {}, {"node_selector": {"zone": "b"}}, MISMATCH),
    Case(
        "nodeSelector: all labels must match",
        AFFINITY_PAGE,
        {},
        {"node_selector": {"zone": "a", "cores": "8", "disk": "ssd"}},
        MISMATCH * 2,
    ),
    Case("In", AFFINITY_PAGE, {}, expect("zone", "In", "a", "b"), []),
    Case("In, another value", AFFINITY_PAGE, {}, expect("zone", "In", "b"), MISMATCH),
    Case("In, no label", AFFINITY_PAGE, {}, expect("disk", "In", "ssd"), MISMATCH),
    Case("NotIn", AFFINITY_PAGE, {}, expect("zone", "NotIn", "b"), []),
    Case("NotIn, the value", AFFINITY_PAGE, {}, expect("zone", "NotIn", "a", "b"), MISMATCH),
    Case("NotIn, no label", AFFINITY_PAGE, {}, expect("disk", "NotIn", "ssd"), []),
    Case("Exists", AFFINITY_PAGE, {}, expect("zone", "Exists"), []),
    Case("Exists, an empty value", AFFINITY_PAGE, {}, expect("node_type", "Exists"), []),
    Case("Exists, no label", AFFINITY_PAGE, {}, expect("disk", "Exists"), MISMATCH),
    Case("DoesNotExist", AFFINITY_PAGE, {}, expect("disk", "DoesNotExist"), []),
    Case("DoesNotExist, a label", AFFINITY_PAGE, {}, expect("zone", "DoesNotExist"), MISMATCH),
    Case("Gt", AFFINITY_PAGE, {}, expect("cores", "Gt", "15"), []),
    Case("Gt, an equal value", AFFINITY_PAGE, {}, expect("cores", "Gt", "16"), MISMATCH),
    Case("Lt", AFFINITY_PAGE, {}, expect("cores", "Lt", "17"), []),
    Case("Lt, an equal value", AFFINITY_PAGE, {}, expect("cores", "Lt", "16"), MISMATCH),
    Case("Gt and Lt match no text", AFFINITY_PAGE, {}, expect("word", "Lt", "17"), MISMATCH),
    Case("Gt and Lt match no absent label", AFFINITY_PAGE, {}, expect("disk", "Gt", "-1"), MISMATCH),
    Case(
        "the key of Kubernetes finds the label of kube-state-metrics",
        AFFINITY_PAGE,
        {},
        expect("topology.kubernetes.io/zone", "In", "antarctica-east1"),
        [],
    ),
    Case("also with capital letters", AFFINITY_PAGE, {}, expect("nodeType", "Exists"), []),
]


@pytest.mark.parametrize("case", [*TAINT_CASES, *RESOURCE_CASES, *LABEL_CASES], ids=lambda case: case.description)
def test_the_scheduler_decides_the_same(case: Case) -> None:
    """A node is a candidate, or rejected for the same reasons, as the page of the Kubernetes documentation says."""
    assert find_reasons(build_node(**{"labels": LABELS, **case.node}), **case.request) == case.reasons
