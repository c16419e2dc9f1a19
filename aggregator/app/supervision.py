"""Supervision of the tasks that must run until a process stops."""

import asyncio
from collections.abc import Sequence

from aggregator.observability.logs import get_logger

_log = get_logger(__name__)


async def wait_until_stopped(stop: asyncio.Event, tasks: "Sequence[asyncio.Task[None]]") -> list[str]:
    """Wait for the stop signal, or until one of the tasks ends; return the names of tasks that ended.

    A task ends only because of a defect. The whole process then stops; otherwise it would look healthy while a
    component is missing.
    """
    for task in tasks:
        task.add_done_callback(lambda _ended: stop.set())
    await stop.wait()
    failed_tasks = [task for task in tasks if task.done()]
    for task in failed_tasks:
        cause = None if task.cancelled() else task.exception()
        _log.error("component stopped", component=task.get_name(), exc_info=cause)
    return [task.get_name() for task in failed_tasks]
