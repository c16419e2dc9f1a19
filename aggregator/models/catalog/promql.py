"""PromQL expressions of the catalog: text for Prometheus, and a structure that other sources evaluate.

They are built from constants only, never from settings, requests or telemetry. An aggregation keeps only the labels
that the row reads, so that results contain no unused data. Rows call the functions at the end of the module; the
classes are the structure that the simulated fleet evaluates.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, cast

from aggregator.models.catalog.converters import INT64_LIMIT

LabelNames = tuple[str, ...]
AggregationOperator = Literal["max", "min", "avg", "sum", "count", "group"]
MatchOperator = Literal["=", "!=", "=~", "!~"]
BinaryOperator = Literal["+", "-", "/"]

# Rates are computed over this many seconds.
RATE_WINDOW_SECONDS = 300
# For series that are scraped less often than twice in that time, rates are computed over this many seconds.
LONG_WINDOW_SECONDS = 900

_MATCHER = r'\w+(?:=~|!~|!=|=)"[^"\\]*"'
_SELECTOR_PATTERN = re.compile(rf"([a-zA-Z_:][\w:]*)(?:\{{({_MATCHER}(?:,{_MATCHER})*)\}})?")
_MATCHER_PATTERN = re.compile(r'(\w+)(=~|!~|!=|=)"([^"\\]*)"')


class Expression(ABC):
    """PromQL that returns an instant vector."""

    @property
    @abstractmethod
    def text(self) -> str:
        """The PromQL."""

    @property
    def labels(self) -> LabelNames | None:
        """The labels of the samples; None if they have all labels of their series."""
        return None

    def keep_labels(self, labels: LabelNames) -> "Expression":
        """Return the expression with samples that keep these labels, too."""
        return self

    def multiply_by(self, factor: str) -> "Expression":
        """Return the expression with each value multiplied, to convert it to the unit of the field."""
        return Scaling(self, "*", factor)

    def divide_by(self, divisor: str) -> "Expression":
        """Return the expression with each value divided, to convert it to the unit of the field."""
        return Scaling(self, "/", divisor)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class LabelMatcher:
    """One condition of a selector; a regular expression matches the whole value."""

    label: str
    operator: MatchOperator
    value: str


@dataclass(frozen=True)
class Selector(Expression):
    """The series of a metric whose labels match."""

    metric: str
    matchers: tuple[LabelMatcher, ...] = ()

    @property
    def text(self) -> str:
        """`metric{label="value"}`."""
        conditions = ",".join(f'{matcher.label}{matcher.operator}"{matcher.value}"' for matcher in self.matchers)
        return f"{self.metric}{{{conditions}}}" if conditions else self.metric


@dataclass(frozen=True)
class LastTimestamp(Expression):
    """The time of the last sample of each series, in seconds since the epoch."""

    selector: Selector

    @property
    def text(self) -> str:
        """`timestamp(metric)`."""
        return f"timestamp({self.selector})"


@dataclass(frozen=True)
class RatePerSecond(Expression):
    """The per-second increase of a counter over the last five minutes, for series that existed all that time.

    `rate` alone returns a series for five minutes after its end, and too small a value for a new series, because it
    divides the increase by the whole window.

    Five minutes contain fewer than two samples of a series that is scraped every few minutes. For those, and only
    those, the increase over fifteen minutes counts, divided by the time between both samples. It reads two samples of
    each series, so it costs less than the rate; a longer window of `rate` would read all samples of all series in it.
    """

    counter: Selector

    @property
    def text(self) -> str:
        """The rate and both conditions, or the increase between two samples."""
        counter, window, earlier = self.counter, f"{RATE_WINDOW_SECONDS // 60}m", f"offset {LONG_WINDOW_SECONDS // 60}m"
        return (
            f"(rate({counter}[{window}]) and {counter} and {counter} offset {window}"
            f" or (({counter} - {counter} {earlier}) >= 0)"
            f" / (timestamp({counter}) - timestamp({counter} {earlier})))"
        )


@dataclass(frozen=True)
class BinaryOperation(Expression):
    """Two vectors combined by an operator, for series with equal labels."""

    left: Expression
    operator: BinaryOperator
    right: Expression

    @property
    def text(self) -> str:
        """`(a - b)`."""
        return f"({self.left} {self.operator} {self.right})"

    @property
    def labels(self) -> LabelNames | None:
        """The labels of the operands."""
        return self.left.labels

    def keep_labels(self, labels: LabelNames) -> "Expression":
        """Return the operation on operands with these labels, too."""
        return BinaryOperation(self.left.keep_labels(labels), self.operator, self.right.keep_labels(labels))


@dataclass(frozen=True)
class Equality(Expression):
    """The series of a metric whose value is a number."""

    selector: Selector
    number: int

    @property
    def text(self) -> str:
        """`(metric == 1)`."""
        return f"({self.selector} == {self.number})"


@dataclass(frozen=True)
class Aggregation(Expression):
    """One value for each combination of the labels `by`; without labels, one value for all series."""

    operator: AggregationOperator
    operand: Expression
    by: LabelNames

    @property
    def text(self) -> str:
        """`max by (a, b) (metric)`."""
        return (
            f"{self.operator} by ({', '.join(self.by)}) ({self.operand})"
            if self.by
            else f"{self.operator}({self.operand})"
        )

    @property
    def labels(self) -> LabelNames:
        """The labels `by`."""
        return self.by

    def keep_labels(self, labels: LabelNames) -> "Expression":
        """Return the aggregation by these labels, too."""
        return Aggregation(self.operator, self.operand.keep_labels(labels), _add_names(self.by, labels))


@dataclass(frozen=True)
class LargestInteger(Expression):
    """The largest value that a 64-bit integer can hold, for each combination of the labels `by`.

    If no value fits, the result is the largest value: the builder cannot store it and counts it as dropped.
    """

    operand: Expression
    by: LabelNames

    @property
    def text(self) -> str:
        """The maximum of the values in range, or of all values."""
        by = ", ".join(self.by)
        return f"(max by ({by}) ({self.operand} < {INT64_LIMIT}) or max by ({by}) ({self.operand}))"

    @property
    def labels(self) -> LabelNames:
        """The labels `by`."""
        return self.by

    def keep_labels(self, labels: LabelNames) -> "Expression":
        """Return the maximum by these labels, too."""
        return LargestInteger(self.operand.keep_labels(labels), _add_names(self.by, labels))


@dataclass(frozen=True)
class Scaling(Expression):
    """Each value multiplied or divided by a number, as PromQL writes it."""

    operand: Expression
    operator: Literal["*", "/"]
    number: str

    @property
    def text(self) -> str:
        """`operand * 1e6`."""
        return f"{self.operand} {self.operator} {self.number}"

    @property
    def labels(self) -> LabelNames | None:
        """The labels of the operand."""
        return self.operand.labels

    def keep_labels(self, labels: LabelNames) -> "Expression":
        """Return the scaled operand with these labels, too."""
        return Scaling(self.operand.keep_labels(labels), self.operator, self.number)


@dataclass(frozen=True)
class UsedPercent(Expression):
    """The used share in percent, from the idle share as a fraction."""

    idle_fraction: Expression

    @property
    def text(self) -> str:
        """`100 * (1 - idle)`."""
        return f"100 * (1 - {self.idle_fraction})"

    @property
    def labels(self) -> LabelNames | None:
        """The labels of the operand."""
        return self.idle_fraction.labels

    def keep_labels(self, labels: LabelNames) -> "Expression":
        """Return the used share with these labels, too."""
        return UsedPercent(self.idle_fraction.keep_labels(labels))


@dataclass(frozen=True)
class FirstOf(Expression):
    """The samples of the first operand, and those of later operands whose labels no earlier one has."""

    operands: tuple[Expression, ...]

    @property
    def text(self) -> str:
        """`(a or b)`."""
        return f"({' or '.join(map(str, self.operands))})"

    @property
    def labels(self) -> LabelNames | None:
        """The labels of the operands."""
        return self.operands[0].labels

    def keep_labels(self, labels: LabelNames) -> "Expression":
        """Return the operands with these labels, too."""
        return FirstOf(tuple(operand.keep_labels(labels) for operand in self.operands))


@dataclass(frozen=True)
class LabelJoin(Expression):
    """The samples of the operand with one more label: the values of some of their labels, joined by slashes.

    If the last one is empty, there is no slash at the end.
    """

    operand: Expression
    label: str
    joined_labels: LabelNames

    @property
    def text(self) -> str:
        """`label_join(operand, "name", "/", "a", "b")`, without a slash at the end of the name."""
        names = ", ".join(f'"{label}"' for label in self.joined_labels)
        joined = f'label_join({self.operand}, "{self.label}", "/", {names})'
        if len(self.joined_labels) == 1:
            return joined
        return f'label_replace({joined}, "{self.label}", "$1", "{self.label}", "(.*)/")'

    @property
    def labels(self) -> LabelNames | None:
        """The labels of the operand, and the new one."""
        return None if self.operand.labels is None else (*self.operand.labels, self.label)

    def keep_labels(self, labels: LabelNames) -> "Expression":
        """Return the same with an operand that keeps these labels, too."""
        return LabelJoin(self.operand.keep_labels(labels), self.label, self.joined_labels)


@dataclass(frozen=True)
class LabelReplacement(Expression):
    """The samples of the operand with one more label, from the value of another one if a pattern matches all of it."""

    operand: Expression
    label: str
    replacement: str
    source_label: str = ""
    pattern: str = ""

    @property
    def text(self) -> str:
        """`label_replace(operand, "label", "replacement", "source", "pattern")`."""
        arguments = ", ".join(f'"{text}"' for text in (self.label, self.replacement, self.source_label, self.pattern))
        return f"label_replace({self.operand}, {arguments})"

    @property
    def labels(self) -> LabelNames | None:
        """The labels of the operand, and the new one."""
        return None if self.operand.labels is None else _add_names(self.operand.labels, (self.label,))

    def keep_labels(self, labels: LabelNames) -> "Expression":
        """Return the same with an operand that keeps these labels, too."""
        return replace(self, operand=self.operand.keep_labels(labels))


@dataclass(frozen=True)
class InfoLabelJoin(Expression):
    """The samples of the operand with one more label, from the series of an info metric with the same labels `on`.

    Samples without such a series are omitted.
    """

    operand: Expression
    info: Selector
    on: LabelNames
    label: str

    @property
    def text(self) -> str:
        """`operand * on (a, b) group_left (c) group by (a, b, c) (info)`."""
        info = Aggregation("group", self.info, (*self.on, self.label))
        return f"({self.operand} * on ({', '.join(self.on)}) group_left ({self.label}) {info})"

    @property
    def labels(self) -> LabelNames | None:
        """The labels of the operand, and the new one."""
        return None if self.operand.labels is None else _add_names(self.operand.labels, (self.label,))

    def keep_labels(self, labels: LabelNames) -> "Expression":
        """Return the same with operands that keep these labels, which must be the same, too."""
        return replace(self, operand=self.operand.keep_labels(labels), on=_add_names(self.on, labels))


@dataclass(frozen=True)
class PromqlText(Expression):
    """PromQL that no other class can express, for new rows. The simulated fleet cannot evaluate it."""

    promql: str
    kept_labels: LabelNames | None = ()

    @property
    def text(self) -> str:
        """The PromQL as it was given."""
        return self.promql

    @property
    def labels(self) -> LabelNames | None:
        """The labels as they were given."""
        return self.kept_labels


def parse_selector(text: str) -> Selector:
    """Return the selector that this PromQL contains, such as `metric{label="value"}`; raise ValueError for others."""
    match = _SELECTOR_PATTERN.fullmatch(text)
    if match is None:
        raise ValueError(f"not a selector of a metric: {text}")
    return Selector(
        match[1],
        tuple(
            LabelMatcher(label, cast("MatchOperator", operator), value)
            for label, operator, value in _MATCHER_PATTERN.findall(match[2] or "")
        ),
    )


def max_by(operand: Expression | str, by: LabelNames) -> Expression:
    """Return the largest value for each combination of the labels `by`. The operand can be a selector as text."""
    return Aggregation("max", _to_expression(operand), by)


def max_integer_by(operand: Expression | str, by: LabelNames) -> Expression:
    """Return the largest value that fits into 64 bits for each combination of the labels `by`; see `LargestInteger`."""
    return LargestInteger(_to_expression(operand), by)


def avg_by(operand: Expression | str, by: LabelNames) -> Expression:
    """Return the mean value for each combination of the labels `by`. The operand can be a selector as text."""
    return Aggregation("avg", _to_expression(operand), by)


def sum_by(operand: Expression | str, by: LabelNames) -> Expression:
    """Return the sum for each combination of the labels `by`. The operand can be a selector as text."""
    return Aggregation("sum", _to_expression(operand), by)


def count_by(operand: Expression | str, by: LabelNames) -> Expression:
    """Return the number of series for each combination of the labels `by`. The operand can be a selector as text."""
    return Aggregation("count", _to_expression(operand), by)


def group_by(operand: Expression | str, by: LabelNames) -> Expression:
    """Return 1 for each combination of the labels `by`: for metrics that carry all information in their labels."""
    return Aggregation("group", _to_expression(operand), by)


def last_timestamp_by(selector: str, by: LabelNames) -> Expression:
    """Return the time of the last sample, in seconds since the epoch, for each combination of the labels `by`.

    For metrics that carry all information in their labels; their values are not used.
    """
    return Aggregation("max", LastTimestamp(parse_selector(selector)), by)


def oldest_timestamp(selector: str) -> Expression:
    """Return one sample: the Unix time of the last sample of the series that was scraped least recently."""
    return Aggregation("min", LastTimestamp(parse_selector(selector)), ())


def rate_per_second(counter: str) -> Expression:
    """Return the per-second increase of a counter over the last five minutes; see `RatePerSecond`."""
    return RatePerSecond(parse_selector(counter))


def difference(minuend: Expression | str, subtrahend: Expression | str) -> Expression:
    """Return one value minus another, for series with equal labels. The operands can be selectors as text."""
    return BinaryOperation(_to_expression(minuend), "-", _to_expression(subtrahend))


def total(first: Expression | str, second: Expression | str) -> Expression:
    """Return the sum of two values, for series with equal labels. The operands can be selectors as text."""
    return BinaryOperation(_to_expression(first), "+", _to_expression(second))


def quotient(dividend: Expression | str, divisor: Expression | str) -> Expression:
    """Return one value divided by another, for series with equal labels. The operands can be selectors as text."""
    return BinaryOperation(_to_expression(dividend), "/", _to_expression(divisor))


def equal_to(selector: str, number: int) -> Expression:
    """Return the series with this value."""
    return Equality(parse_selector(selector), number)


def first_of(*operands: Expression) -> Expression:
    """Return the samples of the first operand, completed by those of the others; all have the same labels."""
    return FirstOf(operands)


def join_labels(operand: Expression, label: str, joined_labels: LabelNames) -> Expression:
    """Return the samples with a new label that joins the values of some of their labels by slashes."""
    return LabelJoin(operand, label, joined_labels)


def add_label(operand: Expression | str, label: str, value: str) -> Expression:
    """Return the samples with one more label, to tell apart the samples of several metrics in one query."""
    return LabelReplacement(_to_expression(operand), label, value)


def label_quantities(quantities: Mapping[str, Expression]) -> Expression:
    """Return the samples of several expressions in one query; the label `quantity` tells them apart.

    The first expression has all labels of the others.
    """
    return first_of(*(add_label(values, "quantity", name) for name, values in quantities.items()))


def join_info_label(operand: Expression, info: str, on: LabelNames, label: str) -> Expression:
    """Return the samples with a label of an info metric, whose series has the same labels `on`; see `InfoLabelJoin`."""
    return InfoLabelJoin(operand, parse_selector(info), on, label)


def extract_label(operand: Expression, label: str, source_label: str, pattern: str) -> Expression:
    """Return the samples with one more label: what the first group of a pattern matches in another label."""
    return LabelReplacement(operand, label, "$1", source_label, pattern)


def used_percent(idle_fraction: Expression) -> Expression:
    """Return the used share in percent, from the idle share as a fraction."""
    return UsedPercent(idle_fraction)


def _to_expression(operand: Expression | str) -> Expression:
    return parse_selector(operand) if isinstance(operand, str) else operand


def _add_names(by: LabelNames, labels: LabelNames) -> LabelNames:
    """Return the labels, new ones last; an aggregation of all series to one value remains one."""
    return (*by, *(label for label in labels if label not in by)) if by else by
