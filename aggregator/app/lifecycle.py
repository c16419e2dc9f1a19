"""Lifecycle of the gateway: the order in which its parts start and stop."""

import asyncio
import contextlib
from collections.abc import Sequence

import uvloop

from aggregator.app.signals import create_stop_event, ignore_signals
from aggregator.app.supervision import wait_until_stopped
from aggregator.app.wiring import Components, Server, build_components, build_servers
from aggregator.errors import ComponentStoppedError
from aggregator.observability.logs import get_logger
from aggregator.observability.redaction import Redactor
from aggregator.settings.gateway import Settings
from aggregator.util import runtime

# Between reporting not ready and closing the listeners, so that load balancers notice in time.
DRAIN_DELAY_SECONDS = 0.5
# The time an aborted refresh has to end.
REFRESH_STOP_TIMEOUT_SECONDS = 0.5

_log = get_logger(__name__)

_Tasks = Sequence["asyncio.Task[None]"]


def run_gateway(settings: Settings, redactor: Redactor) -> None:
    """Serve until a stop signal arrives.

    Raises PortInUseError if a server cannot listen, ComponentStoppedError if a component exits unexpectedly.
    """
    runtime.tune_interpreter()
    runtime.tune_malloc()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve_until_stopped(settings, redactor))


async def _serve_until_stopped(settings: Settings, redactor: Redactor) -> None:
    stop = create_stop_event()
    components = build_components(settings, redactor)
    with contextlib.closing(components.refresher):
        servers = build_servers(settings, components)
        for server in servers:
            await server.start()
        background_tasks = _start_background_tasks(components)
        server_tasks = [task for server in servers for task in server.tasks]
        failed_names = await wait_until_stopped(stop, [*background_tasks, *server_tasks])
        _log.info("stopping", grace_seconds=settings.GRACE)
        await _drain(components, settings.GRACE)
        await _stop_servers(servers, ignores_errors=bool(failed_names))
        await _cancel_background_tasks(background_tasks)
        components.refresher.close()
        await components.refresher.wait_for_refresh_end(REFRESH_STOP_TIMEOUT_SECONDS)
    if components.instrumentation.tracing is not None:
        await asyncio.to_thread(components.instrumentation.tracing.close)
    _log.info("stopped")
    ignore_signals()
    if failed_names:
        raise ComponentStoppedError(", ".join(failed_names))


def _start_background_tasks(components: Components) -> _Tasks:
    tasks = [asyncio.create_task(components.refresher.run(), name="refresher")]
    if components.keys is not None:
        tasks.append(asyncio.create_task(components.keys.run(), name="keys"))
    return tasks


async def _drain(components: Components, grace_seconds: float) -> None:
    """Report not ready and end long polls, and give load balancers time to notice."""
    components.readiness.stop()
    components.refresher.release_waiters()
    await asyncio.sleep(min(DRAIN_DELAY_SECONDS, grace_seconds / 2))


async def _stop_servers(servers: Sequence[Server], *, ignores_errors: bool) -> None:
    await asyncio.gather(*(server.stop() for server in servers), return_exceptions=ignores_errors)


async def _cancel_background_tasks(tasks: _Tasks) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
