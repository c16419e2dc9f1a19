"""The shipped rules in a real Prometheus that scrapes the Kubernetes clusters of the demo."""

import json
import time
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from demo.exporter import run_exporter
from demo.fleets import FleetName, build_fleet_config, create_fleet
from demo.prometheus import obtain_prometheus, run_prometheus, write_blocks
from tests.integration.gateway_process import wait_until
from tests.monitoring.rules import MONITORING_DIR, RULE_FILES, load_rules

# What is wrong with the demo on purpose, and what is not part of it.
ALERTS_OF_THE_DEMO = {"PodNotReady", "PodRestarting", "Watchdog"}
ABSENT_PARTS = {"AggregatorAbsent", "PrometheusAbsent", "AlertmanagerAbsent"}


class RuleEvaluation:
    """A Prometheus that evaluates the rules every second."""

    def __init__(self, url: str) -> None:
        self._url = url

    def read_rules(self) -> list[dict[str, Any]]:
        """Return the state of each alert rule."""
        response = requests.get(f"{self._url}/api/v1/rules?type=alert", timeout=10)
        return [rule for group in response.json()["data"]["groups"] for rule in group["rules"]]

    def list_alerts(self) -> dict[str, list[dict[str, str]]]:
        """Return the labels of the alerts that are pending or fire, by name."""
        alerts: defaultdict[str, list[dict[str, str]]] = defaultdict(list)
        for rule in self.read_rules():
            alerts[rule["name"]] += [alert["labels"] for alert in rule["alerts"]]
        return {name: labels for name, labels in alerts.items() if labels}


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RuleEvaluation]:
    """The rules after the first scrapes, when those about the demo have something to report."""
    folder = tmp_path_factory.mktemp("rules")
    fleet = create_fleet(FleetName.KUBERNETES, since_seconds=int(time.time()))
    recording_rules = folder / "recording.yaml"
    recording_rules.write_text(fleet.recording_rules, encoding="utf-8")
    binaries = obtain_prometheus()
    write_blocks(binaries, folder / "data", fleet.generate_history(time.time()))
    with run_exporter(fleet.targets) as exporter:
        config = json.loads(build_fleet_config(fleet.targets, exporter, recording_rules, 1))
        config["rule_files"].append(str(MONITORING_DIR / "rules" / "*.yaml"))
        with run_prometheus(folder, json.dumps(config), binaries=binaries) as url:
            evaluation = RuleEvaluation(url)
            wait_until(lambda: evaluation.list_alerts().keys() >= ALERTS_OF_THE_DEMO, "alerts about the demo")
            yield evaluation


def test_prometheus_evaluates_every_rule(evaluation: RuleEvaluation) -> None:
    """Every rule is loaded and evaluated, and the labels of both sides of each operator match."""
    rules = evaluation.read_rules()
    assert [rule for rule in rules if rule["health"] != "ok"] == []
    assert len(rules) == sum(len(load_rules(path)) for path in RULE_FILES)


def test_only_what_is_wrong_is_reported(evaluation: RuleEvaluation) -> None:
    """The alerts are about the failing pods of the demo, and about parts that it does not have."""
    alerts = evaluation.list_alerts()
    assert alerts.keys() == ALERTS_OF_THE_DEMO | ABSENT_PARTS
    assert {labels["namespace"] for labels in alerts["PodNotReady"]} == {"shop"}
