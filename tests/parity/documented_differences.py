"""The rows of docs/parity.md that a value of the Go answer can meet: each rule is named after its row."""

from enum import StrEnum
from pathlib import Path

PARITY_DOCUMENT = Path(__file__).parents[2] / "docs" / "parity.md"


class DocumentedDifference(StrEnum):
    """The first column of a row."""

    NO_ANSWER = "Prometheus down, a failed query, a NaN, or no `up` series"
    UNREAL = "NaN, ±Inf"
    NEGATIVE = "negative bytes, cores, hertz or vulnerabilities"
    ABOVE_TOTAL = "free or available memory above the memory size"
    OUT_OF_RANGE = "out of range of 64 bits, or in 1.2.5 of 32 bits"
    WARMEST = "several thermal zones"
    ADDRESSES = "several addresses of an interface"
    CONFLICT = "several series for one value"
    SCALED = "capacity and energy"
    NO_JOIN_LABELS = "capacity or energy whose series has no ICOS host name"
    SHARED_POD = "one pod name in several namespaces, or with and without cluster UID"
    SHARED_NAME = "two clusters with one name"
    SHARED_HOST = "two hosts with one name in a cluster"
    TWO_NAMES = "two names for one cluster"
    EMPTY_NAME = "empty cluster name"
    NAMELESS_POD = "pod without a name"
    NAMELESS_CONTAINER = "usage of a container without a name"
    AMBIGUOUS_HOST = "two hosts with one ICOS host name"
    SCANNED_ELSEWHERE = "scan result whose series name another cluster than the host"
    LOW_BITS = "device state 2147483647"
    NAMELESS_HOST = "host without a name"
    AGENT_KEY = "Nuvla: several agents have the node's name as host name, or one of another cluster"
    NO_MACHINE_ID = "host without a machine ID"
    TRIMMED = "machine ID that ends with a newline"
    MORE_CONTAINERS = "container series that lacks a label"
    CONTAINER_NODE = "containers: `icos_host_id` of the `container` series"
    DEGREES = "latitude, longitude: `1_0`, hexadecimal"
    CONTROLLERS = 'gRPC: hosts of the controller (`k8s_cluster_uid="self"`)'
    OTHER_CLUSTER = "gRPC: memory whose series name another cluster than `node_uname_info`"
    MIXED = "gRPC: two hosts with equal `cluster` and `node` labels"
    TWICE = "gRPC: one host with several `cluster` and `node` labels"
    UNLABELLED = "gRPC: hosts without `cluster` and `node` labels"


def read_documented_rows() -> list[str]:
    """Return what the rows of the table in docs/parity.md begin with."""
    lines = PARITY_DOCUMENT.read_text(encoding="utf-8").splitlines()
    return [line.split("|")[1].strip() for line in lines if line.startswith("| ")][1:]
