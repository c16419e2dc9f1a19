"""Objects under construction, and how they are found."""

import time

from hypothesis import given
from hypothesis import strategies as st

from aggregator.models.builder.entities import EntityRegistry
from aggregator.models.catalog.row import ChildKind
from tests.support.samples import decode_row_samples

IDENTITIES = (("k8s_cluster_uid", "icos_host_id"), ("cluster", "node"))


def test_equal_labels_are_one_object() -> None:
    """Two series with the same identifying labels are about one object."""
    register = EntityRegistry()
    series = [({"icos_host_id": "h", "machine": machine}, "1") for machine in ("x86_64", "aarch64")]
    one, other = (
        register.get_or_create(sample.labels, IDENTITIES) for sample in decode_row_samples("nodes_by_uname", series)
    )
    assert one is not None
    assert one is other


def test_the_first_identity_with_a_last_label_counts() -> None:
    """A series without a machine id is identified by the next set of labels; one without any is nobody."""
    register = EntityRegistry()
    series = [({"node": "n"}, "1"), ({"cluster": "c"}, "1")]
    named, nobody = (
        register.get_or_create(sample.labels, IDENTITIES) for sample in decode_row_samples("nodes_by_uname", series)
    )
    assert list(register.entities) == [(("cluster", "node"), ("", "", "n"))]
    assert named is not None
    assert nobody is None


def test_white_space_does_not_count() -> None:
    """A machine id with a newline finds, and is found as, the one without."""
    register = EntityRegistry()
    (sample,) = decode_row_samples("nodes_by_uname", [({"icos_host_id": "h\n"}, "1")])
    register.get_or_create(sample.labels, IDENTITIES)
    assert register.get_lookup(("icos_host_id",)) == {("h\n",): (0,), ("h",): (0,)}


def test_an_empty_last_label_is_in_no_lookup_table() -> None:
    """What an object lacks it cannot be found by."""
    register = EntityRegistry()
    (sample,) = decode_row_samples("nodes_by_uname", [({"icos_host_id": "h"}, "1")])
    register.get_or_create(sample.labels, IDENTITIES)
    assert register.get_lookup(("icos_host_name",)) == {}
    assert list(register.get_lookup(("k8s_cluster_uid", "icos_host_id"))) == [("", "h")]


def test_drafts_share_nothing() -> None:
    """What one object is given, another has not."""
    register = EntityRegistry()
    one, other = register.create_entity(), register.create_entity()
    register.table.ensure_column("name")[one.index] = "n"
    register.get_child_table(ChildKind.DEVICE).get_or_add(one.index, "camera")
    one.label_sets.append(object())
    assert (
        other.fields,
        register.get_child_table(ChildKind.DEVICE).find(other.index, "camera"),
        other.label_sets,
    ) == (
        {},
        -1,
        [],
    )


@given(st.lists(st.tuples(st.sampled_from(["h", "h\n", "i", ""]), st.sampled_from("abc")), max_size=12))
def test_a_lookup_table_has_each_object_once_in_order(series: list[tuple[str, str]]) -> None:
    """Objects that share a key stand under it in the order in which they were made."""
    register = EntityRegistry()
    for sample in decode_row_samples(
        "nodes_by_uname", [({"icos_host_id": host, "node": name}, "1") for host, name in series]
    ):
        register.get_or_create(sample.labels, (("node",),))
    due: dict[tuple[str, ...], set[int]] = {}
    indexes = {name: index for index, name in enumerate(dict.fromkeys(name for _, name in series))}
    for host, name in series:
        for key in {host, host.strip()} - {""}:
            due.setdefault((key,), set()).add(indexes[name])
    lookup = register.get_lookup(("icos_host_id",))
    assert {key: set(found) for key, found in lookup.items()} == due
    assert all(len(set(found)) == len(found) for found in lookup.values())


def test_objects_of_one_key_cost_each_the_same() -> None:
    """Sixty thousand hosts of one name are found by it in a second or two, not in minutes."""
    register = EntityRegistry()
    hosts = [({"icos_host_id": str(index), "icos_host_name": "edge"}, "1") for index in range(60_000)]
    for sample in decode_row_samples("nodes_by_uname", hosts):
        register.get_or_create(sample.labels, (("icos_host_id",),))
    began = time.thread_time()
    assert register.get_lookup(("icos_host_name",)) == {("edge",): tuple(range(60_000))}
    assert time.thread_time() - began < 2
