"""The 2025 layout of topologies."""

import json
from typing import Any

from aggregator.models.topology import Cluster, Container, Node, Pod, Topology, Workload
from aggregator.views import legacy_1_2_5, legacy_2025

NODE = Node(cluster="c", key="n", host_id="h", engine="k3s")


def render_cluster(node: Node, *pods: Pod, **cluster: Any) -> dict[str, Any]:
    """Return the JSON of a cluster with one node and some pods."""
    topology = Topology(
        clusters={"c": Cluster(key="c", uid="u", **cluster)},
        nodes={(node.cluster, node.key): node},
        pods={(pod.cluster, pod.key): pod for pod in pods},
    )
    document: dict[str, Any] = json.loads(legacy_2025.render_legacy_2025(topology, 0.0))["cluster"]["c"]
    return document


def test_an_empty_topology_is_equal_in_both_layouts() -> None:
    """An empty topology has the member `cluster` in this layout as well."""
    assert legacy_2025.render_legacy_2025(Topology(), 0.0) == legacy_1_2_5.render_legacy(Topology(), 0.0)


def test_pods_are_under_their_node() -> None:
    """A pod is under its node with its UID as key, and its name includes the namespace."""
    cluster = render_cluster(NODE, Pod(cluster="c", key="web", name="web", namespace="shop", uid="1-2", node="n"))
    assert "pod" not in cluster
    assert cluster["node"]["n"]["pod"] == {"1-2": {"name": "shop__web"}}


def test_a_pod_without_uid() -> None:
    """Without a UID, the key of the pod is used; without a namespace, the name has no prefix."""
    cluster = render_cluster(NODE, Pod(cluster="c", key="web", name="web", node="n"))
    assert cluster["node"]["n"]["pod"] == {"web": {"name": "web"}}


def test_workloads_are_keyed_by_instance() -> None:
    """A workload has its three names."""
    pod = Pod(
        cluster="c",
        key="p",
        name="p",
        node="n",
        containers={"c": Container("c")},
        workloads={"i": Workload("i", "shop", "web")},
    )
    assert render_cluster(NODE, pod)["node"]["n"]["pod"]["p"] == {
        "name": "p",
        "numberOfContainers": 1,
        "numberOfApps": 1,
        "container": {"c": {"name": "c", "node": "h"}},
        "workload": {"i": {"icos_app_name": "shop", "icos_app_instance": "i", "icos_app_component": "web"}},
    }


def test_engine_agent_and_link_of_a_cluster() -> None:
    """The engine is that of the nodes; clusterLink is written even if it is false."""
    assert (
        render_cluster(NODE, agent_id="ocm-1", is_linked=True).items()
        >= {
            "engine": "k3s",
            "icosAgentID": "ocm-1",
            "clusterLink": True,
        }.items()
    )
    assert render_cluster(NODE)["clusterLink"] is False


def test_additional_members_of_a_node() -> None:
    """A node has engine, labels, forecasts and usage; the CPU frequency is an integer in Hz."""
    node = Node(
        cluster="c",
        key="n",
        engine="docker",
        labels={"zone": "eu", "arch": "arm"},
        cpu_usage_predicted_percent=12.5,
        memory_usage_predicted_percent=50.0,
        cpu_frequency_hertz=2.5e9,
        cpu_usage_percent=25.0,
        host_memory_bytes=1000,
        available_memory_bytes=250,
    )
    rendered = render_cluster(node)["node"]["n"]
    assert rendered["engine"] == "docker"
    assert list(rendered["labels"].items()) == [("arch", "arm"), ("zone", "eu")]
    assert rendered["forecastedMetrics"] == {"cpuUtilizationPrediction": 12.5, "memoryUtilizationPrediction": 50}
    assert rendered["dynamicMetrics"] == {
        "availableStorage": {},
        "cpuFrequency": 2500000000,
        "usedRAM": 750,
        "cpuUsagePercent": 25,
        "memoryUsagePercent": 75,
    }


def test_used_memory_needs_the_total() -> None:
    """Without the memory size of the host, used memory is omitted."""
    node = Node(cluster="c", key="n", free_memory_bytes=100, available_memory_bytes=100)
    assert render_cluster(node)["node"]["n"]["dynamicMetrics"] == {"freeRAM": 100, "availableStorage": {}}
