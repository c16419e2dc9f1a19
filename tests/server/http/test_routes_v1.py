"""/api/v1 over HTTP: lookups, lists, pages and problems."""

from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import pytest

from aggregator.errors import NoTopologyError
from aggregator.lookup import request
from aggregator.models.topology import Cluster, Container, Node, Pod, Topology, add_version
from tests.integration.gateway_process import wait_until
from tests.server.running_servers import ServerPorts
from tests.server.snapshot_provider import COLLECTED_AT, FAILED_GAP, TOPOLOGY, FakeSnapshotProvider, build_snapshot
from tests.support.http_client import ClientResponse, send_request

CLUSTER_PATH = "/api/v1/clusters/icos-cluster-a"
NODE_PATH = f"{CLUSTER_PATH}/nodes/k8s-master"
ODD_NAME = "a/b ü%2F?#&="
ENCODED_ODD_NAME = "a%2Fb%20%C3%BC%252F%3F%23%26%3D"
SEEN_SECONDS = count(1_795_208_228)
PODS = {
    ("c", f"pod-{number}"): Pod(
        cluster="c",
        key=f"pod-{number}",
        id=f"p-{number}",
        name=f"pod-{number}",
        containers={"app": Container("app", memory_bytes=number)},
    )
    for number in range(7)
}


def build_api_topology(clusters: list[str], *nodes: Node, pods: dict[tuple[str, str], Pod] | None = None) -> Topology:
    """Return a topology of these clusters, nodes and pods."""
    return add_version(
        Topology(
            clusters={name: Cluster(key=name, uid=f"uid of {name}", name=name) for name in clusters},
            nodes={(node.cluster, node.key): node for node in nodes},
            pods=pods or {},
        )
    )


def parse_problem(answer: ClientResponse) -> dict[str, Any]:
    """Return a problem document, which contains the status of the response."""
    assert answer.headers["Content-Type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert document["status"] == answer.status
    assert document["type"].startswith("/docs#")
    assert document["title"]
    return document


def test_a_node_by_name(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """A node is found by the names of its cluster and of the node; the headers contain the topology version."""
    source.snapshot_age_seconds = 3.2
    answer = send_request(ports.http, NODE_PATH)
    assert (answer.status, answer.json()["name"], answer.json()["cluster"]) == (200, "k8s-master", "icos-cluster-a")
    assert {
        name.lower(): value for name, value in answer.headers.items() if name.lower() not in ("date", "server")
    } == {
        "content-type": "application/json",
        "content-length": str(len(answer.body)),
        "age": "3",
        "x-topology-complete": "true",
        "x-topology-time": COLLECTED_AT,
        "x-topology-version": TOPOLOGY.version,
        "etag": answer.headers["ETag"],
        "vary": "accept-encoding",
        "cache-control": "no-cache",
        "x-content-type-options": "nosniff",
    }


def test_a_known_result_is_not_sent_again(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """The ETag identifies the content and the request, however it is spelled; with it the response is 304."""
    tags = {
        path: send_request(ports.http, f"/api/v1/{path}").headers["ETag"]
        for path in ("nodes", "pods", "nodes?limit=1", "nodes?fields=name", "nodes?filter=a", "nodes?filter=name")
    }
    assert tags.pop("nodes?filter=a") is None
    assert len(set(tags.values())) == len(tags)
    assert send_request(ports.http, "/api/v1/nodes?filter=%20name%20").headers["ETag"] == tags["nodes?filter=name"]
    known = [("If-None-Match", tags["nodes"])]
    unchanged = send_request(ports.http, "/api/v1/nodes", headers=known)
    assert (unchanged.status, unchanged.body, unchanged.headers["ETag"]) == (304, b"", tags["nodes"])
    source.current_snapshot = build_snapshot(topology=build_api_topology(["c"]))
    assert send_request(ports.http, "/api/v1/nodes", headers=known).status == 200


def test_results_are_of_the_current_topology(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """A cached result is used only for the same topology version; completeness is that of the current snapshot."""
    path = "/api/v1/clusters/c/nodes/n"
    for memory_bytes in (1, 2, 1):
        source.current_snapshot = build_snapshot(
            topology=build_api_topology(["c"], Node(cluster="c", key="n", memory_bytes=memory_bytes))
        )
        for _ in range(2):
            assert send_request(ports.http, path).json()["memoryBytes"] == str(memory_bytes)
    source.current_snapshot = build_snapshot(FAILED_GAP, topology=source.current_snapshot.topology)
    assert send_request(ports.http, path).headers["X-Topology-Complete"] == "false"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (CLUSTER_PATH, "icos-cluster-a"),
        (f"{CLUSTER_PATH}/nodes/k8s-worker%20%3C1%3E", "k8s-worker <1>"),
        (f"{CLUSTER_PATH}/pods/kube-system/cilium-9b4pl", "cilium-9b4pl"),
    ],
)
def test_objects_have_paths(ports: ServerPorts, path: str, name: str) -> None:
    """A cluster, a node and a pod each have a path."""
    answer = send_request(ports.http, path)
    assert (answer.status, answer.json()["name"]) == (200, name)


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("clusters", ["icos-cluster-a"]),
        ("nodes", ["k8s-master", "k8s-worker <1>"]),
        ("pods", ["cilium-9b4pl"]),
        ("clusters/icos-cluster-a/nodes", ["k8s-master", "k8s-worker <1>"]),
        ("clusters/icos-cluster-a/pods", ["cilium-9b4pl"]),
        ("nodes?filter=device%3Dvideo0", ["k8s-worker <1>"]),
        ("nodes?filter=free_memory_bytes%3E%3D100Mi,architecture+in+(x86_64,aarch64)", ["k8s-master"]),
        ("nodes?labels=!zone", ["k8s-master", "k8s-worker <1>"]),
        ("pods?filter=node=k8s-master,namespace=kube-system", ["cilium-9b4pl"]),
    ],
)
def test_lists(ports: ServerPorts, path: str, names: list[str]) -> None:
    """A list contains the matching objects in order, their number, and the topology version."""
    answer = send_request(ports.http, f"/api/v1/{path}").json()
    (listed,) = (value for value in answer.values() if isinstance(value, list))
    assert [each["name"] for each in listed] == names
    assert (answer["version"], answer["totalCount"]) == (TOPOLOGY.version, len(names))


