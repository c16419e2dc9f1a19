"""What the tests of the process share: a Prometheus with a small fleet, and a gateway on it."""

from collections.abc import Iterator

import pytest

from demo.prometheus import holding
from tests.integration.process import Gateway, running, until
from tests.integration.telemetry import FEW, lasting
from tests.server.exchange import ask
from tests.server.tokens import Realm


@pytest.fixture(scope="package")
def small() -> Iterator[str]:
    """A Prometheus that holds a small fleet."""
    with holding(lasting(FEW)) as url:
        yield url


@pytest.fixture(scope="package")
def gateway(small: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway without KEY that is ready, and leaves the machine to others as far as it can."""
    with running(tmp_path_factory.mktemp("gateway"), PROMETHEUS_ADDRESS=small, REFRESH_INTERVAL="5") as started:
        until(lambda: ask(started.http, "/readyz").status == 200, "ready")
        yield started


@pytest.fixture(scope="package")
def realm() -> Realm:
    """A realm with a key of its own."""
    return Realm()
