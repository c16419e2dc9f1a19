"""The entity of a series, by the documented rule: the surest way of naming an entity that names a known one counts."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.parity.fleet_telemetry import FleetSeries, FleetTelemetry

Labels = tuple[str, ...]
# Labels of a series, and the labels of its entity that they must equal.
LabelMatch = tuple[Labels, Labels]
Identity = tuple[Labels, Labels]

UNAME_METRIC = "node_uname_info"
AGENT_METRIC = "tlum_host_info"


def _build_match(*labels: str) -> LabelMatch:
    split = [label.partition("=") for label in labels]
    return tuple(label for label, _, _ in split), tuple(known or label for label, _, known in split)


HOST_MATCHES = (
    _build_match("k8s_cluster_uid", "icos_host_id"),
    _build_match("icos_host_id"),
    _build_match("k8s_cluster_uid", "icos_host_name"),
    _build_match("icos_host_name"),
    _build_match("cluster", "node"),
)
AGENT_HOST_MATCHES = (
    _build_match("k8s_cluster_uid", "icos_agent_id", "icos_host_name"),
    _build_match("icos_agent_id", "icos_host_name"),
    *HOST_MATCHES,
)
SCANNED_HOST_MATCHES = (
    _build_match("agent_ip=net_host_name", "agent_hostname=nodename"),
    _build_match("agent_ip=ip", "agent_hostname=hostname"),
)
POD_MATCHES = (
    _build_match("k8s_cluster_uid", "namespace", "pod"),
    _build_match("k8s_cluster_uid", "pod"),
    _build_match("namespace", "pod"),
)
KUBELET_POD_MATCHES = (
    _build_match("k8s_cluster_uid", "k8s_namespace_name=namespace", "k8s_pod_name=pod"),
    _build_match("k8s_cluster_uid", "k8s_pod_name=pod"),
    _build_match("k8s_namespace_name=namespace", "k8s_pod_name=pod"),
)
POD_HOST_MATCHES = (
    _build_match("k8s_cluster_uid", "icos_host_name"),
    _build_match("icos_host_id"),
    _build_match("icos_host_name"),
    _build_match("k8s_cluster_uid", "node"),
    _build_match("k8s_cluster_uid", "node=nodename"),
    _build_match("k8s_cluster_uid", "node=hostname"),
)


@dataclass(frozen=True)
class EntityIndex:
    """Objects of one kind by identity, each with the series that tell of it.

    `same` has identities that are those of other objects.
    """

    series_by_identity: dict[Identity, list[FleetSeries]]
    aliases: dict[Identity, Identity] = field(default_factory=dict)

    def find_identity(self, one: FleetSeries) -> Identity | None:
        """Return what identifies the host that a series of its own tells of."""
        own = _build_host_identity(one)
        return self.aliases.get(own, own) if own else None

    def find_by_match(self, one: FleetSeries, match: LabelMatch) -> list[Identity]:
        """Return all that the series names this way; white space around the entity's labels does not count."""
        values = tuple(one.get_label(label) for label in match[0])
        if not values[-1]:
            return []
        return [
            identity
            for identity, found in self.series_by_identity.items()
            if any(values in _read_label_values(known, match[1]) for known in found) and _may_be_of(one, match, found)
        ]

    def find_entities(self, one: FleetSeries, matches: Iterable[LabelMatch]) -> tuple[int, list[Identity]]:
        """Return which of the ways names an entity first, and whom: several where the way does not tell them apart."""
        found = ((number, self.find_by_match(one, way)) for number, way in enumerate(matches))
        return next(((number, entities) for number, entities in found if entities), (-1, []))

    def rank_series(
        self, entity: Identity, matches: tuple[LabelMatch, ...], candidates: list[FleetSeries]
    ) -> list[list[FleetSeries]]:
        """Return the series that are this entity's alone, the surest way first."""
        tiers: list[list[FleetSeries]] = [[] for _ in matches]
        for one in candidates:
            number, entities = self.find_entities(one, matches)
            if entities == [entity]:
                tiers[number].append(one)
        return [tier for tier in tiers if tier]


def _may_be_of(one: FleetSeries, match: LabelMatch, entity_series: list[FleetSeries]) -> bool:
    """Tell whether the cluster that a series names may be that of an entity; the controller's scanner names none."""
    uid = one.get_label("k8s_cluster_uid")
    if not uid or (match in SCANNED_HOST_MATCHES and uid == "self"):
        return True
    return uid in {known.get_label("k8s_cluster_uid") for known in entity_series}


def _read_label_values(known: FleetSeries, labels: Labels) -> tuple[Labels, Labels]:
    raw = tuple(known.get_label(label) for label in labels)
    return raw, tuple(value.strip() for value in raw)


def _build_identity(one: FleetSeries, *label_sets: Labels) -> Identity | None:
    values = [(labels, tuple(one.get_label(label).strip() for label in labels)) for labels in label_sets]
    return next((identity for identity in values if identity[1][-1]), None)


def _group_by_identity(found: Iterable[tuple[Identity | None, FleetSeries]]) -> dict[Identity, list[FleetSeries]]:
    series_by_identity: dict[Identity, list[FleetSeries]] = {}
    for identity, one in found:
        if identity is not None:
            series_by_identity.setdefault(identity, []).append(one)
    return series_by_identity


def _build_host_identity(one: FleetSeries) -> Identity | None:
    name = "nodename" if one.metric == UNAME_METRIC else "hostname"
    plain = ("cluster", "node")
    uid = "k8s_cluster_uid"
    return _build_identity(one, (uid, "icos_host_id"), (uid, "icos_host_name"), plain, (uid, name))


def build_host_index(telemetry: FleetTelemetry) -> EntityIndex:
    """Return the hosts of a fleet."""
    found = [*telemetry.find_series(UNAME_METRIC), *telemetry.find_series(AGENT_METRIC)]
    unaliased = EntityIndex(
        {}, _find_host_aliases({identity for one in found if (identity := _build_host_identity(one))})
    )
    return EntityIndex(_group_by_identity((unaliased.find_identity(one), one) for one in found), unaliased.aliases)


def _find_host_aliases(identities: set[Identity]) -> dict[Identity, Identity]:
    """Return whose identities are that lack the cluster's uid: those of the one host that has the machine id, too."""
    aliases = {}
    for labels, values in identities:
        others = [one for one in identities if one[0] == labels and one[1][1] == values[1] and one[1][0]]
        if labels[1] == "icos_host_id" and not values[0] and len(others) == 1 and others[0][1][0] != "self":
            aliases[labels, values] = others[0]
    return aliases


def build_pod_index(telemetry: FleetTelemetry) -> EntityIndex:
    """Return the pods of a fleet."""
    found = telemetry.find_series("kube_pod_info")
    return EntityIndex(
        _group_by_identity((_build_identity(one, ("k8s_cluster_uid", "namespace", "pod")), one) for one in found)
    )
