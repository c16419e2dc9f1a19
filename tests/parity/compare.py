"""Walk the Go service's answer: every value in it must be in ours, at the same path, of the same JSON type."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

from tests.parity.telemetry import Series, Telemetry

# Two JSON documents of any shape are compared here, so Any is what they are.
Json = Any
Path = tuple[str, ...]

SHARED_NAME = "two clusters of one name: both are kept"
SHARED_POD = "one pod name in two namespaces: both are kept"


class Absent(Enum):
    """What stands for a value that our answer has not."""

    ABSENT = "absent"


@dataclass(frozen=True)
class Case:
    """One fleet and the two answers to it."""

    telemetry: Telemetry
    go: Json
    ours: Json

    def cluster(self, path: Path) -> Json:
        """Return the cluster of the Go answer in which the path lies."""
        return self.go["cluster"][path[1]]

    def host_id(self, path: Path) -> str:
        """Return the machine id of the node of the Go answer in which the path lies."""
        return str(self.cluster(path)["node"][path[3]].get("uuid", ""))

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
    rule: str | None = None

    def place(self) -> str:
        """Return the path without the keys that each fleet has of its own, and whether ours has anything there."""
        plain = [name for at, name in enumerate(self.path) if at not in (1, 3, 5) or at == len(self.path) - 1]
        smallest = " (Go's smallest integer)" if self.go in (-(2**31), -(2**63)) else ""
        return ".".join(plain) + smallest + (" absent" if self.ours is Absent.ABSENT else " differs")

    def __str__(self) -> str:
        ours = "absent" if self.ours is Absent.ABSENT else repr(self.ours)
        return f"{repr('.'.join(self.path))[1:-1]}: Go {self.go!r}, ours {ours}"


def deviations(case: Case) -> Iterator[Deviation]:
    """Yield each deviation; those that come from choosing another object of ours already name their rule."""
    for key, value in case.go.items():
        if key == "timestamp":
            mine = case.ours.get(key, {})
            yield from _walk(case, (key, "oldestTimestamp"), value["oldestTimestamp"], [mine])
        else:
            yield from _walk(case, (key,), value, [case.ours])


def _walk(case: Case, path: Path, go: Json, around: list[dict[str, Json]]) -> Iterator[Deviation]:
    """Compare the Go value at `path` with the values of that key in the objects around it: one of them must fit."""
    found = _counterparts(case, path, go, around)
    mine = found[0] if found else Absent.ABSENT
    beside = next((one for one in around if path[-1] in one), around[0] if around else {})
    if isinstance(go, dict):
        maps = [one for one in found if isinstance(one, dict)]
        if not maps and (not go or mine is not Absent.ABSENT):
            yield Deviation(path, go, mine, beside)
            return
        if len(path) == 2 and path[0] == "cluster" and found and mine is not around[0].get(path[1]):
            yield Deviation(path, go.get("uuid"), around[0].get(path[1], {}).get("uuid"), beside, SHARED_NAME)
        for key, value in go.items():
            yield from _walk(case, (*path, key), value, maps)
    elif not any(_same(go, one) for one in found):
        yield Deviation(path, go, mine, beside)
    elif not _same(go, mine):
        yield Deviation(path, go, mine, beside, SHARED_POD)


def _same(go: Json, ours: Json) -> bool:
    return type(go) is type(ours) and bool(go == ours)


def _counterparts(case: Case, path: Path, go: Json, around: list[dict[str, Json]]) -> list[Json]:
    """Return what ours has for this key: usually one value, several for a pod name that several namespaces use."""
    key = path[-1]
    if len(path) == 2 and path[0] == "cluster":
        return _cluster(case, key, go, around[0])
    keys = [key]
    if len(path) == 4 and path[2] == "pod":
        keys += [f"{namespace}/{key}" for namespace in namespaces(case, path)]
    return [one[name] for one in around for name in keys if name in one]


def _cluster(case: Case, key: str, go: Json, ours: dict[str, Json]) -> list[Json]:
    """Return our cluster of the same key, or of the same uid if the name is that of several clusters."""
    plain = ours.get(key)
    if plain is not None and plain.get("uuid") == go.get("uuid"):
        return [plain]
    if len(_uids_named(case.telemetry, key)) > 1:
        return [one for one in ours.values() if one.get("uuid") == go.get("uuid")]
    return [] if plain is None else [plain]


def _uids_named(telemetry: Telemetry, key: str) -> set[str]:
    """Return the uids of all clusters that would be keyed `key`: by name, or by uid."""
    named = [*telemetry.of("tlum_ocm_agent_info", name=key), *telemetry.of("tlum_orch_info", k8s_cluster_uid=key)]
    nuvla = telemetry.of("tlum_orch_info", type="nuvla", agent_name=key)
    return {one.label("k8s_cluster_uid") for one in named} | {one.label("agent_name") for one in nuvla}


def namespaces(case: Case, path: Path) -> list[str]:
    """Return the namespaces that use the pod name of this path in its cluster, if there are several."""
    pods = case.in_cluster(path, case.telemetry.of("kube_pod_info", pod=path[3]))
    found = sorted({one.label("namespace") for one in pods})
    return found if len(found) > 1 else []
