"""A row of the catalog: a PromQL query, the selector of its entity, and the fields that the samples fill."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import lru_cache
from typing import get_origin, get_type_hints

import msgspec

from aggregator.models import topology
from aggregator.models.catalog.converters import (
    TextConverter,
    parse_latitude,
    parse_longitude,
    parse_optional_text,
    parse_reported_degrees,
    parse_stripped_text,
    parse_timestamp,
)
from aggregator.models.catalog.promql import Expression


class ExporterKind(Enum):
    """What the labels of an exporter's series say about their object, if no ICOS labels name it.

    HOST: the exporter describes the host that it runs on, so the labels of its scrape target lead to it. CLUSTER: it
    describes objects of a cluster, and only labels that it sets itself are about them. OPENTELEMETRY: the labels are
    resource attributes. RULES: the series are those of an alert, with labels that its expression has left. OTHER: the
    series always have labels that name their object.
    """

    HOST = "host"
    CLUSTER = "cluster"
    OPENTELEMETRY = "opentelemetry"
    RULES = "rules"
    OTHER = "other"


@dataclass(frozen=True)
class Exporter:
    """A program that exposes metrics, and the optional part of it that exposes these metrics.

    `host_label` is a label of its own with the name of the host, if it has one. With `keeps_ended`, it sets the times
    of its samples itself, so Prometheus returns the series of an ended pod until five minutes after the last sample.
    """

    name: str
    component: str = ""
    kind: ExporterKind = ExporterKind.OTHER
    host_label: str = ""
    keeps_ended: bool = False

    def __str__(self) -> str:
        return f"{self.name}, {self.component}" if self.component else self.name


class EntityKind(Enum):
    """The kinds of entities. Each sample belongs to an entity, or to a child of it."""

    SYSTEM = "system"
    ORCHESTRATOR = "orchestrator"
    CLUSTER = "cluster"
    NODE = "node"
    POD = "pod"


class ChildKind(Enum):
    """The kinds of children of entities. The value is the field of the entity that contains them."""

    INTERFACE = "interfaces"
    DEVICE = "devices"
    FILESYSTEM = "filesystems"
    SENSOR = "sensors"
    GPU = "gpus"
    CONTAINER = "containers"
    WORKLOAD = "workloads"
    TAINT = "taints"


# The class of each kind in the topology. An orchestrator has none: it fills fields of its cluster.
MODEL_TYPES: dict[EntityKind | ChildKind, type[msgspec.Struct]] = {
    EntityKind.SYSTEM: topology.Topology,
    EntityKind.CLUSTER: topology.Cluster,
    EntityKind.NODE: topology.Node,
    EntityKind.POD: topology.Pod,
    ChildKind.INTERFACE: topology.Interface,
    ChildKind.DEVICE: topology.Device,
    ChildKind.FILESYSTEM: topology.Filesystem,
    ChildKind.SENSOR: topology.Sensor,
    ChildKind.GPU: topology.Gpu,
    ChildKind.CONTAINER: topology.Container,
    ChildKind.WORKLOAD: topology.Workload,
    ChildKind.TAINT: topology.Taint,
}

# Fields that the builder fills from other fields of an object and from its place in the tree. Rows cannot fill them.
BUILDER_FIELDS: dict[EntityKind | ChildKind, set[str]] = {
    EntityKind.SYSTEM: {"clusters", "nodes", "pods", "controllers", "version"},
    EntityKind.CLUSTER: {"key", "uid", "type", "cluster_id", "agent_id", "controllers", "last_seen_seconds"},
    EntityKind.NODE: {
        *("cluster", "key", "id", "type", "agent_id"),
        *("interfaces", "devices", "filesystems", "sensors", "gpus", "taints"),
        *("city", "country", "country_name", "continent", "gone_since_seconds"),
        *("requested_cpu_cores", "requested_memory_bytes", "pod_count"),
    },
    EntityKind.POD: {"cluster", "key", "id", "node", "containers", "workloads"},
    ChildKind.INTERFACE: {"name"},
    ChildKind.DEVICE: {"name"},
    ChildKind.FILESYSTEM: {"name"},
    ChildKind.SENSOR: {"name"},
    ChildKind.GPU: {"name"},
    ChildKind.CONTAINER: {"name"},
    ChildKind.WORKLOAD: {"instance"},
    ChildKind.TAINT: {"name"},
}


@dataclass(frozen=True)
class LabelMatch:
    """One way to find an entity: labels of the sample that must equal labels of the series that identify the entity.

    The last label must not be empty. An earlier label that the sample does not have matches an entity that does not
    have it either, as in PromQL's `on (…)`.
    """

    labels: tuple[str, ...]
    entity_labels: tuple[str, ...]


def match_labels(*pairs: str) -> LabelMatch:
    """Return a match of label pairs: "a" compares the label a of both, "b=c" compares b with the entity's c."""
    split_pairs = [pair.partition("=") for pair in pairs]
    return LabelMatch(
        tuple(label for label, _, _ in split_pairs),
        tuple(entity_label or label for label, _, entity_label in split_pairs),
    )


