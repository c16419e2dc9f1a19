"""What exporters expose at a moment, and some time before it, looked up by metric."""

import re
from collections.abc import Callable, Mapping

_LABEL = re.compile(r'(\w+)="([^"]*)"')

Read = list[tuple[Mapping[str, str], float]]


class Scene:
    """Exposition text at a moment; `before` gives what was exposed so many seconds earlier."""

    def __init__(self, at_seconds: float, text: str, before: Callable[[float], str]) -> None:
        self.at_seconds = at_seconds
        self._before = before
        self._lines: dict[float, dict[str, list[str]]] = {0.0: _by_metric(text)}
        self._read: dict[tuple[str, float], Read] = {}

    def series(self, metric: str, before_seconds: float = 0.0) -> Read:
        """Return labels, the metric's name among them, and value of each series of a metric."""
        key = (metric, before_seconds)
        if key not in self._read:
            if before_seconds not in self._lines:
                self._lines[before_seconds] = _by_metric(self._before(before_seconds))
            self._read[key] = [_series(metric, line) for line in self._lines[before_seconds].get(metric, ())]
        return self._read[key]


def _by_metric(text: str) -> dict[str, list[str]]:
    lines: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            lines.setdefault(line[: line.index("{")], []).append(line)
    return lines


def _series(metric: str, line: str) -> tuple[dict[str, str], float]:
    labels, _, value = line.rpartition(" ")
    return {"__name__": metric, **dict(_LABEL.findall(labels))}, float(value)
