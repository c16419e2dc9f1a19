"""Rows of the alerting rules in Prometheus: the alerts that fire for nodes and pods."""

from dataclasses import replace

from aggregator.models.catalog.converters import parse_text
from aggregator.models.catalog.promql import group_by
from aggregator.models.catalog.row import (
    AGENT_HOST_LABELS,
    NODE_BY_AGENT,
    POD,
    POD_LABELS,
    Exporter,
    ExporterKind,
    FieldMapping,
    Row,
)

ALERTING_RULES = Exporter("Prometheus itself", "alerting rules", kind=ExporterKind.RULES)
FIRING_ALERTS = 'ALERTS{alertstate="firing"}'
SEVERITY = FieldMapping("alerts", parse_text, "severity", key_label="alertname")

ROWS = (
    Row(
        "node_alerts",
        group_by(FIRING_ALERTS, (*AGENT_HOST_LABELS, "namespace", "pod", "alertname", "severity")),
        replace(NODE_BY_AGENT, may_be_unknown=True),
        (SEVERITY,),
        "alerts that fire for a node, and their severity",
        ALERTING_RULES,
    ),
    Row(
        "pod_alerts",
        group_by(FIRING_ALERTS, (*POD_LABELS, "node", "alertname", "severity")),
        replace(POD, may_be_unknown=True),
        (SEVERITY,),
        "alerts that fire for a pod or one of its containers, and their severity",
        ALERTING_RULES,
    ),
)
