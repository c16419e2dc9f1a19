"""The series about the pods of a Kubernetes host and the containers of a Docker host."""

from demo.exposition import ExpositionPage, format_labels
from demo.fleet_parts import DOCKER_APPS, SIDECARS
from demo.inventory import CONTROLLER_ID, SimulatedHost
from demo.motion import compute_phase, compute_wave
from demo.pods import SimulatedPod

POD_PHASES = ("Pending", "Running", "Succeeded", "Failed", "Unknown")
MIB_BYTES = 1024**2


def add_pod(
    page: ExpositionPage, host: SimulatedHost, pod: SimulatedPod, container_count: int, at_seconds: float
) -> None:
    """Add the series of kube-state-metrics, the kubelet and the telemetry agent about one pod."""
    namespace, name, uid = pod.app.namespace, pod.name, pod.uid
    own = f'{host.cluster_exporter_labels},namespace="{namespace}",pod="{name}",uid="{uid}"'
    info = format_labels(
        node=host.name,
        host_ip=host.ip,
        pod_ip=pod.ip,
        created_by_kind=pod.owner_kind,
        created_by_name=pod.owner,
        host_network="true" if pod.uses_host_network else "false",
    )
    page.add_sample("kube_pod_info", f"{own},{info}", 1)
    for phase_name in POD_PHASES:
        page.add_sample("kube_pod_status_phase", f'{own},phase="{phase_name}"', int(phase_name == pod.phase))
    _add_containers(page, host, pod, container_count, at_seconds)
    if pod.app.application:
        _add_workload(page, host, uid, f"{namespace}__{name}", pod.app.application, pod.app.component)


def _add_containers(
    page: ExpositionPage, host: SimulatedHost, pod: SimulatedPod, container_count: int, at_seconds: float
) -> None:
    state_labels = f'{host.cluster_exporter_labels},namespace="{pod.app.namespace}",pod="{pod.name}",uid="{pod.uid}"'
    usage_labels = f"{host.cluster.labels}," + format_labels(
        k8s_node_name=host.name, k8s_namespace_name=pod.app.namespace, k8s_pod_name=pod.name, k8s_pod_uid=pod.uid
    )
    for number in range(container_count):
        name = build_container_name(pod.app.name, number)
        image = f"registry.example/{pod.app.namespace}/{name}:1.{pod.slot % 9}"
        container_id = f"containerd://{pod.uid}-{number}" if pod.ip else ""
        page.add_sample(
            "kube_pod_container_info",
            f'{state_labels},container="{name}",image="{image}",container_id="{container_id}"',
            1,
        )
        if pod.is_running:
            _add_usage(page, f'{usage_labels},k8s_container_name="{name}"', pod.slot * 4 + number, 1.0, at_seconds)


def build_container_name(app_name: str, number: int) -> str:
    """Return the name of a container of a pod: first the app, then its sidecars."""
    if number == 0:
        return app_name
    return SIDECARS[number - 1] if number <= len(SIDECARS) else f"helper-{number}"


def _add_usage(page: ExpositionPage, own: str, number: int, cpu_unit: float, at_seconds: float) -> None:
    """Add the CPU usage, where one core is `cpu_unit`, and the memory of one container."""
    offset = compute_phase(number)
    swing = compute_wave(at_seconds, 60 + 120 * offset, offset)
    page.add_sample("container_cpu_utilization_ratio", own, round(cpu_unit * (0.004 + 0.12 * offset * swing), 6))
    page.add_sample("container_memory_working_set_bytes", own, int(MIB_BYTES * (24 + 400 * offset + 60 * swing)))


def _add_workload(
    page: ExpositionPage, host: SimulatedHost, workload_id: str, name: str, application: str, component: str
) -> None:
    instance = f"{application}-{host.cluster.number + 1:03d}"
    own = format_labels(id=workload_id, name=name, cluster_id=host.cluster.cluster_id, icos_app_name=application)
    rest = format_labels(icos_app_component=component, icos_app_instance=instance, icos_app_managed_by="jobmanager")
    page.add_sample("tlum_workload_info", f"{host.telemetry_agent_labels},{own},{rest}", 1)


def add_docker_containers(page: ExpositionPage, host: SimulatedHost, container_count: int, at_seconds: float) -> None:
    """Add the Docker statistics of containers; CPU usage is in percent of one core."""
    for number in range(container_count):
        app = DOCKER_APPS[number % len(DOCKER_APPS)]
        name = app if number < len(DOCKER_APPS) else f"{app}-{number // len(DOCKER_APPS) + 1}"
        container_id = f"{host.machine_id}{number:032x}"
        own = f"{host.cluster_exporter_labels},{format_labels(container_name=name, container_id=container_id)}"
        _add_usage(page, own, number + 3, 100.0, at_seconds)
        if app == "camera-stream":
            _add_workload(page, host, container_id, name, "smart-farm", "camera")


def add_orchestrator(page: ExpositionPage, host: SimulatedHost) -> None:
    """Add the series of the elected telemetry agent about the whole cluster; it runs on `host`."""
    cluster = host.cluster
    agent = format_labels(type=cluster.kind, agent_id=cluster.agent_id, agent_name=cluster.name)
    if cluster.kind == "nuvla":
        reported = f"{format_labels(icos_controller_id=CONTROLLER_ID, icos_host_name=host.icos_name)}"
        page.add_sample("tlum_orch_info", f"{reported},{agent}", 1)
        return
    page.add_sample("tlum_orch_info", f"{cluster.labels},{agent}", 1)
    page.add_sample(
        "tlum_ocm_agent_info", f"{cluster.labels},{format_labels(id=cluster.agent_id, name=cluster.name)}", 1
    )
    vnet = format_labels(type="ClusterLink", vnet_name="icos-mesh", vnet_node=cluster.name)
    page.add_sample("tlum_vnet_info", f"{host.telemetry_agent_labels},{vnet}", 1)
