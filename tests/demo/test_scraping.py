"""What a real Prometheus stores when it scrapes the targets of a fleet."""

import json
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.exporter import run_exporter
from demo.exposition import parse_labels
from demo.fleets import DemoFleet, FleetName, build_fleet_config, create_fleet
from demo.gateway import has_scraped_targets
from demo.prometheus import run_prometheus
from demo.targets import render_stored_series
from tests.integration.gateway_process import wait_until

NOW_SECONDS = time.time()
FLEET = create_fleet(FleetName.KUBERNETES, NOW_SECONDS)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Prometheus that has scraped both clusters, whose clock stands still."""
    folder = tmp_path_factory.mktemp("scraping")
    rule_file = folder / "rules.yml"
    rule_file.write_text(FLEET.recording_rules, encoding="utf-8")
    with run_exporter(FLEET.targets, now=lambda: NOW_SECONDS) as address:
        config = build_fleet_config(FLEET.targets, address, rule_file, interval_seconds=1)
        with run_prometheus(folder, config) as running:
            wait_until(lambda: has_scraped_targets(running, len(FLEET.targets)), "all targets are up")
            yield running


def query_series(url: str, selector: str) -> set[frozenset[tuple[str, str]]]:
    """Return the label sets of the series that a selector selects."""
    query = urllib.parse.urlencode({"query": selector})
    with urllib.request.urlopen(f"{url}/api/v1/query?{query}", timeout=20) as response:  # noqa: S310 - a local URL
        return {frozenset(series["metric"].items()) for series in json.load(response)["data"]["result"]}


def test_labels_are_stored_as_predicted(url: str) -> None:
    """With and without `honor_labels`, Prometheus stores the labels that `render_stored_series` predicts."""
    predicted = set()
    for line in render_stored_series(FLEET.targets, NOW_SECONDS).splitlines():
        name, _, labels = line.rpartition("} ")[0].partition("{")
        predicted.add(frozenset({"__name__": name, **parse_labels(labels)}.items()))
    # Series of a scrape itself, such as its duration, and of rules are not those of exporters.
    stored = query_series(url, '{job!="",__name__!~"scrape_.*"}')
    assert stored == predicted


@pytest.mark.parametrize("metric", ["container_memory_working_set_bytes", "kube_pod_container_resource_requests"])
def test_rules_record_sums_under_names_of_exporters(url: str, metric: str) -> None:
    """Recording rules add series without pods to metrics of cAdvisor and kube-state-metrics."""
    wait_until(lambda: bool(query_series(url, f'{metric}{{job=""}}')), f"sums of {metric}")


def test_a_fleet_without_rules_needs_none(tmp_path: Path) -> None:
    """A Prometheus starts with the configuration of a fleet that has no rules."""
    rule_file = tmp_path / "rules.yml"
    rule_file.write_text(DemoFleet().recording_rules, encoding="utf-8")
    with run_prometheus(tmp_path, build_fleet_config((), "127.0.0.1:1", rule_file, interval_seconds=1)) as running:
        assert query_series(running, "up") == set()
