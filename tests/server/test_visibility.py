"""Restricted callers: a caller who may see some clusters cannot tell whether there are others."""

from collections.abc import Iterator

import grpc
import pytest
from hypothesis import assume, given, settings

from aggregator.errors import NoTopologyError, PastSnapshotError
from aggregator.models.grant import UNRESTRICTED, Grant
from aggregator.models.topology import Cluster, Node, Topology
from aggregator.refresh.snapshot import Gap, GapKind
from aggregator.server.auth.guard import AccessPolicy, TokenGuard
from aggregator.server.auth.jwks import StaticKeySource
from aggregator.settings.auth import RSA_ALGORITHMS, parse_cluster_roles, parse_role
from aggregator.views.renderers import RENDERERS
from tests.fuzz.fuzz_settings import fuzz_examples
from tests.server.auth.signed_tokens import FakeRealm
from tests.server.running_servers import ServerPorts, run_servers
from tests.server.snapshot_provider import COLLECTED_AT_SECONDS, FakeSnapshotProvider, build_snapshot
from tests.server.tenant_fleets import OWN_CLUSTER_PATTERN, TWO_TENANT_FLEETS, TwoTenantFleet
from tests.support.grpc_client import CallResult, call_method
from tests.support.http_client import ClientResponse, send_request

OWN_GRANT = Grant(frozenset({OWN_CLUSTER_PATTERN}))
POLICY = AccessPolicy(
    required_role=parse_role("user"),
    cluster_roles=dict(parse_cluster_roles(f"tenant={OWN_CLUSTER_PATTERN}; dash:admin=*")),
)
PATHS = [
    *("/", "/aggregator", "/?layout=2025", "/?layout=1.2.5", "//x", "/api/v1/topology", "/api/v1/quality"),
    *("/?time=1795208000", "/api/v1/topology?time=1795208000", "/api/v1/quality?time=1795208000"),
]


def hides_foreign_clusters(fleet: TwoTenantFleet) -> bool:
    """Return whether the pattern matches no cluster of the other tenant, whose names are free."""
    return not any(OWN_GRANT.allows(spec.fields["name"]) for spec in fleet.foreign_clusters)


# --- the snapshot


# Many, because a fleet has many parts and each may leak something.
@fuzz_examples(40)
@given(fleet=TWO_TENANT_FLEETS)
def test_a_restricted_snapshot_does_not_depend_on_other_clusters(fleet: TwoTenantFleet) -> None:
    """Every view, and the gaps, are the same with and without other clusters."""
    assume(hides_foreign_clusters(fleet))
    whole = build_snapshot(*fleet.list_all_gaps(), topology=fleet.build_full_topology()).restrict(OWN_GRANT)
    alone = build_snapshot(*fleet.list_own_gaps(), topology=fleet.build_own_topology()).restrict(OWN_GRANT)
    assert whole.topology == alone.topology == fleet.build_own_topology()
    assert list(whole.topology.nodes) == sorted(whole.topology.nodes)
    assert list(whole.topology.pods) == sorted(whole.topology.pods)
    assert whole.gaps == alone.gaps
    for view, render in RENDERERS.items():
        assert whole.get_body(view) == alone.get_body(view) == render(fleet.build_own_topology(), COLLECTED_AT_SECONDS)


@given(fleet=TWO_TENANT_FLEETS)
def test_an_unrestricted_caller_gets_the_snapshot_itself(fleet: TwoTenantFleet) -> None:
    """Without patterns nothing is copied."""
    snapshot = build_snapshot(topology=fleet.build_full_topology())
    assert snapshot.restrict(UNRESTRICTED) is snapshot is snapshot.find_restricted(UNRESTRICTED)


def _build_same_name_topology() -> Topology:
    clusters = {
        "edge": Cluster(key="edge", uid="a-theirs", type="ocm", name="edge"),
        "mine-1": Cluster(key="mine-1", uid="mine-1", type="ocm", name="edge"),
    }
    nodes = {(key, "n"): Node(cluster=key, key="n", name="n") for key in clusters}
    return Topology(clusters=clusters, nodes=nodes, oldest_sample_seconds=1.0, controllers=("theirs",))


