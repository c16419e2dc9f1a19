"""The fields of all formats by telemetry family as a page for people: docs/fields.md."""

from collections.abc import Iterable, Iterator

from aggregator.models.catalog.default_catalog import ALL_FAMILIES, TelemetryFamily
from aggregator.models.catalog.row import Row
from tools.field_notes import EXPORTERS, LAYOUT_NOTES
from tools.field_table import (
    FieldName,
    FieldSources,
    FieldTable,
    build_field_table,
    find_requirement,
    list_object_kinds,
    serves_family,
)
from tools.layout_fields import LAYOUTS, Layout, ModelField, find_shown_fields

_PAGE_HEADER = """\
# Fields: where their values come from

Generated from `aggregator/models/catalog/`, `proto/aggregator/v1/topology.proto`, the views and `tools/field_notes.py`
by `make generate`.

The columns are the [telemetry families](clusters.md#telemetry-families). Installations can mix them; then a node has
the fields of all its families. `etim` also means hosts that only run node_exporter.

* A cell names exporters and their [queries](metrics.md). The first query that has a value wins.
* † means that the exporter does not expose the metric by default: [what it needs](#newer-or-off-by-default).
* Words without an exporter say how the gateway computes the field.
* – means that the field has no value, and why.

Which fields have no value at the moment, and which query is the cause, is in `unfilled_fields` of `/api/v1/quality`.
"""
_EXPORTERS_HEADER = """\
## Exporters

Their oldest version is the first one with the names of metrics and labels that the queries read; – means that no change
of names is known. ICOS telemetry collects only some of the collectors of node_exporter by default: enable cpufreq,
netclass, netdev, thermal_zone and uname for all fields.
"""
_REQUIREMENTS_HEADER = """\
## Newer or off by default

All other metrics are on by default, in the versions above.

| Queries | Exporter | Since | What it needs |
|---|---|---|---|
"""
_MODEL_ONLY_HEADER = """\
## Model only

Fields that only the formats of the Go service show.
"""
_LAYOUT_INTRODUCTIONS = {
    "1.2.5": "The JSON of `GET /`: [legacy-json.md](legacy-json.md).",
    "2025": "The JSON of `GET /?layout=2025`: [legacy-json.md](legacy-json.md).",
    "ETIM": "The response of `server_proto.Aggregator/ConnectToQuerier`: [proto/README.md](../proto/README.md).",
}
_FAMILY_COLUMNS = " | ".join(ALL_FAMILIES)
_NO_VALUE = "–"


def render_fields_page() -> str:
    """Return the page as Markdown."""
    table = build_field_table()
    names = {field.key: _format_name(field) for field in table.fields}
    sections = [
        _PAGE_HEADER,
        _render_exporters(table),
        _render_requirements(table),
        *_render_messages(table),
        *(_render_layout(layout, table, names) for layout in LAYOUTS),
        "\n".join(f"[{row.name}]: metrics.md#{row.name}" for row in table.catalog) + "\n",
    ]
    return "\n".join(sections)


def _format_name(field: FieldName) -> str:
    return f"`{field.message}.{field.name or field.attribute}`" + ("" if field.name else " (model only)")


def _render_exporters(table: FieldTable) -> str:
    lines = [
        _EXPORTERS_HEADER,
        f"| Exporter | Oldest version | {_FAMILY_COLUMNS} | Describes |",
        f"|---|---|{'---|' * len(ALL_FAMILIES)}---|",
    ]
    for name, version in EXPORTERS.items():
        rows = [row for row in table.catalog if row.exporter.name == name]
        marks = ("✓" if any(serves_family(row, family) for row in rows) else _NO_VALUE for family in ALL_FAMILIES)
        kinds = ", ".join(list_object_kinds(rows))
        lines.append(f"| {name} | {version or _NO_VALUE} | {' | '.join(marks)} | {kinds} |")
    return "\n".join(lines) + "\n"


def _render_requirements(table: FieldTable) -> str:
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in table.catalog:
        requirement = find_requirement(row)
        if requirement.enable or requirement.version != EXPORTERS[row.exporter.name]:
            groups.setdefault((row.exporter.name, requirement.version, requirement.enable), []).append(row)
    return _REQUIREMENTS_HEADER + "".join(
        f"| {', '.join(f'[{row.name}]' for row in rows)} | {exporter} | {version or _NO_VALUE} | "
        f"{enable or 'on by default'} |\n"
        for (exporter, version, enable), rows in groups.items()
    )


def _render_messages(table: FieldTable) -> Iterator[str]:
    messages = dict.fromkeys(field.message for field in table.fields if field.name)
    for message in messages:
        fields = [field for field in table.fields if field.message == message and field.name]
        yield f"## {message}\n\n" + _render_fields(table, ((f"`{field.name}`", field.key) for field in fields))
    model_only = [field for field in table.fields if not field.name]
    yield f"{_MODEL_ONLY_HEADER}\n" + _render_fields(table, ((f"`{field.key}`", field.key) for field in model_only))


def _render_fields(table: FieldTable, fields: Iterable[tuple[str, str]]) -> str:
    lines = [f"| Field | {_FAMILY_COLUMNS} |", f"|---|{'---|' * len(ALL_FAMILIES)}"]
    for name, key in fields:
        cells = (_format_sources(table.find_sources(key, family), family) for family in ALL_FAMILIES)
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _format_sources(sources: FieldSources, family: TelemetryFamily) -> str:
    if sources.derivation is not None:
        return sources.derivation.text
    if not sources.rows:
        return f"{_NO_VALUE} {sources.reason}"
    names_by_exporter: dict[str, list[str]] = {}
    for row in sources.rows:
        mark = "†" if find_requirement(row).enable else ""
        names_by_exporter.setdefault(row.exporter.name, []).append(f"[{row.name}]{mark}")
    return "<br>".join(f"{exporter} {', '.join(names)}" for exporter, names in names_by_exporter.items())


def _render_layout(layout: Layout, table: FieldTable, names: dict[str, str]) -> str:
    notes = LAYOUT_NOTES[layout.name]
    lines = [
        f"## Layout {layout.name}\n",
        f"{_LAYOUT_INTRODUCTIONS[layout.name]}\n",
        f"| Field | Shows | {_FAMILY_COLUMNS} |",
        f"|---|---|{'---|' * len(ALL_FAMILIES)}",
    ]
    for path, fields in find_shown_fields(layout).items():
        shown = ", ".join(names[".".join(field)] for field in fields) or notes[path]
        marks = " | ".join(_format_mark(fields, table, family) for family in ALL_FAMILIES)
        lines.append(f"| `{path}` | {shown} | {marks} |")
    return "\n".join(lines) + "\n"


def _format_mark(fields: Iterable[ModelField], table: FieldTable, family: TelemetryFamily) -> str:
    is_filled = any(table.find_sources(".".join(field), family).is_filled for field in fields)
    return "✓" if is_filled else _NO_VALUE
