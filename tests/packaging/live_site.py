"""The documentation as a site: `make test-package`."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tools.release.site import PAGE_PATTERNS, SiteError, build_site

ROOT = Path(__file__).parents[2]
# Attributes whose target a browser fetches by itself when it shows a page.
FETCHED = {
    ("img", "src"),
    ("script", "src"),
    ("iframe", "src"),
    ("link", "href"),
    ("source", "src"),
    ("object", "data"),
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of this repository."""
    folder = tmp_path_factory.mktemp("site")
    build_site(ROOT, folder)
    return folder


class FetchedLinks(HTMLParser):
    """Collects what a browser fetches to show a page."""

    def __init__(self) -> None:
        super().__init__()
        self.links: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect the links of one element."""
        self.links |= {value for name, value in attrs if value and (tag, name) in FETCHED}


def list_fetched_links(page: Path) -> set[str]:
    """Return the links that a browser fetches to show a page."""
    parser = FetchedLinks()
    parser.feed(page.read_text(encoding="utf-8"))
    return parser.links


def write_repository(folder: Path, **texts: str) -> Path:
    """Write a repository with the fewest pages, and with these texts as pages of docs/."""
    pages = {"README.md": "# Program\n", "docs/decisions/README.md": "# Decisions\n\n[docs](../README.md)\n"}
    pages["docs/README.md"] = "# Pages\n\n## Run\n\n* [a](a.md)\n* [decisions](decisions/README.md)\n"
    pages |= {f"docs/{name}.md": text for name, text in texts.items()}
    for path, text in pages.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    return folder


def test_every_page_is_in_the_site(site: Path) -> None:
    """Each Markdown page of the repository has an HTML page, and the site has a start page and a search."""
    pages = {path.relative_to(ROOT) for pattern in PAGE_PATTERNS for path in ROOT.glob(pattern)}
    html = {path.relative_to(site).with_suffix(".md") for path in site.rglob("*.html")}
    assert pages <= html
    assert {Path("index.md"), Path("search.md")} <= html


def test_the_site_loads_nothing_from_other_hosts(site: Path) -> None:
    """Pages and style sheets name only files of the site, so that it works offline."""
    links = {link for page in site.rglob("*.html") for link in list_fetched_links(page)}
    assert len(links) > 5
    assert {link for link in links if re.match(r"(?:https?:)?//", link)} == set()
    styles = "".join(path.read_text(encoding="utf-8") for path in site.rglob("*.css"))
    assert re.findall(r"(?:@import\s+|url\()[\"']?(?:https?:)?//[^)]*", styles) == []


def test_files_that_pages_link_to_are_in_the_site(site: Path) -> None:
    """A manifest to which a page links can be downloaded."""
    assert (ROOT / "deploy" / "kubernetes.yaml").read_bytes() in {
        path.read_bytes() for path in (site / "_downloads").rglob("*.yaml")
    }


@pytest.mark.parametrize(
    ("texts", "page"),
    [
        ({"a": "# A\n\n[b](b.md)\n"}, "a"),
        ({"a": "# A\n\n[b](#nothing)\n"}, "a"),
        ({"a": "# A\n", "b": "# B\n"}, "b"),
    ],
    ids=["link to no page", "link to no heading", "page that docs/README.md does not list"],
)
def test_a_defect_of_a_page_is_an_error(tmp_path: Path, texts: dict[str, str], page: str) -> None:
    """A broken link, or a page that the navigation cannot reach, ends the build with the name of the page."""
    repository = write_repository(tmp_path / "repository", **texts)
    with pytest.raises(SiteError, match=rf"(?m)^docs/{page}\.md:"):
        build_site(repository, tmp_path / "site")
