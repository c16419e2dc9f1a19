"""Summaries: a fixed set of fields of all objects of a kind, as columns, for pages that show whole fleets.

A column is an array with one value for each object. Columns of equal objects repeat, so that they compress far better
than a list of objects. Measured values are rounded: their digits would be most of the compressed bytes, and nobody
reads them in a table.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from math import isfinite
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec

from aggregator.lookup.fields import ObjectKind
from aggregator.lookup.filter import ObjectPredicate, find_newest_sample_ms
from aggregator.lookup.problems import (
    ObjectHealth,
    ObjectState,
    assess_container,
    compute_used_percent,
    find_start_seconds,
)
from aggregator.lookup.request import LookupOptions, LookupPlan, Resource, create_lookup_plan
from aggregator.lookup.results import LookupResult, ResultEncoder, TopologyIndex, UnpagedRequest, compute_content_digest
from aggregator.models.topology import Cluster, Container, Node, Pod
from aggregator.util.runtime import iter_chunks

# The age of a pod in seconds up to which its start time has steps of so many seconds. After that: days.
START_TIME_STEPS = ((2 * 3600, 60), (86_400, 600), (3 * 86_400, 3600), (14 * 86_400, 6 * 3600))
_LAST_START_TIME_STEP = 86_400

# The steps of the mantissa of measured values, from 10 to 100, up to these limits.
_USAGE_STEPS = ((20, 1), (50, 2))
_LAST_USAGE_STEP = 5
_MIN_ROUNDED_BYTES = 10_000
# Three decimals are millicores.
_MIN_CORES = 0.01

_HealthCounts = Mapping[ObjectHealth, int]


class ColumnType(Enum):
    """The form of a column; the value is the name of its schema."""

    DICTIONARY = "DictionaryColumn"
    TEXT = "TextColumn"
    NUMBER = "NumberColumn"
    BOOLEAN = "BooleanColumn"


class Column(NamedTuple):
    """A column: its name, its form, its description, and how to get a value, for numbers as JSON, from a row."""

    name: str
    column_type: ColumnType
    description: str
    get_value: Callable[[Any], Any]


class PodUsage(NamedTuple):
    """What the containers of a pod use together, and how often they were restarted."""

    cpu_usage_cores: float | None
    memory_bytes: int | None
    restart_count: int | None


class RootUsage(NamedTuple):
    """The root file system of a node: its name, and its use in percent."""

    name: str | None = None
    percent: float | None = None


class ClusterRow(NamedTuple):
    """A cluster, its state, and the number of its nodes and pods by health."""

    cluster: Cluster
    nodes: Sequence[Node]
    pods: Sequence[Pod]
    state: ObjectState
    node_counts: _HealthCounts
    pod_counts: _HealthCounts


class NodeRow(NamedTuple):
    """A node, its state, the number of its failed pods, and its root file system."""

    node: Node
    state: ObjectState
    failed_pods: int
    root: RootUsage


class PodRow(NamedTuple):
    """A pod, its state, what its containers use together, and its start time, rounded."""

    pod: Pod
    state: ObjectState
    usage: PodUsage
    start_time: int | None


class ContainerRow(NamedTuple):
    """A container with its pod, and its state."""

    container: Container
    pod: Pod
    state: ObjectState


# --- numbers as JSON


def round_usage(value: float) -> tuple[int, int]:
    """Return a positive number, rounded by at most 5 %, as mantissa and power of ten.

    The mantissa is one of 10 to 20, an even number up to 50, or a multiple of five. All numbers of two digits would be
    no more precise, because 1.049 becomes 1.0, but take more bytes.
    """
    text, _, exponent_text = f"{value:.6e}".partition("e")
    mantissa, exponent = 10 * float(text), int(exponent_text) - 1
    step = next((step for limit, step in _USAGE_STEPS if mantissa < limit), _LAST_USAGE_STEP)
    return round(mantissa / step) * step, exponent


def format_used_bytes(value: float | None) -> str:
    """Return used bytes, rounded, as short as JSON can be: 26e7."""
    if value is None or not isfinite(value):
        return "null"
    if value < _MIN_ROUNDED_BYTES:
        return f"{value:.0f}"
    mantissa, exponent = round_usage(value)
    digits = f"{mantissa}".rstrip("0")
    return f"{digits}e{exponent + len(str(mantissa)) - len(digits)}"


def format_used_cores(value: float | None) -> str:
    """Return used cores, rounded, with at most three decimals."""
    if value is None or not isfinite(value):
        return "null"
    if value < _MIN_CORES:
        return f"{round(value, 3):g}"
    mantissa, exponent = round_usage(value)
    return f"{round(mantissa * 10.0**exponent, 3):.12g}"


def format_size(value: float | None) -> str:
    """Return a number of bytes with three significant digits: 1.72e10."""
    if value is None or not isfinite(value):
        return "null"
    if value < _MIN_ROUNDED_BYTES:
        return f"{value:.0f}"
    mantissa, _, exponent = f"{value:.2e}".partition("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"


def _format_rounded(decimals: int) -> Callable[[float | None], str]:
    def format_number(value: float | None) -> str:
        return "null" if value is None or not isfinite(value) else f"{round(value, decimals):.12g}"

    return format_number


_format_integer = _format_rounded(0)
_format_percent = _format_rounded(1)
_format_cores = _format_rounded(3)
# About a kilometer.
_format_degrees = _format_rounded(2)


def round_start_time(start_seconds: float | None, newest_sample_seconds: float) -> int | None:
    """Return a start time, rounded down to the step for its age."""
    if start_seconds is None or not isfinite(start_seconds):
        return None
    age_seconds = newest_sample_seconds - start_seconds
    steps = (step for limit_seconds, step in START_TIME_STEPS if age_seconds < limit_seconds)
    step = next(steps, _LAST_START_TIME_STEP)
    return int(start_seconds // step) * step


def sum_known(values: Iterable[Any]) -> Any:
    """Return the sum of the values that are known, None if none is."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None


