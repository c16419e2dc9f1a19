"""The same over gRPC: every node that the Go service names is in our answer with the same figures."""

import math
from collections import Counter
from collections.abc import Iterator

import grpc

from aggregator.pb.etim import server_pb2, server_pb2_grpc
from tests.parity.rules import ARCHITECTURES
from tests.parity.telemetry import Series, Telemetry

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


def differences(telemetry: Telemetry, go: list[Node], ours: list[Node]) -> Iterator[tuple[str | None, str]]:
    """Yield the documented difference, or None for a break, and a text, for each node of Go that ours lacks."""
    left = Counter(ours)
    missing = []
    for node in go:
        if node[0] and left[node] > 0:
            left[node] -= 1
        elif node[0]:
            missing.append(node)
    for node in missing:
        rivals = [one for one in left.elements() if one[0] == node[0]]
        closest = min(rivals, key=lambda one: len(_apart(node, one)), default=None)
        if closest is None:
            yield None, f"gRPC node {node}: absent, ours has {len(ours)} nodes"
            continue
        left[closest] -= 1
        rules = [_rule(telemetry, node[0], FIELDS[at - 1], node[at], closest[at]) for at in _apart(node, closest)]
        if rules:
            yield (rules[0] if all(rules) else None), f"gRPC node: Go {node}, ours {closest}"


def _apart(go: Node, ours: Node) -> list[int]:
    """Return where the nodes differ; what Go leaves at nothing is unset in proto3, and ours may know it."""
    return [at for at in range(1, 4) if go[at] and go[at] != ours[at]]


def _rule(telemetry: Telemetry, node: str, field: str, go: str | int, ours: str | int) -> str | None:
    """Return the documented difference between two values of one field of the node, if it is one."""
    if field == "machine":
        spelled = [ARCHITECTURES.get(one.label("machine"), one.label("machine")) for one in _unames(telemetry, node)]
        if ours == ARCHITECTURES.get(str(go)):
            return "architecture amd64, arm64: x86_64, aarch64"
        return "series that disagree: one documented choice" if ours in spelled and len(set(spelled)) > 1 else None
    hosts = {one.label("icos_host_id") for one in _unames(telemetry, node)} - {""}
    told = [one for one in telemetry.of(field) if one.label("node") == node or one.label("icos_host_id") in hosts]
    values = [one.number() for one in told]
    real = [int(value) for value in values if math.isfinite(value)]
    if go == SMALLEST and len(real) < len(values) and ours in (0, *real):
        return "NaN or infinity: the value is left out"
    return "series that disagree: one documented choice" if len(set(values)) > 1 and ours in real else None


def _unames(telemetry: Telemetry, node: str) -> list[Series]:
    return telemetry.of("node_uname_info", node=node)
