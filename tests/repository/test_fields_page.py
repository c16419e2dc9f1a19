"""The table of fields by telemetry family: docs/fields.md."""

from dataclasses import replace

import pytest

from aggregator.models.catalog.default_catalog import ALL_FAMILIES, TelemetryFamily, compose_default_catalog
from aggregator.models.catalog.row import Exporter
from tests.support.scenarios import SCENARIO_DIR, build_scenario, read_scenario
from tools.field_notes import LAYOUT_NOTES, Derivation
from tools.field_table import (
    FieldName,
    build_field_table,
    find_all_problems,
    find_exporter_problems,
    find_layout_problems,
    serves_family,
)
from tools.fields_page import render_fields_page
from tools.layout_fields import ETIM_LAYOUT, LAYOUT_1_2_5, LAYOUT_2025, LAYOUTS, Layout, ModelField, find_shown_fields

ICOS, KUBERNETES, DOCKER, ETIM = (
    TelemetryFamily.ICOS,
    TelemetryFamily.KUBERNETES,
    TelemetryFamily.DOCKER,
    TelemetryFamily.ETIM,
)
ROWS = {row.name: row for row in compose_default_catalog()}
SCENARIO_FAMILIES = {
    **{f"shapes/{path.stem}": KUBERNETES for path in (SCENARIO_DIR / "shapes").glob("*.prom")},
    **{f"parity/{path.stem}": ICOS for path in (SCENARIO_DIR / "parity").glob("*.prom")},
    "shapes/18-docker-hosts": DOCKER,
    "shapes/19-systemd-nomad": ETIM,
    "exporters/icos-docker-hosts": ICOS,
}


def test_the_table_is_complete() -> None:
    """Every field of the messages, the model and the layouts has an entry for every family; no entry is outdated."""
    assert find_all_problems() == []


def test_the_page_lists_all_fields() -> None:
    """The page names every field of the messages and of the layouts."""
    page = render_fields_page()
    fields = [f"| `{field.name or field.key}` |" for field in build_field_table().fields]
    paths = [f"| `{path}` |" for layout in LAYOUTS for path in find_shown_fields(layout)]
    assert [line for line in (*fields, *paths) if f"\n{line}" not in page] == []


def test_a_field_without_an_entry_is_reported() -> None:
    """A new field that no row fills is reported with what to add."""
    table = build_field_table()
    new_field = FieldName("Node", "invented_field", "invented_field")
    (problem,) = replace(table, fields=(*table.fields, new_field)).find_problems()
    assert problem == (
        "Node.invented_field has no entry in the table of fields for icos, kubernetes, docker, etim: add a row that "
        "fills it, or say in tools/field_notes.py why nothing does (MISSING_FIELDS) or how it is computed "
        "(DERIVED_FIELDS)"
    )


def test_a_reason_for_a_field_with_a_value_is_reported() -> None:
    """A reason that a new row made wrong is reported."""
    table = build_field_table()
    outdated = replace(table, missing={**table.missing, "Node.cpu_cores": {DOCKER: "nothing reports it"}})
    assert list(outdated.find_problems()) == [
        "MISSING_FIELDS in tools/field_notes.py says that Node.cpu_cores has no value for docker, but it has: remove it"
    ]


def test_a_reason_for_objects_that_exist_is_reported() -> None:
    """A reason why a family has no objects of a kind is reported if a row creates them."""
    table = build_field_table()
    outdated = replace(table, missing={**table.missing, "Sensor": {DOCKER: "no exporter measures it"}})
    assert list(outdated.find_problems()) == [
        "MISSING_FIELDS in tools/field_notes.py says that docker has no Sensor, but rows create it: remove it"
    ]


def test_an_entry_of_a_removed_field_is_reported() -> None:
    """An entry of a field that does not exist, or a derivation from one, is reported."""
    table = build_field_table()
    derivations = (*table.derived["Node.id"], Derivation("made of it", ("Node.removed_source",)))
    outdated = replace(
        table,
        derived={**table.derived, "Node.removed_field": (), "Node.id": derivations},
        missing={**table.missing, "Node.removed_field": {}},
    )
    first, second, third = outdated.find_problems()
    assert "DERIVED_FIELDS in tools/field_notes.py names Node.removed_field" in first
    assert "MISSING_FIELDS in tools/field_notes.py names Node.removed_field" in second
    assert "derives Node.id from Node.removed_source" in third


def test_an_exporter_without_a_note_is_reported() -> None:
    """A row with a new exporter, or with a collector that is not enabled by default, is reported."""
    row = ROWS["cpu_count"]
    exporters = (Exporter("invented_exporter"), Exporter("node_exporter", "collector ethtool"))
    rows = [*ROWS.values(), *(replace(row, exporter=exporter) for exporter in exporters)]
    assert [problem.partition(" in tools")[0] for problem in find_exporter_problems(rows)] == [
        "the exporter invented_exporter is not in EXPORTERS",
        "node_exporter, collector ethtool is neither in DEFAULT_COLLECTORS nor in REQUIREMENTS",
    ]


def test_a_layout_field_that_shows_nothing_is_reported() -> None:
    """A field of a layout that shows no field of the model is reported unless a note says why."""
    shown: dict[str, list[ModelField]] = {path: [] for path in (*LAYOUT_NOTES["1.2.5"], "cluster.*.invented")}
    (problem,) = find_layout_problems(LAYOUT_1_2_5, shown)
    assert problem == (
        "cluster.*.invented of the layout 1.2.5 shows no field of the model: say why in LAYOUT_NOTES in "
        "tools/field_notes.py"
    )


@pytest.mark.parametrize(
    ("layout", "path", "shown"),
    [
        (LAYOUT_1_2_5, "cluster.*.node.*.staticMetrics.storage[].capacity", ["Filesystem.size_bytes"]),
        (LAYOUT_1_2_5, "cluster.*.pod.*.container.*.node", ["Node.host_id", "Pod.node"]),
        (LAYOUT_1_2_5, "cluster.*.pod.*.numberOfContainers", ["Pod.containers"]),
        (LAYOUT_2025, "cluster.*.node.*.pod.*.name", ["Pod.name", "Pod.namespace"]),
        (LAYOUT_2025, "cluster.*.node.*.labels.*", ["Node.labels"]),
        (ETIM_LAYOUT, "nodes[].id", ["Node.node_label", "Node.name"]),
        (ETIM_LAYOUT, "nodes[].labels[].device", ["Device.name", "Device.state"]),
    ],
)
def test_what_a_layout_shows_is_found(layout: Layout, path: str, shown: list[str]) -> None:
    """The fields of the model that a field of a layout shows are found from its documents, substitutes included."""
    assert [".".join(field) for field in find_shown_fields(layout)[path]] == shown


@pytest.mark.parametrize("name", SCENARIO_FAMILIES)
def test_rows_serve_the_families_of_their_samples(name: str) -> None:
    """Every row that fills fields from the telemetry of a family is in the table for that family."""
    _, stats = build_scenario(read_scenario(name))
    rows = [ROWS[row] for row, count in stats.placed_samples.items() if count]
    assert rows != [] or "empty" in name
    assert [row.name for row in rows if not serves_family(row, SCENARIO_FAMILIES[name])] == []


def test_every_row_serves_a_family() -> None:
    """No row of the catalog is without a family."""
    assert [name for name, row in ROWS.items() if not any(serves_family(row, family) for family in ALL_FAMILIES)] == []
