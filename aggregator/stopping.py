"""Signals that tell the program to stop: while it starts, while it serves, and when it has stopped."""

import asyncio
import os
import signal
from types import FrameType


def leave_when_told() -> None:
    """Let a signal end the process at once, with code 0: nothing has begun that would have to be finished.

    The first process of a container would not even notice a signal that it has no handler for.
    """
    for number in _signals():
        signal.signal(number, _leave)


def stop_signal() -> asyncio.Event:
    """Return an event of the loop that runs, which a signal sets from now on."""
    stop = asyncio.Event()
    for number in _signals():
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


def ignore_signals() -> None:
    """Let signals do nothing any more: whoever asks once more to stop must not change how the process ends."""
    for number in _signals():
        asyncio.get_running_loop().remove_signal_handler(number)
        signal.signal(number, signal.SIG_IGN)


def _signals() -> list[signal.Signals]:
    """Return which signals stop the program; a terminal that closes is no reason for one that was told so (nohup)."""
    hangs_up = signal.getsignal(signal.SIGHUP) != signal.SIG_IGN
    return [signal.SIGTERM, signal.SIGINT, *([signal.SIGHUP] if hangs_up else [])]


def _leave(_number: int, _frame: FrameType | None) -> None:
    # Not by an exception: in the middle of an import it could end up anywhere.
    os._exit(0)
