"""A recording as PROMETHEUS_ADDRESS names it: replay:FILE, and behind a # how fast."""

import re
from dataclasses import dataclass

from aggregator.errors import RecordingError
from aggregator.recording.tape import Tape

PREFIX = "replay:"
FASTEST = 1_000_000.0
_SPEED = re.compile(r"speed=([0-9]{1,7}(?:\.[0-9]{1,6})?|max)", re.ASCII)


@dataclass(frozen=True)
class Replayed:
    """A recording that stands in for the upstreams; `speed` is how many times as fast, None: each refresh the next."""

    path: str
    speed: float | None = 1.0


def replayed(text: str) -> Replayed | None:
    """Return the recording that is named, None where upstreams are; raise ValueError for a speed that is none."""
    if not text.startswith(PREFIX):
        return None
    path, mark, options = text.removeprefix(PREFIX).partition("#")
    if not path:
        raise ValueError("names no file behind replay:")
    return Replayed(path, _speed(options) if mark else 1.0)


def _speed(options: str) -> float | None:
    found = _SPEED.fullmatch(options)
    if found is None:
        raise ValueError("has something else than speed=… behind its #")
    if found[1] == "max":
        return None
    speed = float(found[1])
    if not 0 < speed <= FASTEST:
        raise ValueError(f"has a speed that is not more than 0 and at most {FASTEST:.0f}")
    return speed


def check(recording: Replayed) -> None:
    """Raise ValueError unless the file can be replayed; what can be known of damage at the start is found out here."""
    try:
        Tape(recording.path).close()
    except RecordingError as error:
        # Nothing behind a comma is taken for another upstream: a comma may be in a file's name.
        alone = "; a recording is replayed alone, with no upstream beside it" if "," in recording.path else ""
        raise ValueError(f"the recording {error}{alone}") from None
