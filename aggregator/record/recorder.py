"""Asks all that a refresh asks, a number of times, and writes what comes."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from aggregator import logs
from aggregator.errors import NotListeningError, NotRecordedError, QueryError, TooLargeError, TooSlowError
from aggregator.models.build import reading_order
from aggregator.models.catalog import CATALOG
from aggregator.querier.gather import Gatherer, Outcome, Query, Source
from aggregator.querier.packing import unpack
from aggregator.querier.reading import Reading
from aggregator.record.progress import Counted, Progress
from aggregator.recording.lines import Answer, Failure, failure_of
from aggregator.recording.mask import LEFT_OUT, Mask
from aggregator.recording.rewrite import rewritten
from aggregator.recording.writer import Writer
from aggregator.secrets import Secrets
from aggregator.take import PRESENT, Timeline

# Errors whose text never quotes what came; a connection that broke may have brought anything before.
_IN_OUR_WORDS = (NotListeningError, NotRecordedError, TooLargeError, TooSlowError)


class Beat:
    """The pace of refreshes: the time from the start of one to that of the next, and which moment each is for."""

    def __init__(
        self,
        interval_seconds: float,
        timeline: Timeline = PRESENT,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._interval_seconds = interval_seconds
        self._timeline = timeline
        self._clock = clock
        self._sleep = sleep
        self._due: float | None = None

    def next(self) -> float:
        """Wait until the next refresh is due; return its moment."""
        now = self._clock()
        if self._due is not None and self._due > now:
            self._sleep(self._due - now)
        self._due = max(now, self._due or now) + self._interval_seconds
        return self._timeline.begin(time.time())


class Recorder:
    """Asks and writes, refresh by refresh; of each source's answers one at a time is unpacked."""

    def __init__(self, gatherers: Sequence[Gatherer], writer: Writer, mask: Mask | None, secrets: Secrets) -> None:
        self.writer = writer
        self.mask = mask
        self.counted = Counted()
        self._gatherers = gatherers
        self._secrets = secrets
        self._line = logs.Mask(secrets)

    def record(self, refreshes: int, beat: Beat, tell: Progress) -> bool:
        """Record so many refreshes; return whether it came to that before it was told to stop."""
        try:
            for _ in range(refreshes):
                self._refresh(beat.next(), tell)
        except KeyboardInterrupt:
            return False
        finally:
            tell.end()
        return True

    def _refresh(self, at_seconds: float, tell: Progress) -> None:
        queries = [row.query for row in reading_order(CATALOG)]
        several = len(self._gatherers) > 1
        # Without an end: between reading one answer and the next, writing takes its time.
        reading = Reading()
        gatherings = [
            gatherer.gather(queries, at_seconds, beside_others=several, reading=reading) for gatherer in self._gatherers
        ]
        for query in queries:
            for gathering in gatherings:
                self._write(query, gathering.source, gathering[query.name])
            tell.show(self.writer.refreshes, self.counted, self.writer.written_bytes)
        self.writer.refreshed(at_seconds)

    def _write(self, query: Query, source: Source, outcome: Outcome) -> None:
        failure: Failure | None = None
        body = b""
        try:
            body = self._body(outcome)
        except QueryError as error:
            failure = failure_of(error, self._text(error))
            self.counted.failures += 1
            if not self.counted.first_failure:
                self.counted.first_failure = f"query {query.name}: {self._line(None, '', str(error))}"
        else:
            self.counted.answers += 1
        answer = Answer(
            query=query.name,
            source=source.name,
            promql=query.promql,
            seconds=round(outcome.seconds, 6),
            bytes=len(body),
            failure=failure,
        )
        self.writer.answer(answer, body)

    def _body(self, outcome: Outcome) -> bytes:
        if isinstance(outcome.result, QueryError):
            raise outcome.result
        body = without(self._secrets, unpack(outcome.packed))
        return body if self.mask is None else self.mask.body(body)

    def _text(self, error: QueryError) -> str:
        """Return the text of an error as it may be written: an upstream's own words may repeat what is masked."""
        if self.mask is not None and not isinstance(error, _IN_OUR_WORDS):
            return LEFT_OUT
        return self._line(None, "", str(error))


def without(secrets: Secrets, body: bytes) -> bytes:
    """Return the body of an answer without the secrets that are known; as it came, where it holds none."""
    if not secrets.may_be_in(body):
        return body
    hide = secrets.hide_known

    def retold(said: list[Any]) -> list[str]:
        return [hide(text if isinstance(text, str) else msgspec.json.encode(text).decode()) for text in said]

    return rewritten(body, lambda metric: {hide(label): hide(value) for label, value in metric.items()}, retold)
