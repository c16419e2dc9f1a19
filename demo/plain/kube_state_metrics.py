"""What kube-state-metrics 2.18 exposes about a plain Kubernetes cluster."""

from collections.abc import Iterable

from demo.exposition import ExpositionPage, format_labels
from demo.plain.cluster import CORDONED, MAX_PODS, RESERVED_BYTES, RESERVED_CORES, TAINTED, PlainCluster
from demo.plain.hosts import KERNEL, OS_NAME, PlainHost
from demo.plain.pods import PlainPod, PodContainer, generate_pods
from demo.plain.workloads import ContainerSpec, Workload

KUBELET_VERSION = "v1.33.4"
POD_PHASES = ("Pending", "Succeeded", "Failed", "Unknown", "Running")
POD_REASONS = ("Evicted", "NodeAffinity", "NodeLost", "Shutdown", "UnexpectedAdmissionError")
QOS_CLASSES = ("BestEffort", "Burstable", "Guaranteed")
CONDITIONS = ("MemoryPressure", "DiskPressure", "PIDPressure", "Ready")
CONTAINER_STATES = ("running", "waiting", "terminated")
EXIT_CODES = {"Completed": 0, "Error": 1, "OOMKilled": 137}


def render_kube_state_metrics(cluster: PlainCluster, at_seconds: float) -> str:
    """Return the series about nodes, workloads and pods at a time."""
    page = ExpositionPage()
    for number, node in enumerate(cluster.nodes):
        _add_node(page, node, is_tainted=number == TAINTED, is_cordoned=number == CORDONED)
    pods = list(generate_pods(cluster, at_seconds))
    for workload in cluster.workloads:
        _add_workload(page, workload, [pod for pod in pods if pod.workload is workload])
    for pod in pods:
        _add_pod(page, pod)
    return page.render()


