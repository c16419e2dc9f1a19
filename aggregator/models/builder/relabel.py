"""Relabels plain telemetry: gives a series the labels of its object instead of those of its scrape target.

Stock installations of Prometheus name the cluster in different labels, say only in `instance` or `pod` which host an
exporter runs on, or hide the labels of an exporter behind those of the scrape target (`exported_pod`). After this stage
`cluster`, `node`, `namespace`, `pod` and `container` are those of the object, so the stages that follow need no rule
for any installation. Series with ICOS labels remain as they are. docs/clusters.md lists the rules.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import filterfalse
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec

from aggregator.models.builder.entities import create_label_getter
from aggregator.models.builder.membership import CLUSTER_UID_ATTRIBUTE
from aggregator.models.builder.merge import MAX_UNPLACED_TARGETS, BuildStats, UnplacedTarget
from aggregator.models.catalog.row import (
    CLUSTER_SCOPE_LABELS,
    EXPORTED_PREFIX,
    ICOS_LABELS,
    OBJECT_LABELS,
    OPENTELEMETRY_LABELS,
    EntityKind,
    ExporterKind,
    Row,
)
from aggregator.models.sample import Sample, get_label_attribute
from aggregator.util.runtime import list_in_chunks

SEVERAL_HOSTS_REASON = "several hosts share the labels job and instance"
UNKNOWN_HOST_REASON = (
    "no Kubernetes node matches the labels node, instance or pod, the address or the host name of its scrape target"
)


_get_labels = attrgetter("labels")


class NamedCluster(NamedTuple):
    """A cluster that labels name: what identifies it, and its name."""

    uid: str
    name: str


class TargetId(NamedTuple):
    """A scrape target."""

    cluster: str
    job: str
    instance: str


@dataclass
class _ClusterHosts:
    """The hosts of one cluster, and the other names that lead to them; None for a name that several hosts have."""

    names: set[str] = field(default_factory=set)
    is_kubernetes: bool = False
    nodes_by_pod: dict[tuple[str, str], str | None] = field(default_factory=dict)
    nodes_by_address: dict[str, str | None] = field(default_factory=dict)
    nodes_by_pod_address: dict[str, str | None] = field(default_factory=dict)
    addresses_by_pod: dict[tuple[str, str], str] = field(default_factory=dict)


@dataclass
class _Target:
    """What the series of one scrape target say about its host."""

    pods: set[tuple[str, str]] = field(default_factory=set)
    host_names: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class _Replacement:
    """The labels of the object of a series, or the reason why its object is unknown."""

    labels: Mapping[str, str]
    reason: str = ""


_UNCHANGED = _Replacement({})


class Relabeler:
    """Relabels the series of a refresh, after it has learned which hosts, pods and scrape targets there are."""

    def __init__(self, cluster_labels: Sequence[str], default_cluster: str, stats: BuildStats) -> None:
        self._cluster_labels = tuple(cluster_labels)
        self._default_cluster = default_cluster
        self._stats = stats
        self._hidden_labels: dict[TargetId, set[str]] = {}
        self._clusters: dict[str, _ClusterHosts] = {}
        self._targets: dict[TargetId, _Target] = {}
        self._host_targets: set[TargetId] = set()
        self._cluster_targets: set[TargetId] = set()
        self._named_clusters: dict[tuple[str, ...], NamedCluster] = {}
        self._hosts: dict[tuple[str, ...], _Replacement] = {}
        # The names of clusters whose UID is another text.
        self.cluster_names: dict[str, str] = {}

    def learn(self, samples_by_row: Sequence[tuple[Row, list[Sample]]]) -> None:
        """Learn from the samples of all rows that create hosts or pods."""
        plain = [
            (row, label_sets)
            for row, samples in samples_by_row
            if row.exporter.kind is not ExporterKind.OTHER and (label_sets := list(_iter_plain(samples)))
        ]
        for row, label_sets in plain:
            if row.exporter.kind is ExporterKind.CLUSTER:
                self._learn_hidden_labels(label_sets)
        for row, label_sets in plain:
            learn = self._select_learner(row)
            for label_set in label_sets:
                learn(row, label_set)

    def relabel(self, row: Row, samples: list[Sample]) -> list[Sample]:
        """Return the samples with the labels of their objects; count those whose host is unknown."""
        if row.exporter.kind is ExporterKind.OTHER or next(_iter_plain(samples), None) is None:
            return samples
        read_key = _create_key_reader(row, self._cluster_labels, samples[0].labels)
        label_sets = list_in_chunks(map(_get_labels, samples))
        keys = list_in_chunks(map(read_key, label_sets))
        replacements = {
            key: self._find_replacement(row, label_set)
            for key, label_set in dict(zip(keys, label_sets, strict=True)).items()
        }
        if all(replacement is _UNCHANGED for replacement in replacements.values()):
            return samples
        relabeled: list[Sample] = []
        for sample, key in zip(samples, keys, strict=True):
            replacement = replacements[key]
            if replacement is _UNCHANGED:
                relabeled.append(sample)
            elif replacement.reason:
                self._stats.unplaced[row.name, replacement.reason] += 1
            else:
                relabeled.append(Sample(_replace_labels(sample.labels, replacement.labels), sample.value))
        return relabeled

    def _select_learner(self, row: Row) -> Callable[[Row, Any], None]:
        """Return the method that learns from the series of a row."""
        if row.exporter.kind is ExporterKind.HOST:
            return self._learn_target
        return self._learn_node if row.entity_selector.kind is EntityKind.NODE else self._learn_pod

    def _learn_hidden_labels(self, label_sets: Iterable[Any]) -> None:
        """Learn the targets of exporters that describe a cluster, and which of their labels the targets hide.

        If a target hides a label, other series of it have the label with the prefix `exported_`.
        """
        for label_set in label_sets:
            self._cluster_targets.add(self._read_target_id(label_set))
            for label in OBJECT_LABELS:
                if _read(label_set, EXPORTED_PREFIX + label):
                    self._hidden_labels.setdefault(self._read_target_id(label_set), set()).add(label)

    def _learn_node(self, row: Row, label_set: Any) -> None:
        node = self._read_object_labels(row, label_set)["node"]
        cluster = self._get_cluster_hosts(label_set)
        cluster.is_kubernetes = True
        cluster.names.add(node)
        _add_unique(cluster.nodes_by_address, _read(label_set, "internal_ip"), node)

    def _learn_pod(self, row: Row, label_set: Any) -> None:
        labels = self._read_object_labels(row, label_set)
        cluster = self._get_cluster_hosts(label_set)
        cluster.is_kubernetes = True
        if address := _read(label_set, "pod_ip"):
            cluster.addresses_by_pod[labels["namespace"], labels["pod"]] = address
        if node := labels["node"]:
            _add_unique(cluster.nodes_by_pod, (labels["namespace"], labels["pod"]), node)
            host_address, pod_address = _read(label_set, "host_ip"), _read(label_set, "pod_ip")
            _add_unique(cluster.nodes_by_address, host_address, node)
            if pod_address != host_address:
                _add_unique(cluster.nodes_by_pod_address, pod_address, node)

    def _learn_target(self, _row: Row, label_set: Any) -> None:
        cluster = self._get_cluster_hosts(label_set)
        self._host_targets.add(self._read_target_id(label_set))
        if node := _read(label_set, "node") or _read(label_set, "kubernetes_node"):
            cluster.names.add(node)
            return
        target = self._targets.setdefault(self._read_target_id(label_set), _Target())
        if pod := _read(label_set, "pod"):
            target.pods.add((_read(label_set, "namespace"), pod))
        if host_name := _read(label_set, "nodename"):
            target.host_names.add(host_name)

    def _find_replacement(self, row: Row, label_set: Any) -> _Replacement:
        if not _is_plain(label_set):
            return _UNCHANGED
        labels = {"cluster": self._read_cluster(label_set).uid}
        if row.exporter.kind is ExporterKind.HOST:
            host = self._find_host(row, label_set)
            if host.reason:
                return host
            labels |= host.labels
        elif row.exporter.kind is ExporterKind.RULES:
            labels |= self._find_alert_object(row, label_set)
        else:
            labels |= self._find_object_labels(row, label_set)
            if row.entity_selector.identities and row.entity_selector.kind is EntityKind.POD:
                # A pod that is not scheduled yet has no node that leads to the default cluster.
                labels["cluster"] = labels["cluster"] or self._default_cluster
        changed_labels = {label: value for label, value in labels.items() if _read(label_set, label) != value}
        return _Replacement(changed_labels) if changed_labels else _UNCHANGED

    def _find_alert_object(self, row: Row, label_set: Any) -> dict[str, str]:
        """Return the labels of the node or pod that an alert is about; those of the other one are empty.

        An alert has the labels of a series, so they may be those of the object or of the scrape target. An alert on
        series of an exporter that runs on a host is about the host. Otherwise a pod comes first, unless it is the one
        that kube-state-metrics runs in, then the node, then the node with the address in `instance`.
        """
        about_pod = self._read_object_labels(row, label_set)
        namespace, pod, node = about_pod["namespace"], about_pod["pod"], about_pod["node"]
        target_id = self._read_target_id(label_set)
        if target_id in self._host_targets:
            node = self._find_host(row, label_set).labels.get("node", "")
        elif pod and not (target_id in self._cluster_targets and self._runs_in_pod(target_id, namespace, pod)):
            return {"node": "", "namespace": namespace, "pod": pod}
        return {"node": node or self._find_node_of_address(target_id), "namespace": "", "pod": ""}

    def _runs_in_pod(self, target_id: TargetId, namespace: str, pod: str) -> bool:
        """Return whether a scrape target is this pod, by the address or the name in `instance`."""
        cluster = self._clusters.get(target_id.cluster, _ClusterHosts())
        return split_instance(target_id.instance) in (cluster.addresses_by_pod.get((namespace, pod)), pod)

    def _find_node_of_address(self, target_id: TargetId) -> str:
        """Return the node whose name or address is the `instance` of a target, "" if there is none."""
        cluster = self._clusters.get(target_id.cluster, _ClusterHosts())
        address = split_instance(target_id.instance)
        names = [name for name in (target_id.instance, address) if name in cluster.names]
        return names[0] if names else cluster.nodes_by_address.get(address) or ""

    def _find_host(self, row: Row, label_set: Any) -> _Replacement:
        """Return the label `node` of the host that an exporter runs on."""
        node = _read(label_set, "node") or _read(label_set, "kubernetes_node")
        if node:
            return _Replacement({"node": node})
        own_name = _read(label_set, row.exporter.host_label) if row.exporter.host_label else ""
        target_id = self._read_target_id(label_set)
        key = (*target_id, own_name)
        if key not in self._hosts:
            host = self._hosts[key] = self._resolve_target(target_id, own_name)
            if host.reason:
                self._record_unplaced(UnplacedTarget(*target_id, host.reason))
        return self._hosts[key]

    def _record_unplaced(self, target: UnplacedTarget) -> None:
        targets = self._stats.unplaced_targets
        if target not in targets and len(targets) < MAX_UNPLACED_TARGETS:
            targets.append(target)

    def _resolve_target(self, target_id: TargetId, own_name: str) -> _Replacement:
        """Return the host of a scrape target without a label that names it; the first rule that finds one applies."""
        cluster = self._clusters.get(target_id.cluster, _ClusterHosts())
        target = self._targets.get(target_id, _Target())
        address = split_instance(target_id.instance)
        for nodes in (
            {own_name} & cluster.names,
            {target_id.instance} & cluster.names,
            {address} & cluster.names,
            {cluster.nodes_by_pod.get(pod) for pod in target.pods},
            {cluster.nodes_by_address.get(address)},
            {cluster.nodes_by_pod_address.get(address)},
            target.host_names & cluster.names,
        ):
            known_nodes = [node for node in nodes if node]
            if len(known_nodes) == 1:
                return _Replacement({"node": known_nodes[0]})
            if known_nodes:
                return _Replacement({}, SEVERAL_HOSTS_REASON)
        if cluster.is_kubernetes:
            return _Replacement({}, UNKNOWN_HOST_REASON)
        if len(target.host_names) > 1:
            return _Replacement({}, SEVERAL_HOSTS_REASON)
        name = address or next(iter(target.host_names), "")
        return _Replacement({"node": name}) if name else _UNCHANGED

    def _read_object_labels(self, row: Row, label_set: Any) -> Mapping[str, str]:
        """Return the labels of the object that a series is about, "" for those that it lacks."""
        return {label: _read(label_set, label) for label in OBJECT_LABELS} | self._find_object_labels(row, label_set)

    def _find_object_labels(self, row: Row, label_set: Any) -> dict[str, str]:
        """Return those labels of the object that other labels of the series hold."""
        if row.exporter.kind is ExporterKind.OPENTELEMETRY:
            attributes = {label: _read(label_set, OPENTELEMETRY_LABELS[label]) for label in row.object_labels}
            return {label: value for label, value in attributes.items() if value}
        exported = {label: _read(label_set, EXPORTED_PREFIX + label) for label in row.object_labels}
        hidden = self._hidden_labels.get(self._read_target_id(label_set), ()) if self._hidden_labels else ()
        return {label: value for label, value in exported.items() if value or label in hidden}

    def _read_target_id(self, label_set: Any) -> TargetId:
        return TargetId(self._read_cluster(label_set).uid, _read(label_set, "job"), _read(label_set, "instance"))

    def _read_cluster(self, label_set: Any) -> NamedCluster:
        values = tuple([_read(label_set, label) for label in (*self._cluster_labels, *CLUSTER_SCOPE_LABELS)])
        if values not in self._named_clusters:
            cluster = identify_cluster(dict(zip(self._cluster_labels, values, strict=False)), *values[-2:])
            self._named_clusters[values] = cluster
            if cluster.name != cluster.uid:
                self.cluster_names[cluster.uid] = cluster.name
        return self._named_clusters[values]

    def _get_cluster_hosts(self, label_set: Any) -> _ClusterHosts:
        return self._clusters.setdefault(self._read_cluster(label_set).uid, _ClusterHosts())


def identify_cluster(values: Mapping[str, str], project: str = "", location: str = "") -> NamedCluster:
    """Return the cluster that labels name, in their order; UID and name are "" if none does.

    Google's clusters are unique only within project and location, Amazon's are named by their ARN, and Rancher's have
    an ID besides their name.
    """
    name_label = next((label for label, value in values.items() if value), "")
    value = values.get(name_label, "")
    if not value:
        return NamedCluster("", "")
    if value.startswith("arn:"):
        return NamedCluster(value, value.rpartition("/")[2])
    if project and location:
        return NamedCluster(f"{project}/{location}/{value}", value)
    cluster_id = values.get("cluster_id", "")
    if name_label == "cluster_name" and cluster_id:
        return NamedCluster(cluster_id, value)
    return NamedCluster(value, value)


def split_instance(instance: str) -> str:
    """Return the host in an `instance` label: the text before the port, without a URL's scheme and path."""
    host = instance.rpartition("://")[2].partition("/")[0]
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host if host.count(":") > 1 else host.partition(":")[0]


