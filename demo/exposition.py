"""Text in the Prometheus exposition format: written metric by metric, and read as series at one instant."""

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

# Counters without the suffix of counters.
UNSUFFIXED_COUNTERS = frozenset({"DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION"})

_LABEL_PATTERN = re.compile(r'(\w+)="([^"]*)"')


class Series(NamedTuple):
    """A series at one instant. `labels` include the metric name as `__name__` unless an operation removed it.

    `sample_seconds` is the time of its last sample, None for the instant itself.
    """

    labels: Mapping[str, str]
    value: float
    sample_seconds: float | None = None


class ExpositionPage:
    """Lines by metric, in the order in which the metrics were added."""

    def __init__(self) -> None:
        self._lines: dict[str, list[str]] = {}

    def add_sample(self, metric: str, labels: str, value: float, sample_seconds: float | None = None) -> None:
        """Add one sample, with a timestamp if it has a time of its own; `labels` is the text between the braces."""
        lines = self._lines.get(metric)
        if lines is None:
            kind = "counter" if metric.endswith("_total") or metric in UNSUFFIXED_COUNTERS else "gauge"
            lines = self._lines[metric] = [f"# TYPE {metric} {kind}"]
        series = f"{metric}{{{labels}}}" if labels else metric
        lines.append(f"{series} {value}" if sample_seconds is None else f"{series} {value} {sample_seconds * 1000:.0f}")

    def render(self) -> str:
        """Return all lines, with the newline at the end that the format requires."""
        return "\n".join("\n".join(lines) for lines in self._lines.values()) + "\n"


def format_labels(**pairs: str) -> str:
    """Return label pairs as text; values of this simulation need no escaping."""
    return ",".join(f'{name}="{value}"' for name, value in pairs.items())


def parse_labels(text: str) -> dict[str, str]:
    """Return the label pairs in the text between the braces."""
    return dict(_LABEL_PATTERN.findall(text))


class ExpositionSnapshot:
    """The series that exporters expose at one instant. `render_before` returns the text of some seconds earlier."""

    def __init__(self, at_seconds: float, text: str, render_before: Callable[[float], str]) -> None:
        self.at_seconds = at_seconds
        self._render_before = render_before
        self._lines_by_age: dict[float, dict[str, list[str]]] = {0.0: _group_by_metric(text)}
        self._parsed_series: dict[tuple[str, float], list[Series]] = {}

    def find_series(self, metric: str, before_seconds: float = 0.0) -> list[Series]:
        """Return the series of a metric, as they were `before_seconds` ago."""
        key = (metric, before_seconds)
        if key not in self._parsed_series:
            if before_seconds not in self._lines_by_age:
                self._lines_by_age[before_seconds] = _group_by_metric(self._render_before(before_seconds))
            self._parsed_series[key] = [
                _parse_series(metric, line) for line in self._lines_by_age[before_seconds].get(metric, ())
            ]
        return self._parsed_series[key]


def _group_by_metric(text: str) -> dict[str, list[str]]:
    lines: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            lines.setdefault(line[: line.index("{")], []).append(line)
    return lines


def _parse_series(metric: str, line: str) -> Series:
    labels, _, rest = line.rpartition("}")
    value, _, milliseconds = rest.strip().partition(" ")
    sample_seconds = float(milliseconds) / 1000 if milliseconds else None
    return Series({"__name__": metric, **parse_labels(labels)}, float(value), sample_seconds)
