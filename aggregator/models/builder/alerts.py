"""Selects the alerts of a row: those about its kind of object, each with its highest severity."""

from collections.abc import Iterable
from typing import Any

from aggregator.models.builder.entities import create_label_getter
from aggregator.models.builder.merge import BuildStats
from aggregator.models.catalog.row import AGENT_HOST_LABELS, EntityKind, Row
from aggregator.models.sample import Sample

# The lowest first. Other severities are like warnings.
SEVERITIES = ("none", "info", "warning", "error", "critical", "emergency")
OTHER_SEVERITY_RANK = SEVERITIES.index("warning")

_NODE_LABELS = ("icos_host_id", "icos_host_name", "node")
_OBJECT_LABELS = (*AGENT_HOST_LABELS, "namespace", "pod", "alertname")


def select_alerts(row: Row, samples: Iterable[Sample], stats: BuildStats) -> list[Sample]:
    """Return one sample for each alert of each object of the row's kind, and count the others as skipped.

    The labels of the samples are those of the objects. An alert may fire several times for an object, such as for two
    file systems of a node.
    """
    selected: dict[tuple[str, ...], Sample] = {}
    for sample in samples:
        if _find_object_kind(sample.labels) is not row.entity_selector.kind:
            stats.skipped[row.name] += 1
            continue
        key = create_label_getter(sample.labels.__class__, _OBJECT_LABELS)(sample.labels)
        current = selected.setdefault(key, sample)
        if current is not sample:
            stats.skipped[row.name] += 1
            selected[key] = max(current, sample, key=_rank_severity)
    return list(selected.values())


def _find_object_kind(label_set: Any) -> EntityKind | None:
    if label_set.pod:
        return EntityKind.POD
    return EntityKind.NODE if any(create_label_getter(label_set.__class__, _NODE_LABELS)(label_set)) else None


def _rank_severity(sample: Sample) -> tuple[int, str]:
    severity = sample.labels.severity
    return (SEVERITIES.index(severity) if severity in SEVERITIES else OTHER_SEVERITY_RANK, severity)
