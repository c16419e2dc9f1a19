"""The command `aggregator doctor`: checks settings, upstreams and one refresh, and reports problems with advice."""

import argparse
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial

from aggregator import __version__
from aggregator.app.sources import (
    UpstreamSet,
    build_client,
    build_snapshot_collector,
    build_upstream_set,
    compose_catalog_of,
)
from aggregator.cli.doctor import checks, findings
from aggregator.cli.doctor.checks import DoctorRefresh
from aggregator.cli.doctor.gateway import examine_gateway
from aggregator.cli.doctor.keys import check_keys
from aggregator.cli.doctor.probes import ScrapeTargets, UpstreamInspector, probe_upstream
from aggregator.cli.doctor.report import (
    DoctorReport,
    Finding,
    UpstreamStatus,
    render_report_json,
    render_report_lines,
    render_settings_problems_json,
)
from aggregator.cli.doctor.scrape_server import examine_scrape_server
from aggregator.cli.gateway import parse_gateway_url
from aggregator.cli.terminal import CommandOutput, open_stderr, open_stdout
from aggregator.errors import RecordingError, RefreshFailedError, SettingsError
from aggregator.models.quality import Quality
from aggregator.observability import logs
from aggregator.observability.redaction import Redactor
from aggregator.refresh.collector import ViewSet
from aggregator.settings.gateway import Settings
from aggregator.settings.settings import find_misspelled_variables, find_secrets, load_settings
from aggregator.settings.upstream import UpstreamSettings

# The settings that have an effect here.
QUERY_VARIABLES = (
    *UpstreamSettings.model_fields,
    *("CLUSTER_NAME", "QUERY_TIMEOUT", "REFRESH_TIMEOUT", "QUERY_CONCURRENCY", "MAX_ANSWER_BYTES"),
)
KEY_VARIABLES = ("ISSUER", "JWKS_URL", "ISSUER_CA_FILE", "ALGORITHMS")


