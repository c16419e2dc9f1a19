"""Random topologies for filters: few different names and values, many absent ones."""

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
    Taint,
    Topology,
    Workload,
    add_version,
)

NAMES = st.sampled_from(["a", "b", "edge-1", "a/b ü", "", "x,y=(z)"])
TEXTS = st.none() | st.sampled_from(["x86_64", "aarch64", "docker.io/library/nginx:1.27", "-", "ö"])
INTEGERS = st.none() | st.integers(-2, 5) | st.sampled_from([2**32, 2**62])
FLOATS = st.none() | st.sampled_from([0.0, 0.5, 1.0, 2.5, -1.0, 1e9])
TIMESTAMPS = st.none() | st.sampled_from([0.0, 1_795_208_228.307, 1_795_208_229.0, -5.0])
LABELS = st.dictionaries(st.sampled_from(["zone", "app.kubernetes.io/name", "x"]), st.sampled_from(["", "a", "b"]))

_INTERFACES = st.builds(
    Interface,
    NAMES,
    TEXTS,
    INTEGERS,
    st.dictionaries(st.sampled_from(["10.0.0.1", "fe80::1"]), st.sampled_from(["24", "x"])),
    st.none() | st.booleans(),
    FLOATS,
)
_DEVICES = st.builds(Device, NAMES, st.sampled_from([None, -1, 0, 1, 7]), TEXTS)
_CONTAINERS = st.builds(Container, NAMES, FLOATS, INTEGERS, TEXTS, TIMESTAMPS)


def _map_by_name(objects: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.lists(objects, max_size=2).map(lambda listed: {part.name: part for part in listed})


NODE_FIELDS = st.fixed_dictionaries(
    {
        "id": NAMES,
        "type": st.sampled_from(["ocm", ""]),
        "name": NAMES,
        "architecture": TEXTS,
        "country": TEXTS,
        "labels": LABELS,
        "vulnerabilities": st.dictionaries(st.sampled_from(["critical", "low"]), st.integers(0, 3)),
        "cpu_cores": FLOATS,
        "free_memory_bytes": INTEGERS,
        "host_memory_bytes": INTEGERS,
        "available_memory_bytes": INTEGERS,
        "last_seen_seconds": TIMESTAMPS,
        "interfaces": _map_by_name(_INTERFACES),
        "devices": _map_by_name(_DEVICES),
        "filesystems": _map_by_name(st.builds(Filesystem, NAMES, TEXTS, FLOATS, FLOATS)),
        "taints": _map_by_name(st.builds(Taint, NAMES, TEXTS, TEXTS, TEXTS)),
        "conditions": st.dictionaries(st.sampled_from(["Ready", "x"]), st.sampled_from(["true", "false"])),
        "is_unschedulable": st.none() | st.booleans(),
    }
)
POD_FIELDS = st.fixed_dictionaries(
    {
        "id": NAMES,
        "name": NAMES,
        "namespace": NAMES,
        "node": st.none() | NAMES,
        "phase": TEXTS | st.sampled_from(["Running", "Failed"]),
        "last_seen_seconds": TIMESTAMPS,
        "labels": LABELS,
        "services": st.dictionaries(st.sampled_from(["web", "x"]), st.booleans()),
        "containers": _map_by_name(_CONTAINERS),
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
        for key, fields in sorted(draw(st.dictionaries(NAMES, NODE_FIELDS, max_size=3)).items()):
            nodes[cluster, key] = Node(cluster=cluster, key=key, **fields)  # type: ignore[arg-type] # types as in NODE_FIELDS
        for key, fields in sorted(draw(st.dictionaries(NAMES, POD_FIELDS, max_size=3)).items()):
            pods[cluster, key] = Pod(cluster=cluster, key=key, **fields)  # type: ignore[arg-type] # the same
    types = st.sampled_from(["ocm", "nuvla", ""])
    controllers = st.sampled_from([(), ("one",), ("one", "two")])
    clusters = {
        name: Cluster(key=name, uid=f"uid {name}", type=draw(types), name=name, controllers=draw(controllers))
        for name in names
    }
    return add_version(Topology(clusters=clusters, nodes=nodes, pods=pods))
