"""The licenses of the packages that are published: in an installation, and in the image of the example service."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from tools.release import licenses, packages

ROOT = Path(__file__).parents[2]
PACKAGES = packages.list_packages()
LOCK_FILES = (packages.LOCK_FILE, packages.EXAMPLE_SERVICE_LOCK_FILE)
each_lock_file = pytest.mark.parametrize("lock_file", LOCK_FILES, ids=lambda path: path.parent.name)


def list_locked_versions(lock_file: Path) -> set[str]:
    """Return `name==version` of each package in a lock file, without those that only other systems install."""
    lines = re.findall(r"^([\w.-]+==[^\s;]+)(.*)", lock_file.read_text(encoding="utf-8"), re.MULTILINE)
    return {package for package, rest in lines if "== 'win32'" not in rest and "== 'emscripten'" not in rest}


@each_lock_file
def test_every_locked_package_is_checked(lock_file: Path) -> None:
    """The packages are those of the lock file."""
    found = {f"{one.name}=={one.version}" for one in packages.list_packages(lock_file)}
    assert found == list_locked_versions(lock_file)


@each_lock_file
def test_published_versions_are_tested_versions(lock_file: Path) -> None:
    """The lock file has the versions of requirements-dev.lock, and they are installed; if not, run `make setup`."""
    assert list_locked_versions(lock_file) <= list_locked_versions(ROOT / "requirements-dev.lock")
    assert packages.find_version_differences(lock_file) == []


@each_lock_file
def test_licenses_are_permissive(lock_file: Path) -> None:
    """Each package, and each library that its wheel describes, has a permissive or accepted license."""
    published = packages.list_packages(lock_file)
    assert licenses.find_license_problems(published) == []
    assert any(one.bundled_libraries for one in published)


def test_licenses_of_the_page_are_permissive() -> None:
    """Each package from which the web page is built has a permissive license."""
    published = packages.list_page_packages()
    assert {one.name for one in published} > {"preact", "d3-zoom", "world-atlas"}
    assert licenses.find_license_problems(published) == []


def test_packages_for_development_are_not_in_the_page() -> None:
    """Compilers, linters and test programs are not listed as parts of the page."""
    assert {one.name for one in packages.list_page_packages()}.isdisjoint({"esbuild", "typescript", "axe-core"})


def test_every_lock_file_is_checked() -> None:
    """No other lock file is in the repository, apart from those for development."""
    locks = [*ROOT.glob("*.lock"), *ROOT.glob("[!.]*/**/*.lock")]
    found = {path for path in locks if {"build", "node_modules"}.isdisjoint(path.parts)}
    assert found == {*LOCK_FILES, ROOT / "requirements-dev.lock", ROOT / "ui" / "node.lock"}


def test_accepted_licenses_are_in_use() -> None:
    """No exception is for a package that is gone, for a permissive license, or for the GPL or AGPL."""
    by_name = {one.name: one.license for one in PACKAGES}
    assert {name: text for name, (text, _) in licenses.ACCEPTED_LICENSES.items()} == {
        name: by_name.get(name) for name in licenses.ACCEPTED_LICENSES
    }
    accepted = {text for text, _ in licenses.ACCEPTED_LICENSES.values()}
    assert not any(licenses.is_permissive(text) for text in accepted)
    assert not any("GPL" in text.replace("LGPL", "") for text in accepted)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("MIT", True),
        ("Apache-2.0 AND MIT", True),
        ("GPL-3.0-only OR MIT", True),
        ("(MIT OR Apache-2.0) AND Unicode-3.0", True),
        ("Apache-2.0 WITH LLVM-exception", True),
        ("GPL-2.0-only", False),
        ("AGPL-3.0-or-later", False),
        ("LGPL-2.1-or-later", False),
        ("MIT AND GPL-3.0-only", False),
        ("GPL-2.0-only WITH Classpath-exception-2.0", False),
        ("GNU General Public License", False),
        ("none", False),
        ("", False),
    ],
)
def test_an_expression_is_permissive(expression: str, expected: bool) -> None:
    """All parts of `AND` and one part of `OR` must be permissive; a text that is not SPDX is not."""
    assert licenses.is_permissive(expression) is expected


def test_a_problem_names_package_version_and_license() -> None:
    """A package or a bundled library under another license is reported by name; certifi only has the MPL."""
    package = next(one for one in PACKAGES if one.bundled_libraries)
    library = replace(package.bundled_libraries[0], name="libx", version="1", license="AGPL-3.0-only")
    changed = replace(package, name="x", version="2", license="LGPL-3.0-only", bundled_libraries=(library,))
    certifi = replace(package, name="certifi", version="3", license="GPL-3.0-only", bundled_libraries=())
    assert licenses.find_license_problems([changed, certifi]) == [
        "x 2: license LGPL-3.0-only is not permissive",
        "libx 1: license AGPL-3.0-only is not permissive",
        "certifi 3: license GPL-3.0-only is not permissive",
    ]