def test_a_key_does_not_reveal_a_cluster_with_the_same_name() -> None:
    """A cluster whose key is its UID, because a hidden cluster has its name, has its name as key."""
    part = build_snapshot(topology=_build_same_name_topology()).restrict(OWN_GRANT).topology
    assert list(part.clusters) == ["edge"]
    assert part.clusters["edge"].uid == "mine-1"
    assert list(part.nodes) == [("edge", "n")]
    assert (part.controllers, part.oldest_sample_seconds) == ((), None)


@pytest.mark.parametrize("kind", GapKind)
def test_visible_gaps(kind: GapKind) -> None:
    """Gaps of upstreams are visible to all, gaps of clusters to those who see them, unplaced samples to none."""
    upstream, gone, foreign = (
        Gap(kind, "r", "d"),
        Gap(kind, "r", "d", cluster="x"),
        Gap(kind, "r", "d", cluster="a-theirs"),
    )
    mine, mine_gone = Gap(kind, "r", "d", cluster="mine-1"), Gap(kind, "r", "d", cluster="mine-9")
    gaps = (
        build_snapshot(upstream, gone, foreign, mine, mine_gone, topology=_build_same_name_topology())
        .restrict(OWN_GRANT)
        .gaps
    )
    own = (mine, mine_gone)
    assert gaps == (own if kind.is_about_samples else (upstream, *own))


def test_a_missing_cluster_of_another_tenant_is_hidden() -> None:
    """Not even a caller whose cluster has the same name learns that a hidden cluster disappeared."""
    gone = Gap(GapKind.VANISHED, "clusters", "cluster edge", cluster="b-theirs", cluster_name="edge")
    assert build_snapshot(gone, topology=_build_same_name_topology()).restrict(OWN_GRANT).gaps == ()


def test_restricted_snapshots_become_stale() -> None:
    """After a failed refresh, restricted callers get an incomplete snapshot as well."""
    snapshot = build_snapshot(topology=_build_same_name_topology())
    assert snapshot.restrict(OWN_GRANT).is_complete
    failed = Gap(GapKind.FAILED, "refresh", "away")
    assert not snapshot.copy_as_stale([failed], COLLECTED_AT_SECONDS).restrict(OWN_GRANT).is_complete
    assert not snapshot.replace_gaps((failed,)).restrict(OWN_GRANT).is_complete


# --- over both transports


@pytest.fixture(scope="module")
def tenants(public_key: str) -> Iterator[tuple[FakeSnapshotProvider, ServerPorts]]:
    """Servers whose guard grants clusters by role."""
    source = FakeSnapshotProvider()
    guard = TokenGuard(StaticKeySource(public_key, RSA_ALGORITHMS), POLICY)
    with run_servers(source, guard) as ports:
        yield source, ports


def issue_tenant_token(realm: FakeRealm, *roles: str, clients: object = None) -> str:
    """Return a token with these realm roles."""
    return realm.issue_token(realm_access={"roles": list(roles)}, resource_access=clients or {})


def request_path(ports: ServerPorts, path: str, method: str, token: str) -> ClientResponse:
    """Return the response over HTTP."""
    return send_request(ports.http, path, method, [("Authorization", f"Bearer {token}")])


def call_with_token(ports: ServerPorts, token: str) -> CallResult:
    """Return the response over gRPC."""
    return call_method(ports.grpc, metadata=[("authorization", f"Bearer {token}")])


def collect_responses(ports: ServerPorts, token: str) -> list[object]:
    """Return every response to a token, with all headers except the date."""
    responses: list[object] = []
    for path in PATHS:
        for method in ("GET", "HEAD", "POST", "PUT"):
            answer = request_path(ports, path, method, token)
            headers = [(name, value) for name, value in answer.headers.items() if name.lower() != "date"]
            responses.append((answer.status, headers, answer.body))
    reply = call_with_token(ports, token)
    return [*responses, (reply.code, reply.details, reply.body, reply.trailing_metadata)]


@settings(max_examples=12)
@given(fleet=TWO_TENANT_FLEETS)
def test_responses_do_not_reveal_other_clusters(
    tenants: tuple[FakeSnapshotProvider, ServerPorts], realm: FakeRealm, fleet: TwoTenantFleet
) -> None:
    """On every path, layout, method and transport the bytes are the same with and without other clusters."""
    assume(hides_foreign_clusters(fleet) and fleet.foreign_clusters)
    source, ports = tenants
    source.reset()
    token = issue_tenant_token(realm, "user", "tenant")
    source.current_snapshot = build_snapshot(*fleet.list_all_gaps(), topology=fleet.build_full_topology())
    with_others = collect_responses(ports, token)
    source.current_snapshot = build_snapshot(*fleet.list_own_gaps(), topology=fleet.build_own_topology())
    assert with_others == collect_responses(ports, token)


