"""The names and packages of the program."""

import ast
from collections import defaultdict
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "aggregator"
GENERATED = PACKAGE / "pb"
SOURCES = [path for path in sorted(PACKAGE.rglob("*.py")) if GENERATED not in path.parents]
INIT_FILES = [path for path in SOURCES if path.name == "__init__.py" and path.parent != PACKAGE]


def test_public_class_names_are_unique() -> None:
    """No two public classes of the package share a name."""
    modules_by_class: defaultdict[str, list[str]] = defaultdict(list)
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                modules_by_class[node.name].append(str(path.relative_to(PACKAGE)))
    assert {name: modules for name, modules in modules_by_class.items() if len(modules) > 1} == {}


@pytest.mark.parametrize("path", INIT_FILES, ids=lambda path: str(path.parent.relative_to(PACKAGE)))
def test_a_package_is_described_in_one_sentence(path: Path) -> None:
    """The `__init__.py` of a package contains one line of documentation and no code."""
    module = ast.parse(path.read_text(encoding="utf-8"))
    docstring = ast.get_docstring(module)
    assert len(module.body) == 1
    assert docstring is not None
    assert docstring.endswith(".")
    assert "\n" not in docstring
