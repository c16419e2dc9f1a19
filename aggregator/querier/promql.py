"""PromQL expressions, put together from names that the catalog fixes; nothing from outside enters them.

Each keeps only the labels that are read, so that answers carry no more than is used.
"""

from dataclasses import dataclass, replace

Labels = tuple[str, ...]


@dataclass(frozen=True)
class Expression:
    """PromQL that answers with an instant vector whose samples have `labels`; None: all labels."""

    text: str
    labels: Labels | None = ()

    def times(self, factor: str) -> "Expression":
        """Return the expression with each value multiplied, to bring it to the unit of its field."""
        return replace(self, text=f"{self.text} * {factor}")

    def divided_by(self, divisor: str) -> "Expression":
        """Return the expression with each value divided, to bring it to the unit of its field."""
        return replace(self, text=f"{self.text} / {divisor}")

    def __str__(self) -> str:
        return self.text


def largest(metric: str, by: Labels) -> Expression:
    """Return the largest value of `metric` for each set of the labels `by`."""
    return _aggregated("max", metric, by)


def average(metric: str, by: Labels) -> Expression:
    """Return the mean value of `metric` for each set of the labels `by`."""
    return _aggregated("avg", metric, by)


def total(metric: str, by: Labels) -> Expression:
    """Return the sum of `metric` for each set of the labels `by`."""
    return _aggregated("sum", metric, by)


def number(metric: str, by: Labels) -> Expression:
    """Return how many series `metric` has for each set of the labels `by`."""
    return _aggregated("count", metric, by)


def present(metric: str, by: Labels) -> Expression:
    """Return 1 for each set of the labels `by` that `metric` shows: for metrics that say all in their labels."""
    return _aggregated("group", metric, by)


def seen(metric: str, by: Labels) -> Expression:
    """Return when `metric` last had a sample, in seconds since the epoch, for each set of the labels `by`.

    For metrics that say all in their labels; what they are worth is not asked for.
    """
    return _aggregated("max", f"timestamp({metric})", by)


def per_second(counter: str) -> str:
    """Return the growth of `counter` a second over the last five minutes, for series that lived through all of them.

    `rate` alone tells of a series that is gone for five minutes more, and of one that is new it tells too
    little: it divides what it saw by the whole window.
    """
    return f"(rate({counter}[5m]) and {counter} and {counter} offset 5m)"


def _aggregated(operator: str, metric: str, by: Labels) -> Expression:
    return Expression(f"{operator} by ({', '.join(by)}) ({metric})", by)
