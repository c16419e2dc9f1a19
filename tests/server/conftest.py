"""What the tests of the servers share: a realm, and the servers with and without its key."""

from collections.abc import Iterator, Sequence

import pytest

from aggregator import settings
from aggregator.snapshot import Snapshot
from benchmarks.fleet_recording import write
from demo.recording import REFRESHES, SHIPPED
from tests.demo.replayed import replayed
from tests.server.judging import static_guard
from tests.server.serving import Ports, serving
from tests.server.source import CommandedSource
from tests.server.tokens import Realm


@pytest.fixture(scope="session")
def realm() -> Realm:
    """A realm with a key of its own."""
    return Realm()


@pytest.fixture(scope="session")
def public_key(realm: Realm) -> str:
    """The realm's public key as the settings hand it to the guard."""
    read = settings.read({"PROMETHEUS_ADDRESS": "http://127.0.0.1:9", "KEY": realm.setting})
    assert read.KEY is not None
    return read.KEY.get_secret_value()


@pytest.fixture(scope="session")
def _open_servers() -> Iterator[tuple[CommandedSource, Ports]]:
    source = CommandedSource()
    with serving(source, None) as ports:
        yield source, ports


@pytest.fixture(scope="session")
def _guarded_servers(public_key: str) -> Iterator[tuple[CommandedSource, Ports]]:
    source = CommandedSource()
    with serving(source, static_guard(public_key)) as ports:
        yield source, ports


@pytest.fixture
def source(_open_servers: tuple[CommandedSource, Ports]) -> CommandedSource:
    """What the open servers show, as new."""
    _open_servers[0].reset()
    return _open_servers[0]


@pytest.fixture
def ports(_open_servers: tuple[CommandedSource, Ports], source: CommandedSource) -> Ports:
    """Where the open servers listen."""
    assert source is _open_servers[0]
    return _open_servers[1]


@pytest.fixture
def guarded_source(_guarded_servers: tuple[CommandedSource, Ports]) -> CommandedSource:
    """What the guarded servers show, as new."""
    _guarded_servers[0].reset()
    return _guarded_servers[0]


@pytest.fixture
def guarded(_guarded_servers: tuple[CommandedSource, Ports], guarded_source: CommandedSource) -> Ports:
    """Where the servers listen that ask for the realm's tokens."""
    assert guarded_source is _guarded_servers[0]
    return _guarded_servers[1]


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Snapshot]:
    """What the demo shows: each moment of its recording, then two of the fleet that it simulates with a Prometheus."""
    live = tmp_path_factory.mktemp("demo") / "fleet.recording"
    write(30, live, refreshes=2, pods_per_node=8)
    return [*replayed(SHIPPED, REFRESHES), *replayed(live, 2)]
