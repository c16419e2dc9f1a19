"""The past instant that a request names, over HTTP with `time=` and over gRPC with metadata, and its snapshot."""

from aggregator.errors import BadRequestError, PastSnapshotError
from aggregator.lookup.instants import TIME_PARAMETER, parse_instant
from aggregator.models.grant import Grant
from aggregator.refresh.past import PastSnapshot
from aggregator.server.visibility import SnapshotProvider

_WAIT_PARAMETER = "wait"


async def find_past_snapshot(
    snapshots: SnapshotProvider, grant: Grant, text: str, parameter: str = TIME_PARAMETER
) -> PastSnapshot | None:
    """Return the whole snapshot of the instant in a request, None if the text is empty: the current one is requested.

    Raises a RequestError if the instant is invalid, PastSnapshotError if there is no snapshot now. Its text names
    upstreams only to callers who may see everything.
    """
    if not text:
        return None
    return await get_past_snapshot(
        snapshots, grant, parse_instant(text, snapshots.past.now_seconds, parameter), parameter
    )


async def get_past_snapshot(snapshots: SnapshotProvider, grant: Grant, at_seconds: int, parameter: str) -> PastSnapshot:
    """Return the whole snapshot of an instant; raises the errors of `find_past_snapshot`."""
    try:
        return await snapshots.past.get(at_seconds, parameter)
    except PastSnapshotError as error:
        if grant.is_unrestricted:
            raise
        raise PastSnapshotError(error.summary, "", error.retry_after_seconds, is_refused=error.is_refused) from None


def refuse_wait(time: str, wait: str) -> None:
    """Raise BadRequestError for a request that waits for a change of a past instant."""
    if time and wait:
        raise BadRequestError(
            f"{_WAIT_PARAMETER} cannot be combined with {TIME_PARAMETER}: a past topology does not change",
            parameter=_WAIT_PARAMETER,
        )
