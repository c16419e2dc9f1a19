"""What a gateway shows of a recording, refresh by refresh, without a process around it."""

from pathlib import Path

from aggregator.secrets import NONE_KNOWN
from aggregator.settings import read
from aggregator.snapshot import Snapshot
from aggregator.sources import sources_of, taker_of
from aggregator.take import Views
from aggregator.views import BY_NAME


def replayed(path: Path, refreshes: int) -> list[Snapshot]:
    """Return what is shown of the first refreshes of a recording."""
    settings = read({"PROMETHEUS_ADDRESS": f"replay:{path}#speed=max"})
    sources = sources_of(settings, NONE_KNOWN)
    taker = taker_of(settings, sources, Views(BY_NAME, ()))
    try:
        return [taker.take(0.0, 0.0)[0] for _ in range(refreshes)]
    finally:
        taker.close()
        assert sources.tape is not None
        sources.tape.close()
