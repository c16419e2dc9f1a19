"""The 2025 JSON layout of the Go service: pods are under their nodes, keyed by UID.

It extends the objects of `legacy_1_2_5`.
"""

from collections.abc import Iterator, Mapping

from msgspec import UNSET, Struct, UnsetType

from aggregator.models import topology as model
from aggregator.models.topology import Topology
from aggregator.views import json_encoding, legacy_1_2_5
from aggregator.views.legacy_1_2_5 import omit_empty, omit_zero

# A chunk has few nodes, because a node contains all its pods.
NODES_PER_CHUNK = 16

_PodsByNode = dict[tuple[str, str | None], list[model.Pod]]


class LegacyDynamicMetrics2025(legacy_1_2_5.LegacyDynamicMetrics, frozen=True, gc=False):
    """Current values of a node. Unlike in 1.2.5, the CPU frequency is a number, in Hz."""

    cpuFrequency: int | UnsetType = UNSET  # type: ignore[assignment] # this layout changed the type
    usedRAM: int | UnsetType = UNSET
    cpuUsagePercent: float | UnsetType = UNSET
    memoryUsagePercent: float | UnsetType = UNSET


class LegacyForecastedMetrics(Struct, frozen=True, gc=False):
    """Predictions of the forecasting module, in percent."""

    cpuUtilizationPrediction: float | UnsetType = UNSET
    memoryUtilizationPrediction: float | UnsetType = UNSET


class LegacyWorkload(Struct, frozen=True, gc=False):
    """An application that a pod belongs to."""

    icos_app_name: str | UnsetType = UNSET
    icos_app_instance: str | UnsetType = UNSET
    icos_app_component: str | UnsetType = UNSET


class LegacyPod2025(legacy_1_2_5.LegacyPod, frozen=True, gc=False):
    """A pod. Its name is `<namespace>__<pod>`."""

    workload: dict[str, LegacyWorkload] | UnsetType = UNSET


class LegacyNode2025(legacy_1_2_5.LegacyNode, frozen=True, gc=False):
    """A node with its pods by UID."""

    dynamicMetrics: LegacyDynamicMetrics2025 = LegacyDynamicMetrics2025()
    engine: str | UnsetType = UNSET
    labels: Mapping[str, str] | UnsetType = UNSET
    forecastedMetrics: LegacyForecastedMetrics = LegacyForecastedMetrics()
    pod: dict[str, LegacyPod2025] | UnsetType = UNSET


class LegacyCluster2025(Struct, frozen=True, gc=False):
    """A cluster with its nodes by name."""

    type: str | UnsetType = UNSET
    uuid: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    engine: str | UnsetType = UNSET
    icosAgentID: str | UnsetType = UNSET
    clusterLink: bool = False
    serviceLevelAgreement: legacy_1_2_5.LegacyEmpty = legacy_1_2_5.LegacyEmpty()
    API: legacy_1_2_5.LegacyEmpty = legacy_1_2_5.LegacyEmpty()
    node: dict[str, LegacyNode2025] | UnsetType = UNSET


class LegacyDocument2025(legacy_1_2_5.LegacyDocument, frozen=True, gc=False):
    """The whole response: clusters by name."""

    cluster: dict[str, LegacyCluster2025]  # type: ignore[assignment] # this layout changed the type


def render_legacy_2025(topology: Topology, now_seconds: float) -> bytes:
    """Return the document. `now_seconds` is the current Unix time, from which ages are computed."""
    nodes = topology.group_nodes_by_cluster()
    pods: _PodsByNode = {}
    for pod in topology.pods.values():
        pods.setdefault((pod.cluster, pod.node), []).append(pod)
    clusters = {
        _get_cluster_key(cluster): LegacyCluster2025(
            type=omit_empty(cluster.type),
            uuid=omit_empty(cluster.uid),
            name=omit_empty(cluster.name),
            engine=omit_empty(next((node.engine for node in nodes[key] if node.engine), None)),
            icosAgentID=omit_empty(cluster.agent_id),
            clusterLink=cluster.is_linked,
            node=json_encoding.chunk_object(_build_nodes(nodes[key], pods, topology), NODES_PER_CHUNK)
            if nodes[key]
            else UNSET,
        )
        for key, cluster in topology.clusters.items()
    }
    return json_encoding.encode_go_json(
        legacy_1_2_5.build_top_level(topology, now_seconds, dict(sorted(clusters.items())))
    )


def _build_nodes(
    nodes: list[model.Node], pods: _PodsByNode, topology: Topology
) -> Iterator[tuple[str, LegacyNode2025]]:
    return ((node.key, _build_node(node, pods.get((node.cluster, node.key), []), topology)) for node in nodes)


def _get_cluster_key(cluster: model.Cluster) -> str:
    """Return the name of a cluster, or the ID that its telemetry has if OCM has no name for it."""
    return cluster.key if cluster.name else cluster.cluster_id or cluster.key


def _build_node(node: model.Node, pods: list[model.Pod], topology: Topology) -> LegacyNode2025:
    legacy_node = legacy_1_2_5.build_node(node)
    return LegacyNode2025(
        **{name: getattr(legacy_node, name) for name in legacy_node.__struct_fields__ if name != "dynamicMetrics"},
        dynamicMetrics=_build_dynamic_metrics(node),
        engine=omit_empty(node.engine),
        labels=dict(sorted(node.labels.items())) or UNSET,
        forecastedMetrics=LegacyForecastedMetrics(
            omit_zero(node.cpu_usage_predicted_percent), omit_zero(node.memory_usage_predicted_percent)
        ),
        pod={
            key: _build_pod(pod, topology)
            for key, pod in sorted(((_get_pod_key(pod), pod) for pod in pods), key=_get_key)
        }
        or UNSET,
    )


def _build_dynamic_metrics(node: model.Node) -> LegacyDynamicMetrics2025:
    legacy_metrics = legacy_1_2_5.build_dynamic_metrics(node)
    return LegacyDynamicMetrics2025(
        **{name: getattr(legacy_metrics, name) for name in legacy_metrics.__struct_fields__ if name != "cpuFrequency"},
        cpuFrequency=omit_empty(None if node.cpu_frequency_hertz is None else int(node.cpu_frequency_hertz)),
        usedRAM=omit_empty(node.used_memory_bytes),
        cpuUsagePercent=omit_zero(node.cpu_usage_percent),
        memoryUsagePercent=omit_zero(node.memory_usage_percent),
    )


def _get_key(entry: tuple[str, model.Pod]) -> str:
    return entry[0]


def _get_pod_key(pod: model.Pod) -> str:
    """Return the UID of a pod, or its key if it has no UID."""
    return pod.uid or pod.key


def _build_pod(pod: model.Pod, topology: Topology) -> LegacyPod2025:
    workloads = {
        instance: LegacyWorkload(omit_empty(workload.app), omit_empty(instance), omit_empty(workload.component))
        for instance, workload in pod.workloads.items()
    }
    return LegacyPod2025(
        f"{pod.namespace}__{pod.name}" if pod.namespace else pod.name or UNSET,
        pod.ip or UNSET,
        pod.phase or UNSET,
        legacy_1_2_5.count_containers(pod) or UNSET,
        len(pod.workloads) or UNSET,
        legacy_1_2_5.build_containers(pod, topology) or UNSET,
        workloads or UNSET,
    )
