"""Create the recording that the demo uses if there is no Prometheus: python -m demo.recording [FILE].

It is the same fleet at the same instants each time, so that `make generate` can create it again for a new row.
"""

import io
import sys
from pathlib import Path

from aggregator.errors import QueryError, RecordingError
from aggregator.models.builder.build import sort_rows_by_stage
from aggregator.models.catalog.default_catalog import compose_default_catalog
from aggregator.querier.recording.file_format import (
    RecordedResponse,
    RecordedSource,
    RecordingWriter,
    build_recorded_failure,
)
from aggregator.querier.recording.replay import RecordingReader
from aggregator.querier.source import RefreshBudget, RowResult, Source
from demo.fleet import SimulatedFleet
from demo.simulated_source import SOURCE_NAME, create_fleet_source

PROJECT = Path(__file__).resolve().parent.parent
SHIPPED_RECORDING = PROJECT / "demo" / "fleet.recording"
NODE_COUNT = 10
PODS_PER_NODE = 4
REFRESH_COUNT = 5
REFRESH_INTERVAL_SECONDS = 24
# Two minutes in all, after which the replay starts again: at the last instant the intermittent host is absent.
FIRST_REFRESH_SECONDS = 1_795_208_160.0
COMPRESSION_LEVEL = 22
# The recording is a part of every checkout.
MAX_RECORDING_BYTES = 500_000


def build_recording() -> bytes:
    """Return the recording."""
    fleet = SimulatedFleet.generate(NODE_COUNT, PODS_PER_NODE, since_seconds=FIRST_REFRESH_SECONDS)
    source = create_fleet_source(fleet)
    file = io.BytesIO()
    writer = RecordingWriter(
        file, [RecordedSource(SOURCE_NAME)], FIRST_REFRESH_SECONDS, compression_level=COMPRESSION_LEVEL
    )
    for number in range(REFRESH_COUNT):
        record_refresh(writer, source, FIRST_REFRESH_SECONDS + number * REFRESH_INTERVAL_SECONDS)
    return file.getvalue()


def record_refresh(writer: RecordingWriter, source: Source, at_seconds: float) -> None:
    """Write one refresh of the default catalog. A row that the source cannot answer is recorded as a failure."""
    rows = sort_rows_by_stage(compose_default_catalog())
    results = source.collect(rows, at_seconds, RefreshBudget(timeout_seconds=3600, limits_decoding=False))
    for row in rows:
        result = results.wait_for_row(row)
        body, error = _split_result(result)
        answer = RecordedResponse(
            row=row.name,
            source=source.info.name,
            promql=row.expression.text,
            duration_seconds=result.duration_seconds,
            size_bytes=len(body),
            failure=None if error is None else build_recorded_failure(error, str(error)),
        )
        writer.write_response(answer, body)
        if error is not None:
            sys.stderr.write(f"row {row.name} is recorded as a failure: {error}\n")
    writer.end_refresh(at_seconds)


def _split_result(result: RowResult) -> tuple[bytes, QueryError | None]:
    if isinstance(result.outcome, QueryError):
        return b"", result.outcome
    return (result.stored_response.get_body() if result.stored_response is not None else b""), None


def is_current(path: Path = SHIPPED_RECORDING) -> bool:
    """Return whether a recording can be read and has answers to exactly the rows of the default catalog."""
    try:
        reader = RecordingReader(str(path))
    except RecordingError:
        return False
    with reader:
        recorded = {
            answer.promql for number in range(len(reader.timestamps)) for answer, _ in reader.iterate_responses(number)
        }
    return recorded == {row.expression.text for row in compose_default_catalog()}


if __name__ == "__main__":
    Path(sys.argv[1] if sys.argv[1:] else SHIPPED_RECORDING).write_bytes(build_recording())
