"""What the tests of the page share: a browser, gateways of several fleets, and sessions that fail on errors."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from benchmarks.fleet_recording import obtain_recording
from tests.server.auth.signed_tokens import FakeRealm
from tests.ui import fleets
from tests.ui.browsers import OpenSession, PageSession, open_session, run_chromium
from tests.ui.fleet_upstream import FleetUpstream, run_fleet_upstream
from tests.ui.page_gateways import build_url, run_page_gateway


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A Chromium."""
    with run_chromium() as running:
        yield running


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenSession]:
    """A function that opens a page of a gateway in a profile of its own: `open_page(gateway_url, viewport=…)`.

    At the end, an error in the page or a request to another host fails the test.
    """
    sessions: list[PageSession] = []
    with contextlib.ExitStack() as stack:

        def open_new(url: str, **options: Any) -> PageSession:
            sessions.append(stack.enter_context(open_session(browser, url, **options)))
            return sessions[-1]

        yield open_new
    problems = [problem for session in sessions for problem in session.find_problems()]
    assert not problems, problems


@pytest.fixture(scope="session")
def small_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A gateway of two nodes, whose values change every two seconds."""
    folder = tmp_path_factory.mktemp("small")
    with (
        run_fleet_upstream(fleets.generate_small_fleet(), advance_interval_seconds=2) as upstream,
        run_page_gateway(folder, upstream.url) as gateway,
    ):
        yield build_url(gateway)


@pytest.fixture(scope="session")
def medium_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A gateway of 200 nodes with 3,000 pods, whose values change every five seconds."""
    with _replay(tmp_path_factory.mktemp("medium"), 200, "5") as url:
        yield url


@pytest.fixture(scope="session")
def large_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A gateway of 2,000 nodes with 30,000 pods, whose values change every fifteen seconds."""
    with _replay(tmp_path_factory.mktemp("large"), 2_000, "15") as url:
        yield url


@contextlib.contextmanager
def _replay(folder: Path, nodes: int, interval: str) -> Iterator[str]:
    address = f"replay:{obtain_recording(nodes)}#speed=max"
    with run_page_gateway(folder, address, REFRESH_INTERVAL=interval) as gateway:
        yield build_url(gateway)


@pytest.fixture(scope="session")
def realm() -> FakeRealm:
    """A realm whose tokens the gateway of `guarded_url` accepts: `realm.issue_token()`."""
    return FakeRealm()


@pytest.fixture(scope="session")
def guarded_url(tmp_path_factory: pytest.TempPathFactory, realm: FakeRealm) -> Iterator[str]:
    """A gateway of ten nodes in five clusters that requires tokens; tokens with the role `south` show one cluster."""
    folder = tmp_path_factory.mktemp("guarded")
    settings = {"KEY": realm.key_setting, "CLUSTER_ROLES": "all=*; south=icos-south"}
    with (
        run_fleet_upstream(fleets.generate_fleet()) as upstream,
        run_page_gateway(folder, upstream.url, **settings) as gateway,
    ):
        yield build_url(gateway)


@pytest.fixture
def upstream() -> Iterator[FleetUpstream]:
    """A Prometheus of ten nodes in five clusters, which the test changes."""
    with run_fleet_upstream(fleets.generate_fleet()) as running:
        yield running


@pytest.fixture
def live_url(tmp_path: Path, upstream: FleetUpstream) -> Iterator[str]:
    """A gateway of the fleet of `upstream`, which refreshes as often as it can."""
    with run_page_gateway(tmp_path, upstream.url) as gateway:
        yield build_url(gateway)
