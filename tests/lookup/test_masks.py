"""Which fields are told: paths, and depth."""

import pytest

from aggregator.errors import BadRequestError
from aggregator.lookup import masks
from aggregator.pb.aggregator.v1 import topology_pb2 as pb


def test_paths_are_a_tree() -> None:
    """Paths lead through lists, in either spelling, and a whole field takes in what is within it."""
    assert masks.of_paths(pb.Node, ["name", "interfaces.addresses.ip", "freeMemoryBytes"]) == {
        "name": None,
        "interfaces": {"addresses": {"ip": None}},
        "free_memory_bytes": None,
    }
    for paths in (["devices", "devices.name"], ["devices.name", "devices"]):
        assert masks.of_paths(pb.Node, paths) == {"devices": None}


@pytest.mark.parametrize("paths", [[], ["*"], ["name", "*"]])
def test_everything(paths: list[str]) -> None:
    """No path, or a star, is everything."""
    assert masks.of_paths(pb.Node, paths) is None


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("nam", "there is no 'nam'; nearest: name"),
        ("", "there is no ''; allowed: id, name"),
        ("interfaces.nam", "there is no 'interfaces.nam'; nearest: interfaces.name"),
        ("name.first", "there is no 'name.first'"),
        ("labels.zone", "there is no 'labels.zone'"),
        ("last_seen_time.seconds", "there is no 'last_seen_time.seconds'"),
    ],
)
def test_a_path_that_there_is_not(path: str, says: str) -> None:
    """A path that leads nowhere is told with the nearest ones, also within what is told whole."""
    for paths in ([path], ["interfaces", path]):
        with pytest.raises(BadRequestError) as refused:
            masks.of_paths(pb.Node, paths)
        assert says in str(refused.value)
        assert refused.value.parameter == "fields"


def test_too_many_paths() -> None:
    """There is a bound on paths."""
    with pytest.raises(BadRequestError, match="more than"):
        masks.of_paths(pb.Node, ["name"] * (masks.MOST_PATHS + 1))


def test_depth() -> None:
    """A depth leaves out messages below it, but not times and mappings, which are values."""
    alone = masks.of_depth(pb.Node, 0)
    assert alone is not None
    assert {"labels", "last_seen_time", "name"} <= set(alone)
    assert not {"interfaces", "devices", "filesystems"} & set(alone)
    clusters = masks.of_depth(pb.Topology, 1)
    assert clusters is not None
    assert "nodes" not in clusters["clusters"]


def test_both() -> None:
    """What two masks show is what each of them shows."""
    one, other = (
        {"name": None, "nodes": {"name": None, "id": None}},
        {"nodes": {"id": None, "type": None}, "type": None},
    )
    assert masks.of_both(one, other) == {"nodes": {"id": None}}
    assert masks.of_both(one, None) == masks.of_both(None, one) == one
