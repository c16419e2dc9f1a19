"""Recordings made by hand, for tests."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from aggregator.errors import QueryError
from aggregator.models.catalog import CATALOG
from aggregator.recording.lines import Answer, Source, failure_of
from aggregator.recording.writer import Writer
from tests.samples import ROWS
from tests.upstreams import EMPTY

FIRST_SECONDS = 1795208200.0
SOURCE = "prometheus:9090"
ROW_NAMES = tuple(row.name for row in CATALOG)

# What each row says in one refresh; a row of which nothing is said has no samples.
Said = Mapping[str, bytes | QueryError]


def write(
    path: Path,
    refreshes: Sequence[Said],
    step_seconds: float = 10.0,
    sources: Sequence[Source] = (Source(SOURCE),),
    rows: Sequence[str] = ROW_NAMES,
) -> Path:
    """Write a recording of some refreshes of `rows`, in which every source says the same."""
    with Writer(path.open("wb"), sources, FIRST_SECONDS) as writer:
        for number, said in enumerate(refreshes):
            for row in rows:
                for source in sources:
                    _answer(writer, row, source.name, said.get(row, EMPTY))
            writer.refreshed(FIRST_SECONDS + number * step_seconds)
    return path


def _answer(writer: Writer, row: str, source: str, said: bytes | QueryError) -> None:
    body = said if isinstance(said, bytes) else b""
    failure = failure_of(said, str(said)) if isinstance(said, QueryError) else None
    promql = ROWS[row].ask.text
    answer = Answer(query=row, source=source, promql=promql, seconds=0.1, bytes=len(body), failure=failure)
    writer.answer(answer, body)
