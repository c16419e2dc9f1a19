"""Adds the labels of a target to the samples of its page."""

from collections.abc import Mapping
from typing import Literal

from aggregator.exposition.labels import format_labels, parse_labels
from aggregator.exposition.page import Family, Page, SampleLine

# What happens to a label of the page that the target has, too: False renames it with the prefix `exported_`, True keeps
# it and ignores the label of the target, as `honor_labels` of Prometheus; "overwrite" replaces the value in its place.
HonorLabels = Literal["overwrite"] | bool
_EXPORTED_PREFIX = "exported_"


def relabel(page: Page, target_labels: Mapping[str, str], honor_labels: HonorLabels = False) -> Page:
    """Return the page with the labels of its target, appended in the order of the mapping. Empty ones are not added.

    Overwriting also removes the labels of the page that are empty.
    """
    added = {name: value for name, value in target_labels.items() if value}
    if not added:
        return page
    relabeler = _Relabeler(added, honor_labels)
    families = [
        Family(family.name, family.kind, family.help, relabeler.relabel_samples(family.samples))
        for family in page.families
    ]
    label_orders = None
    if page.label_orders is not None:
        appended = {(*order, *added) for order in page.label_orders}
        label_orders = frozenset({tuple(added)} | appended | relabeler.resolved_label_orders)
    return Page(families, page.dropped_exemplars, label_orders)


def resolve_labels(own: Mapping[str, str], added: Mapping[str, str], honor_labels: HonorLabels) -> dict[str, str]:
    """Return the labels of a sample and of its target as one set."""
    if honor_labels is True:
        return {**own, **{name: value for name, value in added.items() if name not in own}}
    if honor_labels == "overwrite":
        kept = {name: added.get(name, value) for name, value in own.items() if value or name in added}
        return {**kept, **added}
    renamed = {}
    for name, value in own.items():
        unique_name = name
        if name in added:
            while unique_name in added or (unique_name in own and unique_name != name) or unique_name == name:
                unique_name = _EXPORTED_PREFIX + unique_name
        if value or unique_name == name:
            renamed[unique_name] = value
    return {**renamed, **added}


class _Relabeler:
    """Appends the text of the added labels, and parses only the labels that contain one of them."""

    def __init__(self, added: Mapping[str, str], honor_labels: HonorLabels) -> None:
        self._added = added
        self._added_text = format_labels(added.items())
        self._honor_labels = honor_labels
        # The text of a sample that needs more contains a mark. A longer label with the same end costs only time.
        self._marks = [f'{name}="' for name in added] + (['=""'] if honor_labels == "overwrite" else [])
        self.resolved_label_orders: set[tuple[str, ...]] = set()

    def relabel_samples(self, samples: list[SampleLine]) -> list[SampleLine]:
        texts = "\n".join([sample.label_text for sample in samples])
        marks = [mark for mark in self._marks if mark in texts]
        relabeled = []
        for sample in samples:
            label_text = sample.label_text
            if not label_text:
                label_text = self._added_text
            elif marks and any(mark in label_text for mark in marks):
                label_text = self._resolve(label_text)
            else:
                label_text = f"{label_text},{self._added_text}"
            relabeled.append(SampleLine(sample.name, label_text, sample.value, sample.timestamp))
        return relabeled

    def _resolve(self, label_text: str) -> str:
        labels = resolve_labels(dict(parse_labels(label_text)), self._added, self._honor_labels)
        self.resolved_label_orders.add(tuple(labels))
        return format_labels(labels.items())
