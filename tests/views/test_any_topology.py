"""Whatever a topology holds, each view makes a document of it."""

import json

from hypothesis import given
from hypothesis import strategies as st

from aggregator.models.topology import Cluster, Container, Device, Filesystem, Interface, Node, Pod, Topology, Workload
from aggregator.pb.etim import server_pb2 as pb
from aggregator.views import BY_NAME

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
INT = st.none() | st.integers(-(2**63), 2**63 - 1)
REAL = st.none() | st.floats(-1e15, 1e15)


def parts_of(
    kind: type[Interface | Device | Filesystem | Container | Workload],
) -> st.SearchStrategy[dict[str, object]]:
    """Return a strategy for the parts of one kind, by name."""
    fields = {
        Interface: (TEXT, st.none() | TEXT, INT, st.dictionaries(TEXT, TEXT, max_size=2), st.none() | st.booleans()),
        Device: (TEXT, INT, st.none() | TEXT),
        Filesystem: (TEXT, st.none() | TEXT, REAL, REAL),
        Container: (TEXT, REAL, INT),
        Workload: (TEXT, st.none() | TEXT, st.none() | TEXT),
    }[kind]
    made = st.builds(kind, *fields)
    return st.dictionaries(TEXT, made, max_size=2)


def node_fields() -> st.SearchStrategy[dict[str, object]]:
    """Return a strategy for what is known of a node."""
    whole = ("sca_score", "memory_bytes", "host_memory_bytes", "available_memory_bytes", "free_memory_bytes")
    real = ("cpu_cores", "cpu_frequency_hertz", "cpu_usage_percent", "temperature_celsius", "latitude", "gpu_count")
    text = ("name", "label", "host_id", "architecture", "engine")
    return st.fixed_dictionaries(
        {
            **dict.fromkeys(whole, INT),
            **dict.fromkeys(real, REAL),
            **dict.fromkeys(text, st.none() | TEXT),
            "labels": st.dictionaries(TEXT, TEXT, max_size=2),
            "interfaces": parts_of(Interface),
            "devices": parts_of(Device),
            "filesystems": parts_of(Filesystem),
        }
    )


@given(
    node=node_fields(),
    pod=st.fixed_dictionaries(
        {"name": TEXT, "uid": TEXT, "containers": parts_of(Container), "workloads": parts_of(Workload)}
    ),
    oldest=st.none() | st.floats(0, 1e11),
)
def test_every_view_makes_its_document(node: dict[str, object], pod: dict[str, object], oldest: float | None) -> None:
    """No values of the topology's types keep a view from making JSON, or a message, that can be read."""
    topology = Topology(
        clusters={"c": Cluster(key="c", uid="u")},
        nodes={("c", "n"): Node(cluster="c", key="n", **node)},  # type: ignore[arg-type] # as the strategy made them
        pods={("c", "p"): Pod(cluster="c", key="p", node="n", **pod)},  # type: ignore[arg-type] # the same
        oldest_sample_seconds=oldest,
    )
    for name in ("1.2.5", "2025"):
        assert json.loads(BY_NAME[name](topology, 1e9))["cluster"].keys() == {"c"}
    assert len(pb.InfrastructureModel.FromString(BY_NAME["etim"](topology, 1e9)).nodes) == 1
