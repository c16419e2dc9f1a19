"""Takes one snapshot: asks every row, lets earlier answers stand in where that is right, builds, renders."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from aggregator.errors import AggregatorError, QueryError
from aggregator.logs import logger
from aggregator.models.build import DEFAULT_CLUSTER, build, reading_order
from aggregator.models.row import Row
from aggregator.querier.decode import Answer, Sample
from aggregator.querier.gather import Gatherer, Outcome, unpack
from aggregator.snapshot import Gap, GapKind, Snapshot, View, gaps_of

_log = logger(__name__)


class RefreshFailedError(AggregatorError):
    """No snapshot could be taken; the text says why, `failures` holds each query's."""

    def __init__(self, reason: str, failures: tuple[QueryError, ...]) -> None:
        super().__init__(reason)
        self.failures = failures


@dataclass(frozen=True)
class Views:
    """The views of a snapshot by name, and which of them are made with it rather than at first need."""

    by_name: Mapping[str, View]
    eager: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """What to ask, how long a last answer may stand in, and what to call the cluster that nothing names."""

    rows: tuple[Row, ...]
    max_stale_seconds: float
    default_cluster: str = DEFAULT_CLUSTER


@dataclass(frozen=True)
class Kept:
    """A row's last answer, packed, and when it was asked for."""

    packed: bytes
    at: float


class Taker:
    """Takes snapshots from one upstream, and remembers each row's last answer, packed."""

    def __init__(self, gatherer: Gatherer, plan: Plan, views: Views) -> None:
        self._gatherer = gatherer
        self._plan = plan
        self._build = partial(build, rows=plan.rows, default_cluster=plan.default_cluster)
        self._views = views
        self._kept: Mapping[str, Kept] = {}

    def take(self, wall_seconds: float, now: float) -> tuple[Snapshot, tuple[QueryError, ...]]:
        """Return a snapshot of what the upstream knows at `wall_seconds`, and why queries failed.

        `now` is the same moment on the monotonic clock. Raises RefreshFailedError where nothing was
        answered, or so little that no cluster can be told.
        """
        rows = self._plan.rows
        outcomes = self._gatherer.gather([row.query for row in reading_order(rows)], wall_seconds)
        harvest = Harvest(self._plan, outcomes, self._kept, now)
        # The builder reads the first answers while later ones are under way.
        topology, tally = self._build(harvest)
        failures = tuple(harvest.failures.values())
        if len(failures) == len(rows):
            raise RefreshFailedError(_first(harvest.failures), failures)
        unknown = {row.name: harvest.failures[row.name] for row in rows if row.keeps and row.name in harvest.unanswered}
        if unknown and not topology.clusters:
            raise RefreshFailedError(_first(unknown), failures)
        self._kept = harvest.keep
        gaps = (*harvest.gaps, *gaps_of(tally))
        snapshot = Snapshot(topology, gaps, now, harvest.oldest, wall_seconds, self._views.by_name)
        self.render(snapshot)
        return snapshot, failures

    def render(self, snapshot: Snapshot) -> None:
        """Make the bytes that requests most likely ask for."""
        for view in self._views.eager:
            snapshot.body(view)

    def close(self) -> None:
        """Let go of threads and connections."""
        self._gatherer.close()


class Harvest(Mapping[str, list[Sample]]):
    """The samples of each row, for whoever builds from them, and a record of what was amiss with them.

    Reading a row waits for its outcome, so each is to be read once. A row without an answer gets its last
    one, where that may stand in; a row with neither is not in the mapping.
    """

    def __init__(self, plan: Plan, outcomes: Mapping[str, Outcome], kept: Mapping[str, Kept], now: float) -> None:
        self._rows = {row.name: row for row in plan.rows}
        self._max_stale_seconds = plan.max_stale_seconds
        self._outcomes = outcomes
        self._kept = kept
        self._now = now
        self.gaps: list[Gap] = []
        self.failures: dict[str, QueryError] = {}
        self.unanswered: set[str] = set()
        self.keep: dict[str, Kept] = {}
        # When the oldest answer that was read had been asked for.
        self.oldest = now

    def __getitem__(self, name: str) -> list[Sample]:
        outcome = self._outcomes[name]
        if isinstance(outcome.result, Answer):
            samples = len(outcome.result.samples)
            _log.debug("query answered", query=name, took_ms=round(1000 * outcome.seconds), samples=samples)
            self.keep[name] = Kept(outcome.packed, self._now)
            self.gaps += [Gap(GapKind.WARNING, name, text) for text in outcome.result.warnings]
            self.gaps += [Gap(GapKind.REMARK, name, text) for text in outcome.result.remarks]
            return outcome.result.samples
        return self._instead(self._rows[name], outcome.result)

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def _instead(self, row: Row, error: QueryError) -> list[Sample]:
        """Return the row's last answer where it may stand in for the one that did not come.

        It may where the upstream said nothing against the query, or where the row tells what clusters and
        nodes there are: without it everything else would have no place.
        """
        self.failures[row.name] = error
        kept = self._kept.get(row.name)
        may_stand_in = row.keeps or error.may_use_last_answer
        if kept is None or not may_stand_in or self._now - kept.at >= self._max_stale_seconds:
            self.unanswered.add(row.name)
            self.gaps.append(Gap(GapKind.FAILED, row.name, str(error)))
            raise KeyError(row.name)
        self.keep[row.name] = kept
        self.gaps.append(Gap(GapKind.STALE, row.name, f"{self._now - kept.at:.0f} s old, because {error}"))
        self.oldest = min(self.oldest, kept.at)
        return row.query.decode(unpack(kept.packed)).samples


def _first(failures: Mapping[str, QueryError]) -> str:
    name, error = next(iter(failures.items()))
    return f"query {name}: {error}"
