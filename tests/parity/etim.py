"""The same over gRPC: every node that the Go service names is in our answer with the same figures."""

from collections import Counter
from collections.abc import Iterator

import grpc

from aggregator.pb.etim import server_pb2, server_pb2_grpc
from tests.parity.comparison import Absent, ComparisonCase
from tests.parity.documented_differences import DocumentedDifference
from tests.parity.fleet_telemetry import FleetSeries, FleetTelemetry, is_finite
from tests.parity.value_candidates import INTEGER_64, ValueKind, find_memory_candidates

CALL_TIMEOUT_SECONDS = 5.0
MEMORY_METRICS = ("node_memory_MemTotal_bytes", "node_memory_MemAvailable_bytes")

# Node id, architecture, total and available bytes of memory.
EtimNode = tuple[str, str, int, int]
AVAILABLE_MEMORY_INDEX = 3


def fetch_nodes(port: int) -> list[EtimNode]:
    """Return the nodes that the service on this port of 127.0.0.1 answers; raises grpc.RpcError."""
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = server_pb2_grpc.AggregatorStub(channel).ConnectToQuerier  # type: ignore[no-untyped-call]  # generated without types
        answer = call(server_pb2.Empty(), timeout=CALL_TIMEOUT_SECONDS)
    return [
        (one.id, one.cpu_architecture, one.resources.memoryInBytes, one.available_resources.memoryInBytes)
        for one in answer.nodes
    ]


def find_node_differences(
    case: ComparisonCase, go: list[EtimNode], ours: list[EtimNode]
) -> Iterator[tuple[DocumentedDifference | None, str]]:
    """Yield the row of the documented difference, or None for a break, and a text, for each node that ours lacks."""
    remaining = Counter(ours)
    missing = []
    for node in go:
        if remaining[node] > 0:
            remaining[node] -= 1
        else:
            missing.append(node)
    # What Go tells most of fits the fewest of ours: it is looked for first.
    for node in sorted(missing, key=lambda node: node.count(0)):
        uname_series = _find_uname_series(case.telemetry, node)
        if not node[0]:
            row = (
                DocumentedDifference.UNLABELLED if uname_series and _are_all_listed(case, uname_series, ours) else None
            )
            yield row, f"gRPC node {node}: absent"
            continue
        if uname_series and all(one.get_label("k8s_cluster_uid") == "self" for one in uname_series):
            yield DocumentedDifference.CONTROLLERS, f"gRPC node {node}: absent"
            continue
        candidates = [one for one in remaining.elements() if one[0] == node[0]]
        if not candidates and _is_listed_elsewhere(case, uname_series):
            yield DocumentedDifference.TWICE, f"gRPC node {node}: absent"
            continue
        if not candidates:
            yield None, f"gRPC node {node}: absent, ours has {len(ours)} nodes"
            continue
        explained = [(_explain_fields(case, uname_series, node, one), one) for one in candidates]
        rows, closest = min(explained, key=lambda one: (None in one[0], len(one[0])))
        remaining[closest] -= 1
        if rows:
            yield (None if None in rows else rows[0]), f"gRPC node: Go {node}, ours {closest}"


def _explain_fields(
    case: ComparisonCase, uname_series: list[FleetSeries], go: EtimNode, ours: EtimNode
) -> list[DocumentedDifference | None]:
    """Return the row of each field in which the nodes differ."""
    return [_explain_field(case, uname_series, at, go[at], ours[at]) for at in _find_differing_fields(go, ours)]


def _find_differing_fields(go: EtimNode, ours: EtimNode) -> list[int]:
    """Return where the nodes differ; what Go leaves at nothing is unset in proto3, and ours may know it."""
    return [at for at in range(1, 4) if go[at] and go[at] != ours[at]]


def _find_uname_series(telemetry: FleetTelemetry, node: EtimNode) -> list[FleetSeries]:
    """Return the node_uname_info of the `cluster` and `node` labels that Go made this node of."""
    named = telemetry.find_series("node_uname_info", node=node[0])
    for cluster in sorted({one.get_label("cluster") for one in named}):
        found = [one for one in named if one.get_label("cluster") == cluster]
        readings: list[set[str | int]] = [{one.get_label("machine") for one in found}]
        for field in MEMORY_METRICS:
            samples = telemetry.find_series(field, cluster=cluster, node=node[0])
            readings.append({INTEGER_64.read(one) for one in samples} or {0})
        if all(value in values for value, values in zip(node[1:], readings, strict=True)):
            return found
    return []


