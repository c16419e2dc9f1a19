"""The dashboards against the types of @grafana/schema: `make test-grafana`.

The types have enums where JSON has their values, so `Plain` replaces each enum by its values.
"""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.monitoring.test_dashboards import DASHBOARD_FILES, load
from tools.parts.grafana_schema import obtain_grafana_schema

COMPILER_TIMEOUT_SECONDS = 300.0
# The modules with the options of each type of panel.
PANEL_MODULES = {
    "stat": "stat",
    "timeseries": "timeseries",
    "table": "table",
    "heatmap": "heatmap",
    "nodeGraph": "nodegraph",
}
# The SDK writes these members of intervals for variables of all types.
INTERVAL_MEMBERS = ("auto", "auto_min", "auto_count")
PRELUDE = """\
import type { Dashboard, Panel, RowPanel } from '@grafana/schema';
type Plain<T> = unknown extends T ? unknown
  : T extends string ? `${T}`
  : T extends number ? (`${T}` extends `${infer Value extends number}` ? Value : never)
  : T extends boolean | null | undefined ? T
  : T extends readonly (infer Item)[] ? Plain<Item>[]
  : T extends object ? { [Key in keyof T]: Plain<T[Key]> } : T;
"""


def render_declarations(document: dict[str, Any], name: str) -> Iterator[str]:
    """Yield TypeScript that declares the parts of a dashboard with their types."""
    for variable in document["templating"]["list"]:
        for member in INTERVAL_MEMBERS:
            variable.pop(member, None)
    for panel in document.pop("panels"):
        if panel["type"] == "row":
            yield declare(f"{name}_{panel['id']}", "RowPanel", panel)
            continue
        module = PANEL_MODULES[panel["type"]]
        options = panel.pop("options", {})
        custom = panel.get("fieldConfig", {}).get("defaults", {}).pop("custom", {})
        yield declare(f"{name}_{panel['id']}", "Panel", panel)
        yield declare(f"{name}_{panel['id']}_options", f"Partial<{module}.Options>", options)
        if custom:
            yield declare(f"{name}_{panel['id']}_custom", f"Partial<{module}.FieldConfig>", custom)
    yield declare(name, "Dashboard", document)


def declare(name: str, type_name: str, value: Any) -> str:
    """Return the declaration of a constant."""
    return f"export const {name.replace('-', '_')}: Plain<{type_name}> = {json.dumps(value, indent=1)};"


def compile_program(schema: Path, folder: Path, program: str) -> str:
    """Return the errors of the compiler."""
    (folder / "node_modules").symlink_to(schema / "node_modules")
    (folder / "check.ts").write_text(program, encoding="utf-8")
    options = ["--noEmit", "--strict", "--skipLibCheck", "--moduleResolution", "bundler", "--module", "esnext"]
    completed = subprocess.run(
        ["node", "node_modules/typescript/bin/tsc", *options, "--target", "es2022", "check.ts"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=COMPILER_TIMEOUT_SECONDS,
        check=False,
    )
    return completed.stdout + completed.stderr


@pytest.fixture(scope="module")
def schema() -> Path:
    """The packages from the cache."""
    return obtain_grafana_schema()


@pytest.fixture(scope="module")
def program() -> str:
    """A program that declares all dashboards."""
    folder = "./node_modules/@grafana/schema/dist/types/raw/composable"
    imports = [
        f"import type * as {name} from '{folder}/{name}/panelcfg/x/types.gen';" for name in PANEL_MODULES.values()
    ]
    declarations = [text for path in DASHBOARD_FILES for text in render_declarations(load(path), path.stem)]
    return "\n".join([PRELUDE, *imports, *declarations])


def test_the_types_of_grafana_have_every_member(schema: Path, program: str, tmp_path: Path) -> None:
    """The compiler accepts all dashboards, panels and options."""
    assert compile_program(schema, tmp_path, program) == ""


@pytest.mark.parametrize(
    ("text", "replacement"),
    [
        ('"gridPos"', '"gridPosition"'),
        ('"mode": "absolute"', '"mode": "exact"'),
        ('"graphMode": "none"', '"graphMode": "nothing"'),
        ('"calculate": false', '"calculate": "no"'),
    ],
)
def test_the_types_of_grafana_refuse_others(
    schema: Path, program: str, tmp_path: Path, text: str, replacement: str
) -> None:
    """The compiler refuses a member that does not exist, and values of another type or enum."""
    assert text in program
    assert "error TS" in compile_program(schema, tmp_path, program.replace(text, replacement, 1))
