"""Field masks: paths and depth."""

import pytest

from aggregator.errors import BadRequestError
from aggregator.lookup import request
from aggregator.pb.aggregator.v1 import topology_pb2 as pb


def test_paths_form_a_tree() -> None:
    """Paths lead through repeated fields, in either spelling, and a whole field includes its subfields."""
    assert request.build_field_mask(pb.Node, ["name", "interfaces.addresses.ip", "freeMemoryBytes"]) == {
        "name": None,
        "interfaces": {"addresses": {"ip": None}},
        "free_memory_bytes": None,
    }
    for paths in (["devices", "devices.name"], ["devices.name", "devices"]):
        assert request.build_field_mask(pb.Node, paths) == {"devices": None}


@pytest.mark.parametrize("paths", [[], ["*"], ["name", "*"]])
def test_all_fields(paths: list[str]) -> None:
    """No path, or `*`, selects all fields."""
    assert request.build_field_mask(pb.Node, paths) is None


@pytest.mark.parametrize(
    ("path", "expected_message"),
    [
        ("nam", "unknown field 'nam'; did you mean name?"),
        ("", "unknown field ''; allowed: id, name"),
        ("interfaces.nam", "unknown field 'interfaces.nam'; did you mean interfaces.name,"),
        ("name.first", "unknown field 'name.first'"),
        ("labels.zone", "unknown field 'labels.zone'"),
        ("last_seen_time.seconds", "unknown field 'last_seen_time.seconds'"),
    ],
)
def test_unknown_fields(path: str, expected_message: str) -> None:
    """The error for an unknown field suggests similar ones, also inside a field that is selected as a whole."""
    for paths in ([path], ["interfaces", path]):
        with pytest.raises(BadRequestError) as refused:
            request.build_field_mask(pb.Node, paths)
        assert expected_message in str(refused.value)
        assert refused.value.parameter == "fields"


def test_too_many_paths() -> None:
    """The number of paths is limited."""
    with pytest.raises(BadRequestError, match="at most 100 paths are allowed, got 101"):
        request.build_field_mask(pb.Node, ["name"] * (request.MAX_FIELD_PATHS + 1))


def test_depth_masks() -> None:
    """A depth omits deeper messages, but not timestamps and maps, which are values."""
    alone = request.build_depth_mask(pb.Node, 0)
    assert alone is not None
    assert {"labels", "last_seen_time", "name"} <= set(alone)
    assert not {"interfaces", "devices", "filesystems"} & set(alone)
    clusters = request.build_depth_mask(pb.Topology, 1)
    assert clusters is not None
    assert "nodes" not in clusters["clusters"]


def test_intersection() -> None:
    """The intersection contains the fields that both masks contain."""
    one, other = (
        {"name": None, "nodes": {"name": None, "id": None}},
        {"nodes": {"id": None, "type": None}, "type": None},
    )
    assert request.intersect_masks(one, other) == {"nodes": {"id": None}}
    assert request.intersect_masks(one, None) == request.intersect_masks(None, one) == one
