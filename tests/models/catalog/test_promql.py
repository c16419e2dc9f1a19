"""The PromQL of expressions."""

import pytest

from aggregator.models.catalog.promql import (
    Expression,
    LabelMatcher,
    PromqlText,
    Selector,
    add_label,
    avg_by,
    count_by,
    difference,
    equal_to,
    extract_label,
    group_by,
    join_info_label,
    join_labels,
    label_quantities,
    last_timestamp_by,
    max_by,
    max_integer_by,
    oldest_timestamp,
    parse_selector,
    quotient,
    rate_per_second,
    sum_by,
    total,
    used_percent,
)


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        (max_by("m", ("a", "b")), "max by (a, b) (m)"),
        (
            max_integer_by("m", ("a",)),
            "(max by (a) (m < 9223372036854775808) or max by (a) (m))",
        ),
        (avg_by("m", ("a",)), "avg by (a) (m)"),
        (sum_by("m", ("a",)), "sum by (a) (m)"),
        (count_by("m", ("a",)), "count by (a) (m)"),
        (group_by("m", ("a",)), "group by (a) (m)"),
        (last_timestamp_by("m", ("a",)), "max by (a) (timestamp(m))"),
        (sum_by(max_by("m", ("a", "b")), ("a",)), "sum by (a) (max by (a, b) (m))"),
        (max_by("m", ("a",)).multiply_by("1e6"), "max by (a) (m) * 1e6"),
        (max_by("m", ("a",)).divide_by("100"), "max by (a) (m) / 100"),
        (used_percent(avg_by(rate_per_second("c"), ("a",))), f"100 * (1 - avg by (a) ({rate_per_second('c')}))"),
        (max_by(difference("m", "n"), ("a",)), "max by (a) ((m - n))"),
        (total(max_by("m", ("a",)), max_by("n", ("a",))), "(max by (a) (m) + max by (a) (n))"),
        (quotient(max_by("m", ("a",)), max_by("n", ("a",))), "(max by (a) (m) / max by (a) (n))"),
        (group_by(equal_to("m", 1), ("a",)), "group by (a) ((m == 1))"),
    ],
)
def test_an_aggregation_keeps_the_labels_that_are_read(expression: Expression, text: str) -> None:
    """The labels of the text are those of the samples, whatever is done to their values."""
    assert str(expression) == expression.text == text
    assert expression.labels is not None
    assert f"({', '.join(expression.labels)})" in text


def test_a_selector_keeps_all_labels() -> None:
    """Its samples have the labels of their series."""
    assert (parse_selector("m").text, parse_selector("m").labels) == ("m", None)


def test_an_added_label_is_one_of_the_labels() -> None:
    """A label with a constant value is added to those of the operand."""
    expression = add_label(max_by("m", ("a",)), "state", "running")
    assert expression.text == 'label_replace(max by (a) (m), "state", "running", "", "")'
    assert expression.labels == ("a", "state")
    assert expression.keep_labels(("b",)).text == 'label_replace(max by (a, b) (m), "state", "running", "", "")'


def test_a_part_of_a_label_can_be_a_label() -> None:
    """The first group of a pattern is the value of the new label."""
    expression = extract_label(max_by("m", ("a",)), "b", "a", "(.+)-x")
    assert expression.text == 'label_replace(max by (a) (m), "b", "$1", "a", "(.+)-x")'
    assert expression.labels == ("a", "b")


def test_the_oldest_timestamp_is_one_sample() -> None:
    """It has no labels."""
    assert (oldest_timestamp("up").text, oldest_timestamp("up").labels) == ("min(timestamp(up))", ())


def test_a_rate_is_that_of_series_that_exist() -> None:
    """The growth of a counter is that of series that exist now and existed five minutes ago."""
    assert rate_per_second("c").text.startswith("(rate(c[5m]) and c and c offset 5m or ")


def test_joined_labels_are_a_new_label() -> None:
    """The result has the labels of the operand and the new one, with further labels for the scrape target."""
    joined = join_labels(max_by("m", ("a", "b")), "c", ("b", "a"))
    expected = 'label_join(max by (a, b) (m), "c", "/", "b", "a")'
    assert joined.text == f'label_replace({expected}, "c", "$1", "c", "(.*)/")'
    assert join_labels(max_by("m", ("a",)), "c", ("a",)).text == 'label_join(max by (a) (m), "c", "/", "a")'
    assert joined.labels == ("a", "b", "c")
    assert joined.keep_labels(("d",)).labels == ("a", "b", "d", "c")


def test_a_label_of_an_info_metric() -> None:
    """Samples get a label of the info metric that has the same labels, also those of the scrape target."""
    joined = join_info_label(max_by("m", ("id", "a")), "m_info", ("id",), "name")
    info = "group by (id, name) (m_info)"
    assert joined.text == f"(max by (id, a) (m) * on (id) group_left (name) {info})"
    assert joined.labels == ("id", "a", "name")
    kept = joined.keep_labels(("job",))
    assert "on (id, job) group_left (name) group by (id, job, name)" in kept.text
    assert kept.labels == ("id", "a", "job", "name")


def test_quantities_are_told_apart() -> None:
    """Several expressions are one query; a label says which of them a sample is of."""
    joined = label_quantities({"x": max_by("m", ("a",)), "y": max_by("n", ("a",))})
    assert joined.text == (
        '(label_replace(max by (a) (m), "quantity", "x", "", "") or '
        'label_replace(max by (a) (n), "quantity", "y", "", ""))'
    )
    assert joined.labels == ("a", "quantity")


@pytest.mark.parametrize("text", ["m", 'm{a="b"}', 'm{a!="b",c=~"x|y.*",d!~"z"}', 'a:b{c=""}'])
def test_a_selector_is_read_and_written_unchanged(text: str) -> None:
    """Its text is the text that it was made from."""
    assert parse_selector(text).text == text


def test_a_selector_has_a_structure() -> None:
    """Sources without PromQL read the metric and its matchers."""
    assert parse_selector('m{a="b",c!~"x|y"}') == Selector(
        "m", (LabelMatcher("a", "=", "b"), LabelMatcher("c", "!~", "x|y"))
    )


@pytest.mark.parametrize("text", ["", "m{", "m{}", 'm{a="b"', "rate(m[5m])", "m - n", 'm{a="\\""}', 'm{a="b"} or n'])
def test_other_text_is_no_selector(text: str) -> None:
    """What is no selector is refused when the catalog is imported."""
    with pytest.raises(ValueError, match="not a selector of a metric"):
        max_by(text, ("a",))


def test_any_promql_can_be_a_row() -> None:
    """An expression without a structure has its text and its labels."""
    expression = PromqlText("topk by (a) (1, m)", ("a",))
    assert (str(expression), expression.labels) == ("topk by (a) (1, m)", ("a",))