@dataclass(frozen=True)
class FieldMapping:
    """How samples fill a field: the value of `value_label`, or of the sample itself if it is empty, is converted.

    If the field is a mapping, the value of `key_label` is the key. A `key_label` that ends in "*" is a prefix: each
    label with the prefix is an entry. With `keeps_latest`, the largest value of all rows wins; this is for times,
    which cannot contradict each other. With `identifies`, different values mean that several objects share one
    identity, so the topology is incomplete. With `only_with`, such as ("resource", "cpu"), only samples whose label has
    that value fill the field: one query can fill several fields.
    """

    field: str
    convert: TextConverter
    value_label: str = ""
    key_label: str = ""
    keeps_latest: bool = False
    identifies: bool = False
    only_with: tuple[str, str] | None = None


@dataclass(frozen=True)
class EntitySelector:
    """Which object the samples of a row belong to: their entity, or a child of it.

    A row either finds entities or creates them. `matches` lists the ways to find an entity, the most reliable one
    first. A sample belongs to the only entity that matches, with `matches_all` to all entities that match. With
    `crosses_clusters`, the exporter of one cluster describes objects of others. `identities` lists the label sets that
    identify a new entity; the first set whose last label is not empty applies.

    The value of `child_label` is the name of the child. The child is created if the entity has none of that name,
    except with `known_children_only`. With `may_be_unknown`, the exporter also describes what is not in the topology:
    samples without an object do not make the topology incomplete.
    """

    kind: EntityKind
    matches: tuple[LabelMatch, ...] = ()
    identities: tuple[tuple[str, ...], ...] = ()
    child_kind: ChildKind | None = None
    child_label: str = ""
    known_children_only: bool = False
    may_be_unknown: bool = False
    matches_all: bool = False
    crosses_clusters: bool = False


