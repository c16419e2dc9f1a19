"""Which series could have given a value of the Go answer, how Go reads it, and which one ours should take."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal

from tests.parity.comparison import Absent, ComparisonCase, Json, Path
from tests.parity.entities import (
    AGENT_HOST_MATCHES,
    HOST_MATCHES,
    KUBELET_POD_MATCHES,
    POD_MATCHES,
    SCANNED_HOST_MATCHES,
    UNAME_METRIC,
    Identity,
)
from tests.parity.fleet_telemetry import FleetSeries, is_finite

ValueReader = Callable[[FleetSeries], Json]
RankedSeries = list[list[FleetSeries]]

HOST_LABELS = ("k8s_cluster_uid", "icos_host_id", "icos_host_name", "cluster", "node")
POD_LABELS = ("k8s_cluster_uid", "namespace", "pod", "uid", "icos_host_name", "node", "pod_ip")
PHASE_LABELS = ("k8s_cluster_uid", "namespace", "pod", "phase")
KUBELET_LABELS = ("k8s_cluster_uid", "k8s_namespace_name", "k8s_pod_name")
UNAME_LABELS = (
    *("cluster", "icos_agent_id", "icos_alpha_latitude", "icos_alpha_longitude", "icos_cluster_id"),
    *("icos_controller_id", "icos_host_id", "icos_host_name", "k8s_cluster_uid", "machine", "net_host_name"),
    *("node", "nodename"),
)


@dataclass(frozen=True)
class ValueKind:
    """A kind of value: how Go reads it, how ours does (None where it cannot be kept), how many bits Go has for it.

    Of values that are not `below` a limit, ours takes one only if there is no other.
    """

    read: ValueReader
    keep: ValueReader
    go_bits: int = 64
    below: float | None = None

    def fits_go_integer(self, one: FleetSeries) -> bool:
        """Tell whether Go's integer can hold the value."""
        limit = 2.0 ** (self.go_bits - 1)
        return -limit <= one.parse_value() < limit


@dataclass(frozen=True)
class ValueCandidates:
    """The series that compete for one value: those that Go read, and those that ours may take.

    The latter come by entity (several pods may have one name), and of each entity the surest first.
    """

    kind: ValueKind
    go_series: list[FleetSeries]
    gateway_series: list[RankedSeries]
    label_order: tuple[str, ...] = ()

    def find_matching(self, value: Json) -> list[FleetSeries]:
        """Return the series from which Go would read this value."""
        return [one for one in self.go_series if _is_same_value(self.kind.read(one), value)]

    def list_all(self) -> list[FleetSeries]:
        """Return all competitors."""
        return [*self.go_series, *(one for entity in self.gateway_series for tier in entity for one in tier)]

    def list_expected_values(self) -> list[Json]:
        """Return what ours may have by the documented rule: the largest, of equal ones the last by its labels.

        Where that cannot be kept it is what comes next, or nothing: of series that differ in no label that counts
        only the largest is looked at.
        """
        return [self._select_value(entity) for entity in self.gateway_series] or [Absent.ABSENT]

    def _select_value(self, tiers: RankedSeries) -> Json:
        for tier in tiers:
            by_labels = {self._rank_series(one)[1]: one for one in sorted(tier, key=self._rank_series)}
            ranked = sorted(by_labels.values(), key=self._rank_series, reverse=True)
            kept = [value for one in ranked if (value := self.kind.keep(one)) is not None]
            if kept:
                return kept[0]
        return Absent.ABSENT

    def _rank_series(self, one: FleetSeries) -> tuple[tuple[bool, float], tuple[str, ...]]:
        number = one.parse_value()
        is_in_range = self.kind.below is None or number < self.kind.below
        rank = (is_in_range, -math.inf if math.isnan(number) else number)
        return rank, tuple(one.get_label(label) for label in self.label_order)


def _is_same_value(one: Json, other: Json) -> bool:
    return type(one) is type(other) and bool(one == other)


def _build_integer_kind(bits: int) -> ValueKind:
    """Return Go's conversion on amd64: towards zero, and the smallest integer for all that does not fit."""
    smallest = -(2 ** (bits - 1))

    def read(one: FleetSeries) -> Json:
        value = one.parse_value()
        return int(value) if smallest <= value < -smallest else smallest

    return ValueKind(read, _read_integer, bits, 2.0**63)


def _read_integer(one: FleetSeries) -> Json:
    value = one.parse_value()
    return int(value) if -(2**63) <= value < 2**63 else None


