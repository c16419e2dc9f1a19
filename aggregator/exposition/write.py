"""Writes families in the text format 0.0.4."""

from collections.abc import Iterable, Iterator
from io import BytesIO

from aggregator.exposition.page import UNTYPED, Family, SampleLine

_HELP_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n"})


def write_families(families: Iterable[Family]) -> bytes:
    """Return the page with these families."""
    return join_texts(iter_family_texts(families))


def drain_families(families: list[Family]) -> Iterator[Family]:
    """Yield all families and remove each from the list.

    They are freed one by one: to free a million samples at once holds the interpreter for a tenth of a second.
    """
    families.reverse()
    while families:
        yield families.pop()


def join_texts(texts: Iterable[bytes]) -> bytes:
    """Join the parts of a page. A join of all parts would have the page twice in memory, and it can be 100 MB."""
    buffer = BytesIO()
    for text in texts:
        buffer.write(text)
    return buffer.getvalue()


def iter_family_texts(families: Iterable[Family]) -> Iterator[bytes]:
    """Yield the text of each family, so that a caller can do something else in between."""
    for family in families:
        yield "".join([*write_metadata(family), *map(write_sample, family.samples)]).encode()


def write_metadata(family: Family) -> list[str]:
    """Return the lines HELP and TYPE. An untyped family without HELP has none."""
    lines = []
    if family.help is not None:
        lines.append(f"# HELP {family.name} {family.help.translate(_HELP_ESCAPES)}\n")
    if family.kind != UNTYPED or family.help is not None:
        lines.append(f"# TYPE {family.name} {family.kind}\n")
    return lines


def write_sample(sample: SampleLine) -> str:
    """Return the line of a sample."""
    value = f"{sample.value} {sample.timestamp}" if sample.timestamp else sample.value
    if not sample.label_text:
        return f"{sample.name} {value}\n"
    return f"{sample.name}{{{sample.label_text}}} {value}\n"
