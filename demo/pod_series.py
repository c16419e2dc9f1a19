"""What exporters say at a time about the pods of a Kubernetes host and the containers of a Docker host."""

from demo.catalogue import DOCKER_APPS, SIDECARS
from demo.inventory import CONTROLLER, Host
from demo.motion import phase, wave
from demo.page import Page, labels
from demo.pods import Pod

PHASES = ("Pending", "Running", "Succeeded", "Failed", "Unknown")
MIB = 1024**2


def pod(page: Page, host: Host, described: Pod, containers: int, at_seconds: float) -> None:
    """Add what kube-state-metrics, the kubelet and the telemetry agent say about one pod."""
    namespace, name, uid = described.app.namespace, described.name, described.uid
    own = f'{host.kube_labels},namespace="{namespace}",pod="{name}",uid="{uid}"'
    info = labels(
        node=host.name,
        host_ip=host.ip,
        pod_ip=described.ip,
        created_by_kind=described.owner_kind,
        created_by_name=described.owner,
        host_network="true" if described.uses_host_network else "false",
    )
    page.add("kube_pod_info", f"{own},{info}", 1)
    for phase_name in PHASES:
        page.add("kube_pod_status_phase", f'{own},phase="{phase_name}"', int(phase_name == described.phase))
    _containers(page, host, described, containers, at_seconds)
    if described.app.application:
        _workload(page, host, uid, f"{namespace}__{name}", described.app.application, described.app.component)


def _containers(page: Page, host: Host, of: Pod, count: int, at_seconds: float) -> None:
    known = f'{host.kube_labels},namespace="{of.app.namespace}",pod="{of.name}",uid="{of.uid}"'
    measured = f"{host.cluster.labels}," + labels(
        k8s_node_name=host.name, k8s_namespace_name=of.app.namespace, k8s_pod_name=of.name, k8s_pod_uid=of.uid
    )
    for number in range(count):
        name = container_name(of.app.name, number)
        image = f"registry.example/{of.app.namespace}/{name}:1.{of.slot % 9}"
        container_id = f"containerd://{of.uid}-{number}" if of.ip else ""
        page.add(
            "kube_pod_container_info", f'{known},container="{name}",image="{image}",container_id="{container_id}"', 1
        )
        if of.is_running:
            _use(page, f'{measured},k8s_container_name="{name}"', of.slot * 4 + number, 1.0, at_seconds)


def container_name(app_name: str, number: int) -> str:
    """Name a pod's containers: the app itself, then its helpers."""
    if number == 0:
        return app_name
    return SIDECARS[number - 1] if number <= len(SIDECARS) else f"helper-{number}"


def _use(page: Page, own: str, number: int, cpu_unit: float, at_seconds: float) -> None:
    """Add CPU, in the unit of which one core makes `cpu_unit`, and memory of one container."""
    offset = phase(number)
    swing = wave(at_seconds, 60 + 120 * offset, offset)
    page.add("container_cpu_utilization_ratio", own, round(cpu_unit * (0.004 + 0.12 * offset * swing), 6))
    page.add("container_memory_working_set_bytes", own, int(MIB * (24 + 400 * offset + 60 * swing)))


def _workload(page: Page, host: Host, identity: str, name: str, application: str, component: str) -> None:
    instance = f"{application}-{host.cluster.number + 1:03d}"
    own = labels(id=identity, name=name, cluster_id=host.cluster.identity, icos_app_name=application)
    rest = labels(icos_app_component=component, icos_app_instance=instance, icos_app_managed_by="jobmanager")
    page.add("tlum_workload_info", f"{host.tlum_labels},{own},{rest}", 1)


def docker(page: Page, host: Host, count: int, at_seconds: float) -> None:
    """Add what Docker's statistics say about `count` containers; CPU comes in percent of one core."""
    for number in range(count):
        app = DOCKER_APPS[number % len(DOCKER_APPS)]
        name = app if number < len(DOCKER_APPS) else f"{app}-{number // len(DOCKER_APPS) + 1}"
        container_id = f"{host.machine_id}{number:032x}"
        own = f"{host.kube_labels},{labels(container_name=name, container_id=container_id)}"
        _use(page, own, number + 3, 100.0, at_seconds)
        if app == "camera-stream":
            _workload(page, host, container_id, name, "smart-farm", "camera")


def orchestrators(page: Page, host: Host) -> None:
    """Add what one elected telemetry agent says about the cluster as a whole; `host` is where it runs."""
    cluster = host.cluster
    agent = labels(type=cluster.kind, agent_id=cluster.agent_id, agent_name=cluster.name)
    if cluster.kind == "nuvla":
        reported = f"{labels(icos_controller_id=CONTROLLER, icos_host_name=host.icos_name)}"
        page.add("tlum_orch_info", f"{reported},{agent}", 1)
        return
    page.add("tlum_orch_info", f"{cluster.labels},{agent}", 1)
    page.add("tlum_ocm_agent_info", f"{cluster.labels},{labels(id=cluster.agent_id, name=cluster.name)}", 1)
    vnet = labels(type="ClusterLink", vnet_name="icos-mesh", vnet_node=cluster.name)
    page.add("tlum_vnet_info", f"{host.tlum_labels},{vnet}", 1)
