"""The names of the metrics that our processes and the usual exporters expose."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.process_collector import ProcessCollector

from aggregator.agent.page import FAMILIES
from aggregator.observability.metrics import METRICS
from demo.example_service.metrics import ServiceMetrics

ROOT = Path(__file__).parents[2]
DATA_DIR = ROOT / "tests" / "data"
# Prometheus itself adds these to what it scrapes.
SCRAPE_METRICS = {"up", "scrape_duration_seconds", "scrape_samples_scraped", "ALERTS"}


def collect_exposed_metrics() -> set[str]:
    """Return the names of all series, those of histograms and summaries with their suffixes."""
    names = set(SCRAPE_METRICS)
    names |= set(_expand((metric.name, metric.kind.__name__.lower()) for metric in METRICS))
    names |= set(_expand((family.name, family.kind) for family in FAMILIES))
    names |= {sample.name for family in ServiceMetrics().registry.collect() for sample in family.samples}
    names |= {
        sample.name for family in ProcessCollector(registry=CollectorRegistry()).collect() for sample in family.samples
    }
    # A test keeps this page equal to what the scrape server exposes.
    names |= set(re.findall(r"`(aggregator_[a-z_]+)[` ]", (ROOT / "docs" / "agents.md").read_text(encoding="utf-8")))
    for path in (DATA_DIR / "monitoring").glob("*.txt"):
        lines = path.read_text(encoding="utf-8").splitlines()
        names |= set(_expand((name, kind) for name, kind in map(str.split, lines)))
    state_metrics = (DATA_DIR / "exporters" / "kube-state-metrics-2.18.txt").read_text(encoding="utf-8")
    names |= set(_expand(re.findall(r"^# TYPE (\S+) (\S+)$", state_metrics, re.MULTILINE)))
    return names


def _expand(families: Iterable[tuple[str, str]]) -> Iterator[str]:
    for name, kind in families:
        if kind in {"histogram", "summary"}:
            yield from (f"{name}_sum", f"{name}_count")
        yield f"{name}_bucket" if kind == "histogram" else name
