"""The files of the chart that need no Helm: the copies in it, and its default values."""

from pathlib import Path

import yaml

from tools.chart.files import CHART, describe_values, render_chart_files
from tools.chart.schema import list_rows

ROOT = Path(__file__).parents[2]


def test_every_copy_has_its_original() -> None:
    """Each file below deploy/chart/files is generated."""
    copies = {str(path.relative_to(ROOT)) for path in (ROOT / CHART / "files").rglob("*") if path.is_file()}
    assert copies == {path for path in render_chart_files() if path.startswith(f"{CHART}/files/")}


def test_the_default_values_are_those_of_the_table() -> None:
    """values.yaml has exactly the values of the table in docs/chart-values.md."""
    values = yaml.safe_load((ROOT / CHART / "values.yaml").read_text(encoding="utf-8"))
    rows = {path: default for path, default, _ in list_rows(describe_values())}
    for path, default in rows.items():
        value = values
        for name in path.split("."):
            value = value[name]
        assert value == yaml.safe_load(default), path
