"""The running program: the order in which its parts start and stop."""

import asyncio
import contextlib
from collections.abc import Sequence

import uvloop

from aggregator import process
from aggregator.assembly import assembled, servers_of
from aggregator.errors import PartEndedError
from aggregator.logs import logger
from aggregator.secrets import Secrets
from aggregator.settings import Settings
from aggregator.stopping import ignore_signals, stop_signal

# Between turning not ready and closing the doors: so that whoever asks in between learns of it.
NOTICE_SECONDS = 0.5
# What a refresh that is broken off at the end gets to notice it.
LAST_SECONDS = 0.5

_log = logger(__name__)


def run(settings: Settings, secrets: Secrets) -> None:
    """Serve until SIGTERM or SIGINT; raise PortInUseError where a server cannot listen."""
    process.be_quick_to_answer()
    process.be_quick_to_return_memory()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings, secrets))


async def _serve(settings: Settings, secrets: Secrets) -> None:
    stop = stop_signal()
    parts = assembled(settings, secrets)
    with contextlib.closing(parts.refresher):
        servers = servers_of(settings, parts)
        for server in servers:
            await server.start()
        running = [asyncio.create_task(parts.refresher.run(), name="refresher")]
        if parts.keys is not None:
            running.append(asyncio.create_task(parts.keys.run(), name="keys"))
        broken = await until_stopped(stop, [*running, *(task for server in servers for task in server.tasks)])
        _log.info("stopping", grace_seconds=settings.GRACE)
        parts.readiness.stop()
        parts.refresher.stop_waiting()
        await asyncio.sleep(min(NOTICE_SECONDS, settings.GRACE / 2))
        await asyncio.gather(*(server.stop() for server in servers), return_exceptions=bool(broken))
        for task in running:
            task.cancel()
        await asyncio.wait(running)
        parts.refresher.close()
        await parts.refresher.ended(LAST_SECONDS)
    if parts.watch.tracing is not None:
        await asyncio.to_thread(parts.watch.tracing.close)
    _log.info("stopped")
    ignore_signals()
    if broken:
        raise PartEndedError(", ".join(broken))


async def until_stopped(stop: asyncio.Event, parts: "Sequence[asyncio.Task[None]]") -> list[str]:
    """Wait for the signal, or for a part that ends by itself; return the names of those that did.

    They only do if they broke. Then the whole process ends: half a gateway looks well from outside.
    """
    for part in parts:
        part.add_done_callback(lambda _ended: stop.set())
    await stop.wait()
    broken = [part for part in parts if part.done()]
    for part in broken:
        why = None if part.cancelled() else part.exception()
        _log.error("a part ended by itself", part=part.get_name(), exc_info=why)
    return [part.get_name() for part in broken]
