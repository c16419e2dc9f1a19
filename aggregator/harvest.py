"""What the sources answered, row by row: whole answers, earlier ones that stand in, and a record of what was amiss."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from aggregator.errors import QueryError, RefusedError, TooSlowError
from aggregator.logs import logger
from aggregator.models.row import Owner, Row
from aggregator.models.tally import Reason
from aggregator.quality import QueryResult, SourceAnswer
from aggregator.querier.decode import LABEL_CHARACTERS, Answer, Sample
from aggregator.querier.gather import Gathering
from aggregator.snapshot import Gap, GapKind

# A source's name and a row's.
Asked = tuple[str, str]

# What stands in a gap for the row where a source answered none.
ALL_ROWS = "every query"

# So many different warnings are told of a refresh, and so many remarks.
MOST_SAID = 10

TOO_LONG = f"a label of more than {LABEL_CHARACTERS} characters"

_log = logger(__name__)


@dataclass(frozen=True)
class Kept:
    """A row's last answer from one source, packed, and when it was asked for."""

    packed: bytes
    at: float


class Harvest(Mapping[str, list[Sample]]):
    """The samples of each row, those of all sources together, for whoever builds from them.

    Reading a row waits for its outcomes, so each is to be read once. A row without an answer from a source gets
    that source's last one, where that may stand in; a row with neither from any source is not in the mapping.
    """

    def __init__(
        self,
        rows: Sequence[Row],
        gatherings: Sequence[Gathering],
        kept: Mapping[Asked, Kept],
        now: float,
        max_stale_seconds: float,
    ) -> None:
        self._rows = {row.name: row for row in rows}
        self._gatherings = gatherings
        self._kept = kept
        self._now = now
        self._max_stale_seconds = max_stale_seconds
        self._said: dict[tuple[GapKind, str], Gap] = {}
        self._missing: dict[Asked, Gap] = {}
        self.failures: dict[Asked, QueryError] = {}
        self.keep: dict[Asked, Kept] = {}
        # What each source answered to the rows that were read, by the row's name.
        self.answers: dict[str, list[SourceAnswer]] = {row.name: [] for row in rows}
        # Samples that the builder never sees, as it counts those that it does.
        self.left_out: Counter[Reason] = Counter()
        # When the oldest answer that was read had been asked for.
        self.oldest = now

    def __getitem__(self, name: str) -> list[Sample]:
        row = self._rows[name]
        parts = [part for gathering in self._gatherings if (part := self._part(row, gathering)) is not None]
        if not parts:
            raise KeyError(name)
        return parts[0] if len(parts) == 1 else _together(row, parts)

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def gaps(self) -> list[Gap]:
        """What is known to be missing; a source that answered nothing is told once, not row by row."""
        gaps = _bounded(list(self._said.values()))
        for gathering in self._gatherings:
            missing = {asked[1]: gap for asked, gap in self._missing.items() if asked[0] == gathering.source.name}
            if len(self._gatherings) > 1 and len(missing) == len(self._rows):
                gaps += _summed(missing.values())
            else:
                gaps += missing.values()
        return gaps

    @property
    def is_in_vain(self) -> bool:
        """Whether no source answered anything."""
        return len(self.failures) == len(self._rows) * len(self._gatherings)

    @property
    def doubt(self) -> str:
        """Why what was read is not all that there is, "" where it is.

        A query that the upstream takes for wrong has no answer to lack. 422 may be that, or a store that is missing.
        """
        lacking = [name for (_, name), error in self.failures.items() if _is_lack(error)]
        if lacking:
            return self.reason([self._rows[name] for name in lacking])
        partial = [gap for gap in self._said.values() if gap.kind is GapKind.WARNING]
        return f"query {partial[0].row}: {partial[0].detail}" if partial else ""

    def is_unanswered(self, row: Row) -> bool:
        """Return whether a row lacks an answer from any source, earlier ones included."""
        return any(name == row.name and gap.kind is GapKind.FAILED for (_, name), gap in self._missing.items())

    def reason(self, rows: Sequence[Row] = ()) -> str:
        """Return the first failure of each source, of all queries or of these rows."""
        wanted = {row.name for row in rows} or set(self._rows)
        first: dict[str, str] = {}
        for (source, name), error in self.failures.items():
            if name in wanted:
                first.setdefault(source, f"query {name}: {error}")
        return "; ".join(self._told(source, text) for source, text in first.items())

    def _part(self, row: Row, gathering: Gathering) -> list[Sample] | None:
        source = gathering.source
        outcome = gathering[row.name]
        if not isinstance(outcome.result, Answer):
            return self._instead(row, gathering, outcome.result, outcome.seconds)
        samples = outcome.result.samples
        took_ms = round(1000 * outcome.seconds)
        _log.debug("query answered", query=row.name, source=source.name, took_ms=took_ms, samples=len(samples))
        self.keep[source.name, row.name] = Kept(outcome.packed, self._now)
        self._note_left_out(row, outcome.result)
        self.answers[row.name].append(_answered(source.name, outcome.seconds, outcome.result))
        for kind, texts in ((GapKind.WARNING, outcome.result.warnings), (GapKind.REMARK, outcome.result.remarks)):
            for text in texts:
                self._note(Gap(kind, row.name, self._told(source.name, text)))
        return samples

    def _note(self, gap: Gap) -> None:
        """Remember what an upstream said; what it says of many rows is told with the first and counted."""
        known = self._said.get((gap.kind, gap.detail))
        self._said[gap.kind, gap.detail] = replace(known, count=known.count + 1) if known else gap

    def _note_left_out(self, row: Row, answer: Answer) -> None:
        if answer.left_out:
            self.left_out[row.name, TOO_LONG] += answer.left_out

    def _instead(self, row: Row, gathering: Gathering, error: QueryError, seconds: float) -> list[Sample] | None:
        """Return the row's last answer where it may stand in for the one that did not come, and there is time for it.

        It may where the upstream said nothing against the query, or where the row tells what clusters and
        nodes there are: without it everything else would have no place.
        """
        asked = (gathering.source.name, row.name)
        self.failures[asked] = error
        kept = self._kept.get(asked)
        answer: Answer | None = None
        if kept is not None and self._may_stand_in(row, kept, error):
            self.keep[asked] = kept
            answer = _earlier(row, gathering, kept)
        if kept is None or answer is None:
            self._missing[asked] = Gap(GapKind.FAILED, row.name, self._told(asked[0], str(error)))
            self.answers[row.name].append(SourceAnswer(asked[0], QueryResult.FAILED, seconds, str(error)))
            return None
        age = f"{self._now - kept.at:.0f} s old, because {error}"
        self._missing[asked] = Gap(GapKind.STALE, row.name, self._told(asked[0], age))
        self.oldest = min(self.oldest, kept.at)
        self._note_left_out(row, answer)
        number, seconds_old = len(answer.samples), self._now - kept.at
        stood_in = SourceAnswer(asked[0], QueryResult.STOOD_IN, seconds, str(error), number, seconds_old)
        self.answers[row.name].append(stood_in)
        return answer.samples

    def _may_stand_in(self, row: Row, kept: Kept, error: QueryError) -> bool:
        return (row.vital or error.may_use_last_answer) and self._now - kept.at < self._max_stale_seconds

    def _told(self, source: str, text: str) -> str:
        """Return the text with the source's name, where there are several."""
        return f"source {source}: {text}" if len(self._gatherings) > 1 else text