@dataclass(frozen=True)
class Row:
    """One query, the entity of its samples and the fields that they fill.

    `description` says what the metric means, `exporter` which program exposes it. A `vital` row creates or names
    clusters or nodes, so without it the samples of other rows have no entity. If its query fails, the cached response
    is used even if the upstream rejected the query. For other rows, a rejected query never falls back to the cache.
    Raises ValueError if the row contradicts itself or the model.
    """

    name: str
    expression: Expression
    entity_selector: EntitySelector
    field_mappings: tuple[FieldMapping, ...]
    description: str
    exporter: Exporter
    vital: bool = False

    def __post_init__(self) -> None:
        for problem in self._find_problems():
            raise ValueError(f"catalog row {self.name}: {problem}")

    @property
    def object_labels(self) -> tuple[str, ...]:
        """Those of `OBJECT_LABELS` that the row reads."""
        if self.expression.labels is None:
            return ("node",) if self.entity_selector.kind is EntityKind.NODE else ("namespace", "pod")
        return tuple(label for label in OBJECT_LABELS if label in self.expression.labels)

    def list_scrape_labels(self, cluster_labels: Sequence[str]) -> tuple[str, ...]:
        """Return the labels from which the builder finds out which object a series is about."""
        kind = self.exporter.kind
        if kind is ExporterKind.OTHER:
            return ()
        labels = ("cluster", *cluster_labels, *CLUSTER_SCOPE_LABELS)
        if kind is ExporterKind.HOST:
            host_label = (self.exporter.host_label,) if self.exporter.host_label else ()
            return (*labels, "node", "kubernetes_node", *TARGET_LABELS, *host_label)
        if kind is ExporterKind.OPENTELEMETRY:
            return (*labels, *(OPENTELEMETRY_LABELS[label] for label in self.object_labels))
        exported = tuple(EXPORTED_PREFIX + label for label in self.object_labels)
        # A pod that is not scheduled has no `exported_node`. The target tells whether its own label `node` hides that.
        return (*labels, *exported, *(TARGET_LABELS if "node" in self.object_labels else ()))

    def keep_scrape_labels(self, cluster_labels: Sequence[str]) -> "Row":
        """Return the row with an expression whose samples keep the labels of `list_scrape_labels`."""
        return replace(self, expression=self.expression.keep_labels(self.list_scrape_labels(cluster_labels)))

    @property
    def needs_history(self) -> bool:
        """Whether its query computes a rate."""
        return "rate(" in self.expression.text

    def _find_problems(self) -> Iterable[str]:
        selector = self.entity_selector
        if not selector.matches and not selector.identities:
            yield "the entity selector has neither matches nor identities"
        if (selector.child_kind is None) != (selector.child_label == ""):
            yield "child_kind and child_label must be set together"
        if self.expression.labels is None and (
            selector.child_kind or selector.identities or any(not mapping.key_label for mapping in self.field_mappings)
        ):
            yield "an expression with all labels allows only field mappings with a key_label such as label_*"
        if self.expression.labels is not None:
            yield from (
                f"reads the label {label}, which its PromQL drops"
                for label in self._list_read_labels() - set(self.expression.labels)
            )
        if any(mapping.keeps_latest and (mapping.value_label or mapping.key_label) for mapping in self.field_mappings):
            yield "keeps_latest must be filled from the value of the sample, not from a label"
        target_kind = selector.child_kind or selector.kind
        if target_kind in MODEL_TYPES:
            for mapping in self.field_mappings:
                yield from _find_field_problems(target_kind, mapping)

    def _list_read_labels(self) -> set[str]:
        labels = {self.entity_selector.child_label}
        labels.update(mapping.only_with[0] for mapping in self.field_mappings if mapping.only_with)
        labels.update(*(match.labels for match in self.entity_selector.matches), *self.entity_selector.identities)
        labels.update(*((mapping.value_label, mapping.key_label) for mapping in self.field_mappings))
        return labels - {""}


# Evaluating the annotations of a class takes a millisecond, and each row needs those of its class.
_get_field_types = lru_cache(get_type_hints)


def _find_field_problems(target_kind: EntityKind | ChildKind, mapping: FieldMapping) -> Iterable[str]:
    model_type = MODEL_TYPES[target_kind]
    types = _get_field_types(model_type)
    name = model_type.__name__
    if mapping.field not in types:
        yield f"{name} has no field {mapping.field}: add it to class {name} in aggregator/models/topology.py"
    elif mapping.field in BUILDER_FIELDS[target_kind]:
        yield f"{name}.{mapping.field} is filled by the builder, not by rows"
    elif get_origin(types[mapping.field]) is Mapping and not mapping.key_label:
        yield f"{name}.{mapping.field} is a mapping and needs a key_label"
    elif get_origin(types[mapping.field]) is not Mapping and mapping.key_label:
        yield f"{name}.{mapping.field} is not a mapping: remove the key_label"


# The labels that name an object of a cluster.
OBJECT_LABELS = ("node", "namespace", "pod", "container")

# Prometheus renames a label of an exporter to this, unless `honor_labels` is set, if the scrape target has it, too.
EXPORTED_PREFIX = "exported_"

OPENTELEMETRY_LABELS: Mapping[str, str] = {label: f"k8s_{label}_name" for label in OBJECT_LABELS}

TARGET_LABELS = ("job", "instance")

# The labels that name a cluster in stock installations, the most reliable first.
DEFAULT_CLUSTER_LABELS = ("cluster", "k8s_cluster_name", "cluster_name", "clusterArn", "cluster_arn", "cluster_id")

