"""The documented differences: each has its row of docs/parity.md and a condition; what meets none is a break.

A condition looks at the telemetry and at both values: Go's must be what Go reads from some series, ours what the
documented rule takes from all of them.
"""

import ipaddress
from collections.abc import Callable

from tests.parity.comparison import Absent, ComparisonCase, Deviation, Json, list_namespaces
from tests.parity.documented_differences import DocumentedDifference
from tests.parity.entities import AGENT_HOST_MATCHES, HOST_MATCHES, POD_HOST_MATCHES, POD_MATCHES, UNAME_METRIC
from tests.parity.fleet_telemetry import FleetSeries, is_finite
from tests.parity.value_candidates import (
    DEVICE_FIELDS,
    ValueCandidates,
    find_candidates,
    find_pods,
    find_uname_series,
    read_float,
)

ValueCondition = Callable[[ComparisonCase, Deviation, ValueCandidates], bool]


def find_documented_difference(case: ComparisonCase, deviation: Deviation) -> DocumentedDifference | None:
    """Return the row of the documented difference that this is, or None for a break."""
    if deviation.difference:
        return deviation.difference
    for row, is_met in PATH_RULES.items():
        if is_met(case, deviation):
            return row
    found = find_candidates(case, deviation.path)
    if found is None or not found.find_matching(deviation.go):
        return None
    if len(found.gateway_series) > 1 and deviation.go in found.list_expected_values():
        return None  # it is the choice for one of several pods of that name, and none of ours has it
    return next((row for row, is_met in VALUE_RULES.items() if is_met(case, deviation, found)), None)


def _is_expected_choice(deviation: Deviation, found: ValueCandidates) -> bool:
    """Tell whether ours is what the documented rule takes; 0 is printed by leaving it out, but for vulnerabilities."""
    choices = found.list_expected_values()
    if deviation.ours is Absent.ABSENT:
        return Absent.ABSENT in choices or (0 in choices and "vulnerabilities" not in deviation.path)
    return any(type(one) is type(deviation.ours) and one == deviation.ours for one in choices)


def _is_not_finite(_case: ComparisonCase, deviation: Deviation, found: ValueCandidates) -> bool:
    """Go read NaN or infinity."""
    return _is_expected_choice(deviation, found) and not all(
        is_finite(one) for one in found.find_matching(deviation.go)
    )


def _is_out_of_range(_case: ComparisonCase, deviation: Deviation, found: ValueCandidates) -> bool:
    """Go read a number that its integer cannot hold."""
    return _is_expected_choice(deviation, found) and not all(
        found.kind.fits_go_integer(one) for one in found.find_matching(deviation.go)
    )


def _is_above_total(case: ComparisonCase, deviation: Deviation, found: ValueCandidates) -> bool:
    """Go shows more free memory than there is; ours shows the memory size of the host."""
    if deviation.path[-1] != "freeRAM" or not isinstance(deviation.go, int) or not isinstance(deviation.ours, int):
        return False
    totals = [
        *case.telemetry.find_series("node_memory_MemTotal_bytes"),
        *case.telemetry.find_series("kube_node_status_capacity", resource="memory"),
    ]
    sizes = {int(one.parse_value()) for one in totals if is_finite(one)}
    choices = [value for value in found.list_expected_values() if isinstance(value, int)]
    return deviation.ours in sizes and any(deviation.ours < value for value in choices)


def _is_negative(_case: ComparisonCase, deviation: Deviation, found: ValueCandidates) -> bool:
    """Go shows fewer than none; ours keeps no such number, and has what comes next, or nothing."""
    is_below = isinstance(deviation.go, int) and deviation.go < 0
    is_refused = all(found.kind.keep(one) is None for one in found.find_matching(deviation.go))
    return is_below and is_refused and _is_expected_choice(deviation, found)


def _is_low_bits(_case: ComparisonCase, deviation: Deviation, found: ValueCandidates) -> bool:
    """Go read a device's state from the lowest bits of some other number."""
    states = (-1, 0, 1)
    is_state = [
        int(one.parse_value()) in states for one in found.find_matching(deviation.go) if found.kind.fits_go_integer(one)
    ]
    return deviation.path[4:5] == ("devices",) and not all(is_state) and _is_expected_choice(deviation, found)


def _is_warmest(_case: ComparisonCase, deviation: Deviation, found: ValueCandidates) -> bool:
    """Several thermal zones: ours is the highest."""
    is_temperature = deviation.path[-1] == "cpuTemperature"
    return is_temperature and len(found.list_all()) > 1 and _is_expected_choice(deviation, found)


