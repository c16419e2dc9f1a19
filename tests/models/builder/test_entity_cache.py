"""What is remembered from one build to the next saves work, and never changes what comes out."""

from collections.abc import Mapping, Sequence

from hypothesis import given
from hypothesis import strategies as st

from aggregator.models.builder.build import DEFAULT_CLUSTER, build_topology, sort_rows_by_stage
from aggregator.models.builder.entities import ClusterIdentity, EntityRegistry
from aggregator.models.builder.matching import EntityCache
from aggregator.models.builder.membership import ClusterMembership
from aggregator.models.builder.merge import BuildStats
from aggregator.models.sample import Sample
from aggregator.models.topology import Topology
from tests.fuzz.fuzz_settings import fuzz_examples
from tests.support.catalog import CATALOG
from tests.support.samples import Series, create_reader, decode_row_samples

Refresh = Mapping[str, Sequence[Series]]

ORCHESTRATOR: Series = ({"type": "ocm", "agent_name": "x", "k8s_cluster_uid": "u"}, "1")
UNAME: Series = ({"k8s_cluster_uid": "u", "icos_host_id": "h", "nodename": "n"}, "1")
POD: Series = ({"k8s_cluster_uid": "u", "namespace": "s", "pod": "p", "uid": "1"}, "1")
CONTAINER: Series = ({"k8s_cluster_uid": "u", "namespace": "s", "pod": "p", "container": "c"}, "1")
USAGE_LABELS = {
    "k8s_cluster_uid": "u",
    "k8s_namespace_name": "s",
    "k8s_pod_name": "p",
    "k8s_container_name": "c",
}
BASE_REFRESH: Refresh = {
    "orchestrators": [ORCHESTRATOR],
    "nodes_by_uname": [UNAME],
    "pods": [POD],
    "containers": [CONTAINER],
    "container_cpu": [(USAGE_LABELS, "0.5")],
}

# So few different labels that series of different entities, and of equal ones, come about by themselves.
LABELS = {
    "k8s_cluster_uid": ("u", "v", ""),
    "icos_host_id": ("h", "i", "h\n", ""),
    "icos_host_name": ("n", "m", ""),
    "icos_agent_id": ("a", ""),
    "cluster": ("k", "l", ""),
    "node": ("n", ""),
    "namespace": ("s", "t", ""),
    "pod": ("p", "q"),
    "container": ("c", "d"),
    "container_id": ("1", "3"),
    "container_name": ("c", "d"),
    "k8s_namespace_name": ("s", "t", ""),
    "k8s_pod_name": ("p", "q"),
    "k8s_container_name": ("c", "d"),
    "device": ("e", "f"),
    "id": ("1", "2", "3"),
    "uid": ("1", "2"),
    "phase": ("Running", "Failed"),
    "severity": ("low", "high"),
}
VALUES = st.sampled_from(["1", "2", "0.5", "-1", "NaN", "+Inf", "1e30", "x"])
IDENTITY_ROWS = ("nodes_by_uname", "nodes_by_agent", "pods", "docker_containers")
VALUE_ROWS = (
    *("memory_free", "cpu_capacity", "memory_capacity", "memory_total", "uptime", "vulnerabilities"),
    *("interfaces", "interface_speed", "interface_addresses", "filesystems", "root_filesystem", "devices"),
    *("pod_phase", "workloads", "containers", "container_cpu", "container_cpu_renamed", "container_memory"),
    *("docker_container_cpu", "docker_container_memory"),
)
LABELS_OF = {row.name: row.expression.labels or () for row in CATALOG}


def row_series(name: str) -> st.SearchStrategy[Series]:
    """Return what a series of a row may be."""
    labels = st.fixed_dictionaries({label: st.sampled_from(LABELS.get(label, ("y", "z"))) for label in LABELS_OF[name]})
    return st.tuples(labels, VALUES)


REFRESHES = st.fixed_dictionaries(
    {name: st.lists(row_series(name), max_size=3) for name in IDENTITY_ROWS}
    | {name: st.lists(row_series(name), max_size=4) for name in VALUE_ROWS}
).map(lambda rows: {"orchestrators": [ORCHESTRATOR], **rows})


def decode_refresh(refresh: Refresh) -> dict[str, list[Sample]]:
    """Return the samples of a refresh."""
    return {name: decode_row_samples(name, those) for name, those in refresh.items()}


