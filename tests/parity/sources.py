"""Which series could have given a value of the Go answer, how Go reads it, and which one ours should take."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal

from tests.parity.compare import Absent, Case, Json, Path
from tests.parity.owners import (
    OF_AGENTS_HOST,
    OF_HOST,
    OF_KUBELETS_POD,
    OF_POD,
    OF_SCANNED_HOST,
    UNAME,
    Identity,
    Way,
)
from tests.parity.telemetry import Series, is_finite

Read = Callable[[Series], Json]
Tiers = list[list[Series]]

HOST_LABELS = ("k8s_cluster_uid", "icos_host_id", "icos_host_name", "cluster", "node")
POD_LABELS = ("k8s_cluster_uid", "namespace", "pod", "uid", "icos_host_name", "node", "pod_ip", "phase")
KUBELETS_POD_LABELS = ("k8s_cluster_uid", "k8s_namespace_name", "k8s_pod_name", "k8s_pod_uid")
UNAME_LABELS = (
    *("cluster", "icos_agent_id", "icos_alpha_latitude", "icos_alpha_longitude", "icos_cluster_id"),
    *("icos_controller_id", "icos_host_id", "icos_host_name", "k8s_cluster_uid", "machine", "net_host_name"),
    *("node", "nodename"),
)


@dataclass(frozen=True)
class Kind:
    """A kind of value: how Go reads it, how ours does (None where it cannot be kept), how many bits Go has for it."""

    read: Read
    keep: Read
    bits: int = 64

    def fits(self, one: Series) -> bool:
        """Tell whether Go's integer can hold the value."""
        limit = 2.0 ** (self.bits - 1)
        return -limit <= one.number() < limit


@dataclass(frozen=True)
class Source:
    """The series that compete for one value: those that Go read, and those that ours may take.

    The latter come by owner (several pods may have one name), and of each owner the surest first.
    """

    kind: Kind
    go: list[Series]
    ours: list[Tiers]
    order: tuple[str, ...] = ()

    def read(self, value: Json) -> list[Series]:
        """Return the series from which Go would read this value."""
        return [one for one in self.go if _same(self.kind.read(one), value)]

    def all(self) -> list[Series]:
        """Return all competitors."""
        return [*self.go, *(one for owner in self.ours for tier in owner for one in tier)]

    def choices(self) -> list[Json]:
        """Return what ours may have by the documented rule: the largest, of equal ones the last by its labels.

        Where that cannot be kept it is what comes next, or nothing: of series that differ in no label that counts
        only the largest is looked at.
        """
        return [self._choice(owner) for owner in self.ours] or [Absent.ABSENT]

    def _choice(self, tiers: Tiers) -> Json:
        for tier in tiers:
            by_labels = {self._rank(one)[1]: one for one in sorted(tier, key=self._rank)}
            ranked = sorted(by_labels.values(), key=self._rank, reverse=True)
            kept = [value for one in ranked if (value := self.kind.keep(one)) is not None]
            if kept:
                return kept[0]
        return Absent.ABSENT

    def _rank(self, one: Series) -> tuple[float, tuple[str, ...]]:
        number = one.number()
        return (-math.inf if math.isnan(number) else number), tuple(one.label(label) for label in self.order)


def _same(one: Json, other: Json) -> bool:
    return type(one) is type(other) and bool(one == other)


def _integer(bits: int) -> Kind:
    """Return Go's conversion on amd64: towards zero, and the smallest integer for all that does not fit."""
    smallest = -(2 ** (bits - 1))

    def read(one: Series) -> Json:
        value = one.number()
        return int(value) if smallest <= value < -smallest else smallest

    return Kind(read, _whole, bits)


def _whole(one: Series) -> Json:
    value = one.number()
    return int(value) if -(2**63) <= value < 2**63 else None


def _amount(one: Series) -> Json:
    """Return the whole part of what there cannot be less than none of, None for less."""
    value = _whole(one)
    return None if value is None or value < 0 else value


def _cores_of(one: Series) -> Json:
    """Return the whole part of a number of cores, of which a negative fraction counts as negative, too."""
    return _amount(one) if one.number() >= 0 else None


def real(one: Series) -> Json:
    """Return the value as encoding/json prints it: whole numbers without a fraction."""
    return _printed(one.number())


def _joules(one: Series) -> Json:
    return _printed(one.number() / 1e6)


def _printed(value: float) -> Json:
    return int(Decimal(repr(value))) if value.is_integer() and abs(value) < 1e21 else value


def _finite(read: Read) -> Kind:
    return Kind(read, lambda one: read(one) if is_finite(one) else None)


def _label(name: str) -> Kind:
    return Kind(lambda one: one.label(name), lambda one: one.label(name) or None)


def _degrees(name: str) -> Kind:
    return Kind(lambda one: _by_parse_float(one.label(name)), lambda one: _decimal(one.label(name)))


