"""Plain Kubernetes clusters as the chart kube-prometheus-stack monitors them: exporters, target labels and rules.

Nodes, addresses, namespaces and pods of both clusters have the same names. One cluster has a label `cluster` on all
series, and two kube-state-metrics. The other one has no such label, and its jobs do not set `honor_labels`: labels of
the target hide those of the exporters.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from demo.exposition import ExpositionPage, format_labels
from demo.fleet_parts import NUC, SERVER
from demo.plain.cadvisor import render_kubelet
from demo.plain.cluster import PlainCluster
from demo.plain.hosts import PlainHost, render_node_exporter
from demo.plain.kube_state_metrics import render_kube_state_metrics
from demo.plain.pods import PlainPod, find_pods, generate_pods
from demo.plain.workloads import (
    ELASTICSEARCH_EXPORTER,
    KUBE_STATE_METRICS,
    NODE_EXPORTER,
    OTHER_KUBE_STATE_METRICS,
    SECOND_KUBE_STATE_METRICS,
    WORKLOADS,
)
from demo.targets import ScrapeTarget

LABELED_CLUSTER = "frankfurt"

# The first three have the names of metrics of exporters, but are sums over many objects.
RECORDING_RULES = """\
groups:
  - name: sums
    rules:
      - record: container_memory_working_set_bytes
        expr: sum by (cluster, namespace) (container_memory_working_set_bytes{container!="",pod!=""})
      - record: container_cpu_usage_seconds_total
        expr: sum by (cluster, namespace) (container_cpu_usage_seconds_total{container!="",pod!=""})
      - record: kube_pod_container_resource_requests
        expr: sum by (cluster, resource) (kube_pod_container_resource_requests{pod!=""})
      - record: namespace_workload_pod:kube_pod_owner:relabel
        expr: max by (cluster, namespace, pod, owner_name) (kube_pod_owner)
"""


@dataclass(frozen=True)
class MonitoredCluster:
    """A cluster, the value of its label `cluster`, "" for none, and whether its jobs set `honor_labels`."""

    cluster: PlainCluster
    label: str
    honor_labels: bool = True

    def list_targets(self) -> list[ScrapeTarget]:
        """Return the scrape targets of the cluster."""
        (elasticsearch_pod,) = find_pods(self.cluster, ELASTICSEARCH_EXPORTER)
        return [
            *(
                self._create_target(
                    f"{name}/metrics",
                    _describe_pod_target("kube-state-metrics", "http", f"{pod.ip}:8080", pod),
                    partial(render_kube_state_metrics, self.cluster),
                )
                for name in (KUBE_STATE_METRICS, OTHER_KUBE_STATE_METRICS)
                for pod in find_pods(self.cluster, name)
            ),
            *(
                self._create_target(
                    f"{pod.node.nodename}/metrics",
                    _describe_pod_target("node-exporter", "http-metrics", f"{pod.ip}:9100", pod),
                    partial(render_node_exporter, pod.node),
                )
                for pod in find_pods(self.cluster, NODE_EXPORTER)
                if pod.node
            ),
            *(
                self._create_target(
                    f"{node.nodename}/metrics/cadvisor",
                    _describe_kubelet_target(node),
                    partial(_render_kubelet, self.cluster, node),
                )
                for node in self.cluster.nodes
            ),
            self._create_target(
                f"{ELASTICSEARCH_EXPORTER}/metrics",
                _describe_pod_target(ELASTICSEARCH_EXPORTER, "http", f"{elasticsearch_pod.ip}:9108", elasticsearch_pod),
                _render_elasticsearch_exporter,
            ),
        ]

    def _create_target(self, path: str, labels: Mapping[str, str], render: Callable[[float], str]) -> ScrapeTarget:
        cluster_label = {"cluster": self.label} if self.label else {}
        return ScrapeTarget(
            f"/clusters/{self.cluster.number}/{path}", {**labels, **cluster_label}, render, self.honor_labels
        )


def create_clusters(since_seconds: float) -> tuple[MonitoredCluster, MonitoredCluster]:
    """Return the cluster with a label and the one without."""
    labeled = PlainCluster(1, NUC, since_seconds, (*WORKLOADS, SECOND_KUBE_STATE_METRICS))
    unlabeled = PlainCluster(2, SERVER, since_seconds)
    return MonitoredCluster(labeled, LABELED_CLUSTER), MonitoredCluster(unlabeled, "", honor_labels=False)


def _describe_pod_target(job: str, endpoint: str, instance: str, pod: PlainPod) -> dict[str, str]:
    """Return the labels of an exporter that runs in a pod."""
    return {
        "job": job,
        "instance": instance,
        "endpoint": endpoint,
        "service": pod.workload.name,
        "namespace": pod.workload.namespace,
        "pod": pod.name,
        "container": pod.workload.containers[0].name,
    }


def _describe_kubelet_target(node: PlainHost) -> dict[str, str]:
    return {
        "job": "kubelet",
        "instance": f"{node.ip}:10250",
        "endpoint": "https-metrics",
        "metrics_path": "/metrics/cadvisor",
        "namespace": "kube-system",
        "node": node.name,
        "service": "kps-kube-prometheus-stack-kubelet",
    }


def _render_kubelet(cluster: PlainCluster, node: PlainHost, at_seconds: float) -> str:
    return render_kubelet(node, generate_pods(cluster, at_seconds), at_seconds)


def _render_elasticsearch_exporter(_at_seconds: float) -> str:
    """Return series whose label `cluster` names no Kubernetes cluster."""
    page = ExpositionPage()
    for color in ("green", "yellow", "red"):
        labels = format_labels(cluster="search", color=color)
        page.add_sample("elasticsearch_cluster_health_status", labels, int(color == "green"))
    page.add_sample("elasticsearch_cluster_health_number_of_nodes", 'cluster="search"', 3)
    return page.render()
