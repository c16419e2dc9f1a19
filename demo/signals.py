"""How the demo is told to stop: the first Ctrl-C or SIGTERM becomes an exception, later ones change nothing."""

import signal
from types import FrameType

STOPPING = (signal.SIGINT, signal.SIGTERM)


class StopRequest(BaseException):
    """A person or a supervisor asked for the end; no error, so that no `except Exception` may hold it up."""


def arm() -> None:
    """From now on let the first signal raise StopRequest in the main thread."""
    for number in STOPPING:
        signal.signal(number, _stop)


def disarm() -> None:
    """Let nothing interrupt the parts from being stopped in order."""
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)


def _stop(_number: int, _frame: FrameType | None) -> None:
    disarm()
    raise StopRequest
