"""Each rule lets its documented difference pass and nothing beside it."""

from dataclasses import dataclass
from typing import Any

import pytest

from tests.parity import documented_differences
from tests.parity.comparison import ComparisonCase, find_deviations
from tests.parity.difference_rules import find_documented_difference
from tests.parity.documented_differences import DocumentedDifference
from tests.parity.fleet_telemetry import FleetSeries, build_series, build_telemetry

Json = Any

HOST = {"icos_agent_id": "a", "icos_host_id": "h1", "icos_host_name": "u:host", "k8s_cluster_uid": "u"}
MIN_INT32, MIN_INT64 = -(2**31), -(2**63)


def build_host_series(metric: str, value: str = "1", **more: str) -> FleetSeries:
    """Return a series of the host; more labels are added, or replace its own."""
    return build_series(metric, {**HOST, **more}, value)


def build_uname_series(value: str = "1", **more: str) -> FleetSeries:
    """Return the host's node_uname_info."""
    return build_host_series("node_uname_info", value, **{"nodename": "host", "machine": "x86_64", **more})


def build_pod_series(metric: str, value: str = "1", **more: str) -> FleetSeries:
    """Return a series of the pod `p` of the cluster."""
    return build_series(metric, {"k8s_cluster_uid": "u", "namespace": "a", "pod": "p", "uid": "p1", **more}, value)


def build_clusters(**by_key: Json) -> Json:
    """Return an answer with these clusters."""
    return {"cluster": by_key}


def build_cluster(uuid: str = "u", node: Json = None, pod: Json = None) -> Json:
    """Return an OCM cluster."""
    parts = {"node": node or {"host": {"type": "ocm", "uuid": "h1", "name": "host"}}, **({"pod": pod} if pod else {})}
    return {"type": "ocm", "uuid": uuid, **parts}


def build_node(uuid: str = "h1", **parts: Json) -> Json:
    """Return an answer with one node, the host."""
    return build_clusters(edge=build_cluster(node={"host": {"type": "ocm", "uuid": uuid, "name": "host", **parts}}))


def build_nodes(**named: tuple[str, str]) -> Json:
    """Return an answer with nodes of these machine ids and names."""
    result = {key: {"type": "ocm", "uuid": uuid, "name": name} for key, (uuid, name) in named.items()}
    return build_clusters(
        edge=build_cluster(node={key: {k: v for k, v in one.items() if v} for key, one in result.items()})
    )


def build_pods(**by_key: Json) -> Json:
    """Return an answer with these pods."""
    return build_clusters(edge=build_cluster(pod=by_key))


@dataclass(frozen=True)
class RuleExample:
    """What a rule is about: telemetry, what Go and ours answer, and what ours must not answer."""

    difference: DocumentedDifference
    series: list[FleetSeries]
    go: Json
    ours: Json
    rejected_values: Json

    def find_rows(self, ours: Json) -> list[DocumentedDifference | None]:
        """Return the row of each deviation."""
        case = ComparisonCase(build_telemetry(self.series), self.go, ours)
        return [find_documented_difference(case, deviation) for deviation in find_deviations(case)]