def _read_amount(one: FleetSeries) -> Json:
    """Return the whole part of what there cannot be less than none of, None for less."""
    value = _read_integer(one)
    return None if value is None or value < 0 else value


def _read_cores(one: FleetSeries) -> Json:
    """Return the whole part of a number of cores, of which a negative fraction counts as negative, too."""
    return _read_amount(one) if one.parse_value() >= 0 else None


def read_float(one: FleetSeries) -> Json:
    """Return the value as encoding/json prints it: whole numbers without a fraction."""
    return _to_json_number(one.parse_value())


def _read_joules(one: FleetSeries) -> Json:
    return _to_json_number(one.parse_value() / 1e6)


def _to_json_number(value: float) -> Json:
    return int(Decimal(repr(value))) if value.is_integer() and abs(value) < 1e21 else value


def _build_finite_kind(read: ValueReader) -> ValueKind:
    return ValueKind(read, lambda one: read(one) if is_finite(one) else None)


def _build_label_kind(name: str) -> ValueKind:
    return ValueKind(lambda one: one.get_label(name), lambda one: one.get_label(name) or None)


def _build_degrees_kind(name: str) -> ValueKind:
    return ValueKind(lambda one: _parse_go_float(one.get_label(name)), lambda one: _parse_decimal(one.get_label(name)))


def _parse_go_float(text: str) -> Json:
    """Return what Go's strconv.ParseFloat makes of the text, 0 for what it refuses."""
    if re.fullmatch(r"[+-]?0[xX].*[pP].*", text):
        return _to_json_number(float.fromhex(text.replace("_", "")))
    return _parse_decimal(text.replace("_", "")) or 0


def _parse_decimal(text: str) -> Json:
    try:
        value = float(text) if re.fullmatch(r"[-+.0-9eE]+", text) else 0.0
    except ValueError:
        return None
    return _to_json_number(value) if math.isfinite(value) and value else None


def _read_go_state(one: FleetSeries) -> Json:
    """Return the word for a mounted device: Go keeps the low eight bits of the value."""
    low = _build_integer_kind(32).read(one) & 0xFF
    return {0xFF: "detached", 0: "busy", 1: "available"}.get(low, "unknown")


def _read_state(one: FleetSeries) -> Json:
    value = _read_integer(one)
    return None if value is None else {-1: "detached", 0: "busy", 1: "available"}.get(value, "unknown")


def _read_go_flag(one: FleetSeries) -> Json:
    return "up" if _build_integer_kind(64).read(one) == 1 else "down"


def _read_flag(one: FleetSeries) -> Json:
    return _read_go_flag(one) if is_finite(one) else None


INTEGER_64, INTEGER_32, FLOAT = _build_integer_kind(64), _build_integer_kind(32), _build_finite_kind(read_float)
AMOUNT = replace(INTEGER_64, keep=_read_amount)
CORES, VULNERABILITIES = replace(INTEGER_32, keep=_read_cores), replace(INTEGER_32, keep=_read_amount)

UNAME_FIELDS: dict[Path, ValueKind] = {
    ("name",): _build_label_kind("nodename"),
    ("staticMetrics", "cpuArchitecture"): _build_label_kind("machine"),
    ("location", "latitude"): _build_degrees_kind("icos_alpha_latitude"),
    ("location", "longitude"): _build_degrees_kind("icos_alpha_longitude"),
}
HOST_FIELDS: dict[Path, tuple[str, ValueKind, str]] = {
    ("staticMetrics", "cpuMaxFrequency"): ("node_cpu_frequency_max_hertz", AMOUNT, ""),
    ("dynamicMetrics", "cpuTemperature"): ("node_thermal_zone_temp", FLOAT, ""),
    ("dynamicMetrics", "freeRAM"): ("node_memory_MemFree_bytes", AMOUNT, ""),
}
JOINED_FIELDS: dict[Path, tuple[str, str, ValueKind]] = {
    ("staticMetrics", "cpuCores"): ("kube_node_status_capacity", "cpu", CORES),
    ("staticMetrics", "RAMMemory"): ("kube_node_status_capacity", "memory", AMOUNT),
    ("dynamicMetrics", "cpuEnergyConsumption"): (
        "scaph_host_energy_microjoules_total",
        "",
        _build_finite_kind(_read_joules),
    ),
}
DEVICE_FIELDS: dict[Path, tuple[str, ValueKind, str]] = {
    ("networkInterfaces", "speed"): ("node_network_speed_bytes", INTEGER_64, ""),
    ("networkInterfaces", "status"): ("node_network_up", ValueKind(_read_go_flag, _read_flag), ""),
    ("networkInterfaces", "type"): ("node_network_info", _build_label_kind("duplex"), "duplex"),
    ("networkInterfaces", "ip"): ("node_network_address_info", _build_label_kind("address"), "address"),
    ("networkInterfaces", "subnetMask"): ("node_network_address_info", _build_label_kind("netmask"), "netmask"),
    ("devices", "status"): ("node_mounted", ValueKind(_read_go_state, _read_state, 32, 2.0**63), "resource_path"),
    ("devices", "path"): ("node_mounted", _build_label_kind("resource_path"), "resource_path"),
}


