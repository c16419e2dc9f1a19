"""aggregator/exposition/merge.py and write.py: many pages as one."""

from aggregator.exposition.merge import MergedPage, merge_pages
from aggregator.exposition.page import Family, Page, PageLimits, make_sample
from aggregator.exposition.parse import parse_page
from aggregator.exposition.write import write_families


def merge(*texts: str) -> MergedPage:
    """Merge pages that are given as text."""
    return merge_pages(parse_page(text.encode(), PageLimits()) for text in texts)


def write(merged: MergedPage) -> str:
    """Return the text of a merged page."""
    return write_families(merged.families).decode()


def test_families_are_together_with_their_metadata() -> None:
    """Each family is written once, with the first HELP and a TYPE that only a later page has."""
    merged = merge(
        'a{i="1"} 1\n# HELP b First.\n# TYPE b gauge\nb{i="1"} 2\n',
        '# TYPE b gauge\n# HELP b Second.\nb{i="2"} 3 1700000000000\n# TYPE a counter\na{i="2"} 4\n',
    )
    assert write(merged) == (
        "# TYPE a counter\n"
        'a{i="1"} 1\na{i="2"} 4\n'
        "# HELP b First.\n# TYPE b gauge\n"
        'b{i="1"} 2\nb{i="2"} 3 1700000000000\n'
    )


def test_a_type_conflict_makes_the_family_untyped() -> None:
    """A family with two types is written without a type, and named."""
    merged = merge('# HELP a A\n# TYPE a counter\na{i="1"} 1\n', '# TYPE a gauge\na{i="2"} 1\n', 'a{i="3"} 1\n')
    assert merged.type_conflicts == ["a"]
    assert write(merged) == '# HELP a A\n# TYPE a untyped\na{i="1"} 1\na{i="2"} 1\na{i="3"} 1\n'


def test_the_first_of_duplicate_series_wins() -> None:
    """The order of labels, empty labels and escapes do not make another series."""
    merged = merge(
        'a{x="1",y="2"} 1\na{x="1",y="2"} 2\n',
        'a{y="2",x="1"} 3\na{x="1",y="2",z=""} 4\na{x="\\1"} 5\na{x="\\\\1"} 6\na{y="1",x="2"} 7\n',
    )
    assert write(merged) == 'a{x="1",y="2"} 1\na{x="\\\\1"} 5\na{y="1",x="2"} 7\n'
    assert merged.dropped_duplicates == 4


def test_duplicates_on_pages_without_label_orders_are_found() -> None:
    """A page that was not read from text may have its labels in any order."""
    family = Family(
        "a", samples=[make_sample("a", [("x", "1"), ("y", "2")], 1), make_sample("a", [("y", "2"), ("x", "1")], 2)]
    )
    assert merge_pages([Page([family])]).dropped_duplicates == 1


def test_duplicates_in_different_families_are_found() -> None:
    """The count of a histogram and a gauge of the same name are one series."""
    merged = merge("# TYPE a histogram\na_count 1\n", "# TYPE a_count gauge\na_count 2\na_count 3\n")
    assert merged.dropped_duplicates == 2
    assert write(merged) == "# TYPE a histogram\na_count 1\n# TYPE a_count gauge\n"


def test_the_first_page_wins_in_different_families() -> None:
    """The sample of the first page stays, also if the family of the second page appeared earlier."""
    merged = merge("# TYPE a gauge\na 1\n# TYPE a_sum gauge\na_sum 2\n", "# TYPE a summary\na_sum 3\na_count 4\n")
    assert merged.dropped_duplicates == 1
    assert [(sample.name, sample.value) for family in merged.families for sample in family.samples] == [
        *(("a", "1"), ("a_count", "4"), ("a_sum", "2"))
    ]


def test_exemplars_of_all_pages_are_counted() -> None:
    """A merged page knows how many exemplars its pages had."""
    assert merge("a 1 # {} 1\n", "b 1 # {} 1\n").dropped_exemplars == 2


def test_families_are_written_with_escapes() -> None:
    """Any text of a label or of HELP survives, and whole numbers are written as integers."""
    family = Family("a", "gauge", 'one\\\n"two"', [make_sample("a", [("x", 'a"b\\c\nd')], 3.0, 5)])
    text = write_families([family])
    assert text.decode() == '# HELP a one\\\\\\n"two"\n# TYPE a gauge\na{x="a\\"b\\\\c\\nd"} 3 5\n'
    assert parse_page(text, PageLimits()).families == [family]
