"""Walk the Go service's answer: every value in it must be in ours, at the same path, of the same JSON type."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Any

from tests.parity import owners
from tests.parity.documented import Row
from tests.parity.telemetry import Series, Telemetry

# Two JSON documents of any shape are compared here, so Any is what they are.
Json = Any
Path = tuple[str, ...]
RowOf = Callable[[str, Json], Row | None]


class Absent(Enum):
    """What stands for a value that our answer has not."""

    ABSENT = "absent"


@dataclass(frozen=True)
class Case:
    """One fleet and the two answers to it."""

    telemetry: Telemetry
    go: Json
    ours: Json

    @cached_property
    def hosts(self) -> owners.Owners:
        """The hosts that the telemetry tells of."""
        return owners.hosts(self.telemetry)

    @cached_property
    def pods(self) -> owners.Owners:
        """The pods that the telemetry tells of."""
        return owners.pods(self.telemetry)

    def cluster(self, path: Path) -> Json:
        """Return the cluster of the Go answer in which the path lies."""
        return self.go["cluster"][path[1]]

    def node(self, path: Path) -> Json:
        """Return the node of the Go answer in which the path lies."""
        return self.cluster(path)["node"][path[3]]

    def in_cluster(self, path: Path, found: list[Series]) -> list[Series]:
        """Keep the series of the cluster in which the path lies, and those that name none, as ours may place them.

        For a Nuvla cluster that is all of them: no label tells it.
        """
        cluster = self.cluster(path)
        if cluster.get("type") != "ocm":
            return found
        return [one for one in found if one.label("k8s_cluster_uid") in ("", cluster.get("uuid", ""))]


@dataclass(frozen=True)
class Deviation:
    """A value of the Go answer that ours has not, or has otherwise; `beside` is the object of ours around it."""

    path: Path
    go: Json
    ours: Json
    beside: dict[str, Json]
    row: Row | None = None

    def place(self) -> str:
        """Return the path without the keys that each fleet has of its own, and whether ours has anything there."""
        plain = [name for at, name in enumerate(self.path) if at not in (1, 3, 5) or at == len(self.path) - 1]
        smallest = " (Go's smallest integer)" if self.go in (-(2**31), -(2**63)) else ""
        return ".".join(plain) + smallest + (" absent" if self.ours is Absent.ABSENT else " differs")

    def __str__(self) -> str:
        ours = "absent" if self.ours is Absent.ABSENT else repr(self.ours)
        return f"{repr('.'.join(self.path))[1:-1]}: Go {self.go!r}, ours {ours}"


def deviations(case: Case) -> Iterator[Deviation]:
    """Yield each deviation; those that come from another key of ours already name their row."""
    for key, value in case.go.items():
        if key == "timestamp":
            mine = case.ours.get(key, {})
            yield from _walk(case, (key, "oldestTimestamp"), value["oldestTimestamp"], [mine])
        else:
            yield from _walk(case, (key,), value, [case.ours])


def _walk(case: Case, path: Path, go: Json, around: list[dict[str, Json]]) -> Iterator[Deviation]:
    """Compare the Go value at `path` with the values of that key in the objects around it: one of them must fit."""
    keys = _keys(case, path, go, around)
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
            yield from _walk(case, (*path, key), value, maps)
    elif not any(_same(go, one) for one in found):
        yield Deviation(path, go, mine, beside)
    elif not _same(go, mine):
        yield Deviation(path, go, mine, beside, Row.SHARED_POD)


def _same(go: Json, ours: Json) -> bool:
    return type(go) is type(ours) and bool(go == ours)


def _keys(case: Case, path: Path, go: Json, around: list[dict[str, Json]]) -> dict[str, Row | None]:
    """Return the keys of ours under which the Go value may be found, with the row that allows another key."""
    key = path[-1]
    if len(path) == 2 and path[0] == "cluster":
        return _found_by_uuid(key, go, around, lambda other, _: _cluster_row(case.telemetry, go, key, other))
    if len(path) == 4 and path[2] == "node":
        return _found_by_uuid(key, go, around, lambda other, mine: _node_row(case, path, other, mine))
    if len(path) == 4 and path[2] == "pod":
        return {key: None, **{f"{namespace}/{key}": None for namespace in namespaces(case, path)}}
    return {key: None}


def _found_by_uuid(key: str, go: Json, around: list[dict[str, Json]], row: RowOf) -> dict[str, Row | None]:
    """Return the key of ours that has the object of this uuid, if a row allows it; else the same key."""
    uuid = str(go.get("uuid", "")).strip()
    for one in around:
        if key in one and one[key].get("uuid", "") == uuid:
            return {key: None}
    for one in around:
        for other, value in one.items():
            allowed = row(other, value) if value.get("uuid", "") == uuid else None
            if allowed:
                return {other: allowed}
    return {key: None}


def _cluster_row(telemetry: Telemetry, go: Json, key: str, other: str) -> Row | None:
    """Return the row by which ours keys the cluster `other` that Go keys `key`."""
    uuid = go.get("uuid", "")
    names = {one.label("name") for one in telemetry.of("tlum_ocm_agent_info", k8s_cluster_uid=uuid)}
    if key in names and len(names) > 1 and other == max(names):
        return Row.TWO_NAMES
    if other == uuid and not key and "" in names:
        return Row.EMPTY_NAME
    return Row.SHARED_NAME if other == uuid and len(_uids_named(telemetry, key)) > 1 else None


def _uids_named(telemetry: Telemetry, key: str) -> set[str]:
    """Return the uids of all clusters that would be keyed `key`: by name, or by uid."""
    named = [*telemetry.of("tlum_ocm_agent_info", name=key), *telemetry.of("tlum_orch_info", k8s_cluster_uid=key)]
    nuvla = telemetry.of("tlum_orch_info", type="nuvla", agent_name=key)
    return {one.label("k8s_cluster_uid") for one in named} | {one.label("agent_name") for one in nuvla}


def _node_row(case: Case, path: Path, other: str, mine: Json) -> Row | None:
    """Return the row by which ours keys the node `other` that Go keys by its name."""
    go = case.node(path)
    uuid = str(go.get("uuid", "")).strip()
    # Go keys a Nuvla host without a name by the id of an agent that names no host.
    agents = case.telemetry.of("tlum_orch_info", agent_id=path[3], icos_host_name="")
    is_nameless = "name" not in go and (not path[3] or bool(agents))
    named = case.telemetry.of(owners.UNAME, nodename="" if is_nameless else path[3])
    if is_nameless:
        instead = {uuid, *(one.label(label) for one in named for label in ("node", "icos_host_name"))}
        agents = [one for one in case.telemetry.of(owners.AGENT) if one.label("icos_host_id").strip() == uuid]
        is_told = any(one.label("icos_host_id").strip() == uuid for one in named)
        return Row.NAMELESS_HOST if is_told and other in instead | {one.label("hostname") for one in agents} else None
    agents = case.telemetry.of(owners.AGENT, hostname=path[3])
    hosts = {case.hosts.identity(one) for one in [*named, *agents]}
    if len(hosts) < 2 or mine.get("name") != path[3]:
        return None
    if not uuid:
        return Row.NO_MACHINE_ID
    return Row.SHARED_HOST if other == uuid else None


def namespaces(case: Case, path: Path) -> list[str]:
    """Return the namespaces that use the pod name of this path in its cluster, if there are several pods of it.

    Of one namespace there are two if one is told of without its cluster's uid, and belongs to it by its host.
    """
    pods = case.in_cluster(path, case.telemetry.of("kube_pod_info", pod=path[3]))
    several = {(one.label("k8s_cluster_uid"), one.label("namespace")) for one in pods}
    return sorted({namespace for _, namespace in several}) if len(several) > 1 else []
