"""Tokens of a real Keycloak over HTTP and gRPC against gateway processes."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest

from demo.prometheus import ScrapedExposition, run_prometheus_with_data
from tests.integration.fleet_exposition import build_fleet_exposition
from tests.integration.gateway_process import GatewayProcess, run_gateway, wait_until
from tests.keycloak.keycloak_server import KeycloakRealm, KeycloakServer
from tests.support.grpc_client import call_method
from tests.support.http_client import ClientResponse, send_request

ACCEPTED = (200, grpc.StatusCode.OK)
REJECTED = (401, grpc.StatusCode.UNAUTHENTICATED)
DENIED = (403, grpc.StatusCode.PERMISSION_DENIED)
KEYS_UNAVAILABLE = (503, grpc.StatusCode.UNAVAILABLE)
LEEWAY_SECONDS = 30
TOKENS_PAGE = Path(__file__).parents[2] / "docs" / "tokens.md"


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    """A real Prometheus with two clusters, edge-a and edge-b."""
    second = (
        build_fleet_exposition(2).replace("08c66cd5", "18c66cd5").replace("ocm-1", "ocm-2").replace("edge-a", "edge-b")
    )
    second = second.replace('icos_host_id="0', 'icos_host_id="f').removeprefix("up 1\n")
    text = build_fleet_exposition(2) + second
    now = time.time()
    with run_prometheus_with_data([ScrapedExposition(text, now + later) for later in (0, 200, 400)]) as url:
        yield url


@contextmanager
def run_keycloak_gateway(folder: Path, upstream: str, **settings: str) -> Iterator[GatewayProcess]:
    """Run a gateway that refreshes the keys of its issuer often."""
    refresh_settings = {} if "KEY" in settings else {"KEYS_REFRESH_INTERVAL": "1"}
    with run_gateway(folder, PROMETHEUS_ADDRESS=upstream, **refresh_settings, **settings) as gateway:
        yield gateway


def wait_until_ready(gateway: GatewayProcess) -> GatewayProcess:
    """Wait until a gateway is ready."""
    wait_until(lambda: send_request(gateway.http_port, "/readyz").status == 200, "ready")
    return gateway


def request_with_token(gateway: GatewayProcess, token: str, path: str = "/") -> ClientResponse:
    """Send an HTTP request with a token."""
    return send_request(gateway.http_port, path, headers=[("Authorization", f"Bearer {token}")])


def request_statuses(gateway: GatewayProcess, token: str) -> tuple[int, grpc.StatusCode]:
    """Return the status over HTTP and the code over gRPC of requests with a token."""
    call_result = call_method(gateway.grpc_port, metadata=[("authorization", f"Bearer {token}")])
    return request_with_token(gateway, token).status, call_result.code


def test_a_required_role(keycloak: KeycloakServer, realm: KeycloakRealm, upstream: str, tmp_path: Path) -> None:
    """Access tokens with the realm role are accepted, without it denied; ID and refresh tokens are rejected."""
    with run_keycloak_gateway(tmp_path, upstream, ISSUER=realm.issuer, REQUIRED_ROLE="topology-reader") as gateway:
        wait_until_ready(gateway)
        alice = realm.request_tokens("alice")
        assert request_statuses(gateway, alice["access_token"]) == ACCEPTED
        assert request_statuses(gateway, realm.request_access_token("bob")) == DENIED
        assert request_statuses(gateway, realm.request_access_token("alice", "narrow")) == DENIED
        assert request_statuses(gateway, realm.request_service_token()) == DENIED
        assert request_statuses(gateway, alice["id_token"]) == REJECTED
        assert request_statuses(gateway, alice["refresh_token"]) == REJECTED
        assert send_request(gateway.http_port).status == 401
        assert call_method(gateway.grpc_port).code is grpc.StatusCode.UNAUTHENTICATED
        assert "eyJ" not in gateway.log
    assert keycloak.list_listening_addresses() == {"127.0.0.1"}


def test_a_role_of_a_client(realm: KeycloakRealm, upstream: str, tmp_path: Path) -> None:
    """Users and service accounts with the required client role are accepted."""
    with run_keycloak_gateway(tmp_path, upstream, ISSUER=realm.issuer, REQUIRED_ROLE="dash:viewer") as gateway:
        wait_until_ready(gateway)
        assert request_statuses(gateway, realm.request_access_token("carol")) == ACCEPTED
        assert request_statuses(gateway, realm.request_service_token()) == ACCEPTED
        assert request_statuses(gateway, realm.request_access_token("alice")) == DENIED


def test_roles_grant_clusters(realm: KeycloakRealm, upstream: str, tmp_path: Path) -> None:
    """Each user gets the clusters of its roles, in both layouts and over gRPC; a user without roles is denied."""
    roles = "tenant-a=edge-a; dash:viewer=*"
    with run_keycloak_gateway(tmp_path, upstream, ISSUER=realm.issuer, CLUSTER_ROLES=roles) as gateway:
        wait_until_ready(gateway)
        alice, carol = realm.request_access_token("alice"), realm.request_access_token("carol")
        for path in ("/", "/?layout=2025", "/anything"):
            assert set(request_with_token(gateway, alice, path).json()["cluster"]) == {"edge-a"}
            assert set(request_with_token(gateway, carol, path).json()["cluster"]) == {"edge-a", "edge-b"}
        for token, nodes in ((alice, 2), (carol, 4)):
            reply = call_method(gateway.grpc_port, metadata=[("authorization", f"Bearer {token}")])
            assert len(reply.model.nodes) == nodes
        assert b"18c66cd5" not in request_with_token(gateway, alice).body
        assert request_statuses(gateway, realm.request_access_token("bob")) == DENIED


def test_audience_and_authorized_party(realm: KeycloakRealm, upstream: str, tmp_path: Path) -> None:
    """Tokens without the audience, and tokens of another client, are rejected."""
    with run_keycloak_gateway(
        tmp_path, upstream, ISSUER=realm.issuer, AUDIENCE="account", AUTHORIZED_PARTY="shell"
    ) as gateway:
        wait_until_ready(gateway)
        assert request_statuses(gateway, realm.request_access_token("alice")) == ACCEPTED
        assert request_statuses(gateway, realm.request_access_token("alice", "narrow")) == REJECTED
        assert request_statuses(gateway, realm.request_service_token()) == REJECTED


def test_the_documented_example(keycloak: KeycloakServer, upstream: str, tmp_path: Path) -> None:
    """With the audience mapper of docs/tokens.md and its settings, the service account of the example is accepted."""
    mapper = TOKENS_PAGE.read_text(encoding="utf-8").partition("```json")[2].partition("```")[0]
    realm = keycloak.create_realm("example")
    realm.create_service_client("dashboard", "topology-reader")
    without_audience = realm.request_service_token("dashboard")
    realm.add_protocol_mapper("dashboard", mapper)
    with run_keycloak_gateway(
        tmp_path, upstream, ISSUER=realm.issuer, AUDIENCE="aggregator", REQUIRED_ROLE="topology-reader"
    ) as gateway:
        wait_until_ready(gateway)
        assert request_statuses(gateway, realm.request_service_token("dashboard")) == ACCEPTED
        assert request_statuses(gateway, without_audience) == REJECTED


def test_the_static_key(realm: KeycloakRealm, upstream: str, tmp_path: Path) -> None:
    """With the public key of the realm as KEY, its tokens are accepted."""
    with run_keycloak_gateway(tmp_path, upstream, KEY=realm.public_key) as gateway:
        wait_until_ready(gateway)
        assert request_statuses(gateway, realm.request_access_token("bob")) == ACCEPTED


def test_rotation_and_disabled_keys(keycloak: KeycloakServer, upstream: str, tmp_path: Path) -> None:
    """Tokens of a new and of the old key are accepted; tokens of a disabled key are soon rejected."""
    realm = keycloak.create_realm("rotating")
    with run_keycloak_gateway(tmp_path, upstream, ISSUER=realm.issuer) as gateway:
        wait_until_ready(gateway)
        old, other = realm.request_access_token("alice"), realm.request_access_token("bob")
        assert request_statuses(gateway, old) == ACCEPTED
        realm.add_key("newer")
        assert request_statuses(gateway, realm.request_access_token("alice")) == ACCEPTED
        assert request_statuses(gateway, old) == ACCEPTED
        realm.disable_keys_except("newer")
        wait_until(lambda: request_statuses(gateway, old) == REJECTED, "tokens of the old key are rejected")
        assert request_statuses(gateway, other) == REJECTED
        assert request_statuses(gateway, realm.request_access_token("alice")) == ACCEPTED


def test_short_lived_tokens(keycloak: KeycloakServer, upstream: str, tmp_path: Path) -> None:
    """A token is accepted until it has expired, plus the leeway for clock skew, and rejected afterwards."""
    realm = keycloak.create_realm("brief", accessTokenLifespan=2)
    with run_keycloak_gateway(tmp_path, upstream, ISSUER=realm.issuer) as gateway:
        wait_until_ready(gateway)
        token, before = realm.request_access_token("alice"), time.monotonic()
        assert request_statuses(gateway, token) == ACCEPTED
        wait_until(lambda: request_statuses(gateway, token) == REJECTED, "the token is rejected", LEEWAY_SECONDS + 10)
        assert time.monotonic() - before > LEEWAY_SECONDS - 2
        assert request_statuses(gateway, realm.request_access_token("alice")) == ACCEPTED


def test_other_algorithms_and_several_issuers(
    keycloak: KeycloakServer, realm: KeycloakRealm, upstream: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """With ES256 in ALGORITHMS, tokens of a second realm with ES256 are accepted; PS256 and EdDSA are rejected."""
    curve = keycloak.create_realm("curve", defaultSignatureAlgorithm="ES256")
    issuers = f"{realm.issuer},{curve.issuer}"
    folder = tmp_path_factory.mktemp
    with (
        run_keycloak_gateway(folder("both"), upstream, ISSUER=issuers, ALGORITHMS="RS256,ES256") as both,
        run_keycloak_gateway(folder("plain"), upstream, ISSUER=curve.issuer) as plain,
    ):
        token = curve.request_access_token("bob")
        assert request_statuses(wait_until_ready(both), token) == ACCEPTED
        assert request_statuses(both, realm.request_access_token("bob")) == ACCEPTED
        assert request_statuses(wait_until_ready(plain), token) == REJECTED
        for algorithm in ("PS256", "EdDSA"):
            curve.update(defaultSignatureAlgorithm=algorithm)
            assert request_statuses(both, curve.request_access_token("bob")) == REJECTED


def test_a_restart_of_keycloak(
    keycloak: KeycloakServer, tmp_path_factory: pytest.TempPathFactory, upstream: str
) -> None:
    """While Keycloak is down, known keys stay valid; a gateway started then returns 503, and recovers later.

    Keycloak restarts with an empty database and therefore with other keys, so that old tokens are rejected.
    """
    folder = tmp_path_factory.mktemp
    realm = keycloak.create_realm("lost")
    old, other = realm.request_access_token("alice"), realm.request_access_token("bob")
    with run_keycloak_gateway(folder("before"), upstream, ISSUER=realm.issuer) as before:
        wait_until_ready(before)
        assert request_statuses(before, old) == ACCEPTED
        keycloak.stop()
        with run_keycloak_gateway(folder("during"), upstream, ISSUER=realm.issuer) as during:
            wait_until(lambda: before.find_events("keys not fetched"), "a failed fetch of keys")
            assert request_statuses(before, old) == ACCEPTED
            assert request_statuses(before, other) == ACCEPTED
            wait_until(lambda: request_statuses(during, old) == KEYS_UNAVAILABLE, "no keys to verify tokens")
            assert send_request(during.http_port, "/readyz").status == 503
            assert send_request(during.http_port, "/healthz").status == 200
            assert send_request(during.http_port).status == 401
            keycloak.start()
            new = keycloak.create_realm("lost").request_access_token("alice")
            wait_until(
                lambda: request_statuses(before, new) == request_statuses(during, new) == ACCEPTED,
                "new tokens are accepted",
                60,
            )
            assert request_statuses(before, old) == request_statuses(during, old) == REJECTED
            wait_until_ready(during)
