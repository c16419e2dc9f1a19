"""The links of the documentation lead somewhere."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [
    *ROOT.glob("*.md"),
    *ROOT.glob("docs/**/*.md"),
    *ROOT.glob("proto/*.md"),
    *ROOT.glob("benchmarks/*.md"),
]
SOURCES = [
    *(
        path
        for folder in ("aggregator", "benchmarks", "demo", "tests", "tools")
        for path in ROOT.glob(f"{folder}/**/*.py")
    ),
    *ROOT.glob("deploy/*.yaml"),
    *ROOT.glob("proto/**/*.proto"),
    ROOT / "Dockerfile",
    ROOT / "Makefile",
    ROOT / "pyproject.toml",
]


def list_anchors(page: Path) -> list[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return [re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings]


def find_broken_links(page: Path) -> Iterator[str]:
    """Yield the relative links of a page without a file or heading."""
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in list_anchors(target)):
            yield link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_resolve(page: Path) -> None:
    """Each relative link of a page names a file and, if it has an anchor, a heading."""
    assert list(find_broken_links(page)) == []


def test_every_page_is_listed() -> None:
    """docs/README.md links to every page, from which the site of the documentation gets its navigation."""
    index = ROOT / "docs" / "README.md"
    links = re.findall(r"\]\(([^)\s#]+)\)", index.read_text(encoding="utf-8"))
    listed = {(index.parent / link).resolve() for link in links}
    decisions = set(ROOT.glob("docs/decisions/[0-9]*.md"))
    assert {str(page.relative_to(ROOT)) for page in {*PAGES} - listed - decisions - {index}} == set()


def test_sources_name_pages_that_exist() -> None:
    """A page of docs/ that a source, a manifest or an alert names exists."""
    named = {name for source in SOURCES for name in re.findall(r"docs/[\w/-]+\.md", source.read_text(encoding="utf-8"))}
    assert len(named) > 5
    assert {name for name in named if not (ROOT / name).is_file()} == set()