def build_with_cache(refresh: Refresh, entity_cache: EntityCache | None = None) -> tuple[Topology, BuildStats]:
    """Return what is built of a refresh, with what is remembered of the one before."""
    return build_topology(create_reader(decode_refresh(refresh)), CATALOG, entity_cache=entity_cache)


def assert_same_with_cache(refreshes: Sequence[Refresh]) -> None:
    """Hold what is built with memory beside what is built without."""
    recall = EntityCache()
    for refresh in refreshes:
        assert build_with_cache(refresh, recall) == build_with_cache(refresh)


def change_rows(refresh: Refresh, **rows: Sequence[Series]) -> Refresh:
    """Return a refresh with other series in some rows."""
    return {**refresh, **rows}


@fuzz_examples(15)
@given(st.lists(REFRESHES, min_size=2, max_size=2), st.data())
def test_memory_changes_nothing(two: list[Refresh], data: st.DataObject) -> None:
    """Whatever comes, goes, moves, repeats or contradicts itself: with memory as without, in topology and tally."""
    one, other = two
    mixed = {name: data.draw(st.sampled_from([one, other]))[name] for name in one}
    moved = {name: data.draw(st.permutations(mixed[name])) for name in mixed}
    assert_same_with_cache([one, mixed, moved, other])


def test_what_has_a_place_is_not_looked_for_again() -> None:
    """Series that are the same as a refresh before are not looked up: no index is made."""
    recall = EntityCache()
    build_with_cache(BASE_REFRESH, recall)
    rows = {row.name: row for row in sort_rows_by_stage(CATALOG)}
    (usage,) = decode_row_samples("container_cpu", [(USAGE_LABELS, "0.7")])
    register = EntityRegistry()
    pod = register.get_or_create(
        decode_row_samples("pods", [POD])[0].labels, rows["pods"].entity_selector.identities, "u"
    )
    assert pod is not None
    pod.place(ClusterIdentity("ocm", "u"))
    cache_key = ClusterMembership([], DEFAULT_CLUSTER).cache_key
    recall.start_build({rows["container_cpu"].entity_selector.kind: register}, cache_key)
    register.get_child_table(rows["containers"].entity_selector.child_kind).get_or_add(0, "c")  # type: ignore[arg-type] # the row has one
    assert recall.find_indexes(rows["container_cpu"], recall.hash_series(rows["container_cpu"], [usage])) == [0]


def test_a_second_entity_of_the_same_labels_is_noticed() -> None:
    """A sample that was one node's is nobody's once another node is found by the same labels."""
    agent = {"k8s_cluster_uid": "u", "icos_agent_id": "a", "icos_host_name": "n"}
    one, twin = (({**agent, "icos_host_id": host, "nodename": host}, "1") for host in ("h", "i"))
    alone = change_rows(BASE_REFRESH, nodes_by_uname=[one], cpu_capacity=[(agent, "4")])
    both = change_rows(alone, nodes_by_uname=[one, twin])
    recall = EntityCache()
    cores = [
        [node.cpu_cores for node in build_with_cache(refresh, recall)[0].nodes.values()]
        for refresh in (alone, both, alone)
    ]
    assert cores == [[4], [None, None], [4]]
    assert_same_with_cache([alone, both, alone])


def test_a_container_that_moves_is_followed() -> None:
    """Entities have other indexes in each refresh; what is remembered of their series follows them."""
    pods = [({**POD[0], "pod": name, "uid": name}, "1") for name in ("p", "q", "r")]
    containers = [({**CONTAINER[0], "pod": name}, "1") for name in ("p", "q", "r")]
    usage = [({**USAGE_LABELS, "k8s_pod_name": name}, f"{at}") for at, name in enumerate(("p", "q", "r"), 1)]
    first = change_rows(BASE_REFRESH, pods=pods, containers=containers, container_cpu=usage)
    turned = change_rows(BASE_REFRESH, pods=pods[::-1], containers=containers, container_cpu=usage)
    fewer = change_rows(BASE_REFRESH, pods=pods[1:], containers=containers[1:], container_cpu=usage)
    assert_same_with_cache([first, turned, fewer, first])


def test_a_build_that_breaks_leaves_the_memory_as_it_was() -> None:
    """What was learnt before a build broke half-way is not kept: the next build starts from the last whole one."""
    recall = EntityCache()
    build_with_cache(BASE_REFRESH, recall)
    recall.start_build({}, "other")
    assert build_with_cache(BASE_REFRESH, recall) == build_with_cache(BASE_REFRESH)
