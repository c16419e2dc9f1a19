"""What the exporters on one host say of it."""

from dataclasses import dataclass

from tests.parity.extra_series import draw_extras
from tests.parity.fleet_generator import FleetGenerator

INTERFACE_NAMES = ("eth0", "lo", "wlan0", "cni0", "docker0")
MOUNTED_DEVICES = ("camera", "usb-video_046d_0825", "gpu_0", "_x", "a_b_c", "tty")
RESOURCE_PATHS = ("", "none", "squat.ai/video", "/dev/video0")
SEVERITIES = ("Critical", "High", "Medium", "Low", "Untriaged")


@dataclass(frozen=True)
class GeneratedHost:
    """A host: its name, its address, and the labels that all of its own series carry."""

    name: str
    address: str
    labels: dict[str, str]

    def build_kubernetes_labels(self) -> dict[str, str]:
        """Return the labels of series that Kubernetes tells of the host: they know no machine id."""
        left_out = ("icos_host_id", "net_host_name", "instance", "k8s_node_name")
        return {name: value for name, value in self.labels.items() if name not in left_out}


def draw_host(generator: FleetGenerator, host: GeneratedHost, kind: str) -> None:
    """Draw all series of a host; each collector may be off."""
    machine = generator.rng.choice(("x86_64", "aarch64", "armv7l", "riscv64"))
    has_uname = generator.happens(0.9)
    if has_uname:
        _draw_uname(generator, host, machine)
    if not has_uname or generator.happens(0.5):
        arch = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm"}.get(machine, machine)
        generator.add_series(
            "tlum_host_info", {**host.labels, "hostname": host.name, "arch": arch, "ip": host.address, "os": "linux"}
        )
    if kind != "nuvla docker":
        _draw_capacity(generator, host)
    _draw_memory(generator, host)
    _draw_hardware(generator, host)
    _draw_interfaces(generator, host)
    _draw_devices(generator, host)
    _draw_security(generator, host)
    draw_extras(generator, host.labels)


def _draw_uname(generator: FleetGenerator, host: GeneratedHost, machine: str) -> None:
    labels = {**host.labels, "nodename": host.name, "machine": machine}
    if generator.happens(0.6):
        labels["icos_alpha_latitude"] = generator.generate_degrees(90)
        labels["icos_alpha_longitude"] = generator.generate_degrees(180)
    generator.add_series("node_uname_info", labels, "2" if generator.is_odd(0.1) else "1")
    if generator.has_replicas and generator.is_odd():
        generator.add_series("node_uname_info", {**labels, "replica": "b"})


def _draw_capacity(generator: FleetGenerator, host: GeneratedHost) -> None:
    if generator.happens(0.2):
        return
    for resource, unit, value in (
        ("cpu", "core", generator.generate_integer(1, 256)),
        ("memory", "byte", generator.generate_integer(2**20, 2**42)),
        ("pods", "integer", "110"),
    ):
        labels = {**host.build_kubernetes_labels(), "node": host.name, "resource": resource, "unit": unit}
        generator.add_series("kube_node_status_capacity", labels, value)


def _draw_memory(generator: FleetGenerator, host: GeneratedHost) -> None:
    total = generator.rng.randint(2**20, 2**40)
    for metric, value in (("MemTotal", total), ("MemAvailable", total // 2), ("MemFree", total // 3)):
        if generator.happens(0.9):
            generator.add_series(f"node_memory_{metric}_bytes", host.labels, str(value))


def _draw_hardware(generator: FleetGenerator, host: GeneratedHost) -> None:
    for cpu in range(generator.rng.randint(0, 3)):
        labels = {**host.labels, "cpu": str(cpu)}
        generator.add_series("node_cpu_frequency_max_hertz", labels, generator.generate_integer(10**9, 5 * 10**9))
    for zone in range(generator.rng.choice((0, 1, 1, 3) if generator.oddity_rate else (0, 1))):
        labels = {**host.labels, "zone": str(zone), "type": "cpu-thermal"}
        generator.add_series("node_thermal_zone_temp", labels, generator.generate_float(-20, 100))
    if generator.happens(0.4):
        generator.add_series(
            "scaph_host_energy_microjoules_total", host.build_kubernetes_labels(), generator.generate_integer(0, 10**15)
        )


def _draw_interfaces(generator: FleetGenerator, host: GeneratedHost) -> None:
    for device in generator.rng.sample(INTERFACE_NAMES, generator.rng.randint(0, 3)):
        labels = {**host.labels, "device": generator.generate_name("if") if generator.is_odd(0.2) else device}
        duplex = generator.rng.choice(("full", "half", "unknown", ""))
        generator.add_series("node_network_info", {**labels, "duplex": duplex, "operstate": "up"})
        generator.add_series("node_network_up", labels, generator.rng.choice("01"))
        if generator.happens(0.8):
            speed = generator.rng.choice(("125000000", "1250000000", "-125000"))
            generator.add_series("node_network_speed_bytes", labels, speed)
        for address, netmask, scope in _pick_addresses(generator, host):
            address_labels = {"address": address, "netmask": netmask, "scope": scope}
            generator.add_series("node_network_address_info", {**labels, **address_labels})


def _pick_addresses(generator: FleetGenerator, host: GeneratedHost) -> list[tuple[str, str, str]]:
    choices = [
        (host.address, "24", "global"),
        ("192.168.1.7", "16", "global"),
        ("2001:db8::7", "64", "global"),
        ("fe80::1", "64", "link-local"),
    ]
    return generator.rng.sample(choices, generator.rng.randint(0, 3 if generator.oddity_rate else 1))


def _draw_devices(generator: FleetGenerator, host: GeneratedHost) -> None:
    for device in generator.rng.sample(MOUNTED_DEVICES, generator.rng.randint(0, 2)):
        name = generator.generate_name("dev") if generator.is_odd(0.2) else device
        labels = {**host.labels, "device": name, "resource_path": generator.rng.choice(RESOURCE_PATHS)}
        generator.add_series("node_mounted", labels, generator.rng.choice(("-1", "0", "1")))


def _draw_security(generator: FleetGenerator, host: GeneratedHost) -> None:
    if generator.happens(0.5):
        return
    # The module names hosts by name and address. Its other labels are those of the machine that it runs on, mostly the
    # controller's.
    labels = {"agent_hostname": host.name, "agent_ip": host.labels["net_host_name"], "icos_host_id": "scanner"}
    uid = "elsewhere" if generator.is_odd() else generator.rng.choice(("", "self", host.labels["k8s_cluster_uid"]))
    labels["k8s_cluster_uid"] = uid
    generator.add_series("SCA_score", labels, generator.generate_integer(0, 100))
    for severity in generator.rng.sample(SEVERITIES, generator.rng.randint(0, 5)):
        generator.add_series("vulnerabilities", {**labels, "severity": severity}, generator.generate_integer(0, 50))
