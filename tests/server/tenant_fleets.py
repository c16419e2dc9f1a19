"""Random topologies of two tenants, alone and together."""

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from aggregator.models.builder.finalize import assign_cluster_keys, collect_controllers
from aggregator.models.topology import Cluster, Container, Device, Node, Pod, Topology, add_version
from aggregator.refresh.snapshot import Gap, GapKind

# Few, so that clusters and nodes of both tenants often have equal names; some are UIDs of other clusters.
CLUSTER_NAMES = st.sampled_from(["edge", "edge-a", "factory", "mine-1", "theirs-1", "theirs-1/2", ""])
WORDS = st.sampled_from(["a", "b", "node-1", "<&>", "é"])


@dataclass(frozen=True)
class ClusterSpec:
    """A cluster without a key: its fields, and its nodes and pods by key."""

    uid: str
    fields: dict[str, Any]
    nodes: dict[str, dict[str, Any]]
    pods: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class TwoTenantFleet:
    """The clusters of the caller and of another tenant, and the gaps of each."""

    own_clusters: tuple[ClusterSpec, ...]
    foreign_clusters: tuple[ClusterSpec, ...]
    own_gaps: tuple[Gap, ...]
    foreign_gaps: tuple[Gap, ...]
    oldest_sample_seconds: float | None

    def list_own_gaps(self) -> tuple[Gap, ...]:
        """Return the gaps of the caller's clusters and of the upstream."""
        return self.own_gaps

    def list_all_gaps(self) -> tuple[Gap, ...]:
        """Return all gaps."""
        return (*self.own_gaps, *self.foreign_gaps)

    def build_own_topology(self) -> Topology:
        """Return the topology of the caller's clusters."""
        return build_tenant_topology(self.own_clusters, None)

    def build_full_topology(self) -> Topology:
        """Return the topology of all clusters."""
        return build_tenant_topology((*self.own_clusters, *self.foreign_clusters), self.oldest_sample_seconds)


def build_tenant_topology(specs: tuple[ClusterSpec, ...], oldest_sample_seconds: float | None) -> Topology:
    """Return a topology like one of the builder: with keys by its rule, and sorted."""
    keys = assign_cluster_keys((spec.uid, spec.fields["type"], spec.fields["name"]) for spec in specs)
    specs = tuple(sorted(specs, key=lambda spec: keys[spec.uid]))
    clusters = {keys[spec.uid]: Cluster(key=keys[spec.uid], uid=spec.uid, **spec.fields) for spec in specs}
    nodes = [Node(cluster=keys[spec.uid], key=key, **spec.nodes[key]) for spec in specs for key in sorted(spec.nodes)]
    pods = [Pod(cluster=keys[spec.uid], key=key, **spec.pods[key]) for spec in specs for key in sorted(spec.pods)]
    return add_version(
        Topology(
            clusters=clusters,
            nodes={(node.cluster, node.key): node for node in nodes},
            pods={(pod.cluster, pod.key): pod for pod in pods},
            controllers=collect_controllers(clusters.values()),
            oldest_sample_seconds=oldest_sample_seconds,
        )
    )


_CLUSTER_FIELDS = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["ocm", "nuvla", ""]),
        "name": st.none() | CLUSTER_NAMES,
        "cluster_id": st.none() | CLUSTER_NAMES,
        "agent_id": st.none() | WORDS,
        "is_linked": st.booleans(),
        "controllers": st.lists(st.sampled_from(["staging-a", "staging-b"]), max_size=2, unique=True).map(tuple),
    }
)
_NODE_FIELDS = st.dictionaries(
    WORDS,
    st.fixed_dictionaries(
        {
            "name": st.none() | WORDS,
            "host_id": st.none() | WORDS,
            "engine": st.none() | WORDS,
            "memory_bytes": st.none() | st.integers(0, 2**40),
            "cpu_cores": st.none() | st.floats(0, 64),
            "devices": st.sampled_from([{}, {"video0": Device(name="video0", state=1)}]),
        }
    ),
    max_size=3,
)


@st.composite
def _cluster_specs(draw: st.DrawFn, tenant: str) -> tuple[ClusterSpec, ...]:
    specs = []
    for number in range(draw(st.integers(0, 3))):
        nodes = draw(_NODE_FIELDS)
        node = st.none() | st.sampled_from(sorted(nodes)) if nodes else st.none()
        pod = st.fixed_dictionaries(
            {
                "name": WORDS,
                "namespace": WORDS,
                "uid": WORDS,
                "node": node,
                "containers": st.sampled_from([{}, {"c": Container(name="c", memory_bytes=5)}]),
            }
        )
        pods = draw(st.dictionaries(WORDS, pod, max_size=3))
        specs.append(ClusterSpec(f"{tenant}-{number}", draw(_CLUSTER_FIELDS), nodes, pods))
    return tuple(specs)


def _gap_lists(tenant: str | None) -> st.SearchStrategy[tuple[Gap, ...]]:
    sample_kinds = [kind for kind in GapKind if kind.is_about_samples]
    other_kinds = [kind for kind in GapKind if not kind.is_about_samples]
    clusters = st.sampled_from([f"{tenant}-{number}" for number in range(4)])
    cluster_gaps = st.builds(Gap, st.sampled_from([*sample_kinds, *other_kinds]), WORDS, WORDS, st.just(1), clusters)
    # Gaps without a cluster: those of samples may belong to any tenant, those of the upstream concern every caller.
    global_gaps = st.builds(Gap, st.sampled_from(sample_kinds if tenant == "theirs" else other_kinds), WORDS, WORDS)
    return st.lists(cluster_gaps | global_gaps, max_size=2).map(tuple)


TWO_TENANT_FLEETS = st.builds(
    TwoTenantFleet,
    _cluster_specs("mine"),
    _cluster_specs("theirs"),
    _gap_lists("mine"),
    _gap_lists("theirs"),
    st.none() | st.floats(0, 1e9),
)
# Matches the UIDs of the caller's clusters, and none of the other tenant.
OWN_CLUSTER_PATTERN = "mine-?"
