"""Merges the pages of many targets: each family once, with all of its samples."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from aggregator.exposition.labels import parse_labels
from aggregator.exposition.page import UNTYPED, Family, Page, SampleLine

_SeriesKey = tuple[str, frozenset[tuple[str, str]]]


@dataclass(frozen=True, slots=True)
class MergedPage:
    """The families of all pages in the order of their first appearance.

    The families in `type_conflicts` have different types on different pages, and are untyped here.
    """

    families: list[Family]
    type_conflicts: list[str] = field(default_factory=list)
    dropped_duplicates: int = 0
    dropped_exemplars: int = 0


def merge_pages(pages: Iterable[Page]) -> MergedPage:
    """Merge pages: the first HELP of a family wins, and so does the first of several samples of the same series."""
    merger = PageMerger()
    for page in pages:
        merger.add(page)
    return merger.finish()


class PageMerger:
    """Merges pages that arrive one after another."""

    def __init__(self) -> None:
        self._samples: dict[str, list[SampleLine]] = {}
        # For each family, the pages that have samples of it, with the number of samples up to their end.
        self._page_ends: dict[str, list[tuple[int, int]]] = {}
        self._page_count = 0
        self._kinds: dict[str, str] = {}
        self._helps: dict[str, str | None] = {}
        self._type_conflicts: dict[str, None] = {}
        self._dropped_exemplars = 0
        # The names of labels in sorted order, with the only order in which the pages have them.
        self._label_orders: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._has_one_order = True

    def add(self, page: Page) -> None:
        """Append the samples of a page to those of the earlier pages."""
        self._dropped_exemplars += page.dropped_exemplars
        self._has_one_order = self._has_one_order and self._check_label_orders(page)
        self._page_count += 1
        for family in page.families:
            samples = self._samples.setdefault(family.name, [])
            samples.extend(family.samples)
            self._page_ends.setdefault(family.name, []).append((self._page_count, len(samples)))
            kind = self._kinds.setdefault(family.name, family.kind)
            # A page without a TYPE line says nothing about the type.
            if kind == UNTYPED:
                self._kinds[family.name] = family.kind
            elif family.kind not in (kind, UNTYPED):
                self._type_conflicts[family.name] = None
            if self._helps.get(family.name) is None:
                self._helps[family.name] = family.help

    def _check_label_orders(self, page: Page) -> bool:
        """Return whether the page has its labels in the same order as the earlier pages."""
        return page.label_orders is not None and all(
            self._label_orders.setdefault(tuple(sorted(order)), order) == order for order in page.label_orders
        )

    def finish(self) -> MergedPage:
        """Return the merged families. The merger must not be used afterwards."""
        unique_samples = self._drop_shared_duplicates(self._find_shared_names())
        families = []
        dropped = 0
        for name in list(self._samples):
            # Only the family has the samples then, and they are freed with it.
            samples = self._samples.pop(name)
            kind = UNTYPED if name in self._type_conflicts else self._kinds[name]
            unique = unique_samples.get(name, samples)
            if name not in unique_samples and not (self._has_one_order and _have_different_texts(samples)):
                unique = _drop_duplicates(samples, set())
            dropped += len(samples) - len(unique)
            families.append(Family(name, kind, self._helps[name], unique))
        return MergedPage(families, list(self._type_conflicts), dropped, self._dropped_exemplars)

    def _drop_shared_duplicates(self, names: Iterable[str]) -> dict[str, list[SampleLine]]:
        """Return the samples of families that share names of samples: of each series the one of the first page."""
        parts: list[tuple[int, str, list[SampleLine]]] = []
        for name in names:
            start = 0
            for page, end in self._page_ends[name]:
                parts.append((page, name, self._samples[name][start:end]))
                start = end
        keys: set[_SeriesKey] = set()
        unique: dict[str, list[SampleLine]] = {name: [] for _, name, _ in parts}
        for _, name, samples in sorted(parts, key=lambda part: part[0]):
            unique[name] += _drop_duplicates(samples, keys)
        return unique

    def _find_shared_names(self) -> dict[str, None]:
        """Return the families with samples of the same name, such as a histogram `a` and a gauge `a_sum`."""
        first_names: dict[str, str] = {}
        shared_names: dict[str, None] = {}
        for name, samples in self._samples.items():
            for sample_name in {sample.name for sample in samples}:
                first_name = first_names.setdefault(sample_name, name)
                if first_name != name:
                    shared_names |= {first_name: None, name: None}
        return shared_names


def make_series_key(sample: SampleLine) -> _SeriesKey:
    """Return what identifies the series of a sample: its name and its labels that are not empty, in any order."""
    return sample.name, frozenset((name, value) for name, value in parse_labels(sample.label_text) if value)


def _have_different_texts(samples: list[SampleLine]) -> bool:
    """Return whether no two samples have the same text, and none has an empty label."""
    texts = {f"{sample.name} {sample.label_text}" for sample in samples}
    return len(texts) == len(samples) and '=""' not in "".join(texts)


def _drop_duplicates(samples: list[SampleLine], keys: set[_SeriesKey]) -> list[SampleLine]:
    """Return the samples whose series are not among the keys yet."""
    unique = []
    for sample in samples:
        key = make_series_key(sample)
        if key not in keys:
            keys.add(key)
            unique.append(sample)
    return unique