FREE_MEMORY_METRIC, CAPACITY_METRIC = "node_memory_MemFree_bytes", "kube_node_status_capacity"
CONTAINER_METRIC, PHASE_METRIC, NAME_METRIC = "kube_pod_container_info", "kube_pod_status_phase", "tlum_ocm_agent_info"
USAGE_METRIC = "container_cpu_utilization_ratio"
EXAMPLES = [
    RuleExample(
        DocumentedDifference.UNREAL,
        [build_uname_series(), build_host_series(FREE_MEMORY_METRIC, "NaN")],
        build_node(dynamicMetrics={"freeRAM": MIN_INT64}),
        build_node(dynamicMetrics={}),
        build_node(dynamicMetrics={"freeRAM": 5}),
    ),
    RuleExample(
        DocumentedDifference.OUT_OF_RANGE,
        [build_uname_series(), build_host_series(CAPACITY_METRIC, "3e9", resource="cpu")],
        build_node(staticMetrics={"cpuCores": MIN_INT32}),
        build_node(staticMetrics={"cpuCores": 3_000_000_000}),
        build_node(staticMetrics={}),
    ),
    RuleExample(
        DocumentedDifference.ABOVE_TOTAL,
        [
            build_uname_series(),
            build_host_series(FREE_MEMORY_METRIC, "9"),
            build_host_series("node_memory_MemTotal_bytes", "7"),
        ],
        build_node(dynamicMetrics={"freeRAM": 9}),
        build_node(dynamicMetrics={"freeRAM": 7}),
        build_node(dynamicMetrics={"freeRAM": 8}),
    ),
    RuleExample(
        DocumentedDifference.NEGATIVE,
        [
            build_uname_series(),
            build_host_series(CAPACITY_METRIC, "-1", resource="memory"),
            build_host_series("node_memory_MemTotal_bytes", "7"),
        ],
        build_node(staticMetrics={"RAMMemory": -1}),
        build_node(staticMetrics={"RAMMemory": 7}),
        build_node(staticMetrics={}),
    ),
    RuleExample(
        DocumentedDifference.NEGATIVE,
        [build_uname_series(), build_host_series("node_cpu_frequency_max_hertz", "-1")],
        build_node(staticMetrics={"cpuMaxFrequency": -1}),
        build_node(staticMetrics={}),
        build_node(staticMetrics={"cpuMaxFrequency": 1}),
    ),
    RuleExample(
        DocumentedDifference.NEGATIVE,
        [
            build_uname_series(net_host_name="ip"),
            build_host_series("vulnerabilities", "-1", agent_hostname="host", agent_ip="ip", severity="Low"),
        ],
        build_node(vulnerabilities={"Low": -1}),
        build_node(vulnerabilities={}),
        build_node(vulnerabilities={"Low": 0}),
    ),
    RuleExample(
        DocumentedDifference.LOW_BITS,
        [build_uname_series(), build_host_series("node_mounted", "2147483647", device="tty")],
        build_node(devices={"tty": {"status": "detached"}}),
        build_node(devices={"tty": {"status": "unknown"}}),
        build_node(devices={"tty": {"status": "busy"}}),
    ),
    RuleExample(
        DocumentedDifference.WARMEST,
        [
            build_uname_series(),
            build_host_series("node_thermal_zone_temp", "50", zone="0"),
            build_host_series("node_thermal_zone_temp", "40", zone="1"),
        ],
        build_node(dynamicMetrics={"cpuTemperature": 40}),
        build_node(dynamicMetrics={"cpuTemperature": 50}),
        build_node(dynamicMetrics={}),
    ),
    RuleExample(
        DocumentedDifference.ADDRESSES,
        [
            build_uname_series(),
            build_host_series("node_network_address_info", device="lo", address="10.0.0.1", netmask="24"),
            build_host_series("node_network_address_info", device="lo", address="fe80::1", netmask="64"),
        ],
        build_node(networkInterfaces={"lo": {"ip": "fe80::1", "subnetMask": "64"}}),
        build_node(networkInterfaces={"lo": {"ip": "10.0.0.1", "subnetMask": "24"}}),
        build_node(networkInterfaces={"lo": {"ip": "10.0.0.1", "subnetMask": "16"}}),
    ),
    RuleExample(
        DocumentedDifference.CONFLICT,
        [
            build_uname_series(),
            build_host_series(FREE_MEMORY_METRIC, "7"),
            build_host_series(FREE_MEMORY_METRIC, "5", replica="b"),
            build_host_series(FREE_MEMORY_METRIC, "6", replica="c"),
        ],
        build_node(dynamicMetrics={"freeRAM": 5}),
        build_node(dynamicMetrics={"freeRAM": 7}),
        build_node(dynamicMetrics={"freeRAM": 6}),
    ),
    RuleExample(
        DocumentedDifference.CONFLICT,
        [
            build_uname_series(),
            *(
                build_host_series("node_network_speed_bytes", value, device="lo", replica=value)
                for value in ("-1", "-2")
            ),
        ],
        build_node(networkInterfaces={"lo": {"speed": -2}}),
        build_node(networkInterfaces={"lo": {"speed": -1}}),
        build_node(networkInterfaces={"lo": {}}),
    ),
    RuleExample(
        DocumentedDifference.SCALED,
        [build_uname_series("2"), build_host_series(CAPACITY_METRIC, "4", resource="cpu")],
        build_node(staticMetrics={"cpuCores": 8}),
        build_node(staticMetrics={"cpuCores": 4}),
        build_node(staticMetrics={"cpuCores": 5}),
    ),
    RuleExample(
        DocumentedDifference.AMBIGUOUS_HOST,
        [
            build_uname_series(),
            build_uname_series(icos_host_id="h2"),
            build_host_series(CAPACITY_METRIC, "4", icos_host_id="", resource="cpu"),
        ],
        build_node(staticMetrics={"cpuCores": 4}),
        build_node(staticMetrics={}),
        build_node(staticMetrics={"cpuCores": 5}),
    ),
    RuleExample(
        DocumentedDifference.DEGREES,
        [build_uname_series(icos_alpha_latitude="1_0")],
        build_node(location={"latitude": 10}),
        build_node(location={}),
        build_node(location={"latitude": 11}),
    ),
    RuleExample(
        DocumentedDifference.TRIMMED,
        [build_uname_series(icos_host_id="h1\n")],
        build_node("h1\n"),
        build_node("h1"),
        build_node("h2"),
    ),
    RuleExample(
        DocumentedDifference.SHARED_HOST,
        [build_uname_series(), build_uname_series(icos_host_id="h2", icos_host_name="u:2")],
        build_nodes(host=("h2", "host")),
        build_nodes(host=("h1", "host"), h2=("h2", "host")),
        build_nodes(host=("h1", "host"), other=("h2", "host")),
    ),
    RuleExample(
        DocumentedDifference.NAMELESS_HOST,
        [build_uname_series(nodename="")],
        build_clusters(edge=build_cluster(node={"": {"type": "ocm", "uuid": "h1"}})),
        build_clusters(edge=build_cluster(node={"h1": {"type": "ocm", "uuid": "h1"}})),
        build_clusters(edge=build_cluster(node={"h2": {"type": "ocm", "uuid": "h1"}})),
    ),
    RuleExample(
        DocumentedDifference.NO_MACHINE_ID,
        [build_uname_series(icos_host_id=""), build_host_series("tlum_host_info", hostname="host")],
        build_nodes(host=("", "host")),
        build_nodes(**{"host": ("h1", "agent's"), "host/2": ("", "host")}),
        build_nodes(**{"host": ("h1", "agent's"), "host/2": ("", "another")}),
    ),
    RuleExample(
        DocumentedDifference.NO_MACHINE_ID,
        [
            build_uname_series(icos_host_id=""),
            build_host_series("node_network_up", icos_host_id="", icos_host_name="u:another", device="lo"),
        ],
        build_clusters(
            edge=build_cluster(node={"host": {"type": "ocm", "networkInterfaces": {"lo": {"status": "up"}}}})
        ),
        build_clusters(edge=build_cluster(node={"host": {"type": "ocm"}})),
        build_clusters(
            edge=build_cluster(node={"host": {"type": "ocm", "networkInterfaces": {"lo": {"status": "down"}}}})
        ),
    ),
    RuleExample(
        DocumentedDifference.SHARED_NAME,
        [
            build_uname_series(),
            *(build_series(NAME_METRIC, {"k8s_cluster_uid": uid, "name": "edge"}) for uid in ("u", "v")),
        ],
        build_clusters(edge=build_cluster("u")),
        build_clusters(edge=build_cluster("v"), u=build_cluster("u")),
        build_clusters(edge=build_cluster("v"), other=build_cluster("u")),
    ),
    RuleExample(
        DocumentedDifference.TWO_NAMES,
        [
            build_uname_series(),
            *(build_series(NAME_METRIC, {"k8s_cluster_uid": "u", "name": name}) for name in ("edge", "fog")),
        ],
        build_clusters(edge={**build_cluster("u"), "name": "edge"}),
        build_clusters(fog={**build_cluster("u"), "name": "fog"}),
        build_clusters(fog={**build_cluster("u"), "name": "cloud"}),
    ),
    RuleExample(
        DocumentedDifference.EMPTY_NAME,
        [build_uname_series(), build_series(NAME_METRIC, {"k8s_cluster_uid": "u"})],
        {"cluster": {"": build_cluster("u")}},
        build_clusters(u=build_cluster("u")),
        build_clusters(other=build_cluster("u")),
    ),
    RuleExample(
        DocumentedDifference.NAMELESS_POD,
        [
            build_uname_series(),
            build_pod_series("kube_pod_info", pod="", pod_ip="10.0.0.1"),
            build_pod_series("kube_pod_info", pod="p", pod_ip="10.0.0.2"),
        ],
        build_pods(**{"": {"ip": "10.0.0.1"}, "p": {"ip": "10.0.0.2"}}),
        build_pods(p={"ip": "10.0.0.2"}),
        build_pods(q={"ip": "10.0.0.2"}),
    ),
    RuleExample(
        DocumentedDifference.NAMELESS_CONTAINER,
        [
            build_uname_series(),
            build_pod_series("kube_pod_info"),
            build_pod_series(CONTAINER_METRIC),
            build_series(USAGE_METRIC, {"k8s_cluster_uid": "u", "k8s_pod_name": "p"}, "5"),
        ],
        build_pods(p={"container": {"": {"cpuUsage": 5}}}),
        build_pods(p={"container": {"": {}}}),
        build_pods(p={"container": {"": {"cpuUsage": 6}}}),
    ),
    RuleExample(
        DocumentedDifference.SHARED_POD,
        [
            *(build_pod_series("kube_pod_info", namespace=namespace, uid=namespace) for namespace in "ab"),
            *(
                build_pod_series(PHASE_METRIC, namespace=name, uid=name, phase=phase)
                for name, phase in (("a", "Failed"), ("b", "Running"))
            ),
        ],
        build_pods(p={"status": "Running"}),
        build_pods(**{"p": {"status": "Failed"}, "b/p": {"status": "Running"}}),
        build_pods(**{"p": {"status": "Failed"}, "b/p": {"status": "Failed"}}),
    ),
    RuleExample(
        DocumentedDifference.MORE_CONTAINERS,
        [
            build_pod_series("kube_pod_info"),
            build_pod_series(CONTAINER_METRIC, container="c"),
            build_pod_series(CONTAINER_METRIC, container="d", k8s_cluster_uid=""),
        ],
        build_pods(p={"numberOfContainers": 1, "container": {"c": {"name": "c"}}}),
        build_pods(p={"numberOfContainers": 2, "container": {"c": {"name": "c"}, "d": {"name": "d"}}}),
        build_pods(p={"numberOfContainers": 3, "container": {"c": {"name": "c"}, "d": {"name": "d"}}}),
    ),
    RuleExample(
        DocumentedDifference.NO_JOIN_LABELS,
        [
            build_uname_series(icos_host_name=""),
            build_host_series(CAPACITY_METRIC, "4", resource="cpu", icos_host_name="", icos_host_id=""),
        ],
        build_node(staticMetrics={"cpuCores": 4}),
        build_node(staticMetrics={}),
        build_node(staticMetrics={"cpuCores": 5}),
    ),
    RuleExample(
        DocumentedDifference.AGENT_KEY,
        [
            build_uname_series(icos_host_name="host"),
            *(
                build_series(
                    "tlum_orch_info", {"type": "nuvla", "agent_id": one, "agent_name": "edge", "icos_host_name": "host"}
                )
                for one in ("box/1", "box/2")
            ),
        ],
        build_nodes(**{"box/2": ("h1", "host")}),
        build_nodes(**{"box/1": ("h1", "host")}),
        build_nodes(host=("h1", "host")),
    ),
    RuleExample(
        DocumentedDifference.SCANNED_ELSEWHERE,
        [
            build_uname_series(net_host_name="ip"),
            build_host_series("SCA_score", "66", agent_hostname="host", agent_ip="ip", k8s_cluster_uid="v"),
        ],
        build_node(ScaScore=66),
        build_node(),
        build_node(ScaScore=65),
    ),
    RuleExample(
        DocumentedDifference.CONTAINER_NODE,
        [
            build_uname_series(),
            build_pod_series("kube_pod_info", icos_host_name="u:host"),
            build_pod_series(CONTAINER_METRIC, container="c", icos_host_id="x"),
        ],
        build_pods(p={"container": {"c": {"node": "x"}}}),
        build_pods(p={"container": {"c": {"node": "h1"}}}),
        build_pods(p={"container": {"c": {}}}),
    ),
]


