"""Fixtures of the process tests: a Prometheus with a small fleet, a gateway, and concurrent tests."""

from collections.abc import Iterator
from typing import cast

import pytest

from demo.prometheus import run_prometheus_with_data
from tests.integration import concurrent_tests
from tests.integration.fleet_exposition import SMALL_NODE_COUNT, build_fleet_scrapes
from tests.integration.gateway_process import GatewayProcess, run_gateway, wait_until
from tests.server.auth.signed_tokens import FakeRealm
from tests.support.http_client import send_request


@pytest.fixture(scope="package")
def prometheus_url() -> Iterator[str]:
    """The URL of a Prometheus with the metrics of a small fleet."""
    with run_prometheus_with_data(build_fleet_scrapes(SMALL_NODE_COUNT)) as url:
        yield url


@pytest.fixture(scope="package")
def gateway(prometheus_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A ready gateway without KEY, with few refreshes to save CPU time."""
    with run_gateway(
        tmp_path_factory.mktemp("gateway"), PROMETHEUS_ADDRESS=prometheus_url, REFRESH_INTERVAL="60"
    ) as gateway:
        wait_until(lambda: send_request(gateway.http_port, "/readyz").status == 200, "ready")
        yield gateway


@pytest.fixture(scope="package")
def realm() -> FakeRealm:
    """A realm with its own key."""
    return FakeRealm()


@pytest.fixture(scope="module", autouse=True)
def concurrent_outcomes(
    request: pytest.FixtureRequest, prometheus_url: str, realm: FakeRealm, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[concurrent_tests.OutcomesById]:
    """The outcomes of the concurrent tests of a file.

    The scope is one file, because a run with several processes assigns whole files to them.
    """
    file_items = [item for item in request.session.items if item.path == request.path]
    with concurrent_tests.start_marked_tests(
        file_items, {"prometheus_url": prometheus_url, "realm": realm}, tmp_path_factory.mktemp
    ) as outcomes:
        yield outcomes


def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Wait for the outcome of a concurrent test instead of running it again."""
    if not pyfuncitem.get_closest_marker(concurrent_tests.MARKER):
        return None
    outcomes = cast("concurrent_tests.OutcomesById", pyfuncitem.funcargs["concurrent_outcomes"])
    outcomes[pyfuncitem.nodeid].result()
    return True
