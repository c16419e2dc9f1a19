"""Plain Kubernetes clusters and Docker hosts of the demo, and the topology that a gateway builds from them."""

import re
import subprocess
from collections import Counter, defaultdict
from collections.abc import Mapping

import pytest

from aggregator.models.topology import Node, Pod, Topology
from demo.fleets import FleetName, create_fleet
from demo.plain.kubernetes import create_clusters
from demo.plain.pods import MOVE_PERIOD_SECONDS, generate_pods
from demo.prometheus import obtain_prometheus
from demo.targets import ScrapeTarget, render_stored_series
from tests.demo.plain_topology import build_snapshot

SINCE_SECONDS = 1_795_176_000.0
# The start, a move, replacements, jobs that run and that have completed.
INSTANTS = (0.0, 42.5, 161.0, 505.0, 1_000.0)
TARGETS: Mapping[FleetName, tuple[ScrapeTarget, ...]] = {
    name: create_fleet(name, SINCE_SECONDS).plain_targets for name in FleetName if name is not FleetName.ICOS
}
CLUSTERS = ("frankfurt", "workshop")
RESTARTED = ("recommender", "image-resizer")
NODES = ("control-plane", "worker-1", "worker-2", "worker-3")


def build_kubernetes_topology(after_seconds: float = 0.0) -> Topology:
    """Return the topology of both clusters."""
    return build_snapshot(TARGETS[FleetName.KUBERNETES], SINCE_SECONDS + after_seconds).topology


def parse_counters(after_seconds: float) -> dict[str, float]:
    """Return the values of all counters of both clusters by series."""
    lines = render_stored_series(TARGETS[FleetName.KUBERNETES], SINCE_SECONDS + after_seconds).splitlines()
    pairs = (re.fullmatch(r"(\w+_total\{.*\}) (\S+)( \d+)?", line) for line in lines)
    return {match[1]: float(match[2]) for match in pairs if match}


def group_pods(topology: Topology) -> dict[tuple[str, str], list[Pod]]:
    """Return the pods by cluster and node."""
    pods: defaultdict[tuple[str, str], list[Pod]] = defaultdict(list)
    for pod in topology.pods.values():
        pods[pod.cluster, pod.node or ""].append(pod)
    return pods


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("after_seconds", INSTANTS)
def test_a_topology_is_complete(name: FleetName, after_seconds: float) -> None:
    """At any time, no sample lacks an object, no identities contradict each other, and no series is duplicated."""
    at_seconds = SINCE_SECONDS + after_seconds
    snapshot = build_snapshot(TARGETS[name], at_seconds)
    assert snapshot.is_complete, snapshot.gaps
    series = [line.rpartition("} ")[0] for line in render_stored_series(TARGETS[name], at_seconds).splitlines()]
    assert len(series) == len(set(series))


def test_both_clusters_have_their_own_nodes_and_pods() -> None:
    """Equal names of nodes and pods in both clusters remain separate, whether or not a label names the cluster."""
    topology = build_kubernetes_topology()
    labels = [(cluster, f"{name}.lab.example") for cluster in CLUSTERS for name in NODES]
    assert [(node.cluster, node.node_label) for node in topology.nodes.values()] == labels
    names = {
        cluster: {(pod.namespace, pod.name) for pod in topology.pods.values() if pod.cluster == cluster}
        for cluster in CLUSTERS
    }
    second_exporter = {("kube-system", "kube-state-metrics-5m6ckrbbb-2g5m6")}
    assert names["frankfurt"] - names["workshop"] == second_exporter
    assert names["workshop"] < names["frankfurt"]
    assert len({pod.uid for pod in topology.pods.values()}) == len(topology.pods)
    assert {node.memory_bytes for node in topology.nodes.values()} == {16 * 1024**3, 64 * 1024**3}


@pytest.mark.parametrize("after_seconds", INSTANTS)
def test_usage_is_below_capacity(after_seconds: float) -> None:
    """Pods request and use less than their node has, and containers less than their limits."""
    topology = build_kubernetes_topology(after_seconds)
    pods = group_pods(topology)
    for (cluster, key), node in topology.nodes.items():
        check_node(node, pods[cluster, key])


def check_node(node: Node, pods: list[Pod]) -> None:
    """Check that the values of a node and of its pods can be true together."""
    containers = [container for pod in pods for container in pod.containers.values()]
    assert node.cpu_cores is not None
    assert node.cpu_usage_percent is not None
    assert node.memory_bytes is not None
    assert node.available_memory_bytes is not None
    assert node.allocatable_cpu_cores is not None
    assert node.allocatable_memory_bytes is not None
    assert (node.requested_cpu_cores or 0) < node.allocatable_cpu_cores < node.cpu_cores
    assert (node.requested_memory_bytes or 0) < node.allocatable_memory_bytes < node.memory_bytes
    used_cores = sum(container.cpu_usage_cores or 0 for container in containers)
    assert 0 < used_cores < node.cpu_cores * node.cpu_usage_percent / 100 < node.cpu_cores
    used_bytes = sum(container.memory_bytes or 0 for container in containers)
    assert 0 < used_bytes < node.memory_bytes - node.available_memory_bytes < node.memory_bytes
    for container in containers:
        assert (container.memory_bytes or 0) <= (container.memory_limit_bytes or 0)
        assert (container.cpu_usage_cores or 0) <= (container.cpu_limit_cores or node.cpu_cores)


