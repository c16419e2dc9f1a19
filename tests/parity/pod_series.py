"""What kube-state-metrics and the kubelets say of the pods of one cluster."""

from tests.parity.fleet_generator import FleetGenerator
from tests.parity.host_series import GeneratedHost

PHASES = ("Pending", "Running", "Succeeded", "Failed", "Unknown")
NAMESPACES = ("default", "kube-system", "icos")


def draw_pods(generator: FleetGenerator, common: dict[str, str], hosts: list[GeneratedHost]) -> None:
    """Draw up to six pods; in wild fleets one name may be used in several namespaces."""
    names: list[str] = []
    for _ in range(generator.rng.randint(0, 6)):
        name = generator.generate_name("pod")
        if names and generator.is_odd():
            name = generator.rng.choice(names)
        while name in names and not generator.oddity_rate:
            name += "x"
        names.append(name)
        host = generator.rng.choice(hosts) if hosts else None
        _draw_pod(generator, {**common, "namespace": generator.rng.choice(NAMESPACES), "pod": name}, host)


def _draw_pod(generator: FleetGenerator, labels: dict[str, str], host: GeneratedHost | None) -> None:
    uid = generator.generate_identifier()
    if generator.happens(0.95):
        address = "" if generator.happens(0.1) else f"10.42.0.{generator.rng.randint(1, 250)}"
        node = {"node": host.name, "icos_host_name": host.labels["icos_host_name"]} if host else {}
        generator.add_series("kube_pod_info", {**labels, **node, "uid": uid, "pod_ip": address})
    if generator.happens(0.3):
        application = {
            "icos_app_name": "app",
            "icos_app_component": "part",
            "icos_app_instance": generator.generate_name("app"),
        }
        generator.add_series("tlum_workload_info", {**labels, **application, "id": uid, "name": labels["pod"]})
    current = generator.rng.choice((*PHASES, ""))
    for phase in PHASES:
        generator.add_series(
            "kube_pod_status_phase", {**labels, "uid": uid, "phase": phase}, str(int(phase == current))
        )
    for number in range(generator.rng.randint(0, 3)):
        container = generator.generate_name("container") if generator.is_odd() else f"main-{number}"
        _draw_container(generator, {**labels, "container": container, "uid": uid}, host)


def _draw_container(generator: FleetGenerator, labels: dict[str, str], host: GeneratedHost | None) -> None:
    host_labels = {"icos_host_id": host.labels["icos_host_id"]} if host and generator.happens(0.3) else {}
    generator.add_series("kube_pod_container_info", {**labels, **host_labels, "image": "registry.example/app:1"})
    if generator.happens(0.7):
        named = {
            "k8s_cluster_uid": labels["k8s_cluster_uid"],
            "icos_agent_id": labels["icos_agent_id"],
            "k8s_namespace_name": labels["namespace"],
            "k8s_pod_name": labels["pod"],
            "k8s_pod_uid": labels["uid"],
            "k8s_container_name": labels["container"],
        }
        generator.add_series("container_cpu_utilization_ratio", named, generator.generate_float(0, 4))
        if generator.happens(0.5):
            generator.add_series("container_memory_working_set_bytes", named, generator.generate_integer(0, 2**34))
