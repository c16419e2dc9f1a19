"""Authorisation by cluster: who sees some clusters cannot tell whether there are others."""

from collections.abc import Iterator

import grpc
import pytest
from hypothesis import assume, given, settings

from aggregator.documents import MOST_PARTS
from aggregator.errors import NoTopologyError
from aggregator.grants import EVERYTHING, Grant
from aggregator.models.topology import Cluster, Node, Topology
from aggregator.server.auth import Rules, TokenGuard
from aggregator.server.keys import StaticKeys
from aggregator.server.roles import Policy
from aggregator.settings.access import RSA_ALGORITHMS
from aggregator.settings.roles import cluster_roles, role
from aggregator.snapshot import Gap, GapKind
from aggregator.views import BY_NAME
from tests.server.call import Reply, call
from tests.server.exchange import Answer, ask
from tests.server.scenes import MY_PATTERN, SCENES, Scene
from tests.server.serving import Ports, serving
from tests.server.source import TAKEN_AT, CommandedSource, snapshot
from tests.server.tokens import Realm

MINE = Grant(frozenset({MY_PATTERN}))
POLICY = Policy(required_role=role("user"), cluster_roles=dict(cluster_roles(f"tenant={MY_PATTERN}; dash:admin=*")))
PATHS = ["/", "/aggregator", "/?layout=2025", "/?layout=1.2.5", "//x", "/api/v1/topology", "/api/v1/quality"]


def names_differ(scene: Scene) -> bool:
    """Return whether the pattern shows none of the others' clusters: a name is theirs to choose."""
    return not any(MINE.shows(site.fields["name"]) for site in scene.theirs)


# --- the snapshot


@given(scene=SCENES)
# More than usual: a scene has many pieces, and this is the one place that looks at what each of them gives away.
@settings(max_examples=150)
def test_a_part_is_what_the_clusters_are_alone(scene: Scene) -> None:
    """In every view, and in what is said to be missing, a part is the same with other clusters and without."""
    assume(names_differ(scene))
    whole = snapshot(*scene.gaps(), topology=scene.whole()).part(MINE)
    alone = snapshot(*scene.gaps_alone(), topology=scene.alone()).part(MINE)
    assert whole.topology == alone.topology == scene.alone()
    assert list(whole.topology.nodes) == sorted(whole.topology.nodes)
    assert list(whole.topology.pods) == sorted(whole.topology.pods)
    assert whole.gaps == alone.gaps
    for view, render in BY_NAME.items():
        assert whole.body(view) == alone.body(view) == render(scene.alone(), TAKEN_AT)


@given(scene=SCENES)
def test_who_may_see_everything_sees_the_snapshot(scene: Scene) -> None:
    """Without patterns, the part is the snapshot itself."""
    made = snapshot(topology=scene.whole())
    assert made.part(EVERYTHING) is made is made.known_part(EVERYTHING)


def _two_of_a_name() -> Topology:
    clusters = {
        "edge": Cluster(key="edge", uid="a-theirs", type="ocm", name="edge"),
        "mine-1": Cluster(key="mine-1", uid="mine-1", type="ocm", name="edge"),
    }
    nodes = {(key, "n"): Node(cluster=key, key="n", name="n") for key in clusters}
    return Topology(clusters=clusters, nodes=nodes, oldest_sample_seconds=1.0, controllers=("theirs",))


def test_a_key_does_not_tell_of_another_cluster_of_the_name() -> None:
    """A cluster that has its uid as key because of another's name has its name as key where the other is hidden."""
    part = snapshot(topology=_two_of_a_name()).part(MINE).topology
    assert list(part.clusters) == ["edge"]
    assert part.clusters["edge"].uid == "mine-1"
    assert list(part.nodes) == [("edge", "n")]
    assert (part.controllers, part.oldest_sample_seconds) == ((), None)


@pytest.mark.parametrize("kind", GapKind)
def test_which_gaps_are_told(kind: GapKind) -> None:
    """What concerns the upstream is told to all, what concerns a cluster to who sees it, samples of nobody to none."""
    upstream, gone, foreign = (
        Gap(kind, "r", "d"),
        Gap(kind, "r", "d", cluster="x"),
        Gap(kind, "r", "d", cluster="a-theirs"),
    )
    mine, mine_gone = Gap(kind, "r", "d", cluster="mine-1"), Gap(kind, "r", "d", cluster="mine-9")
    told = snapshot(upstream, gone, foreign, mine, mine_gone, topology=_two_of_a_name()).part(MINE).gaps
    own = (mine, mine_gone)
    assert told == (own if kind.is_of_samples else (upstream, *own))


def test_who_has_the_name_of_a_cluster_that_is_gone_is_not_told_of_it() -> None:
    """A cluster of others that vanished is nobody's business, also where one of the caller's has its name now."""
    gone = Gap(GapKind.VANISHED, "clusters", "cluster edge", cluster="b-theirs", cluster_name="edge")
    assert snapshot(gone, topology=_two_of_a_name()).part(MINE).gaps == ()


def test_parts_are_made_once_and_bounded() -> None:
    """The same part is handed out again, and only so many are kept."""
    made = snapshot(topology=_two_of_a_name())
    assert made.known_part(MINE) is None
    first = made.part(MINE)
    assert made.part(MINE) is first is made.known_part(MINE)
    for number in range(MOST_PARTS):
        made.part(Grant(frozenset({f"x{number}"})))
    assert made.known_part(MINE) is None


