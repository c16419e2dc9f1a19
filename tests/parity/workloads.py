"""What kube-state-metrics and the kubelets say of the pods of one cluster."""

from tests.parity.hosts import Host
from tests.parity.scene import Scene

PHASES = ("Pending", "Running", "Succeeded", "Failed", "Unknown")
NAMESPACES = ("default", "kube-system", "icos")


def draw_pods(scene: Scene, common: dict[str, str], hosts: list[Host]) -> None:
    """Draw up to six pods; in wild fleets one name may be used in several namespaces."""
    names: list[str] = []
    for _ in range(scene.rng.randint(0, 6)):
        name = scene.name("pod")
        if names and scene.is_odd():
            name = scene.rng.choice(names)
        while name in names and not scene.wildness:
            name += "x"
        names.append(name)
        host = scene.rng.choice(hosts) if hosts else None
        _draw_pod(scene, {**common, "namespace": scene.rng.choice(NAMESPACES), "pod": name}, host)


def _draw_pod(scene: Scene, labels: dict[str, str], host: Host | None) -> None:
    uid = scene.identifier()
    if scene.chance(0.95):
        address = "" if scene.chance(0.1) else f"10.42.0.{scene.rng.randint(1, 250)}"
        node = {"node": host.name, "icos_host_name": host.labels["icos_host_name"]} if host else {}
        scene.add("kube_pod_info", {**labels, **node, "uid": uid, "pod_ip": address})
    if scene.chance(0.3):
        application = {"icos_app_name": "app", "icos_app_component": "part", "icos_app_instance": scene.name("app")}
        scene.add("tlum_workload_info", {**labels, **application, "id": uid, "name": labels["pod"]})
    current = scene.rng.choice((*PHASES, ""))
    for phase in PHASES:
        scene.add("kube_pod_status_phase", {**labels, "uid": uid, "phase": phase}, str(int(phase == current)))
    for number in range(scene.rng.randint(0, 3)):
        container = scene.name("container") if scene.is_odd() else f"main-{number}"
        _draw_container(scene, {**labels, "container": container, "uid": uid}, host)


def _draw_container(scene: Scene, labels: dict[str, str], host: Host | None) -> None:
    told_by = {"icos_host_id": host.labels["icos_host_id"]} if host and scene.chance(0.3) else {}
    scene.add("kube_pod_container_info", {**labels, **told_by, "image": "registry.example/app:1"})
    if scene.chance(0.7):
        named = {
            "k8s_cluster_uid": labels["k8s_cluster_uid"],
            "icos_agent_id": labels["icos_agent_id"],
            "k8s_namespace_name": labels["namespace"],
            "k8s_pod_name": labels["pod"],
            "k8s_pod_uid": labels["uid"],
            "k8s_container_name": labels["container"],
        }
        scene.add("container_cpu_utilization_ratio", named, scene.real(0, 4))
        if scene.chance(0.5):
            scene.add("container_memory_working_set_bytes", named, scene.whole(0, 2**34))
