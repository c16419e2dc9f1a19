"""The running program: what happens when one of its parts ends by itself."""

import asyncio
from collections.abc import Callable, Coroutine

import pytest

from aggregator.assembly import assembled
from aggregator.gateway import until_stopped
from aggregator.secrets import NONE_KNOWN
from aggregator.settings import read
from tests.server.tokens import Realm

SECONDS = 10.0


async def for_ever() -> None:
    """Run until cancelled."""
    await asyncio.Event().wait()


async def breaks() -> None:
    """End with an error."""
    raise RuntimeError("a defect")


async def ends() -> None:
    """End as if all were done."""


@pytest.mark.parametrize("part", [breaks, ends], ids=["breaks", "ends"])
async def test_a_part_that_ends_stops_all(part: Callable[[], Coroutine[None, None, None]]) -> None:
    """A part that breaks, or just ends, is named, without any signal."""
    tasks = [asyncio.create_task(for_ever(), name="http"), asyncio.create_task(part(), name="refresher")]
    async with asyncio.timeout(SECONDS):
        assert await until_stopped(asyncio.Event(), tasks) == ["refresher"]
    tasks[0].cancel()


async def test_a_cancelled_part_counts_as_broken() -> None:
    """A part that something else cancelled is missed as well."""
    task = asyncio.create_task(for_ever(), name="grpc health")
    task.cancel()
    async with asyncio.timeout(SECONDS):
        assert await until_stopped(asyncio.Event(), [task]) == ["grpc health"]


async def test_a_signal_names_nobody() -> None:
    """When the signal comes and all parts run, nothing is broken."""
    stop, task = asyncio.Event(), asyncio.create_task(for_ever(), name="http")
    stop.set()
    async with asyncio.timeout(SECONDS):
        assert await until_stopped(stop, [task]) == []
    task.cancel()


@pytest.mark.parametrize(
    ("access", "told"),
    [
        ({}, "no topology yet: the first refresh is not finished"),
        ({"KEY": Realm().setting}, "no topology yet"),
        ({"ISSUER": "http://127.0.0.1:9/realm"}, "no keys to check tokens with yet"),
    ],
    ids=["open", "key", "issuer"],
)
def test_readiness_is_brief_where_tokens_are_asked_for(access: dict[str, str], told: str) -> None:
    """Anybody may ask for the readiness: what an upstream says is for those alone who may see the topology."""
    parts = assembled(read({"PROMETHEUS_ADDRESS": "http://127.0.0.1:9"} | access), NONE_KNOWN)
    parts.refresher.close()
    assert parts.readiness.why_not() == told
