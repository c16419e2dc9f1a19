"""Takes one snapshot: asks every row, lets earlier answers stand in where that is right, builds, renders."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from aggregator.errors import AggregatorError, QueryError
from aggregator.models.build import DEFAULT_CLUSTER, build
from aggregator.models.row import Row
from aggregator.querier.decode import Answer
from aggregator.querier.gather import Gatherer, Outcome, unpack
from aggregator.snapshot import Gap, GapKind, Snapshot, View, gaps_of


class RefreshFailedError(AggregatorError):
    """No snapshot could be taken; the text says why, `outcomes` what became of each query."""

    def __init__(self, reason: str, outcomes: Mapping[str, Outcome]) -> None:
        super().__init__(reason)
        self.outcomes = outcomes


@dataclass(frozen=True)
class Views:
    """The views of a snapshot by name, and which of them are made with it rather than at first need."""

    by_name: Mapping[str, View]
    eager: tuple[str, ...]


@dataclass(frozen=True)
class _Kept:
    """A row's last answer, packed, and when it was asked for."""

    packed: bytes
    at: float


@dataclass(frozen=True)
class Plan:
    """What to ask, how long a last answer may stand in, and what to call the cluster that nothing names."""

    rows: tuple[Row, ...]
    max_stale_seconds: float
    default_cluster: str = DEFAULT_CLUSTER


class Taker:
    """Takes snapshots from one upstream, and remembers each row's last answer, packed."""

    def __init__(self, gatherer: Gatherer, plan: Plan, views: Views) -> None:
        self._gatherer = gatherer
        self._rows = plan.rows
        self._max_stale_seconds = plan.max_stale_seconds
        self._build = partial(build, rows=plan.rows, default_cluster=plan.default_cluster)
        self._views = views
        self._kept: dict[str, _Kept] = {}

    def take(self, wall_seconds: float, now: float) -> tuple[Snapshot, Mapping[str, Outcome]]:
        """Return a snapshot of what the upstream knows at `wall_seconds`, and what became of each query.

        `now` is the same moment on the monotonic clock. Raises RefreshFailedError where nothing was
        answered, or so little that no cluster can be told.
        """
        outcomes = self._gatherer.gather([row.query for row in self._rows], wall_seconds)
        if all(isinstance(outcome.result, QueryError) for outcome in outcomes.values()):
            raise RefreshFailedError(_first_failure(outcomes), outcomes)
        answers, gaps, oldest = self._answers(outcomes, now)
        topology, tally = self._build({name: answer.samples for name, answer in answers.items()})
        unknown = [row.name for row in self._rows if row.keeps and row.name not in answers]
        if unknown and not topology.clusters:
            raise RefreshFailedError(_first_failure({name: outcomes[name] for name in unknown}), outcomes)
        self._remember(outcomes, answers, now)
        snapshot = Snapshot(topology, (*gaps, *gaps_of(tally)), oldest, wall_seconds, self._views.by_name)
        self.render(snapshot)
        return snapshot, outcomes

    def render(self, snapshot: Snapshot) -> None:
        """Make the bytes that requests most likely ask for."""
        for view in self._views.eager:
            snapshot.body(view)

    def close(self) -> None:
        """Let go of threads and connections."""
        self._gatherer.close()

    def _answers(self, outcomes: Mapping[str, Outcome], now: float) -> tuple[dict[str, Answer], list[Gap], float]:
        """Return the answers to build from, what is to be said of them, and when the oldest was asked for."""
        answers: dict[str, Answer] = {}
        gaps: list[Gap] = []
        oldest = now
        for row in self._rows:
            result = outcomes[row.name].result
            if isinstance(result, Answer):
                answers[row.name] = result
                gaps += [Gap(GapKind.WARNING, row.name, text) for text in result.warnings]
                gaps += [Gap(GapKind.REMARK, row.name, text) for text in result.remarks]
                continue
            gaps.append(Gap(GapKind.FAILED, row.name, str(result)))
            kept = self._stand_in(row, result, now)
            if kept is not None:
                answers[row.name] = row.query.decode(unpack(kept.packed))
                gaps.append(Gap(GapKind.STALE, row.name, f"{now - kept.at:.0f} s old"))
                oldest = min(oldest, kept.at)
        return answers, gaps, oldest

    def _stand_in(self, row: Row, error: QueryError, now: float) -> _Kept | None:
        """Return the row's last answer where it may stand in for the one that did not come.

        It may where the upstream said nothing against the query, or where the row tells what clusters and
        nodes there are: without it everything else would have no place.
        """
        kept = self._kept.get(row.name)
        if kept is None or now - kept.at >= self._max_stale_seconds:
            return None
        return kept if row.keeps or error.may_use_last_answer else None

    def _remember(self, outcomes: Mapping[str, Outcome], answers: Mapping[str, Answer], now: float) -> None:
        fresh = {
            name: _Kept(outcome.packed, now) for name, outcome in outcomes.items() if isinstance(outcome.result, Answer)
        }
        used = {name: self._kept[name] for name in answers if name not in fresh}
        self._kept = used | fresh


def _first_failure(outcomes: Mapping[str, Outcome]) -> str:
    name, outcome = next(iter(outcomes.items()))
    return f"query {name}: {outcome.result}"