# --- columns


def _text(
    name: str, get_value: str | Callable[[Any], Any], description: str, column_type: ColumnType = ColumnType.TEXT
) -> Column:
    """Return a column of text; empty text means unknown."""
    get = attrgetter(get_value) if isinstance(get_value, str) else get_value
    return Column(name, column_type, description, lambda row: get(row) or None)


def _dictionary(name: str, get_value: str | Callable[[Any], Any], description: str) -> Column:
    return _text(name, get_value, description, ColumnType.DICTIONARY)


def _boolean(name: str, path: str, description: str) -> Column:
    return Column(name, ColumnType.BOOLEAN, description, attrgetter(path))


def _number(name: str, get_value: str | Callable[[Any], Any], description: str, format_number: Any) -> Column:
    get = attrgetter(get_value) if isinstance(get_value, str) else get_value
    return Column(name, ColumnType.NUMBER, description, lambda row: format_number(get(row)))


def _list_state_columns() -> tuple[Column, Column]:
    return (
        _dictionary("health", "state.health.value", "`ok`, `warning`, `failed` or `unknown`"),
        Column(
            "problems",
            ColumnType.DICTIONARY,
            "what is wrong, most important first; empty if nothing is",
            attrgetter("state.problems"),
        ),
    )


def _compute_used_cores(node: Node) -> float | None:
    if node.cpu_cores is None or node.cpu_usage_percent is None:
        return None
    return node.cpu_cores * node.cpu_usage_percent / 100


def _compute_root_usage(node: Node) -> RootUsage:
    for filesystem in node.filesystems.values():
        percent = compute_used_percent(filesystem)
        if percent is not None:
            return RootUsage(filesystem.name, percent)
    return RootUsage()


def _count(attribute: str, health: ObjectHealth) -> Callable[[ClusterRow], int]:
    get_counts = attrgetter(attribute)
    return lambda row: get_counts(row).get(health, 0)


