"""The catalog as a page for people: docs/metrics.md."""

from collections.abc import Iterable

from aggregator.models.catalog.default_catalog import compose_default_catalog
from aggregator.models.catalog.row import MODEL_TYPES, FieldMapping, LabelMatch, Row

_PAGE_HEADER = """\
# Metrics: queries and the fields that they fill

Generated from `aggregator/models/catalog/` by `make generate`.

A refresh sends all queries for the same instant. The headings are the names of the queries in logs, gaps and the
gateway's own metrics.

* If several queries fill one field of an object, the first query on this page that has a value wins.
* If several samples of one query belong to one object, the sample whose labels match the object more reliably wins,
  then the larger value.
* The label sets after "with the same" are tried in order, the most reliable first. `a=b` compares the label `a` of the
  sample with the label `b` of the series that identify the object.
* Objects are identified within their cluster, and a sample that names a cluster matches only objects of that cluster.
  The ICOS host name of a Nuvla agent names its cluster, then `k8s_cluster_uid`, then the label `cluster`.
* A sample that names no cluster belongs to the default cluster `CLUSTER_NAME` if that has a node. Otherwise it matches
  the only object with its other labels.

[fields.md](fields.md) lists all fields by telemetry family: which queries fill them, which are derived from others, why
some have no value, and what the exporters need. `Node.reported_latitude` and `Node.reported_longitude` may be out of
range; only the legacy JSON shows them.
"""


def render_catalog_page() -> str:
    """Return the page as Markdown."""
    return "\n".join([_PAGE_HEADER, *(_render_row(row) for row in compose_default_catalog())])


def _render_row(row: Row) -> str:
    lines = [
        f"## {row.name}\n",
        f"{row.description[0].upper()}{row.description[1:]}.\n",
        f"```promql\n{row.expression}\n```\n",
        f"* exporter: {row.exporter}",
        f"* {_describe_entity(row)}",
        *(
            f"* fills `{_get_target_name(row)}.{_format_field(mapping)}` from {_describe_value_source(mapping)}"
            for mapping in row.field_mappings
        ),
    ]
    if row.vital:
        lines.append(
            "* if the query fails, its cached response is used, even if the upstream rejected the query: without it, "
            "samples of other queries would match no object"
        )
    return "\n".join(lines) + "\n"


def _get_target_name(row: Row) -> str:
    model_type = MODEL_TYPES.get(row.entity_selector.child_kind or row.entity_selector.kind)
    return model_type.__name__ if model_type is not None else row.entity_selector.kind.value


def _format_field(mapping: FieldMapping) -> str:
    return f"{mapping.field}[{mapping.key_label}]" if mapping.key_label else mapping.field


def _describe_value_source(mapping: FieldMapping) -> str:
    if mapping.key_label.endswith("*"):
        return f"all labels `{mapping.key_label}`"
    return f"label `{mapping.value_label}`" if mapping.value_label else "the value"


def _describe_entity(row: Row) -> str:
    selector = row.entity_selector
    child = (
        f"; its label `{selector.child_label}` names the {_get_target_name(row).lower()}" if selector.child_kind else ""
    )
    if selector.identities == ((),):
        return "a sample describes the whole system"
    if selector.identities:
        kind = selector.kind.value
        return f"a sample identifies {_add_article(kind)} by {_format_identities(selector.identities)}{child}"
    quantifier = "every" if selector.matches_all else "the"
    return (
        f"a sample matches {quantifier} {selector.kind.value} with the same {_format_matches(selector.matches)}{child}"
    )


def _add_article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def _format_identities(identities: Iterable[tuple[str, ...]]) -> str:
    return ", else ".join(" + ".join(f"`{label}`" for label in labels) for labels in identities)


def _format_matches(matches: Iterable[LabelMatch]) -> str:
    return ", else ".join(
        " + ".join(
            f"`{label}`" if label == entity_label else f"`{label}={entity_label}`"
            for label, entity_label in zip(match.labels, match.entity_labels, strict=True)
        )
        for match in matches
    )
