"""The alert rules in deploy/monitoring: promtool accepts and tests them, and they use metrics that exist."""

import itertools
import re
from collections import defaultdict
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from tests.monitoring.exposed import collect_exposed_metrics
from tests.monitoring.rules import (
    CASE_FILES,
    MONITORING_DIR,
    RULE_FILES,
    AlertRule,
    find_metric_names,
    load_cases,
    load_rules,
)
from tests.support.exposition import run_promtool

ALL_RULES = [rule for path in RULE_FILES for rule in load_rules(path)]
HEALTHY_MINUTES = 10
SECURITY_LEVELS = {"warning": "2", "emergency": "1"}


def name_rule(rule: AlertRule) -> str:
    """Return the name of a rule in test reports."""
    return f"{rule.alert}-{rule.severity}"


def test_promtool_accepts_the_rules() -> None:
    """The syntax of every rule is valid, and no two rules are the same."""
    output = run_promtool("check", "rules", *map(str, RULE_FILES))
    assert output.count("SUCCESS: ") == len(RULE_FILES), output
    assert "duplicate" not in output


@pytest.mark.parametrize("path", CASE_FILES, ids=lambda path: path.stem)
def test_the_expected_alerts_fire(path: Path) -> None:
    """At each time of each case, exactly the expected alerts fire."""
    assert run_promtool("test", "rules", str(path)) == ""


@pytest.mark.parametrize("path", RULE_FILES, ids=lambda path: path.stem)
def test_every_alert_fires_and_resolves(path: Path) -> None:
    """In some case, each alert of a file fires at one time and no longer at a later one."""
    resolved: set[tuple[str, str]] = set()
    for checks in load_cases(path.parent / "tests" / path.name).values():
        for earlier, later in itertools.pairwise(checks):
            resolved |= earlier.firing - later.firing
    expected = {(rule.alert, rule.severity) for rule in load_rules(path) if rule.severity != "none"}
    assert resolved == expected


@pytest.mark.parametrize("path", CASE_FILES, ids=lambda path: path.stem)
def test_nothing_fires_on_a_healthy_system(path: Path) -> None:
    """The first case of each file is a healthy system, on which no alert but the dead man's switch fires."""
    name, checks = next(iter(load_cases(path).items()))
    assert name.startswith("a healthy ")
    assert checks[-1].at >= timedelta(minutes=HEALTHY_MINUTES)
    assert {alert for check in checks for alert in check.firing} <= {("Watchdog", "none")}


@pytest.mark.parametrize("path", CASE_FILES, ids=lambda path: path.stem)
def test_a_warning_fires_before_an_emergency(path: Path) -> None:
    """Each emergency of a file has a case in which the warning fires first, and none in which it fires alone."""
    escalated = set()
    for checks in load_cases(path).values():
        warned: set[str] = set()
        for check in checks:
            warnings = {alert for alert, severity in check.firing if severity == "warning"}
            emergencies = {alert for alert, severity in check.firing if severity == "emergency"}
            assert emergencies <= warnings
            escalated |= emergencies & warned
            warned |= warnings - emergencies
    rules = load_rules(path.parents[1] / path.name)
    assert {rule.alert for rule in rules if rule.severity == "emergency"} <= escalated


def test_an_emergency_is_a_longer_or_worse_warning() -> None:
    """The rule of an emergency follows that of its warning, holds longer, and differs only in thresholds."""
    rules_by_alert = defaultdict(list)
    for rule in ALL_RULES:
        rules_by_alert[rule.group, rule.alert].append(rule)
    for rules in rules_by_alert.values():
        severities = [rule.severity for rule in rules]
        assert severities in (["warning"], ["info"], ["none"], ["warning", "emergency"]), rules[0].alert
        if len(rules) == 2:
            warning, emergency = rules
            assert warning.hold < emergency.hold, warning.alert
            assert hide_thresholds(warning.expr) == hide_thresholds(emergency.expr), warning.alert


def hide_thresholds(expr: str) -> str:
    """Return an expression without the numbers outside of selectors and ranges."""
    return re.sub(r"(?<![\w.\[\"])[\d.]+(?![\w\]\"])", "N", expr)


@pytest.mark.parametrize("rule", ALL_RULES, ids=name_rule)
def test_every_rule_has_labels_and_annotations(rule: AlertRule) -> None:
    """Each alert has a severity, the label of the older stack for it, a summary and a description."""
    assert rule.severity in {"warning", "emergency", "info", "none"}
    assert rule.source["labels"].get("security") == SECURITY_LEVELS.get(rule.severity)
    assert rule.source["labels"].keys() <= {"severity", "security"}
    assert rule.source["annotations"].keys() == {"summary", "description"}


@pytest.mark.parametrize("rule", ALL_RULES, ids=name_rule)
def test_every_rule_uses_metrics_that_exist(rule: AlertRule) -> None:
    """Each metric in a rule is one that our processes or the usual exporters expose."""
    assert find_metric_names(rule.expr) <= collect_exposed_metrics()


def test_rules_name_jobs_that_exist() -> None:
    """Each job in an expression is one of deploy/monitoring/prometheus.yaml."""
    config = yaml.safe_load((MONITORING_DIR / "prometheus.yaml").read_text(encoding="utf-8"))
    jobs = {job["job_name"] for job in config["scrape_configs"]}
    named = {job for rule in ALL_RULES for text in re.findall(r'job=~?"([^"]+)"', rule.expr) for job in text.split("|")}
    assert named
    assert named <= jobs


def test_prometheus_loads_all_rules_and_no_tests() -> None:
    """The pattern of deploy/monitoring/prometheus.yaml selects the rule files, and not their promtool cases."""
    config = yaml.safe_load((MONITORING_DIR / "prometheus.yaml").read_text(encoding="utf-8"))
    assert sorted(path for pattern in config["rule_files"] for path in MONITORING_DIR.glob(pattern)) == RULE_FILES


def test_every_rule_file_is_documented() -> None:
    """docs/monitoring.md says for each rule file what its alerts are about."""
    page = (MONITORING_DIR.parents[1] / "docs" / "monitoring.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^  \| `(\w+\.yaml)` \|", page, re.MULTILINE)) == {path.name for path in RULE_FILES}


def test_a_metric_that_nothing_exposes_is_noticed() -> None:
    """The comparison finds the names in nested expressions and does not know invented ones."""
    names = find_metric_names("max_over_time(rate(invented_total[5m] offset 1h)[1h:1m]) / on (job) group_left up > 1")
    assert names - collect_exposed_metrics() == {"invented_total"}


def test_no_expression_is_an_alias() -> None:
    """Prometheus reads a YAML alias of an expression as the name of a metric, so rules repeat their expressions."""
    for path in RULE_FILES:
        assert not re.search(r"expr: [&*]", path.read_text(encoding="utf-8")), path.name
