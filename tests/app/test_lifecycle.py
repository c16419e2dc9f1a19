"""The lifecycle of the gateway: what happens when one of its parts ends by itself."""

import asyncio
from collections.abc import Callable, Coroutine

import pytest

from aggregator.app.supervision import wait_until_stopped
from aggregator.app.wiring import build_components
from aggregator.observability.redaction import PATTERN_REDACTOR
from aggregator.settings.gateway import Settings
from aggregator.settings.settings import load_settings
from tests.server.auth.signed_tokens import FakeRealm

STOP_TIMEOUT_SECONDS = 10.0


async def run_forever() -> None:
    """Run until cancelled."""
    await asyncio.Event().wait()


async def raise_error() -> None:
    """Raise an error."""
    raise RuntimeError("a defect")


async def return_at_once() -> None:
    """Return as if the work were done."""


@pytest.mark.parametrize("part", [raise_error, return_at_once], ids=["breaks", "ends"])
async def test_a_component_that_ends_stops_the_gateway(part: Callable[[], Coroutine[None, None, None]]) -> None:
    """A part that fails, or returns, is named, without any signal."""
    tasks = [asyncio.create_task(run_forever(), name="http"), asyncio.create_task(part(), name="refresher")]
    async with asyncio.timeout(STOP_TIMEOUT_SECONDS):
        assert await wait_until_stopped(asyncio.Event(), tasks) == ["refresher"]
    tasks[0].cancel()


async def test_a_cancelled_component_counts_as_failed() -> None:
    """A part that something else cancelled is named as well."""
    task = asyncio.create_task(run_forever(), name="grpc health")
    task.cancel()
    async with asyncio.timeout(STOP_TIMEOUT_SECONDS):
        assert await wait_until_stopped(asyncio.Event(), [task]) == ["grpc health"]


async def test_a_signal_names_no_component() -> None:
    """If a signal arrives while all parts run, none of them is named."""
    stop, task = asyncio.Event(), asyncio.create_task(run_forever(), name="http")
    stop.set()
    async with asyncio.timeout(STOP_TIMEOUT_SECONDS):
        assert await wait_until_stopped(stop, [task]) == []
    task.cancel()


@pytest.mark.parametrize(
    ("access", "expected_reason"),
    [
        ({}, "no topology yet: the first refresh is still running"),
        ({"KEY": FakeRealm().key_setting}, "no topology yet"),
        ({"ISSUER": "http://127.0.0.1:9/realm"}, "no keys to verify tokens yet"),
    ],
    ids=["open", "key", "issuer"],
)
def test_readiness_without_details_where_tokens_are_required(access: dict[str, str], expected_reason: str) -> None:
    """The details of an upstream are only for callers who may see the topology."""
    parts = build_components(
        load_settings({"PROMETHEUS_ADDRESS": "http://127.0.0.1:9"} | access, Settings), PATTERN_REDACTOR
    )
    parts.refresher.close()
    assert parts.readiness.get_unready_reason() == expected_reason