_CLUSTER_COLUMNS = (
    _text("name", "cluster.key", "the name"),
    _dictionary("type", "cluster.type", "the type of its orchestrator"),
    _dictionary("controllers", lambda row: ", ".join(row.cluster.controllers), "the ICOS controllers that it names"),
    _boolean("isLinked", "cluster.is_linked", "whether ClusterLink connects it"),
    *_list_state_columns(),
    _number("nodeCount", lambda row: len(row.nodes), "nodes", str),
    _number("failedNodeCount", _count("node_counts", ObjectHealth.FAILED), "nodes that have failed", str),
    _number("warningNodeCount", _count("node_counts", ObjectHealth.WARNING), "nodes with a warning", str),
    _number("podCount", lambda row: len(row.pods), "pods", str),
    _number("failedPodCount", _count("pod_counts", ObjectHealth.FAILED), "pods that have failed", str),
    _number("warningPodCount", _count("pod_counts", ObjectHealth.WARNING), "pods with a warning", str),
    _number("containerCount", lambda row: sum(len(pod.containers) for pod in row.pods), "containers", str),
    _number(
        "cpuCores", lambda row: sum_known(node.cpu_cores for node in row.nodes), "cores of its nodes", _format_cores
    ),
    _number(
        "cpuUsageCores",
        lambda row: sum_known(map(_compute_used_cores, row.nodes)),
        "used cores of its nodes",
        format_used_cores,
    ),
    _number(
        "memoryBytes",
        lambda row: sum_known(node.memory_bytes for node in row.nodes),
        "memory of its nodes",
        format_size,
    ),
    _number(
        "availableMemoryBytes",
        lambda row: sum_known(node.available_memory_bytes for node in row.nodes),
        "available memory of its nodes",
        format_size,
    ),
    _number("lastSeenTime", "cluster.last_seen_seconds", "Unix time of the latest sample", _format_integer),
)

_NODE_COLUMNS = (
    _dictionary("cluster", "node.cluster", "the name of its cluster"),
    _text("name", "node.key", "the name"),
    _dictionary("type", "node.type", "the type of its orchestrator"),
    _dictionary("architecture", "node.architecture", "the architecture"),
    _dictionary("engine", "node.engine", "the container runtime"),
    *_list_state_columns(),
    _boolean("isReporting", "node.is_reporting", "whether the agent of a registered node reports"),
    _boolean("isUnschedulable", "node.is_unschedulable", "whether it is cordoned"),
    _number("cpuCores", "node.cpu_cores", "cores", _format_cores),
    _number("cpuUsagePercent", "node.cpu_usage_percent", "CPU usage in percent", _format_percent),
    _number("memoryBytes", "node.memory_bytes", "memory", format_size),
    _number("availableMemoryBytes", "node.available_memory_bytes", "available memory", format_size),
    _number("memoryUsagePercent", "node.memory_usage_percent", "used memory in percent", _format_percent),
    _dictionary("filesystemName", "root.name", "the root file system"),
    _number("filesystemUsagePercent", "root.percent", "its use in percent", _format_percent),
    _number("temperatureCelsius", "node.temperature_celsius", "the highest temperature", _format_percent),
    _number("podCount", "node.pod_count", "pods that are neither Succeeded nor Failed", _format_integer),
    _number("failedPodCount", "failed_pods", "pods whose health is `failed`", str),
    _number("latitude", "node.latitude", "latitude", _format_degrees),
    _number("longitude", "node.longitude", "longitude", _format_degrees),
    _dictionary("city", "node.city", "the nearest city"),
    _dictionary("country", "node.country", "the country of this city, ISO 3166-1 alpha-2"),
    _number("lastSeenTime", "node.last_seen_seconds", "Unix time of the latest sample", _format_integer),
)