def _is_first_address(_case: ComparisonCase, deviation: Deviation, found: ValueCandidates) -> bool:
    """Several addresses: ours is one of the best kind that is there, and the mask is that address's own."""
    if deviation.path[-1] not in ("ip", "subnetMask") or deviation.path[2] != "node" or len(found.list_all()) < 2:
        return False
    best = min(_rank_address(one) for one in found.list_all())
    chosen = [one for one in found.list_all() if one.get_label("address") == deviation.context.get("ip", "")]
    masks = {one.get_label("netmask") for one in chosen}
    return any(_rank_address(one) == best for one in chosen) and deviation.context.get("subnetMask", "") in masks


def _rank_address(one: FleetSeries) -> int:
    """Return 0 for a global IPv4 address, 1 for a global IPv6 one, 2 for the rest, 3 for what is no address."""
    try:
        address = ipaddress.ip_address(one.get_label("address"))
    except ValueError:
        return 3
    if address.is_link_local or address.is_loopback:
        return 2
    return 0 if address.version == 4 else 1


def _is_scaled(case: ComparisonCase, deviation: Deviation, found: ValueCandidates) -> bool:
    """Go multiplied by a node_uname_info that is not 1."""
    factors = {one.value for one in case.telemetry.find_series("node_uname_info")}
    measured = found.kind.read
    plain = {measured(one) for tiers in found.gateway_series for tier in tiers for one in tier}
    is_scaled = deviation.path[-1] in ("cpuCores", "RAMMemory", "cpuEnergyConsumption") and deviation.go not in plain
    return factors != {"1"} and is_scaled and _is_expected_choice(deviation, found)


def _lacks_join_labels(_case: ComparisonCase, deviation: Deviation, found: ValueCandidates) -> bool:
    """Go joined a series and a host that both lack the ICOS host name."""
    is_joined = deviation.path[-1] in ("cpuCores", "RAMMemory", "cpuEnergyConsumption")
    names = {one.get_label("icos_host_name") for one in found.find_matching(deviation.go)}
    return is_joined and names == {""} and _is_expected_choice(deviation, found)


def _is_degrees(_case: ComparisonCase, deviation: Deviation, found: ValueCandidates) -> bool:
    """Go read a number from what is none in decimal digits."""
    label = "icos_alpha_" + deviation.path[-1]
    texts = [one.get_label(label) for one in found.find_matching(deviation.go)]
    return any("_" in text or "x" in text.lower() for text in texts) and _is_expected_choice(deviation, found)


def _is_ambiguous(case: ComparisonCase, deviation: Deviation, found: ValueCandidates) -> bool:
    """Go's series names several hosts, as ours tells them apart: ours takes the value of another, or none."""
    names = {one.get_label("icos_host_name") for one in found.find_matching(deviation.go)}
    hosts = [case.hosts.find_entities(one, AGENT_HOST_MATCHES[:2])[1] for one in found.find_matching(deviation.go)]
    return "" not in names and all(len(one) > 1 for one in hosts) and _is_expected_choice(deviation, found)


def _is_scanned_elsewhere(case: ComparisonCase, deviation: Deviation, found: ValueCandidates) -> bool:
    """Go's scan result names another cluster: ours takes another one, or none."""
    if deviation.path[4:5] not in (("ScaScore",), ("vulnerabilities",)):
        return False
    uids = {one.get_label("k8s_cluster_uid") for one in find_uname_series(case, deviation.path)}
    named = {one.get_label("k8s_cluster_uid") for one in found.find_matching(deviation.go)}
    return named.isdisjoint({*uids, "", "self"}) and _is_expected_choice(deviation, found)


def _is_of_another_host(case: ComparisonCase, deviation: Deviation, found: ValueCandidates) -> bool:
    """Go mixes all hosts without a machine id: the value is that of another."""
    if deviation.path[2] != "node" or case.find_node(deviation.path).get("uuid"):
        return False
    return not any(
        _names_own_host(case, deviation, one) for one in found.find_matching(deviation.go)
    ) and _is_expected_choice(deviation, found)


def _is_device_of_another_host(case: ComparisonCase, deviation: Deviation) -> bool:
    """Go mixes all hosts without a machine id: the interface or device is that of another."""
    path = deviation.path
    if path[2:3] != ("node",) or len(path) != 7 or case.find_node(path).get("uuid"):
        return False
    metrics = {metric for kind, (metric, _, _) in DEVICE_FIELDS.items() if kind[0] == path[4]}
    samples = [one for metric in metrics for one in case.telemetry.find_series(metric, device=path[5], icos_host_id="")]
    is_own = any(_names_own_host(case, deviation, one) for one in samples)
    return bool(samples) and not is_own and deviation.ours is Absent.ABSENT


