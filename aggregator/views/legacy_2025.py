"""The JSON of the later, 2025 line of the Go service: pods under their nodes, keyed by uid.

It shares the objects of `views.legacy` and adds to them.
"""

from collections.abc import Iterator, Mapping

from msgspec import UNSET, Struct, UnsetType

from aggregator.models import topology as model
from aggregator.models.topology import Topology
from aggregator.views import framed, gojson, legacy
from aggregator.views.legacy import present, real

# A node has all its pods in it.
NODES_AT_ONCE = 16

_PodsByNode = dict[tuple[str, str | None], list[model.Pod]]


class DynamicMetrics2025(legacy.DynamicMetrics, frozen=True, gc=False):
    """How a node is; here the clock rate is a number in Hz."""

    cpuFrequency: int | UnsetType = UNSET  # type: ignore[assignment] # the later line changed the type
    usedRAM: int | UnsetType = UNSET
    cpuUsagePercent: float | UnsetType = UNSET
    memoryUsagePercent: float | UnsetType = UNSET


class ForecastedMetrics(Struct, frozen=True, gc=False):
    """What the forecasting module expects, in percent."""

    cpuUtilizationPrediction: float | UnsetType = UNSET
    memoryUtilizationPrediction: float | UnsetType = UNSET


class Workload(Struct, frozen=True, gc=False):
    """An application of which a pod is a part."""

    icos_app_name: str | UnsetType = UNSET
    icos_app_instance: str | UnsetType = UNSET
    icos_app_component: str | UnsetType = UNSET


class Pod2025(legacy.Pod, frozen=True, gc=False):
    """A pod; its name is `<namespace>__<pod>`."""

    workload: dict[str, Workload] | UnsetType = UNSET


class Node2025(legacy.Node, frozen=True, gc=False):
    """A node with its pods by uid."""

    dynamicMetrics: DynamicMetrics2025 = DynamicMetrics2025()
    engine: str | UnsetType = UNSET
    labels: Mapping[str, str] | UnsetType = UNSET
    forecastedMetrics: ForecastedMetrics = ForecastedMetrics()
    pod: dict[str, Pod2025] | UnsetType = UNSET


class Cluster2025(Struct, frozen=True, gc=False):
    """A cluster with its nodes by name."""

    type: str | UnsetType = UNSET
    uuid: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    engine: str | UnsetType = UNSET
    icosAgentID: str | UnsetType = UNSET
    clusterLink: bool = False
    serviceLevelAgreement: legacy.Empty = legacy.Empty()
    API: legacy.Empty = legacy.Empty()
    node: dict[str, Node2025] | UnsetType = UNSET


class Document2025(legacy.Document, frozen=True, gc=False):
    """The whole answer: clusters by name."""

    cluster: dict[str, Cluster2025]  # type: ignore[assignment] # the later line changed the layout


def render(topology: Topology, now_seconds: float) -> bytes:
    """Return the document; `now_seconds` is what ages are counted to."""
    nodes = topology.nodes_by_cluster()
    pods: _PodsByNode = {}
    for pod in topology.pods.values():
        pods.setdefault((pod.cluster, pod.node), []).append(pod)
    clusters = {
        _cluster_key(cluster): Cluster2025(
            type=present(cluster.type),
            uuid=present(cluster.uid),
            name=present(cluster.name),
            engine=present(next((node.engine for node in nodes[key] if node.engine), None)),
            icosAgentID=present(cluster.agent_id),
            clusterLink=cluster.is_linked,
            node=framed.named(_nodes_of(nodes[key], pods, topology), NODES_AT_ONCE) if nodes[key] else UNSET,
        )
        for key, cluster in topology.clusters.items()
    }
    return gojson.encode(legacy.top_level(topology, now_seconds, dict(sorted(clusters.items()))))


def _nodes_of(nodes: list[model.Node], pods: _PodsByNode, whole: Topology) -> Iterator[tuple[str, Node2025]]:
    return ((node.key, _node_of(node, pods.get((node.cluster, node.key), []), whole)) for node in nodes)


def _cluster_key(cluster: model.Cluster) -> str:
    """Return the cluster's name, or what the telemetry calls its id where OCM has named none."""
    return cluster.key if cluster.name else cluster.cluster_id or cluster.key


def _node_of(node: model.Node, pods: list[model.Pod], whole: Topology) -> Node2025:
    shared = legacy.node_of(node)
    return Node2025(
        **{name: getattr(shared, name) for name in shared.__struct_fields__ if name != "dynamicMetrics"},
        dynamicMetrics=_dynamic_metrics(node),
        engine=present(node.engine),
        labels=dict(sorted(node.labels.items())) or UNSET,
        forecastedMetrics=ForecastedMetrics(
            real(node.cpu_usage_predicted_percent), real(node.memory_usage_predicted_percent)
        ),
        pod={key: _pod_of(pod, whole) for key, pod in sorted(((_pod_key(pod), pod) for pod in pods), key=_first)}
        or UNSET,
    )


def _dynamic_metrics(node: model.Node) -> DynamicMetrics2025:
    shared = legacy.dynamic_metrics(node)
    return DynamicMetrics2025(
        **{name: getattr(shared, name) for name in shared.__struct_fields__ if name != "cpuFrequency"},
        cpuFrequency=present(None if node.cpu_frequency_hertz is None else int(node.cpu_frequency_hertz)),
        usedRAM=present(node.used_memory_bytes),
        cpuUsagePercent=real(node.cpu_usage_percent),
        memoryUsagePercent=real(node.memory_usage_percent),
    )


def _first(entry: tuple[str, model.Pod]) -> str:
    return entry[0]


def _pod_key(pod: model.Pod) -> str:
    """Return the pod's uid, or its key in the cluster where the telemetry shows none."""
    return pod.uid or pod.key


def _pod_of(pod: model.Pod, whole: Topology) -> Pod2025:
    workload = {
        instance: Workload(present(load.app), present(instance), present(load.component))
        for instance, load in pod.workloads.items()
    }
    return Pod2025(
        f"{pod.namespace}__{pod.name}" if pod.namespace else pod.name or UNSET,
        pod.ip or UNSET,
        pod.phase or UNSET,
        len(pod.containers) or UNSET,
        len(pod.workloads) or UNSET,
        legacy.containers_of(pod, whole) or UNSET,
        workload or UNSET,
    )
