"""What the tests of the process share: a Prometheus with a small fleet, a gateway on it, and time."""

from collections.abc import Iterator
from typing import cast

import pytest

from demo.prometheus import holding
from tests.integration import beside
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


@pytest.fixture(scope="module", autouse=True)
def begun(
    request: pytest.FixtureRequest, small: str, realm: Realm, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[beside.Outcomes]:
    """What becomes of the tests of a file that go on beside its others.

    By the file, because of a run in several processes each file is only in one.
    """
    own = [item for item in request.session.items if item.path == request.path]
    with beside.begun(own, {"small": small, "realm": realm}, tmp_path_factory.mktemp) as outcomes:
        yield outcomes


def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Wait for a test that was begun beside the others, instead of running it once more."""
    if not pyfuncitem.get_closest_marker(beside.MARK):
        return None
    outcomes = cast("beside.Outcomes", pyfuncitem.funcargs["begun"])
    outcomes[pyfuncitem.nodeid].result()
    return True
