"""The documented differences: each has its row of docs/parity.md and a condition; what meets none is a break.

A condition looks at the telemetry and at both values: Go's must be what Go reads from some series, ours what the
documented rule takes from all of them.
"""

import ipaddress
from collections.abc import Callable

from tests.parity.compare import Absent, Case, Deviation, Json, namespaces
from tests.parity.documented import Row
from tests.parity.owners import HOST_OF_POD, OF_AGENTS_HOST, OF_HOST, OF_POD, UNAME
from tests.parity.sources import PER_DEVICE, Source, pods_of, real, source, unames_of
from tests.parity.telemetry import Series, is_finite

Condition = Callable[[Case, Deviation, Source], bool]


def rule_for(case: Case, deviation: Deviation) -> Row | None:
    """Return the row of the documented difference that this is, or None for a break."""
    if deviation.row:
        return deviation.row
    for row, is_met in OF_PATHS.items():
        if is_met(case, deviation):
            return row
    found = source(case, deviation.path)
    if found is None or not found.read(deviation.go):
        return None
    if len(found.ours) > 1 and deviation.go in found.choices():
        return None  # it is the choice for one of several pods of that name, and none of ours has it
    return next((row for row, is_met in OF_VALUES.items() if is_met(case, deviation, found)), None)


def _is_choice(deviation: Deviation, found: Source) -> bool:
    """Tell whether ours is what the documented rule takes; 0 is printed by leaving it out, but for vulnerabilities."""
    choices = found.choices()
    if deviation.ours is Absent.ABSENT:
        return Absent.ABSENT in choices or (0 in choices and "vulnerabilities" not in deviation.path)
    return any(type(one) is type(deviation.ours) and one == deviation.ours for one in choices)


def _is_unreal(_case: Case, deviation: Deviation, found: Source) -> bool:
    """Go read NaN or infinity."""
    return _is_choice(deviation, found) and not all(is_finite(one) for one in found.read(deviation.go))


def _is_out_of_range(_case: Case, deviation: Deviation, found: Source) -> bool:
    """Go read a number that its integer cannot hold, or it left one out that ours, too, cannot hold."""
    if not _is_choice(deviation, found):
        return False
    if not all(found.kind.fits(one) for one in found.read(deviation.go)):
        return True
    ignored = [one for one in found.go if not found.kind.fits(one)]
    return deviation.path[-1] == "cpuMaxFrequency" and bool(ignored)


def _is_negative(_case: Case, deviation: Deviation, found: Source) -> bool:
    """Go shows fewer than none; ours keeps no such number, and has what comes next, or nothing."""
    is_below = isinstance(deviation.go, int) and deviation.go < 0
    is_refused = all(found.kind.keep(one) is None for one in found.read(deviation.go))
    return is_below and is_refused and _is_choice(deviation, found)


def _is_low_bits(_case: Case, deviation: Deviation, found: Source) -> bool:
    """Go read a device's state from the lowest bits of some other number."""
    states = (-1, 0, 1)
    is_state = [int(one.number()) in states for one in found.read(deviation.go) if found.kind.fits(one)]
    return deviation.path[4:5] == ("devices",) and not all(is_state) and _is_choice(deviation, found)


def _is_warmest(_case: Case, deviation: Deviation, found: Source) -> bool:
    """Several thermal zones: ours is the highest."""
    is_temperature = deviation.path[-1] == "cpuTemperature"
    return is_temperature and len(found.all()) > 1 and _is_choice(deviation, found)


def _is_first_address(_case: Case, deviation: Deviation, found: Source) -> bool:
    """Several addresses: ours is one of the best kind that is there, and the mask is that address's own."""
    if deviation.path[-1] not in ("ip", "subnetMask") or deviation.path[2] != "node" or len(found.all()) < 2:
        return False
    best = min(_rank(one) for one in found.all())
    chosen = [one for one in found.all() if one.label("address") == deviation.beside.get("ip", "")]
    masks = {one.label("netmask") for one in chosen}
    return any(_rank(one) == best for one in chosen) and deviation.beside.get("subnetMask", "") in masks


def _rank(one: Series) -> int:
    """Return 0 for a global IPv4 address, 1 for a global IPv6 one, 2 for the rest, 3 for what is no address."""
    try:
        address = ipaddress.ip_address(one.label("address"))
    except ValueError:
        return 3
    if address.is_link_local or address.is_loopback:
        return 2
    return 0 if address.version == 4 else 1


def _is_scaled(case: Case, deviation: Deviation, found: Source) -> bool:
    """Go multiplied by a node_uname_info that is not 1."""
    factors = {one.value for one in case.telemetry.of("node_uname_info")}
    measured = found.kind.read
    plain = {measured(one) for tiers in found.ours for tier in tiers for one in tier}
    is_scaled = deviation.path[-1] in ("cpuCores", "RAMMemory", "cpuEnergyConsumption") and deviation.go not in plain
    return factors != {"1"} and is_scaled and _is_choice(deviation, found)