def _names_own_host(case: ComparisonCase, deviation: Deviation, one: FleetSeries) -> bool:
    """Tell whether the series names the host of this path, as ours tells hosts apart."""
    entities = case.hosts.find_entities(one, HOST_MATCHES)[1]
    return len(entities) == 1 and entities[0] in [
        case.hosts.find_identity(known) for known in find_uname_series(case, deviation.path)
    ]


def _is_conflict(_case: ComparisonCase, deviation: Deviation, found: ValueCandidates) -> bool:
    """Several series disagree: Go shows the last in Prometheus's order, ours the largest."""
    if deviation.path[2] == "node" and deviation.path[-1] in ("ip", "subnetMask"):
        return False
    values = {found.kind.read(one) for one in found.list_all()}
    return len(values) > 1 and _is_expected_choice(deviation, found)


def _is_trimmed(case: ComparisonCase, deviation: Deviation) -> bool:
    """A machine id that ends in a newline: ours is trimmed."""
    if deviation.path[-1] not in ("uuid", "node") or not case.telemetry.find_series(
        UNAME_METRIC, icos_host_id=deviation.go
    ):
        return False
    return str(deviation.go).endswith("\n") and bool(deviation.ours == deviation.go.strip())


def _is_nameless_pod(case: ComparisonCase, deviation: Deviation) -> bool:
    """A pod without a name."""
    path = deviation.path
    samples = case.telemetry.find_series("kube_pod_info", pod="")
    return path[2:4] == ("pod", "") and deviation.ours is Absent.ABSENT and bool(samples)


def _is_nameless_usage(case: ComparisonCase, deviation: Deviation) -> bool:
    """Usage of a container without a name: ours does not ask for it."""
    path = deviation.path
    if path[2:3] != ("pod",) or path[4:] != ("container", "", "cpuUsage"):
        return False
    used = case.telemetry.find_series("container_cpu_utilization_ratio", k8s_pod_name=path[3], k8s_container_name="")
    return deviation.ours is Absent.ABSENT and deviation.go in [read_float(one) for one in used]


def _is_on_pod_host(case: ComparisonCase, deviation: Deviation) -> bool:
    """A container's own machine id: ours has that of the host which its pod names, if it names one."""
    path = deviation.path
    if path[2:3] != ("pod",) or path[4:5] != ("container",) or path[6:] != ("node",):
        return False
    own = case.telemetry.find_series(
        "kube_pod_container_info", pod=path[3], container=path[5], icos_host_id=deviation.go
    )
    if not case.filter_by_cluster(path, own):
        return False
    uuid = case.find_cluster(path).get("uuid")
    nodes = [
        node
        for one in case.ours["cluster"].values()
        if one.get("uuid") == uuid
        for node in one.get("node", {}).values()
    ]
    is_there = {node.get("uuid") for node in nodes}
    hosts = [
        _find_host_ids(case, one) & is_there
        for pod in find_pods(case, path)
        for one in case.pods.series_by_identity[pod]
    ]
    if deviation.ours is Absent.ABSENT:
        return not all(hosts)
    return {deviation.ours} in hosts


def _find_host_ids(case: ComparisonCase, pod: FleetSeries) -> set[str]:
    """Return the machine id of the host that the pod names, in the first way that names one alone."""
    for way in POD_HOST_MATCHES:
        named = case.hosts.find_by_match(pod, way)
        if len(named) == 1:
            return {one.get_label("icos_host_id").strip() for one in case.hosts.series_by_identity[named[0]]}
    return set()