def test_errors_of_past_instants_name_no_upstreams(
    tenants: tuple[FakeSnapshotProvider, ServerPorts], realm: FakeRealm
) -> None:
    """Only a caller who sees all clusters reads which upstream failed at an instant."""
    source, ports = tenants
    source.reset()
    source.past.failure = PastSnapshotError("no topology at this time", "query nodes at secret.example: refused")
    restricted = request_path(ports, "/?time=1795208000", "GET", issue_tenant_token(realm, "user", "tenant"))
    assert (restricted.status, restricted.json()) == (503, {"error": "no topology at this time"})
    administrator = issue_tenant_token(realm, "user", clients={"dash": {"roles": ["admin"]}})
    assert "secret.example" in request_path(ports, "/?time=1795208000", "GET", administrator).json()["error"]


def test_an_administrator_sees_everything(tenants: tuple[FakeSnapshotProvider, ServerPorts], realm: FakeRealm) -> None:
    """The role that grants all clusters gets the whole snapshot, including the age of its oldest sample."""
    source, ports = tenants
    source.current_snapshot = build_snapshot(topology=_build_same_name_topology())
    token = issue_tenant_token(realm, "user", clients={"dash": {"roles": ["admin"]}})
    answer = request_path(ports, "/", "GET", token)
    assert answer.body == source.current_snapshot.get_body("1.2.5")
    assert answer.json()["timestamp"]["oldestTimestamp"] == 1
    assert call_with_token(ports, token).body == source.current_snapshot.get_body("etim")


def test_a_caller_without_visible_clusters_gets_an_empty_topology(
    tenants: tuple[FakeSnapshotProvider, ServerPorts], realm: FakeRealm
) -> None:
    """If none of the granted clusters exists, the response is the empty document."""
    source, ports = tenants
    source.current_snapshot = build_snapshot(topology=Topology(clusters={"x": Cluster(key="x", uid="x")}))
    token = issue_tenant_token(realm, "user", "tenant")
    assert request_path(ports, "/", "GET", token).json() == {"timestamp": {}, "cluster": {}}
    assert call_with_token(ports, token).body == b""


@pytest.mark.parametrize("roles", [(), ("tenant",), ("user",), ("user", "admin"), ("User", "Tenant")], ids=str)
def test_a_token_without_the_roles_is_denied(
    tenants: tuple[FakeSnapshotProvider, ServerPorts], realm: FakeRealm, roles: tuple[str, ...]
) -> None:
    """A valid token that lacks a role gets 403 and PERMISSION_DENIED on every path, without the reason."""
    _, ports = tenants
    token = issue_tenant_token(realm, *roles)
    for path in (*PATHS, "/api/x", "/docs/x", "/api/v1/topology"):
        answer = request_path(ports, path, "GET", token)
        assert answer.status == 403
        assert {"error": "not allowed"}.items() <= answer.json().items() or answer.json()["detail"] == "not allowed"
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="aggregator", error="insufficient_scope"'
    assert call_with_token(ports, token) == CallResult(grpc.StatusCode.PERMISSION_DENIED, "not allowed")
    assert (
        call_method(ports.grpc, "/x.Y/Z", [("authorization", f"Bearer {token}")]).code
        is grpc.StatusCode.PERMISSION_DENIED
    )
    assert request_path(ports, "/healthz", "GET", token).status == 200


def test_a_restricted_caller_learns_no_names_of_sources(
    tenants: tuple[FakeSnapshotProvider, ServerPorts], realm: FakeRealm
) -> None:
    """Without a topology, only unrestricted callers get the reason, because it names sources."""
    source, ports = tenants
    source.failure = NoTopologyError("no topology yet", "source edge-7: query up: connection refused")
    tenant = issue_tenant_token(realm, "user", "tenant")
    admin = issue_tenant_token(realm, "user", clients={"dash": {"roles": ["admin"]}})
    assert request_path(ports, "/", "GET", tenant).json() == {"error": "no topology available"}
    assert call_with_token(ports, tenant).details == "no topology available"
    assert request_path(ports, "/", "GET", admin).json() == {"error": str(source.failure)}
    assert call_with_token(ports, admin).details == str(source.failure)
    source.reset()