def _by_parse_float(text: str) -> Json:
    """Return what Go's strconv.ParseFloat makes of the text, 0 for what it refuses."""
    if re.fullmatch(r"[+-]?0[xX].*[pP].*", text):
        return _printed(float.fromhex(text.replace("_", "")))
    return _decimal(text.replace("_", "")) or 0


def _decimal(text: str) -> Json:
    try:
        value = float(text) if re.fullmatch(r"[-+.0-9eE]+", text) else 0.0
    except ValueError:
        return None
    return _printed(value) if math.isfinite(value) and value else None


def _state_in_go(one: Series) -> Json:
    """Return the word for a mounted device: Go keeps the low eight bits of the value."""
    low = _integer(32).read(one) & 0xFF
    return {0xFF: "detached", 0: "busy", 1: "available"}.get(low, "unknown")


def _state(one: Series) -> Json:
    value = _whole(one)
    return None if value is None else {-1: "detached", 0: "busy", 1: "available"}.get(value, "unknown")


def _flag_in_go(one: Series) -> Json:
    return "up" if _integer(64).read(one) == 1 else "down"


def _flag(one: Series) -> Json:
    return _flag_in_go(one) if is_finite(one) else None


WHOLE, SMALL, REAL = _integer(64), _integer(32), _finite(real)
AMOUNT = replace(WHOLE, keep=_amount)
CORES, VULNERABILITIES = replace(SMALL, keep=_cores_of), replace(SMALL, keep=_amount)

OF_UNAME: dict[Path, Kind] = {
    ("name",): _label("nodename"),
    ("staticMetrics", "cpuArchitecture"): _label("machine"),
    ("location", "latitude"): _degrees("icos_alpha_latitude"),
    ("location", "longitude"): _degrees("icos_alpha_longitude"),
}
OWN: dict[Path, tuple[str, Kind, str]] = {
    ("staticMetrics", "cpuMaxFrequency"): ("node_cpu_frequency_max_hertz", AMOUNT, ""),
    ("dynamicMetrics", "cpuTemperature"): ("node_thermal_zone_temp", REAL, ""),
    ("dynamicMetrics", "freeRAM"): ("node_memory_MemFree_bytes", AMOUNT, ""),
}
JOINED: dict[Path, tuple[str, str, Kind]] = {
    ("staticMetrics", "cpuCores"): ("kube_node_status_capacity", "cpu", CORES),
    ("staticMetrics", "RAMMemory"): ("kube_node_status_capacity", "memory", AMOUNT),
    ("dynamicMetrics", "cpuEnergyConsumption"): ("scaph_host_energy_microjoules_total", "", _finite(_joules)),
}
PER_DEVICE: dict[Path, tuple[str, Kind, str]] = {
    ("networkInterfaces", "speed"): ("node_network_speed_bytes", WHOLE, ""),
    ("networkInterfaces", "status"): ("node_network_up", Kind(_flag_in_go, _flag), ""),
    ("networkInterfaces", "type"): ("node_network_info", _label("duplex"), "duplex"),
    ("networkInterfaces", "ip"): ("node_network_address_info", _label("address"), "address"),
    ("networkInterfaces", "subnetMask"): ("node_network_address_info", _label("netmask"), "netmask"),
    ("devices", "status"): ("node_mounted", Kind(_state_in_go, _state, 32), "resource_path"),
    ("devices", "path"): ("node_mounted", _label("resource_path"), "resource_path"),
}


def source(case: Case, path: Path) -> Source | None:
    """Return where the Go value at `path` came from, or None for a path that no value competes for."""
    if len(path) > 4 and path[2] == "node":
        return _of_node(case, path)
    if len(path) > 4 and path[2] == "pod":
        return _of_pod(case, path)
    return None


def _of_node(case: Case, path: Path) -> Source | None:
    rest, unames = path[4:], unames_of(case, path)
    identity = case.hosts.identity(unames[0]) if unames else None
    if identity is None:
        return None
    if rest in OF_UNAME:
        return Source(OF_UNAME[rest], unames, [[unames]], UNAME_LABELS)
    if rest in JOINED:
        return _joined(case, path, identity, rest)
    if rest[0] in ("ScaScore", "vulnerabilities"):
        return _scanned(case, identity, unames, rest)
    return _own(case, path, identity)


def unames_of(case: Case, path: Path) -> list[Series]:
    """Return the node_uname_info of the Go answer's node in which the path lies."""
    host_id, cluster = case.node(path).get("uuid", ""), case.cluster(path)
    found = case.telemetry.of(UNAME, icos_host_id=host_id)
    if cluster.get("type") == "ocm" and case.node(path).get("type") == "ocm":
        found = [one for one in found if one.label("k8s_cluster_uid") == cluster.get("uuid", "")]
    return [one for one in found if host_id or one.label("nodename") == path[3]]


