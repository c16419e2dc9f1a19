"""A figure: one number that was measured, with the aim that it is held against, if there is one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Figure:
    """What was measured, on a fleet of how many nodes, the value and its unit; an aim bounds it on one side."""

    question: str
    nodes: int
    what: str
    value: float
    unit: str
    at_most: float | None = None
    at_least: float | None = None

    @property
    def aim(self) -> str:
        """The aim as a person reads it, "" for a figure that only informs."""
        if self.at_most is not None:
            return f"at most {self.at_most:g}"
        return f"at least {self.at_least:g}" if self.at_least is not None else ""

    @property
    def is_met(self) -> bool:
        """Whether the value is within its aim."""
        too_much = self.at_most is not None and self.value > self.at_most
        return not too_much and (self.at_least is None or self.value >= self.at_least)


def in_turn(contestants: dict[str, Callable[[], T]], rounds: int) -> dict[str, list[T]]:
    """Return what each gave in each round, taken in turn (A B C A B C), so that a slow minute is everybody's."""
    given: dict[str, list[T]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, measure in contestants.items():
            given[name].append(measure())
    return given


def medians(given: dict[str, list[float]]) -> dict[str, float]:
    """Return the median of each."""
    return {name: median(values) for name, values in given.items()}


def paired(over: Sequence[float], under: Sequence[float]) -> float:
    """Return the median of the ratios of each round, which a machine that slows down in between disturbs less."""
    return median(above / below for above, below in zip(over, under, strict=True))
