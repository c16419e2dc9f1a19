"""Building the web page: which Node.js is used, and when packages are installed."""

import json
from pathlib import Path

import pytest

from tools.page import MIN_NODE_MAJOR, SOURCE_FOLDER, are_packages_installed, is_new_enough, main

LOCKED = {
    "": {"name": "aggregator-ui"},
    "node_modules/preact": {"version": "1", "integrity": "sha512-a"},
    "node_modules/tool-for-another-system": {"version": "1", "integrity": "sha512-b", "optional": True},
}


def write_packages(path: Path, packages: object) -> None:
    """Write a file with a list of packages as npm does."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"packages": packages}), encoding="utf-8")


@pytest.mark.parametrize(
    ("version", "expected"),
    [("v20.0.0", True), ("v24.19.0", True), ("v19.9.0", False), ("v8.1.0", False), ("", False), ("vx", False)],
)
def test_which_node_can_build_the_page(version: str, expected: bool) -> None:
    """Node.js 20 and newer can build the page, older ones and programs without a version cannot."""
    assert is_new_enough(version) is expected


def test_the_oldest_node_is_that_of_the_package() -> None:
    """The oldest Node.js is the one in `engines` of ui/package.json."""
    engines = json.loads((SOURCE_FOLDER / "package.json").read_bytes())["engines"]
    assert engines == {"node": f">={MIN_NODE_MAJOR}"}


@pytest.mark.parametrize(
    ("installed", "expected"),
    [
        ({"node_modules/preact": LOCKED["node_modules/preact"]}, True),
        ({name: entry for name, entry in LOCKED.items() if name}, True),
        ({}, False),
        ({"node_modules/preact": {"version": "2", "integrity": "sha512-c"}}, False),
        (None, False),
    ],
    ids=["without the optional one", "all", "none", "another version", "never installed"],
)
def test_packages_are_installed_once(tmp_path: Path, installed: object, expected: bool) -> None:
    """Packages count as installed if all that this system needs have the locked hashes."""
    write_packages(tmp_path / "package-lock.json", LOCKED)
    if installed is not None:
        write_packages(tmp_path / "node_modules" / ".package-lock.json", installed)
    assert are_packages_installed(tmp_path) is expected


def test_the_lock_file_names_no_registry() -> None:
    """Each machine downloads the packages from its own registry: the lock file has hashes and no addresses."""
    packages = json.loads((SOURCE_FOLDER / "package-lock.json").read_bytes())["packages"]
    entries = [entry for name, entry in packages.items() if name]
    assert [entry for entry in entries if "resolved" in entry or "integrity" not in entry] == []


def test_an_unknown_command_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """Another command than those of the page exits with 2 and names them."""
    assert main(["publish"]) == 2
    assert "build|check|test" in capsys.readouterr().err
