"""The generated files of the chart: its values, its version, its documentation, and copies of the alert rules."""

from tools.chart.schema import list_rows, render_schema, render_values
from tools.chart.values import VALUES
from tools.code import ROOT

CHART = "deploy/chart"
RULES = "deploy/monitoring/rules"

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
    return {
        f"{CHART}/values.yaml": render_values(VALUES, _VALUES_HEADER),
        f"{CHART}/values.schema.json": render_schema(VALUES),
        **{
            f"{CHART}/files/rules/{path.name}": path.read_text(encoding="utf-8")
            for path in sorted((ROOT / RULES).glob("*.yaml"))
        },
        "docs/chart-values.md": render_values_page(),
    }


def render_values_page() -> str:
    """Return the page with the table of the values."""
    return _PAGE_HEADER + "".join(
        f"| `{path}` | `{default}` | {description} |\n" for path, default, description in list_rows(VALUES)
    )
