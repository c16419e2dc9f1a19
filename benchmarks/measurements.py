"""Measurements: one measured number each, with its target, if it has one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeVar

_Result = TypeVar("_Result")

# A response of a few kB costs mostly the request, one of 2 MB mostly the bytes: the accepted cost of the framework.
SMALL_FLEET_NODES = 10
MIN_SMALL_BASELINE_RATIO = 0.5
MIN_BASELINE_RATIO = 0.8


@dataclass(frozen=True)
class Measurement:
    """What was measured, the fleet size in nodes, the value, its unit, and a lower or upper target."""

    benchmark: str
    nodes: int
    description: str
    value: float
    unit: str
    max_value: float | None = None
    min_value: float | None = None

    @property
    def target(self) -> str:
        """The target as text, "" for a measurement without one."""
        if self.max_value is not None:
            return f"at most {self.max_value:g}"
        return f"at least {self.min_value:g}" if self.min_value is not None else ""

    @property
    def is_target_met(self) -> bool:
        """Whether the value meets its target."""
        exceeds_max = self.max_value is not None and self.value > self.max_value
        return not exceeds_max and (self.min_value is None or self.value >= self.min_value)


def run_interleaved(contestants: dict[str, Callable[[], _Result]], rounds: int) -> dict[str, list[_Result]]:
    """Run the functions in turn (A B C A B C), so that a slow minute affects all; return the results of each."""
    results: dict[str, list[_Result]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, measure in contestants.items():
            results[name].append(measure())
    return results


def compute_medians(results: dict[str, list[float]]) -> dict[str, float]:
    """Return the median of each."""
    return {name: median(values) for name, values in results.items()}


def compute_median_ratio(numerators: Sequence[float], denominators: Sequence[float]) -> float:
    """Return the median of the ratios of each round, which a slower minute disturbs less than a ratio of medians."""
    return median(above / below for above, below in zip(numerators, denominators, strict=True))


def get_min_baseline_ratio(nodes: int) -> float:
    """Return the lowest accepted ratio of the gateway's rate to the baseline server's, for cached responses."""
    return MIN_SMALL_BASELINE_RATIO if nodes <= SMALL_FLEET_NODES else MIN_BASELINE_RATIO