def _earlier(row: Row, gathering: Gathering, kept: Kept) -> Answer | None:
    """Return an earlier answer, None where the time is over for those, too."""
    try:
        return gathering.earlier(row.query, kept.packed)
    except TooSlowError:
        return None


def _answered(source: str, seconds: float, answer: Answer) -> SourceAnswer:
    return SourceAnswer(
        source,
        QueryResult.OK,
        seconds,
        samples=len(answer.samples),
        age_seconds=0.0,
        warnings=answer.warnings,
        remarks=answer.remarks,
    )


def _is_lack(error: QueryError) -> bool:
    return error.may_use_last_answer or (isinstance(error, RefusedError) and error.status == 422)


def _together(row: Row, parts: list[list[Sample]]) -> list[Sample]:
    samples = [sample for part in parts for sample in part]
    if row.whose.owner is Owner.SYSTEM and samples:
        # Each source tells its own oldest sign of life: the system's is the oldest of them.
        return [min(samples, key=_number)]
    return samples


def _number(sample: Sample) -> float:
    try:
        number = float(sample.value.text)
    except ValueError:
        return math.inf
    return math.inf if math.isnan(number) else number


def _bounded(gaps: Sequence[Gap]) -> list[Gap]:
    """Return the first few gaps of each kind, and one for the rest of it."""
    told: list[Gap] = []
    for kind in (GapKind.WARNING, GapKind.REMARK):
        those = [gap for gap in gaps if gap.kind is kind]
        told += those[:MOST_SAID]
        if rest := those[MOST_SAID:]:
            told.append(Gap(kind, rest[0].row, f"and {len(rest)} more", sum(gap.count for gap in rest)))
    return told


def _summed(gaps: Iterable[Gap]) -> list[Gap]:
    summed: dict[GapKind, Gap] = {}
    for gap in gaps:
        known = summed.get(gap.kind)
        summed[gap.kind] = Gap(gap.kind, ALL_ROWS, (known or gap).detail, known.count + 1 if known else 1)
    return list(summed.values())
