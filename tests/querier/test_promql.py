"""The PromQL that expressions become."""

import pytest

from aggregator.querier.promql import Expression, average, largest, number, per_second, present, total


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        (largest("m", ("a", "b")), "max by (a, b) (m)"),
        (average("m", ("a",)), "avg by (a) (m)"),
        (total("m", ("a",)), "sum by (a) (m)"),
        (number("m", ("a",)), "count by (a) (m)"),
        (present("m", ("a",)), "group by (a) (m)"),
    ],
)
def test_an_aggregation_keeps_the_labels_that_are_read(expression: Expression, text: str) -> None:
    """The labels of the text are those of the samples."""
    assert str(expression) == text
    assert expression.labels is not None
    assert f"({', '.join(expression.labels)})" in text


def test_scaling_keeps_the_labels() -> None:
    """A factor or divisor changes the text alone."""
    expression = largest("m", ("a",))
    assert expression.times("1e6") == Expression("max by (a) (m) * 1e6", ("a",))
    assert expression.divided_by("100") == Expression("max by (a) (m) / 100", ("a",))


def test_a_rate_is_told_of_living_series_only() -> None:
    """The growth of a counter is asked of series that are there now and were there five minutes ago."""
    assert per_second("c") == "(rate(c[5m]) and c and c offset 5m)"
