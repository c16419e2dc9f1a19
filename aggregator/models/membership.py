"""Which cluster a host or pod belongs to: the rule of the Go service, and where it lost nodes, one step more."""

from collections.abc import Iterable
from dataclasses import dataclass

from aggregator.models.draft import Draft
from aggregator.querier.decode import attribute

NUVLA = "nuvla"
OCM = "ocm"

# What the controller calls itself; its hosts and pods are no part of the topology.
CONTROLLER = "self"


@dataclass(frozen=True)
class Home:
    """A cluster as its members see it: what orchestrates it and its identity."""

    type: str
    uid: str


class Membership:
    """Knows the clusters that orchestrators announced, and what else was learnt of them from their nodes."""

    def __init__(self, orchestrators: Iterable[Draft], default_cluster: str) -> None:
        self._default_cluster = default_cluster
        self._nuvla_by_host: dict[str, Home] = {}
        self._by_uid: dict[str, Home] = {}
        self._nuvla_by_uid: dict[str, Home] = {}
        # One that lacks the label by which it would claim its own claims what lacks it, too, as in the Go service.
        for orchestrator in orchestrators:
            kind = orchestrator.value("type")
            if kind == NUVLA:
                home = Home(NUVLA, orchestrator.value("agent_name") or "")
                _claim(self._nuvla_by_host, orchestrator.label("icos_host_name"), home)
            elif kind == OCM:
                uid = orchestrator.label("k8s_cluster_uid")
                _claim(self._by_uid, uid, Home(OCM, uid))

    @property
    def homes(self) -> set[Home]:
        """All clusters that orchestrators announced."""
        return {*self._nuvla_by_host.values(), *self._by_uid.values()}

    def learn(self, nodes: Iterable[Draft]) -> None:
        """Remember the Kubernetes clusters of NuvlaEdges: the agent runs on one node, but all of them belong to it."""
        for node in nodes:
            uid = node.label("k8s_cluster_uid")
            home = self._nuvla_by_host.get(node.label("icos_host_name"))
            if uid and home:
                _claim(self._nuvla_by_uid, uid, home)

    def home(self, member: Draft) -> Home | None:
        """Return the cluster of a node or pod, None if nothing tells.

        Nuvla is known by host name, OCM by cluster uid, the other nodes of a NuvlaEdge by cluster uid; then
        counts what a plain `cluster` label says; where there is just a `node` label, it is the default cluster.
        """
        uid = member.label("k8s_cluster_uid")
        nuvla = self._nuvla_by_host.get(member.label("icos_host_name"))
        known = nuvla or self._by_uid.get(uid) or self._nuvla_by_uid.get(uid)
        if known:
            return known
        label = member.label("cluster") or (self._default_cluster if member.label("node") else "")
        return Home("", label) if label else None


def _claim(claims: dict[str, Home], label: str, home: Home) -> None:
    """Let the home have what the label names; of several claims the first by uid counts."""
    known = claims.setdefault(label, home)
    if home.uid < known.uid:
        claims[label] = home


def is_controllers(member: Draft) -> bool:
    """Return whether a node or pod is the controller's own."""
    return any(getattr(metric, attribute("k8s_cluster_uid"), "") == CONTROLLER for metric in member.metrics)
