"""What is missing in a topology, as lines: one for each fact, however many queries it concerns."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from aggregator.cli.terminal import format_duration, pluralize
from aggregator.models.quality import Quality, QueryResult, RowQuality, SourceReport
from aggregator.refresh.snapshot import GapKind

MAX_NAMED_ROWS = 3
# After a refused connection or a timeout, the other queries are not sent, for the same reason.
_NOT_SENT_PREFIX = "not sent: "


@dataclass
class _MissingData:
    """One reason, the rows that it concerns, the number of their samples, and the age of the oldest stale response."""

    rows: list[str] = field(default_factory=list)
    samples: int = 0
    age_seconds: float = 0.0


# The kind of gap, the source that it concerns or "", and the reason.
_MissingDataKey = tuple[GapKind, str, str]


def describe_missing_data(quality: Quality) -> tuple[str, ...]:
    """Return a line for each reason why data is missing or old, the most important first."""
    return tuple(_iterate_lines(quality))


def _iterate_lines(quality: Quality) -> Iterator[str]:
    if quality.failure:
        yield f"refresh failed: {quality.failure}"
    for text in quality.vanished:
        yield f"{GapKind.VANISHED.value}: {text}"
    for each in quality.contradictions:
        yield f"{GapKind.CONTRADICTION.value}: {each}"
    merged: dict[_MissingDataKey, _MissingData] = {}
    for row in quality.rows:
        _add_row(merged, row)
    for (kind, source, reason), missing in sorted(merged.items(), key=lambda item: list(GapKind).index(item[0][0])):
        # The failure of the refresh quotes one of its queries.
        if kind is GapKind.FAILED and quality.failure and reason in quality.failure:
            continue
        age = f"{format_duration(missing.age_seconds)} old, because " if kind is GapKind.STALE else ""
        place = f"{source}: " if source else ""
        yield f"{kind.value}: {place}{age}{reason} ({_format_extent(missing, len(quality.rows))})"
    for unplaced in quality.unplaced_objects:
        count = pluralize(unplaced.objects, unplaced.kind.removesuffix("s"))
        yield f"{GapKind.UNPLACED.value}: {unplaced.reason} ({count})"


def _add_row(merged: dict[_MissingDataKey, _MissingData], row: RowQuality) -> None:
    for report in row.sources:
        for kind, reason in _list_source_gaps(report):
            missing = merged.setdefault((kind, report.source, reason), _MissingData())
            missing.rows.append(row.name)
            missing.age_seconds = max(missing.age_seconds, report.age_seconds or 0.0)
    for kind, omitted in ((GapKind.UNPLACED, row.unplaced), (GapKind.DROPPED, row.dropped)):
        for each in omitted:
            missing = merged.setdefault((kind, "", each.reason), _MissingData())
            missing.rows.append(row.name)
            missing.samples += each.samples


def _list_source_gaps(report: SourceReport) -> Iterator[tuple[GapKind, str]]:
    kinds = {QueryResult.FAILED: GapKind.FAILED, QueryResult.STOOD_IN: GapKind.STALE}
    if report.result in kinds:
        yield kinds[report.result], (report.error or "").removeprefix(_NOT_SENT_PREFIX)
    yield from ((GapKind.WARNING, text) for text in report.warnings)


def _format_extent(missing: _MissingData, row_count: int) -> str:
    rows = _format_rows(missing.rows, row_count)
    return f"{pluralize(missing.samples, 'sample')} of {rows}" if missing.samples else rows


def _format_rows(rows: Sequence[str], row_count: int) -> str:
    if len(rows) == row_count > MAX_NAMED_ROWS:
        return f"all {row_count} queries"
    named = ", ".join(rows[:MAX_NAMED_ROWS])
    return named + (f" and {len(rows) - MAX_NAMED_ROWS} more" if len(rows) > MAX_NAMED_ROWS else "")
