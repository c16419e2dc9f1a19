"""Examination of a running gateway through its quality report, for callers who know only its URL."""

import time
from collections.abc import Iterator

from aggregator import __version__
from aggregator.cli.doctor import checks, findings
from aggregator.cli.doctor.checks import DoctorRefresh
from aggregator.cli.doctor.report import DoctorReport, Finding
from aggregator.cli.gateway import QUALITY_PATH, FetchError, InvalidQualityError, fetch_document, parse_quality
from aggregator.cli.show.fetch import fetch_topology
from aggregator.models.quality import Quality
from aggregator.models.topology import Topology


def examine_gateway(url: str, token: str) -> DoctorReport:
    """Return the report about the last refresh of a gateway."""
    try:
        quality = parse_quality(fetch_document(url, QUALITY_PATH, token).body)
    except (FetchError, InvalidQualityError) as error:
        problem = findings.describe_unusable_gateway(f"GET {QUALITY_PATH}: {error}")
        return DoctorReport(__version__, ok=False, gateway=url, problems=(problem,))
    at_seconds = time.time() if quality.refresh_seconds is None else quality.refresh_seconds
    refresh = DoctorRefresh(quality, _fetch_topology(url, token), at_seconds)
    problems = tuple(_check_quality(refresh))
    return DoctorReport(
        __version__,
        ok=not problems,
        gateway=url,
        refresh_seconds=quality.refresh_duration_seconds,
        totals=quality.totals,
        families=quality.families,
        problems=problems,
        notes=tuple(_list_notes(refresh)),
        unfilled_fields=quality.unfilled_fields,
    )


def _fetch_topology(url: str, token: str) -> Topology | None:
    """Return the topology that the gateway serves, None if it has none: the quality report says why."""
    try:
        return fetch_topology(url, token).topology
    except FetchError:
        return None


def _check_quality(refresh: DoctorRefresh) -> Iterator[Finding]:
    quality = refresh.quality
    yield from _check_state(quality)
    yield from checks.check_responses(quality, ())
    if not quality.rows:
        return
    if not refresh.sample_count:
        if quality.failure is None:
            yield findings.describe_no_samples_at_gateway()
        return
    yield from checks.check_labels(refresh)
    yield from checks.check_values(refresh)
    yield from checks.check_registrations(refresh)
    yield from checks.check_exporters(refresh)


def _check_state(quality: Quality) -> Iterator[Finding]:
    if quality.unavailable:
        yield findings.describe_no_topology(quality.unavailable)
    elif quality.failure:
        yield findings.describe_failed_refresh(quality.failure)
    for text in quality.vanished:
        yield findings.describe_disappearance(text)


def _list_notes(refresh: DoctorRefresh) -> Iterator[Finding]:
    yield findings.describe_examined_gateway()
    if refresh.topology is not None and refresh.topology.nodes:
        yield from checks.check_unfilled_fields(refresh, lambda _selector: False)
