"""An agent beside an Engine with recorded responses."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aggregator.agent.host import FileSystem, HostFacts, NetworkInterface
from aggregator.docker.address import EngineAddress
from aggregator.docker.engine import DockerEngine
from tests.support.fake_engine import FakeEngine, run_fake_engine

HOST = HostFacts(
    time_seconds=1767323045.5,
    boot_time_seconds=1767000000.0,
    cpu_seconds=({"user": 10.5, "system": 2.0, "idle": 100.0, "guest": 1.0},),
    memory_total_bytes=8_000_000_000,
    memory_free_bytes=1_000_000_000,
    memory_available_bytes=5_000_000_000,
    memory_used_bytes=3_000_000_000,
    file_systems=(FileSystem("/dev/sda1", "ext4", "/", 100_000, 40_000, 55_000),),
    interfaces=(
        NetworkInterface("eth0", True, "full", 1_000_000_000, 1500, "02:00:00:00:00:01", (("10.0.0.5", "24"),), 7, 8),
        NetworkInterface("lo", True, "unknown", 0, 65536, "", (("127.0.0.1", "8"),), 9, 9),
    ),
)


@pytest.fixture
async def fake(tmp_path: Path) -> AsyncIterator[FakeEngine]:
    """A running Engine with recorded responses."""
    async with run_fake_engine(tmp_path) as (engine, _path):
        yield engine


@pytest.fixture
def socket_path(tmp_path: Path) -> str:
    """The path of its socket."""
    return str(tmp_path / "engine.sock")


@pytest.fixture
async def engine(fake: FakeEngine, socket_path: str) -> AsyncIterator[DockerEngine]:
    """A connection to it."""
    del fake
    engine = DockerEngine(EngineAddress(socket_path=socket_path))
    yield engine
    await engine.close()