def find_candidates(case: ComparisonCase, path: Path) -> ValueCandidates | None:
    """Return where the Go value at `path` came from, or None for a path that no value competes for."""
    if len(path) > 4 and path[2] == "node":
        return _find_node_candidates(case, path)
    if len(path) > 4 and path[2] == "pod":
        return _find_pod_candidates(case, path)
    return None


def _find_node_candidates(case: ComparisonCase, path: Path) -> ValueCandidates | None:
    rest, unames = path[4:], find_uname_series(case, path)
    identity = case.hosts.find_identity(unames[0]) if unames else None
    if identity is None:
        return None
    if rest in UNAME_FIELDS:
        return ValueCandidates(UNAME_FIELDS[rest], unames, [[unames]], UNAME_LABELS)
    if rest in JOINED_FIELDS:
        return _find_joined_candidates(case, path, identity, rest)
    if rest[0] in ("ScaScore", "vulnerabilities"):
        return _find_scan_candidates(case, identity, unames, rest)
    return _find_host_candidates(case, path, identity)


def find_uname_series(case: ComparisonCase, path: Path) -> list[FleetSeries]:
    """Return the node_uname_info of the Go answer's node in which the path lies."""
    host_id, cluster = case.find_node(path).get("uuid", ""), case.find_cluster(path)
    found = case.telemetry.find_series(UNAME_METRIC, icos_host_id=host_id)
    if cluster.get("type") == "ocm" and case.find_node(path).get("type") == "ocm":
        found = [one for one in found if one.get_label("k8s_cluster_uid") == cluster.get("uuid", "")]
    # Go may key a Nuvla node by the ID of an agent.
    names = {path[3], case.find_node(path).get("name", "")}
    return [one for one in found if host_id or one.get_label("nodename") in names]


def _find_host_candidates(case: ComparisonCase, path: Path, identity: Identity) -> ValueCandidates | None:
    """Return the series that carry the host's machine id; those of a device carry its name, too."""
    rest, host_id = path[4:], case.find_node(path).get("uuid", "")
    device = {"device": rest[1]} if rest[::2] in DEVICE_FIELDS else {}
    metric, kind, label = DEVICE_FIELDS.get(rest[::2]) or HOST_FIELDS.get(rest) or ("", INTEGER_64, "")
    samples = case.telemetry.find_series(metric, **device)
    go = [one for one in samples if one.get_label("icos_host_id") == host_id]
    return (
        ValueCandidates(kind, go, [case.hosts.rank_series(identity, HOST_MATCHES, samples)], (*HOST_LABELS, label))
        if metric
        else None
    )


def _find_joined_candidates(case: ComparisonCase, path: Path, identity: Identity, rest: Path) -> ValueCandidates:
    """Return the series of the host's agent and ICOS name; Go multiplies by the value of node_uname_info."""
    metric, resource, kind = JOINED_FIELDS[rest]
    samples = case.telemetry.find_series(metric, resource=resource)
    factors = {_get_agent_and_name(one): one.parse_value() for one in find_uname_series(case, path)}
    go = [
        replace(one, value=repr(one.parse_value() * factors[_get_agent_and_name(one)]))
        for one in samples
        if _get_agent_and_name(one) in factors
    ]
    tiers = case.hosts.rank_series(identity, AGENT_HOST_MATCHES, samples)
    if resource == "cpu":
        tiers += _count_cores(
            case.hosts.rank_series(
                identity, HOST_MATCHES, case.telemetry.find_series("node_cpu_seconds_total", mode="idle")
            )
        )
    if resource == "memory":
        tiers += case.hosts.rank_series(
            identity, HOST_MATCHES, case.telemetry.find_series("node_memory_MemTotal_bytes")
        )
    return ValueCandidates(kind, go, [tiers], ("icos_agent_id", *HOST_LABELS))