def _create_key_reader(row: Row, cluster_labels: Sequence[str], label_set: Any) -> Callable[[Any], Any]:
    """Return a function that reads the labels on which the replacement depends."""
    if isinstance(label_set, dict):
        return lambda labels: tuple(sorted(labels.items()))
    names = (*ICOS_LABELS, *row.list_scrape_labels(cluster_labels))
    known = label_set.__struct_fields__
    attributes = dict.fromkeys(name for label in names if (name := get_label_attribute(label)) in known)
    return attrgetter(*attributes)


def _iter_plain(samples: Sequence[Sample]) -> Iterator[Any]:
    """Yield the label sets without ICOS labels. Most series of ICOS telemetry have the UID of their cluster."""
    if not samples:
        return
    label_sets: Iterable[Any] = map(_get_labels, samples)
    if hasattr(samples[0].labels, CLUSTER_UID_ATTRIBUTE):
        label_sets = filterfalse(attrgetter(CLUSTER_UID_ATTRIBUTE), label_sets)
    get_icos_labels = create_label_getter(samples[0].labels.__class__, ICOS_LABELS)
    yield from (label_set for label_set in label_sets if not any(get_icos_labels(label_set)))


def _is_plain(label_set: Any) -> bool:
    """Return whether a series has none of the labels that ICOS telemetry adds."""
    return not any(_read(label_set, label) for label in ICOS_LABELS)


def _read(label_set: Any, label: str) -> str:
    value: str = (
        label_set.get(label, "") if isinstance(label_set, dict) else getattr(label_set, get_label_attribute(label), "")
    )
    return value


def _replace_labels(label_set: Any, labels: Mapping[str, str]) -> Any:
    if isinstance(label_set, dict):
        return {**label_set, **labels}
    return msgspec.structs.replace(label_set, **{get_label_attribute(label): value for label, value in labels.items()})


def _add_unique(names: dict[Any, str | None], key: Any, node: str) -> None:
    """Add a name of a node; a name that several nodes have leads to none."""
    if key and names.setdefault(key, node) != node:
        names[key] = None
