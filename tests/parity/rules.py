"""The documented differences. Each has a name and a condition on the telemetry; what meets none is a break.

The names are those of the defects of the Go service that the legacy contract lists, with what ours does instead.
"""

import ipaddress
from collections.abc import Callable

from tests.parity.compare import SHARED_POD, Absent, Case, Deviation, Json, namespaces
from tests.parity.sources import Source, real, source
from tests.parity.telemetry import Series, is_finite

ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64"}
# Of these both services, or ours, take a certain series of several; taking just any is a break.
RULED = ("cpuMaxFrequency", "cpuTemperature", "ip", "subnetMask")


def rule_for(case: Case, deviation: Deviation) -> str | None:
    """Return the name of the documented difference that this is, or None for a break."""
    if deviation.rule:
        return deviation.rule
    found = source(case, deviation.path)
    return next((name for name, allows in RULES.items() if allows(case, deviation, found)), None)


def _is_among(ours: Json, values: list[Json]) -> bool:
    """Tell whether ours is one of the values and of its JSON type; 0 and "" are printed by leaving them out."""
    if ours is Absent.ABSENT:
        return 0 in values or "" in values
    return any(type(ours) is type(value) and ours == value for value in values)


def _is_unreal(_case: Case, deviation: Deviation, found: Source | None) -> bool:
    """NaN or infinite: ours leaves the value out, or takes a real one that is there as well."""
    if found is None or all(is_finite(one) for one in found.found):
        return False
    finite = [found.read(one) for one in found.found if is_finite(one)]
    return deviation.ours is Absent.ABSENT or _is_among(deviation.ours, finite)


def _is_warmest(_case: Case, deviation: Deviation, found: Source | None) -> bool:
    """Several thermal zones: ours is the highest."""
    if found is None or deviation.path[-1] != "cpuTemperature":
        return False
    finite = [found.read(one) for one in found.found if is_finite(one)]
    return len(finite) > 1 and _is_among(deviation.ours, [max(finite)])


def _is_first_address(_case: Case, deviation: Deviation, found: Source | None) -> bool:
    """Several addresses: ours is one of the best kind that is there, and the mask is that address's own."""
    if found is None or deviation.path[-1] not in ("ip", "subnetMask") or len(found.found) < 2:
        return False
    best = min(_rank(one) for one in found.found)
    chosen = [one for one in found.found if one.label("address") == deviation.beside.get("ip")]
    masks = {one.label("netmask") for one in chosen}
    return any(_rank(one) == best for one in chosen) and deviation.beside.get("subnetMask", "") in masks


def _rank(one: Series) -> int:
    """Return 0 for a global IPv4 address, 1 for another that is good for something, 2 for the rest."""
    try:
        address = ipaddress.ip_address(one.label("address"))
    except ValueError:
        return 2
    if address.is_link_local or address.is_loopback:
        return 2
    return 0 if address.version == 4 else 1


def _is_conflict(_case: Case, deviation: Deviation, found: Source | None) -> bool:
    """Several series of one host disagree: Go shows the last in Prometheus's order, ours another of them."""
    if found is None or (deviation.path[2] == "node" and deviation.path[-1] in RULED):
        return False
    if "vulnerabilities" in deviation.path and deviation.ours is Absent.ABSENT:
        return False
    values = found.values()
    return len(values) > 1 and deviation.go in values and _is_among(deviation.ours, values)


def _is_trimmed(_case: Case, deviation: Deviation, _found: Source | None) -> bool:
    """A machine id that ends in a newline: ours is trimmed."""
    if deviation.path[-1] not in ("uuid", "node") or not isinstance(deviation.go, str):
        return False
    return deviation.go.endswith("\n") and bool(deviation.ours == deviation.go.strip())


def _is_respelled(_case: Case, deviation: Deviation, _found: Source | None) -> bool:
    """The architecture as Go spells it: ours is spelled as uname does."""
    return deviation.path[-1] == "cpuArchitecture" and ARCHITECTURES.get(deviation.go) == deviation.ours


def _is_apart(case: Case, deviation: Deviation, _found: Source | None) -> bool:
    """One pod name in several namespaces: Go mixes the containers of all of them into one pod."""
    path = deviation.path
    apart = namespaces(case, path) if path[2:3] == ("pod",) else []
    if not apart:
        return False
    told = case.in_cluster(path, case.telemetry.of("kube_pod_container_info", pod=path[3]))
    if path[4:] == ("numberOfContainers",):
        names = {one.label("container") for one in told}
        return len(names) >= int(deviation.go) > _count(deviation.ours) == _containers(deviation)
    if path[4] == "status":
        phases = case.in_cluster(path, case.telemetry.of("kube_pod_status_phase", pod=path[3], phase=deviation.go))
        return {one.label("namespace") for one in phases if one.number() == 1}.isdisjoint(apart)
    if path[4] != "container" or deviation.ours is not Absent.ABSENT:
        return False
    has = {one.label("namespace") for one in told if one.label("container") == path[5]} & {*apart}
    if not has or path[-1] != "cpuUsage":
        return not has
    labels = {"k8s_pod_name": path[3], "k8s_container_name": path[5]}
    used = case.in_cluster(path, case.telemetry.of("container_cpu_utilization_ratio", **labels))
    return any(real(one) == deviation.go and one.label("k8s_namespace_name") not in has for one in used)


def _is_fuller(case: Case, deviation: Deviation, _found: Source | None) -> bool:
    """Ours found containers of the pod that Go did not: all of them are there, and are counted."""
    if deviation.path[2:3] != ("pod",) or deviation.path[4:] != ("numberOfContainers",):
        return False
    go = case.cluster(deviation.path)["pod"][deviation.path[3]]["container"]
    is_there = go.keys() <= deviation.beside.get("container", {}).keys()
    return is_there and _containers(deviation) == _count(deviation.ours) > int(deviation.go)


def _count(ours: Json) -> int:
    return 0 if ours is Absent.ABSENT else int(ours)


def _containers(deviation: Deviation) -> int:
    return len(deviation.beside.get("container", {}))


RULES: dict[str, Callable[[Case, Deviation, Source | None], bool]] = {
    "NaN or infinity: the value is left out": _is_unreal,
    "several thermal zones: the highest": _is_warmest,
    "several addresses: first global IPv4, then IPv6": _is_first_address,
    "series that disagree: one documented choice": _is_conflict,
    "machine id with a newline at its end: trimmed": _is_trimmed,
    "architecture amd64, arm64: x86_64, aarch64": _is_respelled,
    SHARED_POD: _is_apart,
    "ours may have more: more containers, and their number": _is_fuller,
}
