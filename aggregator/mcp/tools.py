"""The tools: their arguments, the requests that they make, and what they return.

A tool is a structure of arguments, from which its JSON schema is made. Its docstring is its description.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import quote

import msgspec
from msgspec import UNSET, Meta, UnsetType

from aggregator.mcp.answers import INCOMPLETE_NOTE, Answer
from aggregator.mcp.api import (
    ApiDocument,
    ApiRequest,
    GatewayApi,
    Parameters,
    ParameterValue,
    ToolError,
    fetch_api_document,
)
from aggregator.mcp.gaps import summarize_quality

MAX_LIST_LIMIT = 200
MAX_SEARCH_LIMIT = 100

_PROBLEM_COLUMNS = ("cluster", "namespace", "pod", "name", "node", "health", "problems")
_STATE_FIELDS = ("node", "phase", "reason", "isReady", "isReporting", "architecture", "type")
_NARROW_ADVICE = "narrow with filter=…, or ask for less of each with fields=…"

Kind = Literal["clusters", "nodes", "pods", "containers"]
KindArgument = Annotated[Kind, Meta(description="what to return")]
ClusterArgument = Annotated[str, Meta(description="name of a cluster; without it, all clusters")]
FieldsArgument = Annotated[
    str,
    Meta(
        description="comma-separated fields to return, such as name,cluster,available_memory_bytes; without it, all",
        examples=["name,cluster,phase,reason"],
    ),
]


class Tool(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The arguments of a tool."""

    name: ClassVar[str]

    async def answer(self, api: GatewayApi) -> Answer:
        """Return what the tool finds; raise ToolError if it has no answer."""
        raise NotImplementedError


