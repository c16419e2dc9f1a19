"""aggregator/exposition/relabel.py: the labels of a target on the samples of its page."""

import pytest

from aggregator.exposition.page import Page, PageLimits
from aggregator.exposition.parse import parse_page
from aggregator.exposition.relabel import HonorLabels, relabel

TARGET_LABELS = {"instance": "a-0", "job": "j", "cluster": ""}


def relabel_sample(label_text: str, honor_labels: HonorLabels) -> str:
    """Return the label text of one sample with the labels of the target."""
    page: Page = parse_page(f"m{{{label_text}}} 1\n".encode(), PageLimits())
    return relabel(page, TARGET_LABELS, honor_labels).families[0].samples[0].label_text


@pytest.mark.parametrize("honor_labels", [False, True, "overwrite"])
def test_labels_of_the_target_are_appended(honor_labels: HonorLabels) -> None:
    """Labels that the page lacks come after those of the page; empty ones are not added."""
    assert relabel_sample("", honor_labels) == 'instance="a-0",job="j"'
    assert relabel_sample('code="200"', honor_labels) == 'code="200",instance="a-0",job="j"'
    assert relabel_sample('myjob="job=\\"x\\""', honor_labels) == 'myjob="job=\\"x\\"",instance="a-0",job="j"'


@pytest.mark.parametrize(
    ("honor_labels", "own", "expected"),
    [
        (False, 'job="own",code="1"', 'exported_job="own",code="1",instance="a-0",job="j"'),
        (
            False,
            'job="own",exported_job="2"',
            'exported_exported_job="own",exported_job="2",instance="a-0",job="j"',
        ),
        (False, 'job="",code="1"', 'code="1",instance="a-0",job="j"'),
        (True, 'job="own",code="1"', 'job="own",code="1",instance="a-0"'),
        (True, 'job=""', 'job="",instance="a-0"'),
        ("overwrite", 'job="own",code="1"', 'job="j",code="1",instance="a-0"'),
        ("overwrite", 'job="",empty="",code="1"', 'job="j",code="1",instance="a-0"'),
    ],
)
def test_conflicting_labels(honor_labels: HonorLabels, own: str, expected: str) -> None:
    """A label of both is renamed, kept, or overwritten in its place."""
    assert relabel_sample(own, honor_labels) == expected


def test_without_labels_nothing_changes() -> None:
    """A target without labels leaves its page as it is."""
    page = parse_page(b'm{a=""} 1\n', PageLimits())
    assert relabel(page, {}) == page
