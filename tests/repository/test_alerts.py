"""The alert rules in deploy/: promtool accepts and tests them, and they use metrics that exist."""

import re
from pathlib import Path
from typing import Any

import yaml

from aggregator.observability.metrics import METRICS
from tests.support.exposition import run_promtool

DEPLOY_DIR = Path(__file__).parents[2] / "deploy"
RULES_FILE = DEPLOY_DIR / "alerts.yaml"
RULE_TESTS_FILE = DEPLOY_DIR / "alerts.test.yaml"
EXTERNAL_METRICS = {
    "process_resident_memory_bytes",
    "process_start_time_seconds",
    "process_open_fds",
    "process_max_fds",
}


def load_rules() -> list[dict[str, Any]]:
    """Return the alert rules."""
    return [rule for group in yaml.safe_load(RULES_FILE.read_text())["groups"] for rule in group["rules"]]


def test_promtool_accepts_the_rules() -> None:
    """The syntax of every rule is valid."""
    assert "SUCCESS: " in run_promtool("check", "rules", str(RULES_FILE))


def test_each_alert_fires_in_its_case() -> None:
    """In each case of the test file, exactly the expected alerts fire."""
    assert run_promtool("test", "rules", str(RULE_TESTS_FILE)) == ""


def test_every_rule_has_a_case() -> None:
    """Each alert is expected in a case of the test file, and two cases expect none."""
    cases = yaml.safe_load(RULE_TESTS_FILE.read_text())["tests"]
    expected = [sample["labels"] for case in cases for sample in case["promql_expr_test"][0]["exp_samples"]]
    fired = {re.sub(r'.*alertname="(\w+)".*', r"\1", labels) for labels in expected}
    assert fired == {rule["alert"] for rule in load_rules()}
    assert [case["name"] for case in cases if not case["promql_expr_test"][0]["exp_samples"]] == [
        "a healthy gateway",
        "a process that has just started while Prometheus is unavailable",
    ]


def test_every_rule_has_annotations() -> None:
    """Each alert has a severity, a summary and a description."""
    for rule in load_rules():
        assert rule["labels"].keys() == {"severity"}
        assert rule["annotations"].keys() == {"summary", "description"}


def test_every_rule_uses_metrics_that_exist() -> None:
    """Each metric in a rule is one that the process exposes."""
    known = {metric.name for metric in METRICS} | EXTERNAL_METRICS
    for rule in load_rules():
        without_labels = re.sub(r"\{[^}]*\}", "", rule["expr"])
        named = re.findall(r"\b(?:aggregator|http|grpc|process)_\w+", without_labels)
        assert named
        assert {re.sub(r"_(bucket|count|sum)$", "", name) for name in named} <= known
