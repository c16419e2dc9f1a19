"""Tokens of a real Keycloak, over HTTP and gRPC, against gateways that are processes of their own."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import psutil
import pytest

from demo.prometheus import Moment, free_port, holding
from tests.integration.process import Gateway, running, until
from tests.integration.telemetry import fleet
from tests.keycloak.distribution import obtain
from tests.keycloak.server import Keycloak, Realm
from tests.server.call import call
from tests.server.exchange import Answer, ask

PASSED = (200, grpc.StatusCode.OK)
REFUSED = (401, grpc.StatusCode.UNAUTHENTICATED)
NOT_ALLOWED = (403, grpc.StatusCode.PERMISSION_DENIED)
UNJUDGED = (503, grpc.StatusCode.UNAVAILABLE)
LEEWAY_SECONDS = 30


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    """A real Prometheus that holds two clusters, edge-a and edge-b, for as long as this takes."""
    second = fleet(2).replace("08c66cd5", "18c66cd5").replace("ocm-1", "ocm-2").replace("edge-a", "edge-b")
    second = second.replace('icos_host_id="0', 'icos_host_id="f').removeprefix("up 1\n")
    text = fleet(2) + second
    now = time.time()
    with holding([Moment(text, now + later) for later in (0, 200, 400)]) as url:
        yield url


@pytest.fixture(scope="module")
def keycloak(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keycloak]:
    """A Keycloak that runs."""
    made = Keycloak(obtain(print), free_port(), tmp_path_factory.mktemp("keycloak") / "keycloak.log")
    with made.running():
        yield made


@pytest.fixture(scope="module")
def realm(keycloak: Keycloak) -> Realm:
    """The realm of the file, which no test changes."""
    return keycloak.realm("icos")


@contextmanager
def gateway(folder: Path, upstream: str, **settings: str) -> Iterator[Gateway]:
    """Run a gateway that follows its issuer closely."""
    close = {} if "KEY" in settings else {"KEYS_REFRESH_INTERVAL": "1"}
    with running(folder, PROMETHEUS_ADDRESS=upstream, **close, **settings) as started:
        yield started


def ready(started: Gateway) -> Gateway:
    """Wait until a gateway is ready."""
    until(lambda: ask(started.http, "/readyz").status == 200, "ready")
    return started


def asked(started: Gateway, token: str, path: str = "/") -> Answer:
    """Ask over HTTP."""
    return ask(started.http, path, headers=[("Authorization", f"Bearer {token}")])


def verdicts(started: Gateway, token: str) -> tuple[int, grpc.StatusCode]:
    """Return what both transports say to a token."""
    said = call(started.grpc, metadata=[("authorization", f"Bearer {token}")])
    return asked(started, token).status, said.code


def test_a_required_role(keycloak: Keycloak, realm: Realm, upstream: str, tmp_path: Path) -> None:
    """Users with the role of the realm pass, those without are not allowed, and no other token of theirs passes."""
    with gateway(tmp_path, upstream, ISSUER=realm.issuer, REQUIRED_ROLE="topology-reader") as started:
        ready(started)
        alice = realm.tokens("alice")
        assert verdicts(started, alice["access_token"]) == PASSED
        assert verdicts(started, realm.token("bob")) == NOT_ALLOWED
        assert verdicts(started, realm.token("alice", "narrow")) == NOT_ALLOWED
        assert verdicts(started, realm.service_token()) == NOT_ALLOWED
        assert verdicts(started, alice["id_token"]) == REFUSED
        assert verdicts(started, alice["refresh_token"]) == REFUSED
        assert ask(started.http).status == 401
        assert call(started.grpc).code is grpc.StatusCode.UNAUTHENTICATED
        assert "eyJ" not in started.log
    listening = {
        address.laddr.ip
        for process in psutil.process_iter()
        if f"--http-port={keycloak.port}" in " ".join(_command(process))
        for address in process.net_connections(kind="tcp")
        if address.status == psutil.CONN_LISTEN
    }
    assert {ip.removeprefix("::ffff:") for ip in listening} == {"127.0.0.1"}


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def test_a_role_of_a_client(realm: Realm, upstream: str, tmp_path: Path) -> None:
    """Users and service accounts with the role of a client pass."""
    with gateway(tmp_path, upstream, ISSUER=realm.issuer, REQUIRED_ROLE="dash:viewer") as started:
        ready(started)
        assert verdicts(started, realm.token("carol")) == PASSED
        assert verdicts(started, realm.service_token()) == PASSED
        assert verdicts(started, realm.token("alice")) == NOT_ALLOWED


def test_roles_show_clusters(realm: Realm, upstream: str, tmp_path: Path) -> None:
    """Each user sees the clusters of its roles, in both layouts and over gRPC, and who has none is not allowed."""
    roles = "tenant-a=edge-a; dash:viewer=*"
    with gateway(tmp_path, upstream, ISSUER=realm.issuer, CLUSTER_ROLES=roles) as started:
        ready(started)
        alice, carol = realm.token("alice"), realm.token("carol")
        for path in ("/", "/?layout=2025", "/anything"):
            assert set(asked(started, alice, path).json()["cluster"]) == {"edge-a"}
            assert set(asked(started, carol, path).json()["cluster"]) == {"edge-a", "edge-b"}
        for token, nodes in ((alice, 2), (carol, 4)):
            reply = call(started.grpc, metadata=[("authorization", f"Bearer {token}")])
            assert len(reply.model.nodes) == nodes
        assert b"18c66cd5" not in asked(started, alice).body
        assert verdicts(started, realm.token("bob")) == NOT_ALLOWED


def test_audience_and_authorized_party(realm: Realm, upstream: str, tmp_path: Path) -> None:
    """A token without the audience, and one that another client asked for, is refused."""
    with gateway(tmp_path, upstream, ISSUER=realm.issuer, AUDIENCE="account", AUTHORIZED_PARTY="shell") as started:
        ready(started)
        assert verdicts(started, realm.token("bob")) == PASSED
        assert verdicts(started, realm.token("bob", "narrow")) == REFUSED
        assert verdicts(started, realm.service_token()) == REFUSED


def test_the_static_key(realm: Realm, upstream: str, tmp_path: Path) -> None:
    """The public key that Keycloak shows opens to its tokens as KEY."""
    with gateway(tmp_path, upstream, KEY=realm.public_key) as started:
        ready(started)
        assert verdicts(started, realm.token("bob")) == PASSED


def test_rotation_and_disabled_keys(keycloak: Keycloak, upstream: str, tmp_path: Path) -> None:
    """A new key's tokens pass beside the old key's, and those of a key that was disabled are soon refused."""
    realm = keycloak.realm("rotating")
    with gateway(tmp_path, upstream, ISSUER=realm.issuer) as started:
        ready(started)
        old, spare = realm.token("alice"), realm.token("bob")
        assert verdicts(started, old) == PASSED
        realm.add_key("newer")
        assert verdicts(started, realm.token("alice")) == PASSED
        assert verdicts(started, old) == PASSED
        realm.disable_keys_except("newer")
        until(lambda: verdicts(started, old) == REFUSED, "the old key's tokens are refused")
        assert verdicts(started, spare) == REFUSED
        assert verdicts(started, realm.token("alice")) == PASSED


def test_short_lived_tokens(keycloak: Keycloak, upstream: str, tmp_path: Path) -> None:
    """A token passes until it has expired, with the leeway for clocks that differ, and never again."""
    realm = keycloak.realm("brief", accessTokenLifespan=2)
    with gateway(tmp_path, upstream, ISSUER=realm.issuer) as started:
        ready(started)
        token, before = realm.token("alice"), time.monotonic()
        assert verdicts(started, token) == PASSED
        until(lambda: verdicts(started, token) == REFUSED, "the token is refused", LEEWAY_SECONDS + 10)
        assert time.monotonic() - before > LEEWAY_SECONDS - 2
        assert verdicts(started, realm.token("alice")) == PASSED


def test_other_algorithms_and_several_issuers(
    keycloak: Keycloak, realm: Realm, upstream: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A realm that signs by ES256 is taken beside another where that is allowed, by PS256 or EdDSA never."""
    curve = keycloak.realm("curve", defaultSignatureAlgorithm="ES256")
    issuers = f"{realm.issuer},{curve.issuer}"
    folder = tmp_path_factory.mktemp
    with (
        gateway(folder("both"), upstream, ISSUER=issuers, ALGORITHMS="RS256,ES256") as both,
        gateway(folder("plain"), upstream, ISSUER=curve.issuer) as plain,
    ):
        token = curve.token("bob")
        assert verdicts(ready(both), token) == PASSED
        assert verdicts(both, realm.token("bob")) == PASSED
        assert verdicts(ready(plain), token) == REFUSED
        for algorithm in ("PS256", "EdDSA"):
            curve.change(defaultSignatureAlgorithm=algorithm)
            assert verdicts(both, curve.token("bob")) == REFUSED


