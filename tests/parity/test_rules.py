"""Each rule lets its documented difference pass and nothing beside it."""

from dataclasses import dataclass
from typing import Any

import pytest

from tests.parity import documented
from tests.parity.compare import Case, deviations
from tests.parity.documented import Row
from tests.parity.rules import rule_for
from tests.parity.telemetry import Series, series, telemetry

Json = Any

HOST = {"icos_agent_id": "a", "icos_host_id": "h1", "icos_host_name": "u:host", "k8s_cluster_uid": "u"}
SMALLEST_32, SMALLEST_64 = -(2**31), -(2**63)


def one(metric: str, value: str = "1", **more: str) -> Series:
    """Return a series of the host; more labels are added, or replace its own."""
    return series(metric, {**HOST, **more}, value)


def uname(value: str = "1", **more: str) -> Series:
    """Return the host's node_uname_info."""
    return one("node_uname_info", value, **{"nodename": "host", "machine": "x86_64", **more})


def pod(metric: str, value: str = "1", **more: str) -> Series:
    """Return a series of the pod `p` of the cluster."""
    return series(metric, {"k8s_cluster_uid": "u", "namespace": "a", "pod": "p", "uid": "p1", **more}, value)


def clusters(**by_key: Json) -> Json:
    """Return an answer with these clusters."""
    return {"cluster": by_key}


def cluster(uuid: str = "u", node: Json = None, pod: Json = None) -> Json:
    """Return an OCM cluster."""
    parts = {"node": node or {"host": {"type": "ocm", "uuid": "h1", "name": "host"}}, **({"pod": pod} if pod else {})}
    return {"type": "ocm", "uuid": uuid, **parts}


def node(uuid: str = "h1", **parts: Json) -> Json:
    """Return an answer with one node, the host."""
    return clusters(edge=cluster(node={"host": {"type": "ocm", "uuid": uuid, "name": "host", **parts}}))


def nodes(**named: tuple[str, str]) -> Json:
    """Return an answer with nodes of these machine ids and names."""
    made = {key: {"type": "ocm", "uuid": uuid, "name": name} for key, (uuid, name) in named.items()}
    return clusters(edge=cluster(node={key: {k: v for k, v in one.items() if v} for key, one in made.items()}))


def pods(**by_key: Json) -> Json:
    """Return an answer with these pods."""
    return clusters(edge=cluster(pod=by_key))


@dataclass(frozen=True)
class Example:
    """What a rule is about: telemetry, what Go and ours answer, and what ours must not answer."""

    row: Row
    found: list[Series]
    go: Json
    ours: Json
    wrong: Json

    def rows(self, ours: Json) -> list[Row | None]:
        """Return the row of each deviation."""
        case = Case(telemetry(self.found), self.go, ours)
        return [rule_for(case, deviation) for deviation in deviations(case)]


