"""The default catalog: the rows of all telemetry families. To add a family, write its module and add its ROWS below.

Which family a series belongs to is recognized from its labels, so all families can be mixed (`builder.relabel`). A
family without rows of its own is a convention of labels: ETIM's hosts have the labels `cluster` and `node`.
"""

from collections.abc import Collection, Iterable, Sequence
from enum import StrEnum

from aggregator.models.catalog import (
    agents,
    alerts,
    docker,
    hardware,
    icos,
    kubernetes,
    kubernetes_containers,
    kubernetes_nodes,
    kubernetes_pods,
    kubernetes_receiver,
    node_exporter,
)
from aggregator.models.catalog.converters import parse_float
from aggregator.models.catalog.promql import oldest_timestamp
from aggregator.models.catalog.row import DEFAULT_CLUSTER_LABELS, SYSTEM, Exporter, FieldMapping, Row

OLDEST_SAMPLE_ROW = Row(
    "oldest_sample",
    oldest_timestamp("up"),
    SYSTEM,
    (FieldMapping("oldest_sample_seconds", parse_float),),
    "time of the last sample of the scrape target that has been silent for the longest time",
    Exporter("Prometheus itself"),
)


class TelemetryFamily(StrEnum):
    """The telemetry that an installation has."""

    ICOS = "icos"
    KUBERNETES = "kubernetes"
    DOCKER = "docker"
    ETIM = "etim"


ALL_FAMILIES = tuple(TelemetryFamily)
FAMILIES_WITH_KUBERNETES_ROWS = (TelemetryFamily.ICOS, TelemetryFamily.KUBERNETES, TelemetryFamily.ETIM)

# In the order of precedence: the rows of each module, and the families that need them.
_MODULES: tuple[tuple[Iterable[Row], Collection[TelemetryFamily]], ...] = (
    ((OLDEST_SAMPLE_ROW,), ALL_FAMILIES),
    (kubernetes.ROWS, FAMILIES_WITH_KUBERNETES_ROWS),
    (kubernetes_pods.ROWS, FAMILIES_WITH_KUBERNETES_ROWS),
    (kubernetes_containers.ROWS, FAMILIES_WITH_KUBERNETES_ROWS),
    (node_exporter.ROWS, ALL_FAMILIES),
    (kubernetes.RECEIVER_ROWS, FAMILIES_WITH_KUBERNETES_ROWS),
    (hardware.ROWS, ALL_FAMILIES),
    (icos.ROWS, (TelemetryFamily.ICOS,)),
    (kubernetes_nodes.ROWS, FAMILIES_WITH_KUBERNETES_ROWS),
    (kubernetes_receiver.ROWS, FAMILIES_WITH_KUBERNETES_ROWS),
    (docker.ROWS, (TelemetryFamily.ICOS, TelemetryFamily.DOCKER)),
    (agents.ROWS, (TelemetryFamily.DOCKER,)),
    (alerts.ROWS, ALL_FAMILIES),
)


def compose_default_catalog(
    cluster_labels: Sequence[str] = DEFAULT_CLUSTER_LABELS, families: Collection[TelemetryFamily] = ALL_FAMILIES
) -> tuple[Row, ...]:
    """Return the rows of these families, in the order of precedence. `cluster_labels` may name a cluster.

    Where several rows fill one field of an object, the first row that has a value wins. So Kubernetes takes precedence
    over the host itself (number of cores, memory size), and node_exporter over OpenTelemetry's kubelet statistics
    (CPU usage, network) and over the ICOS telemetry agent (host name, architecture, position, frequencies). For the
    labels and the container runtime of a node, the agent takes precedence over Kubernetes.
    """
    rows = compose_catalog(*(rows for rows, needed_by in _MODULES if set(needed_by) & set(families)))
    return tuple(row.keep_scrape_labels(cluster_labels) for row in rows)


def compose_catalog(*families: Iterable[Row]) -> tuple[Row, ...]:
    """Return the rows of the families, the first family first; raise ValueError if two rows have the same name."""
    rows = tuple(row for family in families for row in family)
    names = [row.name for row in rows]
    if duplicates := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"names of catalog rows must be unique, got several rows named {', '.join(duplicates)}")
    return rows
