"""What the fuzzing shares: gateways as processes of their own on a real Prometheus, with and without KEY."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from demo.answers import UP
from demo.fleet import Fleet, exposition
from demo.prometheus import holding
from demo.recording import FIRST_SECONDS, NODES, PODS_PER_NODE
from tests.fuzz.effort import TIMES
from tests.integration.process import Gateway, running, until
from tests.integration.telemetry import again_and_again
from tests.server.exchange import ask
from tests.server.tokens import Realm


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is marked as `longer`, unless this is the longer run."""
    if TIMES > 1:
        return
    left_out = [item for item in items if item.get_closest_marker("longer")]
    items[:] = [item for item in items if not item.get_closest_marker("longer")]
    config.hook.pytest_deselected(items=left_out)


@dataclass(frozen=True)
class Guarded:
    """A gateway with KEY, and a token that it takes."""

    gateway: Gateway
    token: str

    @property
    def bearer(self) -> str:
        """What an Authorization header with the token holds."""
        return f"Bearer {self.token}"


@pytest.fixture(scope="package")
def _fleet() -> Iterator[str]:
    # The demo's, which has what the examples of the OpenAPI document name.
    fleet = Fleet.of(NODES, PODS_PER_NODE, since_seconds=FIRST_SECONDS)
    with holding(again_and_again(exposition(fleet, FIRST_SECONDS) + UP)) as url:
        yield url


@pytest.fixture(scope="package")
def opened(_fleet: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway without KEY that is ready."""
    with running(tmp_path_factory.mktemp("open"), PROMETHEUS_ADDRESS=_fleet, REFRESH_INTERVAL="10") as gateway:
        until(lambda: ask(gateway.http, "/readyz").status == 200, "a topology")
        yield gateway


@pytest.fixture(scope="package")
def guarded(_fleet: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """A gateway with KEY that is ready."""
    realm = Realm()
    folder = tmp_path_factory.mktemp("guarded")
    with running(folder, PROMETHEUS_ADDRESS=_fleet, REFRESH_INTERVAL="10", KEY=realm.setting) as gateway:
        until(lambda: ask(gateway.http, "/readyz").status == 200, "a topology")
        yield Guarded(gateway, realm.token(exp=int(time.time()) + 7200))
