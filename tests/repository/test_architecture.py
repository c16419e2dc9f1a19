"""docs/architecture.md: the modules and packages that it names exist, and no package is missing."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "aggregator"
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def test_named_modules_exist() -> None:
    """Each path of a module is that of a file in the package."""
    modules = re.findall(r"`([\w/]+\.py)`", PAGE)
    assert len(modules) > 20
    assert [module for module in modules if not (PACKAGE / module).is_file()] == []


def test_every_package_is_listed() -> None:
    """Each package has a place in the table, and the table names no other."""
    packages = {f"{path.parent.relative_to(PACKAGE)}/" for path in PACKAGE.rglob("__init__.py")}
    top_level_packages = {package for package in packages if not package.startswith(("./", "pb/"))} | {"pb/"}
    table = PAGE.partition("## Packages")[2].partition("## Threads")[0]
    listed = {name for row in table.splitlines() if row.startswith("|") for name in re.findall(r"`([\w/]+/)`", row)}
    assert listed == top_level_packages


def test_the_life_of_a_number_has_at_most_twenty_steps() -> None:
    """The first table has one row for each step."""
    assert 10 < len(re.findall(r"^\| \d+ \|", PAGE, re.MULTILINE)) <= 20
