"""The same over gRPC: every node that the Go service names is in our answer with the same figures."""

from collections import Counter
from collections.abc import Iterator

import grpc

from aggregator.pb.etim import server_pb2, server_pb2_grpc
from tests.parity.compare import Absent, Case
from tests.parity.documented import Row
from tests.parity.sources import WHOLE, Kind, memory
from tests.parity.telemetry import Series, Telemetry, is_finite

TIMEOUT_SECONDS = 5.0
FIELDS = ("node_memory_MemTotal_bytes", "node_memory_MemAvailable_bytes")

# Node id, architecture, total and available bytes of memory.
Node = tuple[str, str, int, int]


def ask(port: int) -> list[Node]:
    """Return the nodes that the service on this port of 127.0.0.1 answers; raises grpc.RpcError."""
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = server_pb2_grpc.AggregatorStub(channel).ConnectToQuerier  # type: ignore[no-untyped-call]  # generated without types
        answer = call(server_pb2.Empty(), timeout=TIMEOUT_SECONDS)
    return [
        (one.id, one.cpu_architecture, one.resources.memoryInBytes, one.available_resources.memoryInBytes)
        for one in answer.nodes
    ]


def differences(case: Case, go: list[Node], ours: list[Node]) -> Iterator[tuple[Row | None, str]]:
    """Yield the row of the documented difference, or None for a break, and a text, for each node that ours lacks."""
    left = Counter(ours)
    missing = []
    for node in go:
        if left[node] > 0:
            left[node] -= 1
        else:
            missing.append(node)
    # What Go tells most of fits the fewest of ours: it is looked for first.
    for node in sorted(missing, key=lambda node: node.count(0)):
        told_by = _told_by(case.telemetry, node)
        if not node[0]:
            row = Row.UNLABELLED if told_by and _are_listed(case, told_by, ours) else None
            yield row, f"gRPC node {node}: absent"
            continue
        if told_by and all(one.label("k8s_cluster_uid") == "self" for one in told_by):
            yield Row.CONTROLLERS, f"gRPC node {node}: absent"
            continue
        rivals = [one for one in left.elements() if one[0] == node[0]]
        if not rivals and _is_twice(case, told_by):
            yield Row.TWICE, f"gRPC node {node}: absent"
            continue
        if not rivals:
            yield None, f"gRPC node {node}: absent, ours has {len(ours)} nodes"
            continue
        explained = [(_rows(case, told_by, node, one), one) for one in rivals]
        rows, closest = min(explained, key=lambda one: (None in one[0], len(one[0])))
        left[closest] -= 1
        if rows:
            yield (None if None in rows else rows[0]), f"gRPC node: Go {node}, ours {closest}"


def _rows(case: Case, told_by: list[Series], go: Node, ours: Node) -> list[Row | None]:
    """Return the row of each field in which the nodes differ."""
    return [_row(case, told_by, at, go[at], ours[at]) for at in _apart(go, ours)]


def _apart(go: Node, ours: Node) -> list[int]:
    """Return where the nodes differ; what Go leaves at nothing is unset in proto3, and ours may know it."""
    return [at for at in range(1, 4) if go[at] and go[at] != ours[at]]


def _told_by(telemetry: Telemetry, node: Node) -> list[Series]:
    """Return the node_uname_info of the `cluster` and `node` labels that Go made this node of."""
    named = telemetry.of("node_uname_info", node=node[0])
    for cluster in sorted({one.label("cluster") for one in named}):
        found = [one for one in named if one.label("cluster") == cluster]
        read: list[set[str | int]] = [{one.label("machine") for one in found}]
        for field in FIELDS:
            told = telemetry.of(field, cluster=cluster, node=node[0])
            read.append({WHOLE.read(one) for one in told} or {0})
        if all(value in values for value, values in zip(node[1:], read, strict=True)):
            return found
    return []


def _offers(case: Case, plain: dict[str, str], at: int) -> set[str | int]:
    """Return what the hosts of one `cluster` and `node` label say of a field, each for itself."""
    if at > 1:
        told = [*case.telemetry.of("node_uname_info", **plain), *case.telemetry.of("tlum_host_info", **plain)]
        hosts = {identity for one in told if (identity := case.hosts.identity(one))}
        return {0 if one is Absent.ABSENT else one for one in memory(case, [*hosts], FIELDS[at - 2], []).choices()}
    agents = [one.label("arch") for one in case.telemetry.of("tlum_host_info", **plain)]
    machines = {one.label("machine") for one in case.telemetry.of("node_uname_info", **plain)}
    return {*machines, *({"amd64": "x86_64", "arm64": "aarch64"}.get(one, one) for one in agents)}


def _is_twice(case: Case, told_by: list[Series]) -> bool:
    """Tell whether each of these hosts is told of under other `cluster` and `node` labels, too."""
    unames = case.telemetry.of("node_uname_info")
    mine = {one.label("cluster") for one in told_by}
    others = {case.hosts.identity(one) for one in unames if one.label("cluster") not in mine}
    return bool(told_by) and {case.hosts.identity(one) for one in told_by} <= others


def _are_listed(case: Case, told_by: list[Series], ours: list[Node]) -> bool:
    """Tell whether ours lists, by name, each of these hosts that its JSON shows."""
    shown = {node.get("uuid") for one in case.ours["cluster"].values() for node in one.get("node", {}).values()}
    names = {one.label("nodename") for one in told_by if one.label("icos_host_id").strip() in shown}
    return names - {""} <= {node[0] for node in ours}


def _row(case: Case, told_by: list[Series], at: int, go: str | int, ours: str | int) -> Row | None:
    """Return the documented difference between two values of one field of the node, if it is one."""
    plain = {name: told_by[0].label(name) for name in ("cluster", "node")} if told_by else {}
    agents = case.telemetry.of("tlum_host_info", **plain)
    if len({case.hosts.identity(one) for one in [*told_by, *agents]}) > 1:
        return Row.MIXED if plain and ours in _offers(case, plain, at) else None
    if at == 1:
        machines = {one.label("machine") for one in told_by}
        return Row.CONFLICT if len(machines) > 1 and ours == max(machines) else None
    hosts = [identity for one in told_by if (identity := case.hosts.identity(one))]
    found = memory(case, hosts, FIELDS[at - 2], case.telemetry.of(FIELDS[at - 2], **plain))
    choices = [0 if one is Absent.ABSENT else one for one in found.choices()]
    shown = found.read(go)
    if not shown or ours not in choices:
        return None
    return _refused(found.kind, shown) or (Row.CONFLICT if len({one.value for one in found.all()}) > 1 else None)


def _refused(kind: Kind, shown: list[Series]) -> Row | None:
    """Return why ours keeps none of the values that Go may show here, or None if it keeps one."""
    if not all(is_finite(one) for one in shown):
        return Row.UNREAL
    if not all(kind.fits(one) for one in shown):
        return Row.OUT_OF_RANGE
    return Row.NEGATIVE if all(kind.keep(one) is None for one in shown) else None
