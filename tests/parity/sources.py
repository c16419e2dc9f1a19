"""Which series could have given a value of the Go answer: the same path, the same host, the same device."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from tests.parity.compare import Case, Json, Path
from tests.parity.telemetry import Series, Telemetry


@dataclass(frozen=True)
class Source:
    """The series that compete for one value, and how the Go service reads a value from one of them."""

    found: list[Series]
    read: Callable[[Series], Json]

    def values(self) -> list[Json]:
        """Return what each series would give."""
        return [self.read(one) for one in self.found]


def integer(bits: int) -> Callable[[Series], Json]:
    """Return the conversion of Go on amd64: towards zero, and the smallest integer for all that does not fit."""
    smallest = -(2 ** (bits - 1))

    def read(one: Series) -> Json:
        value = one.number()
        return int(value) if smallest <= value < -smallest else smallest

    return read


def real(one: Series) -> Json:
    """Return the value as encoding/json prints it: whole numbers without a fraction."""
    return _printed(one.number())


def joules(one: Series) -> Json:
    """Return microjoules as joules."""
    return _printed(one.number() / 1e6)


def _printed(value: float) -> Json:
    return int(Decimal(repr(value))) if value.is_integer() and abs(value) < 1e21 else value


def label(name: str) -> Callable[[Series], Json]:
    """Return the reading of a label."""
    return lambda one: one.label(name)


def status_of_device(one: Series) -> Json:
    """Return the word for a mounted device: Go keeps the low eight bits of the value."""
    low = integer(32)(one) & 0xFF
    return {0xFF: "detached", 0: "busy", 1: "available"}.get(low, "unknown")


def status_of_interface(one: Series) -> Json:
    """Return the word for an interface."""
    return "up" if integer(64)(one) == 1 else "down"


NODE = {
    ("name",): ("node_uname_info", label("nodename")),
    ("uuid",): ("node_uname_info", label("icos_host_id")),
    ("staticMetrics", "cpuArchitecture"): ("node_uname_info", label("machine")),
    ("staticMetrics", "cpuMaxFrequency"): ("node_cpu_frequency_max_hertz", integer(64)),
    ("dynamicMetrics", "cpuTemperature"): ("node_thermal_zone_temp", real),
    ("dynamicMetrics", "freeRAM"): ("node_memory_MemFree_bytes", integer(64)),
}
JOINED = {
    ("staticMetrics", "cpuCores"): ("kube_node_status_capacity", "cpu", integer(32)),
    ("staticMetrics", "RAMMemory"): ("kube_node_status_capacity", "memory", integer(64)),
    ("dynamicMetrics", "cpuEnergyConsumption"): ("scaph_host_energy_microjoules_total", "", joules),
}
PER_DEVICE = {
    ("networkInterfaces", "speed"): ("node_network_speed_bytes", integer(64)),
    ("networkInterfaces", "status"): ("node_network_up", status_of_interface),
    ("networkInterfaces", "type"): ("node_network_info", label("duplex")),
    ("networkInterfaces", "ip"): ("node_network_address_info", label("address")),
    ("networkInterfaces", "subnetMask"): ("node_network_address_info", label("netmask")),
    ("devices", "status"): ("node_mounted", status_of_device),
    ("devices", "path"): ("node_mounted", label("resource_path")),
}


def source(case: Case, path: Path) -> Source | None:
    """Return where the Go value at `path` came from, or None for a path that no value competes for."""
    if len(path) > 4 and path[2] == "node":
        return _of_node(case.telemetry, case.host_id(path), path[4:])
    if len(path) > 4 and path[2] == "pod":
        return _of_pod(case, path)
    return None


def _of_node(telemetry: Telemetry, host_id: str, rest: Path) -> Source | None:
    if rest in NODE:
        metric, read = NODE[rest]
        return Source(_own(telemetry, host_id, telemetry.of(metric)), read)
    if rest in JOINED:
        metric, resource, read = JOINED[rest]
        return Source(_joined(telemetry, host_id, telemetry.of(metric, resource=resource)), read)
    if len(rest) == 3 and (rest[0], rest[2]) in PER_DEVICE:
        metric, read = PER_DEVICE[rest[0], rest[2]]
        return Source(_own(telemetry, host_id, telemetry.of(metric, device=rest[1])), read)
    if rest[0] in ("ScaScore", "vulnerabilities"):
        severity = {"severity": rest[1]} if len(rest) == 2 else {}
        scanned = telemetry.of("vulnerabilities" if severity else "SCA_score", **severity)
        return Source(_scanned(telemetry, host_id, scanned), integer(32))
    return None


def _own(telemetry: Telemetry, host_id: str, found: list[Series]) -> list[Series]:
    """Keep the series with the host's machine id; ours finds the host by its ICOS name, too, where there is no id."""
    names = {one.label("icos_host_name") for one in telemetry.of("node_uname_info", icos_host_id=host_id)}
    ours = {("", name) for name in names if name}
    return [
        one
        for one in found
        if one.label("icos_host_id") == host_id or (one.label("icos_host_id"), one.label("icos_host_name")) in ours
    ]


def _joined(telemetry: Telemetry, host_id: str, found: list[Series]) -> list[Series]:
    """Keep the series of the host's agent and ICOS name: kube-state-metrics knows no machine ids."""
    names = {_agent_and_name(one) for one in telemetry.of("node_uname_info", icos_host_id=host_id)}
    return [one for one in found if _agent_and_name(one) in names]


def _agent_and_name(one: Series) -> tuple[str, str]:
    return one.label("icos_agent_id"), one.label("icos_host_name")


def _scanned(telemetry: Telemetry, host_id: str, found: list[Series]) -> list[Series]:
    hosts = telemetry.of("node_uname_info", icos_host_id=host_id)
    names = {(one.label("nodename"), one.label("net_host_name")) for one in hosts}
    return [one for one in found if (one.label("agent_hostname"), one.label("agent_ip")) in names]


def _of_pod(case: Case, path: Path) -> Source | None:
    pod, rest = path[3], path[4:]
    if rest == ("ip",):
        return Source(case.in_cluster(path, case.telemetry.of("kube_pod_info", pod=pod)), label("pod_ip"))
    if rest == ("status",):
        phases = case.in_cluster(path, case.telemetry.of("kube_pod_status_phase", pod=pod))
        return Source([one for one in phases if one.number() == 1], label("phase"))
    if len(rest) == 3 and rest[2] == "cpuUsage":
        labels = {"k8s_pod_name": pod, "k8s_container_name": rest[1]}
        used = case.telemetry.of("container_cpu_utilization_ratio", **labels)
        return Source(case.in_cluster(path, used), real)
    if len(rest) == 3 and rest[2] == "node":
        told = case.telemetry.of("kube_pod_container_info", pod=pod, container=rest[1])
        return Source(case.in_cluster(path, told), label("icos_host_id"))
    return None
