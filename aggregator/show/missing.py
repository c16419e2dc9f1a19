"""What a gateway says about its last refresh, as lines of text: what is missing from its topology, and why."""

from collections.abc import Iterator

from google.protobuf import json_format

from aggregator.pb.aggregator.v1 import topology_pb2 as pb
from aggregator.snapshot import Gap, GapKind

_Told = tuple[GapKind, str]

REFRESH = "refresh"


class NoQualityError(ValueError):
    """What was read is not the document of a quality."""


def missing_of(document: bytes) -> tuple[str, ...]:
    """Return a line for each thing that a quality says is missing; raise NoQualityError for anything else.

    What is said of several rows is told with the first and counted.
    """
    try:
        quality = json_format.Parse(document, pb.Quality(), ignore_unknown_fields=True)
    except (json_format.ParseError, UnicodeDecodeError):
        raise NoQualityError("it is no v1 document of a quality") from None
    found: dict[_Told, Gap] = {}
    for gap in _gaps(quality):
        first = found.get((gap.kind, gap.detail), Gap(gap.kind, gap.row, gap.detail, 0))
        found[gap.kind, gap.detail] = Gap(gap.kind, first.row, gap.detail, first.count + gap.count)
    return tuple(map(str, found.values()))


def _gaps(quality: pb.Quality) -> Iterator[Gap]:
    if quality.failure:
        yield Gap(GapKind.FAILED, REFRESH, quality.failure)
    for text in quality.vanished:
        yield Gap(GapKind.VANISHED, REFRESH, text)
    for row in quality.rows:
        yield from _of_row(row)
    for of in quality.unplaced_objects:
        yield Gap(GapKind.UNPLACED, of.kind, of.reason, of.objects)


def _of_row(row: pb.RowQuality) -> Iterator[Gap]:
    for answer in row.sources:
        if answer.result == pb.QUERY_RESULT_FAILED:
            yield Gap(GapKind.FAILED, row.name, f"{answer.source}: {answer.error}")
        if answer.result == pb.QUERY_RESULT_STOOD_IN:
            age = f"{answer.source}: {answer.age_seconds:.0f} s old, because {answer.error}"
            yield Gap(GapKind.STALE, row.name, age)
        for text in answer.warnings:
            yield Gap(GapKind.WARNING, row.name, f"{answer.source}: {text}")
    for kind, left_out in ((GapKind.UNPLACED, row.unplaced), (GapKind.DROPPED, row.dropped)):
        for each in left_out:
            yield Gap(kind, row.name, each.reason, each.samples)