def configure_doctor_parser(parser: argparse.ArgumentParser) -> None:
    """Add description and arguments of the command to its parser."""
    parser.description = (
        "Checks the settings in the environment, probes each upstream, fetches the keys of each token "
        "issuer, runs one refresh, and reports problems and what to do about them. It serves nothing and changes "
        "nothing. Exit code: 0 no problems, 1 problems, 2 invalid settings."
    )
    parser.epilog = (
        f"It reads the variables of the gateway. What it queries: {', '.join(QUERY_VARIABLES)}. Which keys it "
        f"fetches: {', '.join(KEY_VARIABLES)}. Only PROMETHEUS_ADDRESS is required. Other settings are only checked; "
        "`aggregator --help` lists them."
    )
    parser.add_argument(
        "--url",
        metavar="URL",
        type=parse_gateway_url,
        help="examine the last refresh of a running gateway instead, with the token in the environment variable TOKEN, "
        "and without any setting: http://localhost:8080",
    )
    parser.add_argument(
        "--scrape",
        metavar="URL",
        type=parse_gateway_url,
        help="examine a running scrape server instead: its targets and registered nodes, with the token in TOKEN",
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.set_defaults(run=run_doctor)


def run_doctor(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Print the report; return 0 without problems, 1 with problems, 2 for invalid settings."""
    output = open_stdout(environ)
    if arguments.url is not None or arguments.scrape is not None:
        token = environ.get("TOKEN", "").strip()
        if arguments.scrape is not None:
            report = examine_scrape_server(arguments.scrape, token)
        else:
            report = examine_gateway(arguments.url, token)
        return _write_report(report, Redactor([token]), arguments, output)
    try:
        settings = load_settings(environ, Settings)
    except SettingsError as error:
        if arguments.json:
            output.write_json(render_settings_problems_json(__version__, error.problems))
        else:
            open_stderr().write_problems(error)
        return 2
    # Addresses without credentials are not secret to the person who runs this command.
    upstream_urls = {address.url for address in settings.upstreams}
    redactor = Redactor(secret for secret in find_secrets(settings, environ) if secret not in upstream_urls)
    # The report contains what the components would log as warnings.
    logs.configure_logging("error", settings.LOG_FORMAT, redactor)
    try:
        report = build_doctor_report(settings, redactor)
    except RecordingError as error:
        advice = "name a file that `aggregator record` wrote"
        report = DoctorReport(__version__, ok=False, problems=(Finding("recording", f"the recording {error}", advice),))
    report = report.extend(check_keys(settings), check_settings(settings, environ))
    return _write_report(report, redactor, arguments, output)


def _write_report(
    report: DoctorReport, redactor: Redactor, arguments: argparse.Namespace, output: CommandOutput
) -> int:
    if arguments.json:
        output.write_json(logs.redact_line(redactor, render_report_json(report)))
    else:
        # Redacted as a whole: a long secret may be wrapped.
        for line in logs.redact_line(redactor, "\n".join(render_report_lines(report))).split("\n"):
            output.write_line(line)
    return 0 if report.ok else 1


def check_settings(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Yield notes about likely mistakes, which the gateway logs as warnings."""
    for variable, suggestion in find_misspelled_variables(environ, Settings):
        yield findings.describe_misspelled_variable(variable, suggestion)
    yield from map(findings.describe_ineffective_setting, settings.find_warnings())


def build_doctor_report(settings: Settings, redactor: Redactor) -> DoctorReport:
    """Return the report for these settings; raise RecordingError if the recording cannot be read.

    Messages quoted from upstreams contain no known secrets.
    """
    probes = [probe_upstream(address, partial(build_client, settings, redactor)) for address in settings.upstreams]
    upstreams = tuple(status for status, _ in probes)
    problems = [finding for _, found in probes for finding in found]
    if upstreams and not any(status.is_reachable for status in upstreams):
        return DoctorReport(__version__, ok=False, upstreams=upstreams, problems=tuple(problems))
    return _examine_refresh(settings, build_upstream_set(settings, redactor), upstreams, problems)


def _examine_refresh(
    settings: Settings, sources: UpstreamSet, upstreams: tuple[UpstreamStatus, ...], problems: list[Finding]
) -> DoctorReport:
    start = time.monotonic()
    refresh, failures = _collect_refresh(settings, sources)
    elapsed_seconds = time.monotonic() - start
    problems += failures
    inspectors = _build_inspectors(refresh, sources, upstreams)
    problems += _check_refresh(refresh, inspectors, upstreams)
    quality = refresh.quality
    notes = [
        findings.describe_recording_source(source.name)
        for source, _ in sources.upstreams
        if sources.recording is not None
    ]
    if refresh.topology is not None and refresh.topology.nodes:
        notes += checks.check_unfilled_fields(
            refresh, lambda selector: any(inspector.has_series(selector) for _, inspector in inspectors)
        )
    return DoctorReport(
        __version__,
        ok=not problems,
        upstreams=upstreams,
        refresh_seconds=round(elapsed_seconds, 3),
        totals=quality.totals,
        families=quality.families,
        problems=tuple(problems),
        notes=tuple(notes),
        unfilled_fields=quality.unfilled_fields,
    )


def _collect_refresh(settings: Settings, sources: UpstreamSet) -> tuple[DoctorRefresh, list[Finding]]:
    """Run one refresh; return it, with a finding if it produced no topology."""
    failures: list[Finding] = []
    topology = None
    at_seconds = time.time()
    rows = compose_catalog_of(settings)
    with closing(build_snapshot_collector(settings, sources, rows, ViewSet({}, ()))) as collector:
        try:
            snapshot, _ = collector.collect(at_seconds, time.monotonic())
            topology, at_seconds = snapshot.topology, snapshot.rendered_topology.reference_seconds
        except RefreshFailedError as error:
            failures = [findings.describe_no_topology(str(error))]
        return DoctorRefresh(collector.quality or Quality(), topology, at_seconds), failures


def _build_inspectors(
    refresh: DoctorRefresh, sources: UpstreamSet, upstreams: Sequence[UpstreamStatus]
) -> list[tuple[str, UpstreamInspector]]:
    """Return an inspector of each upstream that responds, with its name; a recording has none."""
    reachable = {status.source for status in upstreams if status.is_reachable}
    return [
        (source.name, UpstreamInspector(upstream, refresh.at_seconds))
        for source, upstream in sources.upstreams
        if source.name in reachable
    ]


def _check_refresh(
    refresh: DoctorRefresh, inspectors: Sequence[tuple[str, UpstreamInspector]], upstreams: Sequence[UpstreamStatus]
) -> Iterator[Finding]:
    unreachable = {status.source for status in upstreams if not status.is_reachable}
    yield from checks.check_responses(refresh.quality, unreachable)
    # The most frequent cause of whatever else is missing.
    targets = {source: inspector.inspect_targets() for source, inspector in inspectors}
    for source, found in targets.items():
        if found.down_count:
            yield _describe_down_targets(source, found)
    for source, inspector in inspectors:
        engines = inspector.find_down_engines()
        if engines.count:
            yield findings.describe_down_engines(source, engines.count, engines.hosts)
    if not refresh.sample_count:
        yield from _check_empty_refresh(targets, upstreams)
        return
    # A recording has responses to the queries of the catalog only.
    yield from checks.check_labels(refresh)
    yield from checks.check_values(refresh)
    yield from checks.check_registrations(refresh)
    yield from checks.check_exporters(refresh)
    for source, inspector in inspectors:
        for each in inspector.find_duplicate_series():
            yield findings.describe_duplicate_series(source, each.metric, each.host_count, each.labels)


def _describe_down_targets(source: str, targets: ScrapeTargets) -> Finding:
    return findings.describe_down_targets(
        source,
        (targets.down_count, targets.count),
        [f"{target.instance}, job {target.job}" for target in targets.named],
        [f"{target.instance}: {target.error}" for target in targets.named if target.error],
    )


def _check_empty_refresh(
    targets_by_source: Mapping[str, ScrapeTargets], upstreams: Sequence[UpstreamStatus]
) -> Iterator[Finding]:
    """Yield why no query of the catalog has a sample, unless clock skew or targets that are down explain it."""
    if not targets_by_source:
        yield findings.describe_empty_recording()
    skew_by_source = {status.source: status.clock_ahead_seconds or 0.0 for status in upstreams}
    for source, targets in targets_by_source.items():
        if abs(skew_by_source[source]) >= checks.STALE_AFTER_SECONDS:
            continue
        if not targets.count:
            yield findings.describe_no_samples(source)
        elif not targets.down_count:
            yield findings.describe_no_known_metrics(source, targets.count)