def test_a_kept_or_marked_snapshot_makes_its_parts_anew() -> None:
    """When a refresh failed, also who sees a part is told so."""
    made = snapshot(topology=_two_of_a_name())
    assert made.part(MINE).is_complete
    failed = Gap(GapKind.FAILED, "refresh", "away")
    assert not made.kept([failed], TAKEN_AT).part(MINE).is_complete
    assert not made.marked((failed,)).part(MINE).is_complete


# --- over both transports


@pytest.fixture(scope="module")
def tenants(public_key: str) -> Iterator[tuple[CommandedSource, Ports]]:
    """Servers whose guard shows clusters by role."""
    source = CommandedSource()
    guard = TokenGuard(StaticKeys(public_key, RSA_ALGORITHMS), Rules(policy=POLICY))
    with serving(source, guard) as ports:
        yield source, ports


def tenants_token(realm: Realm, *roles: str, clients: object = None) -> str:
    """Return a token with these roles of the realm."""
    return realm.token(realm_access={"roles": list(roles)}, resource_access=clients or {})


def asked(ports: Ports, path: str, method: str, token: str) -> Answer:
    """Return the answer over HTTP."""
    return ask(ports.http, path, method, [("Authorization", f"Bearer {token}")])


def called(ports: Ports, token: str) -> Reply:
    """Return the reply over gRPC."""
    return call(ports.grpc, metadata=[("authorization", f"Bearer {token}")])


def everything_said(ports: Ports, token: str) -> list[object]:
    """Return every answer to a token, with all headers but the date."""
    said: list[object] = []
    for path in PATHS:
        for method in ("GET", "HEAD", "POST", "PUT"):
            answer = asked(ports, path, method, token)
            headers = [(name, value) for name, value in answer.headers.items() if name.lower() != "date"]
            said.append((answer.status, headers, answer.body))
    reply = called(ports, token)
    return [*said, (reply.code, reply.details, reply.body, reply.trailing)]


@settings(max_examples=12)
@given(scene=SCENES)
def test_others_cannot_be_told(tenants: tuple[CommandedSource, Ports], realm: Realm, scene: Scene) -> None:
    """On every path, layout, method and transport the answer is the same, to the byte, whether others are there."""
    assume(names_differ(scene) and scene.theirs)
    source, ports = tenants
    source.reset()
    token = tenants_token(realm, "user", "tenant")
    source.shown = snapshot(*scene.gaps(), topology=scene.whole())
    beside = everything_said(ports, token)
    source.shown = snapshot(*scene.gaps_alone(), topology=scene.alone())
    assert beside == everything_said(ports, token)


def test_an_administrator_sees_all(tenants: tuple[CommandedSource, Ports], realm: Realm) -> None:
    """The role that shows everything shows the whole snapshot, the age of its oldest sample included."""
    source, ports = tenants
    source.shown = snapshot(topology=_two_of_a_name())
    token = tenants_token(realm, "user", clients={"dash": {"roles": ["admin"]}})
    answer = asked(ports, "/", "GET", token)
    assert answer.body == source.shown.body("1.2.5")
    assert answer.json()["timestamp"]["oldestTimestamp"] == 1
    assert called(ports, token).body == source.shown.body("etim")


def test_a_part_without_clusters_is_empty(tenants: tuple[CommandedSource, Ports], realm: Realm) -> None:
    """Who may see clusters of which none is there gets the empty document, as if there were none at all."""
    source, ports = tenants
    source.shown = snapshot(topology=Topology(clusters={"x": Cluster(key="x", uid="x")}))
    token = tenants_token(realm, "user", "tenant")
    assert asked(ports, "/", "GET", token).json() == {"timestamp": {}, "cluster": {}}
    assert called(ports, token).body == b""


@pytest.mark.parametrize("roles", [(), ("tenant",), ("user",), ("user", "admin"), ("User", "Tenant")], ids=str)
def test_a_token_without_the_roles_is_not_allowed(
    tenants: tuple[CommandedSource, Ports], realm: Realm, roles: tuple[str, ...]
) -> None:
    """A token that holds and lacks a role gets 403 and PERMISSION_DENIED, on every path, and learns no reason."""
    _, ports = tenants
    token = tenants_token(realm, *roles)
    for path in (*PATHS, "/api/x", "/docs/x", "/api/v1/topology"):
        answer = asked(ports, path, "GET", token)
        assert answer.status == 403
        assert {"error": "not allowed"}.items() <= answer.json().items() or answer.json()["detail"] == "not allowed"
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="aggregator", error="insufficient_scope"'
    assert called(ports, token) == Reply(grpc.StatusCode.PERMISSION_DENIED, "not allowed")
    assert call(ports.grpc, "/x.Y/Z", [("authorization", f"Bearer {token}")]).code is grpc.StatusCode.PERMISSION_DENIED
    assert asked(ports, "/healthz", "GET", token).status == 200


def test_who_sees_some_clusters_is_not_told_which_source_is_away(
    tenants: tuple[CommandedSource, Ports], realm: Realm
) -> None:
    """Without a topology the reason, which names sources, is for those who may see everything."""
    source, ports = tenants
    source.failure = NoTopologyError("no topology yet: source edge-7: query up: connection refused")
    tenant = tenants_token(realm, "user", "tenant")
    admin = tenants_token(realm, "user", clients={"dash": {"roles": ["admin"]}})
    assert asked(ports, "/", "GET", tenant).json() == {"error": "no topology to show"}
    assert called(ports, tenant).details == "no topology to show"
    assert asked(ports, "/", "GET", admin).json() == {"error": str(source.failure)}
    assert called(ports, admin).details == str(source.failure)
    source.reset()
