"""The alerts of Grafana, from the rules of Prometheus and the routes of Alertmanager in deploy/monitoring."""

import re
from pathlib import Path
from typing import Any

import yaml

from tools.monitoring.dashboards.parts import PROMETHEUS_UID

MONITORING_DIR = Path(__file__).resolve().parents[2] / "deploy" / "monitoring"
ALERTING_PATH = "deploy/monitoring/grafana/provisioning/alerting/aggregator.yaml"
FOLDER = "Alerts"
# Grafana has no dead man's switch, and mails every alert that fires.
MAILED_SEVERITIES = ("warning", "emergency")
# The rule that fires if Prometheus cannot be queried. The others would all fire at once.
UNREACHABLE_ALERT = "PrometheusAbsent"
QUERY_SECONDS = 600
_QUERY, _MATH, _THRESHOLD = "query", "prometheus_math", "threshold"

_HEADER = """\
# Generated from deploy/monitoring/rules and deploy/monitoring/alertmanager.yaml by `make generate`.
#
# For a Grafana without Alertmanager, with the variables OPERATIONS_CONTACTS and MONITOR_NET_CONTACTS. If both send
# mails, each alert is mailed twice.
"""


def render_alerting_files() -> dict[str, str]:
    """Return the provisioning file of Grafana's alerting by path."""
    document = {
        "apiVersion": 1,
        "contactPoints": build_contact_points(),
        "policies": [build_policy()],
        "groups": [
            build_group(group)
            for path in sorted((MONITORING_DIR / "rules").glob("*.yaml"))
            for group in _load(path)["groups"]
        ],
    }
    return {
        ALERTING_PATH: _HEADER
        + yaml.dump(document, Dumper=yaml.CSafeDumper, sort_keys=False, width=110, default_flow_style=None)
    }


def build_group(group: dict[str, Any]) -> dict[str, Any]:
    """Return a group of rules; Grafana evaluates it every ten seconds if one of its rules needs that."""
    rules = [build_rule(rule) for rule in group["rules"] if rule["labels"]["severity"] in MAILED_SEVERITIES]
    is_fast = any(rule["for"].endswith("s") for rule in rules)
    return {"orgId": 1, "name": group["name"], "folder": FOLDER, "interval": "10s" if is_fast else "1m", "rules": rules}


def build_rule(rule: dict[str, Any]) -> dict[str, Any]:
    """Return a rule that fires for each series of the expression, whatever its value, as Prometheus does."""
    severity = rule["labels"]["severity"]
    return {
        "uid": f"{rule['alert']}-{severity}",
        "title": rule["alert"] if severity == "warning" else f"{rule['alert']} ({severity})",
        "condition": _THRESHOLD,
        "data": [
            _build_query(rule["expr"]),
            _build_expression(
                _MATH,
                {
                    "type": "math",
                    "expression": f"is_number(${_QUERY}) || is_nan(${_QUERY}) || is_inf(${_QUERY})",
                },
            ),
            _build_expression(
                _THRESHOLD,
                {
                    "type": "threshold",
                    "expression": _MATH,
                    "conditions": [{"evaluator": {"type": "gt", "params": [0]}}],
                },
            ),
        ],
        "for": rule["for"],
        # No series is the normal state.
        "noDataState": "OK",
        "execErrState": "Alerting" if rule["alert"] == UNREACHABLE_ALERT else "OK",
        "labels": dict(rule["labels"]),
        "annotations": {name: translate_template(text) for name, text in rule["annotations"].items()},
    }


def translate_template(text: str) -> str:
    """Return a template of Prometheus for Grafana; its value is that of the query.

    It contains no $, because Grafana replaces that by variables of the environment.
    """
    translated = text.replace("$labels.", ".Labels.")
    translated = re.sub(r"\$value\b", f".Values.{_QUERY}.Value", translated)
    if "$" in translated:
        raise ValueError(f"a template with a variable that Grafana does not have: {text}")
    return translated


def build_contact_points() -> list[dict[str, Any]]:
    """Return the contact points that get mails: the receivers of Alertmanager with the same names."""
    return [
        {
            "orgId": 1,
            "name": receiver["name"],
            "receivers": [
                {
                    "uid": receiver["name"],
                    "type": "email",
                    "disableResolveMessage": not mail["send_resolved"],
                    "settings": {"addresses": mail["to"], "singleEmail": True},
                }
                for mail in receiver["email_configs"]
            ],
        }
        for receiver in _load_alertmanager()["receivers"]
        if "email_configs" in receiver
    ]


def build_policy() -> dict[str, Any]:
    """Return the routes that lead to a contact point."""
    route = _load_alertmanager()["route"]
    names = {point["name"] for point in build_contact_points()}
    timing = {name: route[name] for name in ("group_wait", "group_interval", "repeat_interval")}
    return {
        "orgId": 1,
        "receiver": route["receiver"],
        # Grafana requires its own labels.
        "group_by": ["grafana_folder", *route["group_by"]],
        **timing,
        "routes": [
            {
                "receiver": child["receiver"],
                "object_matchers": [_split_matcher(matcher) for matcher in child["matchers"]],
                "continue": child.get("continue", False),
            }
            for child in route["routes"]
            if child["receiver"] in names
        ],
    }


def _split_matcher(matcher: str) -> list[str]:
    match = re.fullmatch(r'(\w+)(=~|!~|!=|=)"(.*)"', matcher)
    if match is None:
        raise ValueError(f'a matcher must be like name="value", got {matcher}')
    return list(match.groups())


def _build_query(expr: str) -> dict[str, Any]:
    return {
        "refId": _QUERY,
        "relativeTimeRange": {"from": QUERY_SECONDS, "to": 0},
        "datasourceUid": PROMETHEUS_UID,
        "model": {
            "refId": _QUERY,
            "datasource": {"type": "prometheus", "uid": PROMETHEUS_UID},
            "expr": expr,
            "instant": True,
            "range": False,
        },
    }


def _build_expression(name: str, model: dict[str, Any]) -> dict[str, Any]:
    return {
        "refId": name,
        "relativeTimeRange": {"from": 0, "to": 0},
        "datasourceUid": "__expr__",
        "model": {"refId": name, "datasource": {"type": "__expr__", "uid": "__expr__"}, **model},
    }


def _load_alertmanager() -> dict[str, Any]:
    return _load(MONITORING_DIR / "alertmanager.yaml")


def _load(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader)
    return content
