"""What the exporters on one host say of it."""

from dataclasses import dataclass

from tests.parity.extras import draw_extras
from tests.parity.scene import Scene

DEVICES = ("eth0", "lo", "wlan0", "cni0", "docker0")
MOUNTED = ("camera", "usb-video_046d_0825", "gpu_0", "_x", "a_b_c", "tty")
PATHS = ("", "none", "squat.ai/video", "/dev/video0")
SEVERITIES = ("Critical", "High", "Medium", "Low", "Untriaged")


@dataclass(frozen=True)
class Host:
    """A host: its name, its address, and the labels that all of its own series carry."""

    name: str
    address: str
    labels: dict[str, str]

    def of_kubernetes(self) -> dict[str, str]:
        """Return the labels of series that Kubernetes tells of the host: they know no machine id."""
        left_out = ("icos_host_id", "net_host_name", "instance", "k8s_node_name")
        return {name: value for name, value in self.labels.items() if name not in left_out}


def draw_host(scene: Scene, host: Host, kind: str) -> None:
    """Draw all series of a host; each collector may be off."""
    machine = scene.rng.choice(("x86_64", "aarch64", "armv7l", "riscv64"))
    has_uname = scene.chance(0.9)
    if has_uname:
        _draw_uname(scene, host, machine)
    if not has_uname or scene.chance(0.5):
        arch = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm"}.get(machine, machine)
        scene.add(
            "tlum_host_info", {**host.labels, "hostname": host.name, "arch": arch, "ip": host.address, "os": "linux"}
        )
    if kind != "nuvla docker":
        _draw_capacity(scene, host)
    _draw_memory(scene, host)
    _draw_hardware(scene, host)
    _draw_interfaces(scene, host)
    _draw_devices(scene, host)
    _draw_security(scene, host)
    draw_extras(scene, host.labels)


def _draw_uname(scene: Scene, host: Host, machine: str) -> None:
    labels = {**host.labels, "nodename": host.name, "machine": machine}
    if scene.chance(0.6):
        labels["icos_alpha_latitude"] = scene.degrees(90)
        labels["icos_alpha_longitude"] = scene.degrees(180)
    scene.add("node_uname_info", labels, "2" if scene.is_odd(0.1) else "1")
    if scene.is_doubled and scene.is_odd():
        scene.add("node_uname_info", {**labels, "replica": "b"})


def _draw_capacity(scene: Scene, host: Host) -> None:
    if scene.chance(0.2):
        return
    for resource, unit, value in (
        ("cpu", "core", scene.whole(1, 256)),
        ("memory", "byte", scene.whole(2**20, 2**42)),
        ("pods", "integer", "110"),
    ):
        labels = {**host.of_kubernetes(), "node": host.name, "resource": resource, "unit": unit}
        scene.add("kube_node_status_capacity", labels, value)


def _draw_memory(scene: Scene, host: Host) -> None:
    total = scene.rng.randint(2**20, 2**40)
    for metric, value in (("MemTotal", total), ("MemAvailable", total // 2), ("MemFree", total // 3)):
        if scene.chance(0.9):
            scene.add(f"node_memory_{metric}_bytes", host.labels, str(value))


def _draw_hardware(scene: Scene, host: Host) -> None:
    for cpu in range(scene.rng.randint(0, 3)):
        labels = {**host.labels, "cpu": str(cpu)}
        scene.add("node_cpu_frequency_max_hertz", labels, scene.whole(10**9, 5 * 10**9))
    for zone in range(scene.rng.choice((0, 1, 1, 3) if scene.wildness else (0, 1))):
        labels = {**host.labels, "zone": str(zone), "type": "cpu-thermal"}
        scene.add("node_thermal_zone_temp", labels, scene.real(-20, 100))
    if scene.chance(0.4):
        scene.add("scaph_host_energy_microjoules_total", host.of_kubernetes(), scene.whole(0, 10**15))


def _draw_interfaces(scene: Scene, host: Host) -> None:
    for device in scene.rng.sample(DEVICES, scene.rng.randint(0, 3)):
        labels = {**host.labels, "device": scene.name("if") if scene.is_odd(0.2) else device}
        duplex = scene.rng.choice(("full", "half", "unknown", ""))
        scene.add("node_network_info", {**labels, "duplex": duplex, "operstate": "up"})
        scene.add("node_network_up", labels, scene.rng.choice("01"))
        if scene.chance(0.8):
            speed = scene.rng.choice(("125000000", "1250000000", "-125000"))
            scene.add("node_network_speed_bytes", labels, speed)
        for address, netmask, scope in _addresses(scene, host):
            shown = {"address": address, "netmask": netmask, "scope": scope}
            scene.add("node_network_address_info", {**labels, **shown})


def _addresses(scene: Scene, host: Host) -> list[tuple[str, str, str]]:
    choices = [
        (host.address, "24", "global"),
        ("192.168.1.7", "16", "global"),
        ("2001:db8::7", "64", "global"),
        ("fe80::1", "64", "link-local"),
    ]
    return scene.rng.sample(choices, scene.rng.randint(0, 3 if scene.wildness else 1))


def _draw_devices(scene: Scene, host: Host) -> None:
    for device in scene.rng.sample(MOUNTED, scene.rng.randint(0, 2)):
        name = scene.name("dev") if scene.is_odd(0.2) else device
        labels = {**host.labels, "device": name, "resource_path": scene.rng.choice(PATHS)}
        scene.add("node_mounted", labels, scene.rng.choice(("-1", "0", "1")))


def _draw_security(scene: Scene, host: Host) -> None:
    if scene.chance(0.5):
        return
    # The module tells of hosts by name and address; its other labels are those of the machine that it runs on.
    address = host.labels["net_host_name"]
    labels = {
        "agent_hostname": host.name,
        "agent_ip": address,
        "icos_host_id": "scanner",
        "k8s_cluster_uid": "elsewhere",
    }
    scene.add("SCA_score", labels, scene.whole(0, 100))
    for severity in scene.rng.sample(SEVERITIES, scene.rng.randint(0, 5)):
        scene.add("vulnerabilities", {**labels, "severity": severity}, scene.whole(0, 50))