def _get_agent_and_name(one: FleetSeries) -> tuple[str, str]:
    return one.get_label("icos_agent_id"), one.get_label("icos_host_name")


def _count_cores(tiers: RankedSeries) -> RankedSeries:
    """Return, for each way of naming the host, how many cores it names."""
    counted = []
    for tier in tiers:
        by_host: dict[tuple[str, ...], set[str]] = {}
        for one in tier:
            by_host.setdefault(tuple(one.get_label(label) for label in HOST_LABELS), set()).add(one.get_label("cpu"))
        counted.append([FleetSeries("cores", (), str(len(cores))) for cores in by_host.values()])
    return counted


def _find_scan_candidates(
    case: ComparisonCase, identity: Identity, unames: list[FleetSeries], rest: Path
) -> ValueCandidates:
    """Return the series that name the host by address and name."""
    of = case.telemetry.find_series
    is_score = len(rest) == 1
    samples = of("SCA_score") if is_score else of("vulnerabilities", severity=rest[1])
    names = {(one.get_label("nodename"), one.get_label("net_host_name")) for one in unames}
    go = [one for one in samples if (one.get_label("agent_hostname"), one.get_label("agent_ip")) in names]
    owned = [(one, *case.hosts.find_entities(one, SCANNED_HOST_MATCHES)) for one in samples]
    tiers = [[one for one, at, entities in owned if at == number and identity in entities] for number in range(2)]
    return ValueCandidates(INTEGER_32 if is_score else VULNERABILITIES, go, [[tier for tier in tiers if tier]])


def find_memory_candidates(
    case: ComparisonCase, hosts: list[Identity], metric: str, go: list[FleetSeries]
) -> ValueCandidates:
    """Return where memory comes from over gRPC, where the host itself is asked before Kubernetes."""
    tiers = [case.hosts.rank_series(host, HOST_MATCHES, case.telemetry.find_series(metric)) for host in hosts]
    if metric.endswith("MemTotal_bytes"):
        capacity = case.telemetry.find_series("kube_node_status_capacity", resource="memory")
        tiers = [
            tier + case.hosts.rank_series(host, AGENT_HOST_MATCHES, capacity)
            for tier, host in zip(tiers, hosts, strict=True)
        ]
    return ValueCandidates(AMOUNT, go, tiers, HOST_LABELS)


def _find_pod_candidates(case: ComparisonCase, path: Path) -> ValueCandidates | None:
    pod, rest = path[3], path[4:]
    find_series = case.telemetry.find_series
    if rest == ("ip",):
        return _find_own_pod_candidates(
            case, path, find_series("kube_pod_info", pod=pod), _build_label_kind("pod_ip"), POD_LABELS
        )
    if rest == ("status",):
        phases = [one for one in find_series("kube_pod_status_phase", pod=pod) if one.parse_value() == 1]
        return _find_own_pod_candidates(case, path, phases, _build_label_kind("phase"), PHASE_LABELS)
    if len(rest) == 3 and rest[2] == "cpuUsage":
        used = find_series("container_cpu_utilization_ratio", k8s_container_name=rest[1])
        return _find_own_pod_candidates(case, path, used, FLOAT, KUBELET_LABELS)
    return None


def _find_own_pod_candidates(
    case: ComparisonCase, path: Path, samples: list[FleetSeries], kind: ValueKind, label_order: tuple[str, ...]
) -> ValueCandidates:
    is_kubelet = label_order is KUBELET_LABELS
    name_label, matches = ("k8s_pod_name", KUBELET_POD_MATCHES) if is_kubelet else ("pod", POD_MATCHES)
    go = case.filter_by_cluster(path, [one for one in samples if one.get_label(name_label) == path[3]])
    tiers = [case.pods.rank_series(pod, matches, samples) for pod in find_pods(case, path)]
    return ValueCandidates(kind, go, tiers, label_order)


def find_pods(case: ComparisonCase, path: Path) -> list[Identity]:
    """Return all pods of the name of the Go answer's pod in which the path lies, in its cluster."""
    return [
        identity
        for identity, found in case.pods.series_by_identity.items()
        if case.filter_by_cluster(path, [one for one in found if one.get_label("pod") == path[3]])
    ]
