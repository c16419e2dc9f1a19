"""Builds the documentation as a site of static files: python -m tools.release.site FOLDER.

The pages are the Markdown files of the repository. Sphinx renders a copy of them with the files that they link to, in
the same folders, so that relative links remain valid. Any warning is an error, such as a broken link or a page that
docs/README.md does not list. The site loads nothing from other hosts.
"""

import posixpath
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tools.code import ROOT

PAGE_PATTERNS = ("*.md", "docs/**/*.md", "proto/*.md", "benchmarks/*.md", "ui/*.md")
_SETTINGS_FOLDER = Path(__file__).parent / "sphinx_settings"
_LINK = re.compile(r"\[([^\]]*)\]\(([^)\s#]+)[^)\s]*\)")
# A heading, and what follows it up to the next one.
_SECTION = re.compile(r"^## (.+)\n((?:(?!#).*\n)*)", re.MULTILINE)
_TABLE_OF_CONTENTS = """
```{{toctree}}
:hidden:
:caption: {caption}

{entries}
```
"""


class SiteError(Exception):
    """The site cannot be built; the text contains the messages of Sphinx."""


def build_site(repository: Path, folder: Path) -> None:
    """Build the site of a repository's pages; raise SiteError for any warning."""
    with tempfile.TemporaryDirectory() as work:
        copy, cache = Path(work) / "pages", Path(work) / "cache"
        _copy_pages(repository, copy)
        _add_tables_of_contents(copy)
        command = [sys.executable, "-m", "sphinx", "--quiet", "--fail-on-warning", "--no-color", "--builder", "html"]
        paths = ["--doctree-dir", str(cache), "--conf-dir", str(_SETTINGS_FOLDER), str(copy), str(folder)]
        completed = subprocess.run([*command, *paths], capture_output=True, text=True, check=False)
        if completed.returncode != 0:
            raise SiteError(completed.stderr.replace(f"{copy}/", "").strip())
    # The name that web servers expect.
    shutil.copy(folder / "README.html", folder / "index.html")


def _copy_pages(repository: Path, copy: Path) -> None:
    for page in (page for pattern in PAGE_PATTERNS for page in repository.glob(pattern)):
        text = page.read_text(encoding="utf-8")
        for label, link in _LINK.findall(text):
            target = (page.parent / link).resolve()
            if target.is_dir():
                # A site has no page for a folder.
                text = text.replace(f"[{label}]({link})", label)
            elif target.is_file() and target.suffix != ".md":
                _copy_file(target, copy / target.relative_to(repository))
        target = copy / page.relative_to(repository)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")


def _copy_file(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)


def _add_tables_of_contents(copy: Path) -> None:
    """Add the tables from which Sphinx makes the navigation: the links of docs/README.md and of the decisions."""
    index = (copy / "docs" / "README.md").read_text(encoding="utf-8")
    tables = [_format_table(caption, _list_pages(section, "docs")) for caption, section in _SECTION.findall(index)]
    with (copy / "README.md").open("a", encoding="utf-8") as page:
        page.write(_format_table("All pages", iter(["/docs/README.md"])) + "".join(tables))
    decisions = copy / "docs" / "decisions" / "README.md"
    text = decisions.read_text(encoding="utf-8")
    decisions.write_text(text + _format_table("Decisions", _list_pages(text, "docs/decisions")), encoding="utf-8")


def _list_pages(text: str, folder: str) -> Iterator[str]:
    """Yield the pages that a text in `folder` links to, except for the first page, as paths in the repository."""
    for _label, link in _LINK.findall(text):
        path = posixpath.normpath(f"/{folder}/{link}")
        if path.endswith(".md") and "://" not in link and path != "/README.md":
            yield path


def _format_table(caption: str, pages: Iterator[str]) -> str:
    return _TABLE_OF_CONTENTS.format(caption=caption, entries="\n".join(pages))


def main() -> None:
    """Build the site in the folder that the argument names."""
    try:
        build_site(ROOT, Path(sys.argv[1]))
    except SiteError as error:
        sys.exit(f"build the documentation: {error}")


if __name__ == "__main__":
    main()