_POD_COLUMNS = (
    _dictionary("cluster", "pod.cluster", "the name of its cluster"),
    _dictionary("namespace", "pod.namespace", "the namespace; `null` for a Docker container"),
    _text("name", "pod.name", "the name"),
    _dictionary("node", "pod.node", "the name of its node"),
    _dictionary("phase", "pod.phase", "the phase"),
    *_list_state_columns(),
    _number("containerCount", lambda row: len(row.pod.containers), "containers", str),
    _number("restartCount", "usage.restart_count", "restarts of all containers", _format_integer),
    _number("cpuUsageCores", "usage.cpu_usage_cores", "used cores of all containers", format_used_cores),
    _number("memoryBytes", "usage.memory_bytes", "memory of all containers", format_used_bytes),
    _dictionary("workload", lambda row: ", ".join(row.pod.workloads), "the ICOS workloads that it belongs to"),
    _dictionary("controllerKind", "pod.controller_kind", "the kind of its controller, such as Deployment"),
    _dictionary("controllerName", "pod.controller_name", "the name of its controller"),
    _number("startTime", "start_time", "Unix time of the start, rounded down", _format_integer),
)

_CONTAINER_COLUMNS = (
    _dictionary("cluster", "pod.cluster", "the name of its cluster"),
    _dictionary("namespace", "pod.namespace", "the namespace; `null` for a Docker container"),
    _dictionary("pod", "pod.name", "the name of its pod"),
    _dictionary("name", "container.name", "the name"),
    _dictionary("node", "pod.node", "the name of its node"),
    _dictionary("image", "container.image", "the image"),
    _dictionary("state", "container.state", "`waiting`, `running` or `terminated`"),
    *_list_state_columns(),
    _number("restartCount", "container.restart_count", "restarts", _format_integer),
    _number("cpuUsageCores", "container.cpu_usage_cores", "used cores", format_used_cores),
    _number("cpuLimitCores", "container.cpu_limit_cores", "the limit of cores", _format_cores),
    _number("memoryBytes", "container.memory_bytes", "memory", format_used_bytes),
    _number("memoryLimitBytes", "container.memory_limit_bytes", "the limit of memory", format_size),
)

SUMMARY_COLUMNS: Mapping[ObjectKind, tuple[Column, ...]] = {
    ObjectKind.CLUSTERS: _CLUSTER_COLUMNS,
    ObjectKind.NODES: _NODE_COLUMNS,
    ObjectKind.PODS: _POD_COLUMNS,
    ObjectKind.CONTAINERS: _CONTAINER_COLUMNS,
}


# --- rows


def _list_cluster_rows(index: TopologyIndex, matches: ObjectPredicate) -> list[ClusterRow]:
    nodes, pods = index.node_health_by_cluster, index.pod_health_by_cluster
    return [
        ClusterRow(
            *(members.cluster, members.nodes, members.pods),
            state=state,
            node_counts=nodes[members.cluster.key],
            pod_counts=pods[members.cluster.key],
        )
        for members, state in zip(index.list_objects(ObjectKind.CLUSTERS), index.cluster_states, strict=True)
        if matches(members)
    ]


def _list_node_rows(index: TopologyIndex, matches: ObjectPredicate) -> list[NodeRow]:
    failed_pods = Counter(
        (pod.cluster, pod.node)
        for pod, state in zip(index.list_objects(ObjectKind.PODS), index.pod_states, strict=True)
        if state.health is ObjectHealth.FAILED
    )
    return [
        NodeRow(node, state, failed_pods[node.cluster, node.key], _compute_root_usage(node))
        for node, state in zip(index.list_objects(ObjectKind.NODES), index.node_states, strict=True)
        if matches(node)
    ]


def _list_pod_rows(index: TopologyIndex, matches: ObjectPredicate) -> list[PodRow]:
    newest_sample_seconds = find_newest_sample_ms(index.topology) / 1000
    return [
        PodRow(pod, state, _add_up_usage(pod), round_start_time(find_start_seconds(pod), newest_sample_seconds))
        for pod, state in zip(index.list_objects(ObjectKind.PODS), index.pod_states, strict=True)
        if matches(pod)
    ]


