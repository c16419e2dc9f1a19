"""Makes the recording that the demo falls back on: python -m demo.recording [FILE].

The same fleet at the same moments each time, so that it can be made anew whenever the catalog has a new row.
"""

import io
import sys
from pathlib import Path

from aggregator.errors import RecordingError
from aggregator.models.catalog import CATALOG
from aggregator.recording.lines import Source
from aggregator.recording.tape import Tape
from aggregator.recording.writer import Writer
from demo.answers import SOURCE, record, whole
from demo.fleet import Fleet

PROJECT = Path(__file__).resolve().parent.parent
SHIPPED = PROJECT / "demo" / "fleet.recording"
NODES = 10
PODS_PER_NODE = 4
REFRESHES = 5
STEP_SECONDS = 24
# Two minutes in all, after which it begins anew: at the last moment the host that comes and goes is away.
FIRST_SECONDS = 1_795_208_160.0
LEVEL = 22
# It is part of every checkout.
MOST_BYTES = 200_000


def made() -> bytes:
    """Return the recording."""
    fleet = Fleet.of(NODES, PODS_PER_NODE, since_seconds=FIRST_SECONDS)
    out = io.BytesIO()
    writer = Writer(out, [Source(SOURCE)], FIRST_SECONDS, level=LEVEL)
    for number in range(REFRESHES):
        at_seconds = FIRST_SECONDS + number * STEP_SECONDS
        record(writer, whole(fleet, at_seconds), at_seconds)
    return out.getvalue()


def is_current(path: Path = SHIPPED) -> bool:
    """Return whether a recording has answers to just what the catalog asks; one that cannot be read has not."""
    try:
        tape = Tape(str(path))
    except RecordingError:
        return False
    with tape:
        recorded = {answer.promql for number in range(len(tape.moments)) for answer, _ in tape.answers(number)}
    return recorded == {row.ask.text for row in CATALOG}


if __name__ == "__main__":
    Path(sys.argv[1] if sys.argv[1:] else SHIPPED).write_bytes(made())
