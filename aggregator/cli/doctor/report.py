"""The doctor report: what it contains, and how it is printed as text or JSON."""

import json
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import msgspec

from aggregator.cli.terminal import pluralize
from aggregator.models.quality import FamilyTotals, QualityTotals, UnfilledField

MAX_LINE_COLUMNS = 100


class Finding(msgspec.Struct, frozen=True, rename={"message": "what"}):
    """A problem, or a note about something optional that is missing.

    `code` identifies the kind of problem for programs, `message` states the problem, `advice` what to do about it.
    `source` is the name of the upstream concerned, "" if all are. `details` are lines between message and advice. In
    the JSON report, `message` is called `what`.
    """

    code: str
    message: str
    advice: str
    source: str = ""
    details: tuple[str, ...] = ()


class UpstreamStatus(msgspec.Struct, frozen=True, rename={"response_seconds": "answered_seconds"}):
    """What the probe of an upstream found.

    `kind` is the product, "" if nothing at the address responds to a PromQL query; `clock_ahead_seconds` and
    `response_seconds` are None then. The JSON of the report has `response_seconds` as `answered_seconds`.
    """

    source: str
    url: str
    kind: str = ""
    version: str = ""
    clock_ahead_seconds: float | None = None
    response_seconds: float | None = None

    @property
    def is_reachable(self) -> bool:
        """Whether the upstream responds to queries."""
        return self.kind != ""


@dataclass(frozen=True)
class DoctorReport:
    """The result of a doctor run; `refresh_seconds` and `totals` are None if no refresh was attempted.

    `gateway` is the URL of the running gateway whose last refresh was examined, "" if the doctor ran one itself.
    `scrape_server` is the URL of a scrape server that was examined instead, "" for none.
    """

    version: str
    ok: bool
    gateway: str = ""
    upstreams: tuple[UpstreamStatus, ...] = ()
    refresh_seconds: float | None = None
    totals: QualityTotals | None = None
    families: tuple[FamilyTotals, ...] = ()
    problems: tuple[Finding, ...] = ()
    notes: tuple[Finding, ...] = ()
    unfilled_fields: tuple[UnfilledField, ...] = ()
    scrape_server: str = ""

    def extend(self, problems: Iterable[Finding], notes: Iterable[Finding]) -> "DoctorReport":
        """Return the report with more problems at the end, and more notes at the beginning."""
        all_problems = (*self.problems, *problems)
        return replace(self, ok=not all_problems, problems=all_problems, notes=(*notes, *self.notes))


def render_report_json(report: DoctorReport) -> str:
    """Return the report as JSON."""
    return _render_json(msgspec.to_builtins(report))


def render_settings_problems_json(version: str, problems: Sequence[str]) -> str:
    """Return the report for invalid settings as JSON."""
    findings = [{"code": "settings", "what": problem} for problem in problems]
    return _render_json({"version": version, "ok": False, "problems": findings})


def _render_json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def render_report_lines(report: DoctorReport) -> Iterator[str]:
    """Yield the lines of the report as text."""
    yield f"aggregator {report.version}"
    if report.scrape_server:
        yield f"scrape server: {report.scrape_server}"
    else:
        yield f"gateway: {report.gateway}" if report.gateway else "settings: ok"
        for status in report.upstreams:
            yield from _wrap_text(_format_upstream(status), "")
        yield from _wrap_text(_format_refresh(report), "")
    yield from _render_findings("problems", report.problems)
    yield from _render_findings("notes", report.notes)
    yield ""
    yield _format_summary(report)


def _format_upstream(status: UpstreamStatus) -> str:
    if not status.is_reachable:
        return f"upstream {status.source}: no query API at {status.url}"
    product = f"{status.kind} {status.version}".strip()
    clock = f"clock difference {abs(status.clock_ahead_seconds or 0):.1f} s"
    return (
        f"upstream {status.source}: {product} at {status.url}, response time {status.response_seconds:.3f} s, {clock}"
    )


def _format_refresh(report: DoctorReport) -> str:
    totals = report.totals
    if totals is None or report.refresh_seconds is None:
        reason = "the gateway has none" if report.gateway else "skipped, because no upstream responds to queries"
        return f"refresh: {reason}"
    return (
        f"refresh: {totals.queries} queries in {report.refresh_seconds:.2f} s, {totals.samples} samples: "
        f"{pluralize(totals.clusters, 'cluster')}, {pluralize(totals.nodes, 'node')}, {pluralize(totals.pods, 'pod')}, "
        f"{pluralize(totals.containers, 'container')}{_format_families(report.families)}"
    )


def _format_families(families: Sequence[FamilyTotals]) -> str:
    """Return the telemetry families that were found."""
    texts = [
        f"{each.family} ({pluralize(each.clusters, 'cluster')}, {pluralize(each.nodes, 'node')})" for each in families
    ]
    return f"; telemetry: {', '.join(texts)}" if texts else ""


def _render_findings(title: str, findings: Sequence[Finding]) -> Iterator[str]:
    if not findings:
        return
    yield ""
    yield f"{title}:"
    for finding in findings:
        source = f"{finding.source}: " if finding.source else ""
        yield from _wrap_text(f"* [{finding.code}] {source}{finding.message}", "  ")
        for detail in finding.details:
            yield from _wrap_text(detail, "     ")
        yield from _wrap_text(f"-> {finding.advice}", "     ")


def _wrap_text(text: str, indent: str) -> list[str]:
    continuation_indent = f"{indent}   "
    return textwrap.wrap(
        text,
        MAX_LINE_COLUMNS,
        initial_indent=indent,
        subsequent_indent=continuation_indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _format_summary(report: DoctorReport) -> str:
    if report.ok:
        return "no problems found"
    return f"{pluralize(len(report.problems), 'problem')} found"