def test_an_empty_list(ports: ServerPorts) -> None:
    """If nothing matches, the list is left out, as in proto3 JSON, and the count is 0."""
    answer = send_request(ports.http, "/api/v1/containers?filter=image~nginx").json()
    assert answer == {"version": TOPOLOGY.version, "totalCount": 0}


def test_names_of_any_characters(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """Names with slashes, spaces, umlauts and percent signs are found, percent-encoded."""
    pods = {(ODD_NAME, ODD_NAME): Pod(cluster=ODD_NAME, key=ODD_NAME, id="p", name=ODD_NAME, namespace=ODD_NAME)}
    source.current_snapshot = build_snapshot(
        topology=build_api_topology([ODD_NAME], Node(cluster=ODD_NAME, key=ODD_NAME), pods=pods)
    )
    for path in ("", f"/nodes/{ENCODED_ODD_NAME}", f"/pods/{ENCODED_ODD_NAME}/{ENCODED_ODD_NAME}"):
        answer = send_request(ports.http, f"/api/v1/clusters/{ENCODED_ODD_NAME}{path}")
        assert (answer.status, answer.json()["name"]) == (200, ODD_NAME)


def test_a_pod_without_a_namespace(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """A Docker container has the namespace `-`; a real namespace with this name takes precedence."""
    pods = {("c", "a"): Pod(cluster="c", key="a", id="docker", name="a")}
    source.current_snapshot = build_snapshot(topology=build_api_topology(["c"], pods=pods))
    assert send_request(ports.http, "/api/v1/clusters/c/pods/-/a").json()["id"] == "docker"
    pods[("c", "b")] = Pod(cluster="c", key="b", id="named", name="a", namespace="-")
    source.current_snapshot = build_snapshot(topology=build_api_topology(["c"], pods=pods))
    assert send_request(ports.http, "/api/v1/clusters/c/pods/-/a").json()["id"] == "named"


@pytest.mark.parametrize(
    ("path", "member", "names"),
    [
        ("clusters/icos-cluster-b", "nearest", ["icos-cluster-a"]),
        ("clusters/icos-cluster-a/nodes/K8S-Mastr", "nearest", ["k8s-master"]),
        ("clusters/icos-cluster-a/pods/kube-system/cilium-9b4p", "nearest", ["kube-system/cilium-9b4pl"]),
        ("clusters/icos-cluster-b/nodes", "nearest", ["icos-cluster-a"]),
        ("clusters/zzzzzzzzzzz", "allowed", ["icos-cluster-a"]),
        ("clusters/icos-cluster-a/nodes/zzzzz", "allowed", ["k8s-master", "k8s-worker <1>"]),
    ],
)
def test_unknown_names(ports: ServerPorts, path: str, member: str, names: list[str]) -> None:
    """An unknown name gets 404 with the nearest names, else with all names if they are few."""
    answer = send_request(ports.http, f"/api/v1/{path}")
    assert answer.status == 404
    problem = parse_problem(answer)
    assert {each: problem[each] for each in ("nearest", "allowed") if each in problem} == {member: names}


@pytest.mark.parametrize("path", ["", "/", "/node", "/clusters/a/b", "/clusters/icos-cluster-a/pods/shop", "/nodes/"])
def test_unknown_paths(ports: ServerPorts, path: str) -> None:
    """At an unknown path, the problem contains the known paths."""
    answer = send_request(ports.http, f"/api/v1{path}")
    assert answer.status == 404
    assert {"/api/v1/nodes", "/api/v1/quality"} <= set(parse_problem(answer)["allowed"])


@pytest.mark.parametrize("path", ["/api%2Fv1/nodes", "/api%2Fv1/x/nodes", "/api/v1%2Fnodes"])
def test_encoded_slashes_do_not_separate(ports: ServerPorts, path: str) -> None:
    """An encoded slash is part of a name and does not separate segments."""
    assert send_request(ports.http, path).status == 404


@pytest.mark.parametrize(
    ("path", "parameter", "says"),
    [
        ("nodes?filtre=a", "filtre", "did you mean filter?"),
        ("nodes/?layout=2025", None, "no such path"),
        (
            "clusters/nuvlabox/1/nodes",
            None,
            "no such path: /api/v1/clusters/nuvlabox/1/nodes; write a slash within a name as %2F",
        ),
        ("clusters/icos-cluster-a?filter=a", "filter", "allowed: fields, wait, time, depth"),
        ("pods?labels=a", "labels", "unknown parameter 'labels'"),
        ("containers?depth=3", "depth", "unknown parameter 'depth'"),
        ("nodes?filter=free_memory%3E1", "filter", "did you mean free_memory_bytes, "),
        ("nodes?filter=memory_bytes%3E4Gx", "filter", "memory_bytes must be a number such as 5, "),
        ("nodes?filter=name%3C4", "filter", "operator < does not apply to name"),
        ("nodes?labels=a%3E4", "labels", "label selector: operator > is not allowed"),
        ("nodes?fields=name,cores", "fields", "unknown field 'cores'"),
        ("nodes?depth=1", "depth", "allowed: 2, 3"),
        ("nodes?depth=two", "depth", "depth must be a valid integer, got 'two'"),
        ("nodes?limit=0", "limit", "limit must be between 1 and 2147483647, got 0"),
        ("nodes?limit=-1", "limit", "limit must be between 1 and 2147483647, got -1"),
        ("nodes?continue=x", "continue", "continue: not a token that this server issued"),
        ("nodes?limit=1&limit=2", "limit", "limit must be given only once"),
        ("nodes?filter=%FF", None, "must be UTF-8"),
        ("clusters/%FF", None, "must be UTF-8"),
        ("topology?wait=x", "wait", "wait must be a duration of at most 60s"),
        ("nodes?wait=1h", "wait", "wait must be a duration of at most 60s"),
        ("topology?layout=2025", "layout", "allowed: fields, wait, time, depth"),
        ("topology?fields=clusters.node", "fields", "did you mean clusters.nodes"),
    ],
)
def test_invalid_requests(ports: ServerPorts, path: str, parameter: str | None, says: str) -> None:
    """The problem contains the invalid parameter and what is expected."""
    answer = send_request(ports.http, f"/api/v1/{path}")
    document = parse_problem(answer)
    assert answer.status == (404 if parameter is None and "no such path" in says else 400)
    assert document.get("parameter") == parameter
    assert says in document["detail"]


def test_too_many_parameters(ports: ServerPorts) -> None:
    """A request with too many parameters is refused."""
    assert send_request(ports.http, "/api/v1/nodes?" + "&".join(f"a{number}=" for number in range(21))).status == 400


@pytest.mark.parametrize("path", ["/api/v1/nodes", "/api/v1/topology", NODE_PATH])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_other_methods(ports: ServerPorts, path: str, method: str) -> None:
    """Lookups allow only GET and HEAD."""
    answer = send_request(ports.http, path, method)
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")
    assert parse_problem(answer)["allowed"] == ["GET", "HEAD"]


@pytest.mark.parametrize(
    "path", ["/api/v1/topology", "/api/v1/topology?depth=1", NODE_PATH, "/api/v1/nodes?fields=name"]
)
def test_head(ports: ServerPorts, path: str) -> None:
    """HEAD returns the headers of GET and no body."""
    got, head = send_request(ports.http, path), send_request(ports.http, path, "HEAD")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["Content-Length"] == got.headers["Content-Length"] == str(len(got.body))


def test_fields_and_depth_of_the_topology(ports: ServerPorts) -> None:
    """The topology has the requested depth and fields."""
    (cluster,) = send_request(ports.http, "/api/v1/topology?depth=1").json()["clusters"]
    assert "nodes" not in cluster
    (cluster,) = send_request(ports.http, "/api/v1/topology?depth=2").json()["clusters"]
    assert [set(node) & {"devices", "name"} for node in cluster["nodes"]] == [{"name"}, {"name"}]
    masked = send_request(ports.http, "/api/v1/topology?fields=clusters.nodes.devices.name,version").json()
    assert masked["clusters"] == [{"nodes": [{}, {"devices": [{"name": "video0"}]}]}]
    assert (
        send_request(ports.http, "/api/v1/topology?depth=3").json()
        == send_request(ports.http, "/api/v1/topology").json()
    )


def test_pages_of_one_version(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """The next pages are of the topology of the first page, although another one is current."""
    source.current_snapshot = build_snapshot(topology=build_api_topology(["c"], pods=PODS))
    first = send_request(ports.http, "/api/v1/pods?limit=3").json()
    source.current_snapshot = build_snapshot()
    second = send_request(ports.http, f"/api/v1/pods?limit=3&continue={first['continueToken']}")
    assert second.headers["X-Topology-Version"] == second.json()["version"] == first["version"]
    third = send_request(ports.http, f"/api/v1/pods?limit=3&continue={second.json()['continueToken']}").json()
    pages = (first, second.json(), third)
    assert [pod["name"] for page in pages for pod in page["pods"]] == [pod.name for pod in PODS.values()]
    assert {page["totalCount"] for page in pages} == {len(PODS)}
    assert "continueToken" not in third


def test_a_version_that_is_gone(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """A page of a topology that is no longer kept gets 410 with what to do."""
    old = build_api_topology(["c"], pods=PODS)
    source.current_snapshot = build_snapshot(topology=old)
    token = send_request(ports.http, "/api/v1/pods?limit=3").json()["continueToken"]
    forged = send_request(ports.http, f"/api/v1/nodes?limit=3&continue={token}")
    assert (forged.status, parse_problem(forged)["parameter"]) == (400, "continue")
    gone = request.parse_continue_token(token)._replace(version="0" * 32)
    answer = send_request(ports.http, f"/api/v1/pods?limit=3&continue={gone}")
    assert answer.status == 410
    assert parse_problem(answer)["detail"].endswith("request the first page again")


def test_without_a_topology(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """Without a topology the response is 503 with the reason and Retry-After."""
    source.failure, source.next_refresh_seconds = (
        NoTopologyError("no topology yet", "query up: connection refused"),
        4.2,
    )
    answer = send_request(ports.http, NODE_PATH)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
    assert parse_problem(answer)["detail"] == "no topology yet: query up: connection refused"


def test_an_internal_error_is_not_disclosed(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """An internal error gets 500 without its text."""
    source.failure = RuntimeError("the password is swordfish")
    answer = send_request(ports.http, NODE_PATH)
    assert answer.status == 500
    assert parse_problem(answer)["detail"] == "internal error"


def test_without_a_token(guarded: ServerPorts) -> None:
    """Without a token nothing is disclosed, not even whether a path exists."""
    for path in (NODE_PATH, "/api/v1/topology", "/api/v1/nothing", "/api/v1"):
        answer = send_request(guarded.http, path)
        assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, 'Bearer realm="aggregator"')
        assert parse_problem(answer)["detail"] == "not authorized"


def test_no_cache_waits_for_a_refresh(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """Cache-Control: no-cache waits for a refresh."""
    source.next_snapshot = build_snapshot(topology=build_api_topology(["fresh"]))
    answer = send_request(ports.http, "/api/v1/clusters", headers=[("Cache-Control", "no-cache")])
    assert [cluster["name"] for cluster in answer.json()["clusters"]] == ["fresh"]


def build_phase_topology(**phases: str) -> Topology:
    """Return a topology of pods with these phases, and a node that is seen at another time with each call."""
    pods = {("c", name): Pod(cluster="c", key=name, id=name, name=name, phase=phase) for name, phase in phases.items()}
    node = Node(cluster="c", key="n", last_seen_seconds=next(SEEN_SECONDS))
    return build_api_topology(["c"], node, pods=pods)


@pytest.mark.parametrize(
    ("path", "is_weak"),
    [
        ("pods?filter=phase%3DFailed&fields=name,phase", True),
        ("pods?filter=phase%3DFailed&limit=5", True),
        ("clusters/c/pods", True),
        ("clusters/c/pods/-/a", False),
        ("clusters/c?fields=pods.phase", False),
        ("topology?fields=clusters.pods.phase", False),
    ],
)
def test_the_tag_is_of_the_content(source: FakeSnapshotProvider, ports: ServerPorts, path: str, is_weak: bool) -> None:
    """A response is 304 while its own objects are the same, whatever else changes; the tag of a list is weak."""
    source.current_snapshot = build_snapshot(topology=build_phase_topology(a="Failed"))
    first = send_request(ports.http, f"/api/v1/{path}")
    tag = first.headers["ETag"]
    assert tag is not None
    assert tag.startswith('W/"') is is_weak
    source.current_snapshot = build_snapshot(topology=build_phase_topology(a="Failed"))
    unchanged = send_request(ports.http, f"/api/v1/{path}", headers=[("If-None-Match", tag)])
    assert (unchanged.status, unchanged.headers["ETag"]) == (304, tag)
    assert unchanged.headers["X-Topology-Version"] == source.current_snapshot.topology.version
    source.current_snapshot = build_snapshot(topology=build_phase_topology(a="Unknown"))
    assert send_request(ports.http, f"/api/v1/{path}", headers=[("If-None-Match", tag)]).status == 200


def test_a_page_with_a_token_is_of_one_version(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """A page with a continue token, which is valid for one topology, is 304 only for that topology."""
    source.current_snapshot = build_snapshot(topology=build_phase_topology(a="Failed", b="Failed"))
    known = [("If-None-Match", send_request(ports.http, "/api/v1/pods?limit=1").headers["ETag"])]
    assert send_request(ports.http, "/api/v1/pods?limit=1", headers=known).status == 304
    source.current_snapshot = build_snapshot(topology=build_phase_topology(a="Failed", b="Failed"))
    assert send_request(ports.http, "/api/v1/pods?limit=1", headers=known).status == 200


def test_a_long_poll_sleeps_until_its_result_changes(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """A long poll of a filtered list waits however often the topology changes, until the list does."""
    path = "/api/v1/pods?filter=phase%3DFailed&fields=name,phase"
    source.current_snapshot = build_snapshot(topology=build_phase_topology(a="Running"))
    known = [("If-None-Match", send_request(ports.http, path).headers["ETag"])]
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(send_request, ports.http, f"{path}&wait=30s", headers=known)
        for phase in ("Running", "Pending", "Failed"):
            wait_until(lambda: source.waiters, "the request waits")
            source.publish(build_snapshot(topology=build_phase_topology(a=phase)))
        answer = waiting.result(30)
    assert (answer.status, answer.json()["pods"]) == (200, [{"name": "a", "phase": "Failed"}])


def test_a_long_poll_reports_that_its_object_is_gone(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """A long poll of an object that disappears gets 404."""
    path = "/api/v1/clusters/c/pods/-/a"
    source.current_snapshot = build_snapshot(topology=build_phase_topology(a="Running"))
    known = [("If-None-Match", send_request(ports.http, path).headers["ETag"])]
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(send_request, ports.http, f"{path}?wait=30s", headers=known)
        wait_until(lambda: source.waiters, "the request waits")
        source.publish(build_snapshot(topology=build_phase_topology(b="Running")))
        assert waiting.result(30).status == 404


def test_a_long_poll_ends_with_a_change(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """A long poll gets the new result when it changes, and 304 when the time is up."""
    source.current_snapshot = build_snapshot(topology=build_api_topology(["c"]))
    known = [("If-None-Match", send_request(ports.http, "/api/v1/clusters").headers["ETag"])]
    assert send_request(ports.http, "/api/v1/clusters?wait=50ms", headers=known).status == 304
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(send_request, ports.http, "/api/v1/clusters?wait=30s", headers=known)
        wait_until(lambda: source.waiters, "somebody waits")
        source.publish(build_snapshot(topology=build_api_topology(["c", "d"])))
        answer = waiting.result(30)
    assert [cluster["name"] for cluster in answer.json()["clusters"]] == ["c", "d"]
