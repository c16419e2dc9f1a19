"""The tests that prove each promise of the pages about security and reliability: docs/evidence.md."""

import ast
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from tools.code import ROOT

PAGES = ("security", "reliability")

_PROMISE_PATTERN = re.compile(r"^\* \*\*(.+?)\*\*:", re.MULTILINE)
_TEST_ID_PATTERN = re.compile(r"(?:(?P<path>tests/[\w/.]+\.py)(?:::)?)?(?P<name>\w+)?(?:\[(?P<parameters>.+)\])?")
_TEST_PATTERN = re.compile(r"^ *(?:async )?def (test_\w+)\(", re.MULTILINE)
_PAGE_HEADER = """\
# Tests for each promise

Generated from `docs/promises.toml` by `make generate`; `make check` fails if it is outdated. The promises are in
[security.md](security.md) and [reliability.md](reliability.md).
"""


def render_evidence_page() -> str:
    """Return the page as Markdown."""
    lines = [_PAGE_HEADER]
    for page, tests_by_promise in load_tests().items():
        lines.append(f"## {page.capitalize()}\n")
        for promise, tests in tests_by_promise.items():
            lines += [f"* {promise}", *(f"  * `{_format_test(test)}`" for test in tests)]
        lines.append("")
    return "\n".join(lines).rstrip("\n") + "\n"


def load_tests() -> Mapping[str, Mapping[str, list[str]]]:
    """Return the tests of each promise, by page and name of the promise."""
    return tomllib.loads((ROOT / "docs" / "promises.toml").read_text(encoding="utf-8"))


def read_promises(page: str) -> list[str]:
    """Return the names of the promises of a page."""
    return _PROMISE_PATTERN.findall((ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8"))


def find_test_files(test: str) -> list[str]:
    """Return the paths of the files that contain a test: one if it is valid, none or several otherwise."""
    match = _TEST_ID_PATTERN.fullmatch(test)
    if match is None:
        return []
    path, name, parameters = match["path"], match["name"], match["parameters"]
    if name is None:
        return [path] if path and (ROOT / path).is_file() else []
    paths = [path] if path else _index_tests()[name]
    return [
        path
        for path in paths
        if path in _index_tests()[name] and (parameters is None or parameters in _list_string_constants(path))
    ]


def _format_test(test: str) -> str:
    paths = find_test_files(test)
    return test if test.startswith("tests/") or not paths else f"{paths[0]}::{test}"


@cache
def _index_tests() -> Mapping[str, list[str]]:
    paths_by_name: defaultdict[str, list[str]] = defaultdict(list)
    for path in sorted((ROOT / "tests").rglob("*.py")):
        for name in _TEST_PATTERN.findall(path.read_text(encoding="utf-8")):
            paths_by_name[name].append(path.relative_to(ROOT).as_posix())
    return paths_by_name


@cache
def _list_string_constants(path: str) -> frozenset[str]:
    """Return the strings in a test file and in the test helpers that it imports: parameter IDs are among them."""
    return frozenset(
        node.value
        for source in (path, *_iter_imported_helpers(path))
        for node in ast.walk(_parse(source))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def _iter_imported_helpers(path: str) -> Iterator[str]:
    for node in ast.walk(_parse(path)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tests."):
            helper = f"{(node.module or '').replace('.', '/')}.py"
            if (ROOT / helper).is_file():
                yield helper


@cache
def _parse(path: str) -> ast.Module:
    return ast.parse(Path(ROOT / path).read_text(encoding="utf-8"))