def _list_possible_values(case: ComparisonCase, labels: dict[str, str], index: int) -> set[str | int]:
    """Return what the hosts of one `cluster` and `node` label say of a field, each for itself."""
    if index > 1:
        samples = [
            *case.telemetry.find_series("node_uname_info", **labels),
            *case.telemetry.find_series("tlum_host_info", **labels),
        ]
        hosts = {identity for one in samples if (identity := case.hosts.find_identity(one))}
        return {
            0 if one is Absent.ABSENT else one
            for one in find_memory_candidates(case, [*hosts], MEMORY_METRICS[index - 2], []).list_expected_values()
        }
    agents = [one.get_label("arch") for one in case.telemetry.find_series("tlum_host_info", **labels)]
    machines = {one.get_label("machine") for one in case.telemetry.find_series("node_uname_info", **labels)}
    return {*machines, *({"amd64": "x86_64", "arm64": "aarch64"}.get(one, one) for one in agents)}


def _is_listed_elsewhere(case: ComparisonCase, uname_series: list[FleetSeries]) -> bool:
    """Tell whether each of these hosts is told of under other `cluster` and `node` labels, too."""
    unames = case.telemetry.find_series("node_uname_info")
    own_clusters = {one.get_label("cluster") for one in uname_series}
    others = {case.hosts.find_identity(one) for one in unames if one.get_label("cluster") not in own_clusters}
    return bool(uname_series) and {case.hosts.find_identity(one) for one in uname_series} <= others


def _are_all_listed(case: ComparisonCase, uname_series: list[FleetSeries], ours: list[EtimNode]) -> bool:
    """Tell whether ours lists, by name, each of these hosts that its JSON shows."""
    visible_uuids = {node.get("uuid") for one in case.ours["cluster"].values() for node in one.get("node", {}).values()}
    names = {
        one.get_label("nodename") for one in uname_series if one.get_label("icos_host_id").strip() in visible_uuids
    }
    return names - {""} <= {node[0] for node in ours}


def _explain_field(
    case: ComparisonCase, uname_series: list[FleetSeries], index: int, go: str | int, ours: str | int
) -> DocumentedDifference | None:
    """Return the documented difference between two values of one field of the node, if it is one."""
    labels = {name: uname_series[0].get_label(name) for name in ("cluster", "node")} if uname_series else {}
    agents = case.telemetry.find_series("tlum_host_info", **labels)
    if len({case.hosts.find_identity(one) for one in [*uname_series, *agents]}) > 1:
        return DocumentedDifference.MIXED if labels and ours in _list_possible_values(case, labels, index) else None
    if index == 1:
        machines = {one.get_label("machine") for one in uname_series}
        return DocumentedDifference.CONFLICT if len(machines) > 1 and ours == max(machines) else None
    hosts = [identity for one in uname_series if (identity := case.hosts.find_identity(one))]
    found = find_memory_candidates(
        case, hosts, MEMORY_METRICS[index - 2], case.telemetry.find_series(MEMORY_METRICS[index - 2], **labels)
    )
    choices = [0 if one is Absent.ABSENT else one for one in found.list_expected_values()]
    visible_series = found.find_matching(go)
    if visible_series and ours not in choices and index == AVAILABLE_MEMORY_INDEX:
        is_total = isinstance(ours, int) and ours in _list_possible_values(case, labels, AVAILABLE_MEMORY_INDEX - 1)
        is_above = any(isinstance(one, int) and one > int(ours) for one in choices)
        return DocumentedDifference.ABOVE_TOTAL if is_total and is_above else None
    if not visible_series or ours not in choices:
        return None
    known_uids = {one.get_label("k8s_cluster_uid") for one in uname_series}
    if known_uids.isdisjoint({one.get_label("k8s_cluster_uid") for one in visible_series}):
        return DocumentedDifference.OTHER_CLUSTER
    return _explain_rejection(found.kind, visible_series) or (
        DocumentedDifference.CONFLICT if len({one.value for one in found.list_all()}) > 1 else None
    )


def _explain_rejection(kind: ValueKind, visible_series: list[FleetSeries]) -> DocumentedDifference | None:
    """Return why ours keeps none of the values that Go may show here, or None if it keeps one."""
    if not all(is_finite(one) for one in visible_series):
        return DocumentedDifference.UNREAL
    if not all(kind.fits_go_integer(one) for one in visible_series):
        return DocumentedDifference.OUT_OF_RANGE
    return DocumentedDifference.NEGATIVE if all(kind.keep(one) is None for one in visible_series) else None
