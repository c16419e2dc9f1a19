"""The dashboard of a Kubernetes cluster, from kube-state-metrics and the kubelets."""

from tools.monitoring.dashboards.parts import (
    Dashboard,
    Query,
    Row,
    Variable,
    draw_graph,
    draw_lines,
    draw_stat,
    draw_table,
)

_CLUSTER = 'cluster=~"$cluster"'
_PODS = f'{_CLUSTER}, namespace=~"$namespace"'


def _once(expression: str, *labels: str) -> str:
    """Return an expression without the copies that a second kube-state-metrics of the same cluster makes."""
    return f"max by (cluster, {', '.join(labels)}) ({expression})"


_NODES_READY = _once(f'kube_node_status_condition{{{_CLUSTER}, condition="Ready", status="true"}}', "node")
_CORDONED = _once(f"kube_node_spec_unschedulable{{{_CLUSTER}}}", "node")
_PHASES = _once(f"kube_pod_status_phase{{{_PODS}}}", "namespace", "pod", "phase")
_READY_PODS = _once(f'kube_pod_status_ready{{{_PODS}, condition="true"}}', "namespace", "pod")


def _allocatable(resource: str) -> str:
    selector = f'{_CLUSTER}, resource="{resource}"'
    return f"sum({_once(f'kube_node_status_allocatable{{{selector}}}', 'node')})"


def _requested(resource: str) -> str:
    selector = f'{_PODS}, resource="{resource}"'
    labels = ("namespace", "pod", "container")
    return f"sum({_once(f'kube_pod_container_resource_requests{{{selector}}}', *labels)})"


_OVERVIEW = Row(
    "Overview",
    (
        draw_stat("Nodes ready", Query(f"sum({_NODES_READY})", "ready"), width=3),
        draw_stat(
            "Nodes not ready", Query(f"count({_NODES_READY} == 0) or vector(0)", "not ready"), width=3,
            steps=((1, "red"),),
        ),
        draw_stat("Nodes cordoned", Query(f"sum({_CORDONED})", "cordoned"), width=3, steps=((1, "orange"),)),
        draw_stat(
            "Pods not ready", Query(f"count({_READY_PODS} == 0) or vector(0)", "not ready"), width=3,
            steps=((1, "orange"),),
        ),
        draw_stat(
            "CPU requested", Query(f'{_requested("cpu")} / {_allocatable("cpu")}', "requested"),
            unit="percentunit", width=4, steps=((0.8, "orange"), (1, "red")),
            description="The requests of the pods as a share of what the nodes can give to pods.",
        ),
        draw_stat(
            "Memory requested", Query(f'{_requested("memory")} / {_allocatable("memory")}', "requested"),
            unit="percentunit", width=4, steps=((0.8, "orange"), (1, "red")),
        ),
        draw_stat(
            "Pods of capacity", Query(f'sum({_PHASES}) / {_allocatable("pods")}', "used"),
            unit="percentunit", width=4, steps=((0.8, "orange"), (1, "red")),
        ),
    ),
)  # fmt: skip

_PODS_ROW = Row(
    "Pods",
    (
        draw_lines("Pods by phase", Query(f"sum by (phase) ({_PHASES})", "{{phase}}"), is_stacked=True),
        draw_lines(
            "Restarts in an hour",
            Query(
                "topk(10, sum by (cluster, namespace, pod) "
                f"(increase(kube_pod_container_status_restarts_total{{{_PODS}}}[1h])))",
                "{{namespace}}/{{pod}}",
            ),
        ),
        draw_lines(
            "CPU cores of the busiest pods",
            Query(
                "topk(10, sum by (cluster, namespace, pod) "
                f'(rate(container_cpu_usage_seconds_total{{{_PODS}, container!="", container!="POD"}}'
                "[$__rate_interval])))",
                "{{namespace}}/{{pod}}",
            ),
        ),
        draw_lines(
            "Memory of the largest pods",
            Query(
                "topk(10, sum by (cluster, namespace, pod) "
                f'(container_memory_working_set_bytes{{{_PODS}, container!="", container!="POD"}}))',
                "{{namespace}}/{{pod}}",
            ),
            unit="bytes",
        ),
        draw_table(
            "Pods that are not ready",
            Query(f"{_READY_PODS} == 0", "Ready"),
            columns=("cluster", "namespace", "pod"),
            description="Pods of finished jobs are not ready either.",
        ),
        draw_table(
            "Containers that wait",
            Query(
                _once(
                    f"kube_pod_container_status_waiting_reason{{{_PODS}}}", "namespace", "pod", "container", "reason"
                ),
                "Waits",
            ),
            columns=("cluster", "namespace", "pod", "container", "reason"),
        ),
    ),
)

_WORKLOADS = Row(
    "Workloads and nodes",
    (
        draw_table(
            "Deployments",
            Query(_once(f"kube_deployment_spec_replicas{{{_PODS}}}", "namespace", "deployment"), "Desired"),
            Query(
                _once(f"kube_deployment_status_replicas_available{{{_PODS}}}", "namespace", "deployment"), "Available"
            ),
            columns=("cluster", "namespace", "deployment"),
        ),
        draw_table(
            "Nodes",
            Query(_NODES_READY, "Ready"),
            Query(_CORDONED, "Cordoned"),
            columns=("cluster", "node"),
        ),
    ),
)

CLUSTER = Dashboard(
    uid="aggregator-cluster",
    title="Kubernetes cluster",
    description="Nodes, pods and workloads of one cluster, of several, or of all.",
    rows=(
        _OVERVIEW,
        _PODS_ROW,
        _WORKLOADS,
        Row("Topology", (draw_graph("Pods that do not run", "level=pods&filter=phase!=Running"),)),
    ),
    variables=(
        Variable("cluster", "label_values(kube_node_info, cluster)", "Cluster", has_all=True),
        Variable(
            "namespace",
            'label_values(kube_pod_info{cluster=~"$cluster"}, namespace)',
            "Namespace",
            has_all=True,
        ),
    ),
)
