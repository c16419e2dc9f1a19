"""The JSON of the 2025 line from hand-made topologies."""

import json
from typing import Any

from aggregator.models.topology import Cluster, Container, Node, Pod, Topology, Workload
from aggregator.views import legacy, legacy_2025

NODE = Node(cluster="c", key="n", host_id="h", engine="k3s")


def rendered(node: Node, *pods: Pod, **cluster: Any) -> dict[str, Any]:
    """Return the JSON of a cluster with one node and some pods."""
    topology = Topology(
        clusters={"c": Cluster(key="c", uid="u", **cluster)},
        nodes={(node.cluster, node.key): node},
        pods={(pod.cluster, pod.key): pod for pod in pods},
    )
    made: dict[str, Any] = json.loads(legacy_2025.render(topology, 0.0))["cluster"]["c"]
    return made


def test_nothing_known_is_the_same_in_both_layouts() -> None:
    """An empty topology has the member `cluster` here, too."""
    assert legacy_2025.render(Topology(), 0.0) == legacy.render(Topology(), 0.0)


def test_pods_stand_under_their_node() -> None:
    """A pod is keyed by its uid under its node, and named by namespace and name."""
    cluster = rendered(NODE, Pod(cluster="c", key="web", name="web", namespace="shop", uid="1-2", node="n"))
    assert "pod" not in cluster
    assert cluster["node"]["n"]["pod"] == {"1-2": {"name": "shop__web"}}


def test_a_pod_without_uid_is_keyed_by_its_key() -> None:
    """Where telemetry shows no uid, the key of the cluster stands in; without namespace the name is plain."""
    cluster = rendered(NODE, Pod(cluster="c", key="web", name="web", node="n"))
    assert cluster["node"]["n"]["pod"] == {"web": {"name": "web"}}


def test_workloads_are_told_by_instance() -> None:
    """The applications of a pod have their three names."""
    pod = Pod(
        cluster="c",
        key="p",
        name="p",
        node="n",
        containers={"c": Container("c")},
        workloads={"i": Workload("i", "shop", "web")},
    )
    assert rendered(NODE, pod)["node"]["n"]["pod"]["p"] == {
        "name": "p",
        "numberOfContainers": 1,
        "numberOfApps": 1,
        "container": {"c": {"name": "c", "node": "h"}},
        "workload": {"i": {"icos_app_name": "shop", "icos_app_instance": "i", "icos_app_component": "web"}},
    }


def test_a_cluster_tells_engine_agent_and_link() -> None:
    """The engine is its nodes'; the link is printed even where there is none."""
    assert (
        rendered(NODE, agent_id="ocm-1", is_linked=True).items()
        >= {
            "engine": "k3s",
            "icosAgentID": "ocm-1",
            "clusterLink": True,
        }.items()
    )
    assert rendered(NODE)["clusterLink"] is False


def test_a_node_has_what_the_later_line_added() -> None:
    """Engine, labels, forecasts and usage are told; the clock rate is a whole number in Hz."""
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
    made = rendered(node)["node"]["n"]
    assert made["engine"] == "docker"
    assert list(made["labels"].items()) == [("arch", "arm"), ("zone", "eu")]
    assert made["forecastedMetrics"] == {"cpuUtilizationPrediction": 12.5, "memoryUtilizationPrediction": 50}
    assert made["dynamicMetrics"] == {
        "availableStorage": {},
        "cpuFrequency": 2500000000,
        "usedRAM": 750,
        "cpuUsagePercent": 25,
        "memoryUsagePercent": 75,
    }


def test_used_memory_is_never_made_up() -> None:
    """Where the total is not known, used memory is left out instead of negative."""
    node = Node(cluster="c", key="n", free_memory_bytes=100, available_memory_bytes=100)
    assert rendered(node)["node"]["n"]["dynamicMetrics"] == {"freeRAM": 100, "availableStorage": {}}
