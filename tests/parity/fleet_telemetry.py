"""The series of one fleet: what Prometheus is given, and what the rules look at."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class FleetSeries:
    """One series with one value, as text; a label with an empty value is a missing label, as in Prometheus."""

    metric: str
    labels: tuple[tuple[str, str], ...]
    value: str = "1"

    def get_label(self, name: str) -> str:
        """Return the label's value, empty if it is missing."""
        return next((value for key, value in self.labels if key == name), "")

    def parse_value(self) -> float:
        """Return the value as Prometheus reads it."""
        return float(self.value)

    def format_line(self, at_seconds: float) -> str:
        """Return its OpenMetrics line."""
        inside = ",".join(f'{name}="{_escape(value)}"' for name, value in self.labels)
        return f"{self.metric}{{{inside}}} {self.value} {at_seconds:.3f}"


def build_series(metric: str, labels: dict[str, str], value: str = "1") -> FleetSeries:
    """Return a series with its labels in Prometheus's order and without the empty ones."""
    return FleetSeries(metric, tuple(sorted((name, text) for name, text in labels.items() if text)), value)


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


@dataclass(frozen=True)
class FleetTelemetry:
    """All series of one fleet, in the order in which Prometheus answers them: by metric, then by labels."""

    all_series: tuple[FleetSeries, ...]
    _by_metric: dict[str, list[FleetSeries]] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        for one in self.all_series:
            self._by_metric.setdefault(one.metric, []).append(one)

    def find_series(self, metric: str, **labels: str) -> list[FleetSeries]:
        """Return the series of a metric whose labels have exactly these values."""
        found = self._by_metric.get(metric, [])
        return [one for one in found if all(one.get_label(name) == value for name, value in labels.items())]

    def format_openmetrics(self, at_seconds: float) -> str:
        """Return the exposition, each line with the same timestamp."""
        parts = [
            f"# TYPE {metric} gauge\n" + "\n".join(one.format_line(at_seconds) for one in found)
            for metric, found in self._by_metric.items()
        ]
        return "\n".join([*parts, "# EOF\n"])

    def format_exposition(self) -> str:
        """Return the exposition for a person to read and for `promtool` to check, without timestamps."""
        return "".join(one.format_line(0.0).rsplit(" ", 1)[0] + "\n" for one in self.all_series)


def build_telemetry(found: Iterable[FleetSeries]) -> FleetTelemetry:
    """Return the fleet of these series; of series with the same labels the last one stays."""
    kept = {(one.metric, one.labels): one for one in found}
    return FleetTelemetry(tuple(sorted(kept.values(), key=lambda one: (one.metric, one.labels))))


def is_finite(one: FleetSeries) -> bool:
    """Tell whether the value is neither NaN nor infinite."""
    return math.isfinite(one.parse_value())
