"""What is missing, in few words: the gaps of a quality report, one for each reason."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

MAX_NAMED_QUERIES = 5

# Lists of samples that a row of the report left out, and what happened to them.
_LEFT_OUT_LISTS = {"unplaced": "samples not placed", "dropped": "values dropped", "conflicts": "values contradict"}
_FAILURES = {"QUERY_RESULT_FAILED": "query failed", "QUERY_RESULT_STOOD_IN": "old response used"}
# Members of the report that explain gaps themselves.
_EXPLANATIONS = ("failure", "unavailable", "vanished", "contradictions", "limitedFields", "unplacedTargets")
_UNFILLED_FIELD_MEMBERS = ("kind", "field", "reason", "exporters")


class _Gap(NamedTuple):
    """What happened, at which source ("" for all), and why."""

    event: str
    source: str
    reason: str


def summarize_quality(report: Mapping[str, Any], field: str = "") -> dict[str, Any]:
    """Return the gaps of a v1 quality report, and the unfilled fields whose name contains `field`."""
    queries: dict[_Gap, list[str]] = {}
    for row in report.get("rows", ()):
        for gap in _iterate_gaps(row):
            queries.setdefault(gap, []).append(row["name"])
    unfilled = [each for each in report.get("unfilledFields", ()) if field.lower() in each["field"]]
    return {
        **{name: report[name] for name in ("refreshTime", "complete", "totals", *_EXPLANATIONS) if name in report},
        "gaps": [_describe_gap(gap, names) for gap, names in queries.items()],
        "unplacedObjects": report.get("unplacedObjects", []),
        "unfilledFields": [{name: each.get(name) for name in _UNFILLED_FIELD_MEMBERS} for each in unfilled],
    }


def _iterate_gaps(row: Mapping[str, Any]) -> Iterator[_Gap]:
    for source in row.get("sources", ()):
        if (event := _FAILURES.get(source.get("result", ""))) is not None:
            yield _Gap(event, source["source"], source.get("error", ""))
        for warning in source.get("warnings", ()):
            yield _Gap("warning of Prometheus", source["source"], warning)
    for name, event in _LEFT_OUT_LISTS.items():
        for left_out in row.get(name, ()):
            yield _Gap(event, "", left_out["reason"])


def _describe_gap(gap: _Gap, queries: Sequence[str]) -> dict[str, Any]:
    source = {"source": gap.source} if gap.source else {}
    named = list(queries[:MAX_NAMED_QUERIES])
    return {"event": gap.event, **source, "reason": gap.reason, "queryCount": len(queries), "queries": named}
