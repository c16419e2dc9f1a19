"""Walk the Go service's answer: every value in it must be in ours, at the same path, of the same JSON type."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Any

from tests.parity import entities
from tests.parity.documented_differences import DocumentedDifference
from tests.parity.fleet_telemetry import FleetSeries, FleetTelemetry

# Two JSON documents of any shape are compared here, so Any is what they are.
Json = Any
Path = tuple[str, ...]
DifferenceFinder = Callable[[str, Json], DocumentedDifference | None]


class Absent(Enum):
    """What stands for a value that our answer has not."""

    ABSENT = "absent"


@dataclass(frozen=True)
class ComparisonCase:
    """One fleet and the two answers to it."""

    telemetry: FleetTelemetry
    go: Json
    ours: Json

    @cached_property
    def hosts(self) -> entities.EntityIndex:
        """The hosts that the telemetry tells of."""
        return entities.build_host_index(self.telemetry)

    @cached_property
    def pods(self) -> entities.EntityIndex:
        """The pods that the telemetry tells of."""
        return entities.build_pod_index(self.telemetry)

    def find_cluster(self, path: Path) -> Json:
        """Return the cluster of the Go answer in which the path lies."""
        return self.go["cluster"][path[1]]

    def find_node(self, path: Path) -> Json:
        """Return the node of the Go answer in which the path lies."""
        return self.find_cluster(path)["node"][path[3]]

    def filter_by_cluster(self, path: Path, candidates: list[FleetSeries]) -> list[FleetSeries]:
        """Keep the series of the cluster in which the path lies, and those that name none, as ours may place them.

        For a Nuvla cluster that is all of them: no label tells it.
        """
        cluster = self.find_cluster(path)
        if cluster.get("type") != "ocm":
            return candidates
        return [one for one in candidates if one.get_label("k8s_cluster_uid") in ("", cluster.get("uuid", ""))]


@dataclass(frozen=True)
class Deviation:
    """A value of the Go answer that ours has not, or has otherwise; `beside` is the object of ours around it."""

    path: Path
    go: Json
    ours: Json
    context: dict[str, Json]
    difference: DocumentedDifference | None = None

    def describe_location(self) -> str:
        """Return the path without the keys that each fleet has of its own, and whether ours has anything there."""
        plain = [name for at, name in enumerate(self.path) if at not in (1, 3, 5) or at == len(self.path) - 1]
        smallest = " (Go's smallest integer)" if self.go in (-(2**31), -(2**63)) else ""
        return ".".join(plain) + smallest + (" absent" if self.ours is Absent.ABSENT else " differs")

    def __str__(self) -> str:
        ours = "absent" if self.ours is Absent.ABSENT else repr(self.ours)
        return f"{repr('.'.join(self.path))[1:-1]}: Go {self.go!r}, ours {ours}"


def find_deviations(case: ComparisonCase) -> Iterator[Deviation]:
    """Yield each deviation; those that come from another key of ours already name their row."""
    for key, value in case.go.items():
        if key == "timestamp":
            mine = case.ours.get(key, {})
            yield from _compare_value(case, (key, "oldestTimestamp"), value["oldestTimestamp"], [mine])
        else:
            yield from _compare_value(case, (key,), value, [case.ours])


def _compare_value(case: ComparisonCase, path: Path, go: Json, around: list[dict[str, Json]]) -> Iterator[Deviation]:
    """Compare the Go value at `path` with the values of that key in the objects around it: one of them must fit."""
    keys = _find_keys(case, path, go, around)
    found = [one[key] for one in around for key in keys if key in one]
    mine = found[0] if found else Absent.ABSENT
    beside = next((one for one in around if path[-1] in one), around[0] if around else {})
    if isinstance(go, dict):
        maps = [one for one in found if isinstance(one, dict)]
        if not maps and (not go or mine is not Absent.ABSENT):
            yield Deviation(path, go, mine, beside)
            return
        if path[-1] not in keys:
            yield Deviation(path, path[-1], next(iter(keys)), beside, next(iter(keys.values())))
        for key, value in go.items():
            yield from _compare_value(case, (*path, key), value, maps)
    elif not any(_is_same(go, one) for one in found):
        yield Deviation(path, go, mine, beside)
    elif not _is_same(go, mine):
        yield Deviation(path, go, mine, beside, DocumentedDifference.SHARED_POD)


def _is_same(go: Json, ours: Json) -> bool:
    return type(go) is type(ours) and bool(go == ours)


def _find_keys(
    case: ComparisonCase, path: Path, go: Json, around: list[dict[str, Json]]
) -> dict[str, DocumentedDifference | None]:
    """Return the keys of ours under which the Go value may be found, with the row that allows another key."""
    key = path[-1]
    if len(path) == 2 and path[0] == "cluster":
        return _find_key_by_uuid(key, go, around, lambda other, _: _explain_cluster_key(case.telemetry, go, key, other))
    if len(path) == 4 and path[2] == "node":
        return _find_key_by_uuid(key, go, around, lambda other, mine: _explain_node_key(case, path, other, mine))
    if len(path) == 4 and path[2] == "pod":
        return {key: None, **{f"{namespace}/{key}": None for namespace in list_namespaces(case, path)}}
    return {key: None}


def _find_key_by_uuid(
    key: str, go: Json, around: list[dict[str, Json]], find_difference: DifferenceFinder
) -> dict[str, DocumentedDifference | None]:
    """Return the key of ours that has the object of this uuid, if a row allows it; else the same key."""
    uuid = str(go.get("uuid", "")).strip()
    for one in around:
        if key in one and one[key].get("uuid", "") == uuid:
            return {key: None}
    for one in around:
        for other, value in one.items():
            allowed = find_difference(other, value) if value.get("uuid", "") == uuid else None
            if allowed:
                return {other: allowed}
    return {key: None}


def _explain_cluster_key(telemetry: FleetTelemetry, go: Json, key: str, other: str) -> DocumentedDifference | None:
    """Return the row by which ours keys the cluster `other` that Go keys `key`."""
    uuid = go.get("uuid", "")
    names = {one.get_label("name") for one in telemetry.find_series("tlum_ocm_agent_info", k8s_cluster_uid=uuid)}
    if key in names and len(names) > 1 and other == max(names):
        return DocumentedDifference.TWO_NAMES
    if other == uuid and not key and "" in names:
        return DocumentedDifference.EMPTY_NAME
    return DocumentedDifference.SHARED_NAME if other == uuid and len(_find_uids_by_name(telemetry, key)) > 1 else None


def _find_uids_by_name(telemetry: FleetTelemetry, key: str) -> set[str]:
    """Return the uids of all clusters that would be keyed `key`: by name, or by uid."""
    named = [
        *telemetry.find_series("tlum_ocm_agent_info", name=key),
        *telemetry.find_series("tlum_orch_info", k8s_cluster_uid=key),
    ]
    nuvla = telemetry.find_series("tlum_orch_info", type="nuvla", agent_name=key)
    return {one.get_label("k8s_cluster_uid") for one in named} | {one.get_label("agent_name") for one in nuvla}


def _explain_node_key(case: ComparisonCase, path: Path, other: str, mine: Json) -> DocumentedDifference | None:
    """Return the row by which ours keys the node `other` that Go keys by its name."""
    go = case.find_node(path)
    uuid = str(go.get("uuid", "")).strip()
    name = path[3]
    if go.get("name") and case.telemetry.find_series("tlum_orch_info", agent_id=name, icos_host_name=go["name"]):
        name = go["name"]
        if difference := _explain_agent_key(case.telemetry, path[1], name, other):
            return difference
    # Go keys a Nuvla host without a name by the id of an agent that names no host.
    agents = case.telemetry.find_series("tlum_orch_info", agent_id=path[3], icos_host_name="")
    is_nameless = "name" not in go and (not path[3] or bool(agents))
    named = case.telemetry.find_series(entities.UNAME_METRIC, nodename="" if is_nameless else name)
    if is_nameless:
        alternative_keys = {uuid, *(one.get_label(label) for one in named for label in ("node", "icos_host_name"))}
        agents = [
            one
            for one in case.telemetry.find_series(entities.AGENT_METRIC)
            if one.get_label("icos_host_id").strip() == uuid
        ]
        is_reported = any(one.get_label("icos_host_id").strip() == uuid for one in named)
        return (
            DocumentedDifference.NAMELESS_HOST
            if is_reported and other in alternative_keys | {one.get_label("hostname") for one in agents}
            else None
        )
    agents = case.telemetry.find_series(entities.AGENT_METRIC, hostname=name)
    hosts = {case.hosts.find_identity(one) for one in [*named, *agents]}
    if len(hosts) < 2 or mine.get("name") != name:
        return None
    if not uuid:
        return DocumentedDifference.NO_MACHINE_ID
    return DocumentedDifference.SHARED_HOST if other == uuid else None


def _explain_agent_key(
    telemetry: FleetTelemetry, cluster_key: str, name: str, other: str
) -> DocumentedDifference | None:
    """Return the row by which ours keys the node `other` that Go keys by the ID of one of several agents."""
    agents = telemetry.find_series("tlum_orch_info", icos_host_name=name)
    own_ids = {
        one.get_label("agent_id")
        for one in agents
        if one.get_label("type") == "nuvla" and one.get_label("agent_name") == cluster_key
    } - {""}
    expected = min(own_ids) if own_ids else name
    is_ambiguous = len({one.get_label("agent_id") for one in agents}) > 1 or not own_ids
    return DocumentedDifference.AGENT_KEY if is_ambiguous and other == expected else None


def list_namespaces(case: ComparisonCase, path: Path) -> list[str]:
    """Return the namespaces that use the pod name of this path in its cluster, if there are several pods of it.

    Of one namespace there are two if one is told of without its cluster's uid, and belongs to it by its host.
    """
    pods = case.filter_by_cluster(path, case.telemetry.find_series("kube_pod_info", pod=path[3]))
    several = {(one.get_label("k8s_cluster_uid"), one.get_label("namespace")) for one in pods}
    return sorted({namespace for _, namespace in several}) if len(several) > 1 else []
