"""What the fuzzing shares: gateways as processes of their own on a real Prometheus, with and without KEY."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from demo.prometheus import Moment, holding
from tests.fuzz.effort import SEED, TIMES
from tests.integration.process import Gateway, running, until
from tests.integration.telemetry import fleet
from tests.server.exchange import ask
from tests.server.tokens import Realm

# Prometheus shows a sample for five minutes; later ones keep the fleet alive for as long as the longest run.
MOMENTS, APART_SECONDS = 6, 200


@dataclass(frozen=True)
class Guarded:
    """A gateway with KEY, and a token that it takes."""

    gateway: Gateway
    token: str

    @property
    def bearer(self) -> str:
        """What an Authorization header with the token holds."""
        return f"Bearer {self.token}"


def pytest_report_header() -> str:
    """Tell how a failure is seen again."""
    return f"fuzz: FUZZ_SEED={SEED} FUZZ_TIMES={TIMES}"


@pytest.fixture(scope="session")
def _fleet() -> Iterator[str]:
    begin = time.time()
    text = fleet(3)
    with holding([Moment(text, begin + APART_SECONDS * number) for number in range(MOMENTS)]) as url:
        yield url


@pytest.fixture(scope="session")
def opened(_fleet: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway without KEY that is ready."""
    with running(tmp_path_factory.mktemp("open"), PROMETHEUS_ADDRESS=_fleet, REFRESH_INTERVAL="2") as gateway:
        until(lambda: ask(gateway.http, "/readyz").status == 200, "a topology")
        yield gateway


@pytest.fixture(scope="session")
def guarded(_fleet: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """A gateway with KEY that is ready."""
    realm = Realm()
    folder = tmp_path_factory.mktemp("guarded")
    with running(folder, PROMETHEUS_ADDRESS=_fleet, REFRESH_INTERVAL="2", KEY=realm.setting) as gateway:
        until(lambda: ask(gateway.http, "/readyz").status == 200, "a topology")
        yield Guarded(gateway, realm.token(exp=int(time.time()) + 7200))