def test_a_cordoned_and_a_tainted_node() -> None:
    """One node is cordoned, and it and the control plane have taints."""
    for cluster in CLUSTERS:
        nodes = [node for node in build_kubernetes_topology().nodes.values() if node.cluster == cluster]
        assert [node.is_unschedulable for node in nodes] == [False, False, False, True]
        assert [[taint.key for taint in node.taints.values()] for node in nodes] == [
            ["node-role.kubernetes.io/control-plane"],
            [],
            [],
            ["node.kubernetes.io/unschedulable"],
        ]


def test_what_can_go_wrong_with_pods() -> None:
    """A pod is pending, one was evicted, a container crashes, and another one exceeded its memory limit."""
    topology = build_kubernetes_topology()
    by_name: Mapping[str, Pod] = {
        str(pod.controller_name): pod
        for pod in topology.pods.values()
        if pod.cluster == "workshop" and (pod.phase != "Running" or pod.controller_name in RESTARTED)
    }
    assert (by_name["trainer"].phase, by_name["trainer"].node) == ("Pending", None)
    assert (by_name["cache"].phase, by_name["cache"].reason) == ("Failed", "Evicted")
    crashing = by_name["recommender"].containers["recommender"]
    assert (crashing.state, crashing.reason, crashing.restart_count) == ("waiting", "CrashLoopBackOff", 588)
    restarted = by_name["image-resizer"].containers["image-resizer"]
    assert (restarted.state, restarted.last_termination_reason) == ("running", "OOMKilled")


def test_kinds_of_controllers() -> None:
    """Pods belong to DaemonSets, Deployments, StatefulSets and CronJobs."""
    pods = build_kubernetes_topology().pods.values()
    assert {pod.controller_kind for pod in pods} == {"DaemonSet", "Deployment", "StatefulSet", "CronJob"}


def test_a_pod_moves_and_keeps_its_name() -> None:
    """The pod of the StatefulSet has another UID and another node after it has moved."""
    cluster = create_clusters(SINCE_SECONDS)[0].cluster
    before, after = (
        next(pod for pod in generate_pods(cluster, SINCE_SECONDS + seconds) if pod.name == "db-0")
        for seconds in (0.0, MOVE_PERIOD_SECONDS)
    )
    assert before.uid != after.uid
    assert before.node is not after.node


def test_docker_hosts_have_containers_of_the_same_name() -> None:
    """Both hosts have a container `web`, and each container has the image and the host of its own."""
    topology = build_snapshot(TARGETS[FleetName.DOCKER], SINCE_SECONDS).topology
    assert [node.name for node in topology.nodes.values()] == ["docker1.example.com", "ip-10-9-0-12"]
    assert Counter(pod.name for pod in topology.pods.values()) == {"web": 2, "db": 1, "node-red": 1, "mosquitto": 1}
    assert all(container.image for pod in topology.pods.values() for container in pod.containers.values())


def test_containers_of_docker_hosts_use_what_they_request() -> None:
    """The sum of the CPU usage that cAdvisor exposes for each CPU is about two fifths of the request."""
    topology = build_snapshot(TARGETS[FleetName.DOCKER], SINCE_SECONDS).topology
    usage = {
        pod.name: container.cpu_usage_cores for pod in topology.pods.values() for container in pod.containers.values()
    }
    assert usage == pytest.approx({"web": 0.08, "db": 0.16, "node-red": 0.06, "mosquitto": 0.02}, rel=0.2)


def test_counters_never_decrease() -> None:
    """A counter that is exposed at several times does not decrease."""
    before, after = parse_counters(0.0), parse_counters(35.0)
    shared = before.keys() & after.keys()
    assert len(shared) > 300
    assert [series for series in shared if before[series] > after[series]] == []


@pytest.mark.parametrize("name", TARGETS)
def test_promtool_parses_the_expositions(name: FleetName) -> None:
    """The linter promtool reports style problems (exit status 3) but no format errors (1)."""
    kinds = {target.labels["job"]: target for target in TARGETS[name]}
    for target in kinds.values():
        completed = subprocess.run(
            [str(obtain_prometheus().promtool), "check", "metrics"],
            input=target.render(SINCE_SECONDS),
            capture_output=True,
            text=True,
            check=False,
        )
        assert completed.returncode in (0, 3), completed.stderr[:500]
