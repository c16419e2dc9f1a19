"""Scenarios: series as Prometheus stores them, in files, and the topology that the gateway builds from them.

A line is a series in the exposition format. `@-100s` after the value is the age of its last sample, and `/15s*1.04` in
place of a value a counter that grows by that much per second.
"""

import json
import random
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from aggregator.models.builder.build import build_topology
from aggregator.models.builder.merge import BuildStats
from aggregator.models.catalog.default_catalog import compose_default_catalog
from aggregator.models.catalog.row import DEFAULT_CLUSTER_LABELS, Row
from aggregator.models.sample import Sample
from aggregator.models.topology import Topology
from aggregator.querier.source import RefreshBudget, RowSamples
from demo.exposition import ExpositionSnapshot
from demo.simulated_source import SimulatedSource
from tests.support.catalog import CATALOG

SCENARIO_DIR = Path(__file__).parents[1] / "data"
AT_SECONDS = 1_795_208_200.0
COUNTER_AT_SECONDS = 1000.0

_COUNTER_PATTERN = re.compile(r"/\d+s\*(\S+)$")
_AGE_PATTERN = re.compile(r" @-(\d+)s$")


def read_scenario(name: str) -> str:
    """Return the series of a scenario, such as `shapes/01-kps-recent`."""
    return (SCENARIO_DIR / f"{name}.prom").read_text(encoding="utf-8")


def read_scraped(name: str, **target_labels: str) -> str:
    """Return the series of an exporter in tests/data/exporters, with the labels of its scrape target."""
    target = ",".join(f'{label}="{value}"' for label, value in target_labels.items())
    return "\n".join(_add_labels(line, target) for line in read_scenario(f"exporters/{name}").splitlines()) + "\n"


def _add_labels(line: str, labels: str) -> str:
    if not line or line.startswith("#"):
        return line
    if "{" in line:
        return line.replace("{", f"{{{labels},", 1)
    metric, _, value = line.partition(" ")
    return f"{metric}{{{labels}}} {value}"


def build_scenario(
    text: str, default_cluster: str = "default", cluster_labels: tuple[str, ...] = DEFAULT_CLUSTER_LABELS
) -> tuple[Topology, BuildStats]:
    """Build the topology from series."""
    samples = collect_samples(text, compose_default_catalog(cluster_labels))
    return build_from_row_samples(samples, default_cluster, cluster_labels)


def build_from_row_samples(
    samples: Mapping[str, list[Sample]],
    default_cluster: str = "default",
    cluster_labels: tuple[str, ...] = DEFAULT_CLUSTER_LABELS,
) -> tuple[Topology, BuildStats]:
    """Build the topology from the samples of each row."""
    return build_topology(
        lambda name: list(samples[name]), CATALOG, default_cluster=default_cluster, cluster_labels=cluster_labels
    )


def collect_samples(text: str, rows: Iterable[Row] = CATALOG) -> dict[str, list[Sample]]:
    """Return the samples that Prometheus would return for each row, in the order of the series."""
    source = SimulatedSource(lambda at_seconds: [build_snapshot(text, at_seconds)])
    rows = tuple(rows)
    results = source.collect(rows, AT_SECONDS, RefreshBudget(60.0))
    samples: dict[str, list[Sample]] = {}
    for row in rows:
        outcome = results.wait_for_row(row).outcome
        assert isinstance(outcome, RowSamples), outcome
        samples[row.name] = outcome.samples
    return samples


def shuffle_samples(samples: Mapping[str, list[Sample]], seed: int) -> dict[str, list[Sample]]:
    """Return the samples of each row in another order; a negative seed reverses them."""
    if seed < 0:
        return {name: list(reversed(each)) for name, each in samples.items()}
    generator = random.Random(seed)  # noqa: S311 - an order, not a secret
    return {name: generator.sample(each, len(each)) for name, each in samples.items()}


def build_snapshot(text: str, at_seconds: float) -> ExpositionSnapshot:
    """Return the series as a snapshot that the simulated source evaluates."""
    return ExpositionSnapshot(
        at_seconds, _render(text, at_seconds, 0.0), lambda before: _render(text, at_seconds, before)
    )


def read_expected(name: str) -> dict[str, Any]:
    """Return what a scenario's topology must contain: `clusters` by name."""
    expected: dict[str, Any] = json.loads((SCENARIO_DIR / f"{name}.expected.json").read_text(encoding="utf-8"))
    return expected


def _render(text: str, at_seconds: float, before_seconds: float) -> str:
    lines = []
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        if age := _AGE_PATTERN.search(line):
            seconds = at_seconds - float(age[1])
            rendered = f"{line[: age.start()]} {1000 * seconds:.0f}"
        elif counter := _COUNTER_PATTERN.search(line):
            rendered = f"{line[: counter.start()]}{COUNTER_AT_SECONDS - before_seconds * float(counter[1])}"
        else:
            rendered = line
        lines.append(rendered)
    return "\n".join(lines) + "\n"
