"""How long a source may be; counted, so that a file that grows is split before it is a burden."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = ("aggregator", "demo", "tests", "benchmarks", "tools")
MOST_LINES = 400


def too_long(root: Path) -> list[str]:
    """Return the sources of Python that have too many lines, but for those that are generated."""
    files = [path for source in SOURCES for path in (root / source).rglob("*.py") if "pb" not in path.parts]
    assert files
    return [str(path.relative_to(root)) for path in files if path.read_bytes().count(b"\n") > MOST_LINES]


def test_no_source_is_too_long() -> None:
    """No source has more than 400 lines."""
    assert too_long(ROOT) == []


@pytest.mark.parametrize(("lines", "found"), [(MOST_LINES, []), (MOST_LINES + 1, ["tests/deep/test_x.py"])])
def test_a_source_that_is_too_long_is_found(tmp_path: Path, lines: int, found: list[str]) -> None:
    """One line more than there may be is noticed, however deep the file lies."""
    (tmp_path / "tests" / "deep").mkdir(parents=True)
    (tmp_path / "tests" / "deep" / "test_x.py").write_text("pass\n" * lines, encoding="utf-8")
    assert too_long(tmp_path) == found
