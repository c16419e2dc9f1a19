"""Stop signals: while the program starts, while it serves, and after it has stopped."""

import asyncio
import os
import signal
from types import FrameType


def exit_on_signal() -> None:
    """Make stop signals end the process at once with code 0, as long as nothing is running yet.

    Without a handler, the first process of a container ignores SIGTERM.
    """
    for number in _list_stop_signals():
        signal.signal(number, _exit_immediately)


def restore_default_signals() -> None:
    """Restore the default handlers: an interrupted command exits with an error."""
    for number in _list_stop_signals():
        signal.signal(number, signal.default_int_handler if number is signal.SIGINT else signal.SIG_DFL)


def create_stop_event() -> asyncio.Event:
    """Return an event that stop signals set, on the running event loop."""
    stop = asyncio.Event()
    for number in _list_stop_signals():
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


def ignore_signals() -> None:
    """Ignore stop signals: another signal must not change the exit code of a process that has stopped."""
    for number in _list_stop_signals():
        asyncio.get_running_loop().remove_signal_handler(number)
        signal.signal(number, signal.SIG_IGN)


def _list_stop_signals() -> list[signal.Signals]:
    """Return SIGTERM and SIGINT, and SIGHUP unless it is ignored, as under nohup."""
    handles_sighup = signal.getsignal(signal.SIGHUP) != signal.SIG_IGN
    return [signal.SIGTERM, signal.SIGINT, *([signal.SIGHUP] if handles_sighup else [])]


def _exit_immediately(_number: int, _frame: FrameType | None) -> None:
    # Not with an exception, which could be raised and caught in the middle of an import.
    os._exit(0)
