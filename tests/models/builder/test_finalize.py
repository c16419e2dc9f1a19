"""The keys that clients see: unique, and in order."""

import itertools
import time

from hypothesis import given
from hypothesis import strategies as st

from aggregator.models.builder.finalize import KeyAllocator
from tests.support.samples import Series, build_from_series

ORCHESTRATORS: list[Series] = [({"type": "ocm", "agent_name": "x", "k8s_cluster_uid": "u"}, "1")]
NUVLA: list[Series] = [({"type": "nuvla", "agent_name": "box", "icos_host_name": "edge"}, "1")]
EDGE_HOST: list[Series] = [({"icos_host_id": "h", "icos_host_name": "edge", "nodename": "docker"}, "1")]


def build_host_series(host_id: str, name: str) -> Series:
    """Return a host's uname series."""
    return {"k8s_cluster_uid": "u", "icos_host_id": host_id, "nodename": name}, "1"


def build_pod_series(namespace: str, name: str, uid: str, **labels: str) -> Series:
    """Return a pod's series."""
    return {"k8s_cluster_uid": "u", "namespace": namespace, "pod": name, "uid": uid, **labels}, "1"


def build_container_series(name: str, container_id: str) -> Series:
    """Return a Docker container's series."""
    return {"icos_host_name": "edge", "container_name": name, "container_id": container_id}, "12.5"


def test_nodes_and_clusters_are_in_the_order_of_their_keys() -> None:
    """Keys are sorted by code point: consumers take the first that fits."""
    names = ["b", "a", "Z", "ä", "a1", "10", "9"]
    nodes = [build_host_series(f"id-{name}", name) for name in names]
    topology, _ = build_from_series({"orchestrators": ORCHESTRATORS, "nodes_by_uname": nodes})
    assert [key for _, key in topology.nodes] == sorted(names)


def test_two_nodes_of_one_name_are_both_kept() -> None:
    """The node with the lower machine id keeps the name; the other is keyed by its machine id."""
    for nodes in (
        [build_host_series("1", "n"), build_host_series("2", "n")],
        [build_host_series("2", "n"), build_host_series("1", "n")],
    ):
        topology, _ = build_from_series({"orchestrators": ORCHESTRATORS, "nodes_by_uname": nodes})
        assert {key: node.host_id for (_, key), node in topology.nodes.items()} == {"n": "1", "2": "2"}


def test_a_pod_name_in_two_namespaces_is_two_pods() -> None:
    """The first namespace keeps the plain key, the others are keyed by namespace and name; each has its own."""
    pods = [build_pod_series("b", "web", "2", pod_ip="10.0.0.2"), build_pod_series("a", "web", "1", pod_ip="10.0.0.1")]
    phases = [build_pod_series("a", "web", "1", phase="Running"), build_pod_series("b", "web", "2", phase="Failed")]
    containers = [build_pod_series("a", "web", "1", container="c"), build_pod_series("b", "web", "2", container="d")]
    topology, tally = build_from_series(
        {
            "orchestrators": ORCHESTRATORS,
            "nodes_by_uname": [build_host_series("1", "n")],
            "pods": pods,
            "pod_phase": phases,
            "containers": containers,
        }
    )
    assert {
        key: (found.name, found.namespace, found.ip, found.phase, list(found.containers))
        for (_, key), found in topology.pods.items()
    } == {
        "web": ("web", "a", "10.0.0.1", "Running", ["c"]),
        "b/web": ("web", "b", "10.0.0.2", "Failed", ["d"]),
    }
    assert not tally.conflicts


def test_a_pod_knows_its_node() -> None:
    """The node of a pod is told by its key, None where its series name none of the cluster."""
    topology, _ = build_from_series(
        {
            "orchestrators": ORCHESTRATORS,
            "nodes_by_uname": [({**build_host_series("1", "n")[0], "icos_host_name": "u:n"}, "1")],
            "pods": [
                build_pod_series("a", "by-host", "1", icos_host_name="u:n"),
                build_pod_series("a", "by-node", "2", node="n"),
                build_pod_series("a", "nowhere", "3", node="x"),
            ],
        }
    )
    assert {key: found.node for (_, key), found in topology.pods.items()} == {
        "by-host": "n",
        "by-node": "n",
        "nowhere": None,
    }


