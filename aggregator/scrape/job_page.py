"""The page of a job of pods, in the layout of the older Kubernetes aggregator.

Lines are grouped by the name of their samples and sorted, each sample has the labels of its pod, `up` comes last.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain

from aggregator.exposition.merge import PageMerger
from aggregator.exposition.page import Family, Page, SampleLine, make_sample
from aggregator.exposition.relabel import relabel
from aggregator.exposition.write import drain_families, join_texts, write_metadata, write_sample
from aggregator.scrape.pod_targets import PodTarget

UP = "up"
_UP_LABELS = ("job", "instance", "pod_namespace", "pod_ip")
_LE_LABEL = re.compile(r'((?:.*,)?)le="([^"\\]*)"(.*)', re.DOTALL)


@dataclass(frozen=True, slots=True)
class JobPage:
    """The bytes of the page, and what was changed to make it valid."""

    body: bytes
    type_conflicts: list[str]
    dropped_duplicates: int
    dropped_exemplars: int


def write_job_page(pages: Iterable[tuple[PodTarget, Page | None]]) -> JobPage:
    """Return the page of the pods of a job. A pod without a page is down. Each page is used once, in order.

    An `up` of a pod itself is replaced, unless it has other labels.
    """
    merger = PageMerger()
    merger_of_up = PageMerger()
    for target, page in pages:
        merger_of_up.add(Page([Family(UP, samples=[_make_up_sample(target, is_up=page is not None)])]))
        if page is not None:
            relabeled = relabel(page, target.labels, "overwrite")
            merger.add(_select_families(relabeled, is_up=False))
            merger_of_up.add(_select_families(relabeled, is_up=True))
    merged, merged_up = merger.finish(), merger_of_up.finish()
    families = chain(drain_families(merged.families), merged_up.families)
    texts = ("".join(_iter_lines(family)).encode() for family in families)
    return JobPage(
        body=join_texts(chain(texts, [b"\n"])),
        type_conflicts=merged.type_conflicts + merged_up.type_conflicts,
        dropped_duplicates=merged.dropped_duplicates + merged_up.dropped_duplicates,
        dropped_exemplars=merged.dropped_exemplars,
    )


def _make_up_sample(target: PodTarget, *, is_up: bool) -> SampleLine:
    labels: Mapping[str, str] = target.labels
    return make_sample(UP, [(name, labels[name]) for name in _UP_LABELS], int(is_up))


def _select_families(page: Page, *, is_up: bool) -> Page:
    families = [family for family in page.families if (family.name == UP) == is_up]
    return Page(families, 0 if is_up else page.dropped_exemplars, page.label_orders)


def _iter_lines(family: Family) -> Iterable[str]:
    """Yield the lines of a family: the samples of one name after those of the other, each sorted."""
    yield from write_metadata(family)
    samples: dict[str, list[SampleLine]] = {}
    for sample in family.samples:
        samples.setdefault(sample.name, []).append(sample)
    for group in samples.values():
        yield from map(write_sample, sorted(group, key=_make_sort_key))


def _make_sort_key(sample: SampleLine) -> tuple[str, float, str]:
    """Sort by the text of the labels, but by the number of `le`. The brace sorts a prefix as the whole line does."""
    match = _LE_LABEL.fullmatch(sample.label_text) if 'le="' in sample.label_text else None
    if match:
        before, bound, after = match.groups()
        try:
            return f"{before}le=", float(bound), f"{after}}}"
        except ValueError:
            pass
    return f"{sample.label_text}}}", 0.0, ""
