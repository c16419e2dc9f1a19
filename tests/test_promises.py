"""docs/reliability.md and docs/security.md name a test for each line; read from the source: every such test exists."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = ("docs/reliability.md", "docs/security.md")
_NAMED = re.compile(r"`(?P<path>(?:tests|benchmarks)/[\w/]+\.\w+)(?:::(?P<test>\w+))?(?:\[(?P<id>[^`]+)\])?`")


def rows(page: str) -> Iterator[str]:
    """Yield the lines of a page's tables, without their heads."""
    table = [line for line in (ROOT / page).read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    rule = next(number for number, line in enumerate(table) if set(line) <= set("|-: "))
    yield from table[rule + 1 :]


def lacking(row: str) -> list[str]:
    """Return what is wrong with the tests that a row names; nothing where each exists and there is one at least."""
    last_cell = row.rstrip("| ").rpartition("|")[2]
    named = list(_NAMED.finditer(last_cell))
    if not named or len(named) != last_cell.count("`") / 2:
        return [f"no test, or what is no test: {last_cell.strip()}"]
    return [found.group() for found in named if not _exists(found["path"], found["test"], found["id"])]


def _exists(path: str, test: str | None, parameter: str | None) -> bool:
    if not (ROOT / path).is_file():
        return False
    return test is None or (test in _functions(path) and (parameter is None or parameter in _texts(path)))


@cache
def _tree(path: str) -> ast.Module:
    return ast.parse((ROOT / path).read_text(encoding="utf-8"))


@cache
def _functions(path: str) -> frozenset[str]:
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    return frozenset(node.name for node in ast.walk(_tree(path)) if isinstance(node, kinds))


@cache
def _texts(path: str) -> frozenset[str]:
    """Return the texts in a source, and in those of the tests that it imports from: parameters are called by them."""
    imported = [node.module or "" for node in ast.walk(_tree(path)) if isinstance(node, ast.ImportFrom)]
    sources = [path, *(name.replace(".", "/") + ".py" for name in imported if name.startswith("tests."))]
    nodes = [node for source in sources if (ROOT / source).is_file() for node in ast.walk(_tree(source))]
    return frozenset(node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str))


@pytest.mark.parametrize("page", PAGES)
def test_every_line_names_a_test_that_exists(page: str) -> None:
    """Each line of the tables names at least one test, and all that it names can be found."""
    assert {row.split("|")[1].strip(): lacking(row) for row in rows(page) if lacking(row)} == {}


@pytest.mark.parametrize("page", PAGES)
def test_every_page_has_lines(page: str) -> None:
    """A page whose table is gone promises nothing, and is noticed."""
    assert len(list(rows(page))) > 20


@pytest.mark.parametrize(
    "row",
    [
        "| a fault | what happens | |",
        "| a fault | what happens | later |",
        "| a fault | what happens | `tests/test_promises.py::test_nothing` |",
        "| a fault | what happens | `tests/test_nothing.py::test_every_page_has_lines` |",
        "| a fault | what happens | `tests/faults/test_table.py::test_a_fault_is_borne[an earthquake]` |",
        "| a fault | what happens | `tests/test_promises.py::test_every_page_has_lines`, `another` |",
    ],
)
def test_a_test_that_does_not_exist_is_noticed(row: str) -> None:
    """A line without a test, or with a test, file or parameter that there is not, is lacking."""
    assert lacking(row)