def _is_in_several_namespaces(case: ComparisonCase, deviation: Deviation) -> bool:
    """One pod name in several namespaces: Go mixes the containers of all of them into one pod."""
    path = deviation.path
    namespaces = list_namespaces(case, path) if path[2:3] == ("pod",) else []
    if not namespaces:
        return False
    samples = case.filter_by_cluster(path, case.telemetry.find_series("kube_pod_container_info", pod=path[3]))
    if path[4:] == ("numberOfContainers",):
        mixed = case.find_cluster(path)["pod"][path[3]].get("container", {}).keys()
        is_reported = mixed <= {one.get_label("container") for one in samples} and deviation.go == len(mixed)
        return is_reported and len(mixed) > _count_or_zero(deviation.ours) == _count_containers(deviation)
    if path[4] == "status":
        phases = case.filter_by_cluster(
            path, case.telemetry.find_series("kube_pod_status_phase", pod=path[3], phase=deviation.go)
        )
        visible_namespaces = {one.get_label("namespace") for one in phases if one.parse_value() == 1}
        return bool(visible_namespaces) and visible_namespaces.isdisjoint(namespaces)
    if path[4] != "container":
        return False
    has = {one.get_label("namespace") for one in samples if one.get_label("container") == path[5]} & {*namespaces}
    if not has or path[-1] != "cpuUsage":
        return not has and deviation.ours is Absent.ABSENT
    labels = {"k8s_pod_name": path[3], "k8s_container_name": path[5]}
    used = case.filter_by_cluster(path, case.telemetry.find_series("container_cpu_utilization_ratio", **labels))
    others = [read_float(one) for one in used if one.get_label("k8s_namespace_name") not in has]
    own = [Absent.ABSENT, *(read_float(one) for one in used if one.get_label("k8s_namespace_name") in has)]
    return deviation.go in others and deviation.ours in own


def _has_more_containers(case: ComparisonCase, deviation: Deviation) -> bool:
    """Ours found containers of the pod that Go did not: all of them are there, and are counted."""
    if deviation.path[2:3] != ("pod",) or deviation.path[4:] != ("numberOfContainers",):
        return False
    go = case.find_cluster(deviation.path)["pod"][deviation.path[3]].get("container", {})
    names = deviation.context.get("container", {}).keys()
    samples = case.telemetry.find_series("kube_pod_container_info")
    tiers = [case.pods.rank_series(pod, POD_MATCHES, samples) for pod in find_pods(case, deviation.path)]
    known = [{one.get_label("container") for tier in entity for one in tier} for entity in tiers]
    return (
        go.keys() <= names and names in known and len(names) == _count_or_zero(deviation.ours) > len(go) == deviation.go
    )


def _count_or_zero(ours: Json) -> int:
    return 0 if ours is Absent.ABSENT else int(ours)


def _count_containers(deviation: Deviation) -> int:
    return len(deviation.context.get("container", {}))


def _is_last_name(case: ComparisonCase, deviation: Deviation) -> bool:
    """Several names for one cluster: ours is the last of them by name."""
    if len(deviation.path) != 3 or deviation.path[::2] != ("cluster", "name"):
        return False
    uid = deviation.context.get("uuid", "")
    names = {one.get_label("name") for one in case.telemetry.find_series("tlum_ocm_agent_info", k8s_cluster_uid=uid)}
    return len(names) > 1 and deviation.go in names and deviation.ours == max(names)


# Those that see from the path and both answers alone what happened.
PATH_RULES: dict[DocumentedDifference, Callable[[ComparisonCase, Deviation], bool]] = {
    DocumentedDifference.TWO_NAMES: _is_last_name,
    DocumentedDifference.NAMELESS_POD: _is_nameless_pod,
    DocumentedDifference.NAMELESS_CONTAINER: _is_nameless_usage,
    DocumentedDifference.TRIMMED: _is_trimmed,
    DocumentedDifference.CONTAINER_NODE: _is_on_pod_host,
    DocumentedDifference.SHARED_POD: _is_in_several_namespaces,
    DocumentedDifference.NO_MACHINE_ID: _is_device_of_another_host,
    DocumentedDifference.MORE_CONTAINERS: _has_more_containers,
}
# Those that compare what both services take of the series that compete for one value.
VALUE_RULES: dict[DocumentedDifference, ValueCondition] = {
    DocumentedDifference.UNREAL: _is_not_finite,
    DocumentedDifference.OUT_OF_RANGE: _is_out_of_range,
    DocumentedDifference.NEGATIVE: _is_negative,
    DocumentedDifference.ABOVE_TOTAL: _is_above_total,
    DocumentedDifference.LOW_BITS: _is_low_bits,
    DocumentedDifference.SCALED: _is_scaled,
    DocumentedDifference.NO_JOIN_LABELS: _lacks_join_labels,
    DocumentedDifference.WARMEST: _is_warmest,
    DocumentedDifference.ADDRESSES: _is_first_address,
    DocumentedDifference.DEGREES: _is_degrees,
    DocumentedDifference.AMBIGUOUS_HOST: _is_ambiguous,
    DocumentedDifference.SCANNED_ELSEWHERE: _is_scanned_elsewhere,
    DocumentedDifference.NO_MACHINE_ID: _is_of_another_host,
    DocumentedDifference.CONFLICT: _is_conflict,
}
