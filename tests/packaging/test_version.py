"""The version: pyproject.toml names it, and nothing names another one."""

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
VERSION: str = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
# An image of this program with a version, in a manifest or in a command; not an address such as `aggregator:8080`.
IMAGE_TAG = re.compile(r"(?<![\w-])aggregator:(v?\d+\.[\w.-]*)")


def list_published_files() -> list[Path]:
    """Return the documentation and the files of deploy/."""
    files = [ROOT / "Dockerfile", *ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("deploy/**/*")]
    return [path for path in files if path.is_file()]


def find_image_tags(text: str) -> set[str]:
    """Return the versions of images of this program in a text."""
    return {tag.rstrip(".-") for tag in IMAGE_TAG.findall(text)}


def test_image_tags_are_found() -> None:
    """Tags of this program's image are found in manifests and sentences, those of other images are not."""
    assert find_image_tags("(docker build -t aggregator:0.1.0 .)") == {"0.1.0"}
    assert find_image_tags("image: registry.example/team/aggregator:2.0.0-rc.1\n") == {"2.0.0-rc.1"}
    assert find_image_tags("Use aggregator:0.1.0.") == {"0.1.0"}
    assert find_image_tags("image: old-aggregator:9.9.9, aggregator:8080, aggregator:latest") == set()


def test_images_have_the_version() -> None:
    """Each image of this program that a page or a file of deploy/ names has the version of pyproject.toml."""
    tags = {
        str(path.relative_to(ROOT)): found
        for path in list_published_files()
        if (found := find_image_tags(path.read_text(encoding="utf-8", errors="replace")))
    }
    assert "deploy/kubernetes.yaml" in tags
    assert {path: found for path, found in tags.items() if found != {VERSION}} == {}


def test_the_installed_package_has_the_version() -> None:
    """The metadata, from which the program takes its version, is that of pyproject.toml; if not, run `make setup`."""
    assert version("aggregator") == VERSION


def test_the_api_description_has_the_version() -> None:
    """docs/openapi.yaml names the version."""
    document = yaml.safe_load((ROOT / "docs" / "openapi.yaml").read_text(encoding="utf-8"))
    assert document["info"]["version"] == VERSION


def test_the_changelog_begins_with_the_version() -> None:
    """The first release in CHANGELOG.md is the version."""
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    first = next(heading for heading in re.findall(r"^## (\S+)", changelog, re.MULTILINE) if heading != "Unreleased")
    assert first == VERSION


def test_charts_have_the_version() -> None:
    """A Helm chart in deploy/ has the version of the program as its own version and as the version of the program."""
    charts = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in ROOT.glob("deploy/**/Chart.yaml")]
    assert charts
    assert [chart for chart in charts if {str(chart["version"]), str(chart["appVersion"])} != {VERSION}] == []
