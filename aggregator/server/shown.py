"""What a caller is shown of the current snapshot, over HTTP and gRPC alike."""

import asyncio
from typing import Protocol

from aggregator.coding import LEAST_BYTES
from aggregator.documents import Form
from aggregator.errors import NO_TOPOLOGY, NoTopologyError
from aggregator.grants import Grant
from aggregator.quality import Quality
from aggregator.snapshot import Snapshot


class Snapshots(Protocol):
    """Where the current snapshot comes from: `refresh.Refresher`, or a stand-in in a test."""

    @property
    def is_stopping(self) -> bool:
        """Whether nobody should wait for anything any more."""

    def current(self) -> Snapshot:
        """Return the snapshot; raise NoTopologyError if there is none to show."""

    def quality(self) -> Quality:
        """Return how good the last refresh was; the same object until that changes."""

    def age_seconds(self, snapshot: Snapshot) -> float:
        """Return how old a snapshot is."""

    def seconds_to_next(self) -> float:
        """Return when it is worth asking again."""

    async def fresh(self) -> None:
        """Wait for a newer snapshot, if one may be made."""

    async def changed(self) -> None:
        """Wait until another snapshot is current, or until it is stopping."""


async def part_shown(snapshots: Snapshots, grant: Grant) -> Snapshot:
    """Return what a caller may see of the current snapshot; a part that has to be taken first is taken on a thread.

    Raises NoTopologyError; whoever may not see every cluster does not learn which upstream is missing, either.
    """
    snapshot = _current(snapshots, grant)
    known = snapshot.known_part(grant)
    return known if known is not None else await asyncio.to_thread(snapshot.part, grant)


def known_part(snapshots: Snapshots, grant: Grant) -> Snapshot | None:
    """Return the same if it costs nothing, else None."""
    return _current(snapshots, grant).known_part(grant)


def _current(snapshots: Snapshots, grant: Grant) -> Snapshot:
    try:
        return snapshots.current()
    except NoTopologyError:
        if grant.is_for_everything:
            raise
        raise NoTopologyError(NO_TOPOLOGY) from None


async def bytes_of(snapshot: Snapshot, form: Form) -> tuple[Form, bytes]:
    """Return the bytes of a snapshot and their form: as wanted, but not packed where that is not worth it.

    What has to be made first is made on a thread.
    """
    documents = snapshot.documents
    body = documents.ready(form)
    if body is None and form.coding:
        plain, plain_body = await bytes_of(snapshot, Form(form.view))
        if len(plain_body) < LEAST_BYTES:
            return plain, plain_body
    if body is None:
        body = await asyncio.to_thread(documents.body, *form)
    documents.wanted.add(form)
    return form, body
