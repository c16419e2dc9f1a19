"""A real Keycloak and its realm."""

from collections.abc import Iterator

import pytest

from demo.prometheus import find_free_port
from tests.keycloak.distribution import obtain_keycloak
from tests.keycloak.keycloak_server import KeycloakRealm, KeycloakServer


@pytest.fixture(scope="module")
def keycloak(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeycloakServer]:
    """A running Keycloak."""
    log_path = tmp_path_factory.mktemp("keycloak") / "keycloak.log"
    server = KeycloakServer(obtain_keycloak(print), find_free_port(), log_path)
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def realm(keycloak: KeycloakServer) -> KeycloakRealm:
    """The realm of realm.json."""
    return keycloak.create_realm("icos")
