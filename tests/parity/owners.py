"""Whose a series is, by the documented rule: the surest way of naming an owner that names a known one counts."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.parity.telemetry import Series, Telemetry

Labels = tuple[str, ...]
# Labels of a series, and the labels of its owner that they must equal.
Way = tuple[Labels, Labels]
Identity = tuple[Labels, Labels]

UNAME = "node_uname_info"
AGENT = "tlum_host_info"


def _way(*labels: str) -> Way:
    split = [label.partition("=") for label in labels]
    return tuple(label for label, _, _ in split), tuple(known or label for label, _, known in split)


OF_HOST = (
    _way("k8s_cluster_uid", "icos_host_id"),
    _way("icos_host_id"),
    _way("k8s_cluster_uid", "icos_host_name"),
    _way("icos_host_name"),
    _way("cluster", "node"),
)
OF_AGENTS_HOST = (
    _way("k8s_cluster_uid", "icos_agent_id", "icos_host_name"),
    _way("icos_agent_id", "icos_host_name"),
    *OF_HOST,
)
OF_SCANNED_HOST = (
    _way("agent_ip=net_host_name", "agent_hostname=nodename"),
    _way("agent_ip=ip", "agent_hostname=hostname"),
)
# No pod's own series has a label `nothing`.
OF_POD = (
    _way("k8s_cluster_uid", "namespace", "pod"),
    _way("k8s_cluster_uid", "pod"),
    _way("k8s_cluster_uid=nothing", "namespace", "pod"),
)
OF_KUBELETS_POD = (
    _way("k8s_cluster_uid", "k8s_namespace_name=namespace", "k8s_pod_name=pod"),
    _way("k8s_cluster_uid", "k8s_pod_name=pod"),
    _way("k8s_cluster_uid=nothing", "k8s_namespace_name=namespace", "k8s_pod_name=pod"),
)
HOST_OF_POD = (
    _way("k8s_cluster_uid", "icos_host_name"),
    _way("icos_host_id"),
    _way("icos_host_name"),
    _way("k8s_cluster_uid", "node=nodename"),
    _way("k8s_cluster_uid", "node=hostname"),
)


@dataclass(frozen=True)
class Owners:
    """Objects of one kind by identity, each with the series that tell of it.

    `same` has identities that are those of other objects.
    """

    told_by: dict[Identity, list[Series]]
    same: dict[Identity, Identity] = field(default_factory=dict)

    def identity(self, one: Series) -> Identity | None:
        """Return what identifies the host that a series of its own tells of."""
        own = _host_identity(one)
        return self.same.get(own, own) if own else None

    def named(self, one: Series, way: Way) -> list[Identity]:
        """Return all that the series names this way; white space around the owner's labels does not count."""
        wanted = tuple(one.label(label) for label in way[0])
        if not wanted[-1]:
            return []
        return [
            identity
            for identity, found in self.told_by.items()
            if any(wanted in _spellings(known, way[1]) for known in found)
        ]

    def whose(self, one: Series, ways: Iterable[Way]) -> tuple[int, list[Identity]]:
        """Return which of the ways names an owner first, and whom: several where the way does not tell them apart."""
        found = ((number, self.named(one, way)) for number, way in enumerate(ways))
        return next(((number, owners) for number, owners in found if owners), (-1, []))

    def tiers(self, owner: Identity, ways: tuple[Way, ...], told: list[Series]) -> list[list[Series]]:
        """Return the series that are this owner's alone, the surest way first."""
        placed: list[list[Series]] = [[] for _ in ways]
        for one in told:
            number, owners = self.whose(one, ways)
            if owners == [owner]:
                placed[number].append(one)
        return [tier for tier in placed if tier]


def _spellings(known: Series, labels: Labels) -> tuple[Labels, Labels]:
    raw = tuple(known.label(label) for label in labels)
    return raw, tuple(value.strip() for value in raw)


def _identity(one: Series, *ways: Labels) -> Identity | None:
    values = [(labels, tuple(one.label(label).strip() for label in labels)) for labels in ways]
    return next((identity for identity in values if identity[1][-1]), None)


def _grouped(found: Iterable[tuple[Identity | None, Series]]) -> dict[Identity, list[Series]]:
    told_by: dict[Identity, list[Series]] = {}
    for identity, one in found:
        if identity is not None:
            told_by.setdefault(identity, []).append(one)
    return told_by


def _host_identity(one: Series) -> Identity | None:
    name = "nodename" if one.metric == UNAME else "hostname"
    plain = ("cluster", "node")
    uid = "k8s_cluster_uid"
    return _identity(one, (uid, "icos_host_id"), (uid, "icos_host_name"), plain, (uid, name))


def hosts(telemetry: Telemetry) -> Owners:
    """Return the hosts of a fleet."""
    found = [*telemetry.of(UNAME), *telemetry.of(AGENT)]
    apart = Owners({}, _same_hosts({identity for one in found if (identity := _host_identity(one))}))
    return Owners(_grouped((apart.identity(one), one) for one in found), apart.same)


def _same_hosts(identities: set[Identity]) -> dict[Identity, Identity]:
    """Return whose identities are that lack the cluster's uid: those of the one host that has the machine id, too."""
    same = {}
    for labels, values in identities:
        others = [one for one in identities if one[0] == labels and one[1][1] == values[1] and one[1][0]]
        if labels[1] == "icos_host_id" and not values[0] and len(others) == 1 and others[0][1][0] != "self":
            same[labels, values] = others[0]
    return same


def pods(telemetry: Telemetry) -> Owners:
    """Return the pods of a fleet."""
    found = telemetry.of("kube_pod_info")
    return Owners(_grouped((_identity(one, ("k8s_cluster_uid", "namespace", "pod")), one) for one in found))
