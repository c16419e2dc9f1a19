"""What a scenario of the soak test has found: outcomes, problems and measurements."""

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

MAX_PROBLEMS = 20


@dataclass
class SoakResults:
    """The number of outcomes of each kind of client, and problems."""

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    stop_event: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def record(self, kind: str, outcome: str, problem: str = "") -> None:
        """Count one outcome, and store its problem, if any."""
        with self._lock:
            self.outcomes[kind, outcome] += 1
            if problem and len(self.problems) < MAX_PROBLEMS:
                self.problems.append(f"{kind}: {problem}")


@dataclass(frozen=True)
class Measurement:
    """A measured value and its limit."""

    name: str
    value: float
    maximum: float
    unit: str = ""

    @property
    def is_within_limit(self) -> bool:
        """Whether the value is at most the maximum."""
        return self.value <= self.maximum

    def __str__(self) -> str:
        mark = "" if self.is_within_limit else "  <-- exceeds the limit"
        return f"  {self.name:<44} {self.value:>10.1f} {self.unit:<4} at most {self.maximum:>8.1f}{mark}"


@dataclass(frozen=True)
class ScenarioSummary:
    """The results of one scenario; the title says what has happened."""

    title: str
    results: SoakResults
    measurements: Sequence[Measurement] = ()

    @property
    def has_passed(self) -> bool:
        """Whether there are no problems, and all measurements are within their limits."""
        return not self.results.problems and all(each.is_within_limit for each in self.measurements)


def print_summary(summaries: Sequence[ScenarioSummary]) -> int:
    """Print the results of all scenarios; return 1 if one has not passed."""
    for summary in summaries:
        print(f"\n{summary.title}")
        for (kind, outcome), count in sorted(summary.results.outcomes.items()):
            print(f"  {kind:<20} {outcome:<24} {count:>8}")
        print(*summary.measurements, sep="\n")
        for problem in summary.results.problems:
            print(f"  PROBLEM {problem}")
    has_passed = all(summary.has_passed for summary in summaries)
    print("passed" if has_passed else "FAILED")
    return 0 if has_passed else 1
