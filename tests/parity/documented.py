"""The rows of docs/parity.md that a value of the Go answer can meet: each rule is named after its row."""

from enum import StrEnum
from pathlib import Path

DOCUMENT = Path(__file__).parents[2] / "docs" / "parity.md"


class Row(StrEnum):
    """The first column of a row."""

    NO_ANSWER = (
        "no answer: Prometheus down, one query of 21 refused, duplicates under a `group_left`, NaN in a float, "
        "no `up` series"
    )
    UNREAL = "NaN, ±Inf"
    NEGATIVE = "fewer than no bytes, cores, hertz or vulnerabilities"
    OUT_OF_RANGE = "out of range of 64 bits, or in 1.2.5 of 32 bits"
    WARMEST = "several thermal zones"
    ADDRESSES = "several addresses of an interface"
    CONFLICT = "several series for one value"
    SCALED = "capacity and energy"
    SHARED_POD = "one pod name in several namespaces, or with and without its cluster's uid"
    SHARED_NAME = "two clusters of one name"
    SHARED_HOST = "two hosts of one name in a cluster"
    TWO_NAMES = "two names for one cluster"
    EMPTY_NAME = "a cluster's name that is empty"
    NAMELESS_POD = "a pod without a name"
    NAMELESS_CONTAINER = "usage of a container without a name"
    AMBIGUOUS_HOST = "two hosts of one ICOS host name"
    LOW_BITS = "a device's gauge with a value that no exporter writes (2147483647)"
    NAMELESS_HOST = "a host without a name"
    NO_MACHINE_ID = "a host without a machine id"
    TRIMMED = "machine id with a newline at its end"
    MORE_CONTAINERS = "a container's series that lacks a label"
    CONTAINER_NODE = "pods, containers: a `container` series' own `icos_host_id`"
    DEGREES = "latitude, longitude: `1_0`, hexadecimal"
    CONTROLLERS = 'gRPC: the controller\'s own hosts (`k8s_cluster_uid="self"`)'
    MIXED = "gRPC: two hosts of one `cluster` and `node` label"
    TWICE = "gRPC: one host under several `cluster` and `node` labels"
    UNLABELLED = "gRPC: hosts with neither `cluster` nor `node` label"


def first_column() -> list[str]:
    """Return what the rows of the table in docs/parity.md begin with."""
    lines = DOCUMENT.read_text(encoding="utf-8").splitlines()
    return [line.split("|")[1].strip() for line in lines if line.startswith("| ")][1:]
