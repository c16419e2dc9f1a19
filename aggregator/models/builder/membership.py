"""Which cluster hosts, pods and samples belong to.

The cluster that a label set names depends on its labels, on the announced clusters, and on the UIDs and host names
learned from the series of nodes. It does not depend on which other clusters exist.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from aggregator.models.builder.entities import (
    ClusterIdentity,
    DraftEntity,
    Identity,
    Labels,
    create_label_getter,
)
from aggregator.models.sample import get_label_attribute

NUVLA = "nuvla"
OCM = "ocm"
# The cluster UID of the controller; its hosts and pods are not part of the topology.
CONTROLLER_UID = "self"

# The labels that name the cluster of a host, a pod or a sample.
SCOPE_LABELS = ("k8s_cluster_uid", "icos_host_name", "cluster")
# Hosts and pods with a `node` label alone belong to the default cluster.
MEMBER_LABELS = (*SCOPE_LABELS, "node")

CLUSTER_UID_ATTRIBUTE = get_label_attribute("k8s_cluster_uid")

_MACHINE_LABELS = (*SCOPE_LABELS, "icos_host_id")
_MACHINE_IDENTITY = ("icos_host_id",)


class ClusterHintKind(StrEnum):
    """The ways in which the labels of a sample name the cluster of its entity."""

    # The labels lead to a cluster that an orchestrator announced, or to the default cluster; it contains the entity.
    MEMBER_OF = "member of"
    # The sample and a series of the entity have the same cluster UID.
    UID = "uid"
    # The sample has a `cluster` label and no cluster UID; a series of the entity has the same label.
    LABEL = "label"
    # The sample has a cluster UID and a `cluster` label. A series of the entity has the same label, and no series of
    # the entity has a cluster UID.
    LABEL_OF_ENTITY_WITHOUT_UID = "label of entity without uid"
    # The sample has only an ICOS host name, and a series of the entity has the same one.
    HOST_NAME = "host"


# The kind and the name. A sample belongs to an entity only if they share a hint.
ClusterHint = tuple[ClusterHintKind, str]


class ClusterMembership:
    """The clusters that orchestrators announced, and what the series of their nodes add."""

    def __init__(self, orchestrators: Iterable[DraftEntity], default_cluster: str) -> None:
        self._default_cluster = ClusterIdentity("", default_cluster)
        self._has_default_nodes = False
        self._nuvla_by_host: dict[str, ClusterIdentity] = {}
        self._ocm_by_uid: dict[str, ClusterIdentity] = {}
        self._nuvla_by_uid: dict[str, ClusterIdentity] = {}
        self._agent_ids: dict[tuple[ClusterIdentity, str], str] = {}
        # An orchestrator whose label is missing (empty) also gets the members without it, as in the Go service.
        for orchestrator in orchestrators:
            orchestrator_type = orchestrator.get_value("type")
            if orchestrator_type == NUVLA:
                cluster = ClusterIdentity(NUVLA, orchestrator.get_value("agent_name") or "")
                host_name = orchestrator.get_label("icos_host_name")
                _claim_label(self._nuvla_by_host, host_name, cluster)
                agent_id = orchestrator.get_value("agent_id") or ""
                known_id = self._agent_ids.get((cluster, host_name))
                self._agent_ids[cluster, host_name] = min(agent_id, known_id) if known_id else agent_id
            elif orchestrator_type == OCM:
                uid = orchestrator.get_label("k8s_cluster_uid")
                _claim_label(self._ocm_by_uid, uid, ClusterIdentity(OCM, uid))

    @property
    def announced_clusters(self) -> set[ClusterIdentity]:
        """All clusters that orchestrators announced."""
        return {*self._nuvla_by_host.values(), *self._ocm_by_uid.values()}

    @property
    def cache_key(self) -> object:
        """What, besides the labels of a sample, determines its cluster. The entity cache is cleared when it changes.

        State that affects only samples with a cluster UID is not part of the key: a change of cluster already changes
        the fingerprint of the entity.
        """
        return frozenset(self._nuvla_by_host.items()), self._has_default_nodes, self._default_cluster

    def learn_nuvla_cluster_uid(self, uid: str, host_name: str) -> None:
        """Learn that a cluster UID belongs to the NuvlaEdge whose agent runs on a host, and so do its other nodes."""
        cluster = self._nuvla_by_host.get(host_name)
        if uid and cluster:
            _claim_label(self._nuvla_by_uid, uid, cluster)

    def find_agent_id(self, cluster: ClusterIdentity, name: str | None) -> str | None:
        """Return the ID of the cluster's Nuvla agent on the host of that name; of several, the first."""
        if not name:
            return None
        return self._agent_ids.get((cluster, name)) or None

    def learn_default_cluster(self, cluster: ClusterIdentity) -> None:
        """Record that a node belongs to the default cluster, if that is its cluster."""
        self._has_default_nodes = self._has_default_nodes or cluster == self._default_cluster

    def find_cluster(self, labels: Labels) -> ClusterIdentity | None:
        """Return the cluster of a node or pod by its `MEMBER_LABELS`, None if they name no known one.

        A NuvlaEdge is found by the host name of its agent or by the cluster UID of its other nodes, an OCM cluster by
        its UID. Otherwise the `cluster` label names the cluster. A `node` label alone means the default cluster.
        """
        uid, host_name, label, node = labels
        cluster = self._nuvla_by_host.get(host_name) or self._ocm_by_uid.get(uid) or self._nuvla_by_uid.get(uid)
        if cluster:
            return cluster
        return ClusterIdentity("", label) if label else self._default_cluster if node else None

    def find_scope(self, labels: Labels) -> str:
        """Return the scope of a host: the cluster that its `SCOPE_LABELS` name, as far as known, "" for none."""
        uid, host_name, label = labels
        cluster = self.find_announced(uid, host_name)
        return cluster.uid if cluster else uid or label or host_name

    def list_sample_hints(self, labels: Labels) -> tuple[ClusterHint, ...]:
        """Return the hints in a sample's `SCOPE_LABELS`, the most reliable first; () if they name no cluster."""
        uid, host_name, label = labels
        cluster = self.find_announced(uid, host_name)
        if cluster:
            return (ClusterHintKind.MEMBER_OF, cluster.uid), (ClusterHintKind.UID, uid)
        if uid:
            return (ClusterHintKind.UID, uid), (ClusterHintKind.LABEL_OF_ENTITY_WITHOUT_UID, label)
        if label:
            return ((ClusterHintKind.LABEL, label),)
        if host_name:
            return ((ClusterHintKind.HOST_NAME, host_name),)
        return ((ClusterHintKind.MEMBER_OF, self._default_cluster.uid),) if self._has_default_nodes else ()

    def list_entity_hints(self, entity: DraftEntity) -> set[ClusterHint]:
        """Return all hints that a sample of this entity may have."""
        uids: set[str] = set()
        labels: set[str] = set()
        hints: set[ClusterHint] = set()
        for label_set in entity.label_sets:
            uid, host_name, label = create_label_getter(label_set.__class__, SCOPE_LABELS)(label_set)
            uids.add(uid)
            labels.add(label)
            hints.add((ClusterHintKind.HOST_NAME, host_name))
        if entity.cluster and not entity.cluster.type:
            labels.add(entity.cluster.uid)
        hints |= {(ClusterHintKind.UID, uid) for uid in uids} | {(ClusterHintKind.LABEL, label) for label in labels}
        if not any(uids):
            hints |= {(ClusterHintKind.LABEL_OF_ENTITY_WITHOUT_UID, label) for label in labels}
        hints = {hint for hint in hints if hint[1]}
        # The UID of a cluster is empty if its orchestrator lacks a name.
        return hints | {(ClusterHintKind.MEMBER_OF, entity.cluster.uid)} if entity.cluster else hints

    def find_announced(self, uid: str, host_name: str) -> ClusterIdentity | None:
        """Return the announced cluster that a cluster UID or an ICOS host name names, None if there is none."""
        if uid == CONTROLLER_UID:
            return None
        cluster = self._nuvla_by_host.get(host_name) if host_name else None
        return cluster or ((self._ocm_by_uid.get(uid) or self._nuvla_by_uid.get(uid)) if uid else None)


