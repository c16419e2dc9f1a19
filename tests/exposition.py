"""Metrics as a scraper reads them: text in, values by name and labels out."""

import subprocess
from dataclasses import dataclass

from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import exposition, parser
from prometheus_client.parser import text_string_to_metric_families

from aggregator.telemetry import Telemetry
from demo.prometheus import obtain

Labels = frozenset[tuple[str, str]]


@dataclass(frozen=True)
class Scraped:
    """The samples of one scrape."""

    samples: dict[tuple[str, Labels], float]

    def value(self, name: str, **labels: str) -> float:
        """Return the value of one series; fail where it does not exist."""
        return self.samples[name, frozenset(labels.items())]

    def total(self, name: str, **labels: str) -> float:
        """Return the sum of all series of a name that have these labels."""
        wanted = frozenset(labels.items())
        return sum(value for (of, have), value in self.samples.items() if of == name and wanted <= have)

    def series(self, name: str) -> list[dict[str, str]]:
        """Return the labels of all series of a name."""
        return [dict(labels) for of, labels in self.samples if of == name]


def scraped(text: str) -> Scraped:
    """Return what a scraper reads in the text."""
    samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in samples, f"{sample.name} appears twice"
            samples[key] = sample.value
    return Scraped(samples)


def now(telemetry: Telemetry) -> Scraped:
    """Return what a scraper would read now."""
    return scraped(generate_latest(telemetry.registry).decode())


def openmetrics(given: Telemetry | str) -> list[Metric]:
    """Return the families of an exposition in OpenMetrics, which a strict parser reads."""
    text = given if isinstance(given, str) else exposition.generate_latest(given.registry).decode()  # type: ignore[no-untyped-call] # the library has no types there
    return list(parser.text_string_to_metric_families(text))  # type: ignore[no-untyped-call] # nor there


def promtool(*arguments: str, given: str = "") -> str:
    """Run promtool; return what it says, "" where it has nothing to say against what it checks."""
    done = subprocess.run(
        [obtain().promtool, *arguments], input=given, capture_output=True, text=True, timeout=60, check=False
    )
    said = (done.stdout + done.stderr).strip()
    return said if done.returncode or not said.endswith("SUCCESS") else ""
