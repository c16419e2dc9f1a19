"""The catalog as a page for people: docs/metrics.md is printed from it."""

from collections.abc import Iterable

from aggregator.models.catalog import CATALOG
from aggregator.models.row import BECOMES, Fill, Match, Row

_HEAD = """\
# What is asked, and where it lands

Printed from the table in `aggregator/models/catalog.py` by `make generate`; `make check` fails where the two differ.
All queries of a refresh are asked for the same point in time. Where several rows fill one field, the first that has
a value wins; within a row, a surer way of finding the owner wins, then the larger value. "Found by" lists the ways to
find the object that a sample is about, the surest first; `a=b` means that the sample's label `a` equals what the
object's own series call `b`, and `a=nothing` that the sample has no label `a`. Logs, gaps and metrics call each query
by the name of its row, the headings below.
"""


def page() -> str:
    """Return the page as Markdown."""
    return "\n".join([_HEAD, *(_section(row) for row in CATALOG)])


def _section(row: Row) -> str:
    lines = [
        f"## {row.name}\n",
        f"{row.note[0].upper()}{row.note[1:]}.\n",
        f"```promql\n{row.ask}\n```\n",
        f"* shown by {row.exporter}",
        f"* {_whose(row)}",
        *(f"* fills `{_target(row)}.{_filled(fill)}` from {_source(fill)}" for fill in row.fills),
    ]
    if row.vital:
        lines.append("* its last answer stands in while it has none: without it nothing else would have a place")
    return "\n".join(lines) + "\n"


def _target(row: Row) -> str:
    becomes = BECOMES.get(row.whose.part or row.whose.owner)
    return becomes.__name__ if becomes is not None else row.whose.owner.value


def _filled(fill: Fill) -> str:
    return f"{fill.field}[{fill.key}]" if fill.key else fill.field


def _source(fill: Fill) -> str:
    if fill.key.endswith("*"):
        return f"all labels `{fill.key}`"
    return f"label `{fill.source}`" if fill.source else "the value"


def _whose(row: Row) -> str:
    whose = row.whose
    part = f", its part named by `{whose.part_label}`" if whose.part else ""
    if whose.makes == ((),):
        return "tells of the whole system"
    if whose.makes:
        return f"makes {_article(whose.owner.value)}, identified by {_sets(whose.makes)}{part}"
    everyone = "every" if whose.every else "the"
    return f"tells of {everyone} {whose.owner.value} found by {_ways(whose.find)}{part}"


def _article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def _sets(identities: Iterable[tuple[str, ...]]) -> str:
    return ", else ".join(" + ".join(f"`{label}`" for label in labels) for labels in identities)


def _ways(ways: Iterable[Match]) -> str:
    return ", else ".join(
        " + ".join(
            f"`{label}`" if label == known else f"`{label}={known}`"
            for label, known in zip(way.labels, way.known_by, strict=True)
        )
        for way in ways
    )
