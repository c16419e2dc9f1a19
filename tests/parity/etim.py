"""The same over gRPC: every node that the Go service names is in our answer with the same figures."""

from collections import Counter
from collections.abc import Iterator

import grpc

from aggregator.pb.etim import server_pb2, server_pb2_grpc
from tests.parity.documented import Row
from tests.parity.telemetry import Series, Telemetry, is_finite

TIMEOUT_SECONDS = 5.0
SMALLEST = -(2**63)
FIELDS = ("machine", "node_memory_MemTotal_bytes", "node_memory_MemAvailable_bytes")

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


def differences(telemetry: Telemetry, go: list[Node], ours: list[Node]) -> Iterator[tuple[Row | None, str]]:
    """Yield the row of the documented difference, or None for a break, and a text, for each node that ours lacks."""
    left = Counter(ours)
    missing = []
    for node in go:
        if left[node] > 0:
            left[node] -= 1
        else:
            missing.append(node)
    for node in missing:
        if not node[0]:
            yield (Row.UNLABELLED if _unames(telemetry, "") else None), f"gRPC node {node}: absent"
            continue
        rivals = [one for one in left.elements() if one[0] == node[0]]
        closest = min(rivals, key=lambda one: len(_apart(node, one)), default=None)
        if closest is None:
            row = Row.CONTROLLERS if _is_controllers(telemetry, node) else None
            yield row, f"gRPC node {node}: absent, ours has {len(ours)} nodes"
            continue
        left[closest] -= 1
        rows = [_row(telemetry, node[0], at, node[at], closest[at]) for at in _apart(node, closest)]
        if rows:
            yield (rows[0] if all(rows) else None), f"gRPC node: Go {node}, ours {closest}"


def _apart(go: Node, ours: Node) -> list[int]:
    """Return where the nodes differ; what Go leaves at nothing is unset in proto3, and ours may know it."""
    return [at for at in range(1, 4) if go[at] and go[at] != ours[at]]


def _is_controllers(telemetry: Telemetry, node: Node) -> bool:
    return any(
        one.label("k8s_cluster_uid") == "self" and one.label("machine") == node[1]
        for one in _unames(telemetry, node[0])
    )


def _row(telemetry: Telemetry, node: str, at: int, go: str | int, ours: str | int) -> Row | None:
    """Return the documented difference between two values of one field of the node, if it is one."""
    if FIELDS[at - 1] == "machine":
        machines = {one.label("machine") for one in _unames(telemetry, node)}
        return Row.CONFLICT if len(machines) > 1 and {go, ours} <= machines else None
    hosts = {one.label("icos_host_id") for one in _unames(telemetry, node)} - {""}
    told = [
        one
        for one in telemetry.of(FIELDS[at - 1])
        if one.label("node") == node or one.label("icos_host_id") in hosts
    ]
    kept = [int(one.number()) for one in told if is_finite(one) and abs(one.number()) < -SMALLEST]
    if go == SMALLEST and len(kept) < len(told) and ours in (0, *kept):
        return Row.OUT_OF_RANGE if all(is_finite(one) for one in told) else Row.UNREAL
    return Row.CONFLICT if go in kept and ours in kept else None


def _unames(telemetry: Telemetry, node: str) -> list[Series]:
    return telemetry.of("node_uname_info", node=node)