def test_rows_exist() -> None:
    """Each rule is named after a row of docs/parity.md."""
    assert set(DocumentedDifference) <= set(documented_differences.read_documented_rows())


def test_every_rule_has_an_example() -> None:
    """Each rule about the JSON answer has an example here; the others are about gRPC, or about no answer."""
    others = {
        DocumentedDifference.NO_ANSWER,
        DocumentedDifference.CONTROLLERS,
        DocumentedDifference.UNLABELLED,
        DocumentedDifference.MIXED,
        DocumentedDifference.OTHER_CLUSTER,
        DocumentedDifference.TWICE,
    }
    assert {example.difference for example in EXAMPLES} == set(DocumentedDifference) - others


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.difference.name)
def test_documented_difference_passes(example: RuleExample) -> None:
    """What docs/parity.md describes is recognized as its row."""
    assert set(example.find_rows(example.ours)) == {example.difference}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.difference.name)
def test_rule_can_fail(example: RuleExample) -> None:
    """Another answer of ours on the same telemetry is a break."""
    assert None in example.find_rows(example.rejected_values)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.difference.name)
def test_rule_needs_its_telemetry(example: RuleExample) -> None:
    """The same two answers without the telemetry that explains them are a break."""
    without = RuleExample(example.difference, [build_uname_series()], example.go, example.ours, example.rejected_values)
    assert None in without.find_rows(example.ours)


def test_negative_number_that_can_be() -> None:
    """Of a temperature, a speed or a score less than nothing can be: ours without it is a break."""
    zone, speed = (
        build_host_series("node_thermal_zone_temp", "-1"),
        build_host_series("node_network_speed_bytes", "-1", device="lo"),
    )
    score = build_host_series("SCA_score", "-1", agent_hostname="host", agent_ip="ip")
    go = build_node(ScaScore=-1, dynamicMetrics={"cpuTemperature": -1}, networkInterfaces={"lo": {"speed": -1}})
    ours = build_node(dynamicMetrics={}, networkInterfaces={"lo": {}})
    case = ComparisonCase(build_telemetry([build_uname_series(net_host_name="ip"), zone, speed, score]), go, ours)
    assert [find_documented_difference(case, deviation) for deviation in find_deviations(case)] == [None, None, None]
