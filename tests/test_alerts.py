"""The alert rules in deploy/: Prometheus' own tool accepts and tests them, and they rest on metrics that exist."""

import re
from pathlib import Path
from typing import Any

import yaml

from aggregator.own_metrics import METRICS
from tests.exposition import promtool

DEPLOY = Path(__file__).parents[1] / "deploy"
RULES = DEPLOY / "alerts.yaml"
TESTS = DEPLOY / "alerts.test.yaml"
FOREIGN = {"process_resident_memory_bytes", "process_start_time_seconds", "process_open_fds", "process_max_fds"}


def rules() -> list[dict[str, Any]]:
    """Return the rules."""
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def test_promtool_accepts_the_rules() -> None:
    """The syntax of every rule is right."""
    assert "SUCCESS: " in promtool("check", "rules", str(RULES))


def test_the_rules_fire_when_they_should() -> None:
    """On the series of the test file each alert fires in its case and no other does."""
    assert promtool("test", "rules", str(TESTS)) == ""


def test_every_rule_has_a_case() -> None:
    """Each alert is expected in some case of the test file, and there are cases in which none is."""
    cases = yaml.safe_load(TESTS.read_text())["tests"]
    expected = [sample["labels"] for case in cases for sample in case["promql_expr_test"][0]["exp_samples"]]
    fired = {re.sub(r'.*alertname="(\w+)".*', r"\1", labels) for labels in expected}
    assert fired == {rule["alert"] for rule in rules()}
    assert [case["name"] for case in cases if not case["promql_expr_test"][0]["exp_samples"]] == [
        "a gateway that is well",
        "a process that has just started while its Prometheus is away",
    ]


def test_every_rule_says_what_to_do() -> None:
    """Each alert has a severity, a summary and a description."""
    for rule in rules():
        assert rule["labels"].keys() == {"severity"}
        assert rule["annotations"].keys() == {"summary", "description"}


def test_every_rule_asks_for_metrics_that_exist() -> None:
    """Whatever metric a rule names is one that the process has."""
    known = {metric.name for metric in METRICS} | FOREIGN
    for rule in rules():
        without_labels = re.sub(r"\{[^}]*\}", "", rule["expr"])
        named = re.findall(r"\b(?:aggregator|http|grpc|process)_\w+", without_labels)
        assert named
        assert {re.sub(r"_(bucket|count|sum)$", "", name) for name in named} <= known
