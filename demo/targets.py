"""Scrape targets: exporters of the simulated fleets, and the labels that Prometheus adds to their series."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from demo.exposition import format_labels, parse_labels

METRICS_PATH = "/metrics"
_LINE_PATTERN = re.compile(r"(\w+)(?:\{(.*)\})? (.+)")
# After the value of a sample.
_TIMESTAMP_PATTERN = re.compile(r"^(.*\} [^ \n]+) \d+$", re.MULTILINE)


@dataclass(frozen=True)
class ScrapeTarget:
    """An exporter: the path at which the demo serves it, the labels of the target, and a function that renders it.

    If the exporter has a label of the target itself, its own value counts with `honor_labels`. Without, Prometheus
    renames the exporter's label to `exported_...`.
    """

    path: str
    labels: Mapping[str, str]
    render: Callable[[float], str]
    honor_labels: bool = True

    def render_stored(self, at_seconds: float) -> str:
        """Return the series of a time with the labels under which Prometheus stores them, and `up`."""
        up = f"up{{{format_labels(**self.labels)}}} 1\n" if self.labels else ""
        return "".join(f"{line}\n" for line in self.list_stored_lines(at_seconds, _is_sample)) + up

    def list_stored_lines(self, at_seconds: float, selects: Callable[[str], bool]) -> list[str]:
        """Return those lines of the exporter that a function selects, with the labels of the target."""
        return [self._add_labels(line) for line in self.render(at_seconds).splitlines() if selects(line)]

    def _add_labels(self, line: str) -> str:
        if not self.labels:
            return line
        match = _LINE_PATTERN.fullmatch(line)
        if match is None:
            raise ValueError(f"not a line of the exposition format: {line}")
        own = parse_labels(match[2] or "")
        labels = {**self.labels, **own} if self.honor_labels else {**_rename_labels(own, self.labels), **self.labels}
        return f"{match[1]}{{{format_labels(**{name: value for name, value in labels.items() if value})}}} {match[3]}"


def render_stored_series(targets: Iterable[ScrapeTarget], at_seconds: float) -> str:
    """Return the series of all targets with the labels under which Prometheus stores them, and `up` of each target."""
    return "".join(target.render_stored(at_seconds) for target in targets)


def remove_timestamps(text: str) -> str:
    """Return series without the times of samples that an exporter has measured earlier."""
    return _TIMESTAMP_PATTERN.sub(r"\1", text)


def _is_sample(line: str) -> bool:
    return not line.startswith("#")


def _rename_labels(own: Mapping[str, str], target_labels: Mapping[str, str]) -> dict[str, str]:
    return {f"exported_{name}" if name in target_labels else name: value for name, value in own.items()}
