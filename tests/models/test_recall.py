"""What is remembered from one build to the next saves work, and never changes what comes out."""

from collections.abc import Mapping, Sequence

from hypothesis import given
from hypothesis import strategies as st

from aggregator.models.build import build, reading_order
from aggregator.models.catalog import CATALOG
from aggregator.models.draft import Register
from aggregator.models.recall import Recall
from aggregator.models.tally import Tally
from aggregator.models.topology import Topology
from aggregator.querier.decode import Sample
from tests.samples import Series, samples

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
SCENE: Refresh = {
    "orchestrators": [ORCHESTRATOR],
    "nodes_by_uname": [UNAME],
    "pods": [POD],
    "containers": [CONTAINER],
    "container_cpu": [(USAGE_LABELS, "0.5")],
}

# So few different labels that series of different owners, and of equal ones, come about by themselves.
LABELS = {
    "k8s_cluster_uid": ("u", "v", ""),
    "icos_host_id": ("h", "i", "h\n", ""),
    "icos_host_name": ("n", "m", ""),
    "icos_agent_id": ("a", ""),
    "cluster": ("k", ""),
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
MAKERS = ("nodes_by_uname", "nodes_by_agent", "pods", "docker_containers")
FOLLOWERS = (
    *("memory_free", "cpu_capacity", "memory_capacity", "memory_total", "uptime", "vulnerabilities"),
    *("interfaces", "interface_speed", "interface_addresses", "filesystems", "root_filesystem", "devices"),
    *("pod_phase", "workloads", "containers", "container_cpu", "container_cpu_renamed", "container_memory"),
    *("docker_container_cpu", "docker_container_memory"),
)
LABELS_OF = {row.name: row.ask.labels or () for row in CATALOG}


def series(name: str) -> st.SearchStrategy[Series]:
    """Return what a series of a row may be."""
    labels = st.fixed_dictionaries({label: st.sampled_from(LABELS.get(label, ("y", "z"))) for label in LABELS_OF[name]})
    return st.tuples(labels, VALUES)


REFRESHES = st.fixed_dictionaries(
    {name: st.lists(series(name), max_size=3) for name in MAKERS}
    | {name: st.lists(series(name), max_size=4) for name in FOLLOWERS}
).map(lambda rows: {"orchestrators": [ORCHESTRATOR], **rows})


def decoded(refresh: Refresh) -> dict[str, list[Sample]]:
    """Return the samples of a refresh."""
    return {name: samples(name, those) for name, those in refresh.items()}


def built(refresh: Refresh, recall: Recall | None = None) -> tuple[Topology, Tally]:
    """Return what is built of a refresh, with what is remembered of the one before."""
    return build(decoded(refresh), CATALOG, recall=recall)


def assert_all_same(refreshes: Sequence[Refresh]) -> None:
    """Hold what is built with memory beside what is built without."""
    recall = Recall()
    for refresh in refreshes:
        assert built(refresh, recall) == built(refresh)


def changed(refresh: Refresh, **rows: Sequence[Series]) -> Refresh:
    """Return a refresh with other series in some rows."""
    return {**refresh, **rows}


@given(st.lists(REFRESHES, min_size=2, max_size=2), st.data())
def test_memory_changes_nothing(two: list[Refresh], data: st.DataObject) -> None:
    """Whatever comes, goes, moves, repeats or contradicts itself: with memory as without, in topology and tally."""
    one, other = two
    mixed = {name: data.draw(st.sampled_from([one, other]))[name] for name in one}
    moved = {name: data.draw(st.permutations(mixed[name])) for name in mixed}
    assert_all_same([one, mixed, moved, other])


def test_what_has_a_place_is_not_looked_for_again() -> None:
    """Series that are the same as a refresh before are not looked up: no index is made."""
    recall = Recall()
    built(SCENE, recall)
    rows = {row.name: row for row in reading_order(CATALOG)}
    (usage,) = samples("container_cpu", [(USAGE_LABELS, "0.7")])
    register = Register()
    register.identified(samples("pods", [POD])[0].metric, rows["pods"].whose.makes)
    recall.begin({rows["container_cpu"].whose.owner: register})
    register.parts_of(rows["containers"].whose.part).add(0, "c")  # type: ignore[arg-type] # the row has one
    assert recall.numbers(rows["container_cpu"], recall.hashes(rows["container_cpu"], [usage])) == [0]


def test_a_second_owner_of_the_same_labels_is_noticed() -> None:
    """A sample that was one node's is nobody's once another node is found by the same labels."""
    agent = {"k8s_cluster_uid": "u", "icos_agent_id": "a", "icos_host_name": "n"}
    one, twin = (({**agent, "icos_host_id": host, "nodename": host}, "1") for host in ("h", "i"))
    alone = changed(SCENE, nodes_by_uname=[one], cpu_capacity=[(agent, "4")])
    both = changed(alone, nodes_by_uname=[one, twin])
    recall = Recall()
    cores = [[node.cpu_cores for node in built(refresh, recall)[0].nodes.values()] for refresh in (alone, both, alone)]
    assert cores == [[4], [None, None], [4]]
    assert_all_same([alone, both, alone])


def test_a_container_that_moves_is_followed() -> None:
    """Owners have other numbers in each refresh; what is remembered of their series follows them."""
    pods = [({**POD[0], "pod": name, "uid": name}, "1") for name in ("p", "q", "r")]
    containers = [({**CONTAINER[0], "pod": name}, "1") for name in ("p", "q", "r")]
    usage = [({**USAGE_LABELS, "k8s_pod_name": name}, f"{at}") for at, name in enumerate(("p", "q", "r"), 1)]
    first = changed(SCENE, pods=pods, containers=containers, container_cpu=usage)
    turned = changed(SCENE, pods=pods[::-1], containers=containers, container_cpu=usage)
    fewer = changed(SCENE, pods=pods[1:], containers=containers[1:], container_cpu=usage)
    assert_all_same([first, turned, fewer, first])


def test_a_build_that_breaks_leaves_the_memory_as_it_was() -> None:
    """What was learnt before a build broke half-way is not kept: the next build starts from the last whole one."""
    recall = Recall()
    built(SCENE, recall)
    recall.begin({})
    assert built(SCENE, recall) == built(SCENE)
