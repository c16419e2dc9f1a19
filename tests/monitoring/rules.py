"""The alert rules in deploy/monitoring and their promtool cases, as values."""

import re
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import promql_parser
import yaml

MONITORING_DIR = Path(__file__).parents[2] / "deploy" / "monitoring"
RULE_FILES = sorted((MONITORING_DIR / "rules").glob("*.yaml"))
CASE_FILES = sorted((MONITORING_DIR / "rules" / "tests").glob("*.yaml"))


@dataclass(frozen=True)
class AlertRule:
    """One alert rule; `source` is the rule as it is in the file."""

    group: str
    alert: str
    severity: str
    expr: str
    hold: timedelta
    source: dict[str, Any]


@dataclass(frozen=True)
class CaseCheck:
    """The alerts that a promtool case expects at one time, each as (alert, severity)."""

    at: timedelta
    firing: frozenset[tuple[str, str]]


def load_rules(path: Path) -> list[AlertRule]:
    """Return the rules of a file, in their order."""
    return [
        AlertRule(
            group["name"],
            rule["alert"],
            rule["labels"]["severity"],
            rule["expr"],
            promql_parser.parse_duration(rule["for"]) if "for" in rule else timedelta(0),
            rule,
        )
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
        for rule in group["rules"]
    ]


def load_cases(path: Path) -> dict[str, list[CaseCheck]]:
    """Return the checks of each case of a promtool file, by name and in the order of time."""
    cases = yaml.safe_load(path.read_text(encoding="utf-8"))["tests"]
    return {
        case["name"]: sorted(
            (
                CaseCheck(promql_parser.parse_duration(check["eval_time"]), _read_alerts(check["exp_samples"]))
                for check in case["promql_expr_test"]
            ),
            key=lambda check: check.at,
        )
        for case in cases
    }


def _read_alerts(samples: list[dict[str, Any]]) -> frozenset[tuple[str, str]]:
    pattern = re.compile(r'^\{alertname="(\w+)",severity="(\w+)"\}$')
    matches = [pattern.match(sample["labels"]) for sample in samples]
    assert all(matches)
    return frozenset((match[1], match[2]) for match in matches if match)


def find_metric_names(expr: str) -> set[str]:
    """Return the name of each metric that an expression selects; fail on a selector without a name."""
    names: list[str | None] = []

    def visit(node: promql_parser.Expr) -> None:
        if isinstance(node, promql_parser.VectorSelector):
            names.append(node.name)

    promql_parser.walk(promql_parser.parse(expr), pre_visit=visit)
    assert all(names), f"a selector without a metric name: {expr}"
    return {name for name in names if name}


def find_grouping_labels(expr: str) -> set[str]:
    """Return the labels by which the aggregations of an expression group."""
    labels: set[str] = set()

    def visit(node: promql_parser.Expr) -> None:
        if isinstance(node, promql_parser.AggregateExpr) and node.modifier is not None:
            labels.update(node.modifier.labels)

    promql_parser.walk(promql_parser.parse(expr), pre_visit=visit)
    return labels