FREE, CAPACITY = "node_memory_MemFree_bytes", "kube_node_status_capacity"
CONTAINER, PHASE, NAME = "kube_pod_container_info", "kube_pod_status_phase", "tlum_ocm_agent_info"
USAGE = "container_cpu_utilization_ratio"
EXAMPLES = [
    Example(
        Row.UNREAL,
        [uname(), one(FREE, "NaN")],
        node(dynamicMetrics={"freeRAM": SMALLEST_64}),
        node(dynamicMetrics={}),
        node(dynamicMetrics={"freeRAM": 5}),
    ),
    Example(
        Row.OUT_OF_RANGE,
        [uname(), one(CAPACITY, "3e9", resource="cpu")],
        node(staticMetrics={"cpuCores": SMALLEST_32}),
        node(staticMetrics={"cpuCores": 3_000_000_000}),
        node(staticMetrics={}),
    ),
    Example(
        Row.OUT_OF_RANGE,
        [uname(), *(one("node_cpu_frequency_max_hertz", value, cpu=value) for value in ("1e20", "5"))],
        node(staticMetrics={"cpuMaxFrequency": 5}),
        node(staticMetrics={}),
        node(staticMetrics={"cpuMaxFrequency": 6}),
    ),
    Example(
        Row.NEGATIVE,
        [uname(), one(CAPACITY, "-1", resource="memory"), one("node_memory_MemTotal_bytes", "7")],
        node(staticMetrics={"RAMMemory": -1}),
        node(staticMetrics={"RAMMemory": 7}),
        node(staticMetrics={}),
    ),
    Example(
        Row.NEGATIVE,
        [uname(), one("node_cpu_frequency_max_hertz", "-1")],
        node(staticMetrics={"cpuMaxFrequency": -1}),
        node(staticMetrics={}),
        node(staticMetrics={"cpuMaxFrequency": 1}),
    ),
    Example(
        Row.NEGATIVE,
        [uname(net_host_name="ip"), one("vulnerabilities", "-1", agent_hostname="host", agent_ip="ip", severity="Low")],
        node(vulnerabilities={"Low": -1}),
        node(vulnerabilities={}),
        node(vulnerabilities={"Low": 0}),
    ),
    Example(
        Row.LOW_BITS,
        [uname(), one("node_mounted", "2147483647", device="tty")],
        node(devices={"tty": {"status": "detached"}}),
        node(devices={"tty": {"status": "unknown"}}),
        node(devices={"tty": {"status": "busy"}}),
    ),
    Example(
        Row.WARMEST,
        [uname(), one("node_thermal_zone_temp", "50", zone="0"), one("node_thermal_zone_temp", "40", zone="1")],
        node(dynamicMetrics={"cpuTemperature": 40}),
        node(dynamicMetrics={"cpuTemperature": 50}),
        node(dynamicMetrics={}),
    ),
    Example(
        Row.ADDRESSES,
        [
            uname(),
            one("node_network_address_info", device="lo", address="10.0.0.1", netmask="24"),
            one("node_network_address_info", device="lo", address="fe80::1", netmask="64"),
        ],
        node(networkInterfaces={"lo": {"ip": "fe80::1", "subnetMask": "64"}}),
        node(networkInterfaces={"lo": {"ip": "10.0.0.1", "subnetMask": "24"}}),
        node(networkInterfaces={"lo": {"ip": "10.0.0.1", "subnetMask": "16"}}),
    ),
    Example(
        Row.CONFLICT,
        [uname(), one(FREE, "7"), one(FREE, "5", replica="b"), one(FREE, "6", replica="c")],
        node(dynamicMetrics={"freeRAM": 5}),
        node(dynamicMetrics={"freeRAM": 7}),
        node(dynamicMetrics={"freeRAM": 6}),
    ),
    Example(
        Row.CONFLICT,
        [uname(), *(one("node_network_speed_bytes", value, device="lo", replica=value) for value in ("-1", "-2"))],
        node(networkInterfaces={"lo": {"speed": -2}}),
        node(networkInterfaces={"lo": {"speed": -1}}),
        node(networkInterfaces={"lo": {}}),
    ),
    Example(
        Row.SCALED,
        [uname("2"), one(CAPACITY, "4", resource="cpu")],
        node(staticMetrics={"cpuCores": 8}),
        node(staticMetrics={"cpuCores": 4}),
        node(staticMetrics={"cpuCores": 5}),
    ),
    Example(
        Row.AMBIGUOUS_HOST,
        [uname(), uname(icos_host_id="h2"), one(CAPACITY, "4", icos_host_id="", resource="cpu")],
        node(staticMetrics={"cpuCores": 4}),
        node(staticMetrics={}),
        node(staticMetrics={"cpuCores": 5}),
    ),
    Example(
        Row.DEGREES,
        [uname(icos_alpha_latitude="1_0")],
        node(location={"latitude": 10}),
        node(location={}),
        node(location={"latitude": 11}),
    ),
    Example(Row.TRIMMED, [uname(icos_host_id="h1\n")], node("h1\n"), node("h1"), node("h2")),
    Example(
        Row.SHARED_HOST,
        [uname(), uname(icos_host_id="h2", icos_host_name="u:2")],
        nodes(host=("h2", "host")),
        nodes(host=("h1", "host"), h2=("h2", "host")),
        nodes(host=("h1", "host"), other=("h2", "host")),
    ),
    Example(
        Row.NAMELESS_HOST,
        [uname(nodename="")],
        clusters(edge=cluster(node={"": {"type": "ocm", "uuid": "h1"}})),
        clusters(edge=cluster(node={"h1": {"type": "ocm", "uuid": "h1"}})),
        clusters(edge=cluster(node={"h2": {"type": "ocm", "uuid": "h1"}})),
    ),
    Example(
        Row.NO_MACHINE_ID,
        [uname(icos_host_id=""), one("tlum_host_info", hostname="host")],
        nodes(host=("", "host")),
        nodes(**{"host": ("h1", "agent's"), "host/2": ("", "host")}),
        nodes(**{"host": ("h1", "agent's"), "host/2": ("", "another")}),
    ),
    Example(
        Row.NO_MACHINE_ID,
        [uname(icos_host_id=""), one("node_network_up", icos_host_id="", icos_host_name="u:another", device="lo")],
        clusters(edge=cluster(node={"host": {"type": "ocm", "networkInterfaces": {"lo": {"status": "up"}}}})),
        clusters(edge=cluster(node={"host": {"type": "ocm"}})),
        clusters(edge=cluster(node={"host": {"type": "ocm", "networkInterfaces": {"lo": {"status": "down"}}}})),
    ),
    Example(
        Row.SHARED_NAME,
        [uname(), *(series(NAME, {"k8s_cluster_uid": uid, "name": "edge"}) for uid in ("u", "v"))],
        clusters(edge=cluster("u")),
        clusters(edge=cluster("v"), u=cluster("u")),
        clusters(edge=cluster("v"), other=cluster("u")),
    ),
    Example(
        Row.TWO_NAMES,
        [uname(), *(series(NAME, {"k8s_cluster_uid": "u", "name": name}) for name in ("edge", "fog"))],
        clusters(edge={**cluster("u"), "name": "edge"}),
        clusters(fog={**cluster("u"), "name": "fog"}),
        clusters(fog={**cluster("u"), "name": "cloud"}),
    ),
    Example(
        Row.EMPTY_NAME,
        [uname(), series(NAME, {"k8s_cluster_uid": "u"})],
        {"cluster": {"": cluster("u")}},
        clusters(u=cluster("u")),
        clusters(other=cluster("u")),
    ),
    Example(
        Row.NAMELESS_POD,
        [uname(), pod("kube_pod_info", pod="", pod_ip="10.0.0.1"), pod("kube_pod_info", pod="p", pod_ip="10.0.0.2")],
        pods(**{"": {"ip": "10.0.0.1"}, "p": {"ip": "10.0.0.2"}}),
        pods(p={"ip": "10.0.0.2"}),
        pods(q={"ip": "10.0.0.2"}),
    ),
    Example(
        Row.NAMELESS_CONTAINER,
        [
            uname(),
            pod("kube_pod_info"),
            pod(CONTAINER),
            series(USAGE, {"k8s_cluster_uid": "u", "k8s_pod_name": "p"}, "5"),
        ],
        pods(p={"container": {"": {"cpuUsage": 5}}}),
        pods(p={"container": {"": {}}}),
        pods(p={"container": {"": {"cpuUsage": 6}}}),
    ),
    Example(
        Row.SHARED_POD,
        [
            *(pod("kube_pod_info", namespace=namespace, uid=namespace) for namespace in "ab"),
            *(pod(PHASE, namespace=name, uid=name, phase=phase) for name, phase in (("a", "Failed"), ("b", "Running"))),
        ],
        pods(p={"status": "Running"}),
        pods(**{"p": {"status": "Failed"}, "b/p": {"status": "Running"}}),
        pods(**{"p": {"status": "Failed"}, "b/p": {"status": "Failed"}}),
    ),
    Example(
        Row.MORE_CONTAINERS,
        [pod("kube_pod_info"), pod(CONTAINER, container="c"), pod(CONTAINER, container="d", k8s_cluster_uid="")],
        pods(p={"numberOfContainers": 1, "container": {"c": {"name": "c"}}}),
        pods(p={"numberOfContainers": 2, "container": {"c": {"name": "c"}, "d": {"name": "d"}}}),
        pods(p={"numberOfContainers": 3, "container": {"c": {"name": "c"}, "d": {"name": "d"}}}),
    ),
    Example(
        Row.CONTAINER_NODE,
        [uname(), pod("kube_pod_info", icos_host_name="u:host"), pod(CONTAINER, container="c", icos_host_id="x")],
        pods(p={"container": {"c": {"node": "x"}}}),
        pods(p={"container": {"c": {"node": "h1"}}}),
        pods(p={"container": {"c": {}}}),
    ),
]