def _add_node(page: ExpositionPage, node: PlainHost, *, is_tainted: bool, is_cordoned: bool) -> None:
    own, hardware = f'node="{node.name}"', node.hardware
    info = format_labels(
        kernel_version=KERNEL,
        os_image=OS_NAME,
        container_runtime_version="containerd://1.7.27",
        kubelet_version=KUBELET_VERSION,
        kubeproxy_version="deprecated",
        provider_id="",
        pod_cidr="",
        system_uuid=node.machine_id,
        internal_ip=node.ip,
    )
    page.add_sample("kube_node_info", f"{own},{info}", 1)
    page.add_sample("kube_node_created", own, node.boot_time_seconds + 60)
    page.add_sample("kube_node_spec_unschedulable", own, int(is_cordoned))
    page.add_sample("kube_node_role", f'{own},role="{"control-plane" if is_tainted else "worker"}"', 1)
    taints = ["node-role.kubernetes.io/control-plane"] * is_tainted + ["node.kubernetes.io/unschedulable"] * is_cordoned
    for key in taints:
        page.add_sample("kube_node_spec_taint", f"{own},{format_labels(key=key, value='', effect='NoSchedule')}", 1)
    labels = format_labels(
        label_kubernetes_io_arch=hardware.go_arch,
        label_kubernetes_io_hostname=node.nodename,
        label_node_kubernetes_io_instance_type=hardware.name,
    )
    page.add_sample("kube_node_labels", f"{own},{labels}", 1)
    for resource, unit, capacity, reserved in (
        ("cpu", "core", hardware.cores, RESERVED_CORES),
        ("memory", "byte", hardware.memory_bytes, RESERVED_BYTES),
        ("ephemeral_storage", "byte", hardware.disk_bytes, hardware.disk_bytes // 10),
        ("hugepages_2Mi", "byte", 0, 0),
        ("pods", "integer", MAX_PODS, 0),
    ):
        resource_labels = f"{own},{format_labels(resource=resource, unit=unit)}"
        page.add_sample("kube_node_status_capacity", resource_labels, capacity)
        page.add_sample("kube_node_status_allocatable", resource_labels, capacity - reserved)
    for condition in CONDITIONS:
        status = "true" if condition == "Ready" else "false"
        _add_choice(page, "kube_node_status_condition", f'{own},condition="{condition}"', "status", _STATUSES, status)


_STATUSES = ("true", "false", "unknown")


def _add_choice(
    page: ExpositionPage, metric: str, labels: str, label: str, values: Iterable[str], selected: str
) -> None:
    """Add a series for each value of a label: 1 for the selected one, 0 for the others."""
    for value in values:
        page.add_sample(metric, f'{labels},{label}="{value}"', int(value == selected))


def _add_workload(page: ExpositionPage, workload: Workload, pods: list[PlainPod]) -> None:
    """Add the controllers between a workload and its pods, and the replicas that it should have and has."""
    own = format_labels(namespace=workload.namespace)
    ready = sum(pod.is_ready for pod in pods)
    replicas = len({pod.slot for pod in pods if pod.reason != "Evicted"})
    if workload.kind == "Deployment":
        deployment = f'{own},deployment="{workload.name}"'
        page.add_sample("kube_deployment_spec_replicas", deployment, replicas)
        page.add_sample("kube_deployment_status_replicas_available", deployment, ready)
    elif workload.kind == "StatefulSet":
        stateful_set = f'{own},statefulset="{workload.name}"'
        page.add_sample("kube_statefulset_replicas", stateful_set, replicas)
        page.add_sample("kube_statefulset_status_replicas_ready", stateful_set, ready)
    elif workload.kind == "DaemonSet":
        daemon_set = f'{own},daemonset="{workload.name}"'
        page.add_sample("kube_daemonset_status_desired_number_scheduled", daemon_set, replicas)
        page.add_sample("kube_daemonset_status_number_ready", daemon_set, ready)
    owner = format_labels(owner_kind=workload.kind, owner_name=workload.name, owner_is_controller="true")
    for kind, metric, label in (
        ("ReplicaSet", "kube_replicaset_owner", "replicaset"),
        ("Job", "kube_job_owner", "job_name"),
    ):
        for name in sorted({pod.owner_name for pod in pods if pod.owner_kind == kind}):
            page.add_sample(metric, f'{own},{label}="{name}",{owner}', 1)


def _add_pod(page: ExpositionPage, pod: PlainPod) -> None:
    own = format_labels(namespace=pod.workload.namespace, pod=pod.name, uid=pod.uid)
    host_ip, node_name = (pod.node.ip, pod.node.name) if pod.node else ("", "")
    info = format_labels(
        host_ip=host_ip,
        pod_ip=pod.ip,
        node=node_name,
        created_by_kind=pod.owner_kind,
        created_by_name=pod.owner_name,
        priority_class="",
        host_network=str(pod.workload.uses_host_network).lower(),
    )
    page.add_sample("kube_pod_info", f"{own},{info}", 1)
    owner = format_labels(owner_kind=pod.owner_kind, owner_name=pod.owner_name, owner_is_controller="true")
    page.add_sample("kube_pod_owner", f"{own},{owner}", 1)
    page.add_sample("kube_pod_labels", f'{own},label_app_kubernetes_io_name="{pod.workload.name}"', 1)
    page.add_sample("kube_pod_created", own, pod.created_seconds)
    if pod.node:
        page.add_sample("kube_pod_start_time", own, pod.created_seconds)
    _add_choice(page, "kube_pod_status_phase", own, "phase", POD_PHASES, pod.phase)
    _add_choice(page, "kube_pod_status_reason", own, "reason", POD_REASONS, pod.reason)
    _add_choice(page, "kube_pod_status_qos_class", own, "qos_class", QOS_CLASSES, _find_qos_class(pod.workload))
    _add_choice(page, "kube_pod_status_ready", own, "condition", _STATUSES, str(pod.is_ready).lower())
    _add_choice(page, "kube_pod_status_scheduled", own, "condition", _STATUSES, str(pod.node is not None).lower())
    if claim := pod.workload.volume_claim:
        volume = format_labels(volume=claim, persistentvolumeclaim=f"{claim}-{pod.name}")
        page.add_sample("kube_pod_spec_volumes_persistentvolumeclaims_info", f"{own},{volume}", 1)
    for spec in pod.workload.containers:
        _add_resources(page, "kube_pod_container", own, node_name, spec)
    for container in pod.containers:
        _add_container(page, own, container)
    if pod.workload.init_container:
        _add_init_container(page, own, node_name, pod.workload.init_container)


def _find_qos_class(workload: Workload) -> str:
    is_guaranteed = all(
        spec.cpu_limit_cores == spec.cpu_request_cores and spec.memory_limit_bytes == spec.memory_request_bytes
        for spec in workload.containers
    )
    return "Guaranteed" if is_guaranteed else "Burstable"


def _add_resources(page: ExpositionPage, prefix: str, own: str, node_name: str, spec: ContainerSpec) -> None:
    """Add requests and limits, which a pod without a node has, too."""
    for metric, cores, memory_bytes in (
        ("requests", spec.cpu_request_cores, spec.memory_request_bytes),
        ("limits", spec.cpu_limit_cores, spec.memory_limit_bytes),
    ):
        for resource, unit, amount in (("cpu", "core", cores), ("memory", "byte", memory_bytes)):
            if amount:
                labels = format_labels(container=spec.name, node=node_name, resource=resource, unit=unit)
                page.add_sample(f"{prefix}_resource_{metric}", f"{own},{labels}", amount)


def _add_container(page: ExpositionPage, own: str, container: PodContainer) -> None:
    prefix, labels = "kube_pod_container", f'{own},container="{container.spec.name}"'
    page.add_sample(f"{prefix}_info", f"{labels},{_format_image(container.spec, container.id)}", 1)
    page.add_sample(f"{prefix}_status_ready", labels, int(container.is_running))
    page.add_sample(f"{prefix}_status_restarts_total", labels, container.restart_count)
    if container.started_seconds:
        page.add_sample(f"{prefix}_state_started", labels, container.started_seconds)
    for state in CONTAINER_STATES:
        page.add_sample(f"{prefix}_status_{state}", labels, int(state == container.state))
    if container.reason:
        page.add_sample(f"{prefix}_status_{container.state}_reason", f'{labels},reason="{container.reason}"', 1)
    if reason := container.last_termination_reason:
        page.add_sample(f"{prefix}_status_last_terminated_reason", f'{labels},reason="{reason}"', 1)
        page.add_sample(f"{prefix}_status_last_terminated_exitcode", labels, EXIT_CODES[reason])


def _add_init_container(page: ExpositionPage, own: str, node_name: str, spec: ContainerSpec) -> None:
    """Add an init container, which has completed."""
    prefix, labels = "kube_pod_init_container", f'{own},container="{spec.name}"'
    page.add_sample(f"{prefix}_info", f'{labels},{_format_image(spec, "")},restart_policy=""', 1)
    page.add_sample(f"{prefix}_status_ready", labels, 1)
    page.add_sample(f"{prefix}_status_restarts_total", labels, 0)
    for state in CONTAINER_STATES:
        page.add_sample(f"{prefix}_status_{state}", labels, int(state == "terminated"))
    page.add_sample(f"{prefix}_status_terminated_reason", f'{labels},reason="Completed"', 1)
    _add_resources(page, prefix, own, node_name, spec)


def _format_image(spec: ContainerSpec, container_id: str) -> str:
    repository = spec.image.rpartition(":")[0]
    digest = format(sum(spec.image.encode()), "064x")
    return format_labels(
        image_spec=spec.image,
        image=spec.image,
        image_id=f"{repository}@sha256:{digest}",
        container_id=f"containerd://{container_id}" if container_id else "",
    )