def _own(case: Case, path: Path, identity: Identity) -> Source | None:
    """Return the series that carry the host's machine id; those of a device carry its name, too."""
    rest, host_id = path[4:], case.node(path).get("uuid", "")
    device = {"device": rest[1]} if rest[::2] in PER_DEVICE else {}
    metric, kind, label = PER_DEVICE.get(rest[::2]) or OWN.get(rest) or ("", WHOLE, "")
    told = case.telemetry.of(metric, **device)
    go = [one for one in told if one.label("icos_host_id") == host_id]
    return Source(kind, go, [case.hosts.tiers(identity, OF_HOST, told)], (*HOST_LABELS, label)) if metric else None


def _joined(case: Case, path: Path, identity: Identity, rest: Path) -> Source:
    """Return the series of the host's agent and ICOS name; Go multiplies by the value of node_uname_info."""
    metric, resource, kind = JOINED[rest]
    told = case.telemetry.of(metric, resource=resource)
    factors = {_agent_and_name(one): one.number() for one in unames_of(case, path)}
    go = [
        replace(one, value=repr(one.number() * factors[_agent_and_name(one)]))
        for one in told
        if _agent_and_name(one) in factors
    ]
    tiers = case.hosts.tiers(identity, OF_AGENTS_HOST, told)
    if resource == "cpu":
        tiers += _cores(case.hosts.tiers(identity, OF_HOST, case.telemetry.of("node_cpu_seconds_total", mode="idle")))
    if resource == "memory":
        tiers += case.hosts.tiers(identity, OF_HOST, case.telemetry.of("node_memory_MemTotal_bytes"))
    return Source(kind, go, [tiers], ("icos_agent_id", *HOST_LABELS))


def _agent_and_name(one: Series) -> tuple[str, str]:
    return one.label("icos_agent_id"), one.label("icos_host_name")


def _cores(tiers: Tiers) -> Tiers:
    """Return, for each way of naming the host, how many cores it names."""
    counted = []
    for tier in tiers:
        by_host: dict[tuple[str, ...], set[str]] = {}
        for one in tier:
            by_host.setdefault(tuple(one.label(label) for label in HOST_LABELS), set()).add(one.label("cpu"))
        counted.append([Series("cores", (), str(len(cores))) for cores in by_host.values()])
    return counted


def _scanned(case: Case, identity: Identity, unames: list[Series], rest: Path) -> Source:
    """Return the series that name the host by address and name."""
    of = case.telemetry.of
    is_score = len(rest) == 1
    told = of("SCA_score") if is_score else of("vulnerabilities", severity=rest[1])
    names = {(one.label("nodename"), one.label("net_host_name")) for one in unames}
    go = [one for one in told if (one.label("agent_hostname"), one.label("agent_ip")) in names]
    placed = [(one, *case.hosts.whose(one, OF_SCANNED_HOST)) for one in told]
    tiers = [[one for one, at, owners in placed if at == number and identity in owners] for number in range(2)]
    return Source(SMALL if is_score else VULNERABILITIES, go, [[tier for tier in tiers if tier]])


def memory(case: Case, hosts: list[Identity], metric: str, go: list[Series]) -> Source:
    """Return where memory comes from over gRPC, where the host itself is asked before Kubernetes."""
    tiers = [case.hosts.tiers(host, OF_HOST, case.telemetry.of(metric)) for host in hosts]
    if metric.endswith("MemTotal_bytes"):
        capacity = case.telemetry.of("kube_node_status_capacity", resource="memory")
        tiers = [
            tier + case.hosts.tiers(host, OF_AGENTS_HOST, capacity) for tier, host in zip(tiers, hosts, strict=True)
        ]
    return Source(AMOUNT, go, tiers, HOST_LABELS)


def _of_pod(case: Case, path: Path) -> Source | None:
    pod, rest = path[3], path[4:]
    told = case.telemetry.of
    if rest == ("ip",):
        return _pods_own(case, path, told("kube_pod_info", pod=pod), _label("pod_ip"), OF_POD)
    if rest == ("status",):
        phases = [one for one in told("kube_pod_status_phase", pod=pod) if one.number() == 1]
        return _pods_own(case, path, phases, _label("phase"), OF_POD)
    if len(rest) == 3 and rest[2] == "cpuUsage":
        used = told("container_cpu_utilization_ratio", k8s_container_name=rest[1])
        return _pods_own(case, path, used, REAL, OF_KUBELETS_POD)
    return None


def _pods_own(case: Case, path: Path, told: list[Series], kind: Kind, ways: tuple[Way, ...]) -> Source:
    named = "k8s_pod_name" if ways is OF_KUBELETS_POD else "pod"
    go = case.in_cluster(path, [one for one in told if one.label(named) == path[3]])
    tiers = [case.pods.tiers(pod, ways, told) for pod in pods_of(case, path)]
    return Source(kind, go, tiers, KUBELETS_POD_LABELS if ways is OF_KUBELETS_POD else POD_LABELS)


def pods_of(case: Case, path: Path) -> list[Identity]:
    """Return all pods of the name of the Go answer's pod in which the path lies, in its cluster."""
    return [
        identity
        for identity, found in case.pods.told_by.items()
        if case.in_cluster(path, [one for one in found if one.label("pod") == path[3]])
    ]
