"""/api/v1 over HTTP: what is at each path, who sees it, and what is said where there is nothing."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from aggregator.errors import NoTopologyError
from aggregator.lookup import tokens
from aggregator.models.topology import Cluster, Container, Node, Pod, Topology
from aggregator.models.version import versioned
from tests.integration.process import until
from tests.server.exchange import Answer, ask
from tests.server.serving import Ports
from tests.server.source import GAP, TOPOLOGY, CommandedSource, snapshot

CLUSTER = "/api/v1/clusters/icos-cluster-a"
NODE = f"{CLUSTER}/nodes/k8s-master"
ODD = "a/b ü%2F?#&="
ENCODED = "a%2Fb%20%C3%BC%252F%3F%23%26%3D"
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


def topology_of(clusters: list[str], *nodes: Node, pods: dict[tuple[str, str], Pod] | None = None) -> Topology:
    """Return a topology of clusters by name, with these nodes and pods."""
    return versioned(
        Topology(
            clusters={name: Cluster(key=name, uid=f"uid of {name}", name=name) for name in clusters},
            nodes={(node.cluster, node.key): node for node in nodes},
            pods=pods or {},
        )
    )


def problem(answer: Answer) -> dict[str, Any]:
    """Return a problem document, which says the same status as the answer."""
    assert answer.headers["Content-Type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert document["status"] == answer.status
    assert document["type"].startswith("/docs#")
    assert document["title"]
    return document


def test_a_node_by_name(source: CommandedSource, ports: Ports) -> None:
    """A node is looked up by the names of its cluster and of itself, and the answer says of which topology it is."""
    source.age = 3.2
    answer = ask(ports.http, NODE)
    assert (answer.status, answer.json()["name"], answer.json()["cluster"]) == (200, "k8s-master", "icos-cluster-a")
    assert {
        name.lower(): value for name, value in answer.headers.items() if name.lower() not in ("date", "server")
    } == {
        "content-type": "application/json",
        "content-length": str(len(answer.body)),
        "age": "3",
        "x-topology-complete": "true",
        "x-topology-version": TOPOLOGY.version,
        "etag": answer.headers["ETag"],
        "vary": "accept-encoding",
        "cache-control": "no-cache",
        "x-content-type-options": "nosniff",
    }


def test_what_is_known_is_not_sent_again(source: CommandedSource, ports: Ports) -> None:
    """The ETag of an answer names the version and what is asked for, however it is written; who has it gets 304."""
    tags = {
        path: ask(ports.http, f"/api/v1/{path}").headers["ETag"]
        for path in ("nodes", "pods", "nodes?limit=1", "nodes?fields=name", "nodes?filter=a", "nodes?filter=name")
    }
    assert tags.pop("nodes?filter=a") is None
    assert len(set(tags.values())) == len(tags)
    assert ask(ports.http, "/api/v1/nodes?filter=%20name%20").headers["ETag"] == tags["nodes?filter=name"]
    known = [("If-None-Match", tags["nodes"])]
    unchanged = ask(ports.http, "/api/v1/nodes", headers=known)
    assert (unchanged.status, unchanged.body, unchanged.headers["ETag"]) == (304, b"", tags["nodes"])
    source.shown = snapshot(topology=topology_of(["c"]))
    assert ask(ports.http, "/api/v1/nodes", headers=known).status == 200


def test_an_answer_is_of_the_current_topology(source: CommandedSource, ports: Ports) -> None:
    """What was answered once is answered again only about the same topology; what is missing is told of the current."""
    path = "/api/v1/clusters/c/nodes/n"
    for memory_bytes in (1, 2, 1):
        source.shown = snapshot(topology=topology_of(["c"], Node(cluster="c", key="n", memory_bytes=memory_bytes)))
        for _ in range(2):
            assert ask(ports.http, path).json()["memoryBytes"] == str(memory_bytes)
    source.shown = snapshot(GAP, topology=source.shown.topology)
    assert ask(ports.http, path).headers["X-Topology-Complete"] == "false"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (CLUSTER, "icos-cluster-a"),
        (f"{CLUSTER}/nodes/k8s-worker%20%3C1%3E", "k8s-worker <1>"),
        (f"{CLUSTER}/pods/kube-system/cilium-9b4pl", "cilium-9b4pl"),
    ],
)
def test_one_thing_by_name(ports: Ports, path: str, name: str) -> None:
    """A cluster, a node and a pod each have a path."""
    answer = ask(ports.http, path)
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
def test_lists(ports: Ports, path: str, names: list[str]) -> None:
    """A list has what is asked for in order, how many that is, and the version that it is of."""
    answer = ask(ports.http, f"/api/v1/{path}").json()
    (listed,) = (value for value in answer.values() if isinstance(value, list))
    assert [each["name"] for each in listed] == names
    assert (answer["version"], answer["totalCount"]) == (TOPOLOGY.version, len(names))


def test_a_list_of_nothing(ports: Ports) -> None:
    """Where nothing is as asked for, the list is left out, as proto3 JSON has it, and the count is 0."""
    answer = ask(ports.http, "/api/v1/containers?filter=image~nginx").json()
    assert answer == {"version": TOPOLOGY.version, "totalCount": 0}


def test_names_of_any_characters(source: CommandedSource, ports: Ports) -> None:
    """Names with slashes, spaces, umlauts and percent signs are found, percent-encoded."""
    pods = {(ODD, ODD): Pod(cluster=ODD, key=ODD, id="p", name=ODD, namespace=ODD)}
    source.shown = snapshot(topology=topology_of([ODD], Node(cluster=ODD, key=ODD), pods=pods))
    for path in ("", f"/nodes/{ENCODED}", f"/pods/{ENCODED}/{ENCODED}"):
        answer = ask(ports.http, f"/api/v1/clusters/{ENCODED}{path}")
        assert (answer.status, answer.json()["name"]) == (200, ODD)


def test_a_pod_without_a_namespace(source: CommandedSource, ports: Ports) -> None:
    """A Docker container is found in the namespace `-`, and one whose namespace is called so goes first."""
    pods = {("c", "a"): Pod(cluster="c", key="a", id="docker", name="a")}
    source.shown = snapshot(topology=topology_of(["c"], pods=pods))
    assert ask(ports.http, "/api/v1/clusters/c/pods/-/a").json()["id"] == "docker"
    pods[("c", "b")] = Pod(cluster="c", key="b", id="named", name="a", namespace="-")
    source.shown = snapshot(topology=topology_of(["c"], pods=pods))
    assert ask(ports.http, "/api/v1/clusters/c/pods/-/a").json()["id"] == "named"


@pytest.mark.parametrize(
    ("path", "nearest"),
    [
        ("clusters/icos-cluster-b", ["icos-cluster-a"]),
        ("clusters/icos-cluster-a/nodes/K8S-Mastr", ["k8s-master"]),
        ("clusters/icos-cluster-a/pods/kube-system/cilium-9b4p", ["kube-system/cilium-9b4pl"]),
        ("clusters/icos-cluster-b/nodes", ["icos-cluster-a"]),
        ("clusters/zzzzzzzzzzz", None),
    ],
)
def test_what_has_no_such_name(ports: Ports, path: str, nearest: list[str] | None) -> None:
    """What is not there is 404, with the nearest names that are."""
    answer = ask(ports.http, f"/api/v1/{path}")
    assert answer.status == 404
    assert problem(answer).get("nearest") == nearest


@pytest.mark.parametrize("path", ["", "/", "/node", "/clusters/a/b", "/clusters/icos-cluster-a/pods/shop", "/nodes/"])
def test_where_nothing_is(ports: Ports, path: str) -> None:
    """At a path where nothing is, the problem says which paths there are."""
    answer = ask(ports.http, f"/api/v1{path}")
    assert answer.status == 404
    assert {"/api/v1/nodes", "/api/v1/quality"} <= set(problem(answer)["allowed"])


@pytest.mark.parametrize("path", ["/api%2Fv1/nodes", "/api%2Fv1/x/nodes", "/api/v1%2Fnodes"])
def test_encoded_slashes_are_no_slashes(ports: Ports, path: str) -> None:
    """A slash that is percent-encoded is part of a name and not of a path."""
    assert ask(ports.http, path).status == 404


@pytest.mark.parametrize(
    ("path", "parameter", "says"),
    [
        ("nodes?filtre=a", "filtre", "nearest: filter"),
        ("nodes/?layout=2025", None, "nothing is at"),
        ("clusters/nuvlabox/1/nodes", None, "nothing is at /api/v1/clusters/nuvlabox/1/nodes; a slash within a name"),
        ("clusters/icos-cluster-a?filter=a", "filter", "allowed: fields, depth, wait"),
        ("pods?labels=a", "labels", "there is no parameter 'labels' here"),
        ("containers?depth=3", "depth", "there is no parameter 'depth' here"),
        ("nodes?filter=free_memory%3E1", "filter", "nearest: free_memory_bytes"),
        ("nodes?filter=memory_bytes%3E4Gx", "filter", "'4Gx' is not; allowed: 5, "),
        ("nodes?filter=name%3C4", "filter", "which < does not compare"),
        ("nodes?labels=a%3E4", "labels", "label selector: it has no >"),
        ("nodes?fields=name,cores", "fields", "there is no 'cores'"),
        ("nodes?depth=1", "depth", "allowed: 2, 3"),
        ("nodes?depth=two", "depth", "'two' is no whole number"),
        ("nodes?limit=0", "limit", "limit: 0 is none"),
        ("nodes?limit=-1", "limit", "'-1' is no whole number"),
        ("nodes?continue=x", "continue", "no answer told it"),
        ("nodes?limit=1&limit=2", "limit", "more than once"),
        ("nodes?filter=%FF", None, "no UTF-8"),
        ("clusters/%FF", None, "no UTF-8"),
        ("topology?wait=x", "wait", "wait must be a time"),
        ("nodes?wait=1h", "wait", "wait must be a time"),
        ("topology?layout=2025", "layout", "allowed: fields, depth, wait"),
        ("topology?fields=clusters.node", "fields", "nearest: clusters.nodes"),
    ],
)
def test_what_cannot_be_understood(ports: Ports, path: str, parameter: str | None, says: str) -> None:
    """What is wrong with a request is told by the parameter, and with what would be right."""
    answer = ask(ports.http, f"/api/v1/{path}")
    document = problem(answer)
    assert answer.status == (404 if parameter is None and "nothing" in says else 400)
    assert document.get("parameter") == parameter
    assert says in document["detail"]


def test_too_many_parameters(ports: Ports) -> None:
    """Very many parameters are refused before they are looked at."""
    assert ask(ports.http, "/api/v1/nodes?" + "&".join(f"a{number}=" for number in range(21))).status == 400


@pytest.mark.parametrize("path", ["/api/v1/nodes", "/api/v1/topology", NODE])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_other_methods(ports: Ports, path: str, method: str) -> None:
    """What can be got cannot be asked for in another way than by GET and HEAD."""
    answer = ask(ports.http, path, method)
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")
    assert problem(answer)["allowed"] == ["GET", "HEAD"]


@pytest.mark.parametrize("path", ["/api/v1/topology", "/api/v1/topology?depth=1", NODE, "/api/v1/nodes?fields=name"])
def test_head(ports: Ports, path: str) -> None:
    """HEAD is answered with the headers of GET, and no body."""
    got, head = ask(ports.http, path), ask(ports.http, path, "HEAD")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["Content-Length"] == got.headers["Content-Length"] == str(len(got.body))


def test_fields_and_depth_of_the_topology(ports: Ports) -> None:
    """The whole topology is told as deep, and with the fields, as asked for."""
    (cluster,) = ask(ports.http, "/api/v1/topology?depth=1").json()["clusters"]
    assert "nodes" not in cluster
    (cluster,) = ask(ports.http, "/api/v1/topology?depth=2").json()["clusters"]
    assert [set(node) & {"devices", "name"} for node in cluster["nodes"]] == [{"name"}, {"name"}]
    masked = ask(ports.http, "/api/v1/topology?fields=clusters.nodes.devices.name,version").json()
    assert masked["clusters"] == [{"nodes": [{}, {"devices": [{"name": "video0"}]}]}]
    assert ask(ports.http, "/api/v1/topology?depth=3").json() == ask(ports.http, "/api/v1/topology").json()


def test_pages_of_one_version(source: CommandedSource, ports: Ports) -> None:
    """Pages that are continued are of the topology of the first one, though another is current by then."""
    source.shown = snapshot(topology=topology_of(["c"], pods=PODS))
    first = ask(ports.http, "/api/v1/pods?limit=3").json()
    source.shown = snapshot()
    second = ask(ports.http, f"/api/v1/pods?limit=3&continue={first['continueToken']}")
    assert second.headers["X-Topology-Version"] == second.json()["version"] == first["version"]
    third = ask(ports.http, f"/api/v1/pods?limit=3&continue={second.json()['continueToken']}").json()
    pages = (first, second.json(), third)
    assert [pod["name"] for page in pages for pod in page["pods"]] == [pod.name for pod in PODS.values()]
    assert {page["totalCount"] for page in pages} == {len(PODS)}
    assert "continueToken" not in third


def test_a_version_that_is_gone(source: CommandedSource, ports: Ports) -> None:
    """A page of a topology that is not kept is 410, and says what to do."""
    old = topology_of(["c"], pods=PODS)
    source.shown = snapshot(topology=old)
    token = ask(ports.http, "/api/v1/pods?limit=3").json()["continueToken"]
    forged = ask(ports.http, f"/api/v1/nodes?limit=3&continue={token}")
    assert (forged.status, problem(forged)["parameter"]) == (400, "continue")
    gone = tokens.read(token)._replace(version="0" * 32)
    answer = ask(ports.http, f"/api/v1/pods?limit=3&continue={gone}")
    assert answer.status == 410
    assert problem(answer)["detail"].endswith("ask for the first page again")


def test_without_a_topology(source: CommandedSource, ports: Ports) -> None:
    """Where there is nothing to show, it is 503 with the reason and when to come back."""
    source.failure, source.next_in = NoTopologyError("no topology yet: query up: connection refused"), 4.2
    answer = ask(ports.http, NODE)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
    assert problem(answer)["detail"] == "no topology yet: query up: connection refused"


def test_what_breaks_is_not_told(source: CommandedSource, ports: Ports) -> None:
    """A defect is 500 without a word of it."""
    source.failure = RuntimeError("the password is swordfish")
    answer = ask(ports.http, NODE)
    assert answer.status == 500
    assert problem(answer)["detail"] == "internal error"


def test_without_a_token(guarded: Ports) -> None:
    """Without a token nothing of it is answered, not even whether it is there."""
    for path in (NODE, "/api/v1/topology", "/api/v1/nothing", "/api/v1"):
        answer = ask(guarded.http, path)
        assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, 'Bearer realm="aggregator"')
        assert problem(answer)["detail"] == "not authorized"


def test_fresh_data_is_waited_for(source: CommandedSource, ports: Ports) -> None:
    """`Cache-Control: no-cache` waits for a refresh here, too."""
    source.next_shown = snapshot(topology=topology_of(["fresh"]))
    answer = ask(ports.http, "/api/v1/clusters", headers=[("Cache-Control", "no-cache")])
    assert [cluster["name"] for cluster in answer.json()["clusters"]] == ["fresh"]


def test_a_change_is_waited_for(source: CommandedSource, ports: Ports) -> None:
    """Who knows an answer and waits gets the new one when there is another topology, and 304 when time is over."""
    source.shown = snapshot(topology=topology_of(["c"]))
    known = [("If-None-Match", ask(ports.http, "/api/v1/clusters").headers["ETag"])]
    assert ask(ports.http, "/api/v1/clusters?wait=50ms", headers=known).status == 304
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(ask, ports.http, "/api/v1/clusters?wait=30s", headers=known)
        until(lambda: source.waiting, "somebody waits")
        source.show(snapshot(topology=topology_of(["c", "d"])))
        answer = waiting.result(30)
    assert [cluster["name"] for cluster in answer.json()["clusters"]] == ["c", "d"]