def _add_up_usage(pod: Pod) -> PodUsage:
    containers = pod.containers.values()
    return PodUsage(
        sum_known(each.cpu_usage_cores for each in containers),
        sum_known(each.memory_bytes for each in containers),
        sum_known(each.restart_count for each in containers),
    )


def _list_container_rows(index: TopologyIndex, matches: ObjectPredicate) -> list[ContainerRow]:
    return [
        ContainerRow(container, pod, assess_container(container))
        for container, pod in filter(matches, index.list_objects(ObjectKind.CONTAINERS))
    ]


_ROW_LISTERS: Mapping[ObjectKind, Callable[[TopologyIndex, ObjectPredicate], Sequence[Any]]] = {
    ObjectKind.CLUSTERS: _list_cluster_rows,
    ObjectKind.NODES: _list_node_rows,
    ObjectKind.PODS: _list_pod_rows,
    ObjectKind.CONTAINERS: _list_container_rows,
}


# --- the request


@dataclass(frozen=True)
class SummaryRequest(UnpagedRequest):
    """The parameters of a summary: the kind of its objects, a filter, and, for nodes only, a label selector."""

    kind: ObjectKind
    filter: str = ""
    labels: str = ""

    @property
    def cache_key(self) -> bytes:
        """What identifies the request in caches."""
        return repr(("summary", self.kind.value, self.filter, self.labels)).encode()

    @property
    def has_version(self) -> bool:
        """A summary contains the topology version, which its entity tag does not cover."""
        return True

    def validate(self) -> None:
        """Raise BadRequestError if a parameter is invalid."""
        self._create_plan()

    def _create_plan(self) -> LookupPlan:
        return create_lookup_plan(Resource[self.kind.name], LookupOptions(filter=self.filter, labels=self.labels))

    def execute(self, index: TopologyIndex, _encoder: ResultEncoder) -> LookupResult:
        """Return the summary as JSON; raise BadRequestError if the request is invalid."""
        plan = self._create_plan()
        if self.filter or self.labels:
            return self._build_result(index, plan)
        result = index.summaries.get(self.kind)
        if result is None:
            result = index.summaries[self.kind] = self._build_result(index, plan)._replace(is_full_list=True)
        return result

    def _build_result(self, index: TopologyIndex, plan: LookupPlan) -> LookupResult:
        rows = _ROW_LISTERS[self.kind](index, plan.build_predicate(index.topology) or _match_all)
        columns = b",".join(_encode_column(column, rows) for column in SUMMARY_COLUMNS[self.kind])
        content = b'"totalCount":%d,"columns":{%s}}' % (len(rows), columns)
        return LookupResult(
            b'{"version":%s,%s' % (msgspec.json.encode(index.topology.version), content),
            f"summary-{plan.parameters_digest}",
            compute_content_digest([content]),
            is_summary=True,
        )


def _match_all(_item: Any) -> bool:
    return True


def _encode_column(column: Column, rows: Sequence[Any]) -> bytes:
    name, values = column.name.encode(), map(column.get_value, rows)
    match column.column_type:
        case ColumnType.DICTIONARY:
            positions: dict[Any, int] = {}
            indexes = [positions.setdefault(value, len(positions)) for value in values]
            return b'"%s":{"names":[%s],"indexes":[%s]}' % (name, _encode_items(positions), _encode_items(indexes))
        case ColumnType.NUMBER:
            return b'"%s":{"values":[%s]}' % (name, ",".join(values).encode())
        case _:
            return b'"%s":{"values":[%s]}' % (name, _encode_items(values))


def _encode_items(items: Iterable[Any]) -> bytes:
    """Return the items of an array as JSON, encoded in chunks, between which other threads can run."""
    return b",".join(msgspec.json.encode(chunk)[1:-1] for chunk in iter_chunks(items))
