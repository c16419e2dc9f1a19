"""Recordings for tests."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from aggregator.errors import QueryError
from aggregator.querier.recording.file_format import (
    RecordedResponse,
    RecordedSource,
    RecordingWriter,
    build_recorded_failure,
)
from tests.support.catalog import CATALOG
from tests.support.fake_upstream import EMPTY_RESPONSE
from tests.support.samples import ROWS_BY_NAME

FIRST_REFRESH_SECONDS = 1795208200.0
SOURCE_NAME = "prometheus:9090"
ROW_NAMES = tuple(row.name for row in CATALOG)

# The response of each row in one refresh; other rows have no samples.
RowResponses = Mapping[str, bytes | QueryError]


def write_recording(
    path: Path,
    refreshes: Sequence[RowResponses],
    step_seconds: float = 10.0,
    sources: Sequence[RecordedSource] = (RecordedSource(SOURCE_NAME),),
    rows: Sequence[str] = ROW_NAMES,
) -> Path:
    """Write a recording of some refreshes of `rows`, with the same responses for every source."""
    with RecordingWriter(path.open("wb"), sources, FIRST_REFRESH_SECONDS) as writer:
        for number, responses in enumerate(refreshes):
            for row in rows:
                for source in sources:
                    _write_response(writer, row, source.name, responses.get(row, EMPTY_RESPONSE))
            writer.end_refresh(FIRST_REFRESH_SECONDS + number * step_seconds)
    return path


def _write_response(writer: RecordingWriter, row: str, source: str, response: bytes | QueryError) -> None:
    body = response if isinstance(response, bytes) else b""
    failure = build_recorded_failure(response, str(response)) if isinstance(response, QueryError) else None
    promql = ROWS_BY_NAME[row].expression.text
    answer = RecordedResponse(
        row=row, source=source, promql=promql, duration_seconds=0.1, size_bytes=len(body), failure=failure
    )
    writer.write_response(answer, body)
