"""Random topologies of two owners: what the clusters of one look like alone, and beside those of the other."""

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from aggregator.models.finish import controllers_of, keys_of_clusters
from aggregator.models.topology import Cluster, Container, Device, Node, Pod, Topology
from aggregator.models.version import versioned
from aggregator.snapshot import Gap, GapKind

# Few enough that clusters and nodes of both owners often have the same; some are uids of others.
NAMES = st.sampled_from(["edge", "edge-a", "factory", "mine-1", "theirs-1", "theirs-1/2", ""])
WORDS = st.sampled_from(["a", "b", "node-1", "<&>", "é"])


@dataclass(frozen=True)
class Site:
    """A cluster before it has a key: what it is, its nodes and its pods, by their own keys."""

    uid: str
    fields: dict[str, Any]
    nodes: dict[str, dict[str, Any]]
    pods: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Scene:
    """The clusters of the caller and those of others, and what a refresh found doubtful about each."""

    mine: tuple[Site, ...]
    theirs: tuple[Site, ...]
    my_gaps: tuple[Gap, ...]
    their_gaps: tuple[Gap, ...]
    oldest: float | None

    def gaps_alone(self) -> tuple[Gap, ...]:
        """Return what the caller's clusters have amiss, and the upstream."""
        return self.my_gaps

    def gaps(self) -> tuple[Gap, ...]:
        """Return all that is amiss."""
        return (*self.my_gaps, *self.their_gaps)

    def alone(self) -> Topology:
        """Return the topology of the caller's clusters."""
        return assembled(self.mine, None)

    def whole(self) -> Topology:
        """Return the topology of all clusters."""
        return assembled((*self.mine, *self.theirs), self.oldest)


def assembled(sites: tuple[Site, ...], oldest: float | None) -> Topology:
    """Return a topology as the builder makes it: keys by its rule, everything sorted."""
    keys = keys_of_clusters((site.uid, site.fields["type"], site.fields["name"]) for site in sites)
    sites = tuple(sorted(sites, key=lambda site: keys[site.uid]))
    clusters = {keys[site.uid]: Cluster(key=keys[site.uid], uid=site.uid, **site.fields) for site in sites}
    nodes = [Node(cluster=keys[site.uid], key=key, **site.nodes[key]) for site in sites for key in sorted(site.nodes)]
    pods = [Pod(cluster=keys[site.uid], key=key, **site.pods[key]) for site in sites for key in sorted(site.pods)]
    return versioned(
        Topology(
            clusters=clusters,
            nodes={(node.cluster, node.key): node for node in nodes},
            pods={(pod.cluster, pod.key): pod for pod in pods},
            controllers=controllers_of(clusters.values()),
            oldest_sample_seconds=oldest,
        )
    )


_FIELDS = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["ocm", "nuvla", ""]),
        "name": st.none() | NAMES,
        "cluster_id": st.none() | NAMES,
        "agent_id": st.none() | WORDS,
        "is_linked": st.booleans(),
        "controllers": st.lists(st.sampled_from(["staging-a", "staging-b"]), max_size=2, unique=True).map(tuple),
    }
)
_NODES = st.dictionaries(
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
def _sites(draw: st.DrawFn, owner: str) -> tuple[Site, ...]:
    sites = []
    for number in range(draw(st.integers(0, 3))):
        nodes = draw(_NODES)
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
        sites.append(Site(f"{owner}-{number}", draw(_FIELDS), nodes, pods))
    return tuple(sites)


def _gaps(owner: str | None) -> st.SearchStrategy[tuple[Gap, ...]]:
    of_samples = [kind for kind in GapKind if kind.is_of_samples]
    of_all = [kind for kind in GapKind if not kind.is_of_samples]
    clusters = st.sampled_from([f"{owner}-{number}" for number in range(4)])
    told = st.builds(Gap, st.sampled_from([*of_samples, *of_all]), WORDS, WORDS, st.just(1), clusters)
    # What is of samples and names no cluster may be anybody's; what is of the upstream concerns the caller, too.
    other = st.builds(Gap, st.sampled_from(of_samples if owner == "theirs" else of_all), WORDS, WORDS)
    return st.lists(told | other, max_size=2).map(tuple)


SCENES = st.builds(
    Scene, _sites("mine"), _sites("theirs"), _gaps("mine"), _gaps("theirs"), st.none() | st.floats(0, 1e9)
)
# What shows the caller's clusters: theirs have no such names.
MY_PATTERN = "mine-?"
