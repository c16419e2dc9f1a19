"""/api/v1/summary over HTTP."""

import gzip
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
import zstandard

from aggregator.lookup.fields import ObjectKind
from aggregator.models.topology import Cluster, Container, Node, Pod, Topology, add_version
from aggregator.refresh.snapshot import Snapshot
from aggregator.server.auth.guard import AccessPolicy, TokenGuard
from aggregator.server.auth.jwks import StaticKeySource
from aggregator.settings.auth import RSA_ALGORITHMS, parse_cluster_roles
from tests.integration.gateway_process import wait_until
from tests.server.auth.signed_tokens import FakeRealm
from tests.server.running_servers import ServerPorts, run_servers
from tests.server.snapshot_provider import FakeSnapshotProvider, build_snapshot
from tests.support.http_client import send_request

SUMMARY_PATH = "/api/v1/summary"


def build_pod_topology(count: int, restart_count: int = 0, cluster: str = "c") -> Topology:
    """Return a topology of some pods on one node."""
    pods = {
        (cluster, f"pod-{number}"): Pod(
            cluster=cluster,
            key=f"pod-{number}",
            name=f"pod-{number}",
            namespace=f"{cluster}-space",
            node="n",
            phase="Failed",
            containers={"app": Container("app", image=f"{cluster}-image", restart_count=restart_count)},
        )
        for number in range(count)
    }
    node = Node(cluster=cluster, key="n", city=f"{cluster}-city")
    clusters = {cluster: Cluster(key=cluster, uid=cluster)}
    return add_version(Topology(clusters=clusters, nodes={(cluster, "n"): node}, pods=pods))


def test_a_summary_counts_the_objects_of_its_list(
    source: FakeSnapshotProvider, ports: ServerPorts, demo: Sequence[Snapshot]
) -> None:
    """The summary of a fleet has as many objects as the list, and the headers of a list."""
    for snapshot in demo:
        source.current_snapshot = snapshot
        for kind in ObjectKind:
            summary = send_request(ports.http, f"{SUMMARY_PATH}/{kind.value}")
            listed = send_request(ports.http, f"/api/v1/{kind.value}")
            assert summary.json()["totalCount"] == listed.json()["totalCount"] > 0
            assert summary.json()["version"] == snapshot.topology.version
            for name in ("X-Topology-Version", "X-Topology-Complete", "Age", "Cache-Control", "Vary"):
                assert summary.headers[name] == listed.headers[name]


def test_the_tag_is_of_the_columns(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """A summary is 304 while its columns are the same; a long poll returns the next one."""
    source.current_snapshot = build_snapshot(topology=build_pod_topology(3))
    path = f"{SUMMARY_PATH}/nodes"
    known = [("If-None-Match", send_request(ports.http, path).headers["ETag"])]
    source.current_snapshot = build_snapshot(topology=build_pod_topology(3, restart_count=1))
    assert send_request(ports.http, path, headers=known).status == 304
    assert send_request(ports.http, f"{SUMMARY_PATH}/pods", headers=known).status == 200
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(send_request, ports.http, f"{path}?wait=30s", headers=known)
        wait_until(lambda: source.waiters, "the request waits")
        source.publish(build_snapshot(topology=build_pod_topology(4)))
        assert waiting.result(30).json()["columns"]["failedPodCount"] == {"values": [4]}


@pytest.mark.parametrize(("coding", "unpack"), [("gzip", gzip.decompress), ("zstd", zstandard.decompress)])
@pytest.mark.parametrize("query", ["", "?filter=phase=Failed"])
def test_summaries_are_compressed(
    source: FakeSnapshotProvider, ports: ServerPorts, query: str, coding: str, unpack: object
) -> None:
    """A summary is compressed if the client accepts it, also with a filter, and each coding has its own tag."""
    source.current_snapshot = build_snapshot(topology=build_pod_topology(200))
    path = f"{SUMMARY_PATH}/pods{query}"
    plain = send_request(ports.http, path)
    packed = send_request(ports.http, path, headers=[("Accept-Encoding", coding)])
    assert packed.headers["Content-Encoding"] == coding
    assert unpack(packed.body) == plain.body  # type: ignore[operator] # one of the two above
    assert len(packed.body) < len(plain.body) / 5
    known = [("Accept-Encoding", coding), ("If-None-Match", packed.headers["ETag"])]
    assert packed.headers["ETag"] != plain.headers["ETag"]
    assert send_request(ports.http, path, headers=known).status == 304


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("pods?filter=colour", 400, "filter: pods have no field colour"),
        ("pods?labels=a", 400, "unknown parameter 'labels'; allowed: filter, wait"),
        ("nodes?labels=a%20b", 400, "label selector: expected an operator"),
        ("nodes?limit=1", 400, "unknown parameter 'limit'"),
        ("nodes?wait=1h", 400, "wait must be a duration"),
        ("racks", 404, "no such path: /api/v1/summary/racks"),
        ("", 404, "no such path: /api/v1/summary/"),
    ],
)
def test_invalid_requests(ports: ServerPorts, path: str, status: int, says: str) -> None:
    """The problem says what is invalid."""
    answer = send_request(ports.http, f"{SUMMARY_PATH}/{path}")
    assert answer.status == status
    assert says in answer.json()["detail"]


@pytest.mark.parametrize("kind", ObjectKind)
def test_a_token_is_required(guarded: ServerPorts, kind: ObjectKind) -> None:
    """Where tokens are required, no summary is public."""
    assert send_request(guarded.http, f"{SUMMARY_PATH}/{kind.value}").status == 401


def test_a_restricted_caller_gets_the_summary_of_its_clusters(public_key: str, realm: FakeRealm) -> None:
    """With CLUSTER_ROLES, a summary is that of a topology with the caller's clusters alone, byte for byte."""
    policy = AccessPolicy(cluster_roles=dict(parse_cluster_roles("tenant=mine")))
    guard = TokenGuard(StaticKeySource(public_key, RSA_ALGORITHMS), policy)
    mine, theirs = build_pod_topology(2, cluster="mine"), build_pod_topology(40, cluster="theirs")
    both = Topology(
        clusters={**theirs.clusters, **mine.clusters},
        nodes={**theirs.nodes, **mine.nodes},
        pods={**theirs.pods, **mine.pods},
    )
    headers = [("Authorization", f"Bearer {realm.issue_token(realm_access={'roles': ['tenant']})}")]
    source = FakeSnapshotProvider(current_snapshot=build_snapshot(topology=add_version(both)))
    alone = FakeSnapshotProvider(current_snapshot=build_snapshot(topology=mine))
    with run_servers(source, guard) as ports, run_servers(alone, None) as open_ports:
        for kind in ObjectKind:
            for query in ("", "?filter=name"):
                path = f"{SUMMARY_PATH}/{kind.value}{query}"
                restricted = send_request(ports.http, path, headers=headers).json()
                assert b"theirs" not in send_request(ports.http, path, headers=headers).body
                assert restricted["columns"] == send_request(open_ports.http, path).json()["columns"]
