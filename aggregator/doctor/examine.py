"""One examination: each upstream looked at, one refresh taken from those that answer, all judged together."""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial

from aggregator import __version__
from aggregator.doctor import advice, judgement
from aggregator.doctor.inquiry import Inquiry
from aggregator.doctor.judgement import Refreshed
from aggregator.doctor.report import Finding, Report, Seen
from aggregator.doctor.upstreams import look
from aggregator.errors import RefreshFailedError
from aggregator.quality import Quality
from aggregator.secrets import Secrets
from aggregator.settings import Settings
from aggregator.sources import Sources, client_of, sources_of, taker_of
from aggregator.take import Views


def examined(settings: Settings, secrets: Secrets) -> Report:
    """Return what is found with these settings; raise RecordingError where a recording cannot be read.

    None of the secrets is in what upstreams are quoted with.
    """
    looks = [look(address, partial(client_of, settings, secrets)) for address in settings.upstreams]
    upstreams = tuple(seen for seen, _ in looks)
    problems = [finding for _, findings in looks for finding in findings]
    if upstreams and not any(seen.is_reached for seen in upstreams):
        return Report(__version__, ok=False, upstreams=upstreams, problems=tuple(problems))
    return _refreshed(settings, sources_of(settings, secrets), upstreams, problems)


def _refreshed(settings: Settings, sources: Sources, upstreams: tuple[Seen, ...], problems: list[Finding]) -> Report:
    began = time.monotonic()
    refreshed, failures = _taken(settings, sources)
    took = time.monotonic() - began
    problems += failures
    problems += _judged(refreshed, sources, upstreams)
    quality = refreshed.quality
    notes = [advice.is_recording(source.name) for source, _ in sources.upstreams if sources.tape is not None]
    if refreshed.topology is not None and refreshed.topology.nodes:
        notes += judgement.notes(refreshed)
    return Report(
        __version__,
        ok=not problems,
        upstreams=upstreams,
        refresh_seconds=round(took, 3),
        totals=quality.totals,
        problems=tuple(problems),
        notes=tuple(notes),
        unfilled_fields=quality.unfilled_fields,
    )


def _taken(settings: Settings, sources: Sources) -> tuple[Refreshed, list[Finding]]:
    """Take one refresh; where it gave no topology, tell why."""
    failures: list[Finding] = []
    topology = None
    at_seconds = time.time()
    with closing(taker_of(settings, sources, Views({}, ()))) as taker:
        try:
            snapshot, _ = taker.take(at_seconds, time.monotonic())
            topology, at_seconds = snapshot.topology, snapshot.documents.at_seconds
        except RefreshFailedError as error:
            failures = [advice.no_topology(str(error))]
        return Refreshed(taker.quality or Quality(), topology, at_seconds), failures


def _judged(refreshed: Refreshed, sources: Sources, upstreams: Sequence[Seen]) -> Iterator[Finding]:
    yield from judgement.of_answers(refreshed.quality)
    reached = {seen.source for seen in upstreams if seen.is_reached}
    asked = [
        (source.name, Inquiry(upstream, refreshed.at_seconds))
        for source, upstream in sources.upstreams
        if source.name in reached
    ]
    if not refreshed.samples:
        yield from _of_nothing(asked, upstreams)
        return
    # A recording has answers to the rows alone, so it is not asked for more.
    has_icos_labels = not asked or any(inquiry.has_icos_labels() for _, inquiry in asked)
    yield from judgement.of_labels(refreshed, has_icos_labels=has_icos_labels)
    yield from judgement.of_values(refreshed)
    yield from judgement.of_exporters(refreshed)
    for source, inquiry in asked:
        for each in inquiry.duplicates():
            yield advice.duplicates(source, each.metric, each.hosts, each.labels)


def _of_nothing(asked: Sequence[tuple[str, Inquiry]], upstreams: Sequence[Seen]) -> Iterator[Finding]:
    """Yield why there is no sample of anything that is asked for: a clock that is wrong has told why already."""
    if not asked:
        yield advice.nothing_recorded()
    ahead = {seen.source: seen.clock_ahead_seconds or 0.0 for seen in upstreams}
    for source, inquiry in asked:
        if abs(ahead[source]) < judgement.OLD_SECONDS:
            targets = inquiry.targets()
            yield advice.nothing_known(source, targets) if targets else advice.empty(source)