def _is_degrees(_case: Case, deviation: Deviation, found: Source) -> bool:
    """Go read a number from what is none in decimal digits."""
    label = "icos_alpha_" + deviation.path[-1]
    texts = [one.label(label) for one in found.read(deviation.go)]
    return any("_" in text or "x" in text.lower() for text in texts) and _is_choice(deviation, found)


def _is_ambiguous(case: Case, deviation: Deviation, found: Source) -> bool:
    """Go's series names several hosts, as ours tells them apart: ours takes the value of another, or none."""
    names = {one.label("icos_host_name") for one in found.read(deviation.go)}
    hosts = [case.hosts.whose(one, OF_AGENTS_HOST[:2])[1] for one in found.read(deviation.go)]
    return "" not in names and all(len(one) > 1 for one in hosts) and _is_choice(deviation, found)


def _is_anothers(case: Case, deviation: Deviation, found: Source) -> bool:
    """Go mixes all hosts without a machine id: the value is that of another."""
    if deviation.path[2] != "node" or case.node(deviation.path).get("uuid"):
        return False
    return not any(_is_own(case, deviation, one) for one in found.read(deviation.go)) and _is_choice(deviation, found)


def _is_anothers_device(case: Case, deviation: Deviation) -> bool:
    """Go mixes all hosts without a machine id: the interface or device is that of another."""
    path = deviation.path
    if path[2:3] != ("node",) or len(path) != 7 or case.node(path).get("uuid"):
        return False
    metrics = {metric for kind, (metric, _, _) in PER_DEVICE.items() if kind[0] == path[4]}
    told = [one for metric in metrics for one in case.telemetry.of(metric, device=path[5], icos_host_id="")]
    is_own = any(_is_own(case, deviation, one) for one in told)
    return bool(told) and not is_own and deviation.ours is Absent.ABSENT


def _is_own(case: Case, deviation: Deviation, one: Series) -> bool:
    """Tell whether the series names the host of this path, as ours tells hosts apart."""
    owners = case.hosts.whose(one, OF_HOST)[1]
    return len(owners) == 1 and owners[0] in [case.hosts.identity(known) for known in unames_of(case, deviation.path)]


def _is_conflict(_case: Case, deviation: Deviation, found: Source) -> bool:
    """Several series disagree: Go shows the last in Prometheus's order, ours the largest."""
    if deviation.path[2] == "node" and deviation.path[-1] in ("ip", "subnetMask"):
        return False
    values = {found.kind.read(one) for one in found.all()}
    return len(values) > 1 and _is_choice(deviation, found)


def _is_trimmed(case: Case, deviation: Deviation) -> bool:
    """A machine id that ends in a newline: ours is trimmed."""
    if deviation.path[-1] not in ("uuid", "node") or not case.telemetry.of(UNAME, icos_host_id=deviation.go):
        return False
    return str(deviation.go).endswith("\n") and bool(deviation.ours == deviation.go.strip())


def _is_nameless(case: Case, deviation: Deviation) -> bool:
    """A pod without a name."""
    path = deviation.path
    told = case.telemetry.of("kube_pod_info", pod="")
    return path[2:4] == ("pod", "") and deviation.ours is Absent.ABSENT and bool(told)


def _is_nameless_usage(case: Case, deviation: Deviation) -> bool:
    """Usage of a container without a name: ours does not ask for it."""
    path = deviation.path
    if path[2:3] != ("pod",) or path[4:] != ("container", "", "cpuUsage"):
        return False
    used = case.telemetry.of("container_cpu_utilization_ratio", k8s_pod_name=path[3], k8s_container_name="")
    return deviation.ours is Absent.ABSENT and deviation.go in [real(one) for one in used]


def _is_on_its_pods_host(case: Case, deviation: Deviation) -> bool:
    """A container's own machine id: ours has that of the host which its pod names, if it names one."""
    path = deviation.path
    if path[2:3] != ("pod",) or path[4:5] != ("container",) or path[6:] != ("node",):
        return False
    own = case.telemetry.of("kube_pod_container_info", pod=path[3], container=path[5], icos_host_id=deviation.go)
    if not case.in_cluster(path, own):
        return False
    uuid = case.cluster(path).get("uuid")
    nodes = [
        node
        for one in case.ours["cluster"].values()
        if one.get("uuid") == uuid
        for node in one.get("node", {}).values()
    ]
    is_there = {node.get("uuid") for node in nodes}
    hosts = [_host_ids(case, one) & is_there for pod in pods_of(case, path) for one in case.pods.told_by[pod]]
    if deviation.ours is Absent.ABSENT:
        return not all(hosts)
    return {deviation.ours} in hosts


