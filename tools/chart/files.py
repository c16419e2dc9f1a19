"""The generated files of the chart: its values, its documentation, and copies of the alert rules and dashboards."""

from pathlib import PurePosixPath

from tools.chart.schema import Group, list_rows, render_schema, render_values
from tools.chart.values import build_values
from tools.code import ROOT
from tools.monitoring.dashboards.all_dashboards import render_grafana_files

CHART = "deploy/chart"
RULES = "deploy/monitoring/rules"
DASHBOARDS = "deploy/monitoring/grafana/dashboards"

_VALUES_HEADER = """\
# Values of the chart. Generated from tools/chart/values.py by `make generate`. docs/chart.md describes the chart.
"""

_PAGE_HEADER = """\
# Values of the chart

Generated from `tools/chart/values.py` by `make generate`.

[chart.md](chart.md) says how to install the chart. A name that is not in this table is an error.

| value | default | meaning |
|---|---|---|
"""


def render_chart_files() -> dict[str, str]:
    """Return the generated files by path."""
    values = describe_values()
    return {
        f"{CHART}/values.yaml": render_values(values, _VALUES_HEADER),
        f"{CHART}/values.schema.json": render_schema(values),
        "docs/chart-values.md": render_values_page(values),
        **{f"{CHART}/files/rules/{name}": text for name, text in _read_rules().items()},
        **{f"{CHART}/files/dashboards/{name}": text for name, text in _render_dashboards().items()},
    }


def describe_values() -> Group:
    """Return the values of the chart with the names of all alert rules and dashboards."""
    return build_values(_list_stems(_read_rules()), _list_stems(_render_dashboards()))


def _read_rules() -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in (ROOT / RULES).glob("*.yaml")}


def _render_dashboards() -> dict[str, str]:
    paths = {PurePosixPath(path): text for path, text in render_grafana_files().items()}
    return {path.name: text for path, text in paths.items() if path.parent == PurePosixPath(DASHBOARDS)}


def _list_stems(names: dict[str, str]) -> list[str]:
    return sorted(PurePosixPath(name).stem for name in names)


def render_values_page(values: Group) -> str:
    """Return the page with the table of the values."""
    return _PAGE_HEADER + "".join(
        f"| `{path}` | `{default}` | {description} |\n" for path, default, description in list_rows(values)
    )
