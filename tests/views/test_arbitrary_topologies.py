"""Every view renders every topology."""

import json

from hypothesis import given
from hypothesis import strategies as st

from aggregator.models.topology import Cluster, Container, Device, Filesystem, Interface, Node, Pod, Topology, Workload
from aggregator.pb.etim import server_pb2 as pb
from aggregator.views.renderers import RENDERERS

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
INTEGERS = st.none() | st.integers(-(2**63), 2**63 - 1)
FLOATS = st.none() | st.floats(-1e15, 1e15)


def child_objects(
    kind: type[Interface | Device | Filesystem | Container | Workload],
) -> st.SearchStrategy[dict[str, object]]:
    """Return a strategy for children of one kind, by name."""
    fields = {
        Interface: (
            TEXT,
            st.none() | TEXT,
            INTEGERS,
            st.dictionaries(TEXT, TEXT, max_size=2),
            st.none() | st.booleans(),
        ),
        Device: (TEXT, INTEGERS, st.none() | TEXT),
        Filesystem: (TEXT, st.none() | TEXT, FLOATS, FLOATS),
        Container: (TEXT, FLOATS, INTEGERS),
        Workload: (TEXT, st.none() | TEXT, st.none() | TEXT),
    }[kind]
    objects = st.builds(kind, *fields)
    return st.dictionaries(TEXT, objects, max_size=2)


def node_fields() -> st.SearchStrategy[dict[str, object]]:
    """Return a strategy for the fields of a node."""
    integers = ("sca_score", "memory_bytes", "host_memory_bytes", "available_memory_bytes", "free_memory_bytes")
    floats = ("cpu_cores", "cpu_frequency_hertz", "cpu_usage_percent", "temperature_celsius", "latitude", "gpu_count")
    texts = ("name", "node_label", "host_id", "architecture", "engine")
    return st.fixed_dictionaries(
        {
            **dict.fromkeys(integers, INTEGERS),
            **dict.fromkeys(floats, FLOATS),
            **dict.fromkeys(texts, st.none() | TEXT),
            "labels": st.dictionaries(TEXT, TEXT, max_size=2),
            "interfaces": child_objects(Interface),
            "devices": child_objects(Device),
            "filesystems": child_objects(Filesystem),
        }
    )


@given(
    node=node_fields(),
    pod=st.fixed_dictionaries(
        {"name": TEXT, "uid": TEXT, "containers": child_objects(Container), "workloads": child_objects(Workload)}
    ),
    oldest=st.none() | st.floats(0, 1e11),
)
def test_every_view_renders_any_topology(node: dict[str, object], pod: dict[str, object], oldest: float | None) -> None:
    """Each view renders a readable document from any values of the model's types."""
    topology = Topology(
        clusters={"c": Cluster(key="c", uid="u")},
        nodes={("c", "n"): Node(cluster="c", key="n", **node)},  # type: ignore[arg-type] # as generated
        pods={("c", "p"): Pod(cluster="c", key="p", node="n", **pod)},  # type: ignore[arg-type] # the same
        oldest_sample_seconds=oldest,
    )
    for name in ("1.2.5", "2025"):
        assert json.loads(RENDERERS[name](topology, 1e9))["cluster"].keys() == {"c"}
    assert len(pb.InfrastructureModel.FromString(RENDERERS["etim"](topology, 1e9)).nodes) == 1
