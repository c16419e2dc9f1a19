"""Parses metrics from an exposition, and runs promtool."""

import subprocess
from dataclasses import dataclass

from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import exposition, parser
from prometheus_client.parser import text_string_to_metric_families

from aggregator.observability.metrics import OwnMetrics
from demo.prometheus import obtain_prometheus

Labels = frozenset[tuple[str, str]]


@dataclass(frozen=True)
class ScrapedMetrics:
    """The samples of one scrape."""

    samples: dict[tuple[str, Labels], float]

    def get_value(self, name: str, **labels: str) -> float:
        """Return the value of one series; fail if it does not exist."""
        return self.samples[name, frozenset(labels.items())]

    def sum_values(self, name: str, **labels: str) -> float:
        """Return the sum of all series with this name and these labels."""
        wanted = frozenset(labels.items())
        return sum(
            value
            for (series_name, series_labels), value in self.samples.items()
            if series_name == name and wanted <= series_labels
        )

    def list_series(self, name: str) -> list[dict[str, str]]:
        """Return the labels of all series with this name."""
        return [dict(labels) for series_name, labels in self.samples if series_name == name]


def parse_exposition(text: str) -> ScrapedMetrics:
    """Parse an exposition in the text format; fail on duplicate series."""
    samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in samples, f"{sample.name} appears twice"
            samples[key] = sample.value
    return ScrapedMetrics(samples)


def scrape_own_metrics(own_metrics: OwnMetrics) -> ScrapedMetrics:
    """Return the current metrics."""
    return parse_exposition(generate_latest(own_metrics.registry).decode())


def parse_openmetrics(source: OwnMetrics | str) -> list[Metric]:
    """Return the metric families of an OpenMetrics exposition, read by a strict parser."""
    text = source if isinstance(source, str) else exposition.generate_latest(source.registry).decode()  # type: ignore[no-untyped-call] # untyped function of the library
    return list(parser.text_string_to_metric_families(text))  # type: ignore[no-untyped-call] # untyped function of the library


def run_promtool(*arguments: str, stdin: str = "") -> str:
    """Run promtool; return its output, "" if the check succeeded."""
    completed = subprocess.run(
        [obtain_prometheus().promtool, *arguments], input=stdin, capture_output=True, text=True, timeout=60, check=False
    )
    output = (completed.stdout + completed.stderr).strip()
    return output if completed.returncode or not output.endswith("SUCCESS") else ""
