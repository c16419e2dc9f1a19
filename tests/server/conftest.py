"""What the tests of the servers share: a realm, and the servers with and without its key."""

from collections.abc import Iterator, Sequence

import pytest
import structlog

from aggregator.refresh.snapshot import Snapshot
from aggregator.settings import settings
from aggregator.settings.gateway import Settings
from benchmarks.fleet_recording import record_fleet
from demo.recording import REFRESH_COUNT, SHIPPED_RECORDING
from tests.demo.replay import replay_snapshots
from tests.server.auth.guards import build_static_guard
from tests.server.auth.signed_tokens import FakeRealm
from tests.server.running_servers import ServerPorts, run_servers
from tests.server.snapshot_provider import FakeSnapshotProvider


@pytest.fixture(scope="session", autouse=True)
def _log_plain_tracebacks() -> None:
    """Log exceptions without local variables: structlog's default format takes seconds for a deep stack."""
    renderer = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[structlog.processors.add_log_level, renderer])


@pytest.fixture(scope="session")
def realm() -> FakeRealm:
    """A realm with a key of its own."""
    return FakeRealm()


@pytest.fixture(scope="session")
def public_key(realm: FakeRealm) -> str:
    """The realm's public key as the settings hand it to the guard."""
    read = settings.load_settings({"PROMETHEUS_ADDRESS": "http://127.0.0.1:9", "KEY": realm.key_setting}, Settings)
    assert read.KEY is not None
    return read.KEY.get_secret_value()


@pytest.fixture(scope="session")
def _open_servers() -> Iterator[tuple[FakeSnapshotProvider, ServerPorts]]:
    source = FakeSnapshotProvider()
    with run_servers(source, None) as ports:
        yield source, ports


@pytest.fixture(scope="session")
def _guarded_servers(public_key: str) -> Iterator[tuple[FakeSnapshotProvider, ServerPorts]]:
    source = FakeSnapshotProvider()
    with run_servers(source, build_static_guard(public_key)) as ports:
        yield source, ports


@pytest.fixture
def source(_open_servers: tuple[FakeSnapshotProvider, ServerPorts]) -> FakeSnapshotProvider:
    """What the open servers show, as new."""
    _open_servers[0].reset()
    return _open_servers[0]


@pytest.fixture
def ports(_open_servers: tuple[FakeSnapshotProvider, ServerPorts], source: FakeSnapshotProvider) -> ServerPorts:
    """Where the open servers listen."""
    assert source is _open_servers[0]
    return _open_servers[1]


@pytest.fixture
def guarded_source(_guarded_servers: tuple[FakeSnapshotProvider, ServerPorts]) -> FakeSnapshotProvider:
    """What the guarded servers show, as new."""
    _guarded_servers[0].reset()
    return _guarded_servers[0]


@pytest.fixture
def guarded(
    _guarded_servers: tuple[FakeSnapshotProvider, ServerPorts], guarded_source: FakeSnapshotProvider
) -> ServerPorts:
    """Where the servers listen that ask for the realm's tokens."""
    assert guarded_source is _guarded_servers[0]
    return _guarded_servers[1]


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Snapshot]:
    """What the demo shows: each moment of its recording, then two of the fleet that it simulates with a Prometheus."""
    live = tmp_path_factory.mktemp("demo") / "fleet.recording"
    record_fleet(30, live, refreshes=2, pods_per_node=8)
    return [*replay_snapshots(SHIPPED_RECORDING, REFRESH_COUNT), *replay_snapshots(live, 2)]
