"""Takes one snapshot: asks every row, lets earlier answers stand in where that is right, builds, renders."""

import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from aggregator.documents import Documents, Form, View
from aggregator.errors import QueryError, RefreshFailedError
from aggregator.harvest import Asked, Harvest, Kept
from aggregator.logs import logger
from aggregator.models.build import DEFAULT_CLUSTER, build, reading_order
from aggregator.models.recall import Recall
from aggregator.models.row import Row
from aggregator.models.topology import Topology
from aggregator.process import collecting_afterwards
from aggregator.quality import Quality, assessed
from aggregator.querier.gather import Gatherer
from aggregator.snapshot import GapKind, Snapshot, gaps_of
from aggregator.vanished import Lookout

_log = logger(__name__)


class Timeline(Protocol):
    """Which moment it is at the upstreams."""

    def begin(self, wall_seconds: float) -> float:
        """Return the moment that a refresh is for which begins now."""

    def now(self, wall_seconds: float) -> float:
        """Return the moment to which the ages of what the last refresh saw are counted."""


class Present:
    """The upstreams live in our time."""

    def begin(self, wall_seconds: float) -> float:
        """Return the same moment."""
        return wall_seconds

    def now(self, wall_seconds: float) -> float:
        """Return the same moment."""
        return wall_seconds


PRESENT = Present()


@dataclass(frozen=True)
class Views:
    """The views of a snapshot by name, and which of them are made with it rather than at first need."""

    by_name: Mapping[str, View]
    eager: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """What to ask, how long a last answer may stand in, and what to call the cluster that nothing names.

    `vanished_notice_seconds` is how long it is told that a cluster or many nodes vanished; 0: not at all. With
    `whole_only` a refresh counts only if every answer is there and none is partial.
    """

    rows: tuple[Row, ...]
    max_stale_seconds: float
    default_cluster: str = DEFAULT_CLUSTER
    whole_only: bool = False
    vanished_notice_seconds: float = 0.0


class Taker:
    """Takes snapshots from one upstream or several, and remembers each row's last answer from each, packed."""

    def __init__(self, gatherers: Sequence[Gatherer], plan: Plan, views: Views, timeline: Timeline = PRESENT) -> None:
        self._gatherers = gatherers
        self.timeline = timeline
        self._plan = plan
        self._build = partial(build, rows=plan.rows, default_cluster=plan.default_cluster, recall=Recall())
        self._views = views
        self._kept: Mapping[Asked, Kept] = {}
        self._lookout = Lookout(plan.vanished_notice_seconds)
        # Only for as long as somebody shows them: what is too old to be shown is not kept for this.
        self._last: weakref.ref[Documents] | None = None
        # How good the last take was, whether it gave a snapshot or raised; None where it broke.
        self.quality: Quality | None = None
        self._wanted: frozenset[Form] = frozenset()

    def take(self, wall_seconds: float, now: float) -> tuple[Snapshot, tuple[QueryError, ...]]:
        """Return a snapshot of what the upstreams know at `wall_seconds`, and the failures that the pace heeds.

        `now` is the same moment on the monotonic clock. Raises RefreshFailedError where nothing was
        answered, so little that no cluster can be told, or less than all where only all counts.
        """
        with collecting_afterwards():
            return self._take(wall_seconds, now)

    def _take(self, wall_seconds: float, now: float) -> tuple[Snapshot, tuple[QueryError, ...]]:
        self.quality = None
        at_seconds = self.timeline.begin(wall_seconds)
        harvest = self._ask(at_seconds, now)
        # The builder reads the first answers while later ones are under way.
        topology, tally = self._build(harvest)
        tally.dropped.update(harvest.left_out)
        self.quality = assessed(self._plan.rows, harvest.answers, topology, tally)
        # Of several upstreams each is given the patience that it asks for: the others go on.
        failures = tuple(harvest.failures.values()) if len(self._gatherers) == 1 else ()
        if harvest.is_in_vain:
            raise RefreshFailedError(harvest.reason(), failures)
        unknown = [row for row in self._plan.rows if row.vital and harvest.is_unanswered(row)]
        if unknown and not topology.clusters:
            raise RefreshFailedError(harvest.reason(unknown), failures)
        if self._plan.whole_only and harvest.doubt:
            raise RefreshFailedError(harvest.doubt, failures)
        self._kept = harvest.keep
        gaps = (*harvest.gaps, *self._lookout.look(topology, now), *gaps_of(tally))
        snapshot = Snapshot(self._documents(topology, at_seconds), gaps, now, harvest.oldest)
        vanished = tuple(gap.detail for gap in gaps if gap.kind is GapKind.VANISHED)
        self.quality = replace(self.quality, complete=snapshot.is_complete, vanished=vanished)
        self.render(snapshot)
        return snapshot, failures

    def _ask(self, at_seconds: float, now: float) -> Harvest:
        queries = [row.query for row in reading_order(self._plan.rows)]
        several = len(self._gatherers) > 1
        reading = self._gatherers[0].reading()
        gatherings = [
            gatherer.gather(queries, at_seconds, beside_others=several, reading=reading) for gatherer in self._gatherers
        ]
        return Harvest(self._plan.rows, gatherings, self._kept, now, self._plan.max_stale_seconds)

    def _documents(self, topology: Topology, at_seconds: float) -> Documents:
        """Return the documents of a topology: those of the last refresh if nothing has changed since."""
        last = self._last() if self._last is not None else None
        if last is not None and not last.is_again and last.topology.version == topology.version:
            return last
        self._wanted = frozenset(last.wanted) if last is not None else frozenset()
        made = Documents(topology, at_seconds, self._views.by_name)
        self._last = weakref.ref(made)
        return made

    def render(self, snapshot: Snapshot) -> None:
        """Make the bytes that requests most likely ask for: always those of some views, and what was asked for last."""
        for view in self._views.eager:
            snapshot.body(view)
        for form in self._wanted:
            try:
                snapshot.documents.body(*form)
            except Exception:  # noqa: BLE001 - one view that breaks costs those who ask for it, not all others
                _log.exception("rendering broke", view=form.view)

    def close(self) -> None:
        """Let go of threads and connections."""
        for gatherer in self._gatherers:
            gatherer.close()
