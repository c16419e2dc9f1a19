"""GET /api/v1/diff and DiffTopology: what changed between two instants."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import grpc
import pytest
from google.protobuf import json_format

from aggregator.errors import NoTopologyError, PastSnapshotError
from aggregator.models.topology import Cluster, Container, Node, Pod, Topology, add_version
from aggregator.pb.aggregator.v1 import topology_pb2 as pb
from aggregator.refresh.past import PastSnapshot
from aggregator.refresh.snapshot import Gap, GapKind
from aggregator.server.auth.guard import AccessPolicy, TokenGuard
from aggregator.server.auth.jwks import StaticKeySource
from aggregator.server.grpc.services import build_method_path
from aggregator.settings.auth import RSA_ALGORITHMS, parse_cluster_roles
from aggregator.util.content_coding import MIN_COMPRESSIBLE_BYTES
from tests.server.auth.signed_tokens import FakeRealm
from tests.server.openapi.document import OPENAPI_DOCUMENT, WATCH_PATH, assert_documented_response
from tests.server.running_servers import ServerPorts, run_servers
from tests.server.snapshot_provider import (
    COLLECTED_AT,
    FAILED_GAP,
    FakePastSnapshots,
    FakeSnapshotProvider,
    build_snapshot,
)
from tests.support.grpc_client import CallResult, call_method
from tests.support.http_client import ClientResponse, send_request

FROM = "2026-11-20T19:00:00Z"
FROM_SECONDS = 1_795_201_200
PATH = "/api/v1/diff"
METHOD = build_method_path("DiffTopology")


def build_topology(nodes: Sequence[Node], pods: Sequence[Pod] = (), other: str = "a-1") -> Topology:
    """Return a topology of the cluster `c` and another one, with these nodes and pods."""
    return add_version(
        Topology(
            clusters={name: Cluster(key=name, uid=f"u-{name}", name=name) for name in ("c", other)},
            nodes={(node.cluster, node.key): node for node in nodes},
            pods={(pod.cluster, pod.key): pod for pod in pods},
        )
    )


def build_node(name: str, cluster: str = "c", **fields: Any) -> Node:
    """Return a node."""
    return Node(cluster=cluster, key=name, name=name, host_id=f"h-{name}", id=f"{cluster}/{name}", **fields)


BEFORE = build_topology(
    [
        build_node("gone", labels={"zone": "n"}),
        build_node("kept", cpu_cores=4, cpu_usage_percent=10.0, is_unschedulable=True, kernel_version="6.1"),
        build_node("busy", cpu_usage_percent=20.0),
        build_node("same", cpu_cores=2),
        build_node("hidden", "a-1", cpu_cores=1),
    ],
    [Pod(cluster="c", key="p", id="p-1", name="p", namespace="s", containers={"x": Container(name="x", image="i:1")})],
)
AFTER = build_topology(
    [
        build_node("new", cpu_cores=8),
        build_node("kept", cpu_cores=4, cpu_usage_percent=90.0, is_unschedulable=False),
        build_node("busy", cpu_usage_percent=80.0),
        build_node("same", cpu_cores=2),
        build_node("hidden", "a-1", cpu_cores=2),
    ],
    [Pod(cluster="c", key="p", id="p-1", name="p", namespace="s", containers={"x": Container(name="x", image="i:2")})],
)
KEPT_STRUCTURE = {
    "type": "MODIFIED",
    "kind": "nodes",
    "id": "c/kept",
    "cluster": "c",
    "name": "kept",
    "set": {"isUnschedulable": False},
    "unset": ["kernelVersion"],
    "before": {"isUnschedulable": True, "kernelVersion": "6.1"},
}


@pytest.fixture
def source(source: FakeSnapshotProvider) -> FakeSnapshotProvider:
    """The open servers, with one topology in the past and another one now."""
    source.past.snapshot = build_snapshot(topology=BEFORE)
    source.current_snapshot = build_snapshot(topology=AFTER)
    return source


def get(ports: ServerPorts, query: str, **headers: str) -> ClientResponse:
    """Return the response to a request for differences since the past."""
    answer = send_request(ports.http, f"{PATH}?from={FROM}{query}", headers=tuple(headers.items()))
    if not headers:
        assert_documented_response(answer, PATH, "get")
    return answer


def get_changes(ports: ServerPorts, query: str) -> list[Any]:
    """Return the changes since the past."""
    answer = get(ports, query)
    assert answer.status == 200, answer.body
    document = answer.json()
    assert document["totalCount"] == len(document["changes"])
    changes: list[Any] = document["changes"]
    return changes


def call(ports: ServerPorts, **fields: Any) -> CallResult:
    """Call DiffTopology."""
    request = pb.DiffTopologyRequest(**{"from_time": FROM, **fields})
    return call_method(ports.grpc, METHOD, request=request.SerializeToString())


def test_both_topologies_are_described(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """The response has the version, time and completeness of both, and the headers of the later one."""
    source.current_snapshot = build_snapshot(FAILED_GAP, topology=AFTER)
    answer = get(ports, "")
    assert answer.json()["from"] == {"version": BEFORE.version, "time": FROM, "complete": True}
    assert answer.json()["to"] == {"version": AFTER.version, "time": COLLECTED_AT, "complete": False}
    assert (answer.headers["X-Topology-Time"], answer.headers["X-Topology-Complete"]) == (COLLECTED_AT, "false")
    assert answer.headers["X-Topology-Version"] == AFTER.version
    assert source.past.requested == [FROM_SECONDS]


def test_objects_that_were_added_removed_and_changed(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """Added objects are complete, removed ones named, changed ones have new and old values; by kind and ID."""
    assert source.past.snapshot is not None
    changes = get_changes(ports, "&changes=structure&cluster=c")
    assert [(each["type"], each["kind"], each["id"]) for each in changes] == [
        ("REMOVED", "nodes", "c/gone"),
        ("MODIFIED", "nodes", "c/kept"),
        ("ADDED", "nodes", "c/new"),
        ("MODIFIED", "pods", "p-1"),
    ]
    removed, modified, added, pod = changes
    assert removed == {"type": "REMOVED", "kind": "nodes", "id": "c/gone", "cluster": "c", "name": "gone"}
    assert modified == KEPT_STRUCTURE
    assert (added["object"]["name"], added["object"]["cpuCores"]) == ("new", 8)
    assert [pod[part]["containers"][0]["image"] for part in ("before", "set")] == ["i:1", "i:2"]


def test_measurements_are_changes_unless_only_structure_is_requested(
    source: FakeSnapshotProvider, ports: ServerPorts
) -> None:
    """By default usage counts, too."""
    assert source.failure is None
    by_id = {each["id"]: each for each in get_changes(ports, "&kind=nodes")}
    assert by_id["c/busy"]["set"] == {"cpuUsagePercent": 80}
    assert by_id["c/busy"]["before"] == {"cpuUsagePercent": 20}
    assert "c/busy" not in {each["id"] for each in get_changes(ports, "&kind=nodes&changes=structure")}
    assert "c/same" not in by_id


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("&kind=nodes&filter=cpu_cores>=4&changes=structure", ["c/kept", "c/new"]),
        ("&kind=nodes&filter=cpu_cores=2&changes=structure", ["a-1/hidden"]),
        ("&kind=nodes&labels=zone", ["c/gone"]),
        ("&kind=nodes&fields=cpu_cores,name", ["a-1/hidden", "c/gone", "c/new"]),
        ("&kind=pods", ["p-1"]),
        ("&kind=clusters", []),
        ("&cluster=a-1", ["a-1/hidden"]),
    ],
)
def test_the_options_of_a_watch(
    source: FakeSnapshotProvider, ports: ServerPorts, query: str, expected: list[str]
) -> None:
    """kind, cluster, filter, labels and fields select changes, as in a watch, over both transports."""
    assert source.failure is None
    assert [each["id"] for each in get_changes(ports, query)] == expected
    options = dict(part.split("=", 1) for part in query.removeprefix("&").split("&"))
    if "labels" in options:
        options["label_selector"] = options.pop("labels")
    message = pb.DiffTopologyRequest(from_time=FROM)
    if "fields" in options:
        message.fields.paths.extend(options.pop("fields").split(","))
    for name, value in options.items():
        setattr(message, name, value)
    reply = call_method(ports.grpc, METHOD, request=message.SerializeToString())
    assert [each.id for each in pb.DiffTopologyResponse.FromString(reply.body).changes] == expected


def test_the_limit(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """`limit` cuts the list of changes, and totalCount counts all of them."""
    assert source.failure is None
    document = get(ports, "&kind=nodes&limit=2").json()
    assert ([each["id"] for each in document["changes"]], document["totalCount"]) == (["a-1/hidden", "c/busy"], 5)
    response = pb.DiffTopologyResponse.FromString(call(ports, kind="nodes", limit=2).body)
    assert ([each.id for each in response.changes], response.total_count) == (["a-1/hidden", "c/busy"], 5)


def test_two_past_instants(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """With `to`, both topologies are past ones, and no current one is needed."""
    source.failure = NoTopologyError("no topology yet")
    answer = get(ports, "&to=2026-11-20T19:30:00Z")
    assert (answer.json()["changes"], answer.json()["totalCount"]) == ([], 0)
    assert answer.json()["to"]["time"] == answer.headers["X-Topology-Time"] == "2026-11-20T19:30:00Z"
    assert source.past.requested == [FROM_SECONDS + 1800, FROM_SECONDS]
    assert get(ports, "").status == 503


class PassingTime(FakePastSnapshots):
    """Snapshots whose collection takes five seconds."""

    async def get(self, at_seconds: int, parameter: str) -> PastSnapshot:
        """Return the snapshot later."""
        self.now_seconds += 5
        return await super().get(at_seconds, parameter)


def test_both_instants_count_from_the_same_time(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """The collection of the first instant does not move the second one."""
    source.past = PassingTime(source)
    assert send_request(ports.http, f"{PATH}?from=-1h&to=-1h").status == 200
    assert len(source.past.requested) == 2
    assert len(set(source.past.requested)) == 1


def test_the_default_is_an_hour(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """Without `from`, the changes of the last hour are returned."""
    assert send_request(ports.http, PATH).status == 200
    assert call_method(ports.grpc, METHOD).code is grpc.StatusCode.OK
    assert source.past.requested == [int(source.past.now_seconds) - 3600] * 2


@pytest.mark.parametrize(
    ("query", "status", "parameter"),
    [
        ("from=soon", 400, "from"),
        ("from=-1h&to=NaN", 400, "to"),
        ("from=0", 404, "from"),
        ("from=-1h&to=-2h", 400, "to"),
        ("from=-1h&from=-2h", 400, "from"),
        ("from=1e400", 400, "from"),
        ("time=-1h", 400, "time"),
        ("kind=containers", 400, "kind"),
        ("changes=some", 400, "changes"),
        ("filter=phase=Failed", 400, "kind"),
        ("kind=pods&filter=phase=X", 400, "filter"),
        ("kind=pods&filter=last_seen_time>-5m", 400, "filter"),
        ("cluster=d", 404, "cluster"),
        ("limit=0", 400, "limit"),
        ("limit=x", 400, "limit"),
        ("wait=1s", 400, "wait"),
    ],
)
def test_invalid_requests(
    source: FakeSnapshotProvider, ports: ServerPorts, query: str, status: int, parameter: str
) -> None:
    """An invalid parameter is an error that names it."""
    assert source.failure is None
    answer = send_request(ports.http, f"{PATH}?{query}")
    assert (answer.status, answer.json()["parameter"]) == (status, parameter)
    assert_documented_response(answer, PATH, "get")


def test_errors_over_grpc(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """Invalid requests, missing data and busy collections have the same texts as over HTTP."""
    assert call(ports, from_time="soon").code is grpc.StatusCode.INVALID_ARGUMENT
    assert call(ports, from_time="0", to_time="1").code is grpc.StatusCode.NOT_FOUND
    assert call(ports, limit=-1).code is grpc.StatusCode.INVALID_ARGUMENT
    both = call_method(ports.grpc, METHOD, [("x-topology-time", "-1h")])
    assert (both.code, "from_time" in both.details) == (grpc.StatusCode.INVALID_ARGUMENT, True)
    source.past.failure = PastSnapshotError("too many past instants", retry_after_seconds=3.0)
    assert call(ports).details == "too many past instants"
    answer = get(ports, "")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "3")


def test_grpc_returns_what_http_returns(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """The messages contain the same changes, new values in `object` and old ones in `before`."""
    assert source.failure is None
    reply = call(ports)
    response = pb.DiffTopologyResponse.FromString(reply.body)
    document = get(ports, "").json()
    shown = json_format.MessageToDict(response)
    assert (shown["from"], shown["to"]) == (document["from"], document["to"])
    assert int(shown["totalCount"]) == document["totalCount"] == len(shown["changes"])
    for change, expected in zip(shown["changes"], document["changes"], strict=True):
        assert [change[name] for name in ("type", "kind", "id")] == [expected[name] for name in ("type", "kind", "id")]
        (item,) = change.get("object", {"": {}}).values()
        assert item == (expected["object"] if expected["type"] == "ADDED" else expected.get("set", {}))
        (old,) = change.get("before", {"": {}}).values()
        assert old == expected.get("before", {})
        assert len(change.get("changedFields", ())) == len(expected.get("set", {})) + len(expected.get("unset", ()))
    assert reply.trailing_metadata["x-topology-time"] == COLLECTED_AT


def test_a_known_difference_is_not_sent_again(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """A client that has the response gets 304 until the response differs."""
    tag = get(ports, "&kind=nodes").headers["ETag"]
    assert get(ports, "&kind=nodes", **{"If-None-Match": tag}).status == 304
    source.current_snapshot = build_snapshot(topology=BEFORE)
    changed = get(ports, "&kind=nodes", **{"If-None-Match": tag})
    assert (changed.status, changed.json()["changes"]) == (200, [])


def test_differences_are_compressed(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """A large response is compressed if the client accepts it."""
    plain = get(ports, "")
    assert len(plain.body) > MIN_COMPRESSIBLE_BYTES
    answer = get(ports, "", **{"Accept-Encoding": "gzip"})
    assert (answer.headers["Content-Encoding"], len(answer.body) < len(plain.body)) == ("gzip", True)
    assert source.failure is None


def test_a_refresh_can_come_first(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """`no-cache` waits for a refresh if the later topology is the current one."""
    source.next_snapshot = build_snapshot(topology=BEFORE)
    answer = get(ports, "", **{"Cache-Control": "no-cache"})
    assert (source.fresh_wait_count, answer.json()["changes"]) == (1, [])
    get(ports, "&to=-1s", **{"Cache-Control": "no-cache"})
    assert source.fresh_wait_count == 1


# --- restricted callers


@pytest.fixture
def tenants(public_key: str) -> Iterator[tuple[FakeSnapshotProvider, ServerPorts]]:
    """Servers on which the role `tenant` sees the cluster `c`."""
    source = FakeSnapshotProvider(build_snapshot(topology=AFTER))
    source.past.snapshot = build_snapshot(topology=BEFORE)
    policy = AccessPolicy(cluster_roles=dict(parse_cluster_roles("tenant=c")), algorithms=RSA_ALGORITHMS)
    with run_servers(source, TokenGuard(StaticKeySource(public_key, RSA_ALGORITHMS), policy)) as ports:
        yield source, ports


def test_restricted_callers_see_changes_of_their_clusters(
    tenants: tuple[FakeSnapshotProvider, ServerPorts], realm: FakeRealm
) -> None:
    """Other clusters change nothing in the response: neither changes, counts and versions, nor completeness."""
    source, ports = tenants
    token = realm.issue_token(realm_access={"roles": ["tenant"]})
    headers = [("Authorization", f"Bearer {token}")]
    with_others = send_request(ports.http, f"{PATH}?from={FROM}", headers=headers)
    assert with_others.status == 200
    assert {each.get("cluster", "c") for each in with_others.json()["changes"]} == {"c"}
    hidden = send_request(ports.http, f"{PATH}?from={FROM}&cluster=a-1", headers=headers)
    assert (hidden.status, hidden.json().get("allowed")) == (404, ["c"])

    def keep_own(topology: Topology) -> Topology:
        own = [node for node in topology.nodes.values() if node.cluster == "c"]
        return build_topology(own, list(topology.pods.values()), "c")

    foreign_gap = Gap(GapKind.UNPLACED, "nodes", "no node matches its labels")
    source.current_snapshot = build_snapshot(foreign_gap, topology=keep_own(AFTER))
    source.past.snapshot = build_snapshot(topology=keep_own(BEFORE))
    alone = send_request(ports.http, f"{PATH}?from={FROM}", headers=headers)
    assert json.loads(alone.body) == json.loads(with_others.body)


def test_differences_and_watches_have_the_same_parameters() -> None:
    """What a client may select of the changes is documented in the same words for both."""
    watched, compared = (
        {each["name"]: each for each in OPENAPI_DOCUMENT["paths"][path]["get"]["parameters"]}
        for path in (WATCH_PATH, PATH)
    )
    shared = ["kind", "cluster", "filter", "labels", "fields", "changes"]
    assert [watched[name] for name in shared] == [compared[name] for name in shared]
