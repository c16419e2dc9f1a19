"""Changes between topologies: which objects, which fields, and whether only measurements."""

import pytest
from google.protobuf.message_factory import GetMessageClass
from msgspec.structs import replace

from aggregator.models.catalog.row import MODEL_TYPES
from aggregator.models.changes import (
    CHANGE_KINDS,
    FIELD_CLASSES,
    ObjectChange,
    TopologyProperties,
    combine,
    compare_topologies,
)
from aggregator.models.topology import Cluster, Container, Interface, Node, Pod, Sensor, Topology, add_version
from aggregator.pb.aggregator.v1 import topology_pb2 as pb
from aggregator.views.v1_format import get_attribute_name, list_model_fields

NODE = Node(cluster="c", key="n", id="u/n", cpu_cores=4, cpu_usage_percent=10, sensors={"s": Sensor("s", 40)})
POD = Pod(cluster="c", key="p", id="p-1", name="p", containers={"x": Container("x", 0.5, image="nginx")})


def build_topology(*objects: Node | Pod, oldest: float = 1) -> Topology:
    """Return a topology with one cluster and these objects."""
    return add_version(
        Topology(
            clusters={"c": Cluster(key="c", uid="u")},
            nodes={("c", each.key): each for each in objects if isinstance(each, Node)},
            pods={("c", each.key): each for each in objects if isinstance(each, Pod)},
            oldest_sample_seconds=oldest,
        )
    )


def build_change(before: Node | Pod, after: Node | Pod) -> ObjectChange:
    """Return the only change between two topologies with one object each."""
    delta = compare_topologies(build_topology(before), build_topology(after))
    (change,) = [*delta.nodes.values(), *delta.pods.values()]
    return change


@pytest.mark.parametrize("struct", MODEL_TYPES.values(), ids=lambda struct: struct.__name__)
def test_every_field_has_a_class(struct: type) -> None:
    """Each field of the model, and each property that v1 shows, is either structure or a measurement."""
    message = GetMessageClass(pb.DESCRIPTOR.message_types_by_name[struct.__name__])
    shown = {get_attribute_name(struct.__name__, field) for field in list_model_fields(message)}
    structure, measurements = FIELD_CLASSES[struct]
    assert sorted([*structure, *measurements]) == sorted(shown | set(struct.__struct_fields__))  # type: ignore[attr-defined]


def test_equal_topologies_have_no_changes() -> None:
    """Topologies whose objects are equal, but not the same, have no changes."""
    delta = compare_topologies(build_topology(NODE, POD), build_topology(replace(NODE), replace(POD)))
    assert not any(map(delta.get_changes, CHANGE_KINDS))


def test_objects_are_added_changed_and_removed() -> None:
    """Objects are matched by cluster and ID, so that one with another name has changed."""
    other = replace(NODE, id="u/m", key="m")
    renamed = replace(POD, key="q", name="q")
    delta = compare_topologies(build_topology(NODE, POD), build_topology(other, renamed))
    assert {key: (change.before, change.after) for key, change in delta.nodes.items()} == {
        ("c", "u/n"): (NODE, None),
        ("c", "u/m"): (None, other),
    }
    assert [(change.before, change.after) for change in delta.pods.values()] == [(POD, renamed)]


def test_one_id_in_two_clusters_is_two_objects() -> None:
    """A cluster whose series have two cluster labels has each pod twice, and each changes on its own."""
    pods = {("c", POD.key): POD, ("d", POD.key): replace(POD, cluster="d")}
    clusters = {key: Cluster(key=key, uid=key) for key in ("c", "d")}
    before = add_version(Topology(clusters=clusters, pods=pods))
    after = add_version(
        Topology(clusters=clusters, pods={**pods, ("d", POD.key): replace(POD, cluster="d", phase="Failed")})
    )
    assert list(compare_topologies(before, after).pods) == [("d", "p-1")]


@pytest.mark.parametrize(
    ("before", "after", "is_structural"),
    [
        (NODE, replace(NODE, cpu_usage_percent=11), False),
        (NODE, replace(NODE, cpu_cores=8), True),
        (NODE, replace(NODE, sensors={"s": Sensor("s", 41)}), False),
        (NODE, replace(NODE, sensors={"s": Sensor("s", 41), "t": Sensor("t")}), True),
        (NODE, replace(NODE, interfaces={"eth0": Interface("eth0")}), True),
        (POD, replace(POD, containers={"x": Container("x", 0.6, image="nginx")}), False),
        (POD, replace(POD, containers={"x": Container("x", 0.5, image="nginx:2")}), True),
    ],
)
def test_structure_is_apart_from_measurements(before: Node | Pod, after: Node | Pod, is_structural: bool) -> None:
    """A change is structural unless nothing but measurements differ, also those of parts."""
    assert build_change(before, after).is_structural is is_structural


def test_a_structural_delta_leaves_out_measurements() -> None:
    """The structural part of a delta has no objects whose measurements alone differ."""
    after = build_topology(replace(NODE, cpu_usage_percent=11), replace(POD, phase="Failed"))
    delta = compare_topologies(build_topology(NODE, POD), after).select_structure()
    assert (list(delta.nodes), list(delta.pods)) == ([], [("c", "p-1")])


def test_two_deltas_combine_to_one() -> None:
    """Two deltas in a row are as the delta from the first topology to the last."""
    first = build_topology(NODE, POD)
    second = build_topology(replace(NODE, cpu_usage_percent=11), oldest=2)
    third = build_topology(replace(NODE, cpu_usage_percent=12), replace(POD, phase="Failed"), oldest=3)
    combined = combine(compare_topologies(first, second), compare_topologies(second, third))
    assert combined == compare_topologies(first, third)
    assert (combined.properties_before, combined.properties_after) == (
        TopologyProperties(oldest_sample_seconds=1),
        TopologyProperties(oldest_sample_seconds=3),
    )


def test_an_object_that_ends_as_it_began_has_not_changed() -> None:
    """An object that was removed and added again, or changed back, is no change of the combined delta."""
    first, second = build_topology(NODE, POD), build_topology(replace(NODE, cpu_cores=8))
    combined = combine(compare_topologies(first, second), compare_topologies(second, first))
    assert not any(map(combined.get_changes, CHANGE_KINDS))
