"""The command `aggregator record`: sends the queries of the catalog and writes the responses into a recording."""

import argparse
import secrets
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, BinaryIO, NoReturn

import msgspec

from aggregator.app.sources import UpstreamSet, build_prometheus_sources, build_upstream_set, compose_catalog_of
from aggregator.cli.terminal import CommandOutput, format_bytes, open_stderr, open_stdout
from aggregator.errors import (
    NotListeningError,
    NotRecordedError,
    QueryError,
    QueryTimeoutError,
    RecordingError,
    ResponseTooLargeError,
    SettingsError,
)
from aggregator.models.builder.build import sort_rows_by_stage
from aggregator.models.catalog.row import Row
from aggregator.observability import logs
from aggregator.observability.redaction import Redactor
from aggregator.querier.recording import file_format
from aggregator.querier.recording.file_format import (
    RecordedFailure,
    RecordedResponse,
    RecordingWriter,
    build_recorded_failure,
)
from aggregator.querier.recording.pseudonyms import OMITTED_MESSAGE, Pseudonymizer, expand_labels, rewrite_body
from aggregator.querier.source import WALL_CLOCK, RefreshBudget, RowResult, Source, SourceClock
from aggregator.settings.gateway import Settings
from aggregator.settings.settings import find_secrets, load_settings

# Errors whose text never quotes the upstream; other texts may contain label values that must be masked.
_SAFE_TO_QUOTE_ERRORS = (NotListeningError, NotRecordedError, ResponseTooLargeError, QueryTimeoutError)

_SALT_BYTES = 16

# Labels with the same values. No row joins on them, but masking one of them requires masking the other.
EQUIVALENT_LABELS = (
    ("nodename", "node"),
    ("nodename", "k8s_node_name"),
    ("k8s_cluster_uid", "icos_cluster_id"),
)

# A label whose value is part of the value of another one: the ICOS name of a host consists of the beginning of its
# cluster UID or machine ID and its name; an instance consists of the address of a host and a port.
DERIVED_LABELS = (
    ("nodename", "icos_host_name"),
    ("k8s_cluster_uid", "icos_host_name"),
    ("icos_host_id", "icos_host_name"),
    ("net_host_name", "instance"),
)


@dataclass
class RecordCounts:
    """Number of queries recorded so far, by result, and the first failure."""

    response_count: int = 0
    failure_count: int = 0
    first_failure: str = ""


class ProgressLine:
    """The progress of a recording; updated in place on a terminal, not written elsewhere."""

    def __init__(self, refresh_count: int, output: CommandOutput) -> None:
        self._refresh_count = refresh_count
        self._output = output

    def update(self, completed_refreshes: int, counts: RecordCounts, written_bytes: int) -> None:
        """Show the current state."""
        self._output.replace_line(format_progress(completed_refreshes, self._refresh_count, counts, written_bytes))

    def clear(self) -> None:
        """Remove the line."""
        self._output.replace_line("")


def format_progress(completed_refreshes: int, refresh_count: int, counts: RecordCounts, written_bytes: int) -> str:
    """Return what has been recorded so far."""
    return (
        f"{completed_refreshes} of {refresh_count} refreshes, {counts.response_count} responses, "
        f"{counts.failure_count} failed queries, {format_bytes(written_bytes)}"
    )


