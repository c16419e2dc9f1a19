"""Grafana's form of the alerts: the same rules and contact points, in a file that Grafana reads as it is meant."""

import json
import re
from typing import Any

import promql_parser
import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models import alerting

from tests.monitoring.rules import RULE_FILES, load_rules
from tools.monitoring.alerting import ALERTING_PATH, MAILED_SEVERITIES, render_alerting_files, translate_template

DOCUMENT: dict[str, Any] = yaml.safe_load(render_alerting_files()[ALERTING_PATH])
GRAFANA_RULES: list[dict[str, Any]] = [rule for group in DOCUMENT["groups"] for rule in group["rules"]]
SOURCE_RULES = [rule for path in RULE_FILES for rule in load_rules(path) if rule.severity in MAILED_SEVERITIES]
# The longest uid, and the shortest interval, that Grafana accepts.
MAX_UID_LENGTH = 40
BASE_INTERVAL_SECONDS = 10


def test_grafana_has_every_rule_that_is_mailed() -> None:
    """Expression, duration and labels of each warning and emergency are those of Prometheus."""
    in_grafana = [(rule["data"][0]["model"]["expr"], rule["for"], rule["labels"]) for rule in GRAFANA_RULES]
    assert in_grafana == [(rule.expr, rule.source["for"], rule.source["labels"]) for rule in SOURCE_RULES]


def test_the_models_of_grafana_have_every_member() -> None:
    """What is read into the models of the SDK and written again keeps its members."""
    register_default_plugins()
    for rule in GRAFANA_RULES:
        assert rule.items() <= rewrite(alerting.Rule, rule).items()
    for point in DOCUMENT["contactPoints"]:
        (receiver,) = point["receivers"]
        assert receiver.items() <= rewrite(alerting.ContactPoint, receiver).items()
    # The organization is a member of the file, not of the model.
    (policy,) = DOCUMENT["policies"]
    assert {**rewrite(alerting.NotificationPolicy, policy), "orgId": 1}.items() >= policy.items()


def rewrite(model: Any, document: dict[str, Any]) -> dict[str, Any]:
    """Return a document as a model of the SDK writes it."""
    written: dict[str, Any] = json.loads(json.dumps(model.from_json(document), cls=JSONEncoder))
    return written


def test_names_are_unique() -> None:
    """Grafana needs unique uids of limited length, and unique titles in a folder."""
    uids = [rule["uid"] for rule in GRAFANA_RULES]
    assert len(set(uids)) == len({rule["title"] for rule in GRAFANA_RULES}) == len(GRAFANA_RULES)
    assert all(re.fullmatch(rf"[A-Za-z0-9_-]{{1,{MAX_UID_LENGTH}}}", uid) for uid in uids)


def test_intervals_fit() -> None:
    """Intervals are multiples of Grafana's base interval and no longer than the shortest duration of the group."""
    for group in DOCUMENT["groups"]:
        interval = promql_parser.parse_duration(group["interval"])
        assert interval.total_seconds() % BASE_INTERVAL_SECONDS == 0
        assert all(interval <= promql_parser.parse_duration(rule["for"]) for rule in group["rules"])


def test_a_series_fires_whatever_its_value() -> None:
    """The condition is true for each number, as in Prometheus: `up == 0` returns zeros."""
    for rule in GRAFANA_RULES:
        query, math, threshold = rule["data"]
        assert query["datasourceUid"] == "PC68CF569CB931581"
        assert query["model"]["instant"] is True
        assert math["model"]["expression"] == "is_number($query) || is_nan($query) || is_inf($query)"
        assert (threshold["model"]["expression"], rule["condition"]) == (math["refId"], threshold["refId"])
        assert rule["noDataState"] == "OK"


def test_only_one_rule_fires_if_prometheus_cannot_be_queried() -> None:
    """Otherwise all rules would fire at once."""
    states = {rule["uid"]: rule["execErrState"] for rule in GRAFANA_RULES}
    assert {uid for uid, state in states.items() if state != "OK"} == {"PrometheusAbsent-warning"}


def test_texts_contain_no_variables_of_the_environment() -> None:
    """Grafana replaces $NAME by variables of the environment, so the texts contain no dollar sign."""
    assert not [rule["uid"] for rule in GRAFANA_RULES if "$" in "".join(rule["annotations"].values())]
    variables = set(re.findall(r"\$\{?(\w+)", render_alerting_files()[ALERTING_PATH])) - {"query"}
    assert variables == {"OPERATIONS_CONTACTS", "MONITOR_NET_CONTACTS"}


def test_templates_are_translated() -> None:
    """Labels and the value are those of the query; other variables are refused."""
    text = "a {{ $labels.instance }} {{ $value | humanize }}"
    assert translate_template(text) == "a {{ .Labels.instance }} {{ .Values.query.Value | humanize }}"
    with pytest.raises(ValueError, match="a variable that Grafana does not have"):
        translate_template("{{ $externalURL }}")


def test_contact_points_and_routes_are_those_of_alertmanager() -> None:
    """Warnings go to operations, emergencies to both, with a mail at the end, and everything else to the default."""
    points = {point["name"]: point["receivers"][0] for point in DOCUMENT["contactPoints"]}
    assert points.keys() == {"operations-contacts", "monitor-net-contacts"}
    assert points["operations-contacts"]["settings"] == {"addresses": "${OPERATIONS_CONTACTS}", "singleEmail": True}
    assert not any(receiver["disableResolveMessage"] for receiver in points.values())
    (policy,) = DOCUMENT["policies"]
    assert policy["receiver"] == "monitor-net-contacts"
    assert {"grafana_folder", "alertname"} <= set(policy["group_by"])
    assert [list_receivers(policy, severity) for severity in ("warning", "emergency", "other")] == [
        ["operations-contacts"],
        ["monitor-net-contacts", "operations-contacts"],
        ["monitor-net-contacts"],
    ]


def list_receivers(policy: dict[str, Any], severity: str) -> list[str]:
    """Return the receivers of an alert with a severity, as the routes of Grafana select them."""
    receivers = []
    for route in policy["routes"]:
        ((name, operator, value),) = route["object_matchers"]
        assert operator in {"=", "=~"}
        if name == "severity" and re.fullmatch(value, severity):
            receivers.append(route["receiver"])
            if not route["continue"]:
                break
    return receivers or [policy["receiver"]]