# On Google Cloud, the name of a cluster is unique only with these.
CLUSTER_SCOPE_LABELS = ("project_id", "location")

# A series with one of these labels is ICOS telemetry.
ICOS_LABELS = ("k8s_cluster_uid", "icos_host_id", "icos_host_name", "icos_agent_id", "icos_cluster_id")

# The labels that identify a host: the machine ID, the ICOS host name, or plain `cluster` and `node` labels.
HOST_LABELS = ("k8s_cluster_uid", "icos_host_id", "icos_host_name", "cluster", "node")

AGENT_HOST_LABELS = ("icos_agent_id", *HOST_LABELS)

POD_LABELS = ("cluster", "k8s_cluster_uid", "namespace", "pod")

# The one empty identity: all samples belong to the only system.
SYSTEM = EntitySelector(EntityKind.SYSTEM, identities=((),))

NODE_MATCHES = (
    match_labels("k8s_cluster_uid", "icos_host_id"),
    match_labels("icos_host_id"),
    match_labels("k8s_cluster_uid", "icos_host_name"),
    match_labels("icos_host_name"),
    match_labels("cluster", "node"),
)

NODE_IDENTITIES = (("icos_host_id",), ("icos_host_name",), ("node",))

NODE = EntitySelector(EntityKind.NODE, NODE_MATCHES)

# Series of kube-state-metrics and Scaphandre have no machine ID, but the agent and the ICOS host name.
NODE_BY_AGENT = EntitySelector(
    EntityKind.NODE,
    (
        match_labels("k8s_cluster_uid", "icos_agent_id", "icos_host_name"),
        match_labels("icos_agent_id", "icos_host_name"),
        *NODE_MATCHES,
    ),
)

# A host that plain `cluster` and `node` labels identify; the builder adds the label `node` where it is missing.
PLAIN_NODE = EntitySelector(EntityKind.NODE, identities=(("node",),))

INTERFACE = EntitySelector(EntityKind.NODE, NODE_MATCHES, child_kind=ChildKind.INTERFACE, child_label="device")

FILESYSTEM = EntitySelector(EntityKind.NODE, NODE_MATCHES, child_kind=ChildKind.FILESYSTEM, child_label="device")

SENSOR = EntitySelector(EntityKind.NODE, NODE_MATCHES, child_kind=ChildKind.SENSOR, child_label="sensor_name")

POD_MATCHES = (
    match_labels("k8s_cluster_uid", "namespace", "pod"),
    match_labels("k8s_cluster_uid", "pod"),
    match_labels("namespace", "pod"),
)

NEW_POD = EntitySelector(EntityKind.POD, identities=(("namespace", "pod"),))

POD = EntitySelector(EntityKind.POD, POD_MATCHES)

CONTAINER = EntitySelector(EntityKind.POD, POD_MATCHES, child_kind=ChildKind.CONTAINER, child_label="container")

# For rows whose sample values are the times of the samples.
LAST_SEEN = FieldMapping("last_seen_seconds", parse_timestamp, keeps_latest=True)

NODE_IDENTITY_FIELDS = (
    LAST_SEEN,
    FieldMapping("node_label", parse_optional_text, "node"),
    FieldMapping("host_id", parse_stripped_text, "icos_host_id", identifies=True),
)

PLAIN_NODE_FIELDS = (LAST_SEEN, FieldMapping("node_label", parse_optional_text, "node"))


def map_quantity(field: str, convert: TextConverter, quantity: str, value_label: str = "") -> FieldMapping:
    """Return the mapping of the samples of one quantity in a query that `label_quantities` made."""
    return FieldMapping(field, convert, value_label, only_with=("quantity", quantity))


def create_position_fields(latitude_label: str, longitude_label: str) -> tuple[FieldMapping, ...]:
    """Return the mappings of labels with the position of a host."""
    return (
        FieldMapping("latitude", parse_latitude, latitude_label),
        FieldMapping("longitude", parse_longitude, longitude_label),
        FieldMapping("reported_latitude", parse_reported_degrees, latitude_label),
        FieldMapping("reported_longitude", parse_reported_degrees, longitude_label),
    )