class RecordingSchedule:
    """When each refresh starts, at least `interval_seconds` apart, and the evaluation time of its queries."""

    def __init__(
        self,
        interval_seconds: float,
        source_clock: SourceClock = WALL_CLOCK,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._interval_seconds = interval_seconds
        self._source_clock = source_clock
        self._clock = clock
        self._sleep = sleep
        self._due_at_seconds: float | None = None

    def wait_for_next(self) -> float:
        """Wait until the next refresh is due; return its evaluation time."""
        now = self._clock()
        if self._due_at_seconds is not None and self._due_at_seconds > now:
            self._sleep(self._due_at_seconds - now)
        self._due_at_seconds = max(now, self._due_at_seconds or now) + self._interval_seconds
        return self._source_clock.begin_refresh(time.time())


@dataclass(frozen=True)
class RecordedQueries:
    """What every refresh of a recording collects, and how long its queries may take."""

    sources: Sequence[Source]
    rows: Sequence[Row]
    timeout_seconds: float


class Recorder:
    """Records refresh by refresh; it decompresses one response at a time, to bound the memory."""

    def __init__(
        self,
        queries: RecordedQueries,
        writer: RecordingWriter,
        pseudonymizer: Pseudonymizer | None,
        redactor: Redactor,
    ) -> None:
        self.writer = writer
        self.pseudonymizer = pseudonymizer
        self.counts = RecordCounts()
        self._queries = queries
        self._redactor = redactor

    def record(self, refresh_count: int, schedule: RecordingSchedule, progress: ProgressLine) -> bool:
        """Record `refresh_count` refreshes; return False if Ctrl-C or SIGTERM ended it early."""
        try:
            for _ in range(refresh_count):
                self._record_refresh(schedule.wait_for_next(), progress)
        except KeyboardInterrupt:
            return False
        finally:
            progress.clear()
        return True

    def _record_refresh(self, at_seconds: float, progress: ProgressLine) -> None:
        rows = sort_rows_by_stage(self._queries.rows)
        # The responses are written one after another, which takes time: no limit for decoding.
        budget = RefreshBudget(self._queries.timeout_seconds, limits_decoding=False)
        results = [(source.info.name, source.collect(rows, at_seconds, budget)) for source in self._queries.sources]
        for row in rows:
            for source, source_results in results:
                self._write_result(row, source, source_results.wait_for_row(row))
            progress.update(self.writer.refresh_count, self.counts, self.writer.written_bytes)
        self.writer.end_refresh(at_seconds)

    def _write_result(self, row: Row, source: str, result: RowResult) -> None:
        failure: RecordedFailure | None = None
        body = b""
        try:
            body = self._prepare_body(result)
        except QueryError as error:
            failure = build_recorded_failure(error, self._redact_error(error))
            self.counts.failure_count += 1
            if not self.counts.first_failure:
                self.counts.first_failure = f"query {row.name}: {logs.redact_line(self._redactor, str(error))}"
        else:
            self.counts.response_count += 1
        response = RecordedResponse(
            row=row.name,
            source=source,
            promql=row.expression.text,
            duration_seconds=round(result.duration_seconds, 6),
            size_bytes=len(body),
            failure=failure,
        )
        self.writer.write_response(response, body)

    def _prepare_body(self, result: RowResult) -> bytes:
        if isinstance(result.outcome, QueryError):
            raise result.outcome
        if result.stored_response is None:
            raise QueryError("the source keeps no response body")
        body = redact_body(self._redactor, result.stored_response.get_body())
        return body if self.pseudonymizer is None else self.pseudonymizer.pseudonymize_body(body)

    def _redact_error(self, error: QueryError) -> str:
        """Return the text of an error for the recording: with masking, nothing that quotes the upstream."""
        if self.pseudonymizer is not None and not isinstance(error, _SAFE_TO_QUOTE_ERRORS):
            return OMITTED_MESSAGE
        return logs.redact_line(self._redactor, str(error))


def redact_body(redactor: Redactor, body: bytes) -> bytes:
    """Return the body of a response without known secrets; unchanged if it contains none."""
    if not redactor.may_find_secret_in(body):
        return body
    hide = redactor.redact_known

    def redact_messages(messages: list[Any]) -> list[str]:
        return [hide(text if isinstance(text, str) else msgspec.json.encode(text).decode()) for text in messages]

    return rewrite_body(
        body, lambda metric: {hide(label): hide(value) for label, value in metric.items()}, redact_messages
    )


def configure_record_parser(parser: argparse.ArgumentParser) -> None:
    """Add description and arguments of the command to its parser."""
    parser.description = (
        "Sends the queries of one or more refreshes, every REFRESH_INTERVAL, with the settings in the "
        "environment, and writes the responses into one file. Set PROMETHEUS_ADDRESS=replay:FILE to replay it. The "
        "file contains labels and values of your metrics, but no headers, tokens or passwords; see --mask. "
        "Exit code: 0 recorded, 1 nothing or not everything recorded, or a label of --mask is in no response, "
        "2 invalid settings."
    )
    parser.add_argument("file", metavar="FILE", type=Path, help="file to write")
    parser.add_argument(
        "--refreshes", metavar="N", type=_parse_refresh_count, default=1, help="number of refreshes (default: 1)"
    )
    parser.add_argument(
        "--mask",
        metavar="LABEL[,LABEL…]",
        type=_parse_label_list,
        default=(),
        help="replace the values of these labels, and of labels with the same or derived values, by pseudonyms",
    )
    parser.add_argument("--force", action="store_true", help="overwrite an existing file")
    parser.set_defaults(run=run_record)


def _parse_refresh_count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= 100_000):
        raise argparse.ArgumentTypeError(f"must be between 1 and 100000, got {text!r}")
    return int(text)


def _parse_label_list(text: str) -> tuple[str, ...]:
    labels = tuple(label.strip() for label in text.split(","))
    if not all(labels):
        raise argparse.ArgumentTypeError("expected label names, separated by commas")
    return labels