def test_rows_exist() -> None:
    """Each rule is named after a row of docs/parity.md."""
    assert set(Row) <= set(documented.first_column())


def test_every_rule_has_an_example() -> None:
    """Each rule about the JSON answer has an example here; the others are about gRPC, or about no answer."""
    others = {Row.NO_ANSWER, Row.CONTROLLERS, Row.UNLABELLED, Row.MIXED, Row.TWICE}
    assert {example.row for example in EXAMPLES} == set(Row) - others


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.row.name)
def test_documented_difference_passes(example: Example) -> None:
    """What docs/parity.md describes is recognized as its row."""
    assert set(example.rows(example.ours)) == {example.row}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.row.name)
def test_rule_can_fail(example: Example) -> None:
    """Another answer of ours on the same telemetry is a break."""
    assert None in example.rows(example.wrong)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.row.name)
def test_rule_needs_its_telemetry(example: Example) -> None:
    """The same two answers without the telemetry that explains them are a break."""
    without = Example(example.row, [uname()], example.go, example.ours, example.wrong)
    assert None in without.rows(example.ours)


def test_negative_number_that_can_be() -> None:
    """Of a temperature, a speed or a score less than nothing can be: ours without it is a break."""
    zone, speed = one("node_thermal_zone_temp", "-1"), one("node_network_speed_bytes", "-1", device="lo")
    score = one("SCA_score", "-1", agent_hostname="host", agent_ip="ip")
    go = node(ScaScore=-1, dynamicMetrics={"cpuTemperature": -1}, networkInterfaces={"lo": {"speed": -1}})
    ours = node(dynamicMetrics={}, networkInterfaces={"lo": {}})
    case = Case(telemetry([uname(net_host_name="ip"), zone, speed, score]), go, ours)
    assert [rule_for(case, deviation) for deviation in deviations(case)] == [None, None, None]
