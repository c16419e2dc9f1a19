"""A page: the metrics that one scrape target returns, as families of sample lines."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from aggregator.exposition.labels import format_labels, parse_labels

# The kind of a family without a TYPE line. The others are counter, gauge, histogram and summary.
UNTYPED = "untyped"


class SampleLine(msgspec.Struct, frozen=True, gc=False):
    """One line with a sample. Only its name and the borders of its parts are read, the rest stays text.

    `label_text` is what stands between the braces, as `format_labels` writes it: `code="200",path="/"`.
    `value` is a number as the target wrote it, `timestamp` the milliseconds since the epoch, also as text.
    """

    name: str
    label_text: str
    value: str
    timestamp: str | None = None

    @property
    def labels(self) -> list[tuple[str, str]]:
        """The names and unescaped values, in the order of the line."""
        return parse_labels(self.label_text)


def make_sample(
    name: str, labels: Iterable[tuple[str, str]], value: float | str, timestamp: int | None = None
) -> SampleLine:
    """Return a sample with unescaped label values. An integer that is a float is written without `.0`."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        value = int(value)
    return SampleLine(name, format_labels(labels), str(value), None if timestamp is None else str(timestamp))


@dataclass(frozen=True, slots=True)
class Family:
    """The samples of one metric: of a histogram `lat` those named `lat_bucket`, `lat_sum` and `lat_count`.

    `help` is unescaped, None without a HELP line.
    """

    name: str
    kind: str = UNTYPED
    help: str | None = None
    samples: list[SampleLine] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Page:
    """The families of one target in the order of their first appearance; each is there once.

    `label_orders` has the names of the labels of every sample in their order, and perhaps more. It is None if they are
    not known. They save time: texts of equal series differ only if the same names are there in several orders.
    """

    families: list[Family]
    dropped_exemplars: int = 0
    label_orders: frozenset[tuple[str, ...]] | None = None

    def count_samples(self) -> int:
        """Return the number of samples of all families."""
        return sum(len(family.samples) for family in self.families)


@dataclass(frozen=True, slots=True)
class PageLimits:
    """What one page may contain; a page beyond it is an error. There may be as many families as samples."""

    max_bytes: int = 16 * 2**20
    max_samples: int = 100_000