def test_a_restart_of_keycloak(tmp_path_factory: pytest.TempPathFactory, upstream: str) -> None:
    """While Keycloak is away known keys verify; a gateway that starts then judges nothing, lives, and recovers.

    Keycloak comes back with an empty database, so with other keys: those of before verify no more.
    """
    folder = tmp_path_factory.mktemp
    keycloak = Keycloak(obtain(print), free_port(), folder("keycloak") / "keycloak.log")
    issuer = f"{keycloak.url}/realms/icos"
    with gateway(folder("before"), upstream, ISSUER=issuer) as before:
        with keycloak.running():
            realm = keycloak.realm("icos")
            old, spare = realm.token("alice"), realm.token("bob")
            until(lambda: verdicts(before, old) == PASSED, "the realm is found")
        with gateway(folder("during"), upstream, ISSUER=issuer) as during:
            until(lambda: before.events("keys not fetched"), "the outage is seen")
            assert verdicts(before, old) == PASSED
            assert verdicts(before, spare) == PASSED
            until(lambda: verdicts(during, old) == UNJUDGED, "nothing is judged")
            assert ask(during.http, "/readyz").status == 503
            assert ask(during.http, "/healthz").status == 200
            assert ask(during.http).status == 401
            with keycloak.running():
                new = keycloak.realm("icos").token("alice")
                for started in (before, during):
                    until(lambda started=started: verdicts(started, new) == PASSED, "new tokens pass", 60)  # type: ignore[misc] # a default to bind early
                    assert verdicts(started, old) == REFUSED
                ready(during)