def run_record(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Record; return 0 if everything was recorded, 1 if not, 2 for invalid settings."""
    errors = open_stderr()
    try:
        settings = load_settings(environ, Settings)
    except SettingsError as error:
        errors.write_problems(error)
        return 2
    redactor = Redactor(find_secrets(settings, environ))
    logs.configure_logging("warning", settings.LOG_FORMAT, redactor)
    try:
        with interrupt_on_signals() as sleep:
            return _record(arguments, settings, redactor, errors, sleep)
    except (OSError, RecordingError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        errors.write_line(f"{arguments.file}: {reason}")
        return 1


def _record(
    arguments: argparse.Namespace,
    settings: Settings,
    redactor: Redactor,
    errors: CommandOutput,
    sleep: Callable[[float], None],
) -> int:
    rows = compose_catalog_of(settings)
    sources = build_upstream_set(settings, redactor)
    if len(sources.upstreams) > file_format.MAX_SOURCES:
        raise RecordingError(f"cannot have more than {file_format.MAX_SOURCES} sources")
    pseudonymizer = (
        Pseudonymizer(expand_labels(arguments.mask, iter_label_aliases(rows)), secrets.token_bytes(_SALT_BYTES))
        if arguments.mask
        else None
    )
    prometheus_sources = build_prometheus_sources(settings, sources)
    masked_labels = {
        *(pseudonymizer.labels if pseudonymizer else ()),
        *(sources.recording.header.masked if sources.recording else ()),
    }
    try:
        with RecordingWriter(
            _open_file(arguments, settings),
            _create_recorded_sources(sources, pseudonymizer),
            time.time(),
            sorted(masked_labels),
        ) as writer:
            queries = RecordedQueries(prometheus_sources, rows, settings.REFRESH_TIMEOUT)
            recorder = Recorder(queries, writer, pseudonymizer, redactor)
            progress = ProgressLine(arguments.refreshes, errors)
            schedule = RecordingSchedule(settings.REFRESH_INTERVAL, sources.source_clock, sleep=sleep)
            is_complete = recorder.record(arguments.refreshes, schedule, progress)
            return _report_result(arguments, recorder, is_complete=is_complete)
    finally:
        for source in prometheus_sources:
            source.close()


def _create_recorded_sources(
    sources: UpstreamSet, pseudonymizer: Pseudonymizer | None
) -> list[file_format.RecordedSource]:
    cluster_pseudonymizer = pseudonymizer if pseudonymizer is not None and "cluster" in pseudonymizer.labels else None
    return [
        file_format.RecordedSource(
            source.name, cluster_pseudonymizer.pseudonymize(source.cluster) if cluster_pseudonymizer else source.cluster
        )
        for source, _ in sources.upstreams
    ]


def _open_file(arguments: argparse.Namespace, settings: Settings) -> BinaryIO:
    path: Path = arguments.file
    if not arguments.force and path.exists():
        raise RecordingError("exists already; use --force to overwrite it")
    if path.is_fifo():
        # Without a reader, opening it would block.
        raise RecordingError("is a FIFO; a recording is a regular file")
    if settings.replay is not None and path.exists() and path.samefile(settings.replay.path):
        raise RecordingError("is the recording that is being replayed")
    return path.open("wb" if arguments.force else "xb")


def iter_label_aliases(rows: Sequence[Row]) -> Iterator[tuple[str, str]]:
    """Yield pairs of labels (a, b) where the value of b equals or contains the value of a."""
    for row in rows:
        for match in row.entity_selector.matches:
            for label, entity_label in zip(match.labels, match.entity_labels, strict=True):
                yield from ((label, entity_label), (entity_label, label))
        if row.entity_selector.child_label:
            # Container names occur in the responses of several rows, under different labels.
            child_labels = (
                other_row.entity_selector.child_label
                for other_row in rows
                if other_row.entity_selector.child_kind is row.entity_selector.child_kind
            )
            yield from ((row.entity_selector.child_label, other) for other in child_labels if other)
    for label, alias in EQUIVALENT_LABELS:
        yield from ((label, alias), (alias, label))
    yield from DERIVED_LABELS


def _report_result(arguments: argparse.Namespace, recorder: Recorder, *, is_complete: bool) -> int:
    """Print a summary; return the exit code."""
    output, errors = open_stdout({}), open_stderr()
    writer, counts = recorder.writer, recorder.counts
    progress = format_progress(writer.refresh_count, arguments.refreshes, counts, writer.written_bytes)
    output.write_line(f"{arguments.file}: {progress}")
    unmatched_labels: list[str] = []
    if recorder.pseudonymizer is not None:
        masked_labels = recorder.pseudonymizer.labels & recorder.pseudonymizer.seen_labels
        output.write_line(f"masked: {', '.join(sorted(masked_labels)) or 'nothing'}")
        unmatched_labels = sorted(set(arguments.mask) - recorder.pseudonymizer.seen_labels)
    if unmatched_labels:
        # A misspelled label would leave in the file what it was meant to mask.
        errors.write_line(f"not masked, because no response has the label: {', '.join(unmatched_labels)}")
    if not is_complete:
        errors.write_line(f"stopped early; {arguments.file} can be replayed as far as it was written")
    elif not counts.response_count:
        errors.write_line(f"all queries failed: {counts.first_failure}")
    return 0 if is_complete and counts.response_count and not unmatched_labels else 1


@contextmanager
def interrupt_on_signals() -> Iterator[Callable[[float], None]]:
    """Make SIGTERM end the block like Ctrl-C; yield a function that sleeps so many seconds.

    Python drops the exception of a signal that arrives in a destructor. Then the next sleep raises it.
    """
    is_requested = False

    def stop(_number: int, _frame: FrameType | None) -> NoReturn:
        nonlocal is_requested
        is_requested = True
        raise KeyboardInterrupt

    def sleep(seconds: float) -> None:
        if is_requested:
            raise KeyboardInterrupt
        time.sleep(seconds)

    previous_handlers = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield sleep
    finally:
        for number, handler in previous_handlers.items():
            signal.signal(number, handler)