def test_docker_containers_become_pods() -> None:
    """A Docker host's container is a pod of one container on that host; Docker's percent become cores."""
    topology, tally = build_from_series(
        {
            "orchestrators": NUVLA,
            "nodes_by_uname": EDGE_HOST,
            "docker_containers": [build_container_series("redis", "f00d")],
            "docker_container_cpu": [(build_container_series("redis", "f00d")[0], "0.125")],
            "docker_container_memory": [(build_container_series("redis", "f00d")[0], "1048576")],
        }
    )
    (found,) = topology.pods.values()
    assert (found.cluster, found.key, found.name, found.uid, found.node) == ("box", "redis", "redis", "f00d", "docker")
    (inner,) = found.containers.values()
    assert (inner.name, inner.cpu_usage_cores, inner.memory_bytes) == ("redis", 0.125, 1048576)
    assert not tally.unplaced


def test_a_workload_is_found_by_the_containers_id() -> None:
    """On a Docker host an application's series names the container by its id."""
    topology, _ = build_from_series(
        {
            "orchestrators": NUVLA,
            "nodes_by_uname": EDGE_HOST,
            "docker_containers": [build_container_series("redis", "f00d")],
            "workloads": [({"id": "f00d", "icos_app_instance": "i", "icos_app_name": "cache"}, "1")],
        }
    )
    (found,) = topology.pods.values()
    assert found.workloads["i"].app == "cache"


def test_parts_are_in_the_order_of_their_names() -> None:
    """Interfaces, devices and containers are sorted, whatever order their series came in."""
    labels = {"k8s_cluster_uid": "u", "icos_host_id": "1"}
    topology, _ = build_from_series(
        {
            "orchestrators": ORCHESTRATORS,
            "nodes_by_uname": [build_host_series("1", "n")],
            "interfaces": [({**labels, "device": device}, "1") for device in ("lo", "eth1", "eth0")],
        }
    )
    (node,) = topology.nodes.values()
    assert list(node.interfaces) == ["eth0", "eth1", "lo"]


def test_a_cluster_tells_its_agent_and_id() -> None:
    """What hosts say of their cluster is the cluster's."""
    uname = {**build_host_series("1", "n")[0], "icos_agent_id": "ocm-1", "icos_cluster_id": "cid"}
    topology, _ = build_from_series({"orchestrators": ORCHESTRATORS, "nodes_by_uname": [(uname, "1")]})
    assert (topology.clusters["u"].agent_id, topology.clusters["u"].cluster_id) == ("ocm-1", "cid")


def test_nothing_known_is_an_empty_topology() -> None:
    """No samples at all are no error."""
    topology, tally = build_from_series({})
    assert (topology.clusters, topology.nodes, topology.pods, topology.controllers) == ({}, {}, {}, ())
    assert not tally.unplaced


def find_free_key(candidates: list[str], used_keys: set[str]) -> str:
    """Return the key that is due, by looking at all that there are from the first one on."""
    numbered = (f"{candidates[-1]}/{number}" for number in itertools.count(2))
    return next(key for key in itertools.chain(candidates, numbered) if key not in used_keys)


@given(st.lists(st.lists(st.sampled_from(["a", "a/2", "a/3", "b", ""]), min_size=1, max_size=2), max_size=20))
def test_a_key_is_the_first_that_is_free(wanted: list[list[str]]) -> None:
    """Of several things of one name the second is numbered 2, or what is free after that."""
    keys = KeyAllocator(["b/2"])
    taken = {"b/2"}
    for candidates in wanted:
        due = find_free_key(candidates, taken)
        assert keys.allocate(candidates) == due
        taken.add(due)


def test_things_of_one_name_cost_each_the_same() -> None:
    """Thirty thousand nodes, and as many pods, of one name take seconds at most, not minutes."""
    count, began = 30_000, time.thread_time()
    keys = KeyAllocator()
    assert [keys.allocate(["n"]) for _ in range(count)][-1] == f"n/{count}"
    pods: list[Series] = [
        ({"k8s_cluster_uid": f"u{number}", "icos_host_name": "edge", "namespace": f"a{number}", "pod": "p"}, "1")
        for number in range(count)
    ]
    topology, _ = build_from_series({"orchestrators": NUVLA, "nodes_by_uname": EDGE_HOST, "pods": pods})
    assert ("box", f"a{count - 1}/p") in topology.pods
    assert time.thread_time() - began < 20