def _host_ids(case: Case, pod: Series) -> set[str]:
    """Return the machine id of the host that the pod names, in the first way that names one alone."""
    for way in HOST_OF_POD:
        named = case.hosts.named(pod, way)
        if len(named) == 1:
            return {one.label("icos_host_id").strip() for one in case.hosts.told_by[named[0]]}
    return set()


def _is_apart(case: Case, deviation: Deviation) -> bool:
    """One pod name in several namespaces: Go mixes the containers of all of them into one pod."""
    path = deviation.path
    apart = namespaces(case, path) if path[2:3] == ("pod",) else []
    if not apart:
        return False
    told = case.in_cluster(path, case.telemetry.of("kube_pod_container_info", pod=path[3]))
    if path[4:] == ("numberOfContainers",):
        mixed = case.cluster(path)["pod"][path[3]].get("container", {}).keys()
        is_told = mixed <= {one.label("container") for one in told} and deviation.go == len(mixed)
        return is_told and len(mixed) > _count(deviation.ours) == _containers(deviation)
    if path[4] == "status":
        phases = case.in_cluster(path, case.telemetry.of("kube_pod_status_phase", pod=path[3], phase=deviation.go))
        shown = {one.label("namespace") for one in phases if one.number() == 1}
        return bool(shown) and shown.isdisjoint(apart)
    if path[4] != "container":
        return False
    has = {one.label("namespace") for one in told if one.label("container") == path[5]} & {*apart}
    if not has or path[-1] != "cpuUsage":
        return not has and deviation.ours is Absent.ABSENT
    labels = {"k8s_pod_name": path[3], "k8s_container_name": path[5]}
    used = case.in_cluster(path, case.telemetry.of("container_cpu_utilization_ratio", **labels))
    others = [real(one) for one in used if one.label("k8s_namespace_name") not in has]
    own = [Absent.ABSENT, *(real(one) for one in used if one.label("k8s_namespace_name") in has)]
    return deviation.go in others and deviation.ours in own


def _is_fuller(case: Case, deviation: Deviation) -> bool:
    """Ours found containers of the pod that Go did not: all of them are there, and are counted."""
    if deviation.path[2:3] != ("pod",) or deviation.path[4:] != ("numberOfContainers",):
        return False
    go = case.cluster(deviation.path)["pod"][deviation.path[3]].get("container", {})
    names = deviation.beside.get("container", {}).keys()
    told = case.telemetry.of("kube_pod_container_info")
    tiers = [case.pods.tiers(pod, OF_POD, told) for pod in pods_of(case, deviation.path)]
    known = [{one.label("container") for tier in owner for one in tier} for owner in tiers]
    return go.keys() <= names and names in known and len(names) == _count(deviation.ours) > len(go) == deviation.go


def _count(ours: Json) -> int:
    return 0 if ours is Absent.ABSENT else int(ours)


def _containers(deviation: Deviation) -> int:
    return len(deviation.beside.get("container", {}))


def _is_last_name(case: Case, deviation: Deviation) -> bool:
    """Several names for one cluster: ours is the last of them by name."""
    if len(deviation.path) != 3 or deviation.path[::2] != ("cluster", "name"):
        return False
    uid = deviation.beside.get("uuid", "")
    names = {one.label("name") for one in case.telemetry.of("tlum_ocm_agent_info", k8s_cluster_uid=uid)}
    return len(names) > 1 and deviation.go in names and deviation.ours == max(names)


# Those that see from the path and both answers alone what happened.
OF_PATHS: dict[Row, Callable[[Case, Deviation], bool]] = {
    Row.TWO_NAMES: _is_last_name,
    Row.NAMELESS_POD: _is_nameless,
    Row.NAMELESS_CONTAINER: _is_nameless_usage,
    Row.TRIMMED: _is_trimmed,
    Row.CONTAINER_NODE: _is_on_its_pods_host,
    Row.SHARED_POD: _is_apart,
    Row.NO_MACHINE_ID: _is_anothers_device,
    Row.MORE_CONTAINERS: _is_fuller,
}
# Those that compare what both services take of the series that compete for one value.
OF_VALUES: dict[Row, Condition] = {
    Row.UNREAL: _is_unreal,
    Row.OUT_OF_RANGE: _is_out_of_range,
    Row.NEGATIVE: _is_negative,
    Row.LOW_BITS: _is_low_bits,
    Row.SCALED: _is_scaled,
    Row.WARMEST: _is_warmest,
    Row.ADDRESSES: _is_first_address,
    Row.DEGREES: _is_degrees,
    Row.AMBIGUOUS_HOST: _is_ambiguous,
    Row.NO_MACHINE_ID: _is_anothers,
    Row.CONFLICT: _is_conflict,
}