class TimedTool(Tool, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The arguments of a tool that can look into the past."""

    time: Annotated[
        str, Meta(description="a past time: -1h, or 2026-11-30T14:00:00Z; without it, now", examples=["-1h"])
    ] = ""


class GetOverview(TimedTool, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Start here: all clusters, each with its health, its numbers of nodes and pods, its capacity and its usage.

    health is ok, warning, failed or unknown. list_problems says what is wrong.
    """

    name: ClassVar[str] = "get_overview"

    async def answer(self, api: GatewayApi) -> Answer:
        """Return a row for each cluster."""
        document = await fetch_api_document(api, ApiRequest("/summary/clusters", {"time": self.time}))
        rows = await asyncio.to_thread(_read_rows, document.content)
        return Answer({"clusters": rows}, "list_objects with kind=clusters", notes=_note_gaps(document))


class ListProblems(TimedTool, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is wrong now: nodes, pods and containers whose health is failed or warning, with the reasons, worst first.

    Examples of reasons: not ready, CrashLoopBackOff, ImagePullBackOff, OOMKilled, firing alerts of Prometheus.
    """

    name: ClassVar[str] = "list_problems"

    kinds: Annotated[
        list[Literal["nodes", "pods", "containers"]],
        Meta(description="objects to examine; a problem of a container is a problem of its pod, too", min_length=1),
    ] = msgspec.field(default_factory=lambda: ["nodes", "pods"])
    cluster: ClusterArgument = ""
    limit: Annotated[int, Meta(description="at most this number of objects of a kind", ge=1, le=MAX_LIST_LIMIT)] = 50

    async def answer(self, api: GatewayApi) -> Answer:
        """Return a list of objects for each kind."""
        content: dict[str, Any] = {}
        totals: dict[str, int] = {}
        notes: set[str] = set()
        for kind in dict.fromkeys(self.kinds):
            request = ApiRequest(f"/summary/{kind}", {"filter": _filter_cluster(self.cluster), "time": self.time})
            document = await fetch_api_document(api, request)
            problems = await asyncio.to_thread(_select_problems, document.content)
            content[kind], totals[kind] = problems[: self.limit], len(problems)
            notes.update(_note_gaps(document))
        return Answer(content, "narrow with cluster=… or kinds=…", totals, sorted(notes))


class ListObjects(TimedTool, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Clusters, nodes, pods or containers that match a filter. Name the fields that you need: all are many.

    A filter is a comma-separated list of requirements that must all match: phase=Running, phase!=Running,
    name~master (contains), phase in (Pending,Failed), available_memory_bytes>=4Gi, label.zone=a, gpu_count (has a
    value), !gpu_count, last_seen_time<-5m, condition.Ready!=true, container.reason=CrashLoopBackOff. Put values with
    spaces or any of , ( ) = ! < > ~ in double quotes. list_filter_fields names the fields. Bytes are strings of digits.
    """

    name: ClassVar[str] = "list_objects"

    kind: KindArgument
    filter: Annotated[str, Meta(description="requirements", examples=["phase in (Pending,Failed)"])] = ""
    cluster: ClusterArgument = ""
    labels: Annotated[str, Meta(description="only for nodes: a Kubernetes label selector: zone in (a,b),!edge")] = ""
    fields: FieldsArgument = ""
    limit: Annotated[int, Meta(description="at most this number of objects", ge=1, le=MAX_LIST_LIMIT)] = 50

    async def answer(self, api: GatewayApi) -> Answer:
        """Return a list of objects."""
        if self.labels and self.kind != "nodes":
            raise ToolError("labels selects nodes only; pods have filter=label.KEY=VALUE")
        cluster_filter = _filter_cluster(self.cluster, "name" if self.kind == "clusters" else "cluster")
        parameters: Parameters = {
            "filter": ",".join(filter(None, (cluster_filter, self.filter))),
            "labels": self.labels,
            "fields": self.fields,
            "limit": self.limit,
            "time": self.time,
        }
        document = await fetch_api_document(api, ApiRequest(f"/{self.kind}", parameters))
        total = document.content.get("totalCount", 0)
        content = {"totalCount": total, self.kind: document.content.get(self.kind, [])}
        return Answer(content, _NARROW_ADVICE, {self.kind: total}, _note_gaps(document))


class GetObject(TimedTool, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One cluster, node or pod with everything that is known about it. Use search if you do not know its exact name."""

    name: ClassVar[str] = "get_object"

    kind: Annotated[Literal["cluster", "node", "pod"], Meta(description="what to return")]
    cluster: Annotated[str, Meta(description="name of the cluster", min_length=1)]
    object: Annotated[str, Meta(description="name of the node or pod; not for a cluster")] = ""
    namespace: Annotated[str, Meta(description="namespace of the pod; without it, a Docker container")] = ""
    fields: FieldsArgument = ""
    depth: Annotated[
        int,
        Meta(
            description="of a cluster: 1 the cluster alone, 2 with its nodes and pods, 3 with everything in them",
            ge=1,
            le=3,
        ),
    ] = 1

    async def answer(self, api: GatewayApi) -> Answer:
        """Return the object."""
        parameters: dict[str, ParameterValue] = {"fields": self.fields, "time": self.time}
        names = [self.cluster]
        if self.kind == "cluster":
            # Fields decide themselves how deep they are.
            parameters["depth"] = None if self.fields else self.depth
        elif not self.object:
            raise ToolError(f"object must be the name of the {self.kind}")
        else:
            names += ["nodes", self.object] if self.kind == "node" else ["pods", self.namespace or "-", self.object]
        path = "/clusters/" + "/".join(map(_quote_segment, names))
        document = await fetch_api_document(api, ApiRequest(path, parameters))
        return Answer(document.content, "ask for less with fields=…", notes=_note_gaps(document))


class Search(TimedTool, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Finds clusters, nodes and pods by a text in their name or another field: address, label, image, problem."""

    name: ClassVar[str] = "search"

    query: Annotated[str, Meta(description="the text, in upper or lower case", min_length=1, max_length=100)]
    limit: Annotated[int, Meta(description="at most this number of matches", ge=1, le=MAX_SEARCH_LIMIT)] = 20

    async def answer(self, api: GatewayApi) -> Answer:
        """Return the matches, exact names first."""
        parameters: Parameters = {"query": self.query, "limit": self.limit, "time": self.time}
        document = await fetch_api_document(api, ApiRequest("/search", parameters))
        total = document.content.get("totalCount", 0)
        content = {"totalCount": total, "matches": document.content.get("matches", [])}
        return Answer(content, "narrow with a longer query", {"matches": total}, _note_gaps(document))


class ListFilterFields(Tool, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The fields that filters of list_objects can name, with their types and, where there are few, their values."""

    name: ClassVar[str] = "list_filter_fields"

    kind: KindArgument
    contains: Annotated[str, Meta(description="only fields whose name contains this text: memory")] = ""

    async def answer(self, api: GatewayApi) -> Answer:
        """Return the fields."""
        document = await fetch_api_document(api, ApiRequest(f"/fields/{self.kind}"))
        fields = [
            {name: each[name] for name in ("name", "type", "values") if each.get(name)}
            for each in document.content.get("fields", [])
            if self.contains.lower() in each["name"]
        ]
        return Answer({"fields": fields}, "narrow with contains=…")


class Near(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A place on earth."""

    latitude: float
    longitude: float
    max_distance_km: float | UnsetType = UNSET


class LabelExpression(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A requirement for a label, as in the node affinity of Kubernetes."""

    key: str
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]
    values: list[str] | UnsetType = UNSET


class Toleration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A toleration of Kubernetes."""

    key: str | UnsetType = UNSET
    operator: Literal["Exists", "Equal"] | UnsetType = UNSET
    value: str | UnsetType = UNSET
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | UnsetType = UNSET
    toleration_seconds: int | UnsetType = UNSET


class FindCandidates(TimedTool, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The nodes on which a workload fits, best first, and why the others do not. All requirements must be met.

    It only reads: it places and reserves nothing. Taints, labels and requests count as the Kubernetes scheduler counts
    them.
    """

    name: ClassVar[str] = "find_candidates"

    cpu_cores: Annotated[float, Meta(description="that many CPU cores are free")] | UnsetType = UNSET
    memory_bytes: Annotated[int, Meta(description="that much memory is free")] | UnsetType = UNSET
    architecture: Annotated[str, Meta(description="amd64 or arm64")] | UnsetType = UNSET
    gpu_count: int | UnsetType = UNSET
    devices: Annotated[list[str], Meta(description="available devices: video*")] | UnsetType = UNSET
    node_selector: Annotated[dict[str, str], Meta(description="labels of the node")] | UnsetType = UNSET
    label_expressions: list[LabelExpression] | UnsetType = UNSET
    tolerations: list[Toleration] | UnsetType = UNSET
    clusters: Annotated[list[str], Meta(description="one of these clusters, by name")] | UnsetType = UNSET
    cluster_types: Annotated[list[str], Meta(description="one of these orchestrators: ocm, nuvla")] | UnsetType = UNSET
    countries: Annotated[list[str], Meta(description="one of these, in two letters: SI")] | UnsetType = UNSET
    continents: Annotated[list[str], Meta(description="one of these: Europe")] | UnsetType = UNSET
    near: Near | UnsetType = UNSET
    min_security_score: float | UnsetType = UNSET
    max_critical_vulnerabilities: int | UnsetType = UNSET
    max_power_watts: float | UnsetType = UNSET
    max_per_cluster: Annotated[int, Meta(description="at most that many candidates in one cluster")] | UnsetType = UNSET
    ranking: (
        Annotated[
            dict[Literal["free_cpu", "free_memory", "spread", "distance", "security", "energy"], float],
            Meta(description="weights of the criteria; default: free_cpu, free_memory and spread"),
        ]
        | UnsetType
    ) = UNSET
    limit: Annotated[int, Meta(description="at most this number of candidates", ge=1, le=MAX_LIST_LIMIT)] = 10
    rejected_limit: Annotated[int, Meta(description="at most this number of rejected nodes", ge=0, le=100)] = 10

    async def answer(self, api: GatewayApi) -> Answer:
        """Return the candidates, and rejected nodes with the reasons."""
        requirements = msgspec.to_builtins(self) | {"limit": self.limit, "rejected_limit": self.rejected_limit}
        requirements.pop("time", None)
        request = ApiRequest("/candidates", {"time": self.time}, msgspec.json.encode(requirements))
        document = await fetch_api_document(api, request)
        totals = document.content.get("totals", {})
        return Answer(
            document.content,
            "raise limit or rejected_limit, or require more",
            {name: int(totals.get(name, 0)) for name in ("candidates", "rejected")},
            _note_gaps(document),
        )


class CompareTimes(Tool, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What changed between two times: objects that were added or removed, and fields with their values before and set.

    It answers questions such as "what changed since 14:00?". Prometheus must still have the data of the times.
    """

    name: ClassVar[str] = "compare_times"

    from_time: Annotated[str, Meta(description="the earlier time: -1h, or 2026-11-30T14:00:00Z", min_length=1)]
    to_time: Annotated[str, Meta(description="the later time; without it, now")] = ""
    kind: Annotated[
        Literal["clusters", "nodes", "pods", ""], Meta(description="objects to compare; without it, all")
    ] = ""
    cluster: ClusterArgument = ""
    filter: Annotated[str, Meta(description="requirements for objects, as in list_objects; needs kind")] = ""
    measurements: Annotated[bool, Meta(description="compare usage and times of samples, too")] = False
    limit: Annotated[int, Meta(description="at most this number of changes", ge=1, le=MAX_LIST_LIMIT)] = 50

    async def answer(self, api: GatewayApi) -> Answer:
        """Return the changes; of an added object, only its state."""
        parameters: Parameters = {
            "from": self.from_time,
            "to": self.to_time,
            "kind": self.kind,
            "cluster": self.cluster,
            "filter": self.filter,
            "changes": "all" if self.measurements else "structure",
            "limit": self.limit,
        }
        document = await fetch_api_document(api, ApiRequest("/diff", parameters))
        changes = [_shorten_change(change) for change in document.content.get("changes", [])]
        total = document.content.get("totalCount", 0)
        return Answer(
            {**document.content, "changes": changes},
            "narrow with kind=…, cluster=… or filter=…",
            {"changes": total},
            _note_gaps(document),
        )


class ExplainMissingData(TimedTool, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why data is missing or old: failed queries, samples that could not be placed, fields that no exporter fills.

    It needs access to all clusters.
    """

    name: ClassVar[str] = "explain_missing_data"

    field: Annotated[str, Meta(description="only unfilled fields whose name contains this text: temperature")] = ""

    async def answer(self, api: GatewayApi) -> Answer:
        """Return the gaps of the last refresh."""
        document = await fetch_api_document(api, ApiRequest("/quality", {"time": self.time}))
        content = await asyncio.to_thread(summarize_quality, document.content, self.field)
        return Answer(content, "narrow with field=…")


TOOLS: Sequence[type[Tool]] = (
    GetOverview,
    ListProblems,
    ListObjects,
    GetObject,
    Search,
    ListFilterFields,
    FindCandidates,
    CompareTimes,
    ExplainMissingData,
)


def _quote_segment(name: str) -> str:
    """Return a name as one segment of a path. Clients would resolve `.` and `..`."""
    return name.replace(".", "%2E") if name in {".", ".."} else quote(name, safe="")


def _filter_cluster(cluster: str, field: str = "cluster") -> str:
    """Return the requirement of a filter for the name of a cluster, "" for all clusters."""
    escaped = cluster.replace("\\", "\\\\").replace('"', '\\"')
    return f'{field}="{escaped}"' if cluster else ""


def _shorten_change(change: dict[str, Any]) -> dict[str, Any]:
    """Return a change without the fields of an added object that are not its state: get_object returns them."""
    if "object" not in change:
        return change
    return {**change, "object": {name: change["object"][name] for name in _STATE_FIELDS if name in change["object"]}}


def _note_gaps(document: ApiDocument) -> Sequence[str]:
    return () if document.is_complete else (INCOMPLETE_NOTE,)


def _read_rows(summary: Mapping[str, Any], names: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return the objects of a summary, which has columns, with these columns; without names, with all."""
    columns = {name: _read_column(column) for name, column in summary["columns"].items() if not names or name in names}
    return [
        {name: value for name, value in zip(columns, values, strict=True) if value not in {None, ""}}
        for values in zip(*columns.values(), strict=True)
    ]


def _read_column(column: Mapping[str, Any]) -> Sequence[Any]:
    if "values" in column:
        values: Sequence[Any] = column["values"]
        return values
    names = column["names"]
    return [names[index] for index in column["indexes"]]


def _select_problems(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the objects of a summary that have failed, then those with a warning."""
    rows = _read_rows(summary, _PROBLEM_COLUMNS)
    return [row for health in ("failed", "warning") for row in rows if row.get("health") == health]
