"""A report as a person reads it: plain lines, what is wrong first in words, then what to do."""

import textwrap
from collections.abc import Iterator, Sequence

from aggregator.doctor.report import Finding, Report, Seen

WIDTH = 100


def written(report: Report) -> str:
    """Return the report as text."""
    return "\n".join([*_lines(report), ""])


def _lines(report: Report) -> Iterator[str]:
    yield f"aggregator {report.version}"
    yield "settings: well"
    for seen in report.upstreams:
        yield from _filled(_upstream(seen), "")
    yield from _filled(_refresh(report), "")
    yield from _findings("wrong", report.problems)
    yield from _findings("not there, and need not be", report.notes)
    yield ""
    yield _summary(report)


def _upstream(seen: Seen) -> str:
    if not seen.is_reached:
        return f"upstream {seen.source}: not reached at {seen.url}"
    what = f"{seen.kind} {seen.version}".strip()
    clock = f"its clock differs by {abs(seen.clock_ahead_seconds or 0):.1f} s"
    return f"upstream {seen.source}: {what} at {seen.url}, answered in {seen.answered_seconds:.3f} s, {clock}"


def _refresh(report: Report) -> str:
    totals = report.totals
    if totals is None or report.refresh_seconds is None:
        return "refresh: none was taken"
    return (
        f"refresh: {totals.queries} queries in {report.refresh_seconds:.2f} s, {totals.samples} samples: "
        f"clusters {totals.clusters}, nodes {totals.nodes}, pods {totals.pods}, containers {totals.containers}"
    )


def _findings(title: str, findings: Sequence[Finding]) -> Iterator[str]:
    if not findings:
        return
    yield ""
    yield f"{title}:"
    for finding in findings:
        source = f"{finding.source}: " if finding.source else ""
        yield from _filled(f"* [{finding.code}] {source}{finding.what}", "  ")
        yield from _filled(f"-> {finding.advice}", "     ")


def _filled(text: str, indent: str) -> list[str]:
    after = f"{indent}   "
    return textwrap.wrap(
        text, WIDTH, initial_indent=indent, subsequent_indent=after, break_long_words=False, break_on_hyphens=False
    )


def _summary(report: Report) -> str:
    if report.ok:
        return "all is well"
    number = len(report.problems)
    return f"{number} thing is wrong" if number == 1 else f"{number} things are wrong"
