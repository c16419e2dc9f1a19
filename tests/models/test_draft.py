"""Objects under construction, and how they are found."""

import time

from hypothesis import given
from hypothesis import strategies as st

from aggregator.models.draft import Register
from aggregator.models.row import Part
from tests.samples import samples

IDENTITIES = (("k8s_cluster_uid", "icos_host_id"), ("cluster", "node"))


def test_equal_labels_are_one_object() -> None:
    """Two series with the same identifying labels are about one object."""
    register = Register()
    series = [({"icos_host_id": "h", "machine": machine}, "1") for machine in ("x86_64", "aarch64")]
    one, other = (register.identified(sample.metric, IDENTITIES) for sample in samples("nodes_by_uname", series))
    assert one is not None
    assert one is other


def test_the_first_identity_with_a_last_label_counts() -> None:
    """A series without a machine id is identified by the next set of labels; one without any is nobody."""
    register = Register()
    series = [({"node": "n"}, "1"), ({"cluster": "c"}, "1")]
    named, nobody = (register.identified(sample.metric, IDENTITIES) for sample in samples("nodes_by_uname", series))
    assert list(register.drafts) == [(("cluster", "node"), ("", "n"))]
    assert named is not None
    assert nobody is None


def test_white_space_does_not_count() -> None:
    """A machine id with a newline finds, and is found as, the one without."""
    register = Register()
    (sample,) = samples("nodes_by_uname", [({"icos_host_id": "h\n"}, "1")])
    register.identified(sample.metric, IDENTITIES)
    assert register.index(("icos_host_id",)) == {("h\n",): (0,), ("h",): (0,)}


def test_an_empty_last_label_is_in_no_index() -> None:
    """What an object lacks it cannot be found by."""
    register = Register()
    (sample,) = samples("nodes_by_uname", [({"icos_host_id": "h"}, "1")])
    register.identified(sample.metric, IDENTITIES)
    assert register.index(("icos_host_name",)) == {}
    assert list(register.index(("k8s_cluster_uid", "icos_host_id"))) == [("", "h")]


def test_drafts_share_nothing() -> None:
    """What one object is given, another has not."""
    register = Register()
    one, other = register.new(), register.new()
    register.table.column("name")[one.number] = "n"
    register.parts_of(Part.DEVICE).add(one.number, "camera")
    one.metrics.append(object())
    assert (other.fields, register.parts_of(Part.DEVICE).find(other.number, "camera"), other.metrics) == ({}, -1, [])


@given(st.lists(st.tuples(st.sampled_from(["h", "h\n", "i", ""]), st.sampled_from("abc")), max_size=12))
def test_an_index_has_each_object_once_in_order(series: list[tuple[str, str]]) -> None:
    """Objects that share a key stand under it in the order in which they were made."""
    register = Register()
    for sample in samples("nodes_by_uname", [({"icos_host_id": host, "node": name}, "1") for host, name in series]):
        register.identified(sample.metric, (("node",),))
    due: dict[tuple[str, ...], set[int]] = {}
    numbers = {name: at for at, name in enumerate(dict.fromkeys(name for _, name in series))}
    for host, name in series:
        for key in {host, host.strip()} - {""}:
            due.setdefault((key,), set()).add(numbers[name])
    index = register.index(("icos_host_id",))
    assert {key: set(found) for key, found in index.items()} == due
    assert all(len(set(found)) == len(found) for found in index.values())


def test_objects_of_one_key_cost_each_the_same() -> None:
    """Sixty thousand hosts of one name are found by it in a second or two, not in minutes."""
    register = Register()
    hosts = [({"icos_host_id": str(number), "icos_host_name": "edge"}, "1") for number in range(60_000)]
    for sample in samples("nodes_by_uname", hosts):
        register.identified(sample.metric, (("icos_host_id",),))
    began = time.thread_time()
    assert register.index(("icos_host_name",)) == {("edge",): tuple(range(60_000))}
    assert time.thread_time() - began < 2
