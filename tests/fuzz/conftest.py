"""Fixtures of the fuzz tests: gateway processes with a real Prometheus, with and without KEY."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from demo.fleet import SimulatedFleet, render_exposition
from demo.prometheus import run_prometheus_with_data
from demo.recording import FIRST_REFRESH_SECONDS, NODE_COUNT, PODS_PER_NODE
from demo.simulated_source import UP_SAMPLE_TEXT
from tests.fuzz.fuzz_settings import EXAMPLE_FACTOR
from tests.integration.fleet_exposition import repeat_scrapes
from tests.integration.gateway_process import GatewayProcess, run_gateway, wait_until
from tests.server.auth.signed_tokens import FakeRealm
from tests.support.http_client import send_request


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests of this folder as those of `make fuzz`; deselect those marked `slow`, except in the longer run."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.fuzz)
    if EXAMPLE_FACTOR > 1:
        return
    deselected = [item for item in items if item.get_closest_marker("slow")]
    items[:] = [item for item in items if not item.get_closest_marker("slow")]
    config.hook.pytest_deselected(items=deselected)


@dataclass(frozen=True)
class GuardedGateway:
    """A gateway with KEY, and a valid token for it."""

    gateway: GatewayProcess
    token: str

    @property
    def authorization(self) -> str:
        """The value of an Authorization header with the token."""
        return f"Bearer {self.token}"


@pytest.fixture(scope="package")
def _fleet() -> Iterator[str]:
    # The demo fleet contains the objects that the examples of the OpenAPI document name.
    fleet = SimulatedFleet.generate(NODE_COUNT, PODS_PER_NODE, since_seconds=FIRST_REFRESH_SECONDS)
    with run_prometheus_with_data(
        repeat_scrapes(render_exposition(fleet, FIRST_REFRESH_SECONDS) + UP_SAMPLE_TEXT)
    ) as url:
        yield url


@pytest.fixture(scope="package")
def open_gateway(_fleet: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A ready gateway without KEY."""
    with run_gateway(tmp_path_factory.mktemp("open"), PROMETHEUS_ADDRESS=_fleet, REFRESH_INTERVAL="10") as gateway:
        wait_until(lambda: send_request(gateway.http_port, "/readyz").status == 200, "a topology")
        yield gateway


@pytest.fixture(scope="package")
def guarded_gateway(_fleet: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedGateway]:
    """A ready gateway with KEY."""
    realm = FakeRealm()
    folder = tmp_path_factory.mktemp("guarded")
    with run_gateway(folder, PROMETHEUS_ADDRESS=_fleet, REFRESH_INTERVAL="10", KEY=realm.key_setting) as gateway:
        wait_until(lambda: send_request(gateway.http_port, "/readyz").status == 200, "a topology")
        yield GuardedGateway(gateway, realm.issue_token(exp=int(time.time()) + 7200))