def _claim_label(claims: dict[str, ClusterIdentity], label: str, cluster: ClusterIdentity) -> None:
    """Assign a label to a cluster; of several clusters that claim it, the first by UID gets it."""
    claimant = claims.setdefault(label, cluster)
    if cluster.uid < claimant.uid:
        claims[label] = cluster


def belongs_to_controller(member: DraftEntity) -> bool:
    """Return whether a node or pod is the controller's own."""
    return any(getattr(label_set, CLUSTER_UID_ATTRIBUTE, "") == CONTROLLER_UID for label_set in member.label_sets)


@dataclass
class _HostLabels:
    """The `cluster` labels and ICOS host names of the series of one host in one cluster."""

    labels: set[str] = field(default_factory=set)
    host_names: set[str] = field(default_factory=set)

    def may_include(self, label: str, host_name: str) -> bool:
        """Return whether a series with these labels may be about the host."""
        return label in self.labels if label else host_name in self.host_names if host_name else True


def find_host_aliases(label_sets: Iterable[Any], membership: ClusterMembership) -> dict[Identity, Identity]:
    """Return identities of hosts whose series lack the cluster UID, with the identity that has it.

    The machine ID shows that they are one host, if only one cluster has a host with it, and neither the `cluster` label
    nor the ICOS host name contradicts. Hosts of the controller have no aliases: they are not part of the topology.
    """
    hosts: dict[str, dict[str, _HostLabels]] = {}
    incomplete_labels: dict[str, set[Labels]] = {}
    for label_set in label_sets:
        uid, host_name, label, machine = create_label_getter(label_set.__class__, _MACHINE_LABELS)(label_set)
        if uid or label or membership.find_announced(uid, host_name):
            scope = membership.find_scope((uid, host_name, label))
            host = hosts.setdefault(machine.strip(), {}).setdefault(scope, _HostLabels())
            host.labels.add(label)
            host.host_names.add(host_name)
        if not uid and not membership.find_announced(uid, host_name):
            incomplete_labels.setdefault(machine.strip(), set()).add((uid, host_name, label))
    aliases: dict[Identity, Identity] = {}
    for machine, scope_values in incomplete_labels.items():
        for uid, host_name, label in scope_values if machine else ():
            scope = membership.find_scope((uid, host_name, label))
            others = [
                other
                for other, host in hosts.get(machine, {}).items()
                if other != scope and host.may_include(label, host_name)
            ]
            if len(others) == 1 and others[0] != CONTROLLER_UID:
                aliases[_MACHINE_IDENTITY, (scope, machine)] = (_MACHINE_IDENTITY, (others[0], machine))
    return aliases
