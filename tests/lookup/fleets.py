"""Random topologies in which filters find something: few names and values, and much that is not known."""

from typing import Any

from hypothesis import strategies as st

from aggregator.models.topology import (
    Cluster,
    Container,
    Device,
    Filesystem,
    Interface,
    Node,
    Pod,
    Topology,
    Workload,
)
from aggregator.models.version import versioned

NAMES = st.sampled_from(["a", "b", "edge-1", "a/b ü", "", "x,y=(z)"])
TEXTS = st.none() | st.sampled_from(["x86_64", "aarch64", "docker.io/library/nginx:1.27", "-", "ö"])
WHOLE = st.none() | st.integers(-2, 5) | st.sampled_from([2**32, 2**62])
REAL = st.none() | st.sampled_from([0.0, 0.5, 1.0, 2.5, -1.0, 1e9])
SECONDS = st.none() | st.sampled_from([0.0, 1_795_208_228.307, 1_795_208_229.0, -5.0])
LABELS = st.dictionaries(st.sampled_from(["zone", "app.kubernetes.io/name", "x"]), st.sampled_from(["", "a", "b"]))

_INTERFACES = st.builds(
    Interface,
    NAMES,
    TEXTS,
    WHOLE,
    st.dictionaries(st.sampled_from(["10.0.0.1", "fe80::1"]), st.sampled_from(["24", "x"])),
    st.none() | st.booleans(),
    REAL,
)
_DEVICES = st.builds(Device, NAMES, st.sampled_from([None, -1, 0, 1, 7]), TEXTS)
_CONTAINERS = st.builds(Container, NAMES, REAL, WHOLE, TEXTS, SECONDS)


def _named(parts: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.lists(parts, max_size=2).map(lambda listed: {part.name: part for part in listed})


NODES = st.fixed_dictionaries(
    {
        "id": NAMES,
        "type": st.sampled_from(["ocm", ""]),
        "name": NAMES,
        "architecture": TEXTS,
        "labels": LABELS,
        "vulnerabilities": st.dictionaries(st.sampled_from(["critical", "low"]), st.integers(0, 3)),
        "cpu_cores": REAL,
        "free_memory_bytes": WHOLE,
        "host_memory_bytes": WHOLE,
        "available_memory_bytes": WHOLE,
        "last_seen_seconds": SECONDS,
        "interfaces": _named(_INTERFACES),
        "devices": _named(_DEVICES),
        "filesystems": _named(st.builds(Filesystem, NAMES, TEXTS, REAL, REAL)),
    }
)
PODS = st.fixed_dictionaries(
    {
        "id": NAMES,
        "name": NAMES,
        "namespace": NAMES,
        "node": st.none() | NAMES,
        "phase": TEXTS,
        "last_seen_seconds": SECONDS,
        "containers": _named(_CONTAINERS),
        "workloads": st.lists(st.builds(Workload, NAMES, TEXTS, TEXTS), max_size=2).map(
            lambda listed: {each.instance: each for each in listed}
        ),
    }
)


@st.composite
def topologies(draw: st.DrawFn) -> Topology:
    """Return a strategy for topologies as the builder makes them: sorted, and with a version."""
    names = sorted(draw(st.sets(NAMES, min_size=1, max_size=3)))
    nodes, pods = {}, {}
    for cluster in names:
        for key, fields in sorted(draw(st.dictionaries(NAMES, NODES, max_size=3)).items()):
            nodes[cluster, key] = Node(cluster=cluster, key=key, **fields)  # type: ignore[arg-type] # as NODES has it
        for key, fields in sorted(draw(st.dictionaries(NAMES, PODS, max_size=3)).items()):
            pods[cluster, key] = Pod(cluster=cluster, key=key, **fields)  # type: ignore[arg-type] # the same
    types = st.sampled_from(["ocm", "nuvla", ""])
    controllers = st.sampled_from([(), ("one",), ("one", "two")])
    clusters = {
        name: Cluster(key=name, uid=f"uid {name}", type=draw(types), name=name, controllers=draw(controllers))
        for name in names
    }
    return versioned(Topology(clusters=clusters, nodes=nodes, pods=pods))
